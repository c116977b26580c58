// ZUNION, ZINTER, ZDIFF, their STORE forms and ZINTERCARD. The operands are sorted sets or plain
// sets, whose members all have the score 1.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/number.h"
#include "command/command_table.h"
#include "command/sorted_set_commands.h"
#include "command/sorted_set_edit.h"
#include "keyspace/access.h"

namespace diskdb::command {
namespace {

using keyspace::Record;
using keyspace::Type;
using types::ScoredMember;

enum class Operation : std::uint8_t { kUnion, kIntersection, kDifference };
enum class Aggregate : std::uint8_t { kSum, kMin, kMax, kCount };

/// One operand; an absent key is an empty set.
class Operand {
 public:
  Operand(CommandContext& cx, const Record* record) : cx_(&cx), record_(record) {}

  double weight = 1;

  std::uint64_t count() const { return record_ == nullptr ? 0 : record_->object().count(); }
  /// Do they stand for the same value? A look-up would disturb a walk over it.
  bool is_same_as(const Operand& other) const { return record_ == other.record_; }
  /// Calls `visit(member, score)` for each.
  template <typename Visit>
  void for_each(Visit visit) const;
  std::optional<double> score(Bytes member) const;

 private:
  bool is_set() const { return record_->type() == Type::kSet; }
  value::Dictionary members() const { return {record_->object(), cx_->keyspace.reading()}; }
  value::ScoreSet scores() const { return sorted_set_of(*cx_, *record_); }

