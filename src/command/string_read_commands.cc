// The commands that only look at strings.

#include "command/string_commands.h"
#include "keyspace/access.h"
#include "types/string_value.h"

namespace diskdb::command::strings {

using keyspace::IntegerText;
using keyspace::Key;
using keyspace::Record;
using keyspace::Type;

/// GET key — the value, or null.
Outcome get(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  types::reply_value(cx.reply, record);
  return Outcome::done();
}

/// MGET key [key ...] — the values, null for what is absent or no string.
Outcome mget(CommandContext& cx, Arguments) {
  cx.reply.array(cx.keys.size());
  for (const Key& key : cx.keys) {
    const Record* record = cx.keyspace.find(key);
    const bool is_string = record != nullptr && record->type() == Type::kString;
    types::reply_value(cx.reply, is_string ? record : nullptr);
  }
  return Outcome::done();
}

/// STRLEN key — how many bytes the value has; 0 if absent.
Outcome strlen(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  cx.reply.integer(record == nullptr ? 0 : static_cast<std::int64_t>(record->string_length()));
  return Outcome::done();
}

/// GETRANGE key start end — the bytes from start to end, both included; negative counts from the
/// end.
Outcome getrange(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(std::int64_t start, args.next_integer());
  TRY_LET(std::int64_t end, args.next_integer());
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));

  IntegerText scratch;
  const Bytes text = types::text_of(record, scratch);
  const auto size = static_cast<std::int64_t>(text.size());
  // Both ends before the start of the value mean its first byte, unless they are in the wrong
  // order.
  const bool is_reversed = start < 0 && end < 0 && start > end;
  if (start < 0) start = start < -size ? 0 : start + size;
  if (end < 0) end = end < -size ? 0 : end + size;
  if (end >= size) end = size - 1;

  if (is_reversed || start > end) {
    cx.reply.bulk(Bytes{});
  } else {
    cx.reply.bulk(
        text.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(end - start + 1)));
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
  IntegerText scratch;
  char text[types::kDigestTextBytes];
  types::format_digest(text, types::digest_of(types::text_of(record, scratch)));
  cx.reply.bulk(Bytes{text, sizeof text});
  return Outcome::done();
}

}  // namespace diskdb::command::strings
