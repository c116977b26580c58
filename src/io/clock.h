// io/clock.h — the one source of time. No layer reads another clock.
#pragma once

#include <ctime>
#include <thread>

#include "base/units.h"

namespace diskdb::io {

/// Threads: thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Milliseconds since the Unix epoch; may jump when the machine's clock is set.
  virtual Millis wall() = 0;
  /// Microseconds since the Unix epoch.
  virtual Micros wall_micros() = 0;
  /// Never goes back; its zero means nothing.
  virtual Micros monotonic() = 0;
};

/// The machine's clocks.
class RealClock final : public Clock {
 public:
  Millis wall() override;
  Micros wall_micros() override;
  Micros monotonic() override;
};

/// The processor time of a thread of this process. Outlives the thread, whose time is 0 then.
///
/// Threads: immutable.
class ThreadClock {
 public:
  explicit ThreadClock(std::thread& thread);
  /// Cost: a system call.
  Micros time() const;

 private:
  clockid_t clock_;
};

/// Stands still until told. For tests.
class ManualClock final : public Clock {
 public:
  Millis wall() override { return {now_.count / 1000}; }
  Micros wall_micros() override { return now_; }
  Micros monotonic() override { return now_; }
  void advance(Millis by) { now_.count += by.count * 1000; }
  void set(Millis now) { now_.count = now.count * 1000; }

 private:
  Micros now_{1'700'000'000'000'000};
};

}  // namespace diskdb::io
