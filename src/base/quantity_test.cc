#include "base/quantity.h"

#include <gtest/gtest.h>

namespace diskdb {
namespace {

TEST(Quantity, MemoryHasRedisUnits) {
  EXPECT_EQ(parse_memory("0"), 0U);
  EXPECT_EQ(parse_memory("512"), 512U);
  EXPECT_EQ(parse_memory("512b"), 512U);
  EXPECT_EQ(parse_memory("1k"), 1000U);
  EXPECT_EQ(parse_memory("1kb"), 1024U);
  EXPECT_EQ(parse_memory("1m"), 1000000U);
  EXPECT_EQ(parse_memory("100MB"), 100U * 1024 * 1024);
  EXPECT_EQ(parse_memory("256mb"), 256U * 1024 * 1024);
  EXPECT_EQ(parse_memory("2g"), 2000000000U);
  EXPECT_EQ(parse_memory("1Gb"), 1_GiB);
  EXPECT_EQ(parse_memory("1tb"), 1024 * 1_GiB);
}

TEST(Quantity, MemoryRefusesWhatIsNotASize) {
  for (const Bytes text : {"", "mb", "-1", "+1", "1 mb", " 1", "1.5gb", "1pb", "1mbx", "5%"}) {
    EXPECT_FALSE(parse_memory(text).has_value()) << text;
  }
}

TEST(Quantity, MemoryEndsAt64Bits) {
  EXPECT_EQ(parse_memory("18446744073709551615"), 18446744073709551615U);
  EXPECT_FALSE(parse_memory("18446744073709551616").has_value());
  EXPECT_EQ(parse_memory("17179869183gb"), 17179869183U * 1_GiB);
  EXPECT_FALSE(parse_memory("17179869184gb").has_value());
}

TEST(Quantity, DurationsNameTheirUnitOrTakeTheSettings) {
  constexpr Millis kSeconds{1000};
  EXPECT_EQ(parse_duration("1000ms", kSeconds), Millis{1000});
  EXPECT_EQ(parse_duration("1s", kSeconds), Millis{1000});
  EXPECT_EQ(parse_duration("2S", Millis{1}), Millis{2000});
  EXPECT_EQ(parse_duration("3m", kSeconds), Millis{180000});
  EXPECT_EQ(parse_duration("3min", kSeconds), Millis{180000});
  EXPECT_EQ(parse_duration("1h", kSeconds), Millis{3600000});
  EXPECT_EQ(parse_duration("1d", kSeconds), Millis{86400000});
  EXPECT_EQ(parse_duration("7", kSeconds), Millis{7000});
  EXPECT_EQ(parse_duration("7", Millis{1}), Millis{7});
  EXPECT_EQ(parse_duration("0", kSeconds), Millis{0});
}

TEST(Quantity, DurationsRefuseWhatIsNotOne) {
  for (const Bytes text :
       {"", "s", "-1s", "1 s", "1w", "1.5s", "9223372036854775808", "9223372036854776s"}) {
    EXPECT_FALSE(parse_duration(text, Millis{1}).has_value()) << text;
  }
  EXPECT_EQ(parse_duration("9223372036854775807", Millis{1}), Millis{9223372036854775807});
}

}  // namespace
}  // namespace diskdb
