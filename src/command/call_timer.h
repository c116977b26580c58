// command/call_timer.h — times commands: for INFO commandstats and latencystats, the slow log and
// the latency monitor.
//
// One reading of the clock between two commands, counters that nobody else writes, and one
// comparison for whatever wants to know of slow ones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "command/context.h"
#include "command/row.h"
#include "command/services.h"
#include "command/session.h"
#include "command/statistics.h"
#include "io/ticks.h"
#include "resp/request.h"

namespace diskdb::command {

/// Threads: its dispatcher's.
class CallTimer {
 public:
  /// Borrows `services` for its life.
  explicit CallTimer(Services& services)
      : services_(services),
        ticks_(services.statistics.ticks),
        times_(services.statistics.times.join()) {}

  std::uint64_t now() const { return ticks_.now(); }
  /// Settings may have changed.
  void renew();

  /// Is every command of a group with these rows to be timed, or the group as one?
  bool times_each(std::span<const Row* const> rows);
  /// The i-th command took from the i-th reading to the next.
  void note_each(const Session& session, std::span<const Row* const> rows,
                 std::span<const resp::Request> requests, const std::uint64_t* readings);
  /// All together began and ended then.
  void note_as_one(const Session& session, std::span<const Row* const> rows,
                   std::span<const resp::Request> requests, std::uint64_t began,
                   std::uint64_t ended);
  /// A command alone.
  void note(const CommandContext& cx, std::uint64_t began, std::uint64_t ended);
  /// A command that was refused before it ran.
  void note_untimed(const CommandContext& cx) { note(cx, 0, 0); }

 private:
  struct Timed {
    const Row* row = nullptr;
    RowTimes* times = nullptr;
    bool is_quick = false;  ///< by nature: its time does not grow with its value
  };
  const Timed& timed(const Row& row);
  void place(RowTimes& times, const std::uint64_t* readings, std::size_t count);
  void note_slow(const Session& session, const Row& row, std::span<const Bytes> words,
                 std::uint64_t nanos);

  Services& services_;
  const io::TickClock& ticks_;
  std::vector<RowTimes>& times_;   ///< by CommandTable::index_of; written here alone
  std::array<Timed, 16> timed_{};  ///< rows used lately, by address
  unsigned sampled_ago_ = 0;       ///< groups since one was timed command by command
  bool keeps_histograms_ = false;
  std::uint64_t watched_nanos_ = UINT64_MAX;  ///< a command that takes as long is looked at
};

}  // namespace diskdb::command
