// command/statistics.h — counters for INFO, kept where no thread disturbs another.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "command/command_times.h"
#include "command/latency_monitor.h"
#include "command/slow_log.h"
#include "io/ticks.h"

namespace diskdb::command {

/// Of one row: what was refused. (Calls and their times: command/command_times.h.)
struct RowCounters {
  std::atomic<std::uint64_t> rejected_calls{0};  ///< refused by a gate
  std::atomic<std::uint64_t> failed_calls{0};    ///< refused by the command
};

/// Of the buffers of one size that connections take from their thread's pool, all threads together.
/// Renewed every second.
struct BufferCounters {
  std::atomic<std::uint64_t> taken{0};      ///< how often one was asked for
  std::atomic<std::uint64_t> from_heap{0};  ///< how often none was kept
  std::atomic<std::uint64_t> kept{0};       ///< now
};

/// Threads: thread-safe, relaxed: each counter is right, a set of them is no snapshot.
struct Statistics {
  explicit Statistics(std::size_t row_count) : rows(row_count), times(row_count) {}

  const io::TickClock ticks;      ///< what commands are timed with
  std::vector<RowCounters> rows;  ///< by CommandTable::index_of
  CommandTimes times;             ///< likewise
  SlowLog slow_log;
  LatencyMonitor latency_monitor;
  std::atomic<std::uint64_t> commands_processed{0};
  std::atomic<std::uint64_t> connections_received{0};
  std::atomic<std::uint64_t> connections_rejected{0};
  std::atomic<std::uint64_t> active_network_threads{0};  ///< that are to have connections
  std::atomic<std::uint64_t> net_input_bytes{0};
  std::atomic<std::uint64_t> net_output_bytes{0};
  std::atomic<std::uint64_t> peak_memory_bytes{0};
  std::atomic<std::uint64_t> used_memory_bytes{
      0};  ///< renewed by the cron; the memory gate reads it
  /// What was used without keys when it was first measured; 0: not yet.
  std::atomic<std::uint64_t> startup_memory_bytes{0};
  std::atomic<std::int64_t> instantaneous_ops_per_sec{0};
  std::atomic<std::int64_t> last_save_seconds{0};  ///< LASTSAVE
  std::atomic<std::uint64_t> client_buffer_bytes{0};
  std::atomic<std::uint64_t> huge_page_count{0};  ///< gathered by now
  std::array<BufferCounters, 4> buffers;          ///< of 512 bytes, 4 KB, 64 KB, and larger
  /// Changes of keys, and those of elements among them: Access::edit_counts() of all dispatchers.
  std::atomic<std::uint64_t> edits{0};
  std::atomic<std::uint64_t> element_edits{0};

  /// Counts an error reply by its code, the first word of `text`.
  void count_error(std::string_view text);
  using ErrorCounts = std::map<std::string, std::uint64_t, std::less<>>;
  ErrorCounts errors() const;
  std::uint64_t error_count() const { return error_count_.load(std::memory_order_relaxed); }

  /// SAVE and BGSAVE, when they are done.
  void note_save(Millis now);
  /// Changes that no SAVE or BGSAVE has seen. (They are in the log as well as all others.)
  std::uint64_t changes_since_save() const;
  /// CONFIG RESETSTAT.
  void reset();

 private:
  mutable std::mutex error_mutex_;
  std::atomic<std::uint64_t> error_count_{0};
  std::atomic<std::uint64_t> saved_edits_{0};
  ErrorCounts errors_;  // guarded by error_mutex_
};

}  // namespace diskdb::command
