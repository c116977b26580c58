// log/segmented_log.h — the Log of log.h on segment files.
//
// Two roles touch the disk. The writer is whichever thread comes by with something to write; it
// owns the current segment's end and never waits for another thread. The syncer is a thread of its
// own; it fsyncs and makes spare segments, so that no network thread ever waits for either. They
// meet in m_, which is held for a few instructions only: the writer takes the spare from there and
// queues the segment it has filled; where it finds no spare, the frames stay in memory,
// unacknowledged, until the syncer has made one and writes them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "io/random.h"
#include "log/frame_queue.h"
#include "log/log.h"
#include "log/segment_file.h"
#include "log/waiters.h"
#include "log/writer_role.h"

namespace diskdb::log {

/// What recovery hands to the running log.
struct Start {
  std::unique_ptr<io::FileLock> folder_lock;
  std::deque<std::shared_ptr<SegmentFile>> segments;  ///< the last one is current
  std::uint64_t position = 0;                         ///< in the current one's file
  Offset end = 0;
  std::uint64_t next_sequence = 0;
  std::uint64_t replayed_bytes = 0;
  std::uint64_t cut_bytes = 0;
};

class SegmentedLog final : public Log {
 public:
  /// Everything in `start` is fsynced. Call start() before use.
  SegmentedLog(io::Disk& disk, io::Clock& clock, Options options, io::Random random, Start start);
  ~SegmentedLog() override;
  /// Makes the first spare and starts the syncer. Errors: kIo; a full disk is none.
  Status start();

  Offset append(std::uint32_t db, std::span<const Bytes> parts) override;
  void write_pending() override;
  Offset acknowledgeable() const override;
  void await(Listener& listener, Offset offset) override;
  void forget(Listener& listener) override;
  Offset appended() const override { return queue_.end(); }
  Position position() const override { return queue_.position(); }
  std::uint64_t pending_bytes() const override;
  bool has_room() const override { return has_room_.load(std::memory_order_relaxed); }
  bool reserve(std::uint64_t bytes) override;
  Status sync_all() override;
  Status read(Offset from, Replay& replay) override;
  Status release_below(Offset offset) override;
  Status close() override;
  void set_fsync(Fsync fsync, Millis interval) override;
  Stats stats() const override;
  void sync_step() override { step(Due::kNow); }

 private:
  enum class Due : std::uint8_t { kByTime, kNow };
  struct Reservation {
    std::uint64_t file_bytes = 0;  ///< of the spare it takes
    bool is_answered = false;
    bool is_granted = false;
  };

  // The writer; all but announce() require the role.
  void write_round();
  bool write_backlog();
  bool write_batch();
  bool make_fit(std::uint64_t payload_bytes);
  ChunkList gather_batch();
  bool hand_over();
  Status write_seal();
  /// Calls whoever waited for what has become acknowledgeable.
  void announce();

  // The syncer.
  void run_syncer();
  void step(Due due);
  bool is_sync_due(Due due) const;
  /// Fsyncs what has been written: all of it, or completed segments only.
  void sync_written(bool with_current);
  bool sync_segment(SegmentFile& segment, bool is_complete, Offset target);
  bool keep_spare(Due due);
  Result<std::unique_ptr<SegmentFile>> make_spare(std::uint64_t file_bytes);
  static void answer(const std::vector<Reservation*>& asked, std::uint64_t spare_bytes);
  Micros time_to_next_step() const;
  void kick_syncer();

  void fail(const Status& status);
  Status poison() const;
  bool is_poisoned() const { return is_poisoned_.load(std::memory_order_acquire); }
  bool is_stale() const;
  Offset raise_acknowledged(Offset to) const;
  Offset written() const { return written_.load(std::memory_order_acquire); }
  Offset synced() const { return synced_.load(std::memory_order_acquire); }
  Fsync policy() const { return policy_.load(std::memory_order_relaxed); }
  std::int64_t interval_micros() const { return interval_micros_.load(std::memory_order_relaxed); }

  io::Disk& disk_;
  io::Clock& clock_;
  const Options options_;
  const std::unique_ptr<io::FileLock> folder_lock_;
  const std::uint64_t replayed_bytes_;
  const std::uint64_t cut_bytes_;

  FrameQueue queue_;
  Waiters waiters_;
  WriterRole role_;

  // Owned by the writer.
  std::shared_ptr<SegmentFile> current_;
  std::uint64_t position_;  ///< in current_'s file, of the next batch
  ChunkList backlog_;       ///< taken from the queue, not yet written

  // Published by one, read by all.
  std::atomic<Offset> written_;  ///< by the writer
  std::atomic<Offset> synced_;   ///< by the syncer
  mutable std::atomic<Offset> acknowledged_;
  std::atomic<std::int64_t> last_sync_start_;  ///< of the last completed sync, monotonic micros
  std::atomic<bool> has_room_{false};
  std::atomic<bool> is_blocked_{false};  ///< the writer found no spare that suffices
  std::atomic<bool> is_poisoned_{false};
  std::atomic<std::uint64_t> spare_capacity_{0};  ///< payload bytes a spare takes; 0: there is none
  std::atomic<Fsync> policy_;
  std::atomic<std::int64_t> interval_micros_;
  std::atomic<std::uint64_t> write_count_{0};
  std::atomic<std::uint64_t> sync_count_{0};
  std::atomic<std::uint64_t> delayed_sync_count_{0};
  std::atomic<std::int64_t> sync_micros_{0};
  std::atomic<std::int64_t> last_sync_micros_{0};

  mutable std::mutex m_;
  // guarded by m_
  std::condition_variable kicked_;    ///< the syncer waits here
  std::condition_variable advanced_;  ///< who waits for the syncer, here
  std::deque<std::shared_ptr<SegmentFile>> segments_;
  std::unique_ptr<SegmentFile> spare_;
  std::vector<std::string> recycled_;       ///< released files, for spares
  std::vector<Reservation*> reservations_;  ///< not yet answered; they live in reserve()
  std::uint64_t blocked_bytes_ = 0;         ///< file size that the writer waits for
  Offset sync_wanted_ = 0;
  bool is_kicked_ = false;
  bool is_stopping_ = false;
  Status poison_;

  std::mutex step_m_;  ///< one step at a time, where tests take the thread's place
  // guarded by step_m_
  std::uint64_t next_sequence_;
  io::Random random_;
  Micros spare_retry_at_{0};

  bool has_started_ = false;  ///< until then open() reports failures
  bool is_closed_ = false;    ///< of the one thread that closes
  std::thread syncer_;
};

}  // namespace diskdb::log
