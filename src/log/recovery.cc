#include "log/recovery.h"

#include <algorithm>

#include "log/read_ahead.h"

namespace diskdb::log {
namespace {

/// Builds a Scan; a class because its steps share the findings.
class Scanner {
 public:
  Scanner(io::Disk& disk, std::string folder, std::optional<Offset> checkpoint)
      : disk_(disk), folder_(std::move(folder)), checkpoint_(checkpoint) {}

  Result<Scan> run() {
    TRY(find_segments());
    set_limits();
    TRY_LET(const std::size_t first, first_needed());
    TRY(follow(first));
    TRY(gather_evidence(first));
    return std::move(scan_);
  }

 private:
  std::vector<FoundSegment>& segments() { return scan_.segments; }

  Status find_segments() {
    TRY_LET(const std::vector<std::string> names, disk_.list(folder_));
    for (const std::string& name : names) {
      const std::optional<std::uint64_t> sequence = segment_sequence(name);
      if (!sequence.has_value()) continue;
      FoundSegment segment{.sequence = *sequence, .path = path_in(folder_, name)};
      TRY_LET(const auto file, disk_.open(segment.path, io::OpenMode::kRead));
      TRY_LET(SegmentReader reader, SegmentReader::open(*file, segment.path));
      segment.file_bytes = reader.file_bytes();
      segment.header_state = reader.header_state();
      if (segment.header_state == HeaderState::kUnknown) {
        return Error{Code::kInvalid, segment.path + " was written by a newer DiskDB"};
      }
      if (segment.header_state == HeaderState::kGood) segment.header = reader.header();
      // A header that moved to another file is as good as none.
      if (segment.header.sequence != *sequence) segment.header_state = HeaderState::kBad;
      segments().push_back(std::move(segment));
    }
    return Status::okay();
  }

  /// A segment that names its first offset ends every segment before it there.
  void set_limits() {
    Offset limit = kOffsetMax;
    for (std::size_t i = segments().size(); i-- > 0;) {
      FoundSegment& segment = segments()[i];
      segment.limit = limit;
      if (names_first_offset(segment)) limit = std::min(limit, segment.header.first_offset);
    }
  }

  static bool names_first_offset(const FoundSegment& segment) {
    return segment.header_state == HeaderState::kGood && !segment.header.continues();
  }

  /// The last segment that begins at or before the checkpoint; the first one if none is known to.
  Result<std::size_t> first_needed() {
    std::vector<std::optional<Offset>> begins;
    std::optional<Offset> lowest;
    for (const FoundSegment& segment : segments()) {
      TRY_LET(const std::optional<Offset> begin, begin_of(segment));
      begins.push_back(begin);
      if (begin.has_value() && begin < lowest.value_or(kOffsetMax)) lowest = begin;
    }
    if (!checkpoint_.has_value()) checkpoint_ = lowest.value_or(0);
    scan_.begin = scan_.end = *checkpoint_;
    for (std::size_t i = begins.size(); i-- > 0;) {
      if (!begins[i].has_value() || *begins[i] > *checkpoint_) continue;
      scan_.begin = scan_.end = *begins[i];
      return i;
    }
    return std::size_t{0};
  }

  Result<std::optional<Offset>> begin_of(const FoundSegment& segment) {
    const std::optional<Offset> unknown;
    if (segment.header_state != HeaderState::kGood) return unknown;
    if (names_first_offset(segment)) return std::optional(segment.header.first_offset);
    TRY_LET(const auto file, disk_.open(segment.path, io::OpenMode::kRead));
    TRY_LET(SegmentReader reader, SegmentReader::open(*file, segment.path));
    TRY_LET(const std::optional<Batch> batch, reader.next());
    return batch.has_value() ? std::optional(batch->header.offset) : unknown;
  }

  /// Follows the batches from `first` on through all segments as far as each begins where the last
  /// ended.
  Status follow(std::size_t first) {
    stop_ = {
        .path = folder_, .position = 0, .offset = scan_.end, .reason = "the log does not begin"};
    stop_index_ = first;
    for (std::size_t i = first; i < segments().size(); ++i) {
      FoundSegment& segment = segments()[i];
      if (segment.header_state != HeaderState::kGood || scan_.end >= segment.limit) continue;
      TRY(follow_segment(i));
    }
    return Status::okay();
  }

