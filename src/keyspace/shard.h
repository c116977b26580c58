// keyspace/shard.h — one of the parts the keyspace is cut into, by cluster slot: a lock, and under
// it a table of resident keys for each database.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "keyspace/table.h"
#include "log/log.h"

namespace diskdb::keyspace {

class WaitingKeys;

/// Whoever parked on a shard: called once when the shard may be free, on any thread; must not
/// block.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void wake() = 0;
};

/// The shard's mutual exclusion. Holders are expected to leave within microseconds, so it spins a
/// little; a network thread that still finds it held parks its connection instead of sleeping
/// (DESIGN.md D1). It is not fair: a thread with more to do there may leave those who are parked
/// for some time, so that a shard wanted by two goes from one to the other by turns and not by
/// commands.
///
/// Threads: thread-safe. Cost: 12-15 ns for lock and unlock, uncontended.
class ShardLock {
 public:
  bool try_lock() {
    std::uint32_t seen = 0;
    if (take(seen)) [[likely]]
      return true;
    return seen == kParked && take(seen);
  }
  /// try_lock, repeated for a few microseconds.
  bool spin_lock();
  /// Waits as long as it takes. For background threads and for holders of lower shards.
  void lock();
  void unlock() {
    if (unlock_quietly()) [[unlikely]]
      wake_parked();
  }
  /// True if others are parked: the caller must wake_parked() before long.
  bool unlock_quietly() {
    return (state_.fetch_sub(kHeld, std::memory_order_release) & kParked) != 0;
  }
  bool has_parked() const { return (state_.load(std::memory_order_relaxed) & kParked) != 0; }
  /// Wakes all who are parked by now, once.
  void wake_parked();
  /// Has `waker` woken once after the current holder has left. False: nobody holds the lock now,
  /// try again.
  bool park(Waker& waker);
  /// Takes `waker` out; it is not called afterwards.
  void forget(Waker& waker);

 private:
  static constexpr std::uint32_t kHeld = 1;
  static constexpr std::uint32_t kParked = 2;

  bool take(std::uint32_t& seen) {
    return state_.compare_exchange_strong(seen, seen | kHeld, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t> state_{0};
  std::mutex parked_mutex_;
  std::vector<Waker*> parked_;  // guarded by parked_mutex_
};

/// Threads: everything but `lock` is guarded by it. What a look-up needs is in the first cache
/// line, which the lock's state ends.
struct alignas(64) Shard {
  Shard();
  ~Shard();

  /// By database. Shared with a running checkpoint, which goes on with those of its cut.
  std::vector<std::shared_ptr<Table>> tables;
  log::Offset last_offset =
      0;                   ///< end of the shard's last frame in the log: what its readers wait for
  bool is_edited = false;  ///< by the current holder, since it took the lock
  std::uint32_t index = 0;
  /// Blocking commands that wait for keys; null if none does.
  std::unique_ptr<WaitingKeys> waiting;
  ShardLock lock;
};

}  // namespace diskdb::keyspace
