// command/metrics.h — the server's figures in Prometheus's text format, version 0.0.4: what an HTTP
// port of server/ shows under /metrics. The names are a promise to dashboards and alerts; those in
// deploy/ are checked against them.
//
// Counters count from the start of the process: CONFIG RESETSTAT sets some of them back, which
// rate() takes for a restart; those of commands and their times it leaves alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "command/services.h"
#include "keyspace/access.h"

namespace diskdb::command {

/// Collects families of samples.
class MetricsText {
 public:
  enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram };

  /// Begins a family; its samples follow.
  void family(Bytes name, Kind kind, Bytes help);
  /// `labels`: `cmd="get"`, made with label(), or empty.
  void sample(Bytes labels, double value) { sample({}, labels, value); }
  void sample(Bytes labels, std::uint64_t value) { sample({}, labels, value); }
  /// The same with a suffix to the family's name ("_sum").
  void sample(Bytes suffix, Bytes labels, double value);
  void sample(Bytes suffix, Bytes labels, std::uint64_t value);

  // A family of one sample.
  void counter(Bytes name, Bytes help, std::uint64_t value);
  void gauge(Bytes name, Bytes help, std::uint64_t value);
  void counter(Bytes name, Bytes help, double value);
  void gauge(Bytes name, Bytes help, double value);

  static std::string label(Bytes name, Bytes value);
  std::string take() { return std::move(text_); }

 private:
  void begin_line(Bytes suffix, Bytes labels);

  std::string text_;
  std::string name_;
};

/// Threads: one at a time, which need not be one that runs commands.
class MetricsReader {
 public:
  /// Borrows `services` for its life.
  explicit MetricsReader(Services& services);
  /// All figures. Never waits for a shard: of one that a long command holds, those of the last time
  /// count. Cost: about a millisecond.
  std::string text();

 private:
  struct TableFigures {
    std::uint64_t keys = 0;
    std::uint64_t expiring = 0;
    std::uint64_t cold = 0;
    std::uint64_t tombstones = 0;
  };
  void read_tables();
  void add_server(MetricsText& text) const;
  void add_commands(MetricsText& text) const;
  void add_clients(MetricsText& text) const;
  void add_memory(MetricsText& text) const;
  void add_keys(MetricsText& text) const;
  void add_tier(MetricsText& text) const;
  void add_log(MetricsText& text) const;
  void add_checkpoints(MetricsText& text) const;
  void add_store(MetricsText& text) const;

  Services& services_;
  keyspace::Access access_;
  std::vector<TableFigures> tables_;  ///< by shard, then by database
};

}  // namespace diskdb::command
