// command/latency_commands.cc — LATENCY and its subcommands: moments at which something took long
// (command/latency_monitor.h), and how long commands take in general (command/command_times.h).
#include <array>
#include <utility>
#include <vector>

#include "command/arguments.h"
#include "command/command_table.h"
#include "command/config.h"
#include "command/context.h"
#include "command/help.h"
#include "command/services.h"
#include "command/statistics.h"

namespace diskdb::command {
namespace {

LatencyMonitor& monitor(CommandContext& cx) { return cx.services.statistics.latency_monitor; }

/// LATENCY LATEST: of each event its last moment and the worst of all.
Outcome latency_latest(CommandContext& cx, Arguments) {
  const auto all = monitor(cx).all();
  cx.reply.array(all.size());
  for (const LatencyMonitor::Series& series : all) {
    cx.reply.array(4);
    cx.reply.bulk(Bytes(series.event));
    cx.reply.integer(series.samples.back().seconds);
    cx.reply.integer(series.samples.back().millis);
    cx.reply.integer(series.millis_max);
  }
  return Outcome::done();
}

Outcome latency_history(CommandContext& cx, Arguments args) {
  const LatencyMonitor::Series series = monitor(cx).find(args.next());
  cx.reply.array(series.samples.size());
  for (const LatencyMonitor::Sample& sample : series.samples) {
    cx.reply.array(2);
    cx.reply.integer(sample.seconds);
    cx.reply.integer(sample.millis);
  }
  return Outcome::done();
}

Outcome latency_graph(CommandContext& cx, Arguments args) {
  const Bytes event = args.next();
  const LatencyMonitor::Series series = monitor(cx).find(event);
  if (series.samples.empty()) {
    return cx.refuse("ERR No samples available for event '" + std::string(as_c_string(event)) +
                     "'");
  }
  cx.reply.verbatim("txt", command::latency_graph(series, cx.services.clock.wall().count / 1000));
  return Outcome::done();
}

Outcome latency_doctor(CommandContext& cx, Arguments) {
  const std::int64_t threshold_ms = cx.services.config.settings().latency_monitor_ms.load();
  cx.reply.verbatim("txt", latency_report(monitor(cx).all(), threshold_ms));
  return Outcome::done();
}

/// LATENCY RESET [event ...]: how many events are forgotten.
Outcome latency_reset(CommandContext& cx, Arguments args) {
  std::size_t count = 0;
  if (args.is_empty()) {
    count = monitor(cx).reset_all();
  } else {
    for (const Bytes event : args.rest()) count += monitor(cx).reset(event) ? 1 : 0;
  }
  cx.reply.integer(static_cast<std::int64_t>(count));
  return Outcome::done();
}

// ---- LATENCY HISTOGRAM

using Counted = std::pair<const Row*, LatencyCounts>;

void add_counted(CommandContext& cx, const Row& row, std::vector<Counted>* found) {
  const std::size_t index = cx.services.table.index_of(row);
  LatencyCounts counts =
      cx.services.statistics.times.totals(index, CommandTimes::Since::kReset).latencies;
  if (counts.total() > 0) found->emplace_back(&row, std::move(counts));
}

/// A command, or "client|list". Null: there is none.
const Row* find_by_full_name(const CommandTable& table, Bytes name) {
  const std::size_t bar = name.find('|');
  const Row* row = table.find(name.substr(0, bar));
  if (row == nullptr || bar == Bytes::npos) return row;
  return table.find_subcommand(*row, name.substr(bar + 1));
}

/// Counts up to powers of two of nanoseconds from 1024 on, those left out that add nothing. Redis's
/// histograms are a little coarser and name a bucket by its longest time in microseconds, hence 33
/// for 32,768 ns.
void reply_histogram(CommandContext& cx, const LatencyCounts& counts) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> steps;
  for (unsigned bits = 10; bits <= LatencyHistogram::kBitsMax; ++bits) {
    const std::uint64_t nanos = 1ULL << bits;
    const std::uint64_t count = counts.count_up_to(nanos);
    if (count > (steps.empty() ? 0 : steps.back().second)) {
      steps.emplace_back((nanos + nanos / 128 - 1) / 1000, count);
    }
  }
  cx.reply.map(2);
  cx.reply.bulk("calls");
  cx.reply.integer(static_cast<std::int64_t>(counts.total()));
  cx.reply.bulk("histogram_usec");
  cx.reply.map(steps.size());
  for (const auto& [micros, count] : steps) {
    cx.reply.integer(static_cast<std::int64_t>(micros));
    cx.reply.integer(static_cast<std::int64_t>(count));
  }
}

/// LATENCY HISTOGRAM [command ...]: a container stands for its subcommands too.
Outcome latency_histogram(CommandContext& cx, Arguments args) {
  const CommandTable& table = cx.services.table;
  std::vector<Counted> found;
  if (args.is_empty()) {
    for (const Row* row : table.rows()) add_counted(cx, *row, &found);
  }
  while (!args.is_empty()) {
    const Row* row = find_by_full_name(table, args.next());
    if (row == nullptr) continue;
    add_counted(cx, *row, &found);
    if (!row->has(Flag::kContainer)) continue;
    for (const Row* subcommand : table.subcommands(*row)) add_counted(cx, *subcommand, &found);
  }
  cx.reply.map(found.size());
  for (const auto& [row, counts] : found) {
    cx.reply.bulk(Bytes(full_name(*row)));
    reply_histogram(cx, counts);
  }
  return Outcome::done();
}

constexpr Bytes kHelp[] = {
    "DOCTOR",
    "    What was slow, and what may help, in words.",
    "GRAPH <event>",
    "    The event's moments as bars.",
    "HISTOGRAM [<command> ...]",
    "    How many calls of the commands, or of all, took up to so many microseconds.",
    "HISTORY <event>",
    "    The event's moments: time in seconds, and milliseconds that it took.",
    "LATEST",
    "    Of each event its last moment, and the longest of all.",
    "RESET [<event> ...]",
    "    Forget the events, or all of them.",
};

Outcome latency_help(CommandContext& cx, Arguments) { return reply_help(cx, kHelp); }

constexpr Flag kFlags = Flag::kAdmin | Flag::kNoScript | Flag::kLoading | Flag::kStale;
constexpr Bytes kTips = "nondeterministic_output,request_policy:all_nodes,response_policy:special";

constexpr auto kRows = std::to_array<Row>({
    {
        .name = "LATENCY",
        .words = Words::at_least(2),
        .flags = Flag::kContainer,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "By subcommand",
        .summary = "Commands about how long things take.",
    },
    {
        .name = "LATENCY DOCTOR",
        .words = Words::exactly(2),
        .flags = kFlags,
        .function = latency_doctor,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(1)",
        .summary = "Tells in words what was slow and what may help.",
        .tips = kTips,
    },
    {
        .name = "LATENCY GRAPH",
        .words = Words::exactly(3),
        .flags = kFlags,
        .function = latency_graph,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(1)",
        .summary = "Draws when something was slow.",
        .syntax = "event",
        .tips = kTips,
    },
    {
        .name = "LATENCY HELP",
        .words = Words::exactly(2),
        .flags = Flag::kLoading | Flag::kStale,
        .function = latency_help,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(1)",
        .summary = "Lists the subcommands of LATENCY.",
    },
    {
        .name = "LATENCY HISTOGRAM",
        .words = Words::at_least(2),
        .flags = kFlags,
        .function = latency_histogram,
        .group = Group::kServer,
        .since = "7.0.0",
        .complexity = "O(N) for N commands with calls",
        .summary = "Tells how many calls of commands took up to how long.",
        .syntax = "[command [command ...]]",
        .tips = kTips,
    },
    {
        .name = "LATENCY HISTORY",
        .words = Words::exactly(3),
        .flags = kFlags,
        .function = latency_history,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(1)",
        .summary = "Tells when something was slow, and how slow.",
        .syntax = "event",
        .tips = kTips,
    },
    {
        .name = "LATENCY LATEST",
        .words = Words::exactly(2),
        .flags = kFlags,
        .function = latency_latest,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(1)",
        .summary = "Tells when each event was last slow.",
        .tips = kTips,
    },
    {
        .name = "LATENCY RESET",
        .words = Words::at_least(2),
        .flags = kFlags,
        .function = latency_reset,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(1)",
        .summary = "Forgets what was slow.",
        .syntax = "[event [event ...]]",
        .tips = "request_policy:all_nodes,response_policy:all_succeeded",
    },
});
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> latency_rows() { return kRows; }

}  // namespace diskdb::command
