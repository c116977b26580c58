#include "io/sim_disk.h"

#include <algorithm>
#include <cstring>

namespace diskdb::io {
namespace {

constexpr std::uint64_t kBlockBytes = 512;  // what a disk writes as a whole

std::uint64_t block_of(std::uint64_t offset) { return offset / kBlockBytes; }

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

Error failed(const char* call, const std::string& path) {
  return {Code::kIo, std::string(call) + " " + path + ": simulated failure"};
}

}  // namespace

struct SimDisk::Inode {
  std::string path;               // for messages
  std::string live;               // what reads see
  std::string durable;            // what a power loss leaves at least
  std::set<std::uint64_t> dirty;  // blocks that differ and that the next sync saves
  std::uint64_t charged = 0;      // bytes of the disk it holds
  std::uint64_t links = 1;

  void mark_dirty(std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t block = block_of(begin); block * kBlockBytes < end; ++block)
      dirty.insert(block);
  }
  void sync() {
    durable.resize(live.size());
    for (const std::uint64_t block : dirty) copy_block(block, live, durable);
    dirty.clear();
  }
  /// Copies what both strings have of a block.
  static void copy_block(std::uint64_t block, const std::string& from, std::string& to) {
    const std::uint64_t begin = block * kBlockBytes;
    const std::uint64_t end =
        std::min<std::uint64_t>({begin + kBlockBytes, from.size(), to.size()});
    if (begin < end) std::memcpy(to.data() + begin, from.data() + begin, end - begin);
  }
};

class SimDisk::SimFile final : public File {
 public:
  SimFile(SimDisk& disk, std::shared_ptr<Inode> inode) : disk_(disk), inode_(std::move(inode)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    const std::lock_guard guard(disk_.m_);
    if (disk_.next_call() != Fate::kGood) return failed("read", inode_->path);
    if (offset >= inode_->live.size()) return std::size_t{0};
    const std::size_t bytes = std::min<std::size_t>(into.size(), inode_->live.size() - offset);
    std::memcpy(into.data(), inode_->live.data() + offset, bytes);
    return bytes;
  }

  Status write_at(std::uint64_t offset, std::span<const Bytes> parts) override {
    std::string bytes;
    for (const Bytes part : parts) bytes += part;
    const std::lock_guard guard(disk_.m_);
    const Fate fate = disk_.next_call();
    if (fate == Fate::kOff) return failed("write", inode_->path);
    if (fate == Fate::kFails) bytes.resize(disk_.random_.below(bytes.size() + 1));  // torn
    const std::uint64_t end = disk_.charge(*inode_, offset + bytes.size());
    const bool is_full = end < offset + bytes.size();
    if (is_full) bytes.resize(end > offset ? end - offset : 0);
    if (!bytes.empty()) {
      if (inode_->live.size() < offset + bytes.size()) inode_->live.resize(offset + bytes.size());
      std::memcpy(inode_->live.data() + offset, bytes.data(), bytes.size());
      inode_->mark_dirty(offset, offset + bytes.size());
    }
    if (fate != Fate::kGood) return failed("write", inode_->path);
    if (is_full) return Error{Code::kNoSpace, "write " + inode_->path + ": simulated disk is full"};
    return Status::okay();
  }

  Status sync() override {
    const std::lock_guard guard(disk_.m_);
    const Fate fate = disk_.next_call();
    if (fate == Fate::kOff) return failed("fsync", inode_->path);
    if (fate == Fate::kFails) {
      // Some blocks are forgotten: no later sync saves them, though reads still see them (I2).
      std::erase_if(inode_->dirty, [&](std::uint64_t) { return disk_.random_.chance_percent(50); });
      return failed("fsync", inode_->path);
    }
    inode_->sync();
    return Status::okay();
  }

  Status allocate(std::uint64_t bytes) override {
    const std::lock_guard guard(disk_.m_);
    const Fate fate = disk_.next_call();
    if (fate == Fate::kOff) return failed("allocate", inode_->path);
    const std::uint64_t end = disk_.charge(*inode_, bytes);
    if (inode_->live.size() < end && end <= bytes) inode_->live.resize(end);
    if (fate != Fate::kGood) return failed("allocate", inode_->path);
    if (end < bytes)
      return Error{Code::kNoSpace, "allocate " + inode_->path + ": simulated disk is full"};
    return Status::okay();
  }

  Status truncate(std::uint64_t bytes) override {
    const std::lock_guard guard(disk_.m_);
    if (disk_.next_call() != Fate::kGood) return failed("truncate", inode_->path);
    if (bytes < inode_->live.size()) {
      inode_->mark_dirty(bytes, inode_->live.size());
      if (disk_.free_bytes_.has_value() && inode_->charged > bytes) {
        *disk_.free_bytes_ += inode_->charged - bytes;
      }
      inode_->charged = std::min(inode_->charged, bytes);
    }
    inode_->live.resize(bytes);
    return Status::okay();
  }

