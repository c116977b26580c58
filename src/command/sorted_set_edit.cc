#include "command/sorted_set_edit.h"

#include "command/config.h"
#include "command/services.h"

namespace diskdb::command {

types::SortedSetLimits sorted_set_limits(const CommandContext& cx) {
  const Settings& settings = cx.services.config.settings();
  const auto number = [](const Settings::Value& value) {
    return static_cast<std::uint64_t>(value.load(std::memory_order_relaxed));
  };
  return {.entries_max = number(settings.zset_listpack_entries_max),
          .value_bytes_max = number(settings.zset_listpack_value_bytes_max)};
}

void store_sorted_set(CommandContext& cx, const keyspace::Key& key,
                      std::span<const types::ScoredMember> members) {
  const bool was_there = cx.keyspace.erase(key);
  if (members.empty()) return;
  SortedSetEdit edit(cx, key);
  for (const types::ScoredMember& scored : members) edit.put(scored.member, scored.score);
  edit.commit(was_there ? 0 : 1);
}

void begin_members(resp::Reply& reply, std::uint64_t count, bool with_scores) {
  const bool is_flat = with_scores && reply.dialect() != resp::Dialect::kResp3;
  reply.array(is_flat ? count * 2 : count);
}

void reply_member(resp::Reply& reply, Bytes member, double score, bool with_scores) {
  if (with_scores && reply.dialect() == resp::Dialect::kResp3) reply.array(2);
  reply.bulk(member);
  if (with_scores) reply.real(score);
}

void reply_members(resp::Reply& reply, const value::ScoreSet& set, types::Ranks ranks,
                   bool is_reversed, bool with_scores) {
  begin_members(reply, ranks.count(), with_scores);
  if (ranks.is_empty()) return;
  value::ElementCursor c = set.at(is_reversed ? ranks.last - 1 : ranks.first);
  for (std::uint64_t left = ranks.count();;) {
    reply_member(reply, c.entry(), c.score(), with_scores);
    if (--left == 0) return;
    if (is_reversed) {
      c.previous();
    } else {
      c.next();
    }
  }
}

}  // namespace diskdb::command
