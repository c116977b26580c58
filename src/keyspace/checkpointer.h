// keyspace/checkpointer.h — moves what changed into the store, as of one instant (DESIGN.md D4).
//
// A cut takes all shards for a moment, notes where the log stands, and bumps the epoch. Then a walk
// goes through the entries that were dirty at the cut, a few at a time, in the store's order, and
// writes their images into files. An entry that changes before the walk comes to it hands its image
// over first (Table::prepare_change), so the files hold exactly the state at the cut. At the end
// files and marker are ingested in one step, and the log below the cut may go.
//
// A checkpoint all of whose tables are flushed while it walks has nothing to save any more: it
// gives up, and begins again with what there is then, once.
//
// Nothing is undone when a checkpoint fails: entries stay younger than the ingested epoch, so
// nothing evicts them, and the next checkpoint takes them again. After an ingest that failed nobody
// knows whether it happened, until the store has been opened again and its marker read.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "io/clock.h"
#include "keyspace/expiry_entries.h"
#include "keyspace/keyspace.h"
#include "store/store.h"

namespace diskdb::keyspace {

struct CheckpointSettings {
  /// A checkpoint pays if the log since the last one is this many times what it would write.
  std::uint64_t log_factor = 8;
  /// Less log than this is not worth one.
  std::uint64_t log_bytes_min = 64_MiB;
  /// How long a replay of the log may take.
  Millis replay_time{10'000};
  /// At the latest after this, if there is anything new.
  Millis interval{3'600'000};
  /// What may be dirty, taken but not ingested, or handed over.
  std::uint64_t dirty_bytes_max = 1_GiB;
  /// Cluster slots are walked and sorted together up to about this many bytes of records.
  std::uint64_t bytes_at_once = 1_MiB;
};

struct CheckpointStats {
  std::uint64_t completed_count = 0;
  std::uint64_t failed_count = 0;
  std::uint64_t entry_count = 0;    ///< of the last one
  std::uint64_t written_bytes = 0;  ///< of all
  Millis last_completed_at{};       ///< wall clock; when the server started if there was none
  std::int64_t last_micros = 0;     ///< how long the last one took
  std::int64_t cut_micros_max = 0;  ///< how long a cut held all shards, at most
  bool is_running = false;
  bool has_failed = false;  ///< the last one did
  log::Offset last_offset = 0;
};

/// Threads: run() by one at a time; the rest thread-safe.
/// Invariants:
///   I1  Between cut and end of the walk each dirty entry of the cut's epochs is taken once, or
///       hands its image over once.
///   I2  The log is synced up to the marker's offset before the ingest.
///   I3  The ingested epoch advances only after the marker is known to be in the store.
class Checkpointer {
 public:
  /// Borrows all for its life. Requires: the keyspace has a store.
  Checkpointer(Keyspace& keyspace, io::Clock& clock);

  /// The keyspace was restored from this one.
  void start_from(const store::Marker& marker);
  /// A whole checkpoint. `position`: where
  /// the log stands, if replay is not over. Blocks. Errors: as the store's and the log's; the next
  /// run begins by finding out what became of this one.
  Status run(std::optional<log::Position> position = std::nullopt);

  /// Should one be started? `counts`: since the server started.
  bool is_due(EditCounts counts) const;
  /// How much writers should be slowed, 0 to 1: 1, they must wait.
  double pressure() const;
  /// Changed since the last checkpoint that was ingested?
  bool has_changes() const;

  void set(const CheckpointSettings& settings);
  CheckpointStats stats() const;
  /// Keeps checkpoints away while held, as exchanging the keyspace needs.
  std::unique_lock<std::mutex> suspend() { return std::unique_lock(run_mutex_); }

 private:
  Status run_once(std::optional<log::Position> position);
  Status check_overtaken(const Cut& cut, Shard& shard);
  Status settle_doubt();
  void mark_again();
  Cut make_cut(std::optional<log::Position> position);
  Status write(const Cut& cut, store::CheckpointFiles& files);
  SlotRange first_slots(const Cut::Part& part) const;
  Status write_part(const Cut& cut, const Cut::Part& part, store::CheckpointFiles& files);
  std::uint64_t take_some(const Cut& cut, const Cut::Part& part, SlotRange slots,
                          std::uint64_t position);
  Status write_taken(store::Generation generation, store::CheckpointFiles& files);
  Status write_image(store::Generation generation, const OrderedImage& taken,
                     store::CheckpointFiles& files);
  Status write_expiries(const Cut& cut, store::CheckpointFiles& files);
  Status write_pages(const Cut& cut, store::CheckpointFiles& files);
  void take_pages(const Cut& cut, value::Object& object);
  void add_expiries(store::Generation generation, std::uint32_t slot, const Image& image);
  void give_up(const Cut& cut);
  void complete(const Cut& cut);
  SlotRange slots_of(const Shard& shard) const;
  /// Calls step(table, position) -> next position, for all of a table, holding its shard for some
  /// buckets at a time.
  template <typename Step>
  void walk(const Cut::Part& part, Step step);

  Keyspace& keyspace_;
  store::Store& store_;
  io::Clock& clock_;

  std::mutex run_mutex_;
  // Of the one that runs.
  std::optional<Cut> doubted_;    ///< its ingest failed: is it in the store?
  bool must_mark_again_ = false;  ///< a checkpoint came to nothing
  bool was_overtaken_ = false;    ///< it is the second try
  ExpiryEntries expiries_;
  std::vector<OrderedImage> taken_;
  std::vector<const OrderedImage*> sequence_;  ///< in which those are written
  std::vector<value::ObjectRef> objects_;      ///< whose records were taken
  std::vector<PageLedger::Written> pages_;     ///< of theirs
  std::string key_;
  std::string value_;

  mutable std::mutex m_;
  // guarded by m_
  CheckpointSettings settings_;
  CheckpointStats stats_;
  std::int64_t stored_key_count_ = 0;
  EditCounts edits_at_cut_;
  mutable EditCounts edits_seen_;
  Micros last_run_at_{};
};

}  // namespace diskdb::keyspace
