#include "log/log.h"

#include <algorithm>
#include <utility>

#include "log/recovery.h"
#include "log/segment_copy.h"
#include "log/segmented_log.h"

namespace diskdb::log {
namespace {

/// Every name that a start leaves behind is either part of the log or none of its business.
Status remove_leftovers(io::Disk& disk, const Options& options) {
  TRY_LET(const std::vector<std::string> names, disk.list(options.folder));
  for (const std::string& name : names) {
    if (!name.ends_with(kTemporarySuffix) && !name.ends_with(kFreeSuffix)) continue;
    TRY(disk.remove(path_in(options.folder, name)));
  }
  return Status::okay();
}

/// Drops what the new segment has made superfluous, and returns what remains below it.
Result<std::deque<std::shared_ptr<SegmentFile>>> retire_superseded(io::Disk& disk,
                                                                   const Scan& found,
                                                                   const CopyPlan& plan) {
  std::deque<std::shared_ptr<SegmentFile>> kept;
  for (std::size_t i = 0; i < found.segments.size(); ++i) {
    const FoundSegment& segment = found.segments[i];
    if (!segment.is_part || segment.begin >= plan.from) {
      TRY(disk.remove(segment.path));
      continue;
    }
    auto file = std::make_shared<SegmentFile>();
    file->sequence = segment.sequence;
    file->salt = segment.header.salt;
    file->path = segment.path;
    file->file_bytes = segment.file_bytes;
    file->begin = segment.begin;
    file->end = std::min(segment.end, plan.from);
    file->is_complete = file->is_synced = true;
    // Behind the log's end may lie batches that were cut, here or at an earlier start: never
    // recycle those.
    file->may_recycle = segment.limit == kOffsetMax && file->end < plan.from;
    if (segment.path == plan.last_path && plan.last_used_bytes < segment.file_bytes) {
      TRY_LET(const auto handle, disk.open(segment.path, io::OpenMode::kWrite));
      TRY(handle->truncate(plan.last_used_bytes));
      file->file_bytes = plan.last_used_bytes;
    }
    kept.push_back(std::move(file));
  }
  return kept;
}

}  // namespace

Result<std::unique_ptr<Log>> Log::open(io::Disk& disk, io::Clock& clock, Options options,
                                       Replay& replay) {
  if (options.segment_bytes < kSegmentBytesMin) {
    return {Code::kInvalid,
            "a log segment has at least " + std::to_string(kSegmentBytesMin) + " bytes"};
  }
  TRY(disk.make_folder(options.folder));
  TRY_LET(auto folder_lock, disk.lock(path_in(options.folder, kLockName)));
  TRY_LET(const Scan found, scan(disk, options.folder, options.checkpoint));
  if (found.damage.has_value()) return corruption(*found.damage, options.folder, found.attested);
  io::Random random(options.seed != 0 ? options.seed ^ found.next_sequence() : io::entropy());
  const CopyPlan plan = plan_copy(found, found.first_unattested());
  TRY_LET(NewSegment current,
          copy_into_new_segment(disk, options.folder, options.segment_bytes, found, plan,
                                {.salt = random.next() | 1U, .wall = clock.wall()}));
  // What was written and not synced survives a power loss only now; syncing it where it lies would
  // prove nothing after a sync that failed. Whoever takes a checkpoint while it is replayed vouches
  // for it, so it is replayed not before.
  const ReadAhead reads_ahead = options.start_syncer_thread ? ReadAhead::kYes : ReadAhead::kNo;
  TRY_LET(const std::uint64_t replayed_bytes,
          replay_from(disk, found, options.checkpoint, replay, reads_ahead));
  TRY(remove_leftovers(disk, options));
  TRY_LET(auto segments, retire_superseded(disk, found, plan));
  segments.push_back(std::move(current.file));

  Start start{.folder_lock = std::move(folder_lock),
              .segments = std::move(segments),
              .position = current.used_bytes,
              .end = found.end,
              .next_sequence = found.next_sequence() + 1,
              .replayed_bytes = replayed_bytes,
              .cut_bytes = found.cut_bytes};
  auto log =
      std::make_unique<SegmentedLog>(disk, clock, std::move(options), random, std::move(start));
  TRY(log->start());
  return std::unique_ptr<Log>(std::move(log));
}

}  // namespace diskdb::log
