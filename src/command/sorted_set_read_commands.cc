// What is read of single members, or of any: ZSCORE, ZMSCORE, ZRANK, ZCARD, ZRANDMEMBER, ZSCAN.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/command_table.h"
#include "command/scan_options.h"
#include "command/sorted_set_commands.h"
#include "command/sorted_set_edit.h"
#include "keyspace/access.h"
#include "types/sorted_set.h"
#include "types/traits.h"

namespace diskdb::command {
namespace {

using keyspace::Record;
using keyspace::Type;
using value::HashedScore;
using value::ScoreSet;

void reply_score(resp::Reply& reply, std::optional<double> score) {
  if (score) {
    reply.real(*score);
  } else {
    reply.null();
  }
}

/// ZRANK and ZREVRANK.
Outcome rank(CommandContext& cx, Arguments args, bool from_highest) {
  args.next();
  const Bytes member = args.next();
  if (args.count() > 1) {
    return cx.refuse("ERR wrong number of arguments for '" + full_name(cx.row) + "' command");
  }
  const bool with_score = args.next_is("WITHSCORE");
  if (!args.is_empty()) return Refusal::kSyntax;
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  std::optional<std::uint64_t> found;
  if (record != nullptr) found = sorted_set_of(cx, *record).rank(member);
  if (!found) {
    if (with_score) {
      cx.reply.null_array();
    } else {
      cx.reply.null();
    }
    return Outcome::done();
  }
  const ScoreSet set = sorted_set_of(cx, *record);
  if (with_score) cx.reply.array(2);
  cx.reply.integer(static_cast<std::int64_t>(from_highest ? set.count() - 1 - *found : *found));
  if (with_score) cx.reply.real(set.at(*found).score());
  return Outcome::done();
}

// ---- ZRANDMEMBER

/// No reply has more members.
constexpr std::int64_t kDrawsMax = std::int64_t{1} << 31;

/// `count` different ranks below `size`, ascending; each choice is as likely as any other.
/// Source: Robert Floyd's algorithm (Bentley, Programming Pearls: A Sample of Brilliance, 1987).
std::set<std::uint64_t> choose_ranks(io::Random& random, std::uint64_t size, std::uint64_t count) {
  std::set<std::uint64_t> chosen;
  for (std::uint64_t i = size - count; i < size; ++i) {
    if (!chosen.insert(random.below(i + 1)).second) chosen.insert(i);
  }
  return chosen;
}

void reply_at(CommandContext& cx, const ScoreSet& set, std::uint64_t rank, bool with_scores) {
  const value::ElementCursor c = set.at(rank);
  reply_member(cx.reply, c.entry(), c.score(), with_scores);
}

/// Any `count` members, all different, or, if it is negative, so many draws.
void reply_random(CommandContext& cx, const ScoreSet& set, std::int64_t count, bool with_scores) {
  if (count < 0) {
    begin_members(cx.reply, static_cast<std::uint64_t>(-count), with_scores);
    for (; count < 0; ++count) reply_at(cx, set, cx.random.below(set.count()), with_scores);
    return;
  }
  if (static_cast<std::uint64_t>(count) >= set.count()) {
    reply_members(cx.reply, set, {0, set.count()}, true, with_scores);  // downwards, as Redis does
    return;
  }
  begin_members(cx.reply, static_cast<std::uint64_t>(count), with_scores);
  for (const std::uint64_t rank :
       choose_ranks(cx.random, set.count(), static_cast<std::uint64_t>(count))) {
    reply_at(cx, set, rank, with_scores);
  }
}

// ---- ZSCAN
//
// Problem: a member that stays in the set while it is scanned must be returned, also if its score
// changes meanwhile, and a cursor has 53 bits: a place in the order of scores will not do. The
// index is in order of hashes, which stay, but knows no members.
// Idea: a step takes a range of hashes from the index, COUNT of them or so, with their scores, and
// looks through the members of just these scores for those whose hash is in the range.
// Cost: where scores differ, a look-up a member. Where very many members share a score they are all
// looked at in each step that meets one, so such a step takes more: at least one member for each
// kGroupPerMember that it looks at. So a whole scan looks at each member that often, at most, and
// not at all of them for each COUNT.

constexpr std::uint64_t kGroupPerMember = 64;
constexpr unsigned kCursorShift = 11;  // a cursor is the first 53 bits of a hash

/// The members whose hashes begin with `cursor` or more, up to the cursor that is returned; 0 at
/// the end.
class HashScan {
 public:
  explicit HashScan(const ScoreSet& set) : set_(set) {}

