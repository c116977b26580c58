#include "command/latency_monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

namespace diskdb::command {
namespace {

constexpr std::size_t kGraphColumns = 80;
constexpr int kGraphRows = 4;
constexpr Bytes kLevels = "_o#";  // a row shows three heights

std::string age_text(std::int64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 86400) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

struct Bar {
  int height;  ///< from 0 to below kGraphRows * kLevels.size()
  std::string label;
};

char cell_of(const Bar& bar, int row_from_bottom) {
  const int level = bar.height - row_from_bottom * static_cast<int>(kLevels.size());
  if (level < 0) return ' ';
  return static_cast<std::size_t>(level) < kLevels.size() ? kLevels[static_cast<std::size_t>(level)]
                                                          : '|';
}

/// Rows of bars, an empty line, labels from top to bottom, and an empty line.
void draw(std::span<const Bar> bars, std::string* text) {
  for (int row = kGraphRows - 1; row >= 0; --row) {
    for (const Bar& bar : bars) *text += cell_of(bar, row);
    *text += '\n';
  }
  text->append(bars.size(), ' ').append("\n");
  std::size_t label_rows = 0;
  for (const Bar& bar : bars) label_rows = std::max(label_rows, bar.label.size());
  for (std::size_t row = 0; row < label_rows; ++row) {
    for (const Bar& bar : bars) *text += row < bar.label.size() ? bar.label[row] : ' ';
    *text += '\n';
  }
}

struct Figures {
  std::int64_t low;
  std::int64_t high;
  double mean;
  double deviation;       ///< mean absolute
  double period_seconds;  ///< between two samples
};

Figures figures_of(const LatencyMonitor::Series& series) {
  const auto& samples = series.samples;
  const auto count = static_cast<double>(samples.size());
  Figures figures{.low = samples[0].millis,
                  .high = samples[0].millis,
                  .mean = 0,
                  .deviation = 0,
                  .period_seconds = 0};
  for (const auto& sample : samples) {
    figures.low = std::min(figures.low, sample.millis);
    figures.high = std::max(figures.high, sample.millis);
    figures.mean += static_cast<double>(sample.millis) / count;
  }
  for (const auto& sample : samples) {
    figures.deviation += std::abs(static_cast<double>(sample.millis) - figures.mean) / count;
  }
  if (samples.size() > 1) {
    figures.period_seconds =
        static_cast<double>(samples.back().seconds - samples.front().seconds) / (count - 1);
  }
  return figures;
}

/// What may be done about an event, a line each.
Bytes advice_for(Bytes event) {
  if (event == "command") {
    return "- Slow commands are in SLOWLOG GET; slowlog-log-slower-than says from when on.\n"
           "- Split commands over many elements, or whole-keyspace ones such as KEYS, into steps "
           "of SCAN.\n";
  }
  if (event == "fast-command") {
    return "- Commands that do little took long: the machine is busy, swaps, or stops the "
           "process. Look at the load and at used_memory_rss.\n";
  }
  if (event == "expire-cycle") {
    return "- Many keys expire at the same time: spread their times to live, or lower "
           "active-expire-effort.\n";
  }
  if (event == "log-fsync") {
    return "- The disk takes long to make the log durable: look for others that write to it; "
           "fsync everysec waits for it in the background.\n";
  }
  return {};
}

}  // namespace

void LatencyMonitor::add(Bytes event, std::int64_t seconds, std::int64_t millis) {
  const std::lock_guard lock(m_);
  const auto at = series_.try_emplace(std::string(event)).first;
  Series& series = at->second;
  series.event = at->first;
  series.millis_max = std::max(series.millis_max, millis);
  if (!series.samples.empty() && series.samples.back().seconds == seconds) {
    Sample& last = series.samples.back();
    last.millis = std::max(last.millis, millis);
    return;
  }
  if (series.samples.size() == kSamplesMax) series.samples.erase(series.samples.begin());
  series.samples.push_back({seconds, millis});
}

std::vector<LatencyMonitor::Series> LatencyMonitor::all() const {
  const std::lock_guard lock(m_);
  std::vector<Series> all;
  for (const auto& [event, series] : series_) all.push_back(series);
  return all;
}

LatencyMonitor::Series LatencyMonitor::find(Bytes event) const {
  const std::lock_guard lock(m_);
  const auto at = series_.find(event);
  return at == series_.end() ? Series{} : at->second;
}

bool LatencyMonitor::reset(Bytes event) {
  const std::lock_guard lock(m_);
  const auto at = series_.find(event);
  if (at == series_.end()) return false;
  series_.erase(at);
  return true;
}

std::size_t LatencyMonitor::reset_all() {
  const std::lock_guard lock(m_);
  const std::size_t count = series_.size();
  series_.clear();
  return count;
}

std::string latency_graph(const LatencyMonitor::Series& series, std::int64_t now_seconds) {
  const Figures figures = figures_of(series);
  const std::int64_t span = std::max<std::int64_t>(figures.high - figures.low, 1);
  const auto heights = static_cast<std::int64_t>(kLevels.size()) * kGraphRows;
  std::vector<Bar> bars;
  for (const auto& sample : series.samples) {
    const std::int64_t height = (sample.millis - figures.low) * heights / span;
    bars.push_back({.height = static_cast<int>(std::min(height, heights - 1)),
                    .label = age_text(now_seconds - sample.seconds)});
  }
  std::string text = fmt::format("{} - high {} ms, low {} ms (all time high {} ms)\n", series.event,
                                 figures.high, figures.low, series.millis_max);
  text.append(kGraphColumns, '-').append("\n");
  for (std::size_t at = 0; at < bars.size(); at += kGraphColumns) {
    if (at > 0) text += '\n';
    const std::size_t count = std::min(kGraphColumns, bars.size() - at);
    draw(std::span(bars).subspan(at, count), &text);
  }
  return text;
}

std::string latency_report(const std::vector<LatencyMonitor::Series>& all,
                           std::int64_t threshold_ms) {
  if (all.empty() && threshold_ms == 0) {
    return "Latency is not being watched. CONFIG SET latency-monitor-threshold <milliseconds> "
           "starts it.\n";
  }
  if (all.empty()) {
    return fmt::format(
        "Nothing has taken {} ms or longer since the start or the last LATENCY "
        "RESET.\n",
        threshold_ms);
  }
  std::string text = "Latency spikes were seen:\n\n";
  std::size_t number = 0;
  for (const auto& series : all) {
    const Figures figures = figures_of(series);
    fmt::format_to(std::back_inserter(text),
                   "{}. {}: {} spikes (average {:.0f} ms, mean deviation {:.0f} ms, one every "
                   "{:.2f} s). Worst of all time: {} ms.\n",
                   ++number, series.event, series.samples.size(), figures.mean, figures.deviation,
                   figures.period_seconds, series.millis_max);
  }
  text += "\nWhat may help:\n\n";
  bool has_advice = false;
  for (const auto& series : all) {
    const Bytes advice = advice_for(series.event);
    text += advice;
    has_advice = has_advice || !advice.empty();
  }
  if (!has_advice) text += "- Nothing is known to help against these.\n";
  return text;
}

}  // namespace diskdb::command
