// io/ticks.h — the cheapest clock there is, for timing single commands: the processor's time stamp
// counter where it counts at one rate for ever, else the system's monotonic clock. What a reading
// means is known to a thousandth or so; nothing that must be right hangs on it, only figures.
#pragma once

#include <cstdint>

namespace diskdb::io {

/// Threads: immutable.
class TickClock {
 public:
  /// Finds out how fast the counter runs. Cost: about a quarter of a millisecond.
  TickClock();

  /// A reading; only differences mean anything. Cost: 8-12 ns; with the system's clock 20-30.
  std::uint64_t now() const {
#if defined(__x86_64__)
    if (uses_counter_) [[likely]]
      return __builtin_ia32_rdtsc();
#endif
    return system_nanos();
  }
  /// The time between two readings; 0 if the later one was taken on a processor that lags behind.
  /// Requires: less than an hour has passed.
  std::uint64_t nanos(std::uint64_t from, std::uint64_t to) const {
    return to <= from ? 0 : ((to - from) * multiplier_) >> kShift;
  }
  bool uses_counter() const { return uses_counter_; }

 private:
  static constexpr unsigned kShift = 20;
  static std::uint64_t system_nanos();

  bool uses_counter_ = false;
  std::uint64_t multiplier_ = 1U << kShift;  ///< nanoseconds of a tick, times 2^kShift
};

}  // namespace diskdb::io
