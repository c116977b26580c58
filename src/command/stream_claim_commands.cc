// What is done with entries that are pending with consumers of a group: XACK, XNACK, XCLAIM,
// XAUTOCLAIM, XPENDING.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/stream_commands.h"
#include "command/stream_edit.h"

namespace diskdb::command {

using keyspace::Record;
using keyspace::Type;
using streams::GroupEdit;
using streams::StreamEdit;
using value::Stream;
using value::StreamId;
using value::StreamPending;

namespace {

/// An entry that has no owner counts as idle for ever.
bool is_idle(const StreamPending& pending, Millis now, std::int64_t idle_min_ms) {
  return pending.consumer == 0 || now.count - pending.delivered.count >= idle_min_ms;
}

// ---- XCLAIM

struct Claim {
  std::vector<StreamId> ids;
  std::int64_t idle_min_ms = 0;
  std::optional<std::int64_t> delivered_ms;
  std::optional<std::int64_t> delivery_count;
  std::optional<StreamId> last_id;
  std::optional<std::int64_t> read_count;  ///< with last_id; only the log says it
  bool is_forced = false;
  bool replies_ids = false;  ///< and counts no delivery
};

/// A word behind an option of XCLAIM.
Answer<std::int64_t> next_number(CommandContext& cx, Arguments& args, Bytes option) {
  const auto number = parse_integer(args.next());
  if (number) return *number;
  return cx.refuse("ERR Invalid " + std::string(option) + " option argument for XCLAIM");
}

/// `args`: what stands behind the least idle time.
Outcome read_claim(CommandContext& cx, Arguments args, Claim* claim) {
  while (!args.is_empty()) {
    const auto id = types::parse_stream_id(args.peek());
    if (!id) break;
    claim->ids.push_back(*id);
    args.next();
  }
  while (!args.is_empty()) {
    const bool has_value = args.count() >= 2;
    if (args.next_is("FORCE")) {
      claim->is_forced = true;
    } else if (args.next_is("JUSTID")) {
      claim->replies_ids = true;
    } else if (has_value && args.next_is("IDLE")) {
      TRY_LET(const std::int64_t idle, next_number(cx, args, "IDLE"));
      std::int64_t when = 0;
      claim->delivered_ms = __builtin_sub_overflow(cx.now().count, idle, &when) ? -1 : when;
    } else if (has_value && args.next_is("TIME")) {
      TRY_LET(claim->delivered_ms, next_number(cx, args, "TIME"));
    } else if (has_value && args.next_is("RETRYCOUNT")) {
      TRY_LET(claim->delivery_count, next_number(cx, args, "RETRYCOUNT"));
    } else if (has_value && args.next_is("LASTID")) {
      TRY(streams::read_id(cx, args, &claim->last_id.emplace()));
    } else if (has_value && args.next_is("ENTRIESREAD")) {
      TRY_LET(claim->read_count, next_number(cx, args, "ENTRIESREAD"));
    } else {
      return cx.refuse("ERR Unrecognized XCLAIM option '" + std::string(as_c_string(args.peek())) +
                       "'");
    }
  }
  return Outcome::done();
}

/// Gives the entry to the consumer, if that may be; false if not.
bool claim_one(GroupEdit& edit, const Stream& stream, StreamId id, const Claim& claim, Millis now,
               Millis delivered) {
  const auto pending = stream.find_pending(edit.number(), id);
  if (!stream.contains(id)) {
    edit.drop(id);
    return false;
  }
  if (!pending && !claim.is_forced) return false;
  if (pending && claim.idle_min_ms > 0 && !is_idle(*pending, now, claim.idle_min_ms)) return false;
  std::uint64_t count = pending ? pending->delivery_count : 1;
  if (claim.delivery_count && *claim.delivery_count >= 0) {
    count = static_cast<std::uint64_t>(*claim.delivery_count);
  } else if (!claim.replies_ids) {
    ++count;
  }
  edit.take(id, delivered, count);
  return true;
}

void reply_claimed(CommandContext& cx, const Stream& stream, const std::vector<StreamId>& ids,
                   bool replies_ids) {
  cx.reply.array(ids.size());
  for (const StreamId id : ids) {
    if (replies_ids) {
      streams::reply_id(cx.reply, id);
      continue;
    }
    value::StreamEntries entry = stream.entry_at(stream.rank(id));
    streams::reply_entry(cx.reply, entry);
  }
}

/// The group of the command's stream, if there is one of that name.
Answer<std::optional<value::StreamGroup>> find_group(CommandContext& cx, Bytes name) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  std::optional<value::StreamGroup> group;
  if (record != nullptr) group = streams::stream_of(cx, *record).find_group(name);
  return group;
}

// ---- XPENDING

struct PendingQuery {
  bool is_summary = true;
  std::int64_t idle_min_ms = 0;
  StreamId first;
  StreamId last;
  std::uint64_t count_max = 0;
  std::optional<Bytes> consumer;
};

/// `args`: what stands behind the group.
Outcome read_pending_query(CommandContext& cx, Arguments args, PendingQuery* query) {
  if (args.is_empty()) return Outcome::done();
  query->is_summary = false;
  if (args.count() < 3 || args.count() > 6) return Refusal::kSyntax;
  if (args.next_is("IDLE")) {
    TRY_LET(query->idle_min_ms, args.next_integer());
    if (args.count() < 3) return Refusal::kSyntax;
  }
  const Bytes start = args.next();
  const Bytes end = args.next();
  TRY_LET(const std::int64_t count, args.next_integer());
  query->count_max = static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
  TRY(streams::read_interval(cx, start, end, &query->first, &query->last));
  if (!args.is_empty()) query->consumer = args.next();
  return Outcome::done();
}

void reply_summary(CommandContext& cx, const Stream& stream, std::uint64_t group) {
  const std::uint64_t count = stream.pending_count(group);
  cx.reply.array(4);
  cx.reply.integer(static_cast<std::int64_t>(count));
  if (count == 0) {
    cx.reply.null();
    cx.reply.null();
    cx.reply.null_array();
    return;
  }
  streams::reply_id(cx.reply, stream.pending(group).id());
  streams::reply_id(cx.reply, stream.last_pending(group));
  std::vector<std::pair<std::string, std::uint64_t>> owners;
  for (const streams::NamedConsumer& one : streams::consumers_of(stream, group)) {
    const std::uint64_t owned = stream.owned_count(group, one.consumer.number);
    if (owned > 0) owners.emplace_back(one.name, owned);
  }
  cx.reply.array(owners.size());
  for (const auto& [name, owned] : owners) {
    cx.reply.array(2);
    cx.reply.bulk(Bytes(name));
    cx.reply.bulk_integer(static_cast<std::int64_t>(owned));
  }
}

struct Found {
  StreamId id;
  StreamPending pending;
};

std::vector<Found> find_all(CommandContext& cx, const Stream& stream, std::uint64_t group,
                            const PendingQuery& query) {
  std::vector<Found> found;
  const auto suits = [&](const StreamPending& pending) {
    return query.idle_min_ms <= 0 || is_idle(pending, cx.now(), query.idle_min_ms);
  };
  if (!query.consumer) {
    value::StreamWalk walk = stream.pending(group, query.first);
    for (; found.size() < query.count_max && !walk.is_at_end(); walk.next()) {
      const StreamId id = walk.id();
      if (id > query.last) break;
      if (suits(walk.pending())) found.push_back({id, walk.pending()});
    }
    return found;
  }
  const auto consumer = stream.find_consumer(group, *query.consumer);
  if (!consumer) return found;
  // A walk stands until the pages of its own tree move, and looking up moves them: ids first.
  std::vector<StreamId> ids;
  value::StreamWalk walk = stream.owned(group, consumer->number, query.first);
  for (; !walk.is_at_end() && walk.id() <= query.last; walk.next()) {
    if (query.idle_min_ms <= 0 && ids.size() == query.count_max) break;
    ids.push_back(walk.id());
  }
  for (const StreamId id : ids) {
    if (found.size() == query.count_max) break;
    const auto pending = stream.find_pending(group, id);
    if (pending && suits(*pending)) found.push_back({id, *pending});
  }
  return found;
}

}  // namespace

