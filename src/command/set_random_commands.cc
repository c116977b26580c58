// SPOP and SRANDMEMBER: members of a set by chance. SPOP is logged as the SREM of what chance
// chose.
#include <limits>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/random_places.h"
#include "command/set_commands.h"

namespace diskdb::command::sets {
namespace {

/// So many members stand in one SREM of the log.
constexpr std::size_t kLoggedMembersMax = 1024;

std::string pop(CommandContext& cx, types::Set& set) {
  const std::uint64_t place = cx.random.below(set.count());
  std::string member(set.at(place));
  set.erase_at(place);
  return member;
}

void commit_removal(CommandContext& cx, SetEdit& edit, std::span<const std::string> members) {
  std::vector<Bytes> effect;
  for (std::size_t first = 0; first < members.size(); first += kLoggedMembersMax) {
    const std::size_t count = std::min(kLoggedMembersMax, members.size() - first);
    effect = {"SREM", cx.key().bytes};
    for (const std::string& member : members.subspan(first, count)) effect.push_back(member);
    edit.edit().commit_as(effect);
  }
}

Outcome pop_one(CommandContext& cx) {
  TRY_LET(const auto found, find_set(cx, cx.key()));
  if (!found) {
    cx.reply.null();
    return Outcome::done();
  }
  SetEdit edit(cx, cx.key());
  const std::string member = pop(cx, edit.set());
  commit_removal(cx, edit, {&member, 1});
  cx.reply.bulk(member);
  return Outcome::done();
}

Outcome random_one(CommandContext& cx) {
  TRY_LET(const auto set, find_set(cx, cx.key()));
  if (set) {
    cx.reply.bulk(set->at(cx.random.below(set->count())));
  } else {
    cx.reply.null();
  }
  return Outcome::done();
}

}  // namespace

/// SPOP key [count] — a member, or `count` different ones, which are gone then.
Outcome spop(CommandContext& cx, Arguments args) {
  args.next();
  if (args.is_empty()) return pop_one(cx);
  const auto wanted = parse_integer(args.next());
  if (!args.is_empty()) return Refusal::kSyntax;
  if (!wanted || *wanted < 0) return cx.refuse("ERR value is out of range, must be positive");
  TRY_LET(const auto found, find_set(cx, cx.key()));
  const auto count = static_cast<std::uint64_t>(*wanted);
  if (!found || count == 0) {
    cx.reply.set(0);
    return Outcome::done();
  }
  if (count >= found->count()) {
    cx.reply.set(found->count());
    found->for_each_shown([&](Bytes member) { cx.reply.bulk(member); });
    cx.keyspace.erase(cx.key());
    return Outcome::done();
  }
  SetEdit edit(cx, cx.key());
  std::vector<std::string> members;
  members.reserve(count);
  while (members.size() < count) members.push_back(pop(cx, edit.set()));
  commit_removal(cx, edit, members);
  cx.reply.set(count);
  for (const std::string& member : members) cx.reply.bulk(member);
  return Outcome::done();
}

/// SRANDMEMBER key [count] — a member, or `count` different ones; a negative count is of members
/// that may repeat.
Outcome srandmember(CommandContext& cx, Arguments args) {
  args.next();
  if (args.is_empty()) return random_one(cx);
  const auto wanted = parse_integer(args.next());
  if (!args.is_empty()) return Refusal::kSyntax;
  if (!wanted) return Refusal::kNotInteger;
  if (*wanted == std::numeric_limits<std::int64_t>::min()) {
    return cx.refuse(
        "ERR value is out of range, value must between -9223372036854775807 and "
        "9223372036854775807");
  }
  TRY_LET(const auto set, find_set(cx, cx.key()));
  if (!set || *wanted == 0) {
    cx.reply.array(0);
    return Outcome::done();
  }
  if (*wanted < -kRepliedElementsMax) return Refusal::kOutOfRange;
  if (*wanted < 0) {
    cx.reply.array(static_cast<std::size_t>(-*wanted));
    for (std::int64_t i = *wanted; i < 0; ++i) {
      cx.reply.bulk(set->at(cx.random.below(set->count())));
    }
    return Outcome::done();
  }
  const auto count = static_cast<std::uint64_t>(*wanted);
  if (count >= set->count()) {
    cx.reply.array(set->count());
    set->for_each_shown([&](Bytes member) { cx.reply.bulk(member); });
    return Outcome::done();
  }
  cx.reply.array(count);
  for (const std::uint64_t place : different_places(cx.random, set->count(), count)) {
    cx.reply.bulk(set->at(place));
  }
  return Outcome::done();
}

}  // namespace diskdb::command::sets
