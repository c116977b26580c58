#include "io/ticks.h"

#include <ctime>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace diskdb::io {
namespace {

constexpr std::uint64_t kCalibrationNanos = 250'000;

#if defined(__x86_64__)
constexpr int kTries = 5;

/// Does the counter run at one rate whatever the processor's clock and sleep?
bool is_counter_steady() {
  constexpr unsigned kPowerManagement = 0x8000'0007;
  constexpr unsigned kInvariantCounter = 1U << 8;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(kPowerManagement, &a, &b, &c, &d) != 0 && (d & kInvariantCounter) != 0;
}
#endif

}  // namespace

TickClock::TickClock() {
#if defined(__x86_64__)
  if (!is_counter_steady()) return;
  // Both clocks at one instant: of several readings the one that nothing came between.
  struct Pair {
    std::uint64_t ticks;
    std::uint64_t nanos;
  };
  const auto read = [] {
    Pair best{};
    std::uint64_t best_gap = UINT64_MAX;
    for (int i = 0; i < kTries; ++i) {
      const std::uint64_t before = __builtin_ia32_rdtsc();
      const std::uint64_t nanos = system_nanos();
      const std::uint64_t gap = __builtin_ia32_rdtsc() - before;
      if (gap >= best_gap) continue;
      best_gap = gap;
      best = {before + gap / 2, nanos};
    }
    return best;
  };
  const Pair begin = read();
  while (system_nanos() < begin.nanos + kCalibrationNanos) continue;
  const Pair end = read();
  if (end.ticks <= begin.ticks || end.nanos <= begin.nanos) return;
  multiplier_ = ((end.nanos - begin.nanos) << kShift) / (end.ticks - begin.ticks);
  uses_counter_ = multiplier_ > 0;
  if (!uses_counter_) multiplier_ = 1U << kShift;
#endif
}

std::uint64_t TickClock::system_nanos() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);  // tidy: allow ban: io is the door to clocks
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace diskdb::io
