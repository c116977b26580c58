// The generic family: existence, names and copies of keys, and the rows of all its commands.
#include "command/generic_commands.h"

#include <array>
#include <cstdint>
#include <string>

#include "command/command_table.h"
#include "command/database_index.h"

namespace diskdb::command {
namespace {

/// DEL key [key ...], UNLINK key [key ...] — how many keys were there and are now gone. The two are
/// one here: what is large is freed in the background either way.
Outcome del(CommandContext& cx, Arguments) {
  std::int64_t erased_count = 0;
  for (const keyspace::Key& key : cx.keys) erased_count += cx.keyspace.erase(key) ? 1 : 0;
  cx.reply.integer(erased_count);
  return Outcome::done();
}

/// EXISTS key [key ...] — how many exist; a key named twice counts twice.
Outcome exists(CommandContext& cx, Arguments) {
  std::int64_t count = 0;
  for (const keyspace::Key& key : cx.keys) count += cx.keyspace.peek(key) != nullptr ? 1 : 0;
  cx.reply.integer(count);
  return Outcome::done();
}

/// TOUCH key [key ...] — as EXISTS, and they count as just used.
Outcome touch(CommandContext& cx, Arguments) {
  std::int64_t count = 0;
  for (const keyspace::Key& key : cx.keys) count += cx.keyspace.find(key) != nullptr ? 1 : 0;
  cx.reply.integer(count);
  return Outcome::done();
}

/// TYPE key
Outcome type(CommandContext& cx, Arguments) {
  const keyspace::Record* record = cx.keyspace.peek(cx.key());
  const bool is_plain = cx.reply.dialect() == resp::Dialect::kPlain;
  if (record == nullptr) {
    cx.reply.simple("none");
  } else if (is_plain && record->type() == keyspace::Type::kModule) {
    cx.reply.simple("json");
  } else {
    cx.reply.simple(type_name(record->type()));
  }
  return Outcome::done();
}

/// RENAME key newkey — the value replaces whatever newkey holds. A key may be renamed to itself.
Outcome rename(CommandContext& cx, Arguments) {
  const keyspace::Key& from = cx.keys[0];
  const keyspace::Key& to = cx.keys[1];
  if (cx.keyspace.find(from) == nullptr) return Refusal::kNoSuchKey;
  if (from.bytes != to.bytes) cx.keyspace.rename(from, to);
  cx.reply.ok();
  return Outcome::done();
}

/// RENAMENX key newkey — 1 if newkey was free and the value is there now.
Outcome renamenx(CommandContext& cx, Arguments) {
  const keyspace::Key& from = cx.keys[0];
  const keyspace::Key& to = cx.keys[1];
  if (cx.keyspace.find(from) == nullptr) return Refusal::kNoSuchKey;
  const bool is_free = cx.keyspace.find(to) == nullptr;  // never so if it is `from` itself
  if (is_free) cx.keyspace.rename(from, to);
  cx.reply.integer(is_free ? 1 : 0);
  return Outcome::done();
}

/// MOVE key db — 1 if the key was here and not there, and is there now. A key lies in the same
/// shard whatever its database, so that shard is held.
Outcome move(CommandContext& cx, Arguments args) {
  args.next();  // the key
  TRY_LET(const std::uint32_t to_db, next_database(cx, args));
  if (to_db == cx.keyspace.db()) return Refusal::kSameObject;
  const bool can_move =
      cx.keyspace.find(cx.key()) != nullptr && cx.keyspace.find(to_db, cx.key()) == nullptr;
  if (can_move) cx.keyspace.move(cx.key(), to_db);
  cx.reply.integer(can_move ? 1 : 0);
  return Outcome::done();
}

/// COPY source destination [DB index] [REPLACE] — 1 if the value is there now.
Outcome copy(CommandContext& cx, Arguments args) {
  const keyspace::Key& from = cx.keys[0];
  const keyspace::Key& to = cx.keys[1];
  args.next();
  args.next();
  std::uint32_t to_db = cx.keyspace.db();
  bool replaces = false;
  while (!args.is_empty()) {
    if (args.next_is("REPLACE")) {
      replaces = true;
    } else if (args.count() >= 2 && args.next_is("DB")) {
      TRY_LET(to_db, next_database(cx, args));
    } else {
      return Refusal::kSyntax;
    }
  }
  if (to_db == cx.keyspace.db() && from.bytes == to.bytes) return Refusal::kSameObject;

  const bool can_copy =
      cx.keyspace.find(from) != nullptr && (cx.keyspace.find(to_db, to) == nullptr || replaces);
  if (can_copy) cx.keyspace.copy(from, to_db, to);
  cx.reply.integer(can_copy ? 1 : 0);
  return Outcome::done();
}

using keyspace::Logged;

constexpr KeySpec kReadKey[] = {KeySpec::at(1, KeyUse::kReadOnly)};
constexpr KeySpec kReadKeys[] = {KeySpec::range(1, -1, 1, KeyUse::kReadOnly)};
constexpr KeySpec kAccessKey[] = {KeySpec::at(1, KeyUse::kReadOnly | KeyUse::kAccess)};
constexpr KeySpec kUpdateKey[] = {KeySpec::at(1, KeyUse::kReadWrite | KeyUse::kUpdate)};
constexpr KeySpec kRemoveKeys[] = {KeySpec::range(1, -1, 1, KeyUse::kRemove | KeyUse::kDelete)};
constexpr KeySpec kObjectKey[] = {KeySpec::at(2, KeyUse::kReadOnly)};
constexpr KeySpec kRestoreKey[] = {KeySpec::at(1, KeyUse::kOverwrite | KeyUse::kUpdate)};
constexpr KeySpec kSortKeys[] = {
    KeySpec::at(1, KeyUse::kReadOnly | KeyUse::kAccess),
    KeySpec::behind_last("STORE", 2, KeyUse::kOverwrite | KeyUse::kUpdate)};
constexpr KeySpec kSortReadKeys[] = {KeySpec::at(1, KeyUse::kReadOnly | KeyUse::kAccess)};
constexpr KeySpec kMoveKey[] = {
    KeySpec::at(1, KeyUse::kReadWrite | KeyUse::kAccess | KeyUse::kUpdate)};
constexpr KeySpec kCopyKeys[] = {KeySpec::at(1, KeyUse::kReadOnly | KeyUse::kAccess),
                                 KeySpec::at(2, KeyUse::kOverwrite | KeyUse::kUpdate)};
constexpr KeySpec kRenameKeys[] = {
    KeySpec::at(1, KeyUse::kReadWrite | KeyUse::kAccess | KeyUse::kDelete),
    KeySpec::at(2, KeyUse::kOverwrite | KeyUse::kUpdate)};
constexpr KeySpec kRenamenxKeys[] = {
    KeySpec::at(1, KeyUse::kReadWrite | KeyUse::kAccess | KeyUse::kDelete),
    KeySpec::at(2, KeyUse::kOverwrite | KeyUse::kInsert)};

constexpr Bytes kAnyKeyTips = "request_policy:multi_shard,response_policy:agg_sum";

constexpr auto kRows = std::to_array<Row>({
    {.name = "COPY",
     .words = Words::at_least(3),
     .keys = kCopyKeys,
     .flags = Flag::kWrite | Flag::kDenyOom,
     .elements = Elements::all(),
     .function = copy,
     .since = "6.2.0",
     .complexity = "O(1) for strings, O(N) for collections of N elements",
     .summary = "Gives a second key a copy of a value.",
     .syntax = "source destination [DB destination-db] [REPLACE]"},
    {.name = "DEL",
     .words = Words::at_least(2),
     .keys = kRemoveKeys,
     .flags = Flag::kWrite,
     .logged = Logged::kVerbatim,
     .function = del,
     .since = "1.0.0",
     .complexity = "O(N) for N keys; large values are freed in the background",
     .summary = "Removes keys with their values.",
     .syntax = "key [key ...]",
     .tips = kAnyKeyTips},
    {.name = "DUMP",
     .words = Words::exactly(2),
     .keys = kAccessKey,
     .flags = Flag::kReadonly,
     .elements = Elements::all(),
     .function = dump,
     .since = "2.6.0",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Writes a value as bytes, which RESTORE understands.",
     .syntax = "key",
     .tips = "nondeterministic_output"},
    {.name = "EXISTS",
     .words = Words::at_least(2),
     .keys = kReadKeys,
     .flags = Flag::kReadonly | Flag::kFast,
     .function = exists,
     .since = "1.0.0",
     .complexity = "O(N) for N keys",
     .summary = "Counts which of the keys exist.",
     .syntax = "key [key ...]",
     .tips = kAnyKeyTips},
    {.name = "EXPIRE",
     .words = Words::at_least(3),
     .keys = kUpdateKey,
     .flags = Flag::kWrite | Flag::kFast,
     .function = expire,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Lets a key live for so many seconds more.",
     .syntax = "key seconds [NX | XX | GT | LT]"},
    {.name = "EXPIREAT",
     .words = Words::at_least(3),
     .keys = kUpdateKey,
     .flags = Flag::kWrite | Flag::kFast,
     .function = expireat,
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Lets a key live until a second of Unix time.",
     .syntax = "key unix-time-seconds [NX | XX | GT | LT]"},
    {.name = "EXPIRETIME",
     .words = Words::exactly(2),
     .keys = kAccessKey,
     .flags = Flag::kReadonly | Flag::kFast,
     .function = expiretime,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Tells the second of Unix time at which a key expires.",
     .syntax = "key"},
    {.name = "KEYS",
     .words = Words::exactly(2),
     .flags = Flag::kReadonly,
     .function = keys,
     .since = "1.0.0",
     .complexity = "O(N) for N keys in the database, or in the slot that the pattern names",
     .summary = "Lists all keys that match a pattern, at once: SCAN does it in steps.",
     .syntax = "pattern",
     .tips = "request_policy:all_shards,nondeterministic_output_order",
     .categories = Category::kKeyspace | Category::kDangerous},
    {.name = "MOVE",
     .words = Words::exactly(3),
     .keys = kMoveKey,
     .flags = Flag::kWrite | Flag::kFast,
     .function = move,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Moves a key to another database unless it exists there.",
     .syntax = "key db"},
    {.name = "OBJECT",
     .words = Words::at_least(2),
     .flags = Flag::kContainer,
     .since = "2.2.3",
     .complexity = "By subcommand",
     .summary = "Groups the commands about how a value is kept."},
    {.name = "OBJECT ENCODING",
     .words = Words::exactly(3),
     .keys = kObjectKey,
     .flags = Flag::kReadonly,
     .function = object_encoding,
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Tells how Redis would represent the value.",
     .syntax = "key",
     .tips = "nondeterministic_output"},
    {.name = "OBJECT FREQ",
     .words = Words::exactly(3),
     .keys = kObjectKey,
     .flags = Flag::kReadonly,
     .function = object_freq,
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Tells how often a key is used, on a logarithmic scale.",
     .syntax = "key",
     .tips = "nondeterministic_output"},
    {.name = "OBJECT HELP",
     .words = Words::exactly(2),
     .flags = Flag::kLoading | Flag::kStale,
     .function = object_help,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Explains OBJECT's subcommands."},
    {.name = "OBJECT IDLETIME",
     .words = Words::exactly(3),
     .keys = kObjectKey,
     .flags = Flag::kReadonly,
     .function = object_idletime,
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Tells how many seconds a key has not been used.",
     .syntax = "key",
     .tips = "nondeterministic_output"},
    {.name = "OBJECT REFCOUNT",
     .words = Words::exactly(3),
     .keys = kObjectKey,
     .flags = Flag::kReadonly,
     .function = object_refcount,
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Tells how many references Redis would hold to the value.",
     .syntax = "key",
     .tips = "nondeterministic_output"},
    {.name = "PERSIST",
     .words = Words::exactly(2),
     .keys = kUpdateKey,
     .flags = Flag::kWrite | Flag::kFast,
     .function = persist,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Takes a key's expiry away: it lives until deleted.",
     .syntax = "key"},
    {.name = "PEXPIRE",
     .words = Words::at_least(3),
     .keys = kUpdateKey,
     .flags = Flag::kWrite | Flag::kFast,
     .function = pexpire,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Lets a key live for so many milliseconds more.",
     .syntax = "key milliseconds [NX | XX | GT | LT]"},
    {.name = "PEXPIREAT",
     .words = Words::at_least(3),
     .keys = kUpdateKey,
     .flags = Flag::kWrite | Flag::kFast,
     .function = pexpireat,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Lets a key live until a millisecond of Unix time.",
     .syntax = "key unix-time-milliseconds [NX | XX | GT | LT]"},
    {.name = "PEXPIRETIME",
     .words = Words::exactly(2),
     .keys = kAccessKey,
     .flags = Flag::kReadonly | Flag::kFast,
     .function = pexpiretime,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Tells the millisecond of Unix time at which a key expires.",
     .syntax = "key"},
    {.name = "PTTL",
     .words = Words::exactly(2),
     .keys = kAccessKey,
     .flags = Flag::kReadonly | Flag::kFast,
     .function = pttl,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Tells how many milliseconds a key has left.",
     .syntax = "key",
     .tips = "nondeterministic_output"},
    {.name = "RANDOMKEY",
     .words = Words::exactly(1),
     .flags = Flag::kReadonly,
     .function = randomkey,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Picks one of the database's keys, each with about the same chance.",
     .tips = "request_policy:all_shards,nondeterministic_output"},
    {.name = "RENAME",
     .words = Words::exactly(3),
     .keys = kRenameKeys,
     .flags = Flag::kWrite,
     .function = rename,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Gives a value another key, replacing what that held.",
     .syntax = "key newkey"},
    {.name = "RENAMENX",
     .words = Words::exactly(3),
     .keys = kRenamenxKeys,
     .flags = Flag::kWrite | Flag::kFast,
     .function = renamenx,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Gives a value another key if that is free.",
     .syntax = "key newkey"},
    {.name = "RESTORE",
     .words = Words::at_least(4),
     .keys = kRestoreKey,
     .flags = Flag::kWrite | Flag::kDenyOom,
     .function = restore,
     .since = "2.6.0",
     .complexity = "O(N) where N is the size of the value; O(N*log(N)) for large ones",
     .summary = "Creates a key from the bytes of DUMP.",
     .syntax = "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
     .categories = Category::kKeyspace | Category::kDangerous},
    {.name = "SCAN",
     .words = Words::at_least(2),
     .flags = Flag::kReadonly,
     .function = scan,
     .since = "2.8.0",
     .complexity = "O(1) a step for a given COUNT, O(N) for all N keys of the database",
     .summary = "Walks through the database's keys, a step at a time.",
     .syntax = "cursor [MATCH pattern] [COUNT count] [TYPE type]",
     .tips = "nondeterministic_output,request_policy:special"},
    {.name = "SORT",
     .words = Words::at_least(2),
     .keys = kSortKeys,
     .flags = Flag::kWrite | Flag::kDenyOom | Flag::kMovableKeys | Flag::kAllShards,
     .function = sort,
     .since = "1.0.0",
     .complexity = "O(N*log(N)) for N elements, and a look-up for each pattern of each",
     .summary = "Sorts a list, set or sorted set, and shows or stores what comes of it.",
     .syntax = "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] "
               "[ASC | DESC] [ALPHA] [STORE destination]",
     .categories = Category::kSet | Category::kSortedSet | Category::kList | Category::kDangerous},
    {.name = "SORT_RO",
     .words = Words::at_least(2),
     .keys = kSortReadKeys,
     .flags = Flag::kReadonly | Flag::kMovableKeys | Flag::kAllShards,
     .function = sort_ro,
     .since = "7.0.0",
     .complexity = "O(N*log(N)) for N elements, and a look-up for each pattern of each",
     .summary = "Sorts a list, set or sorted set, and shows what comes of it.",
     .syntax = "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] "
               "[ASC | DESC] [ALPHA]",
     .categories = Category::kSet | Category::kSortedSet | Category::kList | Category::kDangerous},
    {.name = "TOUCH",
     .words = Words::at_least(2),
     .keys = kReadKeys,
     .flags = Flag::kReadonly | Flag::kFast,
     .function = touch,
     .since = "3.2.1",
     .complexity = "O(N) for N keys",
     .summary = "Counts which of the keys exist, and marks them as just used.",
     .syntax = "key [key ...]",
     .tips = kAnyKeyTips},
    {.name = "TTL",
     .words = Words::exactly(2),
     .keys = kAccessKey,
     .flags = Flag::kReadonly | Flag::kFast,
     .function = ttl,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Tells how many seconds a key has left.",
     .syntax = "key",
     .tips = "nondeterministic_output"},
    {.name = "TYPE",
     .words = Words::exactly(2),
     .keys = kReadKey,
     .flags = Flag::kReadonly | Flag::kFast,
     .function = type,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Tells the type of a value.",
     .syntax = "key"},
    {.name = "UNLINK",
     .words = Words::at_least(2),
     .keys = kRemoveKeys,
     .flags = Flag::kWrite | Flag::kFast,
     .logged = Logged::kVerbatim,
     .function = del,
     .since = "4.0.0",
     .complexity = "O(N) for N keys; large values are freed in the background",
     .summary = "Removes keys with their values, as DEL does.",
     .syntax = "key [key ...]",
     .tips = kAnyKeyTips},
});
static_assert(rows_are_sound(kRows));

}  // namespace

Bytes type_name(keyspace::Type type) {
  switch (type) {
    case keyspace::Type::kString:
      return "string";
    case keyspace::Type::kList:
      return "list";
    case keyspace::Type::kSet:
      return "set";
    case keyspace::Type::kSortedSet:
      return "zset";
    case keyspace::Type::kHash:
      return "hash";
    case keyspace::Type::kModule:
      return "ReJSON-RL";
    case keyspace::Type::kStream:
      return "stream";
  }
  ASSERT(false && "a type without a name");
}

std::span<const Row> generic_rows() { return kRows; }

}  // namespace diskdb::command
