#include "base/crc.h"

#include <gtest/gtest.h>

#include <string>

namespace diskdb {
namespace {

// Check values of the CRC catalogue (reveng): both algorithms over "123456789".
TEST(Crc, MatchesThePublishedCheckValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc16("123456789"), 0x31C3U);
}

TEST(Crc, Crc32cContinues) { EXPECT_EQ(crc32c("456789", crc32c("123")), crc32c("123456789")); }

TEST(Crc, Crc16OfEveryLengthEqualsTheBitwiseDefinition) {
  std::string bytes;
  for (int n = 0; n < 64; ++n) {
    unsigned crc = 0;
    for (const char c : bytes) {
      crc ^= static_cast<unsigned char>(c) << 8;
      for (int bit = 0; bit < 8; ++bit)
        crc = ((crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1) & 0xFFFF;
    }
    EXPECT_EQ(crc16(bytes), crc) << n;
    bytes.push_back(static_cast<char>(n * 37 + 11));
  }
}

}  // namespace
}  // namespace diskdb
