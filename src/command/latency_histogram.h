// command/latency_histogram.h — how long the calls of one command took: counts by ranges of time,
// sixteen of them to each power of two, so that a percentile is right within 1/16.
//
// Ranges end at powers of two of nanoseconds, inclusive, as the buckets of LATENCY HISTOGRAM and of
// Prometheus do; those sums are therefore exact.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <vector>

namespace diskdb::command {

/// Threads: one writes (note), any may read, relaxed: each count is right, all of them together are
/// no snapshot.
class LatencyHistogram {
 public:
  static constexpr unsigned kPartBits = 4;
  /// About 69 s: what takes longer counts as that.
  static constexpr unsigned kBitsMax = 36;
  static constexpr std::size_t kCount = (kBitsMax - kPartBits + 1) << kPartBits;

  /// The range that `nanos` falls into.
  static constexpr std::size_t index_of(std::uint64_t nanos) {
    const std::uint64_t value = nanos - (nanos > 0 ? 1 : 0);  // so that 2^k ends a range
    if (value < (1U << kPartBits)) return value;
    if (value >= (1ULL << kBitsMax)) return kCount - 1;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kPartBits - 1;
    return (static_cast<std::size_t>(shift) << kPartBits) + (value >> shift);
  }
  /// The longest time that falls into it.
  static constexpr std::uint64_t longest_of(std::size_t index) {
    if (index < (2U << kPartBits)) return index + 1;
    const std::size_t shift = (index >> kPartBits) - 1;
    const std::uint64_t mantissa = (index & ((1U << kPartBits) - 1)) + (1U << kPartBits);
    return (mantissa + 1) << shift;
  }

  /// So many calls that took as long.
  void note(std::uint64_t nanos, std::uint64_t calls = 1) {
    std::atomic<std::uint64_t>& count = counts_[index_of(nanos)];
    count.store(count.load(std::memory_order_relaxed) + calls, std::memory_order_relaxed);
  }
  std::uint64_t count(std::size_t index) const {
    return counts_[index].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kCount> counts_{};
};

static_assert(LatencyHistogram::index_of(1024) + 1 == LatencyHistogram::index_of(1025));
static_assert(LatencyHistogram::longest_of(LatencyHistogram::index_of(1024)) == 1024);
static_assert(LatencyHistogram::index_of(1ULL << 36U) == LatencyHistogram::kCount - 1);

/// Several histograms together, as of about one moment.
struct LatencyCounts {
  std::vector<std::uint64_t> counts;  ///< by LatencyHistogram's ranges; empty: none

  void add(const LatencyHistogram& histogram);
  /// Takes an earlier state away.
  void subtract(const LatencyCounts& earlier);
  std::uint64_t total() const;
  /// How many calls took up to `nanos`. Requires: a power of two.
  std::uint64_t count_up_to(std::uint64_t nanos) const;
  /// So many percent took at most this long, in nanoseconds; 0 if there are none.
  std::uint64_t percentile(double percent) const;
};

}  // namespace diskdb::command
