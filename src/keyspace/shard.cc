#include "keyspace/shard.h"

#include <sched.h>

#include <algorithm>

#include "keyspace/waiting.h"

namespace diskdb::keyspace {
namespace {

// Some microseconds. Whoever holds a shard for longer, as a group of commands on one large value
// does, is better waited for asleep.
constexpr int kSpinCount = 40;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Shard::Shard() = default;
Shard::~Shard() = default;

bool ShardLock::spin_lock() {
  for (int i = 0; i < kSpinCount; ++i) {
    if (try_lock()) return true;
    relax();
  }
  return false;
}

void ShardLock::lock() {
  // The holder may have lost its processor: give ours away rather than burn it.
  while (!spin_lock()) ::sched_yield();
}

bool ShardLock::park(Waker& waker) {
  const std::lock_guard guard(parked_mutex_);
  std::uint32_t state = state_.load(std::memory_order_relaxed);
  while ((state & kHeld) != 0) {
    if (state_.compare_exchange_weak(state, state | kParked, std::memory_order_relaxed)) {
      parked_.push_back(&waker);
      return true;
    }
  }
  return false;
}

void ShardLock::forget(Waker& waker) {
  const std::lock_guard guard(parked_mutex_);
  std::erase(parked_, &waker);
}

// Called with the mutex held, so that forget() returns only when no call is under way. A shard
// taken again in between wakes its new waiters early; they find it held and park again.
void ShardLock::wake_parked() {
  const std::lock_guard guard(parked_mutex_);
  state_.fetch_and(~kParked, std::memory_order_relaxed);
  for (Waker* waker : parked_) waker->wake();
  parked_.clear();
}

}  // namespace diskdb::keyspace
