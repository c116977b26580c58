// What is read, counted or stored of a stretch of a sorted set: ZRANGE in all its forms, ZCOUNT,
// ZLEXCOUNT, ZRANGESTORE. Each kind of interval becomes a range of ranks (types/sorted_set.h).

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/number.h"
#include "command/sorted_set_commands.h"
#include "command/sorted_set_edit.h"
#include "command/sorted_set_range.h"
#include "keyspace/access.h"

namespace diskdb::command {

using keyspace::Record;
using keyspace::Type;
using value::ScoreSet;

Outcome read_score_range(CommandContext& cx, Bytes min, Bytes max, types::ScoreRange* range) {
  const auto from = types::parse_score_bound(min);
  const auto to = types::parse_score_bound(max);
  if (!from || !to) return cx.refuse("ERR min or max is not a float");
  *range = {*from, *to};
  return Outcome::done();
}

Outcome read_lex_range(CommandContext& cx, Bytes min, Bytes max, types::LexRange* range) {
  const auto from = types::parse_lex_bound(min);
  const auto to = types::parse_lex_bound(max);
  if (!from || !to) return cx.refuse("ERR min or max not valid string range item");
  *range = {*from, *to};
  return Outcome::done();
}

namespace {

enum class RangeKind : std::uint8_t { kAny, kRank, kScore, kLex };
enum class Direction : std::uint8_t { kAny, kForward, kReverse };

/// What a command of this family is told, or what its name says already.
struct RangeQuery {
  RangeKind kind = RangeKind::kAny;
  Direction direction = Direction::kAny;
  bool stores = false;
  bool with_scores = false;
  std::int64_t offset = 0;
  std::int64_t count_max = -1;

