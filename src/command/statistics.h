// command/statistics.h — counters for INFO, kept where no thread disturbs another.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace diskdb::command {

/// Of one row.
struct RowCounters {
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> rejected_calls{0};  ///< refused by a gate
  std::atomic<std::uint64_t> failed_calls{0};    ///< refused by the command
};

/// Threads: thread-safe, relaxed: each counter is right, a set of them is no snapshot.
struct Statistics {
  explicit Statistics(std::size_t row_count) : rows(row_count) {}

  std::vector<RowCounters> rows;  ///< by CommandTable::index_of
  std::atomic<std::uint64_t> commands_processed{0};
  std::atomic<std::uint64_t> connections_received{0};
  std::atomic<std::uint64_t> connections_rejected{0};
  std::atomic<std::uint64_t> net_input_bytes{0};
  std::atomic<std::uint64_t> net_output_bytes{0};
  std::atomic<std::uint64_t> peak_memory_bytes{0};
  std::atomic<std::uint64_t> used_memory_bytes{0};  ///< renewed by the cron; the memory gate reads it
  std::atomic<std::int64_t> instantaneous_ops_per_sec{0};
  std::atomic<std::int64_t> last_save_seconds{0};  ///< LASTSAVE
  std::atomic<std::uint64_t> client_buffer_bytes{0};

  /// Counts an error reply by its code, the first word of `text`.
  void count_error(std::string_view text);
  using ErrorCounts = std::map<std::string, std::uint64_t, std::less<>>;
  ErrorCounts errors() const;
  /// CONFIG RESETSTAT.
  void reset();

 private:
  mutable std::mutex error_mutex_;
  ErrorCounts errors_;  // guarded by error_mutex_
};

}  // namespace diskdb::command
