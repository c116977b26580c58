#include "store/file_system.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <span>

#include "base/reached.h"
#include "store/status.h"

namespace diskdb::store {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus outcome(const Status& status) { return status.ok() ? IOStatus::OK() : foreign(status); }

IOStatus read(io::File& file, std::uint64_t offset, std::size_t bytes, Slice* result,
              char* scratch) {
  auto got = file.read_at(offset, std::span<char>(scratch, bytes));
  *result = Slice(scratch, got.ok() ? *got : 0);
  return outcome(got.status());
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<io::File> file) : file_(std::move(file)) {}

  IOStatus Read(std::size_t bytes, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    IOStatus status = read(*file_, offset_, bytes, result, scratch);
    offset_ += result->size();
    return status;
  }
  IOStatus Skip(std::uint64_t bytes) override {
    offset_ += bytes;
    return IOStatus::OK();
  }

 private:
  std::unique_ptr<io::File> file_;
  std::uint64_t offset_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<io::File> file) : file_(std::move(file)) {}

  IOStatus Read(std::uint64_t offset, std::size_t bytes, const IOOptions&, Slice* result,
                char* scratch, IODebugContext*) const override {
    return read(*file_, offset, bytes, result, scratch);
  }

 private:
  std::unique_ptr<io::File> file_;
};

/// One that is to be ingested.
class StagedFile final : public rocksdb::FSRandomAccessFile {
 public:
  StagedFile(std::unique_ptr<io::File> file, std::string path, StagedReads& reads)
      : file_(std::move(file)), path_(std::move(path)), reads_(reads) {}

  IOStatus Read(std::uint64_t offset, std::size_t bytes, const IOOptions&, Slice* result,
                char* scratch, IODebugContext*) const override {
    return reads_.read(*file_, path_, offset, bytes, result, scratch);
  }

 private:
  std::unique_ptr<io::File> file_;
  std::string path_;
  StagedReads& reads_;
};

/// RocksDB gathers what it appends (up to writable_file_max_buffer_size), so each Append is a
/// write.
class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::unique_ptr<io::File> file, std::uint64_t size)
      : file_(std::move(file)), size_(size) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const Bytes parts[] = {Bytes(data.data(), data.size())};
    if (Status status = file_->write_at(size_, parts); !status.ok()) return foreign(status);
    size_ += data.size();
    return IOStatus::OK();
  }
  IOStatus Truncate(std::uint64_t bytes, const IOOptions&, IODebugContext*) override {
    if (bytes == size_) return IOStatus::OK();
    if (Status status = file_->truncate(bytes); !status.ok()) return foreign(status);
    size_ = bytes;
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return outcome(file_->sync()); }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  std::unique_ptr<io::File> file_;
  std::uint64_t size_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(io::Disk& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return outcome(disk_.sync_folder(folder_));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  io::Disk& disk_;
  std::string folder_;
};

class Lock final : public rocksdb::FileLock {
 public:
  explicit Lock(std::unique_ptr<io::FileLock> lock) : lock_(std::move(lock)) {}

 private:
  std::unique_ptr<io::FileLock> lock_;
};

class SilentLogger final : public rocksdb::Logger {
 public:
  SilentLogger() : Logger(rocksdb::FATAL_LEVEL) {}
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  void LogHeader(const char*, va_list) override {}
  void Logv(rocksdb::InfoLogLevel, const char*, va_list) override {}
};

std::string folder_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

/// RocksDB writes folders with and without a slash at the end.
std::string without_slash(const std::string& folder) {
  return folder.size() > 1 && folder.back() == '/' ? folder.substr(0, folder.size() - 1) : folder;
}

}  // namespace

void StagedReads::enter(Phase phase) {
  const std::lock_guard guard(m_);
  phase_ = phase;
  if (phase != Phase::kIdle) return;
  kept_.clear();
  unreadable_.clear();
}

IOStatus StagedReads::read(io::File& file, const std::string& path, std::uint64_t offset,
                           std::size_t bytes, Slice* result, char* scratch) {
  const std::lock_guard guard(m_);
  if (phase_ == Phase::kHandsOut) {
    const auto found = kept_.find({path, offset});
    if (found != kept_.end() && found->second.size() >= bytes) {
      std::copy_n(found->second.begin(), bytes, scratch);
      *result = Slice(scratch, bytes);
      return IOStatus::OK();
    }
  }
  IOStatus status = store::read(file, offset, bytes, result, scratch);
  if (phase_ == Phase::kRemembers && status.ok()) kept_[{path, offset}] = result->ToString();
  if (phase_ == Phase::kHandsOut && !status.ok()) unreadable_.insert(path);
  return status;
}

bool StagedReads::is_unreadable(const std::string& path) {
  const std::lock_guard guard(m_);
  return unreadable_.count(path) != 0;
}

IOStatus FileSystem::failure(const Status& status, const std::string& path) {
  if (status.error().code == Code::kNotFound && path.ends_with(".sst")) misses_tables_ = true;
  return foreign(status);
}

IOStatus FileSystem::NewSequentialFile(const std::string& path, const rocksdb::FileOptions&,
                                       std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                       IODebugContext*) {
  auto file = disk_.open(path, io::OpenMode::kRead);
  if (!file.ok()) return failure(file.status(), path);
  *result = std::make_unique<SequentialFile>(std::move(*file));
  return IOStatus::OK();
}

