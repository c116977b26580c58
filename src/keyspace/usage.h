// keyspace/usage.h — when a key was last used, and how often: what eviction goes by.
//
// Each record has 24 bits of seconds (they repeat after 194 days) and an 8-bit counter, kept under
// every policy, so that OBJECT IDLETIME and OBJECT FREQ always have an answer and a policy that is
// switched on knows the past.
//
// The counter is Redis's: it begins at kFrequencyInitial, so that a new key is not the first to go;
// a use raises it with probability 1 / (excess * log_factor + 1), where excess is what it is above
// the initial value: a logarithm of the number of uses (with factor 10 it reaches 255 after about a
// million). Whoever reads it takes off what it has lost since the last use: one for each
// decay_minutes that have gone by, counted in whole minutes of the clock as Redis does.
#pragma once

#include <cstdint>

#include "base/units.h"
#include "keyspace/record.h"

namespace diskdb::keyspace {

constexpr std::uint32_t kFrequencyLogFactorMax = 1 << 24;

/// How the frequency counts: settings lfu-log-factor, lfu-decay-time.
struct FrequencyRule {
  std::uint32_t log_factor = 10;
  std::uint32_t decay_minutes = 1;  ///< 0: never
};

/// What a record notes of the instant `now`.
constexpr std::uint32_t access_seconds(Millis now) {
  return static_cast<std::uint32_t>(now.count / 1000) & 0xFFFFFF;
}

/// Since the last use, modulo 2^24.
inline std::uint32_t idle_seconds(const Record& record, Millis now) {
  return (access_seconds(now) - record.accessed_at()) & 0xFFFFFF;
}

/// The counter as it would be used now.
inline std::uint8_t frequency_at(const Record& record, Millis now, const FrequencyRule& rule) {
  const std::uint32_t idle = idle_seconds(record, now);
  if (idle == 0 || rule.decay_minutes == 0) return record.frequency();
  const std::int64_t seconds = now.count / 1000;
  const auto minutes = static_cast<std::uint64_t>(seconds / 60 - (seconds - idle) / 60);
  const std::uint64_t lost = minutes / rule.decay_minutes;
  return static_cast<std::uint8_t>(lost < record.frequency() ? record.frequency() - lost : 0);
}

/// The counter after one use. `random`: uniform 64 bits. Requires: log_factor at most
/// kFrequencyLogFactorMax.
inline std::uint8_t frequency_after_use(std::uint8_t frequency, std::uint64_t random,
                                        const FrequencyRule& rule) {
  if (frequency == 255) return frequency;
  const std::uint64_t excess = frequency > kFrequencyInitial ? frequency - kFrequencyInitial : 0;
  const bool is_raised = ((random >> 32) * (excess * rule.log_factor + 1)) >> 32 == 0;
  return static_cast<std::uint8_t>(frequency + (is_raised ? 1 : 0));
}

/// The record is used now.
inline void note_use(Record& record, Millis now, std::uint64_t random, const FrequencyRule& rule) {
  const std::uint8_t before = frequency_at(record, now, rule);
  record.set_frequency(frequency_after_use(before, random, rule));
  record.set_accessed_at(access_seconds(now));
}

}  // namespace diskdb::keyspace