namespace streams {

/// XACK key group id [id ...] — how many of the entries were pending.
Outcome xack(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  TRY_LET(const auto group, find_group(cx, name));
  std::int64_t count = 0;
  if (group) {
    std::vector<StreamId> ids(args.count());
    for (StreamId& id : ids) TRY(read_id(cx, args, &id));
    StreamEdit edit(cx, cx.key());
    for (const StreamId id : ids) count += edit.stream().erase_pending(group->number, id) ? 1 : 0;
    if (count > 0) edit.commit(static_cast<std::size_t>(count));
  }
  cx.reply.integer(count);
  return Outcome::done();
}

/// XNACK key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE] — how
/// many pending entries belong to nobody from now on.
Outcome xnack(CommandContext& cx, Arguments args) {
  enum class Mode : std::uint8_t { kSilent, kFail, kFatal };
  constexpr auto kFatalCount = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  args.next();
  const Bytes name = args.next();
  Mode mode = Mode::kFail;
  if (args.next_is("SILENT")) {
    mode = Mode::kSilent;
  } else if (args.next_is("FATAL")) {
    mode = Mode::kFatal;
  } else if (!args.next_is("FAIL")) {
    return Refusal::kSyntax;
  }
  std::vector<StreamId> ids;
  std::optional<std::int64_t> retry_count;
  bool is_forced = false;
  while (!args.is_empty()) {
    if (ids.empty() && args.next_is("IDS")) {
      TRY(read_counted_ids(cx, args, &ids));
    } else if (args.count() >= 2 && args.next_is("RETRYCOUNT")) {
      TRY_LET(retry_count, args.next_integer());
      if (*retry_count < 0) return Refusal::kOutOfRange;
    } else if (args.next_is("FORCE")) {
      is_forced = true;
    } else {
      return Refusal::kSyntax;
    }
  }
  if (ids.empty()) return Refusal::kSyntax;
  TRY_LET(const auto group, find_group(cx, name));
  if (!group) return refuse_group(cx, cx.key().bytes, name);
  StreamEdit edit(cx, cx.key());
  Stream& stream = edit.stream();
  std::int64_t count = 0;
  for (const StreamId id : ids) {
    const auto pending = stream.find_pending(group->number, id);
    if (!pending && !(is_forced && stream.contains(id))) continue;
    std::uint64_t deliveries = pending ? pending->delivery_count : 0;
    if (mode == Mode::kSilent && deliveries > 0) --deliveries;
    if (mode == Mode::kFatal) deliveries = kFatalCount;
    if (retry_count) deliveries = static_cast<std::uint64_t>(*retry_count);
    stream.put_pending(group->number, id,
                       {.consumer = 0, .delivered = {}, .delivery_count = deliveries});
    ++count;
  }
  if (count > 0) edit.commit(static_cast<std::size_t>(count));
  cx.reply.integer(count);
  return Outcome::done();
}

/// XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-ms]
/// [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID last-id] — the entries that are the consumer's now.
Outcome xclaim(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  const Bytes consumer = args.next();
  TRY_LET(const auto group, find_group(cx, name));
  if (!group) return refuse_group(cx, cx.key().bytes, name);
  const auto idle_min = parse_integer(args.next());
  if (!idle_min) return cx.refuse("ERR Invalid min-idle-time argument for XCLAIM");
  Claim claim;
  claim.idle_min_ms = *idle_min;
  TRY(read_claim(cx, args, &claim));
  const Millis now = cx.now();
  Millis delivered = now;
  if (claim.delivered_ms && *claim.delivered_ms >= 0 && *claim.delivered_ms <= now.count) {
    delivered.count = *claim.delivered_ms;
  }
  StreamEdit edit(cx, cx.key());
  GroupEdit group_edit(cx, edit, cx.key(), name, *group, consumer);
  if (claim.last_id && *claim.last_id > group->last_id) {
    group_edit.set_last_id(*claim.last_id, claim.read_count.value_or(group->read_count));
  }
  std::vector<StreamId> claimed;
  for (const StreamId id : claim.ids) {
    if (claim_one(group_edit, edit.stream(), id, claim, now, delivered)) claimed.push_back(id);
  }
  if (!claimed.empty()) group_edit.note_active();
  group_edit.finish();
  reply_claimed(cx, edit.stream(), claimed, claim.replies_ids);
  return Outcome::done();
}

/// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID] — where to go on, the
/// entries that are the consumer's now, and those that are pending no more since they are gone.
Outcome xautoclaim(CommandContext& cx, Arguments args) {
  constexpr std::uint64_t kLooksPerClaim = 10;
  args.next();
  const Bytes name = args.next();
  const Bytes consumer = args.next();
  const auto idle_min = parse_integer(args.next());
  if (!idle_min) return cx.refuse("ERR Invalid min-idle-time argument for XAUTOCLAIM");
  const auto start = types::parse_stream_bound(args.next(), 0);
  if (!start) return refuse_id(cx);
  const auto first = start->is_excluded ? types::next_of(start->id) : start->id;
  if (!first) return cx.refuse("ERR invalid start ID for the interval");
  std::uint64_t count = 100;
  bool replies_ids = false;
  while (!args.is_empty()) {
    if (args.count() >= 2 && args.next_is("COUNT")) {
      const auto given = parse_integer(args.next());
      constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max() / 16;
      if (!given || *given <= 0 || *given > kMax) return cx.refuse("ERR COUNT must be > 0");
      count = static_cast<std::uint64_t>(*given);
    } else if (args.next_is("JUSTID")) {
      replies_ids = true;
    } else {
      return Refusal::kSyntax;
    }
  }
  TRY_LET(const auto group, find_group(cx, name));
  if (!group) return refuse_group(cx, cx.key().bytes, name);

  const Millis now = cx.now();
  StreamEdit edit(cx, cx.key());
  GroupEdit group_edit(cx, edit, cx.key(), name, *group, consumer);
  const Stream& stream = edit.stream();
  std::vector<Found> taken;
  std::vector<StreamId> gone;
  StreamId next;
  std::uint64_t looks_left = count * kLooksPerClaim;
  value::StreamWalk walk = stream.pending(group->number, *first);
  for (; count > 0 && looks_left > 0 && !walk.is_at_end(); walk.next(), --looks_left) {
    const Found found{walk.id(), walk.pending()};
    if (!stream.contains(found.id)) {  // loads pages of the other tree alone
      gone.push_back(found.id);
      --count;
    } else if (*idle_min <= 0 || is_idle(found.pending, now, *idle_min)) {
      taken.push_back(found);
      --count;
    }
  }
  if (!walk.is_at_end()) next = walk.id();
  std::vector<StreamId> ids;
  for (const Found& found : taken) {
    group_edit.take(found.id, now, found.pending.delivery_count + (replies_ids ? 0 : 1));
    ids.push_back(found.id);
  }
  for (const StreamId id : gone) group_edit.drop(id);
  if (!ids.empty()) group_edit.note_active();
  group_edit.finish();
  cx.reply.array(3);
  reply_id(cx.reply, next);
  reply_claimed(cx, stream, ids, replies_ids);
  cx.reply.array(gone.size());
  for (const StreamId id : gone) reply_id(cx.reply, id);
  return Outcome::done();
}

/// XPENDING key group [[IDLE min-idle-time] start end count [consumer]]
Outcome xpending(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  PendingQuery query;
  TRY(read_pending_query(cx, args, &query));
  TRY_LET(const auto group, find_group(cx, name));
  if (!group) return refuse_group(cx, cx.key().bytes, name);
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  const Stream stream = stream_of(cx, *record);
  if (query.is_summary) {
    reply_summary(cx, stream, group->number);
    return Outcome::done();
  }
  const std::vector<Found> found = find_all(cx, stream, group->number, query);
  cx.reply.array(found.size());
  for (const Found& one : found) {
    const bool is_owned = one.pending.consumer != 0;
    const std::int64_t idle = cx.now().count - one.pending.delivered.count;
    cx.reply.array(4);
    reply_id(cx.reply, one.id);
    cx.reply.bulk(Bytes(stream.consumer_name(group->number, one.pending.consumer)));
    cx.reply.integer(is_owned ? std::max<std::int64_t>(idle, 0) : -1);
    cx.reply.integer(static_cast<std::int64_t>(one.pending.delivery_count));
  }
  return Outcome::done();
}

}  // namespace streams
}  // namespace diskdb::command
