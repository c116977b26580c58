// log/segment_file.h — makes segment files: allocated, their header durable, before anything relies
// on them. docs/format/log.md, "Life of a segment". A file is made under a temporary name and
// renamed when its header is fsynced; with the folder's fsync it exists. So a name that ends in
// .log never shows a half-made header.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "io/file.h"
#include "log/format.h"

namespace diskdb::log {

/// A segment of the running log.
struct SegmentFile {
  std::uint64_t sequence = 0;
  std::uint64_t salt = 0;
  std::string path;
  std::unique_ptr<io::File> file;  ///< null once complete and synced
  std::uint64_t file_bytes = 0;
  Offset begin = 0;
  Offset end = 0;            ///< once complete
  bool is_complete = false;  ///< the log goes on in the next segment
  bool is_synced = false;    ///< complete, and all of it survives power loss
  /// Never true if batches may lie in it that recovery cut: they could be taken for this log's.
  bool may_recycle = false;

  /// Payload that one batch of an empty segment of `file_bytes` can carry; a seal still fits behind
  /// it.
  static std::uint64_t capacity(std::uint64_t file_bytes) {
    constexpr std::uint64_t kOverhead = kSegmentHeaderBytes + 2 * kBatchHeaderBytes;
    return file_bytes > kOverhead ? file_bytes - kOverhead : 0;
  }
  static std::uint64_t file_bytes_for(std::uint64_t payload_bytes) {
    return kSegmentHeaderBytes + 2 * kBatchHeaderBytes + payload_bytes;
  }
};

/// Makes the segment that `header` describes; sets its checksum. `recycled` names a released file
/// to be used again, or is empty. `fill` may write batches behind the header before anything is
/// fsynced. Errors: kNoSpace: nothing is left behind; kIo.
Result<std::unique_ptr<SegmentFile>> make_segment(io::Disk& disk, const std::string& folder,
                                                  SegmentHeader header, std::uint64_t file_bytes,
                                                  const std::string& recycled,
                                                  const std::function<Status(io::File&)>& fill);

}  // namespace diskdb::log
