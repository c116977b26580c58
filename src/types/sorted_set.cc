#include "types/sorted_set.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/number.h"
#include "types/traits.h"

namespace diskdb::types {
namespace {

/// How many members come before the bound. `score`: all members' score.
std::uint64_t count_before(const value::ScoreSet& set, double score, const LexBound& bound,
                           LexBound::Kind behind_member) {
  switch (bound.kind) {
    case LexBound::Kind::kLowest:
      return 0;
    case LexBound::Kind::kHighest:
      return set.count();
    default:
      break;
  }
  if (bound.kind != behind_member) return set.count_below(score, bound.member);
  std::string next(bound.member);  // the smallest string above it
  next.push_back('\0');
  return set.count_below(score, next);
}

Ranks ranks_from_to(std::uint64_t first, std::uint64_t last) {
  return first < last ? Ranks{first, last} : Ranks{};
}

}  // namespace

std::optional<ScoreBound> parse_score_bound(Bytes text) {
  ScoreBound bound;
  if (text.starts_with('(')) {
    bound.is_excluded = true;
    text.remove_prefix(1);
  }
  if (const auto score = parse_double(text)) {
    bound.score = *score;
    return bound;
  }
  const std::string copy(text);
  char* end = nullptr;
  bound.score = std::strtod(copy.c_str(), &end);
  if (*end != '\0' || std::isnan(bound.score)) return std::nullopt;
  return bound;
}

std::optional<LexBound> parse_lex_bound(Bytes text) {
  if (text == "-") return LexBound{LexBound::Kind::kLowest, {}};
  if (text == "+") return LexBound{LexBound::Kind::kHighest, {}};
  if (text.starts_with('[')) return LexBound{LexBound::Kind::kIncluded, text.substr(1)};
  if (text.starts_with('(')) return LexBound{LexBound::Kind::kExcluded, text.substr(1)};
  return std::nullopt;
}

Ranks ranks_of(const value::ScoreSet& set, const ScoreRange& range) {
  if (range.min.score > range.max.score) return {};
  const std::uint64_t first =
      range.min.is_excluded ? set.count_up_to(range.min.score) : set.count_below(range.min.score);
  const std::uint64_t last =
      range.max.is_excluded ? set.count_below(range.max.score) : set.count_up_to(range.max.score);
  return ranks_from_to(first, last);
}

namespace {

/// How many members stand before the end of an interval, as a binary search by member alone finds
/// them. `included`: which kind of bound has its own member before it.
std::uint64_t count_by_member(const value::ScoreSet& set, const LexBound& bound,
                              LexBound::Kind included) {
  if (bound.kind == LexBound::Kind::kLowest) return 0;
  std::uint64_t first = 0;
  std::uint64_t last = set.count();
  if (bound.kind == LexBound::Kind::kHighest) return last;
  while (first < last) {
    const std::uint64_t middle = first + (last - first) / 2;
    const value::ElementCursor cursor = set.at(middle);
    const Bytes member = cursor.entry();
    const bool is_before =
        member < bound.member || (bound.kind == included && member == bound.member);
    if (is_before) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first;
}

}  // namespace

Ranks ranks_of(const value::ScoreSet& set, const LexRange& range) {
  if (set.is_empty()) return {};
  const double score = set.at(0).score();
  if (set.at(set.count() - 1).score() != score) {
    return ranks_from_to(count_by_member(set, range.min, LexBound::Kind::kExcluded),
                         count_by_member(set, range.max, LexBound::Kind::kIncluded));
  }
  return ranks_from_to(count_before(set, score, range.min, LexBound::Kind::kExcluded),
                       count_before(set, score, range.max, LexBound::Kind::kIncluded));
}

Ranks ranks_between(std::uint64_t count, std::int64_t start, std::int64_t stop) {
  const auto end = static_cast<std::int64_t>(count);
  if (start < 0) start = std::max<std::int64_t>(start + end, 0);
  if (stop < 0) stop += end;
  stop = std::min(stop, end - 1);
  if (start > stop) return {};
  return {static_cast<std::uint64_t>(start), static_cast<std::uint64_t>(stop) + 1};
}

Ranks reversed(std::uint64_t count, Ranks ranks) {
  return {count - ranks.last, count - ranks.first};
}

Ranks limited(Ranks ranks, bool from_back, std::int64_t offset, std::int64_t count_max) {
  const std::uint64_t skipped =
      offset < 0 ? ranks.count() : std::min(static_cast<std::uint64_t>(offset), ranks.count());
  std::uint64_t count = ranks.count() - skipped;
  if (count_max >= 0) count = std::min(count, static_cast<std::uint64_t>(count_max));
  if (from_back) return {ranks.last - skipped - count, ranks.last - skipped};
  return {ranks.first + skipped, ranks.first + skipped + count};
}

std::string listpack_score_text(double score) {
  constexpr double kLargest = static_cast<double>(std::numeric_limits<std::int64_t>::max() / 2);
  if (std::abs(score) <= kLargest) {
    const auto integer = static_cast<std::int64_t>(score);
    if (static_cast<double>(integer) == score) return format_integer(integer);
  }
  return format_double(score);
}

void note_added(value::Object& object, Bytes member, const SortedSetLimits& limits) {
  if (member.size() <= limits.value_bytes_max && object.count() <= limits.entries_max) return;
  set_trait(object, Trait::kShowsLarge);
}

}  // namespace diskdb::types