  CommandContext* cx_;
  const Record* record_;
};

// `visit` returns false to end the walk.
template <typename Visit>
void Operand::for_each(Visit visit) const {
  if (record_ == nullptr) return;
  const value::ObjectHandle handle(record_->object(), cx_->keyspace.reading());
  for (value::ElementCursor c = handle.at(0); !c.is_at_end(); c.next()) {
    if (!visit(c.entry(), is_set() ? 1.0 : c.score())) return;
  }
}

std::optional<double> Operand::score(Bytes member) const {
  if (record_ == nullptr) return std::nullopt;
  if (!is_set()) return scores().score(member);
  return members().contains(member) ? std::optional(1.0) : std::nullopt;
}

struct Request {
  Operation operation = Operation::kUnion;
  bool stores = false;
  bool counts_only = false;  ///< ZINTERCARD
  std::vector<Operand> operands = {};
  Aggregate aggregate = Aggregate::kSum;
  bool with_scores = false;
  std::uint64_t limit = 0;  ///< 0: none
};

// ---- Reading

Outcome read_weights(CommandContext& cx, Arguments& args, Request* request) {
  for (Operand& operand : request->operands) {
    const auto weight = parse_double(args.next());
    if (!weight) return cx.refuse("ERR weight value is not a float");
    operand.weight = *weight;
  }
  return Outcome::done();
}

Outcome read_aggregate(Arguments& args, Request* request) {
  if (args.next_is("SUM")) {
    request->aggregate = Aggregate::kSum;
  } else if (args.next_is("MIN")) {
    request->aggregate = Aggregate::kMin;
  } else if (args.next_is("MAX")) {
    request->aggregate = Aggregate::kMax;
  } else if (args.next_is("COUNT")) {
    request->aggregate = Aggregate::kCount;
  } else {
    return Refusal::kSyntax;
  }
  return Outcome::done();
}

Outcome read_options(CommandContext& cx, Arguments args, Request* request) {
  const bool aggregates = request->operation != Operation::kDifference && !request->counts_only;
  while (!args.is_empty()) {
    if (aggregates && args.count() > request->operands.size() && args.next_is("WEIGHTS")) {
      TRY(read_weights(cx, args, request));
    } else if (aggregates && args.count() >= 2 && args.next_is("AGGREGATE")) {
      TRY(read_aggregate(args, request));
    } else if (!request->stores && !request->counts_only && args.next_is("WITHSCORES")) {
      request->with_scores = true;
    } else if (request->counts_only && args.count() >= 2 && args.next_is("LIMIT")) {
      const auto limit = parse_integer(args.next());
      if (!limit || *limit < 0) return cx.refuse("ERR LIMIT can't be negative");
      request->limit = static_cast<std::uint64_t>(*limit);
    } else {
      return Refusal::kSyntax;
    }
  }
  return Outcome::done();
}

/// `args`: numkeys key [key ...] [options]
Outcome read_request(CommandContext& cx, Arguments args, Request* request) {
  TRY_LET(const std::int64_t key_count, args.next_integer());
  if (key_count < 1) {
    return cx.refuse("ERR at least 1 input key is needed for '" + full_name(cx.row) + "' command");
  }
  if (static_cast<std::uint64_t>(key_count) > args.count()) return Refusal::kSyntax;
  for (const keyspace::Key& key : cx.keys.subspan(request->stores ? 1 : 0)) {
    args.next();
    const Record* record = cx.keyspace.find(key);
    if (record != nullptr && record->type() != Type::kSortedSet && record->type() != Type::kSet) {
      return Refusal::kWrongType;
    }
    request->operands.emplace_back(cx, record);
  }
  return read_options(cx, args, request);
}

// ---- Computing

/// What an operand contributes for a member of this score.
double weighted(const Request& request, const Operand& operand, double score) {
  return request.aggregate == Aggregate::kCount ? operand.weight : operand.weight * score;
}

double not_nan(double score) { return std::isnan(score) ? 0 : score; }

double aggregated(const Request& request, double a, double b) {
  switch (request.aggregate) {
    case Aggregate::kMin:
      return b < a ? b : a;
    case Aggregate::kMax:
      return b > a ? b : a;
    default:
      return not_nan(a + b);  // of infinities of both signs
  }
}

std::vector<ScoredMember> united(const Request& request) {
  std::unordered_map<std::string, double> scores;
  for (const Operand& operand : request.operands) {
    operand.for_each([&](Bytes member, double score) {
      const double value = not_nan(weighted(request, operand, score));
      const auto [place, is_new] = scores.try_emplace(std::string(member), value);
      if (!is_new) place->second = aggregated(request, place->second, value);
      return true;
    });
  }
  std::vector<ScoredMember> members;
  members.reserve(scores.size());
  for (auto& [member, score] : scores) members.push_back({score, member});
  return members;
}

std::vector<ScoredMember> intersected(const Request& request) {
  std::vector<ScoredMember> members;
  const Operand& smallest = request.operands[0];
  smallest.for_each([&](Bytes member, double score) {
    double sum = not_nan(weighted(request, smallest, score));
    for (const Operand& other : std::span(request.operands).subspan(1)) {
      const auto found = other.is_same_as(smallest) ? std::optional(score) : other.score(member);
      if (!found) return true;
      sum = aggregated(request, sum, weighted(request, other, *found));
    }
    members.push_back({sum, std::string(member)});
    return request.limit == 0 || members.size() < request.limit;
  });
  return members;
}

std::vector<ScoredMember> subtracted(const Request& request) {
  std::vector<ScoredMember> members;
  const Operand& first = request.operands[0];
  first.for_each([&](Bytes member, double score) {
    for (const Operand& other : std::span(request.operands).subspan(1)) {
      if (other.is_same_as(first) || other.score(member)) return true;
    }
    members.push_back({score, std::string(member)});
    return true;
  });
  return members;
}

/// In the order of sorted sets.
std::vector<ScoredMember> computed(Request& request) {
  std::vector<ScoredMember> members;
  if (request.operation == Operation::kDifference) {
    members = subtracted(request);
  } else {
    // From the smallest to the largest, which also settles in which order floats are added.
    std::ranges::stable_sort(request.operands, {}, &Operand::count);
    members = request.operation == Operation::kUnion ? united(request) : intersected(request);
  }
  std::ranges::sort(members, [](const auto& a, const auto& b) { return a < b; });
  return members;
}

Outcome reply_result(CommandContext& cx, Arguments args, Operation operation) {
  Request request{.operation = operation};
  TRY(read_request(cx, args, &request));
  const std::vector<ScoredMember> members = computed(request);
  begin_members(cx.reply, members.size(), request.with_scores);
  for (const ScoredMember& scored : members) {
    reply_member(cx.reply, scored.member, scored.score, request.with_scores);
  }
  return Outcome::done();
}

Outcome store_result(CommandContext& cx, Arguments args, Operation operation) {
  args.next();
  Request request{.operation = operation, .stores = true};
  TRY(read_request(cx, args, &request));
  const std::vector<ScoredMember> members = computed(request);
  store_sorted_set(cx, cx.keys[0], members);
  cx.reply.integer(static_cast<std::int64_t>(members.size()));
  return Outcome::done();
}

}  // namespace

namespace sorted_sets {

/// ZDIFF numkeys key [key ...] [WITHSCORES] — the first's members that are in no other.
Outcome zdiff(CommandContext& cx, Arguments args) {
  return reply_result(cx, args, Operation::kDifference);
}

/// ZDIFFSTORE destination numkeys key [key ...]
Outcome zdiffstore(CommandContext& cx, Arguments args) {
  return store_result(cx, args, Operation::kDifference);
}

/// ZINTER numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE how] [WITHSCORES]
Outcome zinter(CommandContext& cx, Arguments args) {
  return reply_result(cx, args, Operation::kIntersection);
}

/// ZINTERCARD numkeys key [key ...] [LIMIT limit] — how many members all have in common.
Outcome zintercard(CommandContext& cx, Arguments args) {
  Request request{.operation = Operation::kIntersection, .counts_only = true};
  TRY(read_request(cx, args, &request));
  cx.reply.integer(static_cast<std::int64_t>(computed(request).size()));
  return Outcome::done();
}

/// ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE how]
Outcome zinterstore(CommandContext& cx, Arguments args) {
  return store_result(cx, args, Operation::kIntersection);
}

/// ZUNION numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE how] [WITHSCORES]
Outcome zunion(CommandContext& cx, Arguments args) {
  return reply_result(cx, args, Operation::kUnion);
}

/// ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE how]
Outcome zunionstore(CommandContext& cx, Arguments args) {
  return store_result(cx, args, Operation::kUnion);
}

}  // namespace sorted_sets
}  // namespace diskdb::command
