// log/writer_role.h — at most one thread writes; the others ask it to look again.
#pragma once

#include <atomic>
#include <cstdint>

namespace diskdb::log {

/// A lock that nobody waits for. Who finds it taken leaves a request, and the holder serves it
/// before it goes.
///
/// Threads: thread-safe. What a thread did before asking is seen by the holder after leave()
/// returned false: both exchange state_ with acquire and release.
class WriterRole {
 public:
  /// True: the caller is the writer until leave() returns true. False: the writer will look again.
  bool take_or_ask() {
    std::uint32_t state = state_.load(std::memory_order_relaxed);
    while (true) {
      const std::uint32_t wanted = state == kFree ? kTaken : kAsked;
      if (state_.compare_exchange_weak(state, wanted, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) {
        return state == kFree;
      }
    }
  }
  /// Gives the role up, unless somebody asked: then the caller keeps it, looks again, and calls
  /// this again.
  bool leave() {
    std::uint32_t state = kTaken;
    if (state_.compare_exchange_strong(state, kFree, std::memory_order_acq_rel)) return true;
    state_.exchange(kTaken, std::memory_order_acq_rel);  // sees all that the last asker did
    return false;
  }
  bool is_free() const { return state_.load(std::memory_order_acquire) == kFree; }

 private:
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kTaken = 1;
  static constexpr std::uint32_t kAsked = 2;
  std::atomic<std::uint32_t> state_{kFree};
};

}  // namespace diskdb::log
