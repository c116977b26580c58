// keyspace/keyspace.h — all keys of all databases: the shards, and what they have in common.
// Commands reach keys through keyspace/access.h, never through this.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "io/clock.h"
#include "keyspace/shard.h"
#include "log/log.h"

namespace diskdb::keyspace {

struct Options {
  std::uint32_t shard_count = 1024;  ///< a power of two, at most kSlotCount
  std::uint32_t database_count = 16;
  std::uint64_t hash_seed = 0;
};

/// Figures of the whole keyspace, for INFO and the memory gate.
struct DatabaseStats {
  std::size_t keys = 0;
  std::size_t expiring = 0;
};

/// Threads: thread-safe where not said otherwise.
class Keyspace {
 public:
  /// Borrows `log` for its life; null for the memory engine.
  Keyspace(const Options& options, log::Log* log);
  ~Keyspace();

  std::uint32_t database_count() const { return options_.database_count; }
  std::uint64_t hash_seed() const { return options_.hash_seed; }
  log::Log* log() const { return log_; }
  /// The log's end, for replies from state that no shard guards.
  log::Offset log_end() const { return log_ == nullptr ? 0 : log_->appended(); }

  std::span<Shard> shards() { return {shards_.get(), options_.shard_count}; }
  Shard& shard_of(std::uint32_t slot) { return shards_[slot >> shard_shift_]; }
  std::uint32_t slots_per_shard() const { return 1U << shard_shift_; }

  /// The epoch that changes are stamped with; a checkpoint's cut will bump it.
  std::uint32_t epoch() const { return epoch_; }

  /// What keys and values cost: the sum over shards, kept as edits go by (relaxed).
  std::uint64_t allocated_bytes() const {
    return static_cast<std::uint64_t>(allocated_bytes_.load(std::memory_order_relaxed));
  }
  void account(std::int64_t bytes) { allocated_bytes_.fetch_add(bytes, std::memory_order_relaxed); }

  /// While set, expired keys are answered as absent but not deleted (writes are refused, clients
  /// paused).
  std::atomic<bool> is_expiry_resting{false};
  /// During replay the log decides what expired, no clock does.
  std::atomic<bool> is_replaying{false};
  /// DEBUG SET-ACTIVE-EXPIRE.
  std::atomic<bool> is_active_expiry_on{true};

  std::unique_ptr<Table> make_table() const;
  /// Tables that left the keyspace wait here until free_detached().
  void detach(std::unique_ptr<Table> table);
  /// Frees detached tables for about a millisecond; true if some are left. For a background thread.
  bool free_detached();

  std::atomic<std::uint64_t> expired_key_count{0};
  std::atomic<std::uint64_t> hit_count{0};
  std::atomic<std::uint64_t> miss_count{0};

 private:
  Options options_;
  log::Log* log_;
  unsigned shard_shift_;
  std::unique_ptr<Shard[]> shards_;
  std::uint32_t epoch_ = 1;
  std::atomic<std::int64_t> allocated_bytes_{0};
  std::mutex detached_mutex_;
  std::vector<std::unique_ptr<Table>> detached_;  // guarded by detached_mutex_
};

}  // namespace diskdb::keyspace
