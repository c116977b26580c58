// keyspace/admission.h — how much parked commands may keep in memory together (DESIGN.md D5).
//
// Problem: a command that waits for cold keys pins those that have come, or it would chase them
// forever. A thousand clients that each wait for a hundred large values would pin more than there
// is memory for. So a command reserves room for all its keys before it asks for the first, first
// come, first served, and gives it back when it has run. One command is always admitted, however
// large: it needs what it needs.
//
// How large a cold value is nobody knows before it is read. A claim is made of estimates, which
// grow at once with a larger value and shrink slowly, and is corrected as values arrive. If that
// brings the sum above the budget, loads of all but the eldest command are put off: they are woken,
// let go of what they have, and queue again with a better estimate.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include "keyspace/shard.h"

namespace diskdb::keyspace {

class Admission;

/// What one command has reserved.
///
/// Threads: guarded by its Admission, but for `is_queued`; `admission` changes on the owner's
/// thread only, while nobody else knows the claim.
struct Claim {
  explicit Claim(Waker& who) : waker(who) {}

  Waker& waker;
  Admission* admission = nullptr;  ///< while it has or waits for room
  std::atomic<bool> is_queued{false};
  std::size_t awaited_count = 0;  ///< values that have not come yet
  std::uint64_t estimate = 0;     ///< of each of them
  std::uint64_t bytes = 0;        ///< reserved, once admitted
};

/// Threads: thread-safe. A leaf lock: may be called with shards held.
/// Invariants:
///   I1  bytes_ is the sum of the claims in admitted_.
///   I2  If anybody waits, somebody is admitted.
class Admission {
 public:
  static constexpr std::uint64_t kBudgetDefault = 64ULL << 20U;

  void set_budget(std::uint64_t bytes);
  /// Reserves room for `key_count` values. False: the claim waits for it, and its waker will be
  /// woken. Requires: it has and waits for none.
  bool admit(Claim& claim, std::size_t key_count);
  /// A value of the claim has come, of so many bytes.
  void note(Claim& claim, std::size_t bytes);
  /// The claim is over. No wake() comes afterwards.
  void leave(Claim& claim);

  /// Is more in memory, or on its way, than should be?
  bool is_over_budget() const { return is_over_.load(std::memory_order_relaxed); }
  /// Whose loads are never put off.
  bool is_eldest(const Claim& claim) const;
  /// What a value is thought to take.
  std::uint64_t estimate() const { return estimate_.load(std::memory_order_relaxed); }

  std::uint64_t reserved_bytes() const;
  std::uint64_t reserved_bytes_max() const;  ///< ever
  std::size_t waiting_count() const;
  void verify_invariants() const;

 private:
  // Require m_ held.
  bool has_room(const Claim& claim) const;
  void grant(Claim& claim);
  void grant_waiting();
  void change_bytes(std::uint64_t bytes);

  mutable std::mutex m_;
  // guarded by m_
  std::uint64_t budget_ = kBudgetDefault;
  std::uint64_t bytes_ = 0;
  std::uint64_t bytes_max_ = 0;
  std::deque<Claim*> admitted_;  ///< the eldest first
  std::deque<Claim*> waiting_;

  std::atomic<std::uint64_t> estimate_{4096};
  std::atomic<bool> is_over_{false};
};

}  // namespace diskdb::keyspace
