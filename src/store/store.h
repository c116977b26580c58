// store/store.h — the sorted files: RocksDB, written to by ingestion alone, so that it holds
// exactly the state at the last checkpoint's cut (DESIGN.md D4). No WAL, no memtable.
//
// A checkpoint writes its files into a staging folder (CheckpointFiles), then ingests all of them
// in one atomic step. Readers see the state before it or the state after it.
//
// RocksDB 7.8 cannot go on after a failed MANIFEST write (Resume says OK, the next ingest aborts),
// so after any failed ingest or background error the handle is retired: reopen() waits for readers,
// closes, and opens again. Everything goes through io::Disk (store/file_system.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/file.h"
#include "store/format.h"

namespace diskdb::store {

struct Options {
  std::string folder;
  std::uint64_t block_cache_bytes = 32ULL << 20U;
  std::uint64_t file_bytes_max = 256ULL << 20U;  ///< a checkpoint's files are cut at about this
  std::uint64_t ballast_bytes = 8ULL << 20U;     ///< see Store::ingest; 0: none
  int background_threads = 2;                    ///< of compaction; low priority
  int bloom_bits_per_key = 10;
  bool compresses = true;  ///< LZ4
  /// Of level 0 before compaction starts; tests make it small.
  int level0_files_for_compaction = 4;
  std::uint64_t target_file_bytes = 64ULL << 20U;
};

struct Stats {
  std::uint64_t file_bytes = 0;
  std::uint64_t file_count = 0;
  std::uint64_t level0_file_count = 0;
  std::uint64_t pending_compaction_bytes = 0;
  std::uint64_t block_cache_bytes = 0;
  std::uint64_t table_reader_bytes = 0;  ///< filters and indexes, always in memory
  std::uint64_t block_cache_hits = 0;
  std::uint64_t block_cache_misses = 0;
  std::uint64_t ingest_count = 0;
  std::uint64_t reopen_count = 0;
  std::uint64_t compaction_read_bytes = 0;
  std::uint64_t compaction_written_bytes = 0;
};

/// The files of one checkpoint, being written.
///
/// Threads: one at a time.
class CheckpointFiles {
 public:
  virtual ~CheckpointFiles() = default;  ///< Removes what was not ingested, as far as it can.
  // Requires, of these three: keys ascend strictly, a range counting by its `from`, and nothing
  // else lies inside a range. Errors: kIo, kNoSpace; the files are of no use then.
  virtual Status put(Bytes key, Bytes value) = 0;
  virtual Status erase(Bytes key) = 0;
  virtual Status erase_range(const KeyRange& range) = 0;
  /// Completes and syncs the files. Requires: once, before ingest().
  virtual Status finish() = 0;
  virtual std::uint64_t written_bytes() const = 0;
  virtual std::uint64_t entry_count() const = 0;
};

/// Whether a look-up may do I/O.
enum class Reach : std::uint8_t { kMemory, kDisk };

enum class Presence : std::uint8_t {
  kFound,
  kAbsent,
  kUnknown,  ///< only I/O can tell; with Reach::kMemory only
};

/// Threads: thread-safe. ingest() and reopen() by one thread at a time.
class Store {
 public:
  /// Empties the staging folder, and opens. Borrows `disk` for the store's life.
  /// Errors: kCorrupt, kIo, kNoSpace, kInvalid; kBusy when another process has it open.
  static Result<std::unique_ptr<Store>> open(io::Disk& disk, const Options& options);
  virtual ~Store() = default;

  /// The value stored for an encoded key. `*value` is replaced if it is found.
  /// With Reach::kMemory it never waits, not for a handle being reopened either (kUnknown).
  /// Errors: kIo, kCorrupt.
  virtual Result<Presence> get(Bytes key, Reach reach, std::string* value) = 0;
  /// The same for many keys at once, with I/O. `keys` ascend; `visit(index, value)` is called for
  /// each that is found, in any order; it borrows for the call.
  virtual Status get_many(const std::vector<Bytes>& keys,
                          const std::function<void(std::size_t, Bytes)>& visit) = 0;
  /// Visits entries of [from, to) in order until `visit` returns false. Key and value are borrowed
  /// for the call. The range is read as of one ingest. Errors: kIo, kCorrupt.
  virtual Status scan(Bytes from, Bytes to, const std::function<bool(Bytes, Bytes)>& visit) = 0;
  /// The marker, decoded; nothing in a new store, or in one whose tables are gone from before the
  /// first checkpoint: then the log must be whole from offset 0, which its recovery checks.
  virtual Result<std::optional<Marker>> marker() = 0;

  /// Empties the staging folder first. Requires: the files of the checkpoint before are gone.
  /// They borrow the store.
  virtual Result<std::unique_ptr<CheckpointFiles>> begin_files() = 0;
  /// Makes all that is in `files` part of the store, at once and durably.
  /// Errors: kIo, kNoSpace, kCorrupt: whether it happened is in doubt until marker() has been read
  /// after a reopen(), which is needed before any further ingest.
  /// While it fits, a ballast file is kept on the disk and given up for the ingest, so that a
  /// MANIFEST write does not meet a full disk.
  virtual Status ingest(CheckpointFiles& files) = 0;
  /// Did anything fail (a background error too), so that a reopen() must come before ingesting?
  virtual bool needs_reopen() const = 0;
  /// Retires the handle: waits for readers, closes, opens again. Errors: as open(); reads fail
  /// with kIo, Reach::kMemory answers kUnknown, until a later reopen() succeeds.
  virtual Status reopen() = 0;

  virtual Stats stats() const = 0;
  /// How far compaction is behind, 0 to 1: 0, no need to care; 1, ingest nothing more for now.
  virtual double pressure() const = 0;
  /// Waits until no compaction is running or due. For tests.
  virtual Status settle() = 0;
};

}  // namespace diskdb::store
