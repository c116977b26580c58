// io/random.h — the one source of chance: repeatable numbers from a seed, and seeds from the
// kernel. Not for secrets that a client must not guess.
#pragma once

#include <cstdint>

#include "base/assert.h"

namespace diskdb::io {

/// 64 bits that nobody could foresee, from the kernel.
std::uint64_t entropy();

/// SplitMix64: the same seed gives the same numbers, on every machine.
///
/// Threads: none; give each thread its own.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EB;
    return z ^ (z >> 31U);
  }
  /// Uniform in [0, bound), up to a bias of bound / 2^64. Requires: bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    ASSERT(bound > 0);
    return next() % bound;
  }
  bool chance_percent(std::uint64_t percent) { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

}  // namespace diskdb::io