  Result<std::uint64_t> size() override {
    const std::lock_guard guard(disk_.m_);
    if (disk_.next_call() != Fate::kGood) return failed("stat", inode_->path);
    return static_cast<std::uint64_t>(inode_->live.size());
  }

 private:
  SimDisk& disk_;
  std::shared_ptr<Inode> inode_;
};

class SimDisk::SimLock final : public FileLock {
 public:
  SimLock(SimDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  ~SimLock() override {
    const std::lock_guard guard(disk_.m_);
    disk_.locked_.erase(path_);
  }

 private:
  SimDisk& disk_;
  std::string path_;
};

SimDisk::SimDisk(std::uint64_t seed) : random_(seed) {}
SimDisk::~SimDisk() = default;

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenMode mode) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("open", path);
  const auto found = names_.find(path);
  if (mode != OpenMode::kCreate) {
    if (found == names_.end()) return {Code::kNotFound, "open " + path + ": no such file"};
    return std::unique_ptr<File>(std::make_unique<SimFile>(*this, found->second));
  }
  if (found != names_.end()) return {Code::kIo, "open " + path + ": file exists"};
  if (folders_.count(folder_of(path)) == 0)
    return {Code::kNotFound, "open " + path + ": no folder"};
  auto inode = std::make_shared<Inode>();
  inode->path = path;
  change_names({folder_of(path), {{path, inode}}});
  return std::unique_ptr<File>(std::make_unique<SimFile>(*this, inode));
}

Result<std::vector<std::string>> SimDisk::list(const std::string& folder) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("list", folder);
  if (folders_.count(folder) == 0) return {Code::kNotFound, "list " + folder + ": no such folder"};
  std::vector<std::string> names;
  for (const auto& [path, inode] : names_) {
    if (folder_of(path) == folder) names.push_back(path.substr(folder.size() + 1));
  }
  return names;
}

Status SimDisk::make_folder(const std::string& folder) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("make folder", folder);
  folders_.insert(folder);
  return Status::okay();
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("rename", from);
  const auto found = names_.find(from);
  if (found == names_.end()) return Error{Code::kNotFound, "rename " + from + ": no such file"};
  const std::shared_ptr<Inode> inode = found->second;
  inode->path = to;
  change_names({folder_of(to), {{from, nullptr}, {to, inode}}});
  return Status::okay();
}

Status SimDisk::remove(const std::string& path) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("remove", path);
  if (names_.count(path) == 0) return Error{Code::kNotFound, "remove " + path + ": no such file"};
  change_names({folder_of(path), {{path, nullptr}}});
  return Status::okay();
}

Status SimDisk::sync_folder(const std::string& folder) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("fsync", folder);
  std::erase_if(unsynced_, [&](const NameChange& change) {
    if (change.folder != folder) return false;
    apply(change, durable_names_);
    return true;
  });
  return Status::okay();
}

Status SimDisk::hard_link(const std::string& from, const std::string& to) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("link", from);
  const auto found = names_.find(from);
  if (found == names_.end()) return Error{Code::kNotFound, "link " + from + ": no such file"};
  if (names_.count(to) != 0) return Error{Code::kIo, "link " + from + ": " + to + " exists"};
  if (folders_.count(folder_of(to)) == 0)
    return Error{Code::kNotFound, "link " + to + ": no folder"};
  const std::shared_ptr<Inode> inode = found->second;
  change_names({folder_of(to), {{to, inode}}});
  ++inode->links;
  return Status::okay();
}

Result<std::uint64_t> SimDisk::file_size(const std::string& path) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("stat", path);
  const auto found = names_.find(path);
  if (found == names_.end()) return {Code::kNotFound, "stat " + path + ": no such file"};
  return static_cast<std::uint64_t>(found->second->live.size());
}

Result<std::uint64_t> SimDisk::link_count(const std::string& path) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("stat", path);
  const auto found = names_.find(path);
  if (found == names_.end()) return {Code::kNotFound, "stat " + path + ": no such file"};
  return found->second->links;
}

Result<std::unique_ptr<FileLock>> SimDisk::lock(const std::string& path) {
  const std::lock_guard guard(m_);
  if (next_call() != Fate::kGood) return failed("lock", path);
  if (!locked_.insert(path).second)
    return {Code::kBusy, "lock " + path + ": another process holds it"};
  return std::unique_ptr<FileLock>(std::make_unique<SimLock>(*this, path));
}

// ---- faults
// ---------------------------------------------------------------------------------------

SimDisk::Fate SimDisk::next_call() {
  const std::uint64_t call = call_count_++;
  if (is_off_) return Fate::kOff;
  is_off_ = power_off_call_ == call;
  if (!is_off_ && fail_call_ != call) return Fate::kGood;
  has_failed_ = true;
  return Fate::kFails;
}