  std::uint64_t step(std::uint64_t cursor, std::uint64_t count);
  /// What the step found, in no order that means anything.
  const std::vector<types::ScoredMember>& found() const { return found_; }

 private:
  void extend(std::uint64_t last);
  void gather_scores();
  std::uint64_t group_sizes() const;
  void look_through(double score, std::uint64_t from, std::uint64_t last);

  const ScoreSet& set_;
  std::uint64_t end_ = 0;            ///< position behind hashed_
  std::vector<HashedScore> hashed_;  ///< what the step covers, in order of hash
  std::vector<double> scores_;       ///< of these, each once
  std::vector<types::ScoredMember> found_;
};

// Takes the members up to position `last`, and those that share a cursor with the last of them.
void HashScan::extend(std::uint64_t last) {
  last = std::min(last, set_.count());
  set_.in_hash_order(end_, last, &hashed_);
  end_ = last;
  while (end_ < set_.count()) {
    std::vector<HashedScore> next;
    set_.in_hash_order(end_, end_ + 1, &next);
    if (next[0].hash >> kCursorShift != hashed_.back().hash >> kCursorShift) return;
    hashed_.push_back(next[0]);
    ++end_;
  }
}

void HashScan::gather_scores() {
  scores_.clear();
  for (const HashedScore& hashed : hashed_) scores_.push_back(hashed.score);
  std::ranges::sort(scores_);
  scores_.erase(std::unique(scores_.begin(), scores_.end()), scores_.end());
}

std::uint64_t HashScan::group_sizes() const {
  std::uint64_t sum = 0;
  for (const double score : scores_) sum += set_.count_up_to(score) - set_.count_below(score);
  return sum;
}

void HashScan::look_through(double score, std::uint64_t from, std::uint64_t last) {
  value::ElementCursor c = set_.at(set_.count_below(score));
  for (; !c.is_at_end() && c.score() == score; c.next()) {
    const std::uint64_t hash = value::member_hash(c.entry());
    if (hash >= from && hash <= last) found_.push_back({score, std::string(c.entry())});
  }
}

std::uint64_t HashScan::step(std::uint64_t cursor, std::uint64_t count) {
  if (cursor >> (64 - kCursorShift) != 0) return 0;
  const std::uint64_t from = cursor << kCursorShift;
  end_ = set_.count_below_hash(from);
  if (end_ == set_.count()) return 0;
  const std::uint64_t begin = end_;
  count = std::min(count, set_.count());
  for (;;) {
    extend(std::max(end_, begin + count));
    gather_scores();
    if (end_ == set_.count() || group_sizes() <= kGroupPerMember * hashed_.size()) break;
    count = 2 * hashed_.size();
  }
  for (const double score : scores_) look_through(score, from, hashed_.back().hash);
  if (end_ == set_.count()) return 0;
  return (hashed_.back().hash >> kCursorShift) + 1;
}

void reply_scanned(CommandContext& cx, std::uint64_t cursor,
                   const std::vector<std::pair<std::string, std::string>>& members) {
  cx.reply.array(2);
  cx.reply.bulk_integer(static_cast<std::int64_t>(cursor));
  cx.reply.array(members.size() * 2);
  for (const auto& [member, score] : members) {
    cx.reply.bulk(member);
    cx.reply.bulk(score);
  }
}

}  // namespace

namespace sorted_sets {

/// ZCARD key — how many members there are.
Outcome zcard(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  cx.reply.integer(
      record == nullptr ? 0 : static_cast<std::int64_t>(sorted_set_of(cx, *record).count()));
  return Outcome::done();
}

/// ZSCORE key member — its score, or null.
Outcome zscore(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  std::optional<double> score;
  if (record != nullptr) score = sorted_set_of(cx, *record).score(args.next());
  reply_score(cx.reply, score);
  return Outcome::done();
}

/// ZMSCORE key member [member ...] — their scores, null for those not there.
Outcome zmscore(CommandContext& cx, Arguments args) {
  return reply_for_each_member(cx, args,
                               [&](std::optional<double> score) { reply_score(cx.reply, score); });
}

/// ZRANK key member [WITHSCORE] — how many members come before it.
Outcome zrank(CommandContext& cx, Arguments args) { return rank(cx, args, false); }

/// ZREVRANK key member [WITHSCORE] — how many members come behind it.
Outcome zrevrank(CommandContext& cx, Arguments args) { return rank(cx, args, true); }

/// ZRANDMEMBER key [count [WITHSCORES]]
Outcome zrandmember(CommandContext& cx, Arguments args) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  args.next();
  const bool has_count = !args.is_empty();
  bool with_scores = false;
  std::int64_t count = 1;
  if (has_count) {
    TRY_LET(count, args.next_integer());
    if (count < -kMax) {
      return cx.refuse("ERR value is out of range, value must between -" + std::to_string(kMax) +
                       " and " + std::to_string(kMax));
    }
    with_scores = args.next_is("WITHSCORES");
    if (!args.is_empty()) return Refusal::kSyntax;
    if (with_scores && (count < -kMax / 2 || count > kMax / 2)) return Refusal::kOutOfRange;
  }
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  if (record == nullptr || count == 0) {
    if (has_count) {
      cx.reply.array(0);
    } else {
      cx.reply.null();
    }
    return Outcome::done();
  }
  const ScoreSet set = sorted_set_of(cx, *record);
  if (count < -kDrawsMax) return Refusal::kOutOfRange;
  if (has_count) {
    reply_random(cx, set, count, with_scores);
  } else {
    reply_at(cx, set, cx.random.below(set.count()), false);
  }
  return Outcome::done();
}

/// ZSCAN key cursor [MATCH pattern] [COUNT count] — some members with their scores, and the cursor
/// for the next ones.
Outcome zscan(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::uint64_t cursor, parse_cursor(args.next()));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  if (record == nullptr) {
    reply_scanned(cx, 0, {});
    return Outcome::done();
  }
  ScanOptions options;
  TRY(read_scan_options(cx, args, ScanOf::kElements, &options));
  const ScoreSet set = sorted_set_of(cx, *record);
  std::vector<std::pair<std::string, std::string>> members;
  if (set.object().is_small()) {
    const bool is_listpack = !types::has_trait(set.object(), types::Trait::kShowsLarge);
    for (value::ElementCursor c = set.at(0); !c.is_at_end(); c.next()) {
      if (!options.matches(c.entry())) continue;
      members.emplace_back(c.entry(), is_listpack ? types::listpack_score_text(c.score())
                                                  : format_double(c.score()));
    }
    reply_scanned(cx, 0, members);
    return Outcome::done();
  }
  HashScan scan(set);
  const std::uint64_t next = scan.step(cursor, options.count);
  for (const types::ScoredMember& scored : scan.found()) {
    if (options.matches(scored.member)) {
      members.emplace_back(scored.member, format_double(scored.score));
    }
  }
  reply_scanned(cx, next, members);
  return Outcome::done();
}

}  // namespace sorted_sets
}  // namespace diskdb::command
