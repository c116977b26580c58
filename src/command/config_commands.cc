// command/config_commands.cc — CONFIG and its subcommands. The settings themselves:
// command/config.h.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "base/number.h"
#include "command/arguments.h"
#include "command/command_table.h"
#include "command/config.h"
#include "command/context.h"
#include "command/help.h"
#include "command/services.h"
#include "command/statistics.h"

namespace diskdb::command {
namespace {

/// CONFIG GET pattern [pattern ...]
Outcome config_get(CommandContext& cx, Arguments args) {
  const Config& config = cx.services.config;
  std::vector<std::pair<std::string, const Option*>> found;
  const auto add = [&](Bytes name, const Option* option) {
    const bool is_there = std::ranges::any_of(
        found, [&](const auto& pair) { return equals_ignoring_case(pair.first, name); });
    if (!is_there) found.emplace_back(name, option);
  };
  while (!args.is_empty()) {
    const Bytes pattern = args.next();
    if (pattern.find_first_of("[*?") == Bytes::npos) {
      if (const Option* option = config.find(pattern)) add(pattern, option);
      continue;
    }
    for (const Option* option : config.options()) {
      if (option->traits.hidden) continue;
      for (const Bytes name : {option->name, option->alias}) {
        if (!name.empty() && glob_matches(pattern, name, true)) add(name, option);
      }
    }
  }
  cx.reply.map(found.size());
  for (const auto& [name, option] : found) {
    cx.reply.bulk(name);
    cx.reply.bulk(config.text(*option));
  }
  return Outcome::done();
}

/// CONFIG HELP
Outcome config_help(CommandContext& cx, Arguments) {
  constexpr Bytes kLines[] = {
      "GET <pattern>",
      "    Return parameters matching the glob-like <pattern> and their values.",
      "SET <directive> <value>",
      "    Set the configuration <directive> to <value>.",
      "RESETSTAT",
      "    Reset statistics reported by the INFO command.",
      "REWRITE",
      "    Rewrite the configuration file.",
  };
  return reply_help(cx, kLines);
}

/// CONFIG RESETSTAT
Outcome config_resetstat(CommandContext& cx, Arguments) {
  cx.services.statistics.reset();
  cx.services.keyspace.expired_key_count.store(0, std::memory_order_relaxed);
  cx.services.keyspace.expired_field_count.store(0, std::memory_order_relaxed);
  cx.services.keyspace.hit_count.store(0, std::memory_order_relaxed);
  cx.services.keyspace.miss_count.store(0, std::memory_order_relaxed);
  cx.reply.ok();
  return Outcome::done();
}

/// CONFIG REWRITE
Outcome config_rewrite(CommandContext& cx, Arguments) {
  const auto& rewriter = cx.services.config.rewriter();
  if (!rewriter) return cx.refuse("ERR The server is running without a config file");
  if (const Status status = rewriter(); !status.ok()) {
    return cx.refuse("ERR Rewriting config file: " + status.error().message);
  }
  cx.reply.ok();
  return Outcome::done();
}

/// CONFIG SET name value [name value ...]
Outcome config_set(CommandContext& cx, Arguments args) {
  if (args.count() % 2 != 0) return Refusal::kSyntax;
  std::vector<Config::Change> changes;
  while (!args.is_empty()) {
    const Bytes name = args.next();
    changes.push_back({name, args.next()});
  }
  if (auto error = cx.services.config.set_live(changes)) return cx.refuse(std::move(*error));
  cx.reply.ok();
  return Outcome::done();
}

constexpr Flag kFlags = Flag::kAdmin | Flag::kNoScript | Flag::kLoading | Flag::kStale;

constexpr auto kRows = std::to_array<Row>({
    {.name = "CONFIG",
     .words = Words::at_least(2),
     .flags = Flag::kContainer,
     .group = Group::kServer,
     .since = "2.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "Holds the commands that read and change the server's settings."},
    {.name = "CONFIG GET",
     .words = Words::at_least(3),
     .flags = kFlags,
     .function = config_get,
     .group = Group::kServer,
     .since = "2.0.0",
     .complexity = "O(N*M) with N settings and M patterns",
     .summary = "Tells the values of settings.",
     .syntax = "parameter [parameter ...]"},
    {.name = "CONFIG HELP",
     .words = Words::exactly(2),
     .flags = Flag::kLoading | Flag::kStale,
     .function = config_help,
     .group = Group::kServer,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Explains CONFIG's subcommands."},
    {.name = "CONFIG RESETSTAT",
     .words = Words::exactly(2),
     .flags = kFlags,
     .function = config_resetstat,
     .group = Group::kServer,
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Sets INFO's counters to zero.",
     .tips = "request_policy:all_nodes,response_policy:all_succeeded"},
    {.name = "CONFIG REWRITE",
     .words = Words::exactly(2),
     .flags = kFlags,
     .function = config_rewrite,
     .group = Group::kServer,
     .since = "2.8.0",
     .complexity = "O(1)",
     .summary = "Writes the settings to the file that the server was started from.",
     .tips = "request_policy:all_nodes,response_policy:all_succeeded"},
    {.name = "CONFIG SET",
     .words = Words::at_least(4),
     .flags = kFlags,
     .function = config_set,
     .group = Group::kServer,
     .since = "2.0.0",
     .complexity = "O(N) with N settings",
     .summary = "Changes settings while the server runs.",
     .syntax = "parameter value [parameter value ...]",
     .tips = "request_policy:all_nodes,response_policy:all_succeeded"},
});
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> config_rows() { return kRows; }

}  // namespace diskdb::command
