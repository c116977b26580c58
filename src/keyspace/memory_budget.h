// keyspace/memory_budget.h — how much memory keys may cost, and by which policy room is made.
//
// maxmemory bounds the process, not the keys: log buffers, client buffers, the store's cache and
// table readers, the tables of commands come from the same allocator and are measured together, now
// and then, as what the allocator has given out less what keys are accounted to cost. What is left
// of the limit is for keys.
//
// The memory engine takes the limit literally, as Redis does. With a store behind it a part is kept
// back: pages that the allocator has given out and got back still count as resident, and what is
// measured now and then overshoots between two measurements; and keys keep a small share whatever
// the rest takes, since a tier of nothing would load every key for every command.
#pragma once

#include <atomic>
#include <cstdint>

#include "keyspace/usage.h"

namespace diskdb::keyspace {

/// Redis's maxmemory-policy, in the order of the setting's choices.
enum class Policy : std::uint8_t {
  kVolatileLru,
  kVolatileLfu,
  kVolatileRandom,
  kVolatileTtl,
  kAllKeysLru,
  kAllKeysLfu,
  kAllKeysRandom,
  kNoEviction,
};

constexpr bool deletes_keys(Policy policy) { return policy != Policy::kNoEviction; }
/// Only keys with an expiry may be deleted.
constexpr bool is_volatile(Policy policy) { return policy <= Policy::kVolatileTtl; }

/// What may be dirty, or taken and not ingested, under a limit (0: none) for the whole process.
std::uint64_t dirty_bytes_max(std::uint64_t limit);
/// The store's block cache under such a limit.
std::uint64_t block_cache_bytes(std::uint64_t limit);

/// Threads: thread-safe, relaxed: figures that steer, each right by itself.
class alignas(64) MemoryBudget {
 public:
  /// For the whole process; 0: none.
  void set_limit(std::uint64_t bytes) { limit_.store(bytes, std::memory_order_relaxed); }
  std::uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  /// Clean values may leave for a store.
  void set_tiered(bool is_tiered) { is_tiered_.store(is_tiered, std::memory_order_relaxed); }
  bool is_tiered() const { return is_tiered_.load(std::memory_order_relaxed); }

  /// Measured at the same time: what the allocator has given out, what the system says is resident
  /// (0: unknown), and what keys are accounted to cost.
  void note_used(std::uint64_t allocated, std::uint64_t resident, std::uint64_t keys);
  /// How much more is resident than should be, values being moved out to a store; 0 without one.
  std::uint64_t resident_excess(std::uint64_t resident) const;
  /// Beside keys, when last measured.
  std::uint64_t other_bytes() const { return others_.load(std::memory_order_relaxed); }

  /// What keys may cost before room is made; UINT64_MAX without a limit.
  std::uint64_t keys_max() const;
  /// Is a fifth of that free beside `keys` bytes? So far a start brings keys back into memory.
  bool has_ample_room(std::uint64_t keys) const { return keys < keys_max() / 5 * 4; }
  /// How much writers should be slowed for what keys cost beyond that, 0 to 1, where slowing helps:
  /// `reducible` bytes of it can become clean, or are about to leave.
  double excess_pressure(std::uint64_t keys, std::uint64_t reducible) const;

  void set_policy(Policy policy) { policy_.store(policy, std::memory_order_relaxed); }
  Policy policy() const { return policy_.load(std::memory_order_relaxed); }
  /// How many keys are looked at to find one to delete: maxmemory-samples.
  void set_sample_count(std::uint32_t count) {
    sample_count_.store(count, std::memory_order_relaxed);
  }
  std::uint32_t sample_count() const { return sample_count_.load(std::memory_order_relaxed); }
  void set_frequency_rule(const FrequencyRule& rule);
  FrequencyRule frequency_rule() const {
    return {.log_factor = log_factor_.load(std::memory_order_relaxed),
            .decay_minutes = decay_minutes_.load(std::memory_order_relaxed)};
  }

  /// How much writers are to be slowed now, 0 to 1: at 1 their sockets are not read.
  std::atomic<double> write_pressure{0};
  /// What is dirty is at its limit, and checkpoints fail: writes are refused.
  std::atomic<bool> is_dirty_stuck{false};
  /// Keys cost too much, and nothing is clean: only a checkpoint makes room.
  std::atomic<bool> wants_checkpoint{false};
  /// When a search for keys to delete last went through everything in vain (monotonic); 0: never.
  std::atomic<std::int64_t> fruitless_at{0};

 private:
  std::atomic<std::uint64_t> limit_{0};
  std::atomic<std::uint64_t> others_{0};
  std::atomic<bool> is_tiered_{false};
  std::atomic<Policy> policy_{Policy::kNoEviction};
  std::atomic<std::uint32_t> sample_count_{5};
  std::atomic<std::uint32_t> log_factor_{10};
  std::atomic<std::uint32_t> decay_minutes_{1};
};

}  // namespace diskdb::keyspace
