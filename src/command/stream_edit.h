// command/stream_edit.h — what the commands of streams have in common: how they read ids, open
// streams and groups, reply entries, and say in the log what they did to pending entries.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "keyspace/access.h"
#include "types/stream.h"
#include "value/stream.h"

namespace diskdb::command::streams {

using value::StreamId;

/// The stream of a record that is one.
inline value::Stream stream_of(const CommandContext& cx, const keyspace::Record& record) {
  return {record.object(), cx.keyspace.reading()};
}

Outcome refuse_id(CommandContext& cx);
/// "No such key or consumer group".
Outcome refuse_group(CommandContext& cx, Bytes key, Bytes group);
/// The next word, an id in full or without its sequence number, which then is `missing_sequence`.
Outcome read_id(CommandContext& cx, Arguments& args, StreamId* id,
                std::uint64_t missing_sequence = 0);
/// The first and the last id of an interval: "-", "+", an id, or "(" and an id.
Outcome read_interval(CommandContext& cx, Bytes start, Bytes end, StreamId* first, StreamId* last);
/// "IDS numids id [id ...]", of which the keyword is taken.
Outcome read_counted_ids(CommandContext& cx, Arguments& args, std::vector<StreamId>* ids);

/// stream-node-max-entries.
std::uint64_t node_entries_max(const CommandContext& cx);

/// A stream open for change.
class StreamEdit {
 public:
  StreamEdit(CommandContext& cx, const keyspace::Key& key)
      : edit_(cx.keyspace, key, keyspace::Type::kStream), stream_(edit_.object(), edit_.use()) {}
  value::Stream& stream() { return stream_; }
  void commit(std::size_t count = 1) { edit_.commit(count); }
  void commit_as(std::span<const Bytes> effect) { edit_.commit_as(effect); }
  void commit_as(std::initializer_list<Bytes> effect) {
    edit_.commit_as({effect.begin(), effect.size()});
  }
  void wake_waiters() { edit_.wake_waiters(); }

 private:
  keyspace::ObjectEdit edit_;
  value::Stream stream_;
};

/// The groups of a stream, and the consumers of a group, each with its name: a walk over them does
/// not stand while others look up.
struct NamedGroup {
  std::string name;
  value::StreamGroup group;
};
std::vector<NamedGroup> groups_of(const value::Stream& stream);
struct NamedConsumer {
  std::string name;
  value::StreamConsumer consumer;
};
std::vector<NamedConsumer> consumers_of(const value::Stream& stream, std::uint64_t group);

/// What happens to references to a deleted entry that is pending with groups.
enum class References : std::uint8_t {
  kKeep,
  kDelete,
  kMustBeAcked,  ///< an entry that any group has yet to read or to acknowledge is not deleted
};
/// Takes KEEPREF, DELREF or ACKED.
bool next_is_references(Arguments& args, References* references);
/// May any of the groups still need the entry?
bool is_needed(const value::Stream& stream, std::span<const NamedGroup> groups, StreamId id);
/// No group has the entry pending from now on; true if any had.
bool erase_references(value::Stream& stream, std::span<const NamedGroup> groups, StreamId id);
/// Deletes one entry, and keeps account of it; false if there is none.
bool erase_entry(value::Stream& stream, StreamId id);

/// A message as its producer names it. Owns both.
struct Message {
  std::string producer;
  std::string name;
};
/// The entry that the message became, if it was sent before and is remembered.
std::optional<StreamId> find_repeated(const value::Stream& stream, const Message& message,
                                      Millis now);
/// The message became this entry.
void remember_message(value::Stream& stream, const Message& message, StreamId id, Millis now);

/// An array of id and fields.
void reply_entry(resp::Reply& reply, value::StreamEntries& entry);
void reply_fields(resp::Reply& reply, std::span<const Bytes> fields);
void reply_id(resp::Reply& reply, StreamId id);

/// A group of a stream that is open for change, on behalf of one of its consumers.
class GroupEdit {
 public:
  /// Borrows all for its life. `group`: as it was found by its name. The consumer is created if
  /// need be, which is logged.
  GroupEdit(CommandContext& cx, StreamEdit& edit, const keyspace::Key& key, Bytes group_name,
            const value::StreamGroup& group, Bytes consumer_name);
  /// Writes what has changed, and its effects.
  void finish();

  const value::StreamGroup& group() const { return group_; }
  std::uint64_t number() const { return group_.number; }
  /// What is pending with the consumer.
  value::StreamWalk owned(StreamId from) const {
    return edit_.stream().owned(group_.number, consumer_.number, from);
  }
  /// The consumer's from now on.
  void take(StreamId id, Millis delivered, std::uint64_t delivery_count);
  /// Nobody's any more: the entry is gone from the stream.
  void drop(StreamId id);
  /// The group has read all up to this entry. See types::note_delivered().
  void note_delivered(std::uint64_t index, StreamId id);
  void set_last_id(StreamId id, std::int64_t read_count);
  /// The consumer got something.
  void note_active();

 private:
  struct Taken {
    StreamId id;
    Millis delivered;
    std::uint64_t delivery_count;
  };
  /// Says in the log what was taken, and how far the group has read.
  void log_claims();
  void log_claim(std::span<const Taken> alike, bool says_position);
  void log_position();

  StreamEdit& edit_;
  Bytes key_;
  Bytes group_name_;
  Bytes consumer_name_;
  Millis now_;
  value::StreamGroup group_;
  value::StreamConsumer consumer_;
  bool has_moved_ = false;
  bool has_consumer_changed_ = false;
  std::vector<Taken> taken_;
  std::vector<StreamId> dropped_;
};

}  // namespace diskdb::command::streams
