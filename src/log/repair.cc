// log/repair.cc — `diskdb --check-log` and `--repair-log`: what a human does when a start refuses
// the log. A check changes nothing. A repair loses what lies behind the first bad batch, on
// purpose, but keeps its bytes in files that the log never reads.

#include <algorithm>

#include "io/clock.h"
#include "io/random.h"
#include "log/recovery.h"
#include "log/segment_copy.h"

namespace diskdb::log {
namespace {

std::string describe(const Scan& found) {
  std::string text;
  for (const FoundSegment& segment : found.segments) {
    text += segment.path + ": ";
    if (segment.header_state != HeaderState::kGood) {
      text += "bad header";
    } else if (segment.is_part) {
      text += "offsets " + std::to_string(segment.begin) + " to " + std::to_string(segment.end) +
              " in " + std::to_string(segment.used_bytes) + " of " +
              std::to_string(segment.file_bytes) + " bytes";
    } else {
      text += "holds nothing of the log";
    }
    text += "\n";
  }
  text += "whole up to offset " + std::to_string(found.end) + ", vouched for up to " +
          std::to_string(found.attested) + ", " + std::to_string(found.cut_bytes) +
          " bytes seen behind the end\n";
  if (found.damage.has_value()) {
    text += found.damage->path + ": damaged at byte " + std::to_string(found.damage->position) +
            ": " + found.damage->reason + "\n";
  } else if (found.cut_bytes > 0) {
    text += "the end is torn, as after a power loss; the next start cuts it\n";
  }
  return text;
}

/// Writes the bytes of `path` from `position` on to a new file, durably.
Status save_tail(io::Disk& disk, const std::string& path, std::uint64_t position,
                 const std::string& to) {
  TRY_LET(const auto source, disk.open(path, io::OpenMode::kRead));
  TRY_LET(const std::uint64_t file_bytes, source->size());
  if (const Status status = disk.remove(to);
      !status.ok() && status.error().code != Code::kNotFound) {
    return status;
  }
  TRY_LET(const auto target, disk.open(to, io::OpenMode::kCreate));
  std::string buffer(1_MiB, '\0');
  for (std::uint64_t at = position; at < file_bytes;) {
    TRY_LET(const std::size_t got, source->read_at(at, {buffer.data(), buffer.size()}));
    if (got == 0) break;
    const Bytes parts[] = {Bytes(buffer).substr(0, got)};
    TRY(target->write_at(at - position, parts));
    at += got;
  }
  return target->sync();
}

}  // namespace

Result<CheckReport> check(io::Disk& disk, const std::string& folder) {
  TRY_LET(const auto lock, disk.lock(path_in(folder, kLockName)));
  TRY_LET(const Scan found, scan(disk, folder, std::nullopt, Threads::kNo));
  return CheckReport{.is_sound = !found.damage.has_value(), .text = describe(found)};
}

Result<CheckReport> repair(io::Disk& disk, const std::string& folder) {
  TRY_LET(const auto lock, disk.lock(path_in(folder, kLockName)));
  TRY_LET(const Scan found, scan(disk, folder, std::nullopt, Threads::kNo));
  CheckReport report{.is_sound = true, .text = describe(found)};
  if (!found.damage.has_value()) {
    report.text += "nothing to repair\n";
    return report;
  }

  // First save what is going to be cut, then let a new segment's header say that the log ends here,
  // which is the repair; only then take the cut parts away. Stopped anywhere in between, it can be
  // done again.
  const CopyPlan plan = plan_copy(found, found.end);
  if (!plan.last_path.empty()) {
    const std::string saved =
        plan.last_path + "." + std::to_string(plan.last_used_bytes) + kCutSuffix;
    TRY(save_tail(disk, plan.last_path, plan.last_used_bytes, saved));
    report.text += "saved what was cut from " + plan.last_path + " as " + saved + "\n";
  }
  TRY(disk.sync_folder(folder));
  io::RealClock clock;
  TRY(copy_into_new_segment(disk, folder, 0, found, plan,
                            {.salt = io::entropy() | 1U, .wall = clock.wall()}));
  for (const FoundSegment& segment : found.segments) {
    if (segment.is_part && segment.begin < plan.from) continue;
    TRY(disk.rename(segment.path, segment.path + kCutSuffix));
    report.text += "put aside " + segment.path + kCutSuffix + "\n";
  }
  if (!plan.last_path.empty()) {
    TRY_LET(const auto file, disk.open(plan.last_path, io::OpenMode::kWrite));
    TRY(file->truncate(plan.last_used_bytes));
    TRY(file->sync());
  }
  TRY(disk.sync_folder(folder));
  report.text += "the log now ends at offset " + std::to_string(found.end) + "\n";
  return report;
}

}  // namespace diskdb::log
