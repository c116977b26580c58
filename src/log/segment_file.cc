#include "log/segment_file.h"

#include "log/recovery.h"

namespace diskdb::log {
namespace {

/// Removing what is not there is fine: a failed attempt, or an earlier process, may have left it,
/// or not.
Status remove_leftover(io::Disk& disk, const std::string& path) {
  Status status = disk.remove(path);
  if (!status.ok() && status.error().code == Code::kNotFound) return Status::okay();
  return status;
}

/// The file at `temporary`, as big as asked for.
Result<std::unique_ptr<io::File>> open_allocated(io::Disk& disk, const std::string& temporary,
                                                 std::uint64_t file_bytes,
                                                 const std::string& recycled) {
  if (recycled.empty()) {
    TRY_LET(auto file, disk.open(temporary, io::OpenMode::kCreate));
    TRY(file->allocate(file_bytes));
    return file;
  }
  TRY(disk.rename(recycled, temporary));
  TRY_LET(auto file, disk.open(temporary, io::OpenMode::kWrite));
  TRY(file->allocate(file_bytes));
  return file;
}

Result<std::unique_ptr<io::File>> make_file(io::Disk& disk, const std::string& temporary,
                                            const SegmentHeader& header, std::uint64_t file_bytes,
                                            const std::string& recycled,
                                            const std::function<Status(io::File&)>& fill) {
  TRY_LET(auto file, open_allocated(disk, temporary, file_bytes, recycled));
  const Bytes parts[] = {bytes_of(header)};
  TRY(file->write_at(0, parts));
  if (fill) TRY(fill(*file));
  TRY(file->sync());
  return file;
}

}  // namespace

Result<std::unique_ptr<SegmentFile>> make_segment(io::Disk& disk, const std::string& folder,
                                                  SegmentHeader header, std::uint64_t file_bytes,
                                                  const std::string& recycled,
                                                  const std::function<Status(io::File&)>& fill) {
  seal(header);
  auto segment = std::make_unique<SegmentFile>();
  segment->sequence = header.sequence;
  segment->salt = header.salt;
  segment->path = path_in(folder, segment_name(header.sequence));
  segment->file_bytes = file_bytes;
  const std::string temporary = segment->path + kTemporarySuffix;

  TRY(remove_leftover(disk, temporary));
  auto file = make_file(disk, temporary, header, file_bytes, recycled, fill);
  if (!file.ok()) {
    // The first error is the one to report; should the removal fail too, the next attempt repeats
    // it.
    (void)remove_leftover(disk, temporary);
    return file.status();
  }
  segment->file = std::move(file.value());
  TRY(disk.rename(temporary, segment->path));
  TRY(disk.sync_folder(folder));
  return segment;
}

}  // namespace diskdb::log
