// XINFO: what a stream, its groups and their consumers are.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/help.h"
#include "command/stream_commands.h"
#include "command/stream_edit.h"

namespace diskdb::command {

using keyspace::Record;
using keyspace::Type;
using streams::NamedConsumer;
using streams::NamedGroup;
using value::Stream;
using value::StreamId;

namespace {

void reply_number(resp::Reply& reply, Bytes name, std::uint64_t number) {
  reply.bulk(name);
  reply.integer(static_cast<std::int64_t>(number));
}

void reply_named_id(resp::Reply& reply, Bytes name, StreamId id) {
  reply.bulk(name);
  streams::reply_id(reply, id);
}

/// There is no radix tree: as many nodes as Redis would need if all were full, and one above them.
std::uint64_t node_count(const CommandContext& cx, const Stream& stream) {
  const std::uint64_t node = std::max<std::uint64_t>(streams::node_entries_max(cx), 1);
  return (stream.length() + node - 1) / node;
}

/// What both forms of XINFO STREAM begin with; so many fields, or more if messages are remembered.
constexpr std::size_t kHeadFields = 7;
constexpr std::size_t kMemoryFields = 6;
std::size_t head_fields(const Stream& stream) {
  return kHeadFields + (stream.memory() ? kMemoryFields : 0);
}
void reply_head(CommandContext& cx, const Stream& stream) {
  const value::StreamExtent& extent = stream.extent();
  const std::uint64_t nodes = node_count(cx, stream);
  reply_number(cx.reply, "length", stream.length());
  reply_number(cx.reply, "radix-tree-keys", nodes);
  reply_number(cx.reply, "radix-tree-nodes", nodes + 1);
  reply_named_id(cx.reply, "last-generated-id", extent.last_id);
  reply_named_id(cx.reply, "max-deleted-entry-id", extent.max_deleted_id);
  reply_number(cx.reply, "entries-added", extent.added_count);
  reply_named_id(cx.reply, "recorded-first-entry-id",
                 stream.length() > 0 ? stream.id_at(0) : StreamId{});
  const auto memory = stream.memory();
  if (!memory) return;
  reply_number(cx.reply, "idmp-duration", memory->seconds);
  reply_number(cx.reply, "idmp-maxsize", memory->messages_max);
  reply_number(cx.reply, "pids-tracked", stream.producer_count());
  reply_number(cx.reply, "iids-tracked", stream.message_count());
  reply_number(cx.reply, "iids-added", memory->remembered_count);
  reply_number(cx.reply, "iids-duplicates", memory->repeated_count);
}

void reply_entry_or_null(CommandContext& cx, const Stream& stream, bool is_first) {
  if (stream.length() == 0) return cx.reply.null();
  value::StreamEntries entry = stream.entry_at(is_first ? 0 : stream.length() - 1);
  streams::reply_entry(cx.reply, entry);
}

void reply_progress(CommandContext& cx, const Stream& stream, const value::StreamGroup& group) {
  reply_named_id(cx.reply, "last-delivered-id", group.last_id);
  cx.reply.bulk("entries-read");
  if (group.read_count == value::kUnknownReadCount) {
    cx.reply.null();
  } else {
    cx.reply.integer(group.read_count);
  }
  cx.reply.bulk("lag");
  if (const auto lag = types::lag_of(stream, group)) {
    cx.reply.integer(*lag);
  } else {
    cx.reply.null();
  }
}

void reply_pending_of_group(CommandContext& cx, const Stream& stream, std::uint64_t group,
                            std::uint64_t count_max) {
  struct Found {
    StreamId id;
    value::StreamPending pending;
  };
  std::vector<Found> found;
  value::StreamWalk walk = stream.pending(group);
  for (; found.size() < count_max && !walk.is_at_end(); walk.next()) {
    found.push_back({walk.id(), walk.pending()});
  }
  cx.reply.array(found.size());
  for (const Found& one : found) {
    cx.reply.array(4);
    streams::reply_id(cx.reply, one.id);
    cx.reply.bulk(Bytes(stream.consumer_name(group, one.pending.consumer)));
    cx.reply.integer(one.pending.delivered.count);
    cx.reply.integer(static_cast<std::int64_t>(one.pending.delivery_count));
  }
}

void reply_consumer_in_full(CommandContext& cx, const Stream& stream, std::uint64_t group,
                            const NamedConsumer& one, std::uint64_t count_max) {
  const std::uint64_t number = one.consumer.number;
  cx.reply.map(5);
  cx.reply.bulk("name");
  cx.reply.bulk(Bytes(one.name));
  cx.reply.bulk("seen-time");
  cx.reply.integer(one.consumer.seen.count);
  cx.reply.bulk("active-time");
  cx.reply.integer(one.consumer.active ? one.consumer.active->count : -1);
  reply_number(cx.reply, "pel-count", stream.owned_count(group, number));
  cx.reply.bulk("pending");
  std::vector<StreamId> ids;
  value::StreamWalk walk = stream.owned(group, number);
  for (; ids.size() < count_max && !walk.is_at_end(); walk.next()) ids.push_back(walk.id());
  cx.reply.array(ids.size());
  for (const StreamId id : ids) {
    const auto pending = stream.find_pending(group, id).value_or(value::StreamPending{});
    cx.reply.array(3);
    streams::reply_id(cx.reply, id);
    cx.reply.integer(pending.delivered.count);
    cx.reply.integer(static_cast<std::int64_t>(pending.delivery_count));
  }
}

void reply_group_in_full(CommandContext& cx, const Stream& stream, const NamedGroup& one,
                         std::uint64_t count_max) {
  const std::uint64_t group = one.group.number;
  cx.reply.map(7);
  cx.reply.bulk("name");
  cx.reply.bulk(Bytes(one.name));
  reply_progress(cx, stream, one.group);
  reply_number(cx.reply, "pel-count", stream.pending_count(group));
  cx.reply.bulk("pending");
  reply_pending_of_group(cx, stream, group, count_max);
  cx.reply.bulk("consumers");
  const std::vector<NamedConsumer> consumers = streams::consumers_of(stream, group);
  cx.reply.array(consumers.size());
  for (const NamedConsumer& consumer : consumers) {
    reply_consumer_in_full(cx, stream, group, consumer, count_max);
  }
}

void reply_in_full(CommandContext& cx, const Stream& stream, std::uint64_t count_max) {
  cx.reply.map(head_fields(stream) + 2);
  reply_head(cx, stream);
  cx.reply.bulk("entries");
  const std::uint64_t count = std::min(count_max, stream.length());
  cx.reply.array(count);
  value::StreamEntries entry = stream.entry_at(0);
  for (std::uint64_t i = 0; i < count; ++i, entry.next()) streams::reply_entry(cx.reply, entry);
  cx.reply.bulk("groups");
  const std::vector<NamedGroup> groups = streams::groups_of(stream);
  cx.reply.array(groups.size());
  for (const NamedGroup& group : groups) reply_group_in_full(cx, stream, group, count_max);
}

Answer<const Record*> find_stream(CommandContext& cx) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr) return Refusal::kNoSuchKey;
  return record;
}

}  // namespace

