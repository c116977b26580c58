// io/sim_disk.h — a disk in memory that misbehaves on demand: any call can fail, the disk can be
// full, and a power loss takes what was not synced, in the worst order.
//
// What survives a power loss is what a file system promises, and no more: bytes of a file up to its
// last sync; of the 512-byte blocks written since, any subset, each as a whole; names in a folder
// up to its last sync_folder; of the creations, renames and removals since, any subset; an unsynced
// size or the one before. File systems are usually kinder.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/random.h"

namespace diskdb::io {

/// Threads: thread-safe: one mutex.
/// Invariants:
///   I1  What a successful sync or sync_folder covered survives lose_unsynced().
///   I2  A sync that failed may have forgotten which blocks are unsynced: a later one does not save
///       them (fsyncgate).
class SimDisk final : public Disk {
 public:
  explicit SimDisk(std::uint64_t seed);
  ~SimDisk() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_folder(const std::string& folder) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_folder(const std::string& folder) override;
  Status hard_link(const std::string& from, const std::string& to) override;
  Result<std::uint64_t> file_size(const std::string& path) override;
  Result<std::uint64_t> link_count(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  // ---- what tests do to it; none of these is counted as a call ----

  /// The `nth` call from now, the next one being 0, fails with kIo; a write may be half done then.
  void fail_at(std::uint64_t nth);
  /// The power goes at the `nth` call from now: it fails, a write half done, and all later ones
  /// fail and do nothing.
  void power_off_at(std::uint64_t nth);
  /// The power is off: all calls from now on fail and do nothing.
  void power_off();
  /// Whether fail_at or power_off_at came to pass.
  bool has_failed() const;
  /// Calls so far.
  std::uint64_t call_count() const;
  /// The disk takes this many bytes more; removing files gives theirs back.
  void set_free_bytes(std::uint64_t bytes);
  /// Power off and on again: drops a random part of what was not synced, and forgets all faults.
  void lose_unsynced();
  /// Forgets all faults without losing anything, as after a kill -9.
  void heal();

  /// A second name for a file, as a backup makes it. Durable at once.
  void link(const std::string& from, const std::string& to);
  /// The bytes of a file; nothing if there is none.
  std::optional<std::string> contents(const std::string& path) const;
  /// Replaces a file's bytes behind everybody's back, durably; creates it and its folder.
  void put(const std::string& path, std::string contents);
  std::vector<std::string> paths() const;

 private:
  struct Inode;
  class SimFile;
  class SimLock;
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  /// One creation, rename or removal: what some names stand for from then on.
  struct NameChange {
    std::string folder;
    std::vector<std::pair<std::string, std::shared_ptr<Inode>>> names;
  };
  enum class Fate {
    kGood,
    kFails,  ///< maybe half done
    kOff,    ///< fails, and nothing is done
  };

  // All of these require m_ held.
  Fate next_call();
  void change_names(NameChange change);
  static void apply(const NameChange& change, Names& names);
  /// How far `inode` may grow towards `bytes`; charges it.
  std::uint64_t charge(Inode& inode, std::uint64_t bytes);
  std::shared_ptr<Inode> survivor(const Inode& inode);

  mutable std::mutex m_;
  // guarded by m_
  Random random_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_;
  std::set<std::string> folders_;
  std::set<std::string> locked_;
  std::optional<std::uint64_t> free_bytes_;
  std::uint64_t call_count_ = 0;
  std::optional<std::uint64_t> fail_call_;
  std::optional<std::uint64_t> power_off_call_;
  bool is_off_ = false;
  bool has_failed_ = false;
};

}  // namespace diskdb::io
