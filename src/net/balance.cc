#include "net/balance.h"

#include <algorithm>
#include <cmath>

namespace diskdb::net {
namespace {

/// Processors that nobody uses: with fewer than these, threads take the clients'; another thread
/// would; it may yet.
constexpr double kFewIdle = 0.5;
constexpr double kSomeIdle = 0.75;
constexpr double kManyIdle = 1;
/// Of a thread's time: above these there are more threads, where processors are idle.
constexpr double kBusyThread = 0.7;  // with many idle ones
constexpr double kFullThread = 0.9;
/// So much is asked of a thread before there is another, or may be asked where few are idle.
constexpr double kComfortableThread = 0.5;
constexpr double kFrugalThread = 1;
constexpr Micros kCalmBeforeFewer{2'000'000};
constexpr Micros kSpreadAfterHoldup{60'000'000};

constexpr std::size_t kSurplusIgnored = 1;
constexpr std::size_t kSurplusIgnoredDivisor = 8;

}  // namespace

void ActiveThreads::note(const NetworkLoad& load, Micros now) {
  if (load.held_others_up) spread_until_ = now + kSpreadAfterHoldup;
  if (now < spread_until_) {
    count_ = thread_count_;
    all_needed_at_ = now;
    return;
  }
  const double busy = load.busy_processors;
  const double idle = load.idle_processors;
  const double share = idle < kFewIdle ? kFrugalThread : kComfortableThread;
  const auto needed = static_cast<std::size_t>(std::ceil(busy / share));
  const double bound = idle < kManyIdle ? kFullThread : kBusyThread;
  if (busy >= bound * static_cast<double>(count_) && idle >= kSomeIdle) {
    count_ = std::min(2 * count_, thread_count_);
    all_needed_at_ = now;
  } else if (needed >= count_) {
    all_needed_at_ = now;
  } else if (now - all_needed_at_ >= kCalmBeforeFewer) {
    count_ = std::max<std::size_t>(needed, 1);
  }
}

std::vector<Transfer> transfers_to_balance(std::span<const std::size_t> served_counts,
                                           std::size_t active_count) {
  const std::span<const std::size_t> active = served_counts.first(active_count);
  std::size_t total = 0;
  for (const std::size_t count : active) total += count;
  const std::size_t mean = total / active_count;
  const std::size_t ignored = std::max(kSurplusIgnored, mean / kSurplusIgnoredDivisor);

  std::vector<Transfer> transfers;
  std::size_t to = 0;
  std::size_t room = active[0] < mean ? mean - active[0] : 0;
  for (std::size_t from = 0; from < active.size(); ++from) {
    if (active[from] <= mean + ignored) continue;
    std::size_t surplus = active[from] - mean;
    while (surplus > 0) {
      while (room == 0) {
        if (++to == active.size()) return transfers;
        room = active[to] < mean ? mean - active[to] : 0;
      }
      const std::size_t part = std::min(surplus, room);
      transfers.push_back({.from = from, .to = to, .connection_count = part});
      surplus -= part;
      room -= part;
    }
  }
  return transfers;
}

}  // namespace diskdb::net
