// keyspace/keyspace.h — all keys of all databases: the shards, and what they have in common.
// Commands reach keys through keyspace/access.h, never through this.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "io/clock.h"
#include "keyspace/memory_budget.h"
#include "keyspace/page_ledger.h"
#include "keyspace/shard.h"
#include "log/log.h"
#include "store/store.h"

namespace diskdb::keyspace {

/// Changes of keys, each of several elements counted by itself; and those of elements among them.
struct EditCounts {
  std::uint64_t all = 0;
  std::uint64_t of_elements = 0;
};

struct Options {
  std::uint32_t shard_count = 1024;  ///< a power of two, at most kSlotCount
  std::uint32_t database_count = 16;
  std::uint64_t hash_seed = 0;
  /// Strings longer than this are kept in pages, of chunks of so many bytes. The first decides
  /// which form a value gets, the second which a new object gets; what is there stays as it is.
  std::uint64_t flat_string_bytes_max = 64_KiB;
  std::uint32_t string_chunk_bytes = value::kChunkBytes;
};

/// What a checkpoint begins with: everything, as of one instant.
struct Cut {
  std::uint32_t epoch = 0;  ///< of the changes it takes, and of older ones
  store::Marker marker;
  /// Tables with anything to take, by generation, then by shard.
  struct Part {
    Shard* shard;
    std::shared_ptr<Table> table;
  };
  std::vector<Part> parts;
  std::vector<store::Generation> taken;    ///< ascending: those of the parts
  std::vector<store::Generation> dropped;  ///< ascending: all that the store has of them goes
};

/// Figures of the whole keyspace, for INFO and the memory gate.
struct DatabaseStats {
  std::size_t keys = 0;
  std::size_t expiring = 0;
};

/// Threads: thread-safe where not said otherwise.
class Keyspace {
 public:
  /// Borrows `log` and `store` for its life; null for the memory engine.
  Keyspace(const Options& options, log::Log* log, store::Store* store = nullptr);
  ~Keyspace();

  std::uint32_t database_count() const { return options_.database_count; }
  std::uint64_t hash_seed() const { return options_.hash_seed; }
  std::uint64_t flat_string_bytes_max() const { return options_.flat_string_bytes_max; }
  std::uint32_t string_chunk_bytes() const { return options_.string_chunk_bytes; }
  log::Log* log() const { return log_; }
  /// Once replay is over. Requires: nobody uses the keyspace yet.
  void attach_log(log::Log& log) { log_ = &log; }
  store::Store* store() const { return store_; }
  /// The log's end, for replies from state that no shard guards.
  log::Offset log_end() const { return log_ == nullptr ? 0 : log_->appended(); }

  std::span<Shard> shards() { return {shards_.get(), options_.shard_count}; }
  Shard& shard_of(std::uint32_t slot) { return shards_[slot >> shard_shift_]; }
  std::uint32_t slots_per_shard() const { return 1U << shard_shift_; }

  // ---- Epochs (DESIGN.md D4). A change is stamped with epoch(); a checkpoint takes what is at
  // most cut_epoch(); what is not dirty and at most ingested_epoch() is in the store: clean.

  /// Requires: any shard held.
  std::uint32_t epoch() const { return epoch_; }
  /// Of the checkpoint that is walking; 0: none is.
  std::uint32_t cut_epoch() const { return cut_epoch_.load(std::memory_order_relaxed); }
  std::uint32_t ingested_epoch() const { return ingested_epoch_.load(std::memory_order_acquire); }

  /// Begins a checkpoint at `position`: later changes belong to the next. Requires: all shards
  /// held, and none is under way.
  Cut cut(const log::Position& position, Millis clock);
  /// Its walk is over, to the end or given up.
  void end_walk() { cut_epoch_.store(0, std::memory_order_relaxed); }
  /// It is in the store.
  void settle(const Cut& cut);
  /// Starts from what the store holds. Requires: empty and unused.
  void restore(const store::Marker& marker);
  /// Counts epochs and tickets as `other` does, with which it will be exchanged. Requires: unused;
  /// no checkpoint is under way.
  void continue_epochs_of(const Keyspace& other);

  /// The generation of a database's tables. Requires: any shard held.
  store::Generation generation(std::uint32_t db) const { return generations_[db]; }
  /// Has all that `cut` was to take been dropped since? Requires: any shard held.
  bool is_dropped(const Cut& cut) const;
  /// Gives `db` new, empty tables, if it has any keys. Requires: all shards held.
  void drop_database(std::uint32_t db);
  /// Requires: all shards held.
  void swap_databases(std::uint32_t a, std::uint32_t b);
  /// Takes everything from `other`, of the same options, and gives it ours. Requires: all shards
  /// held, no checkpoint under way, and nobody uses `other`.
  void exchange(Keyspace& other);

