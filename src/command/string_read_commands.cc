// The commands that only look at strings.

#include "command/string_commands.h"
#include "keyspace/access.h"
#include "types/string_value.h"

namespace diskdb::command::strings {

using keyspace::Key;
using keyspace::Record;
using keyspace::Type;

/// GET key — the value, or null.
Outcome get(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  types::reply_value(cx.reply, record, cx.keyspace.reading());
  return Outcome::done();
}

/// MGET key [key ...] — the values, null for what is absent or no string.
Outcome mget(CommandContext& cx, Arguments) {
  cx.reply.array(cx.keys.size());
  for (const Key& key : cx.keys) {
    const Record* record = cx.keyspace.find(key);
    const bool is_string = record != nullptr && record->type() == Type::kString;
    types::reply_value(cx.reply, is_string ? record : nullptr, cx.keyspace.reading());
  }
  return Outcome::done();
}

/// STRLEN key — how many bytes the value has; 0 if absent.
Outcome strlen(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  cx.reply.integer(static_cast<std::int64_t>(types::length_of(record)));
  return Outcome::done();
}

/// GETRANGE key start end — the bytes from start to end, both included; negative counts from the
/// end.
Outcome getrange(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(std::int64_t start, args.next_integer());
  TRY_LET(std::int64_t end, args.next_integer());
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));

  const auto size = static_cast<std::int64_t>(types::length_of(record));
  // Both ends before the start of the value mean its first byte, unless they are in the wrong
  // order.
  const bool is_reversed = start < 0 && end < 0 && start > end;
  if (start < 0) start = start < -size ? 0 : start + size;
  if (end < 0) end = end < -size ? 0 : end + size;
  if (end >= size) end = size - 1;

  if (is_reversed || start > end) {
    cx.reply.bulk(Bytes{});
  } else {
    types::reply_range(cx.reply, *record, static_cast<std::uint64_t>(start),
                       static_cast<std::uint64_t>(end - start + 1), cx.keyspace.reading());
  }
  return Outcome::done();
}

/// DIGEST key — the hash of the value that IFDEQ and IFDNE compare, or null.
Outcome digest(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  if (record == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  keyspace::StringScratch scratch;
  char text[types::kDigestTextBytes];
  types::format_digest(text,
                       types::digest_of(types::text_of(record, cx.keyspace.reading(), scratch)));
  cx.reply.bulk(Bytes{text, sizeof text});
  return Outcome::done();
}

}  // namespace diskdb::command::strings
