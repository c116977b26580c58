// command/latency_monitor.h — moments at which something took longer than
// latency-monitor-threshold, by what it was: "command", "fast-command", "expire-cycle". What
// LATENCY LATEST, HISTORY, GRAPH and DOCTOR show.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace diskdb::command {

/// Threads: thread-safe. Only what is over the threshold comes here.
class LatencyMonitor {
 public:
  struct Sample {
    std::int64_t seconds = 0;  ///< since the Unix epoch
    std::int64_t millis = 0;   ///< the longest of that second
  };
  struct Series {
    std::string event;
    std::int64_t millis_max = 0;  ///< of all times
    std::vector<Sample> samples;  ///< oldest first; not empty
  };
  static constexpr std::size_t kSamplesMax = 160;

  void add(Bytes event, std::int64_t seconds, std::int64_t millis);
  /// All of them, by name.
  std::vector<Series> all() const;
  /// Its samples are empty if there is none.
  Series find(Bytes event) const;
  /// Forgets the event; false if there is none.
  bool reset(Bytes event);
  /// Forgets all of them; returns how many there were.
  std::size_t reset_all();

 private:
  mutable std::mutex m_;
  std::map<std::string, Series, std::less<>> series_;  // guarded by m_
};

/// LATENCY GRAPH: a line of figures and bars for each sample, labelled with its age at `now`.
/// Requires: there are samples.
std::string latency_graph(const LatencyMonitor::Series& series, std::int64_t now_seconds);

/// LATENCY DOCTOR, with the threshold in milliseconds (0: off).
std::string latency_report(const std::vector<LatencyMonitor::Series>& all,
                           std::int64_t threshold_ms);

}  // namespace diskdb::command
