// The server as a whole: its databases, what it knows of itself (INFO), its data on disk, its end.
#include <algorithm>
#include <array>
#include <string>

#include "base/number.h"
#include "command/arguments.h"
#include "command/command_table.h"
#include "command/context.h"
#include "command/database_index.h"
#include "command/help.h"
#include "command/info.h"
#include "command/services.h"
#include "command/statistics.h"
#include "keyspace/keyspace.h"

namespace diskdb::command {
namespace {

// ---- Databases.

Outcome dbsize(CommandContext& cx, Arguments) {
  cx.reply.integer(static_cast<std::int64_t>(cx.keyspace.key_count(cx.session.db)));
  return Outcome::done();
}

/// ASYNC and SYNC mean the same: keys are gone at once, their memory is freed in the background.
Outcome read_flush_mode(Arguments args) {
  if (args.is_empty()) return Outcome::done();
  const bool is_mode = args.next_is("ASYNC") || args.next_is("SYNC");
  return is_mode && args.is_empty() ? Outcome::done() : Refusal::kSyntax;
}

Outcome flushdb(CommandContext& cx, Arguments args) {
  TRY(read_flush_mode(args));
  cx.keyspace.flush(cx.session.db);
  cx.reply.ok();
  return Outcome::done();
}

Outcome flushall(CommandContext& cx, Arguments args) {
  TRY(read_flush_mode(args));
  cx.keyspace.flush(std::nullopt);
  cx.reply.ok();
  return Outcome::done();
}

Outcome swapdb(CommandContext& cx, Arguments args) {
  const auto first = parse_database_index(args.next());
  if (!first) return cx.refuse("ERR invalid first DB index");
  const auto second = parse_database_index(args.next());
  if (!second) return cx.refuse("ERR invalid second DB index");
  const std::int64_t count = cx.services.keyspace.database_count();
  if (*first < 0 || *first >= count || *second < 0 || *second >= count) {
    return Refusal::kDbIndexOutOfRange;
  }
  if (*first != *second) {
    cx.keyspace.swap(static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*second));
  }
  cx.reply.ok();
  return Outcome::done();
}

// ---- What it knows of itself.

Outcome info(CommandContext& cx, Arguments args) {
  cx.reply.verbatim("txt", info_text(cx, args.rest()));
  return Outcome::done();
}

Outcome time(CommandContext& cx, Arguments) {
  const std::int64_t now_us = cx.services.clock.wall_micros().count;
  cx.reply.array(2);
  cx.reply.bulk_integer(now_us / 1'000'000);
  cx.reply.bulk_integer(now_us % 1'000'000);
  return Outcome::done();
}

// ---- Its data on disk. Every acknowledged write is in the log already; a checkpoint moves what
// has changed into the store, so that the log before it may go and a start has less to replay.

Outcome has_disk(CommandContext& cx) {
  if (cx.services.log != nullptr) return Outcome::done();
  return cx.refuse("ERR the memory engine keeps nothing on disk");
}

/// SAVE: its connection's thread serves nobody meanwhile; others go on.
Outcome save(CommandContext& cx, Arguments) {
  TRY(has_disk(cx));
  if (const Status status = cx.services.lifecycle.checkpoint(); !status.ok()) {
    return cx.refuse("ERR " + status.error().message);
  }
  cx.reply.ok();
  return Outcome::done();
}

/// BGSAVE [SCHEDULE].
Outcome bgsave(CommandContext& cx, Arguments args) {
  bool may_queue = false;
  if (!args.is_empty()) {
    if (args.count() > 1 || !args.next_is("SCHEDULE")) return Refusal::kSyntax;
    may_queue = true;
  }
  TRY(has_disk(cx));
  using enum Lifecycle::CheckpointStart;
  switch (cx.services.lifecycle.start_checkpoint(may_queue)) {
    case kStarted:
      cx.reply.simple("Background saving started");
      return Outcome::done();
    case kQueued:
      cx.reply.simple("Background saving scheduled");
      return Outcome::done();
    case kRefused:
      break;
  }
  return cx.refuse("ERR Background save already in progress");
}

Outcome lastsave(CommandContext& cx, Arguments) {
  cx.reply.integer(last_save_seconds(cx.services));
  return Outcome::done();
}

/// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]. However it is asked, nothing acknowledged is
/// lost, and without replicas there is nobody to wait for.
Outcome shutdown(CommandContext& cx, Arguments args) {
  bool skips_save = false;
  bool saves = false;
  bool has_other = false;
  bool aborts = false;
  while (!args.is_empty()) {
    if (args.next_is("NOSAVE")) {
      skips_save = true;
    } else if (args.next_is("SAVE")) {
      saves = true;
    } else if (args.next_is("NOW") || args.next_is("FORCE")) {
      has_other = true;
    } else if (args.next_is("ABORT")) {
      aborts = true;
    } else {
      return Refusal::kSyntax;
    }
  }
  if ((saves && skips_save) || (aborts && (saves || skips_save || has_other))) {
    return Refusal::kSyntax;
  }
  if (aborts) return cx.refuse("ERR No shutdown in progress.");
  cx.session.closes_after_reply = true;
  cx.services.lifecycle.request_shutdown(skips_save);
  return Outcome::done();
}

// ---- MEMORY.

/// MEMORY USAGE key [SAMPLES count]: the key's record, whose cost is known to the byte, and its
/// share of the table. Nothing is estimated, so there is nothing to sample.
Outcome memory_usage(CommandContext& cx, Arguments args) {
  args.next();
  while (!args.is_empty()) {
    if (args.count() < 2 || !args.next_is("SAMPLES")) return Refusal::kSyntax;
    TRY_LET(const std::int64_t sample_count, args.next_integer());
    if (sample_count < 0) return Refusal::kSyntax;
  }
  const keyspace::Record* record = cx.keyspace.peek(cx.key());
  if (record == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  keyspace::Shard& shard = cx.services.keyspace.shard_of(cx.key().slot);
  const keyspace::Table& table = cx.keyspace.table(shard, cx.session.db);
  const std::size_t entries = table.count() + table.gone_count();
  const std::size_t share = (table.index_bytes() + entries / 2) / entries;
  const bool is_large =
      record->encoding() == keyspace::Encoding::kObject && !record->object().is_small();
  const std::size_t pages = is_large ? record->object().bytes() : 0;  // those in memory
  cx.reply.integer(static_cast<std::int64_t>(record->allocated_bytes() + pages + share));
  return Outcome::done();
}

constexpr Bytes kMemoryHelp[] = {
    "DOCTOR",
    "    What looks wrong with memory, in words.",
    "MALLOC-STATS",
    "    The allocator's own report.",
    "PURGE",
    "    Give memory that is not in use back to the system.",
    "STATS",
    "    What memory is used for.",
    "USAGE <key> [SAMPLES <count>]",
    "    How many bytes of memory the key and its value take. SAMPLES is accepted and not needed.",
};

Outcome memory_help(CommandContext& cx, Arguments) { return reply_help(cx, kMemoryHelp); }

// ---- FUNCTION, as far as there are none.

Outcome function_flush(CommandContext& cx, Arguments args) {
  if (!read_flush_mode(args).ok()) {
    return cx.refuse("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
  }
  cx.reply.ok();
  return Outcome::done();
}

constexpr KeySpec kMemoryUsageKeys[] = {KeySpec::at(2, KeyUse::kReadOnly)};
constexpr Bytes kEveryShard = "request_policy:all_shards,response_policy:all_succeeded";
constexpr Category kKeysInDanger = Category::kKeyspace | Category::kDangerous;

constexpr auto kRows = std::to_array<Row>({
    {
        .name = "BGSAVE",
        .words = Words::at_least(1),
        .flags = Flag::kNoAsyncLoading | Flag::kAdmin | Flag::kNoScript,
        .function = bgsave,
        .group = Group::kServer,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Makes all data survive power loss.",
        .syntax = "[SCHEDULE]",
    },
    {
        .name = "DBSIZE",
        .words = Words::exactly(1),
        .flags = Flag::kReadonly | Flag::kFast | Flag::kAllShards,
        .function = dbsize,
        .group = Group::kServer,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Counts the keys of the database.",
        .tips = "request_policy:all_shards,response_policy:agg_sum",
        .categories = Category::kKeyspace,
    },
    {
        .name = "FLUSHALL",
        .words = Words::at_least(1),
        .flags = Flag::kWrite | Flag::kAllShards,
        .function = flushall,
        .group = Group::kServer,
        .since = "1.0.0",
        .complexity = "O(1); memory is freed in the background",
        .summary = "Removes all keys of all databases.",
        .syntax = "[ASYNC | SYNC]",
        .tips = kEveryShard,
        .categories = kKeysInDanger,
    },
    {
        .name = "FLUSHDB",
        .words = Words::at_least(1),
        .flags = Flag::kWrite | Flag::kAllShards,
        .function = flushdb,
        .group = Group::kServer,
        .since = "1.0.0",
        .complexity = "O(1); memory is freed in the background",
        .summary = "Removes all keys of the database.",
        .syntax = "[ASYNC | SYNC]",
        .tips = kEveryShard,
        .categories = kKeysInDanger,
    },
    {
        .name = "FUNCTION",
        .words = Words::at_least(2),
        .flags = Flag::kContainer,
        .group = Group::kScripting,
        .since = "7.0.0",
        .complexity = "By subcommand",
        .summary = "Commands about function libraries.",
    },
    {
        .name = "FUNCTION FLUSH",
        .words = Words::at_least(2),
        .flags = Flag::kNoScript | Flag::kWrite,
        .function = function_flush,
        .group = Group::kScripting,
        .since = "7.0.0",
        .complexity = "O(1)",
        .summary = "Removes all function libraries.",
        .syntax = "[ASYNC | SYNC]",
        .tips = kEveryShard,
    },
    {
        .name = "INFO",
        .words = Words::at_least(1),
        .flags = Flag::kLoading | Flag::kStale | Flag::kAllShards,
        .function = info,
        .group = Group::kServer,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Tells the state and figures of the server.",
        .syntax = "[section [section ...]]",
        .tips = "nondeterministic_output,request_policy:all_shards,response_policy:special",
        .categories = Category::kDangerous,
    },
    {
        .name = "LASTSAVE",
        .words = Words::exactly(1),
        .flags = Flag::kLoading | Flag::kStale | Flag::kFast,
        .function = lastsave,
        .group = Group::kServer,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Tells when SAVE or BGSAVE last succeeded, in seconds since the epoch.",
        .tips = "nondeterministic_output",
        .categories = Category::kAdmin | Category::kDangerous,
    },
    {
        .name = "MEMORY",
        .words = Words::at_least(2),
        .flags = Flag::kContainer,
        .group = Group::kServer,
        .since = "4.0.0",
        .complexity = "By subcommand",
        .summary = "Commands about memory.",
    },
    {
        .name = "MEMORY HELP",
        .words = Words::exactly(2),
        .flags = Flag::kLoading | Flag::kStale,
        .function = memory_help,
        .group = Group::kServer,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Lists the subcommands of MEMORY.",
    },
    {
        .name = "MEMORY USAGE",
        .words = Words::at_least(3),
        .keys = kMemoryUsageKeys,
        .flags = Flag::kReadonly,
        .function = memory_usage,
        .group = Group::kServer,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Tells how much memory a key takes.",
        .syntax = "key [SAMPLES count]",
    },
    {
        .name = "SAVE",
        .words = Words::exactly(1),
        .flags = Flag::kNoAsyncLoading | Flag::kAdmin | Flag::kNoScript | Flag::kNoMulti,
        .function = save,
        .group = Group::kServer,
        .since = "1.0.0",
        .complexity = "O(N) for N bytes of the log that are not synced yet",
        .summary = "Makes all data survive power loss, and answers when that is done.",
    },
    {
        .name = "SHUTDOWN",
        .words = Words::at_least(1),
        .flags = Flag::kAdmin | Flag::kNoScript | Flag::kLoading | Flag::kStale | Flag::kNoMulti |
                 Flag::kAllowBusy,
        .function = shutdown,
        .group = Group::kServer,
        .since = "1.0.0",
        .complexity = "O(N) for N bytes of the log that are not synced yet",
        .summary = "Stops the server in good order.",
        .syntax = "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
    },
    {
        .name = "SWAPDB",
        .words = Words::exactly(3),
        .flags = Flag::kWrite | Flag::kFast | Flag::kAllShards,
        .function = swapdb,
        .group = Group::kServer,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Exchanges two databases.",
        .syntax = "index1 index2",
        .categories = kKeysInDanger,
    },
    {
        .name = "TIME",
        .words = Words::exactly(1),
        .flags = Flag::kLoading | Flag::kStale | Flag::kFast,
        .function = time,
        .group = Group::kServer,
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Tells the server's time, in seconds and microseconds.",
        .tips = "nondeterministic_output",
    },
});
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> server_rows() { return kRows; }

}  // namespace diskdb::command
