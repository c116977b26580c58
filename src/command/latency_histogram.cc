#include "command/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/assert.h"

namespace diskdb::command {

void LatencyCounts::add(const LatencyHistogram& histogram) {
  counts.resize(LatencyHistogram::kCount);
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += histogram.count(i);
}

void LatencyCounts::subtract(const LatencyCounts& earlier) {
  for (std::size_t i = 0; i < earlier.counts.size() && i < counts.size(); ++i) {
    counts[i] -= std::min(counts[i], earlier.counts[i]);
  }
}

std::uint64_t LatencyCounts::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::uint64_t LatencyCounts::count_up_to(std::uint64_t nanos) const {
  ASSERT(std::has_single_bit(nanos));
  const std::size_t end = std::min(LatencyHistogram::index_of(nanos) + 1, counts.size());
  return std::accumulate(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(end),
                         std::uint64_t{0});
}

std::uint64_t LatencyCounts::percentile(double percent) const {
  const std::uint64_t all = total();
  if (all == 0) return 0;
  const double share = std::ceil(percent / 100 * static_cast<double>(all));
  const auto wanted = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(share), 1, all);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    seen += counts[i];
    if (seen >= wanted) return LatencyHistogram::longest_of(i);
  }
  return 0;
}

}  // namespace diskdb::command
