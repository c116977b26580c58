// store/rocks_store.h — Store over one RocksDB handle that can be replaced while readers come and
// go.
//
// Problem: after a failed write to its MANIFEST, RocksDB 7.8.3 must not be used any further, and
// whether that write took effect is known only to the next open. Idea: readers hold the handle
// shared for one call; reopen() holds it alone, closes and opens. A reader of memory only tries the
// lock, so no network thread waits for a disk. A steady stream of readers must not keep reopen()
// waiting for ever: while it waits, newcomers queue at a second lock, the turnstile.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include "store/checkpoint_files.h"
#include "store/file_system.h"
#include "store/store.h"

namespace diskdb::store {

/// What RocksDB's threads tell.
///
/// Threads: thread-safe: an atomic, and a mutex for who waits.
class Watcher final : public rocksdb::EventListener {
 public:
  bool has_failed() const { return has_failed_; }
  void note_failure();
  void forget_failure() { has_failed_ = false; }
  /// Waits until a compaction ends or something fails, or for some milliseconds.
  void wait_a_little();

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  /// Nothing is resumed.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error,
                            bool* auto_recovery) override;
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo& info) override;

 private:
  std::atomic<bool> has_failed_{false};
  std::mutex m_;
  std::condition_variable changed_;
};

/// Threads: as Store.
/// Invariants:
///   I1  db_ changes under handle_ held alone; whoever uses it holds handle_.
///   I2  While is_retiring_, nobody new takes handle_ without having passed turnstile_.
class RocksStore final : public Store {
 public:
  RocksStore(io::Disk& disk, Options options);
  ~RocksStore() override;

  /// Requires: once, before anything else. Errors: as Store::open().
  Status start();

  Result<Presence> get(Bytes key, Reach reach, std::string* value) override;
  Status get_many(const std::vector<Bytes>& keys,
                  const std::function<void(std::size_t, Bytes)>& visit) override;
  Status scan(Bytes from, Bytes to, const std::function<bool(Bytes, Bytes)>& visit) override;
  Result<std::optional<Marker>> marker() override;
  Result<std::unique_ptr<CheckpointFiles>> begin_files() override;
  Status ingest(CheckpointFiles& files) override;
  bool needs_reopen() const override { return watcher_->has_failed(); }
  Status reopen() override;
  Stats stats() const override;
  double pressure() const override;
  Status settle() override;

 private:
  using Shared = std::shared_lock<std::shared_mutex>;
  /// Waits for a reopen() under way.
  Shared share_handle() const;
  /// Does not wait: not owned if a reopen() is under way.
  Shared try_share_handle() const;

  // All of these require handle_ held alone, or start().
  Status open_handle();
  Status check_folder();
  rocksdb::Status open_database(bool salvages);
  Status salvage();

  rocksdb::Status ingest_files(const std::vector<std::string>& paths);

  void give_up_ballast();
  void restore_ballast();

  io::Disk& disk_;
  const Options options_;
  const std::string staging_;
  const std::string ballast_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::unique_ptr<rocksdb::Env> env_;
  const std::shared_ptr<Watcher> watcher_;

  mutable std::mutex turnstile_;
  mutable std::shared_mutex handle_;
  std::atomic<bool> is_retiring_{false};
  // guarded by handle_
  rocksdb::Options rocks_options_;
  std::shared_ptr<rocksdb::Cache> block_cache_;
  bool has_marker_ = false;          // was one found by an open?
  std::unique_ptr<rocksdb::DB> db_;  // none: closed, or it could not be opened

  std::atomic<std::uint64_t> ingest_count_{0};
  std::atomic<std::uint64_t> reopen_count_{0};
};

}  // namespace diskdb::store