IOStatus FileSystem::NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions&,
                                         std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                         IODebugContext*) {
  auto file = disk_.open(path, io::OpenMode::kRead);
  if (!file.ok()) return failure(file.status(), path);
  if (path.starts_with(staging_)) {
    *result = std::make_unique<StagedFile>(std::move(*file), path, staged_reads_);
  } else {
    *result = std::make_unique<RandomAccessFile>(std::move(*file));
  }
  return IOStatus::OK();
}

IOStatus FileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions&,
                                     std::unique_ptr<rocksdb::FSWritableFile>* result,
                                     IODebugContext*) {
  auto file = disk_.open(path, io::OpenMode::kCreate);
  if (!file.ok() && disk_.file_size(path).ok()) {
    if (Status status = disk_.remove(path); !status.ok()) return foreign(status);
    file = disk_.open(path, io::OpenMode::kCreate);
  }
  if (!file.ok()) return foreign(file.status());
  *result = std::make_unique<WritableFile>(std::move(*file), 0);
  return IOStatus::OK();
}

IOStatus FileSystem::ReopenWritableFile(const std::string& path, const rocksdb::FileOptions&,
                                        std::unique_ptr<rocksdb::FSWritableFile>* result,
                                        IODebugContext*) {
  auto file = disk_.open(path, io::OpenMode::kWrite);
  if (!file.ok()) return failure(file.status(), path);
  auto bytes = (*file)->size();
  if (!bytes.ok()) return foreign(bytes.status());
  *result = std::make_unique<WritableFile>(std::move(*file), *bytes);
  return IOStatus::OK();
}

IOStatus FileSystem::NewDirectory(const std::string& folder, const IOOptions&,
                                  std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) {
  *result = std::make_unique<Directory>(disk_, without_slash(folder));
  return IOStatus::OK();
}

IOStatus FileSystem::FileExists(const std::string& path, const IOOptions&, IODebugContext*) {
  const Status status = disk_.file_size(path).status();
  if (status.ok()) return IOStatus::OK();
  if (status.error().code == Code::kNotFound) return IOStatus::NotFound(path);
  return foreign(status);
}

IOStatus FileSystem::GetChildren(const std::string& folder, const IOOptions&,
                                 std::vector<std::string>* result, IODebugContext*) {
  auto names = disk_.list(without_slash(folder));
  if (!names.ok() && names.error().code == Code::kNotFound) return IOStatus::NotFound(folder);
  if (!names.ok()) return foreign(names.status());
  *result = std::move(*names);
  return IOStatus::OK();
}

IOStatus FileSystem::DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) {
  return outcome(disk_.remove(path));
}

IOStatus FileSystem::CreateDir(const std::string& folder, const IOOptions&, IODebugContext*) {
  return outcome(disk_.make_folder(without_slash(folder)));
}

IOStatus FileSystem::CreateDirIfMissing(const std::string& folder, const IOOptions&,
                                        IODebugContext*) {
  return outcome(disk_.make_folder(without_slash(folder)));
}

IOStatus FileSystem::DeleteDir(const std::string&, const IOOptions&, IODebugContext*) {
  return IOStatus::NotSupported("folders stay");
}

IOStatus FileSystem::GetFileSize(const std::string& path, const IOOptions&, std::uint64_t* bytes,
                                 IODebugContext*) {
  auto size = disk_.file_size(path);
  if (!size.ok()) return failure(size.status(), path);
  *bytes = *size;
  return IOStatus::OK();
}

IOStatus FileSystem::GetFileModificationTime(const std::string&, const IOOptions&, std::uint64_t*,
                                             IODebugContext*) {
  return IOStatus::NotSupported("no file has a time");
}

IOStatus FileSystem::RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                                IODebugContext*) {
  if (Status status = disk_.sync_folder(folder_of(to)); !status.ok()) return foreign(status);
  return outcome(disk_.rename(from, to));
}

IOStatus FileSystem::LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                              IODebugContext*) {
  if (staged_reads_.is_unreadable(from)) {
    REACHED("store: a staged file could not be read");
    return IOStatus::IOError("link " + from + ": it could not be read before");
  }
  return outcome(disk_.hard_link(from, to));
}

IOStatus FileSystem::NumFileLinks(const std::string& path, const IOOptions&, std::uint64_t* count,
                                  IODebugContext*) {
  auto links = disk_.link_count(path);
  if (!links.ok()) return foreign(links.status());
  *count = *links;
  return IOStatus::OK();
}

IOStatus FileSystem::LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock,
                              IODebugContext*) {
  auto taken = disk_.lock(path);
  if (!taken.ok()) return foreign(taken.status());
  *lock = std::make_unique<Lock>(std::move(*taken)).release();
  return IOStatus::OK();
}

IOStatus FileSystem::UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) {
  const std::unique_ptr<rocksdb::FileLock> released(lock);
  return IOStatus::OK();
}

IOStatus FileSystem::GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) {
  return IOStatus::NotSupported("no test directory");
}

IOStatus FileSystem::NewLogger(const std::string&, const IOOptions&,
                               std::shared_ptr<rocksdb::Logger>* result, IODebugContext*) {
  *result = make_silent_logger();
  return IOStatus::OK();
}

IOStatus FileSystem::GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result,
                                     IODebugContext*) {
  *result = path;
  return IOStatus::OK();
}

IOStatus FileSystem::IsDirectory(const std::string& path, const IOOptions&, bool* is_folder,
                                 IODebugContext*) {
  *is_folder = disk_.list(without_slash(path)).ok();
  return IOStatus::OK();
}

std::shared_ptr<rocksdb::Logger> make_silent_logger() { return std::make_shared<SilentLogger>(); }

}  // namespace diskdb::store
