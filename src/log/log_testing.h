// log/log_testing.h — what the log's tests share: a record of what was appended and what was
// promised, and a log on a simulated disk that can lose power and start again. Test code only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/sim_disk.h"
#include "log/log.h"

namespace diskdb::log::testing {

/// Collects what recovery hands over.
class Collector final : public Replay {
 public:
  explicit Collector(Offset begin = 0) : begin_(begin) {}
  Status replay(Bytes payload, Offset at) override {
    EXPECT_EQ(at, end()) << "a gap in what is replayed";
    EXPECT_FALSE(payload.empty());
    starts.push_back(at);
    text += payload;
    return Status::okay();
  }
  Offset end() const { return begin_ + text.size(); }

  std::string text;
  std::vector<Offset> starts;  ///< of each call

 private:
  Offset begin_;
};

inline std::string select_command(std::uint32_t db) {
  const std::string digits = std::to_string(db);
  return "*2\r\n$6\r\nSELECT\r\n$" + std::to_string(digits.size()) + "\r\n" + digits + "\r\n";
}

/// A log on a simulated disk through many lives, checked against the history of all that was
/// appended.
class Rig {
 public:
  explicit Rig(std::uint64_t seed) : disk(seed) {
    options.folder = "/data/log";
    options.segment_bytes = 4_KiB;
    options.fsync = Fsync::kAlways;
    options.seed = seed + 1;
    options.start_syncer_thread = false;
    options.on_fatal = [this](const Status& status) { fatal_errors.push_back(status); };
  }

  /// Opens the log. What was recovered must be a part of the history from the checkpoint on, end
  /// between two frames, and reach at least `promised`; what it lacks never was, from then on.
  Status open() {
    fatal_errors.clear();
    Collector found(options.checkpoint);
    auto opened = Log::open(disk, clock, options, found);
    if (!opened.ok()) return opened.status();
    log = std::move(opened.value());
    EXPECT_GE(found.end(), promised) << "lost what was acknowledged";
    EXPECT_LE(found.end(), history.size()) << "invented something";
    EXPECT_EQ(found.text, history.substr(options.checkpoint, found.text.size())) << "other bytes";
    EXPECT_TRUE(frame_ends.count(found.end()) == 1) << "half a frame";
    for (const Offset start : found.starts) {
      EXPECT_TRUE(frame_ends.count(start) == 1 || start == options.checkpoint)
          << "a batch cuts a frame";
    }
    recovered = found.end();
    history.resize(recovered);
    frame_ends.erase(frame_ends.upper_bound(recovered), frame_ends.end());
    promised = recovered;
    last_db.reset();
    return Status::okay();
  }
  /// The code that open() fails with; none if it succeeds.
  std::optional<Code> open_failure() {
    const Status status = open();
    return status.ok() ? std::nullopt : std::optional(status.error().code);
  }
  void must_open() {
    const Status status = open();
    ASSERT_TRUE(status.ok()) << status.error().message;
  }

  Offset append(std::uint32_t db, const std::string& frame) {
    // Two parts, as a command's arguments would come.
    const Bytes parts[] = {Bytes(frame).substr(0, frame.size() / 2),
                           Bytes(frame).substr(frame.size() / 2)};
    const Offset end = log->append(db, parts);
    if (last_db != db) history += select_command(db);
    last_db = db;
    history += frame;
    EXPECT_EQ(end, history.size());
    frame_ends.insert(end);
    return end;
  }
  /// Appends a frame of about `bytes` that no other frame equals.
  Offset append_any(std::size_t bytes, std::uint32_t db = 0) {
    std::string frame = "[" + std::to_string(++frame_count) + "]";
    while (frame.size() < bytes)
      frame += static_cast<char>('a' + (frame_count + frame.size()) % 26);
    return append(db, frame);
  }
  /// Notes what a client may be told by now.
  void note_promises() { promised = std::max(promised, log->acknowledgeable()); }

  /// The process ends at once; the operating system lives.
  void kill() {
    disk.power_off_at(0);  // its destructor must not write anything more
    log.reset();
    disk.heal();
  }
  void lose_power() {
    disk.power_off_at(0);
    log.reset();
    disk.lose_unsynced();
  }
  std::vector<std::string> segment_paths() const {
    std::vector<std::string> segments;
    for (const std::string& path : disk.paths()) {
      if (path.ends_with(".log")) segments.push_back(path);
    }
    return segments;
  }

  io::SimDisk disk;
  io::ManualClock clock;
  Options options;
  std::unique_ptr<Log> log;
  std::vector<Status> fatal_errors;
  std::string history;  ///< every byte appended and not lost
  std::set<Offset> frame_ends = {0};
  Offset promised = 0;   ///< highest offset acknowledged
  Offset recovered = 0;  ///< by the last open()
  std::optional<std::uint32_t> last_db;
  std::uint64_t frame_count = 0;
};

/// Counts its calls.
class CountingListener final : public Listener {
 public:
  void log_advanced() override { ++calls; }
  int calls = 0;
};

}  // namespace diskdb::log::testing
