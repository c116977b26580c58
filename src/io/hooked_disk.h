// io/hooked_disk.h — a disk before each of whose calls something happens: a test delays a call, or
// holds it until it has seen what it waits for. What the call does is up to the disk behind it.
#pragma once

#include <functional>

#include "io/file.h"

namespace diskdb::io {

/// Threads: as the disk behind it; the hook is called by whoever calls, so by many threads at once.
class HookedDisk final : public Disk {
 public:
  /// Borrows `disk` for its life. `before` is called before every call of the disk and its files.
  HookedDisk(Disk& disk, std::function<void()> before)
      : disk_(disk), before_(std::make_shared<std::function<void()>>(std::move(before))) {}

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

 private:
  Disk& disk_;
  std::shared_ptr<std::function<void()>> before_;  // files may outlive the disk
};

}  // namespace diskdb::io
