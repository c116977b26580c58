// The commands that read hashes.
#include <string>
#include <vector>

#include "command/hash_commands.h"
#include "command/scan_options.h"

namespace diskdb::command::hashes {
namespace {

using types::FieldView;
using types::Hash;

/// All fields, `one` or both of their words each.
template <typename One>
Outcome reply_each(CommandContext& cx, One one) {
  TRY_LET(const auto hash, find_hash(cx));
  cx.reply.array(hash ? hash->live_count() : 0);
  if (hash) hash->for_each([&](const FieldView& field) { cx.reply.bulk(one(field)); });
  return Outcome::done();
}

}  // namespace

void reply_value(resp::Reply& reply, const std::optional<FieldView>& field) {
  if (field) {
    reply.bulk(field->value);
  } else {
    reply.null();
  }
}

/// HEXISTS key field — 1 or 0.
Outcome hexists(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const auto hash, find_hash(cx));
  cx.reply.integer(hash && hash->contains(args.next()) ? 1 : 0);
  return Outcome::done();
}

/// HGET key field — the value, or null.
Outcome hget(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const auto hash, find_hash(cx));
  reply_value(cx.reply, hash ? hash->find(args.next()) : std::nullopt);
  return Outcome::done();
}

/// HGETALL key — a map.
Outcome hgetall(CommandContext& cx, Arguments) {
  TRY_LET(const auto hash, find_hash(cx));
  cx.reply.map(hash ? hash->live_count() : 0);
  if (hash) {
    hash->for_each([&](const FieldView& field) {
      cx.reply.bulk(field.name);
      cx.reply.bulk(field.value);
    });
  }
  return Outcome::done();
}

/// HKEYS key
Outcome hkeys(CommandContext& cx, Arguments) {
  return reply_each(cx, [](const FieldView& field) { return field.name; });
}

/// HVALS key
Outcome hvals(CommandContext& cx, Arguments) {
  return reply_each(cx, [](const FieldView& field) { return field.value; });
}

/// HLEN key — how many fields, counting as Redis does those that have expired and are still there.
Outcome hlen(CommandContext& cx, Arguments) {
  TRY_LET(const auto hash, find_hash(cx));
  cx.reply.integer(hash ? static_cast<std::int64_t>(hash->count()) : 0);
  return Outcome::done();
}

/// HMGET key field [field ...] — a value or null for each.
Outcome hmget(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const auto hash, find_hash(cx));
  cx.reply.array(args.count());
  for (const Bytes name : args.rest()) {
    reply_value(cx.reply, hash ? hash->find(name) : std::nullopt);
  }
  return Outcome::done();
}

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES] — the next cursor, and fields.
Outcome hscan(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::uint64_t cursor, parse_cursor(args.next()));
  TRY_LET(const auto hash, find_hash(cx));
  if (!hash) {  // before the options are looked at, as Redis has it
    cx.reply.array(2);
    cx.reply.bulk("0");
    cx.reply.array(0);
    return Outcome::done();
  }
  ScanOptions options;
  TRY(read_scan_options(cx, args, ScanOf::kFields, &options));

  std::vector<std::string> found;
  const std::uint64_t next = hash->scan(cursor, options.count, [&](const FieldView& field) {
    if (!options.matches(field.name)) return;
    found.emplace_back(field.name);
    if (!options.has_no_values) found.emplace_back(field.value);
  });
  cx.reply.array(2);
  cx.reply.bulk_integer(static_cast<std::int64_t>(next));
  cx.reply.array(found.size());
  for (const std::string& word : found) cx.reply.bulk(word);
  return Outcome::done();
}

/// HSTRLEN key field — 0 if there is none.
Outcome hstrlen(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const auto hash, find_hash(cx));
  const auto field = hash ? hash->find(args.next()) : std::nullopt;
  cx.reply.integer(field ? static_cast<std::int64_t>(field->value.size()) : 0);
  return Outcome::done();
}

}  // namespace diskdb::command::hashes
