#include "io/clock.h"

#include <pthread.h>

#include "base/assert.h"

namespace diskdb::io {
namespace {

/// 0 where there is no such clock, or no longer.
std::int64_t micros_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

Millis RealClock::wall() { return {micros_of(CLOCK_REALTIME) / 1000}; }
Micros RealClock::wall_micros() { return {micros_of(CLOCK_REALTIME)}; }
Micros RealClock::monotonic() { return {micros_of(CLOCK_MONOTONIC)}; }

ThreadClock::ThreadClock(std::thread& thread) {
  const int result = ::pthread_getcpuclockid(thread.native_handle(), &clock_);
  ASSERT(result == 0);
}

Micros ThreadClock::time() const { return {micros_of(clock_)}; }

}  // namespace diskdb::io
