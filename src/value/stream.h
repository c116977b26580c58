// value/stream.h — a stream: entries by id, and groups of consumers who share them, in two counted
// trees of one object.
//
// The first tree has the entries, by the milliseconds of the id and then by its sequence number,
// with which the entry's bytes begin (value/stream_entry.h). The second, the state, has all that is
// small or changes by itself, each thing where its neighbours are those that one asks for together:
//
//     sets of field names        by number, and by the hash of the names
//     groups                     by name
//     producers                  by name, and which of their messages became which entry
//     of each group:  consumers  by name, and their names by number
//                     pending    entries by id: whose they are, since when, how often delivered
//                     owned      the ids pending with a consumer, by consumer and id
//
// So what a group has is one range that goes as a whole, and how many entries are pending, of a
// group or of a consumer, is a difference of two ranks: nothing is counted by walking.
//
// Both trees begin with an entry that stands for nothing (Object I4). Indices of entries count
// without it.
//
// Names become a set with the first entry that has them, until there are as many sets as one byte
// can name; from then on, and if they are long, they stand in the entry. A stream that is left
// without entries begins anew.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/units.h"
#include "value/object.h"
#include "value/stream_entry.h"

namespace diskdb::value {

constexpr StreamId kFirstStreamId{0, 0};  ///< before all entries
constexpr StreamId kLastStreamId{UINT64_MAX, UINT64_MAX};

/// What is not known of StreamGroup::read_count.
constexpr std::int64_t kUnknownReadCount = -1;

struct StreamGroup {
  std::uint64_t number = 0;
  StreamId last_id;  ///< the last that was delivered
  /// Entries of all that were ever added that the group has read.
  std::int64_t read_count = kUnknownReadCount;
};

struct StreamConsumer {
  std::uint64_t number = 0;
  Millis seen{};                   ///< it last tried to get something
  std::optional<Millis> active{};  ///< and got it
};

/// An entry that was delivered and not acknowledged.
struct StreamPending {
  std::uint64_t consumer = 0;  ///< its number; 0: of nobody, given back
  Millis delivered{};
  std::uint64_t delivery_count = 0;
};

/// How a stream knows messages that a producer sends again.
struct StreamMemory {
  std::uint64_t seconds = 100;         ///< a message is remembered so long
  std::uint64_t messages_max = 100;    ///< and so many of a producer
  std::uint64_t remembered_count = 0;  ///< ever
  std::uint64_t repeated_count = 0;    ///< ever
  std::uint64_t next_number = 1;       ///< of a producer or a message
};

/// A message of a producer that became an entry.
struct StreamMessage {
  StreamId id;
  Millis since{};
  std::uint64_t number = 0;  ///< grows
};

class Stream;

/// Goes through a range of the state. Valid until the stream is next changed.
class StreamWalk {
 public:
  bool is_at_end() const { return position_ == end_; }
  std::uint64_t left() const { return end_ - position_; }
  void next();

  // ---- Requires: !is_at_end(), and a walk of such things. What is returned lies in the stream.

  Bytes name() const { return pair().key; }  ///< of a group or a consumer
  StreamGroup group() const;
  StreamConsumer consumer() const;
  StreamId id() const;  ///< of what is pending or owned
  StreamPending pending() const;

 private:
  friend class Stream;
  StreamWalk(Object& object, const ObjectUse& use, std::uint64_t position, std::uint64_t end);
  PairView pair() const { return in_tree_->pair(); }
  void enter();

  Object* object_;
  const ObjectUse* use_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::optional<CountedTree::Cursor> in_tree_;
};

/// Goes through entries, in either direction. Valid until the stream is next changed.
class StreamEntries {
 public:
  /// Behind the last entry, or before the first.
  bool is_at_end() const { return cursor_.is_at_end() || cursor_.position() == 0; }

  // ---- Requires: !is_at_end().

  StreamId id() const;
  /// Name, value, name, value, ... Borrowed until the next step.
  std::span<const Bytes> fields();
  void next() { cursor_.next(); }
  void previous() { cursor_.previous(); }

 private:
  friend class Stream;
  struct Names {
    std::string bytes;  ///< what words refer to
    std::vector<Bytes> words;
  };
  StreamEntries(const Stream& stream, ElementCursor cursor) : stream_(&stream), cursor_(cursor) {}
  const std::vector<Bytes>& names(std::uint8_t number);
  Names& names_at(std::uint8_t number);

  const Stream* stream_;
  ElementCursor cursor_;
  StreamFields fields_;
  Names first_names_;                                ///< kFirstNames, once met
  std::vector<std::unique_ptr<Names>> other_names_;  ///< those met so far, by number
};

class Stream : public ObjectHandle {
 public:
  Stream(Object& object, const ObjectUse& use) : ObjectHandle(object, use) {
    ASSERT_SLOW(object.layout() == Layout::kStream);
  }

  const StreamExtent& extent() const { return object_->trees_->stream->extent; }
  /// To be changed by whoever has the stream open for that.
  StreamExtent& extent() { return object_->trees_->stream->extent; }

  // ---- Entries. An index is a place among them.

