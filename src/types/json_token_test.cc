#include "types/json_token.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "io/random.h"
#include "types/json_text.h"

namespace diskdb::types {
namespace {

JsonTokens tokens_of(Bytes text) {
  JsonTokens tokens;
  std::string error;
  EXPECT_TRUE(parse_json(text, &tokens, &error)) << text << ": " << error;
  return tokens;
}

std::string stored(const JsonTokens& tokens, std::size_t i) {
  std::string scratch;
  return std::string(tokens.entry(i, &scratch));
}

// The example of docs/format/json.md, byte for byte.
TEST(JsonToken, IsStoredAsItsPageSays) {
  using namespace std::string_literals;
  const JsonTokens tokens = tokens_of(R"({"a":[1,-2.5,"x"],"b":18446744073709551615})");
  const std::string expected[] = {"\x09\x02\x07"s,
                                  "\x08\x61"s,
                                  "\x0a\x03\x03"s,
                                  "\x03\x02"s,
                                  "\x05\x00\x00\x20\xc0"s,
                                  "\x07x"s,
                                  "\x08\x62"s,
                                  "\x04\xff\xff\xff\xff\xff\xff\xff\xff"s};
  ASSERT_EQ(tokens.count(), std::size(expected));
  for (std::size_t i = 0; i < tokens.count(); ++i) EXPECT_EQ(stored(tokens, i), expected[i]) << i;
}

TEST(JsonToken, ComesBack) {
  const double kReals[] = {0.0, -0.0, 0.1, 1.5, 1e300, -1e-300, 5e-324, 3.4028234663852886e38};
  for (const double real : kReals) {
    std::string entry;
    append_json_token(JsonToken::of_real(real), &entry);
    const JsonToken token = decode_json_token(entry);
    EXPECT_EQ(token.real, real);
    EXPECT_EQ(std::signbit(token.real), std::signbit(real));
  }
  io::Random random(1);
  for (int i = 0; i < 10'000; ++i) {
    const auto integer = static_cast<std::int64_t>(random.next() >> random.below(64));
    for (const std::int64_t value : {integer, -integer - 1}) {
      std::string entry;
      append_json_token(JsonToken::of_integer(value), &entry);
      EXPECT_EQ(decode_json_token(entry).integer, value);
    }
  }
}

TEST(JsonToken, AnyBytesAreSomeToken) {
  io::Random random(2);
  for (int i = 0; i < 100'000; ++i) {
    std::string entry(random.below(14), '\0');
    for (char& c : entry) c = static_cast<char>(random.below(256));
    const JsonToken token = decode_json_token(entry);
    EXPECT_LE(token.kind, JsonKind::kArray);
    EXPECT_LE(token.text.size(), entry.size());
  }
}

TEST(JsonTokens, AreEqualWhateverTheOrderOfMembers) {
  const auto equal = [](Bytes a, Bytes b) { return are_equal(tokens_of(a), 0, tokens_of(b), 0); };
  EXPECT_TRUE(equal(R"({"a":1,"b":[{"c":null}]})", R"({"b":[{"c":null}],"a":1})"));
  EXPECT_TRUE(equal("[]", "[ ]"));
  EXPECT_TRUE(equal(R"({"a":1,"b":2,"c":3})", R"({"c":3,"a":1,"b":2})"));
  EXPECT_FALSE(equal(R"({"a":1,"b":2})", R"({"a":1,"b":3})"));
  EXPECT_FALSE(equal(R"({"a":1,"b":2})", R"({"a":1,"c":2})"));
  EXPECT_FALSE(equal(R"({"a":1})", R"({"a":1,"b":2})"));
  EXPECT_FALSE(equal("[1,2]", "[2,1]"));
  EXPECT_FALSE(equal("[1]", "[1,1]"));
  EXPECT_FALSE(equal("1", "1.0"));
  EXPECT_FALSE(equal("{}", "[]"));
}

}  // namespace
}  // namespace diskdb::types