  std::int64_t start = 0;  // kRank
  std::int64_t stop = 0;
  types::ScoreRange scores = {};
  types::LexRange lex = {};
};

/// What stands behind the interval.
Outcome read_options(Arguments args, RangeQuery* query) {
  while (!args.is_empty()) {
    if (!query->stores && args.next_is("WITHSCORES")) {
      query->with_scores = true;
    } else if (args.count() >= 3 && args.next_is("LIMIT")) {
      TRY_LET(query->offset, args.next_integer());
      TRY_LET(query->count_max, args.next_integer());
    } else if (query->direction == Direction::kAny && args.next_is("REV")) {
      query->direction = Direction::kReverse;
    } else if (query->kind == RangeKind::kAny && args.next_is("BYLEX")) {
      query->kind = RangeKind::kLex;
    } else if (query->kind == RangeKind::kAny && args.next_is("BYSCORE")) {
      query->kind = RangeKind::kScore;
    } else {
      return Refusal::kSyntax;
    }
  }
  if (query->kind == RangeKind::kAny) query->kind = RangeKind::kRank;
  return Outcome::done();
}

Outcome check_options(CommandContext& cx, const RangeQuery& query) {
  if (query.count_max != -1 && query.kind == RangeKind::kRank) {
    return cx.refuse(
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
  }
  if (query.with_scores && query.kind == RangeKind::kLex) {
    return cx.refuse("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
  }
  return Outcome::done();
}

/// `args`: <start> <stop> [options]
Outcome read_query(CommandContext& cx, Arguments args, RangeQuery* query) {
  Bytes min = args.next();
  Bytes max = args.next();
  TRY(read_options(args, query));
  TRY(check_options(cx, *query));
  if (query->kind == RangeKind::kRank) {
    const auto start = parse_integer(min);
    const auto stop = parse_integer(max);
    if (!start || !stop) return Refusal::kNotInteger;
    query->start = *start;
    query->stop = *stop;
    return Outcome::done();
  }
  if (query->direction == Direction::kReverse) std::swap(min, max);
  if (query->kind == RangeKind::kScore) return read_score_range(cx, min, max, &query->scores);
  return read_lex_range(cx, min, max, &query->lex);
}

types::Ranks ranks_in(const ScoreSet& set, const RangeQuery& query) {
  const bool is_reversed = query.direction == Direction::kReverse;
  if (query.kind == RangeKind::kRank) {
    const types::Ranks ranks = types::ranks_between(set.count(), query.start, query.stop);
    return is_reversed ? types::reversed(set.count(), ranks) : ranks;
  }
  const types::Ranks ranks = query.kind == RangeKind::kScore ? types::ranks_of(set, query.scores)
                                                             : types::ranks_of(set, query.lex);
  return types::limited(ranks, is_reversed, query.offset, query.count_max);
}

/// All commands that reply the members.
Outcome range(CommandContext& cx, Arguments args, RangeQuery query) {
  args.next();
  TRY(read_query(cx, args, &query));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  if (record == nullptr) {
    cx.reply.array(0);
    return Outcome::done();
  }
  const ScoreSet set = sorted_set_of(cx, *record);
  reply_members(cx.reply, set, ranks_in(set, query), query.direction == Direction::kReverse,
                query.with_scores);
  return Outcome::done();
}

/// ZCOUNT and ZLEXCOUNT.
template <typename Range>
Outcome count(CommandContext& cx, const Range& range) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  types::Ranks ranks;
  if (record != nullptr) ranks = types::ranks_of(sorted_set_of(cx, *record), range);
  cx.reply.integer(static_cast<std::int64_t>(ranks.count()));
  return Outcome::done();
}

}  // namespace

namespace sorted_sets {

/// ZCOUNT key min max — how many scores lie between.
Outcome zcount(CommandContext& cx, Arguments args) {
  args.next();
  types::ScoreRange range;
  const Bytes min = args.next();
  TRY(read_score_range(cx, min, args.next(), &range));
  return count(cx, range);
}

/// ZLEXCOUNT key min max — how many members lie between.
Outcome zlexcount(CommandContext& cx, Arguments args) {
  args.next();
  types::LexRange range;
  const Bytes min = args.next();
  TRY(read_lex_range(cx, min, args.next(), &range));
  return count(cx, range);
}

/// ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]
Outcome zrange(CommandContext& cx, Arguments args) { return range(cx, args, {}); }

/// ZREVRANGE key start stop [WITHSCORES]
Outcome zrevrange(CommandContext& cx, Arguments args) {
  return range(cx, args, {.kind = RangeKind::kRank, .direction = Direction::kReverse});
}

/// ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]
Outcome zrangebyscore(CommandContext& cx, Arguments args) {
  return range(cx, args, {.kind = RangeKind::kScore, .direction = Direction::kForward});
}

/// ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]
Outcome zrevrangebyscore(CommandContext& cx, Arguments args) {
  return range(cx, args, {.kind = RangeKind::kScore, .direction = Direction::kReverse});
}

/// ZRANGEBYLEX key min max [LIMIT offset count]
Outcome zrangebylex(CommandContext& cx, Arguments args) {
  return range(cx, args, {.kind = RangeKind::kLex, .direction = Direction::kForward});
}

/// ZREVRANGEBYLEX key max min [LIMIT offset count]
Outcome zrevrangebylex(CommandContext& cx, Arguments args) {
  return range(cx, args, {.kind = RangeKind::kLex, .direction = Direction::kReverse});
}

/// ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] — how many it stored.
Outcome zrangestore(CommandContext& cx, Arguments args) {
  args.next();
  args.next();
  RangeQuery query{.stores = true};
  TRY(read_query(cx, args, &query));
  TRY_LET(const Record* record, cx.keyspace.find(cx.keys[1], Type::kSortedSet));
  std::vector<types::ScoredMember> members;
  if (record != nullptr) {
    const ScoreSet set = sorted_set_of(cx, *record);
    const types::Ranks ranks = ranks_in(set, query);
    members.reserve(ranks.count());
    value::ElementCursor c = set.at(ranks.first);
    for (std::uint64_t left = ranks.count(); left > 0; --left, c.next()) {
      members.push_back({c.score(), std::string(c.entry())});
    }
  }
  store_sorted_set(cx, cx.keys[0], members);
  cx.reply.integer(static_cast<std::int64_t>(members.size()));
  return Outcome::done();
}

}  // namespace sorted_sets
}  // namespace diskdb::command
