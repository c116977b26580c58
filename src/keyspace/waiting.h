// keyspace/waiting.h — who waits for a key to hold something: the queues of blocking commands,
// inside the shards of their keys (docs/decisions/030-blocking.md).
//
// A waiter stands in the queue of each of its keys, in order of arrival. Whoever lets elements
// appear at such a key, by whatever edit, finds the queue under the shard's lock, which it holds
// anyway, and serves it. Many may want to end one wait: servers of several keys, its timeout,
// CLIENT UNBLOCK, its connection's end. Who moves the waiter's state away from kWaiting has it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "keyspace/shard.h"

namespace diskdb::keyspace {

/// Threads: its owner's; state(), end_wait() on any; claim() and what follows it on a server's.
/// Invariants:
///   I1  Whoever stands in a queue lives: it leaves all queues, under their locks, before it goes.
///   I2  While kClaimed it stays as it is, and its server leaves that state soon, without waiting
///       for anything.
class KeyWaiter {
 public:
  enum class State : std::uint8_t {
    kIdle,
    kWaiting,
    kClaimed,    ///< somebody runs its command
    kServed,     ///< that has given a reply
    kTimedOut,   ///< in vain: a null
    kUnblocked,  ///< in vain: an error
  };

  State state() const { return state_.load(std::memory_order_acquire); }

  /// Ends the wait as kTimedOut or kUnblocked; false if it is over. Any thread.
  bool end_wait(State how);

  // ---- The owner's.

  /// Stands at the end of the key's queue from now on. Requires: the shard is held; kIdle.
  void enqueue(Shard& shard, std::uint32_t db, Bytes key);
  /// Once it stands in all its queues, their shards still held.
  void begin() { state_.store(State::kWaiting, std::memory_order_release); }
  /// As state(), but never kClaimed: waits until the server has done.
  State settled_state() const;
  /// Out of all queues, kIdle. Requires: no shard is held by this thread; not kWaiting.
  void leave();

  // ---- A server's, who holds the shard of a queue that it stands in.

  bool claim() {
    State expected = State::kWaiting;
    return state_.compare_exchange_strong(expected, State::kClaimed, std::memory_order_acq_rel);
  }
  /// The command still finds nothing.
  void unclaim() { begin(); }
  /// The last that the server does: the waiter may be gone afterwards.
  void note_served() { state_.store(State::kServed, std::memory_order_release); }

 protected:
  ~KeyWaiter() = default;

 private:
  struct Place {
    Shard* shard;
    std::uint32_t db;
    std::string key;
  };
  std::atomic<State> state_{State::kIdle};
  std::vector<Place> places_;
};

/// The queues of one shard. There are none without waiters.
///
/// Threads: guarded by the shard's lock.
class WaitingKeys {
 public:
  using Queue = std::vector<KeyWaiter*>;

  /// Null if nobody waits. Valid until the next add or remove.
  Queue* find(std::uint32_t db, Bytes key);
  void add(std::uint32_t db, Bytes key, KeyWaiter& waiter);
  /// Whether it is there or not.
  void remove(std::uint32_t db, Bytes key, const KeyWaiter& waiter);
  bool is_empty() const { return queues_.empty(); }
  /// Calls visit(key) for each key of the database that somebody waits for.
  template <typename Visit>
  void for_each_key(std::uint32_t db, Visit visit) const {
    for (auto at = queues_.lower_bound(NameView{db, {}}); at != queues_.end(); ++at) {
      if (at->first.first != db) break;
      visit(Bytes(at->first.second));
    }
  }

 private:
  using Name = std::pair<std::uint32_t, std::string>;
  using NameView = std::pair<std::uint32_t, Bytes>;
  struct Less {
    using is_transparent = void;
    static NameView view(const Name& name) { return {name.first, name.second}; }
    static NameView view(const NameView& name) { return name; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return view(a) < view(b);
    }
  };
  std::map<Name, Queue, Less> queues_;
};

}  // namespace diskdb::keyspace
