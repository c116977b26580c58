// log/segment_copy.h — the segment that every start begins with: it holds a copy of what nobody
// vouched for. docs/format/log.md, "Recovery": its header ends the segments before it where the
// copy begins, and makes the copied bytes a durable part of the log, whatever becomes of the place
// they came from.
#pragma once

#include <memory>
#include <string>

#include "log/recovery.h"
#include "log/segment_file.h"

namespace diskdb::log {

/// What is to be copied: the batches of the log from the offset `from` on.
struct CopyPlan {
  Offset from = 0;
  std::uint64_t file_bytes = 0;  ///< their headers and payloads
  std::string last_path;         ///< the segment that keeps what lies right below `from`, if any
  std::uint64_t last_used_bytes = 0;  ///< of it
};
/// Requires: nobody vouches for what lies at or above `from`.
CopyPlan plan_copy(const Scan& found, Offset from);

struct NewSegment {
  std::shared_ptr<SegmentFile> file;
  std::uint64_t used_bytes = 0;
};
struct Birth {
  std::uint64_t salt;
  Millis wall;
};
/// Makes the segment, with all of its bytes and its name durable. On a full disk it gets no bigger
/// than it must.
Result<NewSegment> copy_into_new_segment(io::Disk& disk, const std::string& folder,
                                         std::uint64_t segment_bytes, const Scan& found,
                                         const CopyPlan& plan, Birth birth);

}  // namespace diskdb::log
