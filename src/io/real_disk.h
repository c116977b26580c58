// io/real_disk.h — the machine's file systems behind the interfaces of io/file.h.
// The only place that reads errno of file calls: it becomes a Status here and nowhere else.
#pragma once

#include "io/file.h"

namespace diskdb::io {

/// Threads: thread-safe (no state).
class RealDisk final : public Disk {
 public:
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
};

}  // namespace diskdb::io
