#include "log/recovery.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "log/limits.h"
#include "log/read_ahead.h"

namespace diskdb::log {
namespace {

/// The batches of one segment, from its first on, that follow each other within its limit. It says
/// nothing of other segments, so those of several can be read at the same time.
struct Stretch {
  bool has_begun = false;  ///< the header or a batch says where it begins
  Offset begin = 0;
  Offset end = 0;
  std::uint64_t used_bytes = kSegmentHeaderBytes;  ///< of the file
  std::uint64_t batch_count = 0;
  Offset attested = 0;                     ///< the highest that a batch of it vouches for
  std::deque<UnattestedBatch> unattested;  ///< that end above `attested`
};

/// Whoever is not vouched for yet, without those that `attested` covers. Batches end in order.
void drop_attested(std::deque<UnattestedBatch>& batches, Offset attested) {
  while (!batches.empty() && batches.front().offset + batches.front().payload_bytes <= attested) {
    batches.pop_front();
  }
}

/// Builds a Scan; a class because its steps share the findings.
class Scanner {
 public:
  Scanner(io::Disk& disk, std::string folder, std::optional<Offset> checkpoint,
          std::size_t thread_count)
      : disk_(disk),
        folder_(std::move(folder)),
        checkpoint_(checkpoint),
        thread_count_(thread_count) {
    ASSERT(thread_count > 0);
  }

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
  /// ended. Reading and checking is most of the work: it is done for some segments at a time.
  Status follow(std::size_t first) {
    stop_ = {
        .path = folder_, .position = 0, .offset = scan_.end, .reason = "the log does not begin"};
    stop_index_ = first;
    std::vector<std::size_t> next_ones;
    for (std::size_t i = first; i < segments().size(); ++i) {
      if (may_go_on_in(i)) next_ones.push_back(i);
      if (next_ones.size() < thread_count_ && i + 1 < segments().size()) continue;
      TRY(follow_all(next_ones));
      next_ones.clear();
    }
    return Status::okay();
  }

  bool may_go_on_in(std::size_t index) const {
    const FoundSegment& segment = scan_.segments[index];
    return segment.header_state == HeaderState::kGood && scan_.end < segment.limit;
  }

  Status follow_all(const std::vector<std::size_t>& indices) {
    std::vector<std::optional<Result<Stretch>>> stretches(indices.size());
    std::vector<std::thread> readers;
    for (std::size_t i = 1; i < indices.size(); ++i) {
      readers.emplace_back([&, i] { stretches[i] = read_stretch(indices[i]); });
    }
    if (!indices.empty()) stretches[0] = read_stretch(indices[0]);
    for (std::thread& reader : readers) reader.join();
    for (std::size_t i = 0; i < indices.size(); ++i) {
      // Of a segment that is not needed after all, errors do not matter either.
      if (!may_go_on_in(indices[i])) continue;
      TRY_LET(Stretch stretch, std::move(*stretches[i]));
      append(indices[i], std::move(stretch));
    }
    return Status::okay();
  }

  /// Threads: thread-safe.
  Result<Stretch> read_stretch(std::size_t index) const {
    const FoundSegment& segment = scan_.segments[index];
    TRY_LET(const auto file, disk_.open(segment.path, io::OpenMode::kRead));
    TRY_LET(SegmentReader reader, SegmentReader::open(*file, segment.path));
    Stretch stretch;
    if (names_first_offset(segment)) {
      stretch.has_begun = true;
      stretch.begin = stretch.end = segment.header.first_offset;
    }
    while (stretch.end < segment.limit || !stretch.has_begun) {
      const std::uint64_t position = reader.position();
      TRY_LET(const std::optional<Batch> batch, reader.next());
      if (!batch.has_value() || batch->header.end() > segment.limit) break;
      if (!stretch.has_begun) stretch.begin = stretch.end = batch->header.offset;
      if (batch->header.offset != stretch.end) break;
      stretch.has_begun = true;
      stretch.end = batch->header.end();
      stretch.used_bytes = reader.position();
      ++stretch.batch_count;
      stretch.unattested.push_back({.segment = index,
                                    .position = position,
                                    .offset = batch->header.offset,
                                    .payload_bytes = batch->payload.size()});
      stretch.attested =
          std::max(stretch.attested, std::min(batch->header.attested, segment.limit));
      drop_attested(stretch.unattested, stretch.attested);
    }
    return stretch;
  }

  /// Lets the log go on with `stretch`, if it begins where the log has ended so far.
  void append(std::size_t index, Stretch stretch) {
    if (!stretch.has_begun || stretch.begin != scan_.end) return;
    FoundSegment& segment = segments()[index];
    segment.is_part = true;
    segment.begin = stretch.begin;
    segment.end = scan_.end = stretch.end;
    segment.used_bytes = stretch.used_bytes;
    scan_.batch_count += stretch.batch_count;
    scan_.unattested.insert(scan_.unattested.end(), stretch.unattested.begin(),
                            stretch.unattested.end());
    vouch(stretch.attested, segment.limit);
    stop_ = {.path = segment.path,
             .position = segment.used_bytes,
             .offset = scan_.end,
             .reason = "no whole batch begins here"};
    stop_index_ = index;
  }

  /// Evidence of a superseded stretch says nothing beyond where it was superseded.
  void vouch(Offset attested, Offset limit) {
    scan_.attested = std::max(scan_.attested, std::min(attested, limit));
    drop_attested(scan_.unattested, scan_.attested);
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
  const std::size_t thread_count_;
  Scan scan_;
  Damage stop_;
  std::size_t stop_index_ = 0;
  bool is_stop_certain_ = false;
};

}  // namespace

std::uint64_t Scan::next_sequence() const {
  return segments.empty() ? 1 : segments.back().sequence + 1;
}

Result<Scan> scan(io::Disk& disk, const std::string& folder, std::optional<Offset> checkpoint,
                  Threads threads) {
  const std::size_t count =
      threads == Threads::kNo
          ? 1
          : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 2, kCheckThreadsMax);
  return Scanner(disk, folder, checkpoint, count).run();
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
                                  Replay& replay, Threads threads) {
  std::uint64_t bytes = 0;
  const auto visit = [&](const FoundSegment&, const Batch& batch) -> Status {
    if (batch.header.end() <= checkpoint || batch.payload.empty()) return Status::okay();
    const std::uint64_t known = checkpoint - std::min(checkpoint, batch.header.offset);
    const Bytes payload = batch.payload.substr(known);
    bytes += payload.size();
    return replay.replay(payload, batch.header.offset + known);
  };
  if (threads == Threads::kYes) {
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
