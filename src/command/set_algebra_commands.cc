// Intersections, unions and differences of sets: replied, counted, or stored. Those that are stored
// are logged as the client said it: replay finds the same sources.
#include <algorithm>
#include <deque>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/number.h"
#include "command/set_commands.h"

namespace diskdb::command::sets {
namespace {

using types::Set;
using types::SetForm;

enum class Operation : std::uint8_t { kInter, kUnion, kDiff };

/// The sets at keys, in their order; nothing where there is none.
using Sources = std::vector<std::optional<Set>>;

/// Refuses WRONGTYPE, wherever it stands.
Outcome find_sources(CommandContext& cx, std::span<const keyspace::Key> keys, Sources* sources) {
  for (const keyspace::Key& key : keys) {
    TRY_LET(auto set, find_set(cx, key));
    sources->push_back(std::move(set));
  }
  return Outcome::done();
}

// Each shows `visit` the members of its result once, until that returns false. A source is never
// asked for a member while it is walked through, which is why one that stands twice is looked for.

template <typename Visit>
void intersect(const Sources& sources, Visit visit) {
  std::vector<const Set*> sets;
  for (const auto& source : sources) {
    if (!source) return;
    const auto is_same = [&](const Set* set) { return set->is_same(*source); };
    if (std::ranges::none_of(sets, is_same)) sets.push_back(&*source);
  }
  std::ranges::stable_sort(sets, std::less<>{}, [](const Set* set) { return set->count(); });
  sets[0]->walk([&](Bytes member) {
    for (std::size_t i = 1; i < sets.size(); ++i) {
      if (!sets[i]->contains(member)) return true;
    }
    return visit(member);
  });
}

template <typename Visit>
void unite(const Sources& sources, Visit visit) {
  std::deque<std::string> members;
  std::unordered_set<Bytes> seen;
  bool goes_on = true;
  for (const auto& source : sources) {
    if (!source || !goes_on) continue;
    source->walk([&](Bytes member) {
      if (seen.contains(member)) return true;
      seen.insert(members.emplace_back(member));
      return goes_on = visit(member);
    });
  }
}

template <typename Visit>
void subtract(const Sources& sources, Visit visit) {
  if (!sources[0]) return;
  const Set& first = *sources[0];
  std::vector<const Set*> others;
  for (const auto& source : std::span(sources).subspan(1)) {
    if (!source) continue;
    if (source->is_same(first)) return;
    others.push_back(&*source);
  }
  // The largest is the likeliest to have a member.
  std::ranges::stable_sort(others, std::greater<>{}, [](const Set* set) { return set->count(); });
  first.walk([&](Bytes member) {
    const auto has_it = [&](const Set* set) { return set->contains(member); };
    return std::ranges::any_of(others, has_it) || visit(member);
  });
}

/// Redis keeps what is left of the first set, or, where that seems to be less work, removes the
/// others' members from a copy of it: then the copy's encoding stays. Source of the rule: t_set.c.
bool is_left_of_copy(Operation operation, const Sources& sources) {
  if (operation != Operation::kDiff || !sources[0]) return false;
  std::uint64_t look_ups = 0;
  std::uint64_t members = 0;
  for (const auto& source : sources) {
    if (!source) continue;
    look_ups += sources[0]->count();
    members += source->count();
  }
  return look_ups / 2 > members;
}

template <typename Visit>
void for_each_of(Operation operation, const Sources& sources, Visit visit) {
  switch (operation) {
    case Operation::kInter:
      return intersect(sources, visit);
    case Operation::kUnion:
      return unite(sources, visit);
    case Operation::kDiff:
      return subtract(sources, visit);
  }
}

std::vector<std::string> result_of(Operation operation, const Sources& sources) {
  std::vector<std::string> members;
  for_each_of(operation, sources, [&](Bytes member) {
    members.emplace_back(member);
    return true;
  });
  return members;
}

Outcome reply_members(CommandContext& cx, Operation operation) {
  Sources sources;
  TRY(find_sources(cx, cx.keys, &sources));
  const std::vector<std::string> members = result_of(operation, sources);
  cx.reply.set(members.size());
  for (const std::string& member : members) cx.reply.bulk(member);
  return Outcome::done();
}

/// The result replaces whatever is at the first key, which may be one of the sources.
Outcome store(CommandContext& cx, Operation operation) {
  const types::SetLimits limits = limits_of(cx);
  std::vector<std::string> members;
  SetForm form = SetForm::kIntset;
  {
    Sources sources;
    TRY(find_sources(cx, cx.keys.subspan(1), &sources));
    members = result_of(operation, sources);
    if (is_left_of_copy(operation, sources)) form = sources[0]->form_of_copy(limits);
  }
  cx.keyspace.erase(cx.key());
  if (!members.empty()) {
    SetEdit edit(cx, cx.key());
    edit.set().expect_any(form);
    for (const std::string& member : members) edit.set().add(member, limits);
    edit.edit().commit();
  }
  cx.reply.integer(static_cast<std::int64_t>(members.size()));
  return Outcome::done();
}

/// numkeys key [key ...] [LIMIT limit], and APPROX for a union: an exact count is near enough.
Outcome count(CommandContext& cx, Arguments args, Operation operation) {
  const auto key_count = parse_integer(args.next());
  if (!key_count || *key_count < 1) return cx.refuse("ERR numkeys should be greater than 0");
  if (static_cast<std::uint64_t>(*key_count) > args.count()) {
    return cx.refuse("ERR Number of keys can't be greater than number of args");
  }
  for (std::int64_t i = 0; i < *key_count; ++i) args.next();
  std::uint64_t limit = 0;
  while (!args.is_empty()) {
    if (operation == Operation::kUnion && args.next_is("APPROX")) continue;
    if (args.count() < 2 || !args.next_is("LIMIT")) return Refusal::kSyntax;
    const auto number = parse_integer(args.next());
    if (!number || *number < 0) return cx.refuse("ERR LIMIT can't be negative");
    limit = static_cast<std::uint64_t>(*number);
  }
  Sources sources;
  TRY(find_sources(cx, cx.keys, &sources));
  std::uint64_t count = 0;
  for_each_of(operation, sources, [&](Bytes) { return ++count != limit; });
  cx.reply.integer(static_cast<std::int64_t>(count));
  return Outcome::done();
}

}  // namespace

/// SDIFF key [key ...] — the members of the first that no other has.
Outcome sdiff(CommandContext& cx, Arguments) { return reply_members(cx, Operation::kDiff); }

/// SDIFFCARD numkeys key [key ...] [LIMIT limit]
Outcome sdiffcard(CommandContext& cx, Arguments args) { return count(cx, args, Operation::kDiff); }

/// SDIFFSTORE destination key [key ...] — how many are stored.
Outcome sdiffstore(CommandContext& cx, Arguments) { return store(cx, Operation::kDiff); }

/// SINTER key [key ...] — the members that all have.
Outcome sinter(CommandContext& cx, Arguments) { return reply_members(cx, Operation::kInter); }

/// SINTERCARD numkeys key [key ...] [LIMIT limit]
Outcome sintercard(CommandContext& cx, Arguments args) {
  return count(cx, args, Operation::kInter);
}

/// SINTERSTORE destination key [key ...] — how many are stored.
Outcome sinterstore(CommandContext& cx, Arguments) { return store(cx, Operation::kInter); }

/// SUNION key [key ...] — the members that any has.
Outcome sunion(CommandContext& cx, Arguments) { return reply_members(cx, Operation::kUnion); }

/// SUNIONCARD numkeys key [key ...] [APPROX] [LIMIT limit]
Outcome sunioncard(CommandContext& cx, Arguments args) {
  return count(cx, args, Operation::kUnion);
}

/// SUNIONSTORE destination key [key ...] — how many are stored.
Outcome sunionstore(CommandContext& cx, Arguments) { return store(cx, Operation::kUnion); }

}  // namespace diskdb::command::sets
