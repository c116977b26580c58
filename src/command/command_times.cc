#include "command/command_times.h"

namespace diskdb::command {

LatencyHistogram* RowTimes::make_histogram() {
  owned_ = std::make_unique<LatencyHistogram>();
  histogram_.store(owned_.get(), std::memory_order_release);
  return owned_.get();
}

std::vector<RowTimes>& CommandTimes::join() {
  const std::lock_guard lock(m_);
  threads_.push_back(std::make_unique<std::vector<RowTimes>>(row_count_));
  return *threads_.back();
}

RowTotals CommandTimes::sum(std::size_t index) const {
  RowTotals totals;
  for (const auto& rows : threads_) {
    const RowTimes& times = (*rows)[index];
    totals.calls += times.calls();
    totals.nanos += times.nanos();
    if (const LatencyHistogram* histogram = times.histogram()) totals.latencies.add(*histogram);
  }
  return totals;
}

RowTotals CommandTimes::totals(std::size_t index, Since since) const {
  const std::lock_guard lock(m_);
  RowTotals totals = sum(index);
  if (since == Since::kStart) return totals;
  const RowTotals& before = since_reset_[index];
  totals.calls -= before.calls;
  totals.nanos -= before.nanos;
  totals.latencies.subtract(before.latencies);
  return totals;
}

void CommandTimes::reset() {
  const std::lock_guard lock(m_);
  for (std::size_t i = 0; i < row_count_; ++i) since_reset_[i] = sum(i);
}

}  // namespace diskdb::command
