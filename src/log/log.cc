#include "log/log.h"

#include <algorithm>
#include <optional>
#include <thread>
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

/// The copy of what nobody vouched for, made beside the replay of the rest if threads are allowed.
/// Threads: none of its callers; it owns one.
class TailCopy {
 public:
  /// Borrows what `make` borrows until the copy is there or this is destroyed.
  TailCopy(Threads threads, std::function<Result<NewSegment>()> make) : make_(std::move(make)) {
    if (threads == Threads::kYes) thread_ = std::thread([this] { made_ = make_(); });
  }
  ~TailCopy() {
    if (thread_.joinable()) thread_.join();
  }
  TailCopy(const TailCopy&) = delete;
  TailCopy& operator=(const TailCopy&) = delete;

  /// The segment, once all of it survives a power loss.
  Result<NewSegment>& wait() {
    if (thread_.joinable()) thread_.join();
    if (!made_.has_value()) made_ = make_();
    return *made_;
  }

 private:
  std::function<Result<NewSegment>()> make_;
  std::optional<Result<NewSegment>> made_;
  std::thread thread_;
};

/// What was written and not synced survives a power loss only once it has been copied; syncing it
/// where it lies would prove nothing after a sync that failed. Whoever takes a checkpoint while it
/// is replayed vouches for it, so it is replayed not before.
class BehindTheCopy final : public Replay {
 public:
  /// Borrows both. `from`: what lies below is vouched for.
  BehindTheCopy(Replay& replay, TailCopy& copy, Offset from)
      : replay_(replay), copy_(copy), from_(from) {}
  Status replay(Bytes payload, Offset at) override {
    if (at + payload.size() > from_) TRY(copy_.wait().status());
    return replay_.replay(payload, at);
  }

 private:
  Replay& replay_;
  TailCopy& copy_;
  const Offset from_;
};

}  // namespace

Result<std::unique_ptr<Log>> Log::open(io::Disk& disk, io::Clock& clock, Options options,
                                       Replay& replay) {
  if (options.segment_bytes < kSegmentBytesMin) {
    return {Code::kInvalid,
            "a log segment has at least " + std::to_string(kSegmentBytesMin) + " bytes"};
  }
  TRY(disk.make_folder(options.folder));
  TRY_LET(auto folder_lock, disk.lock(path_in(options.folder, kLockName)));
  const Threads threads = options.start_syncer_thread ? Threads::kYes : Threads::kNo;
  TRY_LET(const Scan found, scan(disk, options.folder, options.checkpoint, threads));
  if (found.damage.has_value()) return corruption(*found.damage, options.folder, found.attested);
  io::Random random(options.seed != 0 ? options.seed ^ found.next_sequence() : io::entropy());
  const CopyPlan plan = plan_copy(found, found.first_unattested());
  const Birth birth{.salt = random.next() | 1U, .wall = clock.wall()};
  TailCopy copy(threads, [&] {
    return copy_into_new_segment(disk, options.folder, options.segment_bytes, found, plan, birth);
  });
  // Whoever asked for one order gets the copy first, as if nothing were vouched for.
  if (threads == Threads::kNo) TRY(copy.wait().status());
  BehindTheCopy behind_the_copy(replay, copy, plan.from);
  TRY_LET(const std::uint64_t replayed_bytes,
          replay_from(disk, found, options.checkpoint, behind_the_copy, threads));
  TRY_LET(NewSegment current, std::move(copy.wait()));
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
