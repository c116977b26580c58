// The tick clock against the system's.
#include "io/ticks.h"

#include <gtest/gtest.h>

#include "io/clock.h"

namespace diskdb::io {
namespace {

TEST(TickClock, AgreesWithTheSystemsClock) {
  RealClock clock;
  const TickClock ticks;
  const Micros begin = clock.monotonic();
  const std::uint64_t from = ticks.now();
  while (clock.monotonic() < begin + Micros{20'000}) continue;
  const std::uint64_t nanos = ticks.nanos(from, ticks.now());
  const std::int64_t micros = (clock.monotonic() - begin).count;
  EXPECT_GE(nanos, 19'800'000U);
  EXPECT_LE(nanos, static_cast<std::uint64_t>(micros) * 1010);
}

TEST(TickClock, ALaterReadingIsNeverEarlier) {
  const TickClock ticks;
  EXPECT_EQ(ticks.nanos(1000, 999), 0U);
  EXPECT_EQ(ticks.nanos(1000, 1000), 0U);
  EXPECT_GT(ticks.nanos(0, 1'000'000), 0U);
}

}  // namespace
}  // namespace diskdb::io