  Status follow_segment(std::size_t index) {
    FoundSegment& segment = segments()[index];
    TRY_LET(const auto file, disk_.open(segment.path, io::OpenMode::kRead));
    TRY_LET(SegmentReader reader, SegmentReader::open(*file, segment.path));
    bool is_part = names_first_offset(segment) && segment.header.first_offset == scan_.end;
    if (names_first_offset(segment) && !is_part) return Status::okay();
    segment.begin = segment.end = scan_.end;
    segment.used_bytes = kSegmentHeaderBytes;
    while (scan_.end < segment.limit || !is_part) {
      const std::uint64_t position = reader.position();
      TRY_LET(const std::optional<Batch> batch, reader.next());
      if (!batch.has_value() || batch->header.offset != scan_.end ||
          batch->header.end() > segment.limit) {
        reader.move_to(position);
        break;
      }
      is_part = true;
      ++scan_.batch_count;
      scan_.unattested.push_back({.segment = index,
                                  .position = position,
                                  .offset = batch->header.offset,
                                  .payload_bytes = batch->payload.size()});
      vouch(batch->header.attested, segment.limit);
      scan_.end = segment.end = batch->header.end();
      segment.used_bytes = reader.position();
    }
    segment.is_part = is_part;
    if (!is_part) return Status::okay();
    stop_ = {.path = segment.path,
             .position = reader.position(),
             .offset = scan_.end,
             .reason = "no whole batch begins here"};
    stop_index_ = index;
    return Status::okay();
  }

  /// Evidence of a superseded stretch says nothing beyond where it was superseded.
  void vouch(Offset attested, Offset limit) {
    scan_.attested = std::max(scan_.attested, std::min(attested, limit));
    std::deque<UnattestedBatch>& batches = scan_.unattested;
    while (!batches.empty() &&
           batches.front().offset + batches.front().payload_bytes <= scan_.attested) {
      batches.pop_front();
    }
  }

  /// Looks behind the place where the log stops for batches that vouch for what should be there.
  Status gather_evidence(std::size_t first) {
    vouch(*checkpoint_, kOffsetMax);
    Offset seen_end = scan_.end;
    for (std::size_t i = std::max(first, stop_index_); i < segments().size(); ++i) {
      FoundSegment& segment = segments()[i];
      // What was superseded at or below the end of the log is over and done with.
      if (segment.limit <= scan_.end) continue;
      TRY(search_segment(i, seen_end));
    }
    scan_.cut_bytes = seen_end - scan_.end;
    if (scan_.attested > scan_.end && !scan_.damage.has_value()) scan_.damage = stop_;
    return Status::okay();
  }

  Status search_segment(std::size_t index, Offset& seen_end) {
    const FoundSegment& segment = segments()[index];
    TRY_LET(const auto file, disk_.open(segment.path, io::OpenMode::kRead));
    TRY_LET(SegmentReader reader, SegmentReader::open(*file, segment.path));
    const bool is_good = segment.header_state == HeaderState::kGood;
    if (is_good) {
      vouch(segment.header.attested, segment.limit);
      if (names_first_offset(segment)) vouch(segment.header.first_offset, segment.limit);
    }
    const std::uint64_t begin = segment.is_part ? segment.used_bytes : kSegmentHeaderBytes;
    reader.move_to(begin);
    TRY_LET(const std::optional<BatchHeader> torn, reader.announced());
    if (is_good && torn.has_value() && torn->offset == scan_.end) {
      note_stop(segment, begin);
      seen_end = std::max(seen_end, torn->end());
    }
    // Under a bad header only batches that the log could need count: older ones are an earlier
    // life's.
    const Offset at_least = is_good ? 0 : scan_.end;
    while (true) {
      TRY_LET(const std::optional<Batch> batch, reader.search(at_least));
      if (!batch.has_value()) return Status::okay();
      // Batches from the very beginning on, yet too late: it is the stretch before them that is
      // missing.
      if (batch->position > begin) note_stop(segment, begin);
      is_stop_certain_ = true;
      vouch(batch->header.attested, segment.limit);
      seen_end = std::max(seen_end, std::min(batch->header.end(), segment.limit));
      if (is_good) continue;
      // A header is fsynced before the first batch, so here it was damaged later.
      scan_.damage = {.path = segment.path,
                      .position = 0,
                      .offset = scan_.end,
                      .reason = "the segment's header is bad, but batches follow it"};
      return Status::okay();
    }
  }

