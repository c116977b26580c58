// log/recovery.h — what the segment files of a folder say together: which bytes are the log, which
// were vouched for, where it breaks. docs/format/log.md, "Recovery", is the rule; this file only
// reads.
//
// The problem: after a power loss the end of the log may be torn, reordered or missing, and that is
// normal; damage further up is not, and cutting there would drop acknowledged data in silence. The
// idea: every batch carries the offset that was fsynced when it was written, so what follows a bad
// batch tells whether its bytes had been vouched for. Hence the search behind a bad batch, and
// hence every start copies what nobody vouched for: a tail that was recovered once must not be
// judged again by weaker evidence.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "log/segment_reader.h"

namespace diskdb::log {

/// One segment file as found.
struct FoundSegment {
  std::uint64_t sequence = 0;
  std::string path = {};
  std::uint64_t file_bytes = 0;
  HeaderState header_state = HeaderState::kBad;
  SegmentHeader header = {};
  /// Where a later segment's header says that this one ends; kOffsetMax when none does.
  Offset limit = kOffsetMax;
  bool is_part = false;  ///< holds bytes of the log, or may: begin <= end
  Offset begin = 0;
  Offset end = 0;
  std::uint64_t used_bytes = 0;  ///< of the file, up to the end of its last batch of the log
};

/// Where the log stops although more may have been there.
struct Damage {
  std::string path;
  std::uint64_t position = 0;
  Offset offset = 0;
  std::string reason;
};

/// A batch that nobody vouches for whole.
struct UnattestedBatch {
  std::size_t segment = 0;     ///< its index in Scan::segments
  std::uint64_t position = 0;  ///< in that segment's file
  Offset offset = 0;
  std::uint64_t payload_bytes = 0;
};

struct Scan {
  std::vector<FoundSegment> segments;  ///< by sequence
  Offset begin = 0;
  Offset end = 0;               ///< of the whole batches that follow each other from begin on
  Offset attested = 0;          ///< the highest offset vouched for by anyone, at most kOffsetMax
  std::uint64_t cut_bytes = 0;  ///< payload that was announced or found behind `end`
  std::uint64_t batch_count = 0;
  /// Those of the log that end above `attested`, in order.
  std::deque<UnattestedBatch> unattested;
  /// Set when bytes below an attested offset are bad.
  std::optional<Damage> damage;

  std::uint64_t next_sequence() const;
  /// The begin of the first batch that nobody vouches for whole; `end` if there is none.
  Offset first_unattested() const { return unattested.empty() ? end : unattested.front().offset; }
};

/// May recovery start threads of its own, which end before it returns? Without, its calls of the
/// disk come in one order.
enum class Threads : bool { kNo, kYes };

/// Reads everything once. `checkpoint`: what lies below is not needed, and was vouched for; without
/// one the log begins where its first segment does. What is found does not depend on `threads`.
/// Errors: kIo; kInvalid: written by a newer version. Damage is a finding, not an error.
Result<Scan> scan(io::Disk& disk, const std::string& folder, std::optional<Offset> checkpoint,
                  Threads threads);

/// The message that stops a start.
Error corruption(const Damage& damage, const std::string& folder, Offset attested);

/// Calls `visit` for the batches of the log in `scan`, in order, from the segment that holds `from`
/// on; stops at its first error.
Status for_each_batch(io::Disk& disk, const Scan& scan, Offset from,
                      const std::function<Status(const FoundSegment&, const Batch&)>& visit);

/// Hands the payload from `checkpoint` on, which may lie inside a batch, to `replay`, on this
/// thread; `threads`: reading goes on meanwhile. Returns its bytes.
Result<std::uint64_t> replay_from(io::Disk& disk, const Scan& found, Offset checkpoint,
                                  Replay& replay, Threads threads);

std::string path_in(const std::string& folder, const std::string& name);

}  // namespace diskdb::log
