// io/file.h — the door to the disk: one file, and the disk that holds it.
// Everything that reaches a file system goes through these two, so that a test can make every call
// fail, fill the disk, or lose what was not synced (io/sim_disk.h). The real ones are
// io/real_disk.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace diskdb::io {

/// One open file.
///
/// Threads: calls on different ranges may overlap; `sync` may run beside `write_at`.
class File {
 public:
  virtual ~File() = default;

  /// Reads up to `into.size()` bytes at `offset`; fewer only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) = 0;
  /// Writes all parts one after the other from `offset` on. Errors: kIo, kNoSpace; any part may be
  /// there.
  virtual Status write_at(std::uint64_t offset, std::span<const Bytes> parts) = 0;
  /// Returns once all that was written before the call survives power loss, the file's size too.
  /// Errors: kIo, after which nothing may be assumed about any unsynced byte (never retry).
  virtual Status sync() = 0;
  /// Makes the file `bytes` long with its blocks really allocated; new bytes read as zero.
  /// Errors: kNoSpace, kIo; the file may have grown.
  virtual Status allocate(std::uint64_t bytes) = 0;
  virtual Status truncate(std::uint64_t bytes) = 0;
  virtual Result<std::uint64_t> size() = 0;
};

enum class OpenMode : std::uint8_t {
  kRead,    ///< must exist
  kWrite,   ///< read and write, must exist
  kCreate,  ///< read and write, must not exist
};

/// Holds a lock file until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// Threads: thread-safe. Paths are absolute or relative to the working directory.
class Disk {
 public:
  virtual ~Disk() = default;

  /// Errors: kNotFound (not for kCreate), kIo, kNoSpace.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  /// Names of the files in `folder`, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
  /// Creates the folder and its missing parents, durably; existing is fine.
  virtual Status make_folder(const std::string& folder) = 0;
  /// Replaces `to` if it exists. Durable only after sync_folder.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  /// Makes creations, renames and removals in `folder` survive power loss.
  virtual Status sync_folder(const std::string& folder) = 0;
  /// Gives the file a second name (a hard link). Durable only after sync_folder of `to`'s folder.
  /// Errors: kNotFound; kIo, also if `to` exists or the file system knows no links.
  virtual Status hard_link(const std::string& from, const std::string& to) = 0;
  /// Errors: kNotFound, kIo.
  virtual Result<std::uint64_t> file_size(const std::string& path) = 0;
  /// How many names (hard links) the file has.
  virtual Result<std::uint64_t> link_count(const std::string& path) = 0;
  /// Errors: kBusy when another process holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

}  // namespace diskdb::io
