// What takes members out of sorted sets: ZREM and the ZREMRANGE commands, ZPOPMIN, ZPOPMAX, ZMPOP.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "base/number.h"
#include "command/sorted_set_commands.h"
#include "command/sorted_set_edit.h"
#include "command/sorted_set_pop.h"
#include "command/sorted_set_range.h"
#include "keyspace/access.h"

namespace diskdb::command {
namespace {

using keyspace::Key;
using keyspace::Record;
using keyspace::Type;

/// Erases the members that `ranks_in(set)` names, and replies how many those were.
template <typename RanksIn>
Outcome erase_ranks(CommandContext& cx, RanksIn ranks_in) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  types::Ranks ranks;
  if (record != nullptr) ranks = ranks_in(sorted_set_of(cx, *record));
  if (!ranks.is_empty()) {
    SortedSetEdit edit(cx, cx.key());
    edit.set().erase_range(ranks.first, ranks.last);
    edit.commit(ranks.count());
  }
  cx.reply.integer(static_cast<std::int64_t>(ranks.count()));
  return Outcome::done();
}

/// The `count` members at the end that pops take.
types::Ranks ranks_popped(std::uint64_t size, bool takes_highest, std::uint64_t count) {
  count = std::min(size, count);
  return takes_highest ? types::Ranks{size - count, size} : types::Ranks{0, count};
}

/// ZPOPMIN and ZPOPMAX.
Outcome pop(CommandContext& cx, Arguments args, bool takes_highest) {
  args.next();
  if (args.count() > 1) return Refusal::kSyntax;
  const bool has_count = !args.is_empty();
  std::int64_t count = 1;
  if (has_count) {
    const auto wanted = parse_integer(args.next());
    if (!wanted || *wanted < 0) return cx.refuse("ERR value is out of range, must be positive");
    count = *wanted;
  }
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  if (record == nullptr || count == 0) {
    cx.reply.array(0);
    return Outcome::done();
  }
  const value::ScoreSet set = sorted_set_of(cx, *record);
  const types::Ranks ranks =
      ranks_popped(set.count(), takes_highest, static_cast<std::uint64_t>(count));
  if (has_count) {
    reply_members(cx.reply, set, ranks, takes_highest, true);
  } else {
    const value::ElementCursor c = set.at(ranks.first);
    cx.reply.array(2);  // a flat one in RESP3 too
    cx.reply.bulk(c.entry());
    cx.reply.real(c.score());
  }
  SortedSetEdit edit(cx, cx.key());
  edit.set().erase_range(ranks.first, ranks.last);
  edit.commit(ranks.count());
  return Outcome::done();
}

}  // namespace

void pop_members(CommandContext& cx, const Key& key, const PopRequest& request, Pairing pairing) {
  const Record* record = cx.keyspace.find(key);
  const value::ScoreSet set = sorted_set_of(cx, *record);
  const bool takes_highest = request.takes_highest;
  const types::Ranks ranks = ranks_popped(set.count(), takes_highest, request.count);
  const std::string count = format_integer(static_cast<std::int64_t>(ranks.count()));
  cx.keyspace.log_as(std::array<Bytes, 3>{takes_highest ? "ZPOPMAX" : "ZPOPMIN", key.bytes, count});

  value::ElementCursor c = set.at(takes_highest ? ranks.last - 1 : ranks.first);
  if (pairing == Pairing::kPairs) cx.reply.array(ranks.count());
  for (std::uint64_t left = ranks.count();;) {
    if (pairing == Pairing::kPairs) cx.reply.array(2);
    cx.reply.bulk(c.entry());
    cx.reply.real(c.score());
    if (--left == 0) break;
    if (takes_highest) {
      c.previous();
    } else {
      c.next();
    }
  }
  SortedSetEdit edit(cx, key);
  edit.set().erase_range(ranks.first, ranks.last);
  edit.commit(ranks.count());
}

namespace sorted_sets {

/// ZREM key member [member ...] — how many were there.
Outcome zrem(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  std::size_t erased_count = 0;
  if (record != nullptr) {
    SortedSetEdit edit(cx, cx.key());
    while (!args.is_empty() && !edit.set().is_empty()) {
      erased_count += edit.set().erase(args.next()) ? 1 : 0;
    }
    if (erased_count > 0) edit.commit(erased_count);
  }
  cx.reply.integer(static_cast<std::int64_t>(erased_count));
  return Outcome::done();
}

/// ZREMRANGEBYRANK key start stop — how many there were.
Outcome zremrangebyrank(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::int64_t start, args.next_integer());
  TRY_LET(const std::int64_t stop, args.next_integer());
  return erase_ranks(cx, [&](const value::ScoreSet& set) {
    return types::ranks_between(set.count(), start, stop);
  });
}

/// ZREMRANGEBYSCORE key min max — how many there were.
Outcome zremrangebyscore(CommandContext& cx, Arguments args) {
  args.next();
  types::ScoreRange range;
  const Bytes min = args.next();
  TRY(read_score_range(cx, min, args.next(), &range));
  return erase_ranks(cx, [&](const value::ScoreSet& set) { return types::ranks_of(set, range); });
}

/// ZREMRANGEBYLEX key min max — how many there were.
Outcome zremrangebylex(CommandContext& cx, Arguments args) {
  args.next();
  types::LexRange range;
  const Bytes min = args.next();
  TRY(read_lex_range(cx, min, args.next(), &range));
  return erase_ranks(cx, [&](const value::ScoreSet& set) { return types::ranks_of(set, range); });
}

/// ZPOPMIN key [count]
Outcome zpopmin(CommandContext& cx, Arguments args) { return pop(cx, args, false); }

/// ZPOPMAX key [count]
Outcome zpopmax(CommandContext& cx, Arguments args) { return pop(cx, args, true); }

/// ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count] — from the first that has members.
Outcome zmpop(CommandContext& cx, Arguments args) {
  PopRequest request;
  TRY(read_pop_request(cx, args, &request));
  TRY_LET(const Key* key, cx.first_of(Type::kSortedSet));
  if (key == nullptr) {
    cx.reply.null_array();
    return Outcome::done();
  }
  cx.reply.array(2);
  cx.reply.bulk(key->bytes);
  pop_members(cx, *key, request, Pairing::kPairs);
  return Outcome::done();
}

}  // namespace sorted_sets

Outcome read_pop_request(CommandContext& cx, Arguments args, PopRequest* request) {
  const auto key_count = parse_integer(args.next());
  if (!key_count || *key_count < 1) return cx.refuse("ERR numkeys should be greater than 0");
  if (static_cast<std::uint64_t>(*key_count) >= args.count()) return Refusal::kSyntax;
  for (std::int64_t i = 0; i < *key_count; ++i) args.next();
  if (args.next_is("MAX")) {
    request->takes_highest = true;
  } else if (!args.next_is("MIN")) {
    return Refusal::kSyntax;
  }
  bool has_count = false;
  while (!args.is_empty()) {
    if (has_count || args.count() < 2 || !args.next_is("COUNT")) return Refusal::kSyntax;
    const auto count = parse_integer(args.next());
    if (!count || *count < 1) return cx.refuse("ERR count should be greater than 0");
    request->count = static_cast<std::uint64_t>(*count);
    has_count = true;
  }
  return Outcome::done();
}

}  // namespace diskdb::command