namespace streams {

/// XINFO STREAM key [FULL [COUNT count]]
Outcome xinfo_stream(CommandContext& cx, Arguments args) {
  constexpr std::int64_t kCountByDefault = 10;
  args.next();
  const bool is_full = args.next_is("FULL");
  std::int64_t count = kCountByDefault;
  TRY_LET(const Record* record, find_stream(cx));
  if (is_full && args.count() == 2 && args.next_is("COUNT")) {
    TRY_LET(count, args.next_integer());
    if (count < 0) count = kCountByDefault;
  }
  if (!args.is_empty()) {
    return cx.refuse("ERR unknown subcommand or wrong number of arguments for '" +
                     std::string(as_c_string(cx.words[1])) + "'. Try XINFO HELP.");
  }
  const Stream stream = stream_of(cx, *record);
  if (is_full) {
    reply_in_full(cx, stream, count == 0 ? UINT64_MAX : static_cast<std::uint64_t>(count));
    return Outcome::done();
  }
  cx.reply.map(head_fields(stream) + 3);
  reply_head(cx, stream);
  reply_number(cx.reply, "groups", stream.group_count());
  cx.reply.bulk("first-entry");
  reply_entry_or_null(cx, stream, true);
  cx.reply.bulk("last-entry");
  reply_entry_or_null(cx, stream, false);
  return Outcome::done();
}

/// XINFO GROUPS key
Outcome xinfo_groups(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, find_stream(cx));
  const Stream stream = stream_of(cx, *record);
  const std::vector<NamedGroup> groups = groups_of(stream);
  cx.reply.array(groups.size());
  for (const NamedGroup& one : groups) {
    cx.reply.map(6);
    cx.reply.bulk("name");
    cx.reply.bulk(Bytes(one.name));
    reply_number(cx.reply, "consumers", stream.consumer_count(one.group.number));
    reply_number(cx.reply, "pending", stream.pending_count(one.group.number));
    reply_progress(cx, stream, one.group);
  }
  return Outcome::done();
}

/// XINFO CONSUMERS key group
Outcome xinfo_consumers(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  TRY_LET(const Record* record, find_stream(cx));
  const Stream stream = stream_of(cx, *record);
  const auto group = stream.find_group(name);
  if (!group) {
    return cx.refuse("NOGROUP No such consumer group '" + std::string(as_c_string(name)) +
                     "' for key name '" + std::string(as_c_string(cx.key().bytes)) + "'");
  }
  const std::vector<NamedConsumer> consumers = consumers_of(stream, group->number);
  const auto since = [&](Millis when) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(cx.now().count - when.count, 0));
  };
  cx.reply.array(consumers.size());
  for (const NamedConsumer& one : consumers) {
    cx.reply.map(4);
    cx.reply.bulk("name");
    cx.reply.bulk(Bytes(one.name));
    reply_number(cx.reply, "pending", stream.owned_count(group->number, one.consumer.number));
    reply_number(cx.reply, "idle", since(one.consumer.seen));
    cx.reply.bulk("inactive");
    const auto& active = one.consumer.active;
    cx.reply.integer(active ? static_cast<std::int64_t>(since(*active)) : -1);
  }
  return Outcome::done();
}

/// XINFO HELP
Outcome xinfo_help(CommandContext& cx, Arguments) {
  constexpr Bytes kLines[] = {
      "CONSUMERS <key> <group>",
      "    The consumers of a group.",
      "GROUPS <key>",
      "    The groups of a stream.",
      "STREAM <key> [FULL [COUNT <count>]]",
      "    What a stream is; FULL: with its entries, groups and pending entries.",
  };
  return reply_help(cx, kLines);
}

}  // namespace streams
}  // namespace diskdb::command
