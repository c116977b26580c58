// DEBUG: what tests need and nobody else should use. It runs with every shard held, so that
// whatever it looks at stands still; SLEEP therefore stops the keyspace, as it stops Redis.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <ctime>
#include <string>

#include "base/number.h"
#include "command/arguments.h"
#include "command/command_table.h"
#include "command/config.h"
#include "command/context.h"
#include "command/generic_commands.h"
#include "command/help.h"
#include "command/services.h"
#include "keyspace/digest.h"

namespace diskdb::command {
namespace {

// ---- Keys and values.

Outcome debug_digest(CommandContext& cx, Arguments) {
  Result<keyspace::Digest> digest = keyspace::digest_of_all(cx.keyspace);
  if (!digest.ok()) return cx.refuse("ERR cannot read the store: " + digest.error().message);
  cx.reply.simple(keyspace::digest_text(*digest));
  return Outcome::done();
}

Outcome debug_digest_value(CommandContext& cx, Arguments args) {
  cx.reply.array(args.count());
  for (const Bytes word : args.rest()) {
    const keyspace::Record* record = cx.keyspace.peek_expired(cx.session.db, cx.keyspace.key(word));
    const keyspace::Digest digest =
        record == nullptr ? keyspace::Digest{} : keyspace::digest_of_value(cx.keyspace, *record);
    cx.reply.simple(keyspace::digest_text(digest));
  }
  return Outcome::done();
}

/// About what a dump of the value would take.
std::size_t serialized_bytes(const keyspace::Record& record) {
  return record.type() == keyspace::Type::kString ? record.string_length()
                                                  : record.object().bytes();
}

Outcome debug_object(CommandContext& cx, Arguments args) {
  const keyspace::Record* record =
      cx.keyspace.peek_expired(cx.session.db, cx.keyspace.key(args.next()));
  if (record == nullptr) return Refusal::kNoSuchKey;
  const std::int64_t idle_seconds = (cx.now().count / 1000 - record->accessed_at()) & 0xFFFFFF;
  cx.reply.simple(fmt::format(
      "Value at:{} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
      fmt::ptr(record), encoding_name(*record), serialized_bytes(*record), record->accessed_at(),
      idle_seconds));
  return Outcome::done();
}

/// DEBUG POPULATE count [prefix] [size]: keys that exist already stay as they are.
Outcome debug_populate(CommandContext& cx, Arguments args) {
  constexpr auto kNotPositive = "ERR value is out of range, must be positive";
  const auto count = parse_integer(args.next());
  if (!count || *count < 0) return cx.refuse(kNotPositive);
  const Bytes prefix = args.is_empty() ? "key" : args.next();
  const auto size = args.is_empty() ? 0 : parse_integer(args.next());
  if (!size || *size < 0) return cx.refuse(kNotPositive);

  const std::uint64_t bytes_each = prefix.size() + static_cast<std::uint64_t>(*size) + 100;
  const auto keys = static_cast<std::uint64_t>(*count);
  if (keys > (std::uint64_t{1} << 40U) / bytes_each) return Refusal::kOutOfMemory;
  if (cx.services.log != nullptr && !cx.services.log->reserve(keys * bytes_each)) {
    return Refusal::kMisconfDisk;
  }
  for (std::int64_t i = 0; i < *count; ++i) {
    const std::string name = fmt::format("{}:{}", prefix, i);
    const keyspace::Key key = cx.keyspace.key(name);
    if (cx.keyspace.peek(key) != nullptr) continue;
    std::string value = fmt::format("value:{}", i);
    if (*size > 0) value.resize(static_cast<std::size_t>(*size));
    cx.keyspace.set_string(key, value);
  }
  cx.reply.ok();
  return Outcome::done();
}

/// The hash tables that hold a database, all shards' together.
Outcome debug_htstats(CommandContext& cx, Arguments args) {
  TRY_LET(const std::int64_t db, args.next_integer());
  if (db < 0 || db >= cx.services.keyspace.database_count()) {
    return cx.refuse("ERR Out of range database");
  }
  std::size_t bucket_count = 0;
  std::size_t bytes = 0;
  for (keyspace::Shard& shard : cx.services.keyspace.shards()) {
    const keyspace::Table& table = cx.keyspace.table(shard, static_cast<std::uint32_t>(db));
    bucket_count += table.bucket_count();
    bytes += table.allocated_bytes();
  }
  const keyspace::DatabaseStats stats = cx.keyspace.database_stats(static_cast<std::uint32_t>(db));
  cx.reply.verbatim("txt",
                    fmt::format("tables: {}\nbuckets: {}\nkeys: {}\nkeys with an expiry: {}\n"
                                "bytes, records included: {}\n",
                                cx.services.keyspace.shards().size(), bucket_count, stats.keys,
                                stats.expiring, bytes));
  return Outcome::done();
}

// ---- From the log.

Outcome debug_loadaof(CommandContext& cx, Arguments) {
  if (cx.services.log == nullptr) return cx.refuse("ERR the memory engine keeps nothing on disk");
  if (const Status status = cx.services.lifecycle.reload(cx.keyspace); !status.ok()) {
    return cx.refuse("ERR " + status.error().message);
  }
  cx.reply.ok();
  return Outcome::done();
}

/// There is one thing to load from, the log, so there is nothing to merge and no older file.
Outcome debug_reload(CommandContext& cx, Arguments args) {
  while (!args.is_empty()) {
    if (args.next_is("MERGE") || args.next_is("NOFLUSH") || args.next_is("NOSAVE")) {
      return cx.refuse("ERR DEBUG RELOAD reads the whole log and knows no other source");
    }
    return cx.refuse("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
  }
  return debug_loadaof(cx, args);
}

// ---- Time.

Outcome debug_sleep(CommandContext& cx, Arguments args) {
  constexpr double kSecondsMax = 3600;
  const auto seconds = parse_double(args.next());
  if (!seconds || std::isnan(*seconds)) return Refusal::kNotFloat;
  const double bounded = std::min(std::max(*seconds, 0.0), kSecondsMax);
  timespec left{};
  left.tv_sec = static_cast<std::time_t>(bounded);
  left.tv_nsec = static_cast<long>((bounded - std::floor(bounded)) * 1e9);
  ::nanosleep(&left, nullptr);  // tidy: allow ban: the command is there to block
  cx.reply.ok();
  return Outcome::done();
}

Outcome debug_set_active_expire(CommandContext& cx, Arguments args) {
  const bool is_on = parse_integer(args.next()).value_or(0) != 0;
  cx.services.keyspace.is_active_expiry_on.store(is_on);
  cx.reply.ok();
  return Outcome::done();
}

// ---- The protocol.

Outcome debug_error(CommandContext& cx, Arguments args) {
  cx.reply.error(args.next());
  return Outcome::done();
}

void reply_three_integers(resp::Reply& reply) {
  for (int i = 0; i < 3; ++i) reply.integer(i);
}

/// A value of the named type; false if there is no such type.
bool reply_example(resp::Reply& reply, Bytes type) {
  const auto is = [type](Bytes name) { return equals_ignoring_case(type, name); };
  if (is("string")) {
    reply.bulk("Hello World");
  } else if (is("integer")) {
    reply.integer(12345);
  } else if (is("double")) {
    reply.real(3.141);
  } else if (is("null")) {
    reply.null();
  } else if (is("array")) {
    reply.array(3);
    reply_three_integers(reply);
  } else if (is("set")) {
    reply.set(3);
    reply_three_integers(reply);
  } else if (is("map")) {
    reply.map(3);
    for (int i = 0; i < 3; ++i) {
      reply.integer(i);
      reply.boolean(i == 1);
    }
  } else if (is("verbatim")) {
    reply.verbatim("txt", "This is a verbatim\nstring");
  } else if (is("bignum")) {
    reply.big_number("1234567999999999999999999999999999999");
  } else if (is("true") || is("false")) {
    reply.boolean(is("true"));
  } else {
    return false;
  }
  return true;
}

/// What goes in front of a reply; only RESP3 has it.
void reply_attribute(resp::Reply& reply) {
  if (reply.dialect() == resp::Dialect::kResp3) {
    reply.output().append("|1\r\n");
    reply.bulk("key-popularity");
    reply.array(2);
    reply.bulk("key:123");
    reply.integer(90);
  }
  reply.bulk("Some real reply following the attribute");
}

Outcome debug_protocol(CommandContext& cx, Arguments args) {
  const Bytes type = args.next();
  if (equals_ignoring_case(type, "attrib")) {
    reply_attribute(cx.reply);
  } else if (equals_ignoring_case(type, "push")) {
    if (cx.reply.dialect() != resp::Dialect::kResp3) {
      return cx.refuse("ERR RESP2 is not supported by this command");
    }
    cx.reply.push(2);
    cx.reply.bulk("server-cpu-usage");
    cx.reply.integer(42);
    cx.reply.bulk("Some real reply following the push reply");
  } else if (!reply_example(cx.reply, type)) {
    return cx.refuse(
        "ERR Wrong protocol type name. Please use one of the following: string|integer|double|"
        "bignum|null|array|set|map|attrib|push|verbatim|true|false");
  }
  return Outcome::done();
}

constexpr Bytes kHelp[] = {
    "DIGEST",
    "    A fingerprint of all keys and values.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    A fingerprint of each key's value.",
    "ERROR <string>",
    "    Answer with this error.",
    "HTSTATS <dbid>",
    "    Figures of the hash tables of a database.",
    "LOADAOF",
    "    Rebuild all keys from the log.",
    "OBJECT <key>",
    "    Low-level facts about a key.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> keys named <prefix>:<number>, with values of <size> bytes.",
    "PROTOCOL <type>",
    "    Answer with a value of the type: string, integer, double, bignum, null, array, set, map,",
    "    attrib, push, verbatim, true, false.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Accepted: lists have no quicklists here.",
    "RELOAD",
    "    As LOADAOF.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Do keys expire before somebody asks for them?",
    "SLEEP <seconds>",
    "    Stop the keyspace for that long. Decimals allowed.",
};

/// What Redis's tests set for the sake of representations that are not these.
Outcome debug_nothing(CommandContext& cx, Arguments) {
  cx.reply.ok();
  return Outcome::done();
}

Outcome debug_help(CommandContext& cx, Arguments) { return reply_help(cx, kHelp); }

/// Not rows of the table: to COMMAND, DEBUG is one command without documentation, as in Redis.
struct Subcommand {
  Bytes name;
  std::size_t argument_count_min;
  std::size_t argument_count_max;
  Function function;
};

constexpr std::size_t kAny = SIZE_MAX;
constexpr Subcommand kSubcommands[] = {
    {"digest", 0, 0, debug_digest},     {"digest-value", 0, kAny, debug_digest_value},
    {"error", 1, 1, debug_error},       {"help", 0, 0, debug_help},
    {"htstats", 1, 1, debug_htstats},   {"loadaof", 0, kAny, debug_loadaof},
    {"object", 1, 1, debug_object},     {"populate", 1, 3, debug_populate},
    {"protocol", 1, 1, debug_protocol}, {"quicklist-packed-threshold", 1, 1, debug_nothing},
    {"reload", 0, kAny, debug_reload},  {"set-active-expire", 1, 1, debug_set_active_expire},
    {"sleep", 1, 1, debug_sleep},
};

// The setting's choices, in the order of its row.
enum class Allowed : std::int64_t { kNo, kYes, kLocal };

bool is_allowed(const CommandContext& cx) {
  const auto allowed =
      static_cast<Allowed>(cx.services.config.settings().enable_debug_command.load());
  if (allowed != Allowed::kLocal) return allowed == Allowed::kYes;
  const Bytes address = cx.session.address;
  return address.starts_with("127.") || address.starts_with("[::1]") ||
         address.starts_with("::1:") || address.starts_with('/');
}

Outcome debug(CommandContext& cx, Arguments args) {
  if (!is_allowed(cx)) {
    return cx.refuse(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", "
        "you can run it from a local connection, otherwise you need to set this option in the "
        "configuration file, and then restart the server.");
  }
  const Bytes name = args.next();
  for (const Subcommand& subcommand : kSubcommands) {
    if (!equals_ignoring_case(name, subcommand.name)) continue;
    if (args.count() < subcommand.argument_count_min) break;
    if (args.count() > subcommand.argument_count_max) break;
    return subcommand.function(cx, args);
  }
  return cx.refuse("ERR unknown subcommand or wrong number of arguments for '" +
                   std::string(as_c_string(name).substr(0, 128)) + "'. Try DEBUG HELP.");
}

constexpr auto kRows = std::to_array<Row>({
    {
        .name = "DEBUG",
        .words = Words::at_least(2),
        .flags = Flag::kAdmin | Flag::kNoScript | Flag::kLoading | Flag::kStale | Flag::kProtected |
                 Flag::kAllShards | Flag::kSyscmd,
        .function = debug,
        .group = Group::kServer,
        .since = "1.0.0",
        .complexity = "By subcommand",
        .summary = "Helps tests; not for applications.",
    },
});
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> debug_rows() { return kRows; }

}  // namespace diskdb::command
