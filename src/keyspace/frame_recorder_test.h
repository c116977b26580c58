// keyspace/frame_recorder_test.h — a log that keeps its frames in memory. For tests.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "log/log.h"

namespace diskdb::keyspace {

/// Threads: thread-safe, but for frames().
class FrameRecorder : public log::Log {
 public:
  struct Frame {
    std::uint32_t db;
    std::string bytes;
  };
  /// In the log's order. Requires: nobody appends.
  const std::vector<Frame>& frames() const { return frames_; }

  log::Offset append(std::uint32_t db, std::span<const Bytes> parts) override {
    Frame frame{.db = db, .bytes = {}};
    for (const Bytes part : parts) frame.bytes += part;
    const std::lock_guard lock(mutex_);
    end_ += frame.bytes.size();
    frames_.push_back(std::move(frame));
    return end_;
  }
  log::Offset appended() const override {
    const std::lock_guard lock(mutex_);
    return end_;
  }

  log::Position position() const override { return {.offset = appended(), .db = 0}; }
  void write_pending() override {}
  log::Offset acknowledgeable() const override { return appended(); }
  void await(log::Listener& listener, log::Offset) override { listener.log_advanced(); }
  void forget(log::Listener&) override {}
  std::uint64_t pending_bytes() const override { return 0; }
  bool has_room() const override { return true; }
  bool reserve(std::uint64_t) override { return true; }
  Status sync_all() override { return Status::okay(); }
  Status read(log::Offset, log::Replay&) override { return Status::okay(); }
  Status release_below(log::Offset) override { return Status::okay(); }
  Status close() override { return Status::okay(); }
  void set_fsync(log::Fsync, Millis) override {}
  log::Stats stats() const override { return {}; }
  void sync_step() override {}

 private:
  mutable std::mutex mutex_;
  std::vector<Frame> frames_;  // guarded by mutex_, as what follows
  log::Offset end_ = 0;
};

}  // namespace diskdb::keyspace
