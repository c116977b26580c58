#include "types/string_value.h"

#include <gtest/gtest.h>

#include <string>

namespace diskdb::types {
namespace {

std::string digest_text(Bytes text) {
  char digits[kDigestTextBytes];
  format_digest(digits, digest_of(text));
  return {digits, sizeof digits};
}

// Redis 8.4's own answers.
TEST(Digest, IsXxh3OfTheText) {
  EXPECT_EQ(digest_text("Hello world"), "b6acb9d84a38ff74");
  EXPECT_EQ(digest_text("Hello, Dragonfly!"), "063b4909128e92b7");
  EXPECT_EQ(digest_text("test"), "9ec9f7918d7dfc40");
  EXPECT_EQ(digest_text(""), "2d06800538d394c2");
}

TEST(Digest, ReadsItsSixteenDigitsOnly) {
  EXPECT_EQ(parse_digest("00000000000000fF"), 255U);
  EXPECT_EQ(parse_digest("ffffffffffffffff"), ~std::uint64_t{0});
  for (const char* text : {"", "0", "000000000000000", "00000000000000000", "000000000000000g",
                           "0x00000000000000", " 000000000000000"}) {
    EXPECT_EQ(parse_digest(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace diskdb::types
