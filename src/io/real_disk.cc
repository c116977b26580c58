#include "io/real_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

namespace diskdb::io {
namespace {

/// What `call` on `path` has just failed with.
Error failure(const char* call, const std::string& path, int number = errno) {
  Code code = Code::kIo;
  if (number == ENOSPC || number == EDQUOT) code = Code::kNoSpace;
  if (number == ENOENT) code = Code::kNotFound;
  return {code, std::string(call) + " " + path + ": " + std::generic_category().message(number)};
}

/// Repeats `call` while a signal interrupts it.
template <typename Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class RealFile final : public File {
 public:
  RealFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~RealFile() override { ::close(fd_); }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = uninterrupted([&] {
        return ::pread(fd_, into.data() + done, into.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (got < 0) return failure("read", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Status write_at(std::uint64_t offset, std::span<const Bytes> parts) override {
    constexpr std::size_t kPartsMax = 64;  // of one call; IOV_MAX is 1024
    iovec vector[kPartsMax];
    while (!parts.empty()) {
      const std::size_t count = std::min(parts.size(), kPartsMax);
      for (std::size_t i = 0; i < count; ++i) {
        vector[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
      }
      TRY(write_all(offset, {vector, count}));
      parts = parts.subspan(count);
    }
    return Status::okay();
  }

  Status sync() override {
    // Whatever the reason, even a full disk: the kernel may have dropped the pages, so it is never
    // kNoSpace.
    if (::fdatasync(fd_) != 0) return Error{Code::kIo, failure("fdatasync", path_).message};
    return Status::okay();
  }

  Status allocate(std::uint64_t bytes) override {
    int number = EINTR;
    while (number == EINTR) number = ::posix_fallocate(fd_, 0, static_cast<off_t>(bytes));
    if (number != 0) return failure("allocate", path_, number);
    return Status::okay();
  }

  Status truncate(std::uint64_t bytes) override {
    if (uninterrupted([&] { return ::ftruncate(fd_, static_cast<off_t>(bytes)); }) != 0) {
      return failure("truncate", path_);
    }
    return Status::okay();
  }

  Result<std::uint64_t> size() override {
    struct stat facts {};
    if (::fstat(fd_, &facts) != 0) return failure("stat", path_);
    return static_cast<std::uint64_t>(facts.st_size);
  }

 private:
  /// Writes the whole vector, which it uses up; advances `offset` behind it.
  Status write_all(std::uint64_t& offset, std::span<iovec> vector) {
    while (!vector.empty()) {
      const ssize_t wrote = uninterrupted([&] {
        return ::pwritev(fd_, vector.data(), static_cast<int>(vector.size()),
                         static_cast<off_t>(offset));
      });
      if (wrote < 0) return failure("write", path_);
      offset += static_cast<std::uint64_t>(wrote);
      auto left = static_cast<std::size_t>(wrote);
      while (!vector.empty() && left >= vector.front().iov_len) {
        left -= vector.front().iov_len;
        vector = vector.subspan(1);
      }
      if (vector.empty()) break;
      if (wrote == 0) return Error{Code::kIo, "write " + path_ + ": nothing was written"};
      vector.front().iov_base = static_cast<char*>(vector.front().iov_base) + left;
      vector.front().iov_len -= left;
    }
    return Status::okay();
  }

  int fd_;
  std::string path_;
};

/// A lock of the kernel's: gone with the process, however it ends.
class RealLock final : public FileLock {
 public:
  explicit RealLock(int fd) : fd_(fd) {}
  ~RealLock() override { ::close(fd_); }

 private:
  int fd_;
};

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::unique_ptr<File>> RealDisk::open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case OpenMode::kRead:
      flags |= O_RDONLY;
      break;
    case OpenMode::kWrite:
      flags |= O_RDWR;
      break;
    case OpenMode::kCreate:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  const int fd = uninterrupted([&] { return ::open(path.c_str(), flags, 0640); });
  if (fd < 0) return failure("open", path);
  return std::unique_ptr<File>(std::make_unique<RealFile>(fd, path));
}

Result<std::vector<std::string>> RealDisk::list(const std::string& folder) {
  DIR* stream = ::opendir(folder.c_str());
  if (stream == nullptr) return failure("list", folder);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  const int number = errno;
  ::closedir(stream);
  if (number != 0) return failure("list", folder, number);
  std::sort(names.begin(), names.end());
  return names;
}

Status RealDisk::make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0750) == 0) return sync_folder(parent_of(folder));
  if (errno == ENOENT && parent_of(folder) != folder) {
    TRY(make_folder(parent_of(folder)));
    if (::mkdir(folder.c_str(), 0750) == 0) return sync_folder(parent_of(folder));
  }
  if (errno != EEXIST) return failure("make folder", folder);
  struct stat facts {};
  if (::stat(folder.c_str(), &facts) != 0) return failure("stat", folder);
  if (!S_ISDIR(facts.st_mode)) return failure("make folder", folder, ENOTDIR);
  return Status::okay();
}

Status RealDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return failure("rename", from);
  return Status::okay();
}

Status RealDisk::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return failure("remove", path);
  return Status::okay();
}

Status RealDisk::sync_folder(const std::string& folder) {
  const int fd =
      uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return failure("open", folder);
  Status status;
  if (::fsync(fd) != 0) status = Error{Code::kIo, failure("fsync", folder).message};
  ::close(fd);
  return status;
}

Status RealDisk::hard_link(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) != 0) return failure("link", from);
  return Status::okay();
}

Result<std::uint64_t> RealDisk::file_size(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return failure("stat", path);
  return static_cast<std::uint64_t>(facts.st_size);
}

Result<std::uint64_t> RealDisk::link_count(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return failure("stat", path);
  return static_cast<std::uint64_t>(facts.st_nlink);
}

Result<std::unique_ptr<FileLock>> RealDisk::lock(const std::string& path) {
  const int fd =
      uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640); });
  if (fd < 0) return failure("open", path);
  if (uninterrupted([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) != 0) {
    const int number = errno;
    ::close(fd);
    if (number == EWOULDBLOCK) return {Code::kBusy, "lock " + path + ": another process holds it"};
    return failure("lock", path, number);
  }
  return std::unique_ptr<FileLock>(std::make_unique<RealLock>(fd));
}

}  // namespace diskdb::io