  /// A number that no load had before.
  std::uint64_t next_ticket() { return next_ticket_.fetch_add(1, std::memory_order_relaxed); }

  /// What changed and no checkpoint has taken, in bytes (relaxed).
  std::uint64_t dirty_bytes() const {
    return static_cast<std::uint64_t>(dirty_bytes_.load(std::memory_order_relaxed));
  }
  void account_dirty(std::int64_t bytes) {
    dirty_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  /// What the checkpoint under way has taken, which must stay in memory until it is ingested.
  std::uint64_t unsettled_bytes() const { return unsettled_bytes_.load(std::memory_order_relaxed); }
  void account_unsettled(std::uint64_t bytes) {
    unsettled_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  void forget_unsettled() { unsettled_bytes_.store(0, std::memory_order_relaxed); }

  /// What keys and values cost: the sum over shards, kept as edits go by (relaxed).
  std::uint64_t allocated_bytes() const {
    return static_cast<std::uint64_t>(allocated_bytes_.load(std::memory_order_relaxed));
  }
  void account(std::int64_t bytes) { allocated_bytes_.fetch_add(bytes, std::memory_order_relaxed); }

  void account_pages(const value::PageTotals& more) {
    account(more.bytes);
    account_dirty(more.dirty_bytes);
  }

  /// What changes of large objects leave for checkpoints.
  PageLedger pages;
  /// For an object that becomes large.
  std::uint64_t next_object() { return next_object_.fetch_add(1, std::memory_order_relaxed); }

  /// What keys may cost, and how room is made.
  MemoryBudget budget;

  /// While set, expired keys are answered as absent but not deleted (writes are refused, clients
  /// paused).
  std::atomic<bool> is_expiry_resting{false};
  /// During replay the log decides what expired, no clock does.
  std::atomic<bool> is_replaying{false};
  /// DEBUG SET-ACTIVE-EXPIRE.
  std::atomic<bool> is_active_expiry_on{true};

  /// The object's key is gone; its pages are freed in the background.
  void bury(value::ObjectRef object);
  /// Frees detached tables and buried objects for about a tenth of a millisecond, but those that a
  /// checkpoint holds; true if some are left. For a background thread.
  bool free_detached();
  /// What those cost that are left (relaxed).
  std::uint64_t detached_bytes() const { return detached_bytes_.load(std::memory_order_relaxed); }

  /// Called when the store cannot be read in the midst of a command, where nothing can be refused
  /// any more: the process must end, and the next start replays. Set before the keyspace is used.
  std::function<void(const Status&)> on_unreadable;

  std::atomic<std::uint64_t> expired_key_count{0};
  std::atomic<std::uint64_t> expired_field_count{0};
  std::atomic<std::uint64_t> load_count{0};             ///< keys that came from the store
  std::atomic<std::uint64_t> eviction_count{0};         ///< clean values that left memory
  std::atomic<std::uint64_t> policy_deletion_count{0};  ///< keys that a maxmemory policy deleted
  std::atomic<std::uint64_t> hit_count{0};
  std::atomic<std::uint64_t> miss_count{0};

 private:
  bool free_buried();
  bool free_tables();
  std::shared_ptr<Table> make_table(store::Generation generation) const;
  /// Tables that left the keyspace wait here until free_detached().
  void detach(std::shared_ptr<Table> table);

  Options options_;
  log::Log* log_;
  store::Store* store_;
  unsigned shard_shift_;
  std::unique_ptr<Shard[]> shards_;
  // Written with all shards held.
  std::uint32_t epoch_ = 2;
  std::vector<store::Generation> generations_;  ///< by database
  store::Generation next_generation_ = 1;
  std::set<store::Generation> stored_;   ///< that the store, or a checkpoint under way, may have
  std::set<store::Generation> dropped_;  ///< of them, those that are to go

  std::atomic<std::uint32_t> cut_epoch_{0};
  std::atomic<std::uint32_t> ingested_epoch_{1};
  std::atomic<std::uint64_t> next_ticket_{1};
  std::atomic<std::int64_t> allocated_bytes_{0};
  std::atomic<std::int64_t> dirty_bytes_{0};
  std::atomic<std::uint64_t> unsettled_bytes_{0};
  std::mutex detached_mutex_;
  struct Detached {
    std::shared_ptr<Table> table;
    std::size_t bytes;  ///< when it left: a checkpoint may still change it
  };
  std::vector<Detached> detached_;        // guarded by detached_mutex_
  std::vector<value::ObjectRef> buried_;  // guarded by detached_mutex_
  std::atomic<std::uint64_t> detached_bytes_{0};
  std::atomic<std::uint64_t> next_object_{1};
};

}  // namespace diskdb::keyspace
