// command/sorted_set_edit.h — how commands open sorted sets: to read, to change, and to replace
// whatever a key holds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "keyspace/access.h"
#include "types/sorted_set.h"
#include "value/object.h"

namespace diskdb::command {

/// As the settings zset-max-listpack-* have it now.
types::SortedSetLimits sorted_set_limits(const CommandContext& cx);

/// The sorted set of a record that is one.
inline value::ScoreSet sorted_set_of(const CommandContext& cx, const keyspace::Record& record) {
  return {record.object(), cx.keyspace.reading()};
}

/// For requests of a key and members: replies an array, calling `reply_score` with the score of
/// each member of the request, if it is there.
template <typename ReplyScore>
Outcome reply_for_each_member(CommandContext& cx, Arguments args, ReplyScore reply_score) {
  args.next();
  TRY_LET(const keyspace::Record* record, cx.keyspace.find(cx.key(), keyspace::Type::kSortedSet));
  cx.reply.array(args.count());
  while (!args.is_empty()) {
    const Bytes member = args.next();
    std::optional<double> score;
    if (record != nullptr) score = sorted_set_of(cx, *record).score(member);
    reply_score(score);
  }
  return Outcome::done();
}

/// A sorted set opened for change: see keyspace::ObjectEdit. It remembers when Redis would have
/// changed its encoding.
class SortedSetEdit {
 public:
  /// Borrows both for its life. Requires: the key is absent or a sorted set.
  SortedSetEdit(CommandContext& cx, const keyspace::Key& key)
      : edit_(cx.keyspace, key, keyspace::Type::kSortedSet),
        set_(edit_.object(), edit_.use()),
        limits_(sorted_set_limits(cx)) {}

  value::ScoreSet& set() { return set_; }
  value::ScoreChange put(Bytes member, double score) {
    const value::ScoreChange change = set_.put(member, score);
    if (change == value::ScoreChange::kNew) types::note_added(edit_.object(), member, limits_);
    return change;
  }
  void commit(std::size_t count = 1) { edit_.commit(count); }
  void commit_as(std::span<const Bytes> effect) { edit_.commit_as(effect); }

 private:
  keyspace::ObjectEdit edit_;
  value::ScoreSet set_;
  types::SortedSetLimits limits_;
};

/// From now on the key holds these members, without expiry, whatever it held before; it goes if
/// there are none. The command is logged as it came. Requires: Logged::kVerbatim.
void store_sorted_set(CommandContext& cx, const keyspace::Key& key,
                      std::span<const types::ScoredMember> members);

/// Begins an array of `count` members, each with its score or not: RESP3 pairs them.
void begin_members(resp::Reply& reply, std::uint64_t count, bool with_scores);
/// One of them.
void reply_member(resp::Reply& reply, Bytes member, double score, bool with_scores);
/// The members at these ranks, upwards or downwards.
void reply_members(resp::Reply& reply, const value::ScoreSet& set, types::Ranks ranks,
                   bool is_reversed, bool with_scores);

}  // namespace diskdb::command