  /// A segment that was filled ends like one that is damaged. Which one lacks something shows where
  /// batches begin later than they should, or a header announces the very offset that is missing.
  void note_stop(const FoundSegment& segment, std::uint64_t position) {
    if (is_stop_certain_) return;
    is_stop_certain_ = true;
    stop_.path = segment.path;
    stop_.position = position;
  }

  io::Disk& disk_;
  std::string folder_;
  std::optional<Offset> checkpoint_;
  Scan scan_;
  Damage stop_;
  std::size_t stop_index_ = 0;
  bool is_stop_certain_ = false;
};

}  // namespace

std::uint64_t Scan::next_sequence() const {
  return segments.empty() ? 1 : segments.back().sequence + 1;
}

Result<Scan> scan(io::Disk& disk, const std::string& folder, std::optional<Offset> checkpoint) {
  return Scanner(disk, folder, checkpoint).run();
}

Error corruption(const Damage& damage, const std::string& folder, Offset attested) {
  return {Code::kCorrupt,
          damage.path + " is damaged at byte " + std::to_string(damage.position) + ": " +
              damage.reason + "; the log is whole up to offset " + std::to_string(damage.offset) +
              ", but was safely stored up to " + std::to_string(attested) +
              ". Restore the file, or cut the log there, losing what follows, with: "
              "diskdb --repair-log " +
              folder};
}

Status for_each_batch(io::Disk& disk, const Scan& scan, Offset from,
                      const std::function<Status(const FoundSegment&, const Batch&)>& visit) {
  Offset expected = scan.begin;
  for (const FoundSegment& segment : scan.segments) {
    if (!segment.is_part) continue;
    ASSERT(segment.begin == expected || expected == scan.begin);
    expected = segment.end;
    if (segment.end <= from) continue;
    expected = segment.begin;
    TRY_LET(const auto file, disk.open(segment.path, io::OpenMode::kRead));
    TRY_LET(SegmentReader reader, SegmentReader::open(*file, segment.path));
    while (reader.position() < segment.used_bytes) {
      const std::uint64_t position = reader.position();
      TRY_LET(const std::optional<Batch> batch, reader.next());
      if (!batch.has_value() || batch->header.offset != expected) {
        // It was whole a moment ago: the disk gives different bytes on each reading.
        return Error{Code::kIo, segment.path + ": the batch at byte " + std::to_string(position) +
                                    " was good when read first, and now is not"};
      }
      TRY(visit(segment, *batch));
      expected = batch->header.end();
    }
  }
  ASSERT(expected == scan.end);
  return Status::okay();
}

Result<std::uint64_t> replay_from(io::Disk& disk, const Scan& found, Offset checkpoint,
                                  Replay& replay, ReadAhead reads_ahead) {
  std::uint64_t bytes = 0;
  const auto visit = [&](const FoundSegment&, const Batch& batch) -> Status {
    if (batch.header.end() <= checkpoint || batch.payload.empty()) return Status::okay();
    const std::uint64_t known = checkpoint - std::min(checkpoint, batch.header.offset);
    const Bytes payload = batch.payload.substr(known);
    bytes += payload.size();
    return replay.replay(payload, batch.header.offset + known);
  };
  if (reads_ahead == ReadAhead::kYes) {
    TRY(for_each_batch_ahead(disk, found, checkpoint, visit));
  } else {
    TRY(for_each_batch(disk, found, checkpoint, visit));
  }
  return bytes;
}

std::string path_in(const std::string& folder, const std::string& name) {
  return folder + "/" + name;
}

}  // namespace diskdb::log