  std::uint64_t length() const { return count() - 1; }
  /// How many have a smaller id: the index of the first that has not.
  std::uint64_t rank(StreamId id) const;
  /// How many have this id or a smaller one.
  std::uint64_t rank_behind(StreamId id) const;
  bool contains(StreamId id) const { return rank_behind(id) != rank(id); }
  /// At the end for length() and beyond.
  StreamEntries entry_at(std::uint64_t index) const { return {*this, at(index + 1)}; }
  /// Requires: index < length().
  StreamId id_at(std::uint64_t index) const { return entry_at(index).id(); }
  /// `fields`: name, value, name, value, ...; they do not lie in this stream. Keeps account of it
  /// in extent(). Requires: the id is above extent().last_id.
  void append(StreamId id, std::span<const Bytes> fields);
  /// Requires: first <= last <= length(). Changes extent() only where no entry is left.
  void erase(std::uint64_t first, std::uint64_t last);
  /// Requires: this one is new.
  void copy_from(const Stream& source);

  // ---- Groups. Names and ids given do not lie in this stream.

  std::uint64_t group_count() const;
  StreamWalk groups() const;
  std::optional<StreamGroup> find_group(Bytes name) const;
  /// Requires: there is none of that name.
  StreamGroup add_group(Bytes name, StreamId last_id, std::int64_t read_count);
  void set_group(Bytes name, const StreamGroup& group);
  /// With all that it has.
  void erase_group(Bytes name, const StreamGroup& group);

  // ---- Consumers of a group, which is given by its number.

  std::uint64_t consumer_count(std::uint64_t group) const;
  StreamWalk consumers(std::uint64_t group) const;
  std::optional<StreamConsumer> find_consumer(std::uint64_t group, Bytes name) const;
  StreamConsumer add_consumer(std::uint64_t group, Bytes name, Millis seen);
  void set_consumer(std::uint64_t group, Bytes name, const StreamConsumer& consumer);
  /// With what is pending with it. Cost: O(log n) for each of these.
  void erase_consumer(std::uint64_t group, Bytes name, const StreamConsumer& consumer);
  /// Empty if there is none.
  std::string consumer_name(std::uint64_t group, std::uint64_t consumer) const;

  // ---- Pending entries of a group.

  std::uint64_t pending_count(std::uint64_t group) const;
  std::uint64_t owned_count(std::uint64_t group, std::uint64_t consumer) const;
  /// From `from` on, with all that is said of them.
  StreamWalk pending(std::uint64_t group, StreamId from = kFirstStreamId) const;
  /// Requires: pending_count(group) > 0.
  StreamId last_pending(std::uint64_t group) const;
  /// Ids only: pending() may not be asked.
  StreamWalk owned(std::uint64_t group, std::uint64_t consumer,
                   StreamId from = kFirstStreamId) const;
  std::optional<StreamPending> find_pending(std::uint64_t group, StreamId id) const;
  /// Whether it was pending or not.
  void put_pending(std::uint64_t group, StreamId id, const StreamPending& pending);
  /// False if it was not pending.
  bool erase_pending(std::uint64_t group, StreamId id);

  // ---- Producers, and their messages that are remembered. Names given do not lie in this stream.

  /// Nothing if no message was ever to be remembered.
  std::optional<StreamMemory> memory() const;
  void set_memory(const StreamMemory& memory);
  std::uint64_t producer_count() const;
  std::uint64_t message_count() const;
  std::optional<StreamMessage> find_message(Bytes producer, Bytes message) const;
  /// With StreamMemory::next_number, which grows.
  void remember(Bytes producer, Bytes message, StreamId id, Millis now, StreamMemory* memory);
  /// Of this producer, and of one more: what was remembered before `before`, and what is more than
  /// `messages_max`.
  void forget_some(Bytes producer, Millis before, std::uint64_t messages_max);
  void forget_all();

  /// Checks what is resident of the state, all of it if it is whole.
  void verify_invariants() const;

 private:
  friend class StreamEntries;
  friend class StreamWalk;
  /// A thing of the state: where it stands.
  struct Place {
    PageKey key;
    std::string tail;
  };
  static Place names_place(std::uint64_t number);
  static Place group_place(Bytes name);
  static Place consumer_place(std::uint64_t group, Bytes name);
  static Place consumer_name_place(std::uint64_t group, std::uint64_t consumer);
  static Place pending_place(std::uint64_t group, StreamId id);
  static Place owned_place(std::uint64_t group, std::uint64_t consumer, StreamId id);

  CountedTree& state() const { return object_->trees_->stream->state; }
  std::optional<Bytes> find(const Place& place) const;
  /// True if there was none; `*replaced`: else what there was.
  bool put(const Place& place, Bytes value, std::string* replaced = nullptr);
  bool erase(const Place& place, std::string* erased = nullptr);
  /// How many things of the state are before.
  std::uint64_t rank_of(const Place& place) const;
  std::uint64_t rank_of(PageKey key) const;
  StreamWalk walk(std::uint64_t first, std::uint64_t last) const {
    return {*object_, *use_, first, last};
  }
  void erase_state(PageKey first, PageKey last);
  std::optional<Bytes> find_names(std::uint64_t number) const;
  std::uint8_t number_of_names(std::span<const Bytes> fields);
  std::optional<std::uint64_t> find_producer(Bytes name) const;
  void forget_of(Bytes name, std::uint64_t producer, Millis before, std::uint64_t messages_max);
  void copy_memory(const Stream& source);
  void copy_group(const Stream& source, Bytes name, const StreamGroup& group);
};

}  // namespace diskdb::value
