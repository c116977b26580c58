// types/sorted_set.h — what Redis means by a sorted set, above value::ScoreSet: intervals of
// scores, of members and of indices, and the text of a score. An interval of any kind is a range of
// ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "value/object.h"

namespace diskdb::types {

/// A member with its score, in a result that no object holds.
struct ScoredMember {
  double score = 0;
  std::string member;
  /// The order of sorted sets.
  friend bool operator<(const ScoredMember& a, const ScoredMember& b) {
    return a.score != b.score ? a.score < b.score : a.member < b.member;
  }
};

/// An end of an interval of scores.
struct ScoreBound {
  double score = 0;
  bool is_excluded = false;
};

/// As clients write it: a number, with "(" in front if it is excluded. Redis reads what strtod
/// reads, white space in front and nothing at all included.
std::optional<ScoreBound> parse_score_bound(Bytes text);

struct ScoreRange {
  ScoreBound min;
  ScoreBound max;
};

/// An end of an interval of members: "-", "+", "[member" or "(member".
struct LexBound {
  enum class Kind : std::uint8_t { kLowest, kHighest, kIncluded, kExcluded };
  Kind kind = Kind::kLowest;
  Bytes member;
};

std::optional<LexBound> parse_lex_bound(Bytes text);

struct LexRange {
  LexBound min;
  LexBound max;
};

/// Ranks first, first + 1, ... last - 1.
struct Ranks {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t count() const { return last - first; }
  bool is_empty() const { return first == last; }
};

/// The members whose scores lie in the range.
Ranks ranks_of(const value::ScoreSet& set, const ScoreRange& range);
/// The members that lie in the range. What that means if their scores differ, Redis leaves open;
/// like Redis's skiplist we search by member alone, which finds them if they ascend all the same.
Ranks ranks_of(const value::ScoreSet& set, const LexRange& range);
/// From `start` to `stop`, both included, counted from the end if negative, as ZRANGE takes them.
Ranks ranks_between(std::uint64_t count, std::int64_t start, std::int64_t stop);
/// The same counted from the highest rank down.
Ranks reversed(std::uint64_t count, Ranks ranks);
/// LIMIT: leaves `offset` members out, from the front or from the back, and no more than
/// `count_max` in. A negative offset leaves none, a negative count_max all.
Ranks limited(Ranks ranks, bool from_back, std::int64_t offset, std::int64_t count_max);

/// The score as ZSCAN shows that of a set with Redis's small encoding, which keeps integers as
/// integers: digits where a reply has an exponent.
std::string listpack_score_text(double score);

/// At which size Redis changes a sorted set's encoding.
struct SortedSetLimits {
  std::uint64_t entries_max = 128;
  std::uint64_t value_bytes_max = 64;
};

/// After a new member has come: remembers if the set has outgrown Redis's small encoding.
void note_added(value::Object& object, Bytes member, const SortedSetLimits& limits);

}  // namespace diskdb::types
