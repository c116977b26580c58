// command/blocked.h — a client that a blocking command holds: what it waits for, and what it gets.
// How it is queued, claimed and served: docs/decisions/030-blocking.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "keyspace/record.h"
#include "keyspace/waiting.h"
#include "log/log.h"
#include "resp/reply.h"

namespace diskdb::command {

struct Row;

/// Threads: as KeyWaiter. What it waits for is written before begin(), what it gets while claimed.
class Blocked final : public keyspace::KeyWaiter {
 public:
  /// `waker` is woken when it has been served. Borrows it for its life.
  explicit Blocked(keyspace::Waker& waker) : waker_(waker) {}

  /// In the midst of a blocking command?
  bool is_active() const { return state() != State::kIdle; }
  bool is_waiting() const { return state() == State::kWaiting; }
  keyspace::Waker& waker() { return waker_; }

  /// Counts as blocked in `counter` until finish().
  void count_in(std::atomic<std::size_t>& counter) {
    counter_ = &counter;
    counter_->fetch_add(1, std::memory_order_relaxed);
  }
  /// The command is over, or given up. Requires: the wait has ended.
  void finish() {
    leave();
    until = {};
    words.clear();
    keys.clear();
    reply.clear();
    if (counter_ != nullptr) std::exchange(counter_, nullptr)->fetch_sub(1);
  }
  /// Its connection goes. Requires: no shard is held by this thread.
  void abandon() {
    if (!is_active()) return;
    end_wait(State::kTimedOut);
    settled_state();
    finish();
  }

  // What it waits for.
  const Row* row = nullptr;
  keyspace::Type type{};
  bool sees_deletion = false;  ///< CommandContext::Wait
  Millis until{};              ///< 0: for ever
  std::uint32_t db = 0;
  resp::Dialect dialect{};
  std::vector<std::string> words;
  std::vector<std::string> keys;     ///< all of the command's
  std::size_t waited_key_count = 0;  ///< the first of them
  log::Offset seen_offset = 0;       ///< what showed that there is nothing

  // What it gets.
  std::string reply;
  log::Offset visible_after = 0;

 private:
  keyspace::Waker& waker_;
  std::atomic<std::size_t>* counter_ = nullptr;
};

}  // namespace diskdb::command
