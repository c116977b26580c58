// ZADD and ZINCRBY.

#include <cmath>
#include <optional>
#include <vector>

#include "base/number.h"
#include "command/sorted_set_add.h"
#include "command/sorted_set_commands.h"
#include "command/sorted_set_edit.h"
#include "keyspace/access.h"

namespace diskdb::command {
namespace {

using keyspace::Record;
using keyspace::Type;
using value::ScoreChange;

/// Is a member that has the score `old` left as it is?
bool is_held_back(const AddOptions& options, double old, double score) {
  return options.only_new || (options.only_less && score >= old) ||
         (options.only_greater && score <= old);
}

bool has_conditions(const AddOptions& options) {
  return options.only_new || options.only_existing || options.only_greater || options.only_less;
}

/// One member, by its conditions.
ScoreChange add_one(SortedSetEdit& edit, const AddOptions& options, const ScoreForMember& added) {
  if (has_conditions(options)) {
    const std::optional<double> old = edit.set().score(added.member);
    if (old ? is_held_back(options, *old, added.score) : options.only_existing) {
      return ScoreChange::kNone;
    }
  }
  return edit.put(added.member, added.score);
}

/// ZADD INCR and ZINCRBY: `added.score` is what is to be added.
Outcome increment(CommandContext& cx, const AddOptions& options, const Record* record,
                  ScoreForMember added) {
  std::optional<double> old;
  if (record != nullptr) old = sorted_set_of(cx, *record).score(added.member);
  if (old && !options.only_new) added.score += *old;
  if (std::isnan(added.score)) return cx.refuse("ERR resulting score is not a number (NaN)");
  if (old ? is_held_back(options, *old, added.score) : options.only_existing) {
    cx.reply.null();
    return Outcome::done();
  }
  if (!old || *old != added.score) {
    SortedSetEdit edit(cx, cx.key());
    edit.put(added.member, added.score);
    edit.commit();
  }
  cx.reply.real(added.score);
  return Outcome::done();
}

/// Takes the words in front of the first score.
AddOptions take_options(Arguments& args) {
  AddOptions options;
  for (;;) {
    if (args.next_is("NX")) {
      options.only_new = true;
    } else if (args.next_is("XX")) {
      options.only_existing = true;
    } else if (args.next_is("CH")) {
      options.counts_changed = true;
    } else if (args.next_is("INCR")) {
      options.increments = true;
    } else if (args.next_is("GT")) {
      options.only_greater = true;
    } else if (args.next_is("LT")) {
      options.only_less = true;
    } else {
      return options;
    }
  }
}

Outcome check_options(CommandContext& cx, const AddOptions& options, std::size_t member_count) {
  if (options.only_new && options.only_existing) {
    return cx.refuse("ERR XX and NX options at the same time are not compatible");
  }
  if (options.only_new + options.only_greater + options.only_less > 1) {
    return cx.refuse("ERR GT, LT, and/or NX options at the same time are not compatible");
  }
  if (options.increments && member_count > 1) {
    return cx.refuse("ERR INCR option supports a single increment-element pair");
  }
  return Outcome::done();
}

}  // namespace

Outcome add_members(CommandContext& cx, const AddOptions& options,
                    std::span<const ScoreForMember> members) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  if (options.increments) return increment(cx, options, record, members[0]);
  std::size_t new_count = 0;
  std::size_t moved_count = 0;
  if (record != nullptr || !options.only_existing) {
    SortedSetEdit edit(cx, cx.key());
    for (const ScoreForMember& added : members) {
      const ScoreChange change = add_one(edit, options, added);
      new_count += change == ScoreChange::kNew ? 1 : 0;
      moved_count += change == ScoreChange::kMoved ? 1 : 0;
    }
    if (new_count + moved_count > 0) edit.commit(new_count + moved_count);
  }
  cx.reply.integer(
      static_cast<std::int64_t>(options.counts_changed ? new_count + moved_count : new_count));
  return Outcome::done();
}

namespace sorted_sets {

/// ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...] — how many were added.
Outcome zadd(CommandContext& cx, Arguments args) {
  args.next();
  const AddOptions options = take_options(args);
  if (args.is_empty() || args.count() % 2 != 0) return Refusal::kSyntax;
  TRY(check_options(cx, options, args.count() / 2));
  std::vector<ScoreForMember> members;
  members.reserve(args.count() / 2);
  while (!args.is_empty()) {
    const auto score = parse_double(args.next());
    if (!score) return Refusal::kNotFloat;
    members.push_back({*score, args.next()});
  }
  return add_members(cx, options, members);
}

/// ZINCRBY key increment member — the score after it.
Outcome zincrby(CommandContext& cx, Arguments args) {
  args.next();
  const auto increment = parse_double(args.next());
  if (!increment) return Refusal::kNotFloat;
  const ScoreForMember added{*increment, args.next()};
  return add_members(cx, {.increments = true}, {&added, 1});
}

}  // namespace sorted_sets
}  // namespace diskdb::command
