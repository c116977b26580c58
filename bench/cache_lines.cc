// bench/cache_lines.cc — what a lock costs when nobody else is near, and what it costs to get a
// line of the cache that another processor has changed: two threads that take turns at one counter.
// For bench/contention_model.py. Prints {"lock_ns": ..., "line_ns": ...}; each is the best of some
// runs, since other work of the machine only ever adds.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>

namespace {

double seconds() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

// As ShardLock: a compare-exchange to take it, an exchange to leave.
double lock_ns() {
  constexpr int kCount = 100'000;
  std::atomic<std::uint32_t> state{0};
  const double begin = seconds();
  for (int i = 0; i < kCount; ++i) {
    std::uint32_t free = 0;
    state.compare_exchange_strong(free, 1, std::memory_order_acquire, std::memory_order_relaxed);
    state.exchange(0, std::memory_order_release);
  }
  return (seconds() - begin) / kCount * 1e9;
}

// The other one may have lost its processor: after a while it gets ours. Such runs do not count.
void wait_for(const std::atomic<std::uint32_t>& turn, std::uint32_t wanted) {
  constexpr int kSpinsMax = 1000;
  for (int spins = 0; turn.load(std::memory_order_acquire) != wanted; ++spins) {
    if (spins < kSpinsMax) {
      __builtin_ia32_pause();
    } else {
      std::this_thread::yield();
    }
  }
}

// Each turn moves the line once.
double line_ns() {
  constexpr std::uint32_t kTurns = 2000;
  alignas(64) std::atomic<std::uint32_t> turn{0};
  alignas(64) std::atomic<bool> is_ready{false};
  std::thread other([&] {
    is_ready.store(true);
    for (std::uint32_t i = 1; i < kTurns; i += 2) {
      wait_for(turn, i);
      turn.store(i + 1, std::memory_order_release);
    }
  });
  while (!is_ready.load()) std::this_thread::yield();
  const double begin = seconds();
  for (std::uint32_t i = 0; i < kTurns; i += 2) {
    wait_for(turn, i);
    turn.store(i + 1, std::memory_order_release);
  }
  const double end = seconds();
  other.join();
  return (end - begin) / kTurns * 1e9;
}

}  // namespace

int main() {
  constexpr int kRunsMax = 300;
  constexpr double kSecondsMax = 10;
  double lock = 1e9;
  double line = 1e9;
  const double begin = seconds();
  for (int i = 0; i < kRunsMax && seconds() - begin < kSecondsMax; ++i) {
    lock = std::min(lock, lock_ns());
    line = std::min(line, line_ns());
  }
  std::printf("{\"lock_ns\": %.1f, \"line_ns\": %.1f}\n", lock, line);
}
