#include "base/crc.h"

#include <gtest/gtest.h>

#include <string>

namespace diskdb {
namespace {

// Check values of the CRC catalogue (reveng): both algorithms over "123456789".
TEST(Crc, MatchesThePublishedCheckValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc16("123456789"), 0x31C3U);
  EXPECT_EQ(crc64("123456789"), 0xE9C6D914C4B8D9CAU);
}

TEST(Crc, Crc32cOfALongRunIsThatOfItsPieces) {
  std::string text;
  for (int i = 0; i < 8000; ++i) text += static_cast<char>(i * 31 + i / 7);
  // Long runs are summed as blocks side by side; single bytes are not.
  std::uint32_t by_byte = 0;
  for (std::size_t size = 0; size < text.size(); ++size) {
    if (size % 97 == 0 || size % 1536 < 2) {
      ASSERT_EQ(crc32c({text.data(), size}), by_byte) << size;
    }
    by_byte = crc32c({text.data() + size, 1}, by_byte);
  }
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
