// command/command_times.h — how often each command was called and how long it took. Every thread
// that runs commands counts for itself, in memory nobody else writes; who reads adds up.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "command/latency_histogram.h"

namespace diskdb::command {

/// Of one row, on one thread.
///
/// Threads: one writes, any may read, relaxed.
class RowTimes {
 public:
  void note(std::uint64_t nanos, bool keeps_histogram) {
    if (keeps_histogram) writable_histogram().note(nanos);
    add_calls(1, nanos);
  }
  /// Without their place in the histogram.
  void add_calls(std::uint64_t count, std::uint64_t nanos) {
    add(calls_, count);
    add(nanos_, nanos);
  }
  /// Calls for whose place in the histogram a later one will stand. The writer's.
  std::uint64_t unplaced_calls = 0;
  LatencyHistogram& writable_histogram() {
    LatencyHistogram* histogram = histogram_.load(std::memory_order_relaxed);
    return histogram != nullptr ? *histogram : *make_histogram();
  }
  std::uint64_t calls() const { return calls_.load(std::memory_order_relaxed); }
  std::uint64_t nanos() const { return nanos_.load(std::memory_order_relaxed); }
  /// Null until a call was noted there.
  const LatencyHistogram* histogram() const { return histogram_.load(std::memory_order_acquire); }

 private:
  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  LatencyHistogram* make_histogram();

  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> nanos_{0};
  std::atomic<LatencyHistogram*> histogram_{nullptr};
  std::unique_ptr<LatencyHistogram> owned_;
};

/// All threads' times of one row.
struct RowTotals {
  std::uint64_t calls = 0;
  std::uint64_t nanos = 0;
  LatencyCounts latencies;
};

/// Threads: thread-safe.
class CommandTimes {
 public:
  explicit CommandTimes(std::size_t row_count) : row_count_(row_count), since_reset_(row_count) {}

  /// The rows' times of one more thread, which alone may write them; they stay when it has gone.
  std::vector<RowTimes>& join();

  enum class Since : std::uint8_t { kReset, kStart };
  /// Of the row at `index`. Cost: a histogram's worth of loads for each thread.
  RowTotals totals(std::size_t index, Since since) const;
  /// CONFIG RESETSTAT: from now on Since::kReset means now.
  void reset();

 private:
  RowTotals sum(std::size_t index) const;  ///< Requires: m_ held.

  const std::size_t row_count_;
  mutable std::mutex m_;
  // guarded by m_
  std::vector<std::unique_ptr<std::vector<RowTimes>>> threads_;
  std::vector<RowTotals> since_reset_;  ///< what the totals were at the reset
};

}  // namespace diskdb::command
