#include "io/hooked_disk.h"

#include <utility>

namespace diskdb::io {
namespace {

class HookedFile final : public File {
 public:
  HookedFile(std::unique_ptr<File> file, std::shared_ptr<std::function<void()>> before)
      : file_(std::move(file)), before_(std::move(before)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    (*before_)();
    return file_->read_at(offset, into);
  }
  Status write_at(std::uint64_t offset, std::span<const Bytes> parts) override {
    (*before_)();
    return file_->write_at(offset, parts);
  }
  Status sync() override {
    (*before_)();
    return file_->sync();
  }
  Status allocate(std::uint64_t bytes) override {
    (*before_)();
    return file_->allocate(bytes);
  }
  Status truncate(std::uint64_t bytes) override {
    (*before_)();
    return file_->truncate(bytes);
  }
  Result<std::uint64_t> size() override {
    (*before_)();
    return file_->size();
  }

 private:
  std::unique_ptr<File> file_;
  std::shared_ptr<std::function<void()>> before_;
};

}  // namespace

Result<std::unique_ptr<File>> HookedDisk::open(const std::string& path, OpenMode mode) {
  (*before_)();
  TRY_LET(std::unique_ptr<File> file, disk_.open(path, mode));
  return std::unique_ptr<File>(std::make_unique<HookedFile>(std::move(file), before_));
}

Result<std::vector<std::string>> HookedDisk::list(const std::string& folder) {
  (*before_)();
  return disk_.list(folder);
}

Status HookedDisk::make_folder(const std::string& folder) {
  (*before_)();
  return disk_.make_folder(folder);
}

Status HookedDisk::rename(const std::string& from, const std::string& to) {
  (*before_)();
  return disk_.rename(from, to);
}

Status HookedDisk::remove(const std::string& path) {
  (*before_)();
  return disk_.remove(path);
}

Status HookedDisk::sync_folder(const std::string& folder) {
  (*before_)();
  return disk_.sync_folder(folder);
}

Status HookedDisk::hard_link(const std::string& from, const std::string& to) {
  (*before_)();
  return disk_.hard_link(from, to);
}

Result<std::uint64_t> HookedDisk::file_size(const std::string& path) {
  (*before_)();
  return disk_.file_size(path);
}

Result<std::uint64_t> HookedDisk::link_count(const std::string& path) {
  (*before_)();
  return disk_.link_count(path);
}

Result<std::unique_ptr<FileLock>> HookedDisk::lock(const std::string& path) {
  (*before_)();
  return disk_.lock(path);
}

}  // namespace diskdb::io