void SimDisk::fail_at(std::uint64_t nth) {
  const std::lock_guard guard(m_);
  fail_call_ = call_count_ + nth;
}

void SimDisk::power_off_at(std::uint64_t nth) {
  const std::lock_guard guard(m_);
  power_off_call_ = call_count_ + nth;
}

void SimDisk::power_off() {
  const std::lock_guard guard(m_);
  is_off_ = true;
  has_failed_ = true;
}

bool SimDisk::has_failed() const {
  const std::lock_guard guard(m_);
  return has_failed_;
}

std::uint64_t SimDisk::call_count() const {
  const std::lock_guard guard(m_);
  return call_count_;
}

void SimDisk::set_free_bytes(std::uint64_t bytes) {
  const std::lock_guard guard(m_);
  free_bytes_ = bytes;
}

void SimDisk::heal() {
  const std::lock_guard guard(m_);
  fail_call_.reset();
  power_off_call_.reset();
  is_off_ = false;
  has_failed_ = false;
}

void SimDisk::lose_unsynced() {
  heal();
  const std::lock_guard guard(m_);
  for (const NameChange& change : unsynced_) {
    if (random_.chance_percent(50)) apply(change, durable_names_);
  }
  unsynced_.clear();
  // New inodes: who still has a file open holds one of a machine that is gone.
  std::map<const Inode*, std::shared_ptr<Inode>> survivors;
  for (auto& [path, inode] : durable_names_) {
    std::shared_ptr<Inode>& left = survivors[inode.get()];
    if (left == nullptr) left = survivor(*inode);
    ++left->links;
    inode = left;
  }
  names_ = durable_names_;
}

std::shared_ptr<SimDisk::Inode> SimDisk::survivor(const Inode& inode) {
  auto left = std::make_shared<Inode>();
  left->path = inode.path;
  left->charged = inode.charged;
  left->links = 0;
  left->durable = inode.durable;
  left->durable.resize(random_.chance_percent(50) ? inode.live.size() : inode.durable.size());
  for (const std::uint64_t block : inode.dirty) {
    if (random_.chance_percent(50)) Inode::copy_block(block, inode.live, left->durable);
  }
  left->live = left->durable;
  return left;
}

// ---- names and space
// ------------------------------------------------------------------------------

void SimDisk::apply(const NameChange& change, Names& names) {
  for (const auto& [path, inode] : change.names) {
    if (inode == nullptr) {
      names.erase(path);
    } else {
      names[path] = inode;
    }
  }
}

void SimDisk::change_names(NameChange change) {
  std::vector<std::shared_ptr<Inode>> before;
  for (const auto& [path, inode] : change.names) {
    const auto found = names_.find(path);
    if (found != names_.end()) before.push_back(found->second);
  }
  apply(change, names_);
  unsynced_.push_back(std::move(change));
  for (const auto& inode : before) {
    inode->links = static_cast<std::uint64_t>(std::count_if(
        names_.begin(), names_.end(), [&](const auto& entry) { return entry.second == inode; }));
    if (inode->links > 0) continue;
    if (free_bytes_.has_value()) *free_bytes_ += inode->charged;
    inode->charged = 0;
  }
}

std::uint64_t SimDisk::charge(Inode& inode, std::uint64_t bytes) {
  if (bytes <= inode.charged) return bytes;
  std::uint64_t more = bytes - inode.charged;
  if (free_bytes_.has_value()) {
    more = std::min(more, *free_bytes_);
    *free_bytes_ -= more;
  }
  inode.charged += more;
  return inode.charged;
}

void SimDisk::link(const std::string& from, const std::string& to) {
  const std::lock_guard guard(m_);
  const std::shared_ptr<Inode> inode = names_.at(from);
  names_[to] = durable_names_[to] = inode;
  folders_.insert(folder_of(to));
  ++inode->links;
}

std::optional<std::string> SimDisk::contents(const std::string& path) const {
  const std::lock_guard guard(m_);
  const auto found = names_.find(path);
  if (found == names_.end()) return std::nullopt;
  return found->second->live;
}

void SimDisk::put(const std::string& path, std::string contents) {
  const std::lock_guard guard(m_);
  folders_.insert(folder_of(path));
  auto inode = std::make_shared<Inode>();
  inode->path = path;
  inode->charged = contents.size();
  inode->live = contents;
  inode->durable = std::move(contents);
  names_[path] = durable_names_[path] = inode;
}

std::vector<std::string> SimDisk::paths() const {
  const std::lock_guard guard(m_);
  std::vector<std::string> paths;
  for (const auto& [path, inode] : names_) paths.push_back(path);
  return paths;
}

}  // namespace diskdb::io
