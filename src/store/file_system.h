// store/file_system.h — RocksDB's way to the disk: an io::Disk behind rocksdb::FileSystem.
// So what can be done to a disk in a test (io/sim_disk.h) can be done under RocksDB: every call can
// fail, the disk can be full, power loss takes what was not synced. Clock and threads stay
// RocksDB's own. No mmap, no direct I/O, no preallocation, no files of messages.
//
// It also stands between RocksDB 7.8.3 and what that does when it cannot read a file it is to
// ingest. It takes the file's bounds from its first and its last entry, and looks at no status:
// without the first it ingests a file of unknown bounds, whose keys are then not found; without the
// last it aborts. So the store reads both ends beforehand, which are remembered here and handed out
// when the ingest asks for them; and a staged file that the ingest could not read all the same
// cannot be linked into the store, by which the ingest fails before it has done anything.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "io/file.h"

namespace diskdb::store {

/// Reads of staged files, kept by the file system for the ingest that follows.
///
/// Threads: thread-safe: one mutex.
class StagedReads {
 public:
  enum class Phase : std::uint8_t {
    kIdle,
    kRemembers,  ///< what is read is kept
    kHandsOut,   ///< what is kept is given; a path whose read fails is noted
  };

  /// Idleness forgets everything.
  void enter(Phase phase);
  /// Reads from `file`, or from what is kept.
  rocksdb::IOStatus read(io::File& file, const std::string& path, std::uint64_t offset,
                         std::size_t bytes, rocksdb::Slice* result, char* scratch);
  /// Did a read of it fail while handing out?
  bool is_unreadable(const std::string& path);

 private:
  std::mutex m_;
  // guarded by m_
  Phase phase_ = Phase::kIdle;
  std::map<std::pair<std::string, std::uint64_t>, std::string> kept_;
  std::set<std::string> unreadable_;
};

/// Threads: thread-safe, as the disk is.
class FileSystem final : public rocksdb::FileSystem {
 public:
  /// Borrows `disk` for its life. Files in the folder `staging` are to be ingested.
  FileSystem(io::Disk& disk, const std::string& staging) : disk_(disk), staging_(staging + "/") {}

  StagedReads& staged_reads() { return staged_reads_; }

  /// Has RocksDB asked for a table file (*.sst) that does not exist, since forget_missing_tables()?
  bool misses_tables() const { return misses_tables_; }
  void forget_missing_tables() { misses_tables_ = false; }

  const char* Name() const override { return "DiskDB"; }

  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* debug) override;
  /// Replaces a file of that name; the old one lives on under its other names.
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& folder, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus FileExists(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetChildren(const std::string& folder, const rocksdb::IOOptions& options,
                                std::vector<std::string>* result,
                                rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDir(const std::string& folder, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& folder, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteDir(const std::string& folder, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileSize(const std::string& path, const rocksdb::IOOptions& options,
                                std::uint64_t* bytes, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileModificationTime(const std::string& path,
                                            const rocksdb::IOOptions& options, std::uint64_t* time,
                                            rocksdb::IODebugContext* debug) override;
  /// Makes the names in `to`'s folder durable first: RocksDB replaces CURRENT before it has synced
  /// the name of the MANIFEST that CURRENT then names, and a power loss may keep one of the two.
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NumFileLinks(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* count, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LockFile(const std::string& path, const rocksdb::IOOptions& options,
                             rocksdb::FileLock** lock, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus UnlockFile(rocksdb::FileLock* lock, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetTestDirectory(const rocksdb::IOOptions& options, std::string* path,
                                     rocksdb::IODebugContext* debug) override;
  /// A logger that drops everything.
  rocksdb::IOStatus NewLogger(const std::string& path, const rocksdb::IOOptions& options,
                              std::shared_ptr<rocksdb::Logger>* result,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetAbsolutePath(const std::string& path, const rocksdb::IOOptions& options,
                                    std::string* result, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus IsDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                bool* is_folder, rocksdb::IODebugContext* debug) override;

 private:
  /// Notes it if a table file is missing.
  rocksdb::IOStatus failure(const Status& status, const std::string& path);

  io::Disk& disk_;
  const std::string staging_;
  StagedReads staged_reads_;
  std::atomic<bool> misses_tables_{false};
};

/// What RocksDB has to say goes nowhere: its failures come as statuses.
std::shared_ptr<rocksdb::Logger> make_silent_logger();

}  // namespace diskdb::store
