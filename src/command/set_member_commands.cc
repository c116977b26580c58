// The commands that add, remove, look for and list members of sets.
#include <string>
#include <vector>

#include "command/config.h"
#include "command/scan_options.h"
#include "command/services.h"
#include "command/set_commands.h"

namespace diskdb::command::sets {

using keyspace::Record;
using keyspace::Type;

types::SetLimits limits_of(const CommandContext& cx) {
  const Settings& settings = cx.services.config.settings();
  const auto number = [](const Settings::Value& value) {
    return static_cast<std::uint64_t>(value.load(std::memory_order_relaxed));
  };
  return {.integers_max = number(settings.set_intset_entries_max),
          .members_max = number(settings.set_listpack_entries_max),
          .member_bytes_max = number(settings.set_listpack_value_bytes_max)};
}

Answer<std::optional<types::Set>> find_set(CommandContext& cx, const keyspace::Key& key) {
  TRY_LET(const Record* record, cx.keyspace.find(key, Type::kSet));
  if (record == nullptr) return std::optional<types::Set>();
  return std::optional<types::Set>(std::in_place, record->object(), cx.keyspace.reading());
}

/// SADD key member [member ...] — how many are new.
Outcome sadd(CommandContext& cx, Arguments args) {
  args.next();
  const std::span<const Bytes> members = args.rest();
  TRY(cx.keyspace.find(cx.key(), Type::kSet));
  SetEdit edit(cx, cx.key());
  const types::SetLimits limits = limits_of(cx);
  edit.set().expect(members[0], members.size(), limits);
  std::int64_t new_count = 0;
  for (const Bytes member : members) new_count += edit.set().add(member, limits) ? 1 : 0;
  if (new_count != 0) edit.edit().commit(static_cast<std::size_t>(new_count));
  cx.reply.integer(new_count);
  return Outcome::done();
}

/// SCARD key — how many members, 0 if there is no set.
Outcome scard(CommandContext& cx, Arguments) {
  TRY_LET(const auto set, find_set(cx, cx.key()));
  cx.reply.integer(set ? static_cast<std::int64_t>(set->count()) : 0);
  return Outcome::done();
}

/// SISMEMBER key member — 1 or 0.
Outcome sismember(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const auto set, find_set(cx, cx.key()));
  cx.reply.integer(set && set->contains(args.next()) ? 1 : 0);
  return Outcome::done();
}

/// SMEMBERS key
Outcome smembers(CommandContext& cx, Arguments) {
  TRY_LET(const auto set, find_set(cx, cx.key()));
  cx.reply.set(set ? set->count() : 0);
  if (set) set->for_each_shown([&](Bytes member) { cx.reply.bulk(member); });
  return Outcome::done();
}

/// SMISMEMBER key member [member ...] — 1 or 0 for each.
Outcome smismember(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const auto set, find_set(cx, cx.key()));
  cx.reply.array(args.count());
  for (const Bytes member : args.rest()) {
    cx.reply.integer(set && set->contains(member) ? 1 : 0);
  }
  return Outcome::done();
}

/// SMOVE source destination member — 1 if the member was in the source; it is in the destination
/// then. As in Redis the destination's type matters only if there is a source.
Outcome smove(CommandContext& cx, Arguments args) {
  args.next();
  args.next();
  const Bytes member = args.next();
  const keyspace::Key& from = cx.keys[0];
  const keyspace::Key& to = cx.keys[1];
  TRY_LET(const auto source, find_set(cx, from));
  if (!source) {
    cx.reply.integer(0);
    return Outcome::done();
  }
  TRY(cx.keyspace.find(to, Type::kSet));
  const bool moves = source->contains(member);
  if (moves && from.bytes != to.bytes) {
    {
      SetEdit edit(cx, from);
      edit.set().erase(member);
      edit.edit().commit();
    }
    SetEdit edit(cx, to);
    const types::SetLimits limits = limits_of(cx);
    edit.set().expect(member, 1, limits);
    if (edit.set().add(member, limits)) edit.edit().commit();
  }
  cx.reply.integer(moves ? 1 : 0);
  return Outcome::done();
}

/// SREM key member [member ...] — how many were there and are now gone.
Outcome srem(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSet));
  std::int64_t erased_count = 0;
  if (record != nullptr) {
    SetEdit edit(cx, cx.key());
    for (const Bytes member : args.rest()) erased_count += edit.set().erase(member) ? 1 : 0;
    if (erased_count != 0) edit.edit().commit(static_cast<std::size_t>(erased_count));
  }
  cx.reply.integer(erased_count);
  return Outcome::done();
}

/// SSCAN key cursor [MATCH pattern] [COUNT count] — the next cursor, and members.
Outcome sscan(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::uint64_t cursor, parse_cursor(args.next()));
  TRY_LET(const auto set, find_set(cx, cx.key()));
  if (!set) {  // before the options are looked at, as Redis has it
    cx.reply.array(2);
    cx.reply.bulk("0");
    cx.reply.array(0);
    return Outcome::done();
  }
  ScanOptions options;
  TRY(read_scan_options(cx, args, ScanOf::kElements, &options));

  std::vector<std::string> found;
  const std::uint64_t next = set->scan(cursor, options.count, [&](Bytes member) {
    if (options.matches(member)) found.emplace_back(member);
  });
  cx.reply.array(2);
  cx.reply.bulk_integer(static_cast<std::int64_t>(next));
  cx.reply.array(found.size());
  for (const std::string& member : found) cx.reply.bulk(member);
  return Outcome::done();
}

}  // namespace diskdb::command::sets
