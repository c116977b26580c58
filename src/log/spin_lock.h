// log/spin_lock.h — a lock for sections of some tens of nanoseconds that make no system call.
// A mutex costs two atomic exchanges a section, this one exchange and a store.
#pragma once

#include <sched.h>

#include <atomic>

namespace diskdb::log {

/// Threads: thread-safe.
class SpinLock {
 public:
  void lock() {
    if (!is_held_.exchange(true, std::memory_order_acquire)) [[likely]]
      return;
    lock_contended();
  }
  void unlock() { is_held_.store(false, std::memory_order_release); }

 private:
  /// The holder may have lost its processor: after a short spin, give it ours.
  void lock_contended() {
    constexpr int kSpinsMax = 100;
    for (int spins = 0; is_held_.exchange(true, std::memory_order_acquire); ++spins) {
      while (is_held_.load(std::memory_order_relaxed)) {
        if (++spins < kSpinsMax) {
          __builtin_ia32_pause();
        } else {
          ::sched_yield();
        }
      }
    }
  }

  std::atomic<bool> is_held_{false};
};

}  // namespace diskdb::log
