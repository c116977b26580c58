#include "store/checkpoint_files.h"

#include <utility>

#include "base/reached.h"
#include "store/status.h"

namespace diskdb::store {
namespace {

rocksdb::Slice slice(Bytes bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

Status empty_folder(io::Disk& disk, const std::string& folder) {
  TRY_LET(const std::vector<std::string> names, disk.list(folder));
  for (const std::string& name : names) TRY(disk.remove(folder + "/" + name));
  return Status::okay();
}

StagedFiles::StagedFiles(io::Disk& disk, std::string folder, const rocksdb::Options& options,
                         std::uint64_t file_bytes_max)
    : disk_(disk),
      folder_(std::move(folder)),
      file_bytes_max_(file_bytes_max),
      // Whoever reads them next finds them in the page cache.
      writer_(rocksdb::EnvOptions(), options, nullptr, /*invalidate_page_cache=*/false) {}

StagedFiles::~StagedFiles() {
  for (const std::string& path : paths_) {
    // What stays is removed before the next checkpoint.
    if (!disk_.remove(path).ok()) REACHED("store: a staged file could not be removed");
  }
}

Status StagedFiles::begin_entry(Bytes key) {
  ASSERT(!is_finished_);
  ASSERT(entry_count_ == 0 || key > floor_ || (!floor_is_taken_ && key == floor_));
  if (!poison_.ok() || is_open_) return poison_;
  paths_.push_back(folder_ + "/" + std::to_string(paths_.size()) + ".sst");
  if (auto status = writer_.Open(paths_.back()); !status.ok()) return poison_ = translate(status);
  is_open_ = true;
  return Status::okay();
}

Status StagedFiles::end_entry(const rocksdb::Status& status) {
  if (!status.ok()) return poison_ = translate(status);
  ++entry_count_;
  open_bytes_ = writer_.FileSize();
  return open_bytes_ < file_bytes_max_ ? Status::okay() : finish_file();
}

Status StagedFiles::put(Bytes key, Bytes value) {
  TRY(begin_entry(key));
  floor_ = key;
  floor_is_taken_ = true;
  return end_entry(writer_.Put(slice(key), slice(value)));
}

Status StagedFiles::erase(Bytes key) {
  TRY(begin_entry(key));
  floor_ = key;
  floor_is_taken_ = true;
  return end_entry(writer_.Delete(slice(key)));
}

Status StagedFiles::erase_range(const KeyRange& range) {
  ASSERT(range.from < range.to);
  TRY(begin_entry(range.from));
  floor_ = range.to;
  floor_is_taken_ = false;
  return end_entry(writer_.DeleteRange(slice(range.from), slice(range.to)));
}

Status StagedFiles::finish_file() {
  if (auto status = writer_.Finish(); !status.ok()) return poison_ = translate(status);
  finished_bytes_ += writer_.FileSize();
  open_bytes_ = 0;
  is_open_ = false;
  return Status::okay();
}

Status StagedFiles::finish() {
  ASSERT(!is_finished_);
  TRY(poison_);
  if (is_open_) TRY(finish_file());
  is_finished_ = true;
  return Status::okay();
}

std::uint64_t StagedFiles::written_bytes() const { return finished_bytes_ + open_bytes_; }

const std::vector<std::string>& StagedFiles::paths() const {
  ASSERT(is_finished_);
  return paths_;
}

}  // namespace diskdb::store
