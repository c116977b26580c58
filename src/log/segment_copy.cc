#include "log/segment_copy.h"

#include <algorithm>

namespace diskdb::log {
namespace {

/// Writes batches one behind the other, many with one call.
class BatchWriter {
 public:
  explicit BatchWriter(io::File& file) : file_(file) {}

  Status add(BatchHeader header, Bytes payload) {
    const Bytes parts[] = {payload};
    seal(header, parts);
    buffer_ += bytes_of(header);
    buffer_ += payload;
    return buffer_.size() >= kBufferBytes ? flush() : Status::okay();
  }
  Status flush() {
    const Bytes parts[] = {buffer_};
    TRY(file_.write_at(position_, parts));
    position_ += buffer_.size();
    buffer_.clear();
    return Status::okay();
  }

 private:
  static constexpr std::size_t kBufferBytes = 1_MiB;
  io::File& file_;
  std::uint64_t position_ = kSegmentHeaderBytes;
  std::string buffer_;
};

}  // namespace

CopyPlan plan_copy(const Scan& found, Offset from) {
  CopyPlan plan{.from = from, .file_bytes = 0, .last_path = {}, .last_used_bytes = 0};
  for (const FoundSegment& segment : found.segments) {
    if (!segment.is_part || segment.begin >= from) continue;
    plan.last_path = segment.path;
    plan.last_used_bytes = segment.used_bytes;
  }
  bool is_first = true;
  for (const UnattestedBatch& batch : found.unattested) {
    if (batch.offset < from || batch.payload_bytes == 0) continue;
    const bool is_in_last = found.segments[batch.segment].path == plan.last_path;
    if (is_first && is_in_last) plan.last_used_bytes = batch.position;
    is_first = false;
    plan.file_bytes += kBatchHeaderBytes + batch.payload_bytes;
  }
  return plan;
}

Result<NewSegment> copy_into_new_segment(io::Disk& disk, const std::string& folder,
                                         std::uint64_t segment_bytes, const Scan& found,
                                         const CopyPlan& plan, Birth birth) {
  SegmentHeader header;
  header.salt = birth.salt;
  header.sequence = found.next_sequence();
  header.first_offset = plan.from;
  // True by the time it is read: the copies are fsynced before the file gets its name.
  header.attested = found.end;
  header.created_ms = birth.wall.count;
  const auto fill = [&](io::File& file) -> Status {
    BatchWriter writer(file);
    const auto copy = [&](const FoundSegment&, const Batch& batch) -> Status {
      if (batch.header.offset < plan.from || batch.payload.empty()) return Status::okay();
      BatchHeader copied = batch.header;
      copied.salt = birth.salt;
      return writer.add(copied, batch.payload);
    };
    if (plan.from < found.end) TRY(for_each_batch(disk, found, plan.from, copy));
    return writer.flush();
  };

  NewSegment made;
  made.used_bytes = kSegmentHeaderBytes + plan.file_bytes;
  const std::uint64_t least = made.used_bytes + kBatchHeaderBytes;  // room for a seal
  auto file = make_segment(disk, folder, header, std::max(segment_bytes, least), "", fill);
  if (!file.ok() && file.error().code == Code::kNoSpace) {
    // With this little the server can at least start and be read from, until there is room again.
    file = make_segment(disk, folder, header, least, "", fill);
  }
  if (!file.ok()) return file.status();
  made.file = std::move(file.value());
  made.file->begin = plan.from;
  made.file->may_recycle = true;
  return made;
}

}  // namespace diskdb::log
