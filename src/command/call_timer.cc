#include "command/call_timer.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include "base/reached.h"
#include "command/command_table.h"
#include "command/config.h"

namespace diskdb::command {
namespace {

/// `count` times `unit`; what does not fit is never reached.
std::uint64_t nanos_in(std::int64_t count, std::uint64_t unit) {
  const auto wanted = static_cast<std::uint64_t>(count);
  return wanted > UINT64_MAX / unit ? UINT64_MAX : wanted * unit;
}

}  // namespace

void CallTimer::renew() {
  const Settings& settings = services_.config.settings();
  const auto value = [](const Settings::Value& setting) {
    return setting.load(std::memory_order_relaxed);
  };
  keeps_histograms_ = value(settings.latency_tracking) != 0;
  const std::int64_t slow_micros = value(settings.slowlog_slower_than_micros);
  const std::int64_t monitored_ms = value(settings.latency_monitor_ms);
  watched_nanos_ = slow_micros < 0 ? UINT64_MAX : nanos_in(slow_micros, 1000);
  if (monitored_ms > 0) {
    watched_nanos_ = std::min(watched_nanos_, nanos_in(monitored_ms, 1'000'000));
  }
}

const CallTimer::Timed& CallTimer::timed(const Row& row) {
  Timed& timed = timed_[std::hash<const Row*>{}(&row) / 64 % timed_.size()];
  if (timed.row != &row) {
    timed = {.row = &row,
             .times = &times_[services_.table.index_of(row)],
             .is_quick = row.has(Flag::kFast) || row.complexity == "O(1)"};
  }
  return timed;
}

// Reading the clock costs as much as a twentieth of a pipelined GET, so of large groups of quick
// commands only some are timed one by one, and stand for the others. As long as a whole group takes
// less than the slow log looks for, so does each of it; if it takes more, no command was slow by
// nature, but the machine.
bool CallTimer::times_each(std::span<const Row* const> rows) {
  constexpr std::uint64_t kGroupNanosUsual = 1'000'000;
  constexpr std::size_t kLargeGroup = 4;
  constexpr unsigned kSamplePeriod = 8;
  if (rows.size() < kLargeGroup || watched_nanos_ < kGroupNanosUsual) return true;
  const Row* last = nullptr;
  for (const Row* row : rows) {
    if (row == last) continue;
    last = row;
    if (!timed(*last).is_quick) return true;
  }
  if (!keeps_histograms_ || ++sampled_ago_ < kSamplePeriod) return false;
  sampled_ago_ = 0;
  return true;
}

// If it was slow, its first command stands in the slow log for it.
void CallTimer::note_as_one(const Session& session, std::span<const Row* const> rows,
                            std::span<const resp::Request> requests, std::uint64_t began,
                            std::uint64_t ended) {
  const std::uint64_t nanos = ticks_.nanos(began, ended);
  for (std::size_t i = 0; i < requests.size();) {
    const std::size_t begin = i;
    while (i < requests.size() && rows[i] == rows[begin]) ++i;
    RowTimes& times = *timed(*rows[begin]).times;
    times.add_calls(i - begin, nanos * (i - begin) / requests.size());
    if (keeps_histograms_) times.unplaced_calls += i - begin;
  }
  if (nanos < watched_nanos_) [[likely]]
    return;
  REACHED("timer: a group of quick commands was slow");
  note_slow(session, *rows[0], requests[0].words, nanos);
}

void CallTimer::note_each(const Session& session, std::span<const Row* const> rows,
                          std::span<const resp::Request> requests, const std::uint64_t* readings) {
  std::uint64_t nanos_max = 0;
  for (std::size_t i = 0; i < requests.size();) {
    const std::size_t begin = i;
    std::uint64_t sum = 0;
    for (; i < requests.size() && rows[i] == rows[begin]; ++i) {
      const std::uint64_t nanos = ticks_.nanos(readings[i], readings[i + 1]);
      sum += nanos;
      nanos_max = std::max(nanos_max, nanos);
    }
    RowTimes& times = *timed(*rows[begin]).times;
    times.add_calls(i - begin, sum);
    if (keeps_histograms_) place(times, readings + begin, i - begin);
  }
  if (nanos_max < watched_nanos_) [[likely]]
    return;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const std::uint64_t nanos = ticks_.nanos(readings[i], readings[i + 1]);
    if (nanos >= watched_nanos_) note_slow(session, *rows[i], requests[i].words, nanos);
  }
}

// `count` calls in a row, which also stand for those that were not timed one by one.
void CallTimer::place(RowTimes& times, const std::uint64_t* readings, std::size_t count) {
  LatencyHistogram& histogram = times.writable_histogram();
  const std::uint64_t others = std::exchange(times.unplaced_calls, 0);
  const std::uint64_t share = others / count;
  std::uint64_t rest = others % count;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t stands_for = 1 + share + (rest > 0 ? 1 : 0);
    rest -= rest > 0 ? 1 : 0;
    histogram.note(ticks_.nanos(readings[i], readings[i + 1]), stands_for);
  }
}

void CallTimer::note(const CommandContext& cx, std::uint64_t began, std::uint64_t ended) {
  const std::uint64_t nanos = ticks_.nanos(began, ended);
  timed(cx.row).times->note(nanos, keeps_histograms_);
  if (nanos >= watched_nanos_) note_slow(cx.session, cx.row, cx.words, nanos);
}

void CallTimer::note_slow(const Session& session, const Row& row, std::span<const Bytes> words,
                          std::uint64_t nanos) {
  const Settings& settings = services_.config.settings();
  Statistics& statistics = services_.statistics;
  const auto micros = static_cast<std::int64_t>(nanos / 1000);
  const std::int64_t seconds = services_.clock.wall().count / 1000;
  const std::int64_t monitored_ms = settings.latency_monitor_ms.load(std::memory_order_relaxed);
  if (monitored_ms > 0 && micros / 1000 >= monitored_ms) {
    statistics.latency_monitor.add(row.has(Flag::kFast) ? "fast-command" : "command", seconds,
                                   micros / 1000);
  }
  const std::int64_t slow_micros =
      settings.slowlog_slower_than_micros.load(std::memory_order_relaxed);
  if (slow_micros < 0 || micros < slow_micros || row.has(Flag::kSkipSlowlog)) return;
  statistics.slow_log.add(
      {.seconds = seconds,
       .micros = micros,
       .words = slow_log_words(row, words),
       .address = session.address,
       .client_name = session.name},
      static_cast<std::size_t>(settings.slowlog_size_max.load(std::memory_order_relaxed)));
}

}  // namespace diskdb::command
