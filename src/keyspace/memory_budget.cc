#include "keyspace/memory_budget.h"

#include <algorithm>

#include "base/units.h"

namespace diskdb::keyspace {
namespace {

// Of the limit, what the process is steered towards: the rest is slack of allocator and measuring.
constexpr std::uint64_t kUsedPercent = 92;
constexpr std::uint64_t kKeysShareMin = 8;  // of the limit: at least an eighth is for keys
constexpr std::uint64_t kKeysBytesMin = 2_MiB;
// What is resident beyond this part of the limit is made up for, up to an eighth of it.
constexpr std::uint64_t kResidentPercent = 108;
// Beyond what keys may cost, in parts of the limit: where slowing begins, and where it is complete.
constexpr double kSlowingBegins = 0.04;
constexpr double kSlowingComplete = 0.16;
constexpr std::uint64_t kSlowingScaleMin = 32_MiB;

constexpr std::uint64_t kDirtyBytesMin = 4_MiB;
constexpr std::uint64_t kDirtyBytesUnlimited = 1_GiB;
constexpr std::uint64_t kCacheBytesMin = 1_MiB;
constexpr std::uint64_t kCacheBytesMax = 4_GiB;
constexpr std::uint64_t kCacheBytesUnlimited = 64_MiB;

}  // namespace

std::uint64_t dirty_bytes_max(std::uint64_t limit) {
  return limit == 0 ? kDirtyBytesUnlimited : std::max(limit / 2, kDirtyBytesMin);
}

std::uint64_t block_cache_bytes(std::uint64_t limit) {
  return limit == 0 ? kCacheBytesUnlimited : std::clamp(limit / 8, kCacheBytesMin, kCacheBytesMax);
}

void MemoryBudget::note_used(std::uint64_t allocated, std::uint64_t resident, std::uint64_t keys) {
  const std::uint64_t others = allocated > keys ? allocated - keys : 0;
  // Pages that records share with holes: fewer records, fewer such pages.
  const std::uint64_t holes = std::min(resident_excess(resident), limit() / 8);
  others_.store(others + holes, std::memory_order_relaxed);
}

std::uint64_t MemoryBudget::resident_excess(std::uint64_t resident) const {
  const std::uint64_t bound = limit() / 100 * kResidentPercent;
  return is_tiered() && bound != 0 && resident > bound ? resident - bound : 0;
}

std::uint64_t MemoryBudget::keys_max() const {
  const std::uint64_t whole = limit();
  if (whole == 0) return UINT64_MAX;
  const std::uint64_t others = other_bytes();
  if (!is_tiered()) return whole > others ? whole - others : 0;
  const std::uint64_t usable = whole / 100 * kUsedPercent;
  const std::uint64_t least = std::max(whole / kKeysShareMin, kKeysBytesMin);
  return std::max(usable > others ? usable - others : 0, least);
}

double MemoryBudget::excess_pressure(std::uint64_t keys, std::uint64_t reducible) const {
  const std::uint64_t most = keys_max();
  if (!is_tiered() || keys <= most) return 0;
  const auto scale = static_cast<double>(std::max(limit(), kSlowingScaleMin));
  const double excess = static_cast<double>(std::min(keys - most, reducible)) / scale;
  return std::clamp((excess - kSlowingBegins) / (kSlowingComplete - kSlowingBegins), 0.0, 1.0);
}

void MemoryBudget::set_frequency_rule(const FrequencyRule& rule) {
  log_factor_.store(std::min(rule.log_factor, kFrequencyLogFactorMax), std::memory_order_relaxed);
  decay_minutes_.store(rule.decay_minutes, std::memory_order_relaxed);
}

}  // namespace diskdb::keyspace
