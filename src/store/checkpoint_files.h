// store/checkpoint_files.h — the staged files of one checkpoint: entries in the order of keys, cut
// into SST files of a bounded size, none of them empty. A file's number is its place; files do not
// overlap, since a range lies in the file that is being written when it comes.
#pragma once

#include <rocksdb/sst_file_writer.h>

#include <string>
#include <vector>

#include "store/store.h"

namespace diskdb::store {

/// Removes every file in `folder`.
Status empty_folder(io::Disk& disk, const std::string& folder);

/// Threads: one at a time.
class StagedFiles final : public CheckpointFiles {
 public:
  /// Borrows `disk`, and the environment in `options`. Files in `folder` are its own from now on.
  StagedFiles(io::Disk& disk, std::string folder, const rocksdb::Options& options,
              std::uint64_t file_bytes_max);
  ~StagedFiles() override;

  Status put(Bytes key, Bytes value) override;
  Status erase(Bytes key) override;
  Status erase_range(const KeyRange& range) override;
  Status finish() override;
  std::uint64_t written_bytes() const override;
  std::uint64_t entry_count() const override { return entry_count_; }

  /// Requires: finish() succeeded.
  const std::vector<std::string>& paths() const;
  /// They are the store's now.
  void release() { paths_.clear(); }

 private:
  Status begin_entry(Bytes key);
  Status end_entry(const rocksdb::Status& status);
  Status finish_file();

  io::Disk& disk_;
  std::string folder_;
  std::uint64_t file_bytes_max_;
  rocksdb::SstFileWriter writer_;
  std::vector<std::string> paths_;
  bool is_open_ = false;  // has the last of paths_ been begun and not finished?
  bool is_finished_ = false;
  Status poison_;                     // the first failure, returned ever after
  std::string floor_;                 // the next key is at or above it,
  bool floor_is_taken_ = false;       // and not the same
  std::uint64_t finished_bytes_ = 0;  // of the files before the open one
  std::uint64_t open_bytes_ = 0;      // of the open one
  std::uint64_t entry_count_ = 0;
};

}  // namespace diskdb::store
