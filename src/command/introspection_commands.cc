// COMMAND: the table about itself. Everything here is read from the rows.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/glob.h"
#include "base/number.h"
#include "command/arguments.h"
#include "command/category.h"
#include "command/command_table.h"
#include "command/context.h"
#include "command/help.h"
#include "command/services.h"
#include "command/syntax.h"

namespace diskdb::command {
namespace {

// ---- What the flags are called.

template <typename Flags>
struct FlagName {
  Flags flag;
  Bytes name;
};

constexpr FlagName<Flag> kFlagNames[] = {
    {Flag::kWrite, "write"},
    {Flag::kReadonly, "readonly"},
    {Flag::kDenyOom, "denyoom"},
    {Flag::kAdmin, "admin"},
    {Flag::kPubsub, "pubsub"},
    {Flag::kNoScript, "noscript"},
    {Flag::kBlocking, "blocking"},
    {Flag::kLoading, "loading"},
    {Flag::kStale, "stale"},
    {Flag::kSkipMonitor, "skip_monitor"},
    {Flag::kSkipSlowlog, "skip_slowlog"},
    {Flag::kAsking, "asking"},
    {Flag::kFast, "fast"},
    {Flag::kNoAuth, "no_auth"},
    {Flag::kNoMandatoryKeys, "no_mandatory_keys"},
    {Flag::kNoAsyncLoading, "no_async_loading"},
    {Flag::kNoMulti, "no_multi"},
    {Flag::kMovableKeys, "movablekeys"},
    {Flag::kAllowBusy, "allow_busy"},
};

constexpr FlagName<Flag> kDocFlagNames[] = {
    {Flag::kDeprecated, "deprecated"},
    {Flag::kSyscmd, "syscmd"},
};

constexpr FlagName<KeyUse> kKeyUseNames[] = {
    {KeyUse::kReadOnly, "RO"},
    {KeyUse::kReadWrite, "RW"},
    {KeyUse::kOverwrite, "OW"},
    {KeyUse::kRemove, "RM"},
    {KeyUse::kAccess, "access"},
    {KeyUse::kUpdate, "update"},
    {KeyUse::kInsert, "insert"},
    {KeyUse::kDelete, "delete"},
    {KeyUse::kNotKey, "not_key"},
    {KeyUse::kIncomplete, "incomplete"},
    {KeyUse::kVariableFlags, "variable_flags"},
};

constexpr Bytes kGroupNames[] = {
    "generic", "string",       "list",       "set",    "sorted-set", "hash",
    "pubsub",  "transactions", "connection", "server", "scripting",  "hyperloglog",
    "cluster", "sentinel",     "geo",        "stream", "bitmap",     "module",
};

template <typename Flags, std::size_t kCount>
void reply_flags(resp::Reply& reply, Flags flags, const FlagName<Flags> (&names)[kCount]) {
  const auto is_set = [&](const FlagName<Flags>& row) { return has(flags, row.flag); };
  reply.set(static_cast<std::size_t>(std::ranges::count_if(names, is_set)));
  for (const FlagName<Flags>& row : names) {
    if (is_set(row)) reply.simple(row.name);
  }
}

// ---- Where keys are, as COMMAND INFO told it before key specs: one range, or the best part of
// one.

struct KeyRange {
  int first = 0;
  int last = 0;
  int step = 0;
  bool is_all = true;  ///< false: "movablekeys", the range does not tell everything
};

KeyRange key_range(const Row& row) {
  KeyRange range;
  for (const KeySpec& spec : row.keys) {
    if (!spec.keyword.empty()) {
      range.is_all = false;
      continue;
    }
    const int last = spec.last >= 0 ? spec.begin + spec.last : spec.last;
    if (has(spec.use, KeyUse::kIncomplete)) range.is_all = false;
    const bool is_alone = row.keys.size() == 1;
    const bool follows = range.first == 0 || range.last == spec.begin - 1;
    if (spec.counted || (!is_alone && (spec.step != 1 || !follows))) {
      range.is_all = false;
      continue;
    }
    if (range.first == 0) range.first = spec.begin;
    range.last = last;
    range.step = spec.step;
  }
  return range;
}

void reply_key_spec(resp::Reply& reply, const KeySpec& spec) {
  reply.map(spec.notes.empty() ? 3 : 4);
  if (!spec.notes.empty()) {
    reply.bulk("notes");
    reply.bulk(spec.notes);
  }
  reply.bulk("flags");
  reply_flags(reply, spec.use, kKeyUseNames);
  if (spec.unknown) {
    for (const Bytes part : {"begin_search", "find_keys"}) {
      reply.bulk(part);
      reply.map(2);
      reply.bulk("type");
      reply.bulk("unknown");
      reply.bulk("spec");
      reply.map(0);
    }
    return;
  }
  reply.bulk("begin_search");
  reply.map(2);
  reply.bulk("type");
  if (spec.keyword.empty()) {
    reply.bulk("index");
    reply.bulk("spec");
    reply.map(1);
    reply.bulk("index");
  } else {
    reply.bulk("keyword");
    reply.bulk("spec");
    reply.map(2);
    reply.bulk("keyword");
    reply.bulk(spec.keyword);
    reply.bulk("startfrom");
  }
  reply.integer(spec.begin);
  reply.bulk("find_keys");
  reply.map(2);
  reply.bulk("type");
  reply.bulk(spec.counted ? "keynum" : "range");
  reply.bulk("spec");
  reply.map(3);
  reply.bulk(spec.counted ? "keynumidx" : "lastkey");
  reply.integer(spec.counted ? 0 : spec.last);
  if (spec.counted) {
    reply.bulk("firstkey");
    reply.integer(1);
  }
  reply.bulk("keystep");
  reply.integer(spec.step);
  if (!spec.counted) {
    reply.bulk("limit");
    reply.integer(spec.halved ? 2 : 0);
  }
}

// ---- COMMAND, COMMAND INFO.

void reply_categories(resp::Reply& reply, const Row& row) {
  const Category categories = categories_of(row);
  const auto is_in = [&](const CategoryName& name) { return has(categories, name.category); };
  reply.set(static_cast<std::size_t>(std::ranges::count_if(category_names(), is_in)));
  for (const CategoryName& name : category_names()) {
    if (is_in(name)) reply.simple("@" + std::string(name.name));
  }
}

void reply_tips(resp::Reply& reply, Bytes tips) {
  reply.set(tips.empty() ? 0 : static_cast<std::size_t>(std::ranges::count(tips, ',')) + 1);
  while (!tips.empty()) {
    const std::size_t comma = std::min(tips.find(','), tips.size());
    reply.bulk(tips.substr(0, comma));
    tips.remove_prefix(std::min(comma + 1, tips.size()));
  }
}

void reply_info(CommandContext& cx, const Row* row) {
  resp::Reply& reply = cx.reply;
  if (row == nullptr) return reply.null();
  const KeyRange range = key_range(*row);
  reply.array(10);
  reply.bulk(full_name(*row));
  reply.integer(row->words.arity());
  reply_flags(reply, range.is_all ? row->flags : row->flags | Flag::kMovableKeys, kFlagNames);
  reply.integer(range.first);
  reply.integer(range.last);
  reply.integer(range.step);
  reply_categories(reply, *row);
  reply_tips(reply, row->tips);
  reply.set(row->keys.size());
  for (const KeySpec& spec : row->keys) reply_key_spec(reply, spec);

  const std::span<const Row* const> subcommands = cx.services.table.subcommands(*row);
  if (subcommands.empty()) return reply.set(0);
  reply.array(subcommands.size());
  for (const Row* subcommand : subcommands) reply_info(cx, subcommand);
}

/// The commands that are not subcommands.
std::vector<const Row*> commands(const CommandTable& table) {
  std::vector<const Row*> top;
  for (const Row* row : table.rows()) {
    if (row->name.find(' ') == Bytes::npos) top.push_back(row);
  }
  return top;
}

/// "get" or "config|set"; null if there is none.
const Row* find_by_full_name(const CommandTable& table, Bytes name) {
  const std::size_t bar = name.find('|');
  const Row* row = table.find(name.substr(0, bar));
  if (row == nullptr || bar == Bytes::npos) return row;
  return row->has(Flag::kContainer) ? table.find_subcommand(*row, name.substr(bar + 1)) : nullptr;
}

Outcome command_info(CommandContext& cx, Arguments args) {
  if (args.is_empty()) {
    const std::vector<const Row*> all = commands(cx.services.table);
    cx.reply.array(all.size());
    for (const Row* row : all) reply_info(cx, row);
    return Outcome::done();
  }
  cx.reply.array(args.count());
  while (!args.is_empty()) reply_info(cx, find_by_full_name(cx.services.table, args.next()));
  return Outcome::done();
}

Outcome command(CommandContext& cx, Arguments) { return command_info(cx, Arguments({})); }

Outcome command_count(CommandContext& cx, Arguments) {
  cx.reply.integer(static_cast<std::int64_t>(commands(cx.services.table).size()));
  return Outcome::done();
}

// ---- COMMAND DOCS.

void reply_field(resp::Reply& reply, Bytes name, Bytes value) {
  if (value.empty()) return;
  reply.bulk(name);
  reply.bulk(value);
}

void reply_arguments(resp::Reply& reply, const std::vector<Argument>& arguments);

void reply_argument(resp::Reply& reply, const Argument& argument) {
  const bool has_parts = !argument.parts.empty();
  const bool has_flags = argument.is_optional || argument.is_multiple;
  const std::size_t field_count = 3U + (argument.key_spec ? 1U : 0U) +
                                  (argument.token.empty() ? 0U : 1U) + (has_flags ? 1U : 0U);
  reply.map(field_count);
  reply.bulk("name");
  reply.bulk(argument.name);
  reply.bulk("type");
  reply.bulk(argument_type_name(argument.type));
  if (!has_parts) reply_field(reply, "display_text", argument.name);
  if (argument.key_spec) {
    reply.bulk("key_spec_index");
    reply.integer(static_cast<std::int64_t>(*argument.key_spec));
  }
  reply_field(reply, "token", argument.token);
  if (has_flags) {
    reply.bulk("flags");
    reply.set((argument.is_optional ? 1U : 0U) + (argument.is_multiple ? 1U : 0U) +
              (argument.repeats_token ? 1U : 0U));
    if (argument.is_optional) reply.simple("optional");
    if (argument.is_multiple) reply.simple("multiple");
    if (argument.repeats_token) reply.simple("multiple_token");
  }
  if (has_parts) {
    reply.bulk("arguments");
    reply_arguments(reply, argument.parts);
  }
}

void reply_arguments(resp::Reply& reply, const std::vector<Argument>& arguments) {
  reply.array(arguments.size());
  for (const Argument& argument : arguments) reply_argument(reply, argument);
}

void reply_docs(CommandContext& cx, const Row& row) {
  resp::Reply& reply = cx.reply;
  const auto arguments = parse_syntax(row);
  ASSERT(arguments.has_value());
  const std::span<const Row* const> subcommands = cx.services.table.subcommands(row);
  const bool has_doc_flags = row.has(Flag::kDeprecated) || row.has(Flag::kSyscmd);
  const std::array present = {!row.complexity.empty(),       has_doc_flags,
                              !row.deprecated_since.empty(), !row.replaced_by.empty(),
                              !arguments->empty(),           !subcommands.empty()};
  reply.map(3 + static_cast<std::size_t>(std::ranges::count(present, true)));
  reply_field(reply, "summary", row.summary);
  reply_field(reply, "since", row.since);
  reply_field(reply, "group", kGroupNames[static_cast<std::size_t>(row.group)]);
  reply_field(reply, "complexity", row.complexity);
  if (has_doc_flags) {
    reply.bulk("doc_flags");
    reply_flags(reply, row.flags, kDocFlagNames);
  }
  reply_field(reply, "deprecated_since", row.deprecated_since);
  reply_field(reply, "replaced_by", row.replaced_by);
  if (!arguments->empty()) {
    reply.bulk("arguments");
    reply_arguments(reply, *arguments);
  }
  if (subcommands.empty()) return;
  reply.bulk("subcommands");
  reply.map(subcommands.size());
  for (const Row* subcommand : subcommands) {
    reply.bulk(full_name(*subcommand));
    reply_docs(cx, *subcommand);
  }
}

Outcome command_docs(CommandContext& cx, Arguments args) {
  std::vector<const Row*> wanted;
  if (args.is_empty()) wanted = commands(cx.services.table);
  for (const Bytes name : args.rest()) {
    const Row* row = find_by_full_name(cx.services.table, name);
    if (row != nullptr) wanted.push_back(row);
  }
  cx.reply.map(wanted.size());
  for (const Row* row : wanted) {
    cx.reply.bulk(full_name(*row));
    reply_docs(cx, *row);
  }
  return Outcome::done();
}

// ---- COMMAND GETKEYS, GETKEYSANDFLAGS.

struct KeyPlace {
  std::size_t index;
  KeyUse use;
};

/// What this very request does to a key whose spec has variable flags.
KeyUse use_in(const Row& row, std::span<const Bytes> words, KeyUse use) {
  const auto has_option = [&](std::size_t first, Bytes option) {
    return std::any_of(words.begin() + static_cast<std::ptrdiff_t>(std::min(first, words.size())),
                       words.end(), [&](Bytes w) { return equals_ignoring_case(w, option); });
  };
  if (row.name == "SET") {
    return has_option(3, "GET") ? KeyUse::kReadWrite | KeyUse::kAccess | KeyUse::kUpdate
                                : KeyUse::kOverwrite | KeyUse::kUpdate;
  }
  if (row.name == "BITFIELD") {
    const bool writes = has_option(2, "SET") || has_option(2, "INCRBY");
    return writes ? KeyUse::kReadWrite | KeyUse::kAccess | KeyUse::kUpdate
                  : KeyUse::kReadOnly | KeyUse::kAccess;
  }
  return use;
}

/// Empty if there are none, or the request is not sound.
std::vector<KeyPlace> find_key_places(const Row& row, std::span<const Bytes> words) {
  std::vector<KeyPlace> places;
  std::vector<std::size_t> indices;
  for (const KeySpec& spec : row.keys) {
    if (has(spec.use, KeyUse::kNotKey)) continue;
    indices.clear();
    if (!find_key_indices(spec, words, &indices)) return {};
    if (indices.empty() && spec.keyword.empty()) return {};
    const KeyUse use =
        has(spec.use, KeyUse::kVariableFlags) ? use_in(row, words, spec.use) : spec.use;
    for (const std::size_t index : indices) places.push_back({index, use});
  }
  return places;
}

bool has_keys(const Row& row) {
  return std::ranges::any_of(row.keys,
                             [](const KeySpec& spec) { return !has(spec.use, KeyUse::kNotKey); });
}

Outcome reply_keys(CommandContext& cx, Arguments args, bool with_flags) {
  const std::span<const Bytes> words = args.rest();
  const Row* row = cx.services.table.resolve(words);
  if (row == nullptr) return cx.refuse("ERR Invalid command specified");
  if (!has_keys(*row)) return cx.refuse("ERR The command has no key arguments");
  if (!row->words.admits(words.size())) {
    return cx.refuse("ERR Invalid number of arguments specified for command");
  }
  const std::vector<KeyPlace> places = find_key_places(*row, words);
  if (places.empty() && !row->has(Flag::kNoMandatoryKeys)) {
    return cx.refuse("ERR Invalid arguments specified for command");
  }
  cx.reply.array(places.size());
  for (const KeyPlace& place : places) {
    if (with_flags) cx.reply.array(2);
    cx.reply.bulk(words[place.index]);
    if (with_flags) reply_flags(cx.reply, place.use, kKeyUseNames);
  }
  return Outcome::done();
}

Outcome command_getkeys(CommandContext& cx, Arguments args) { return reply_keys(cx, args, false); }

Outcome command_getkeysandflags(CommandContext& cx, Arguments args) {
  return reply_keys(cx, args, true);
}

// ---- COMMAND LIST.

/// COMMAND LIST [FILTERBY <MODULE name | ACLCAT category | PATTERN pattern>]
Outcome command_list(CommandContext& cx, Arguments args) {
  enum class Filter : std::uint8_t { kNone, kModule, kCategory, kPattern };
  Filter filter = Filter::kNone;
  Bytes wanted;
  if (!args.is_empty()) {
    if (!args.next_is("FILTERBY") || args.count() != 2) return Refusal::kSyntax;
    if (args.next_is("MODULE")) {
      filter = Filter::kModule;
    } else if (args.next_is("ACLCAT")) {
      filter = Filter::kCategory;
    } else if (args.next_is("PATTERN")) {
      filter = Filter::kPattern;
    } else {
      return Refusal::kSyntax;
    }
    wanted = args.next();
  }
  const Category category = find_category(wanted).value_or(Category::kNone);
  std::vector<std::string> names;
  for (const Row* row : cx.services.table.rows()) {
    std::string name = full_name(*row);
    const bool fits = filter == Filter::kNone ||
                      (filter == Filter::kCategory && has(categories_of(*row), category)) ||
                      (filter == Filter::kPattern && glob_matches(wanted, name, true));
    if (fits) names.push_back(std::move(name));  // there are no modules
  }
  cx.reply.array(names.size());
  for (const std::string& name : names) cx.reply.bulk(name);
  return Outcome::done();
}

constexpr Bytes kHelp[] = {
    "(no subcommand)",
    "    What INFO says of all commands.",
    "COUNT",
    "    How many commands there are.",
    "DOCS [<command-name> ...]",
    "    Documentation of the named commands, or of all.",
    "GETKEYS <full-command>",
    "    The keys of a request.",
    "GETKEYSANDFLAGS <full-command>",
    "    The keys of a request and what it does to them.",
    "INFO [<command-name> ...]",
    "    Arity, flags, keys and categories of the named commands, or of all.",
    "LIST [FILTERBY <MODULE <name>|ACLCAT <category>|PATTERN <pattern>>]",
    "    The names of all commands, or of those that fit.",
};

Outcome command_help(CommandContext& cx, Arguments) { return reply_help(cx, kHelp); }

constexpr Flag kAlways = Flag::kLoading | Flag::kStale;
constexpr Category kCategory = Category::kConnection;

constexpr auto kRows = std::to_array<Row>({
    {
        .name = "COMMAND",
        .words = Words::at_least(1),
        .flags = kAlways | Flag::kContainer,
        .function = command,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(N) for N commands in all",
        .summary = "Describes all commands.",
        .tips = "nondeterministic_output_order",
        .categories = kCategory,
    },
    {
        .name = "COMMAND COUNT",
        .words = Words::exactly(2),
        .flags = kAlways,
        .function = command_count,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(1)",
        .summary = "Counts the commands.",
        .categories = kCategory,
    },
    {
        .name = "COMMAND DOCS",
        .words = Words::at_least(2),
        .flags = kAlways,
        .function = command_docs,
        .group = Group::kServer,
        .since = "7.0.0",
        .complexity = "O(N) for N commands asked for",
        .summary = "Documents commands: what they do, their arguments, their cost.",
        .syntax = "[command-name [command-name ...]]",
        .tips = "nondeterministic_output_order",
        .categories = kCategory,
    },
    {
        .name = "COMMAND GETKEYS",
        .words = Words::at_least(3),
        .flags = kAlways,
        .function = command_getkeys,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(N) for N words",
        .summary = "Finds the keys in a request.",
        .syntax = "command [arg [arg ...]]",
        .categories = kCategory,
    },
    {
        .name = "COMMAND GETKEYSANDFLAGS",
        .words = Words::at_least(3),
        .flags = kAlways,
        .function = command_getkeysandflags,
        .group = Group::kServer,
        .since = "7.0.0",
        .complexity = "O(N) for N words",
        .summary = "Finds the keys in a request, and what it does to them.",
        .syntax = "command [arg [arg ...]]",
        .categories = kCategory,
    },
    {
        .name = "COMMAND HELP",
        .words = Words::exactly(2),
        .flags = kAlways,
        .function = command_help,
        .group = Group::kServer,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Lists the subcommands of COMMAND.",
        .categories = kCategory,
    },
    {
        .name = "COMMAND INFO",
        .words = Words::at_least(2),
        .flags = kAlways,
        .function = command_info,
        .group = Group::kServer,
        .since = "2.8.13",
        .complexity = "O(N) for N commands asked for",
        .summary = "Describes the named commands, or all.",
        .syntax = "[command-name [command-name ...]]",
        .tips = "nondeterministic_output_order",
        .categories = kCategory,
    },
    {
        .name = "COMMAND LIST",
        .words = Words::at_least(2),
        .flags = kAlways,
        .function = command_list,
        .group = Group::kServer,
        .since = "7.0.0",
        .complexity = "O(N) for N commands in all",
        .summary = "Names the commands.",
        .syntax = "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        .tips = "nondeterministic_output_order",
        .categories = kCategory,
    },
});
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> introspection_rows() { return kRows; }

}  // namespace diskdb::command
