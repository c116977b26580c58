// base/units.h — durations, instants and sizes that cannot be mixed up.
#pragma once

#include <compare>
#include <cstdint>

namespace diskdb {

/// Milliseconds: a span of time, or, where the name says so, an instant since the Unix epoch.
struct Millis {
  std::int64_t count = 0;
  friend constexpr auto operator<=>(Millis, Millis) = default;
  friend constexpr Millis operator+(Millis a, Millis b) { return {a.count + b.count}; }
  friend constexpr Millis operator-(Millis a, Millis b) { return {a.count - b.count}; }
};

/// Microseconds of a clock that never goes back; only differences mean anything.
struct Micros {
  std::int64_t count = 0;
  friend constexpr auto operator<=>(Micros, Micros) = default;
  friend constexpr Micros operator+(Micros a, Micros b) { return {a.count + b.count}; }
  friend constexpr Micros operator-(Micros a, Micros b) { return {a.count - b.count}; }
};

constexpr std::uint64_t operator""_KiB(unsigned long long n) { return n << 10U; }
constexpr std::uint64_t operator""_MiB(unsigned long long n) { return n << 20U; }
constexpr std::uint64_t operator""_GiB(unsigned long long n) { return n << 30U; }

}  // namespace diskdb
