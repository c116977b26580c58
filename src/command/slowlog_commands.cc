// command/slowlog_commands.cc — SLOWLOG and its subcommands. What is kept: command/slow_log.h.
#include <array>

#include "base/number.h"
#include "command/arguments.h"
#include "command/command_table.h"
#include "command/context.h"
#include "command/help.h"
#include "command/services.h"
#include "command/statistics.h"

namespace diskdb::command {
namespace {

/// SLOWLOG GET [count]: -1 is all of them.
Outcome slowlog_get(CommandContext& cx, Arguments args) {
  constexpr std::size_t kCountDefault = 10;
  std::size_t count_max = kCountDefault;
  if (args.count() > 1) {
    return cx.refuse("ERR unknown subcommand or wrong number of arguments for '" +
                     std::string(as_c_string(cx.words[1])) + "'. Try SLOWLOG HELP.");
  }
  if (!args.is_empty()) {
    const auto count = parse_integer(args.next());
    if (!count || *count < -1) {
      return cx.refuse("ERR count should be greater than or equal to -1");
    }
    count_max = *count < 0 ? SIZE_MAX : static_cast<std::size_t>(*count);
  }
  const auto entries = cx.services.statistics.slow_log.newest(count_max);
  cx.reply.array(entries.size());
  for (const SlowLog::Entry& entry : entries) {
    cx.reply.array(6);
    cx.reply.integer(static_cast<std::int64_t>(entry.id));
    cx.reply.integer(entry.seconds);
    cx.reply.integer(entry.micros);
    cx.reply.array(entry.words.size());
    for (const std::string& word : entry.words) cx.reply.bulk(Bytes(word));
    cx.reply.bulk(Bytes(entry.address));
    cx.reply.bulk(Bytes(entry.client_name));
  }
  return Outcome::done();
}

Outcome slowlog_len(CommandContext& cx, Arguments) {
  cx.reply.integer(static_cast<std::int64_t>(cx.services.statistics.slow_log.size()));
  return Outcome::done();
}

Outcome slowlog_reset(CommandContext& cx, Arguments) {
  cx.services.statistics.slow_log.clear();
  cx.reply.ok();
  return Outcome::done();
}

constexpr Bytes kHelp[] = {
    "GET [<count>]",
    "    The newest slow commands (10 unless said otherwise, -1 is all), each with its id, the",
    "    time, how many microseconds it ran, its words, and the client's address and name.",
    "LEN",
    "    How many there are.",
    "RESET",
    "    Forget them.",
};

Outcome slowlog_help(CommandContext& cx, Arguments) { return reply_help(cx, kHelp); }

constexpr Flag kFlags = Flag::kAdmin | Flag::kLoading | Flag::kStale;

constexpr auto kRows = std::to_array<Row>({
    {
        .name = "SLOWLOG",
        .words = Words::at_least(2),
        .flags = Flag::kContainer,
        .group = Group::kServer,
        .since = "2.2.12",
        .complexity = "By subcommand",
        .summary = "Commands about slow commands.",
    },
    {
        .name = "SLOWLOG GET",
        .words = Words::at_least(2),
        .flags = kFlags,
        .function = slowlog_get,
        .group = Group::kServer,
        .since = "2.2.12",
        .complexity = "O(N) for N entries",
        .summary = "Shows the newest of the commands that took longest.",
        .syntax = "[count]",
        .tips = "request_policy:all_nodes,nondeterministic_output",
    },
    {
        .name = "SLOWLOG HELP",
        .words = Words::exactly(2),
        .flags = Flag::kLoading | Flag::kStale,
        .function = slowlog_help,
        .group = Group::kServer,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Lists the subcommands of SLOWLOG.",
    },
    {
        .name = "SLOWLOG LEN",
        .words = Words::exactly(2),
        .flags = kFlags,
        .function = slowlog_len,
        .group = Group::kServer,
        .since = "2.2.12",
        .complexity = "O(1)",
        .summary = "Counts the slow commands that are kept.",
        .tips = "request_policy:all_nodes,response_policy:agg_sum,nondeterministic_output",
    },
    {
        .name = "SLOWLOG RESET",
        .words = Words::exactly(2),
        .flags = kFlags,
        .function = slowlog_reset,
        .group = Group::kServer,
        .since = "2.2.12",
        .complexity = "O(N) for N entries",
        .summary = "Forgets the slow commands.",
        .tips = "request_policy:all_nodes,response_policy:all_succeeded",
    },
});
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> slowlog_rows() { return kRows; }

}  // namespace diskdb::command
