// log/log.h — the one command log: write-ahead log now, replication stream later.
// The bytes are defined in docs/format/log.md. Frames are complete RESP commands; the log does not
// look into them, but writes SELECT itself where the database changes. Offsets count payload bytes
// since the log began (Redis's replication offset): SELECTs count, headers of batches and segments
// do not.
//
// A frame travels: append() copies it into memory under the append lock, while the caller holds its
// shards, so that the log's order is memory's order; write_pending() hands all finished frames to
// the operating system in one batch with one call; the syncer thread makes them survive power loss.
// Readers of memory may show what they saw only up to acknowledgeable().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/file.h"

namespace diskdb::log {

using Offset = std::uint64_t;

enum class Fsync : std::uint8_t { kAlways, kEverysec, kNo };

/// Whoever holds output back until the log got further.
class Listener {
 public:
  virtual ~Listener() = default;
  /// Called on any thread, possibly with the log's locks held: must not block nor call the log.
  virtual void log_advanced() = 0;
};

/// Receives what recovery found, in order, before the log serves.
class Replay {
 public:
  virtual ~Replay() = default;
  /// `payload`: whole RESP commands, synced; `at`: the offset of its first byte. Borrows `payload`
  /// for the call. An error stops the start and is returned by Log::open.
  virtual Status replay(Bytes payload, Offset at) = 0;
};

struct Options {
  std::string folder;
  std::uint64_t segment_bytes = 64_MiB;
  Fsync fsync = Fsync::kEverysec;
  Millis sync_interval{1000};
  /// What lies below is stored elsewhere (a checkpoint's marker): it is neither replayed nor
  /// missed, and the log is taken to be safely stored up to here.
  Offset checkpoint = 0;
  /// A failed write or fsync leaves memory ahead of the disk: the process must end, and the restart
  /// replays (a second fsync that succeeds proves nothing). Called once, with the first error; when
  /// it returns, as in tests, the log is poisoned: it accepts appends, and acknowledges nothing
  /// more.
  std::function<void(const Status&)> on_fatal;
  /// Of the segments' salts; 0: from the kernel. Tests give a number, to be repeatable.
  std::uint64_t seed = 0;
  /// Tests drive the syncer by sync_step() instead of a thread; then recovery reads without a
  /// thread of its own too, so that its calls come in one order.
  bool start_syncer_thread = true;
};

/// A place in the log: what a replay from there on must know.
struct Position {
  Offset offset = 0;
  std::uint32_t db = 0;  ///< the database selected there
};

struct Stats {
  Offset appended = 0;
  Offset written = 0;
  Offset synced = 0;
  std::uint64_t segment_count = 0;
  std::uint64_t file_bytes = 0;  ///< of all segments and the spare
  std::uint64_t write_count = 0;
  std::uint64_t sync_count = 0;
  std::uint64_t delayed_sync_count = 0;  ///< syncs that finished later than their interval
  std::int64_t sync_micros = 0;          ///< how long all syncs took together
  std::int64_t last_sync_micros = 0;     ///< how long the last sync took
  std::uint64_t replayed_bytes = 0;
  std::uint64_t cut_bytes = 0;  ///< torn tail dropped by recovery
  bool has_room = true;
};

/// Threads: thread-safe. Owns one thread, the syncer: it fsyncs and keeps the spare segment
/// allocated. Invariants:
///   I1  synced <= written <= appended; each only grows.
///   I2  A frame lies in one batch, a batch in one segment; a frame is recovered whole or not at
///   all. I3  attested offsets never exceed synced at the time they are written. I4  After any
///   failed write or fsync nothing more is acknowledged. I5  No lock is held across a system call,
///   but the role of writer is.
class Log {
 public:
  /// Locks the folder, finds the segments, validates, replays what is whole, and opens a new
  /// segment. Borrows `disk` and `clock` for the log's life, `replay` for the call. Errors:
  /// kCorrupt (bytes below an attested offset are bad; the message names file, position and the
  /// repair command), kBusy (another process), kIo, kNoSpace. Nothing on disk has lost anything
  /// then.
  static Result<std::unique_ptr<Log>> open(io::Disk& disk, io::Clock& clock, Options options,
                                           Replay& replay);
  /// As close(), its result ignored.
  virtual ~Log() = default;

  /// Appends one frame, the parts in order, belonging to database `db`; returns the offset of its
  /// end. Requires: the caller holds the shards it changed. Borrows `parts` for the call. Cost: one
  /// lock and one copy; never a system call. Large frames are copied outside the lock.
  virtual Offset append(std::uint32_t db, std::span<const Bytes> parts) = 0;

  /// Hands finished frames to the operating system; if another thread is doing so, asks it instead.
  /// Cost: one system call for the frames of all threads, or none.
  virtual void write_pending() = 0;
  /// Replies that saw offsets up to here may leave: written, and for `always` synced; for
  /// `everysec` it stops growing while the last completed sync is older than twice the interval and
  /// something waits for one.
  virtual Offset acknowledgeable() const = 0;
  /// Calls listener.log_advanced() once, soon after acknowledgeable() has reached `offset`, or when
  /// the caller should call write_pending() again; asks for the fsync it takes. Borrows `listener`
  /// until called or forgotten.
  virtual void await(Listener& listener, Offset offset) = 0;
  virtual void forget(Listener& listener) = 0;

  virtual Offset appended() const = 0;
  /// Where the next frame will stand. Exact while the caller keeps everybody from appending.
  virtual Position position() const = 0;
  /// Appended and not yet written; who fills the log much faster than it writes must wait above
  /// some bound.
  virtual std::uint64_t pending_bytes() const = 0;

  /// False while less than one spare segment is allocated: writes must be refused then (MISCONF).
  /// Cost: one load.
  virtual bool has_room() const = 0;
  /// Makes sure that one frame of `bytes` can be logged. Cost: none while the spare suffices, else
  /// a blocking allocation. False: refuse the command.
  virtual bool reserve(std::uint64_t bytes) = 0;

  /// Blocks until everything appended so far is synced. Errors: as the sync that failed (I4).
  virtual Status sync_all() = 0;
  /// Syncs, and hands the log from `from` on to `replay` once more, as open() did. Requires:
  /// nothing at or above `from` was released; nobody appends meanwhile. Errors: as sync_all, as
  /// `replay`, or kCorrupt.
  virtual Status read(Offset from, Replay& replay) = 0;
  /// Segments that hold only bytes below `offset` may go: they are recycled or removed.
  virtual Status release_below(Offset offset) = 0;
  /// Writes, syncs and seals: the next start finds nothing unattested. No call but the destructor
  /// after it.
  virtual Status close() = 0;

  virtual void set_fsync(Fsync fsync, Millis interval) = 0;
  virtual Stats stats() const = 0;
  /// One round of the syncer's work. Requires: start_syncer_thread was false.
  virtual void sync_step() = 0;
};

/// What `diskdb --check-log` prints, and what `--repair-log` does.
struct CheckReport {
  bool is_sound = true;
  std::string text;  ///< a line a segment, and what is wrong
};
Result<CheckReport> check(io::Disk& disk, const std::string& folder);
/// Cuts the log at the first bad frame, keeping what it cuts in files named *.cut. Loses what lies
/// behind.
Result<CheckReport> repair(io::Disk& disk, const std::string& folder);

}  // namespace diskdb::log
