#include "base/number.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace diskdb {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

TEST(Number, IntegersParseInTheirCanonicalFormOnly) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("-1"), -1);
  EXPECT_EQ(parse_integer("1234567890123456789"), 1234567890123456789);
  EXPECT_EQ(parse_integer("9223372036854775807"), kMax);
  EXPECT_EQ(parse_integer("-9223372036854775808"), kMin);
  for (const Bytes text : {"",
                           "-",
                           "+1",
                           "-0",
                           "00",
                           "01",
                           "-01",
                           " 1",
                           "1 ",
                           "1a",
                           "a",
                           "1.0",
                           "1e3",
                           "0x10",
                           "9223372036854775808",
                           "-9223372036854775809",
                           "18446744073709551616",
                           "99999999999999999999",
                           "-99999999999999999999",
                           "111111111111111111111"}) {
    EXPECT_FALSE(parse_integer(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_integer(Bytes("1\0", 2)).has_value());
}

TEST(Number, FormattingInvertsParsing) {
  std::mt19937_64 random(1);
  std::vector<std::int64_t> values = {0,   1,   -1,   9,    10,       99,  100,
                                      101, 999, 1000, kMin, kMin + 1, kMax};
  for (std::int64_t power = 1; power < kMax / 10; power *= 10) {
    values.insert(values.end(), {power - 1, power, power + 1, -power, -power - 1});
  }
  for (int i = 0; i < 10'000; ++i)
    values.push_back(static_cast<std::int64_t>(random() >> (random() % 64)));
  for (const std::int64_t value : values) {
    const std::string text = format_integer(value);
    EXPECT_EQ(text, std::to_string(value));
    EXPECT_EQ(parse_integer(text), value);
  }
  char buffer[kIntegerTextBytesMax];
  EXPECT_EQ(Bytes(buffer, format_unsigned(buffer, ~std::uint64_t{0})), "18446744073709551615");
}

TEST(Number, RealsParseAsStrtoldWithRedisRefusals) {
  EXPECT_EQ(parse_real("3"), 3.0L);
  EXPECT_EQ(parse_real("3.25"), 3.25L);
  EXPECT_EQ(parse_real("+3.25e2"), 325.0L);
  EXPECT_EQ(parse_real(".5"), 0.5L);
  EXPECT_EQ(parse_real("0x10"), 16.0L);
  EXPECT_EQ(parse_real("010"), 10.0L);
  EXPECT_EQ(parse_real("inf"), std::numeric_limits<long double>::infinity());
  EXPECT_EQ(parse_real("-Infinity"), -std::numeric_limits<long double>::infinity());
  EXPECT_EQ(parse_real("1e400"), 1e400L);
  for (const Bytes text :
       {"", " 1", "1 ", "\t1", "nan", "-nan", "1a", "abc", "1e99999", "1e-99999", "--1"}) {
    EXPECT_FALSE(parse_real(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_real(Bytes("1\0", 2)).has_value());
}

TEST(Number, RealsEndAt5KilobytesAndDoublesDoNot) {
  EXPECT_EQ(parse_real("1." + std::string(5117, '0')), 1.0L);
  EXPECT_FALSE(parse_real("1." + std::string(5118, '0')).has_value());
  EXPECT_EQ(parse_double("1." + std::string(5118, '0')), 1.0);
  EXPECT_FALSE(parse_double("1." + std::string(5118, '0') + "x").has_value());
}

TEST(Number, DoublesOverflowWhereLongDoublesDoNot) {
  EXPECT_FALSE(parse_double({}).has_value());  // no bytes anywhere
  EXPECT_EQ(parse_double("1.5"), 1.5);
  EXPECT_EQ(parse_double("-17"), -17.0);
  EXPECT_EQ(parse_double("4.9e-324"), std::numeric_limits<double>::denorm_min());
  EXPECT_FALSE(parse_double("1e400").has_value());
  EXPECT_FALSE(parse_double("1e-400").has_value());
}

// With and without zeros in front, a point anywhere, a sign: to the last bit.
TEST(Number, PlainDecimalsAreRoundedAsByStrtod) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200'000; ++i) {
    std::string text(1 + random() % 17, '0');
    for (std::size_t k = random() % 3 == 0 ? random() % text.size() : 0; k < text.size(); ++k) {
      text[k] = static_cast<char>('0' + random() % 10);
    }
    if (random() % 2 == 0) text.insert(random() % (text.size() + 1), ".");
    if (random() % 2 == 0) text.insert(0, "-");
    const auto value = parse_double(text);
    ASSERT_TRUE(value.has_value()) << text;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(*value),
              std::bit_cast<std::uint64_t>(std::strtod(text.c_str(), nullptr)))
        << text;
  }
  for (const char* text : {"", "-", ".", "-.", "--1", "1-", "1..2", "1.2.3", "1 "}) {
    EXPECT_FALSE(parse_double(text).has_value()) << text;
  }
}

TEST(Number, HumanTextHasNoExponentAndNoTrailingZeros) {
  EXPECT_EQ(format_human(0), "0");
  EXPECT_EQ(format_human(-0.0L), "0");
  EXPECT_EQ(format_human(3), "3");
  EXPECT_EQ(format_human(10.5L), "10.5");
  EXPECT_EQ(format_human(1e3L), "1000");
  EXPECT_EQ(format_human(-100), "-100");
  EXPECT_EQ(format_human(1e-17L), "0.00000000000000001");
  EXPECT_EQ(format_human(-1e-30L), "0");
  EXPECT_EQ(format_human(*parse_real("3.1") + *parse_real("0.2")), "3.3");
  EXPECT_EQ(format_human(*parse_real("5.0e3") + 200), "5200");
  EXPECT_EQ(format_human(std::numeric_limits<long double>::max()).size(), 4933U);
  EXPECT_EQ(format_human(std::numeric_limits<long double>::infinity()), "inf");
  EXPECT_EQ(format_human(-std::numeric_limits<long double>::infinity()), "-inf");
}

TEST(Number, DoublesPrintAsPrintf17g) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(format_double(infinity), "inf");
  EXPECT_EQ(format_double(-infinity), "-inf");
  EXPECT_EQ(format_double(std::nan("")), "nan");
  EXPECT_EQ(format_double(-std::nan("")), "nan");

  std::mt19937_64 random(2);
  std::vector<double> values = {0.0,
                                -0.0,
                                1,
                                -1,
                                0.1,
                                3.14,
                                1e16,
                                1e17,
                                123456789012345678.0,
                                -1e17,
                                99999999999999999.0,
                                1e-5,
                                1e-4,
                                5e-324,
                                -1.7976931348623157e308,
                                1e100,
                                9007199254740993.0};
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t bits = random();
    double value;
    static_assert(sizeof value == sizeof bits);
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value)) values.push_back(value);
    values.push_back(static_cast<double>(static_cast<std::int64_t>(bits >> (bits % 64))) / 8);
  }
  for (const double value : values) {
    char expected[64];
    std::snprintf(expected, sizeof expected, "%.17g", value);
    const std::string text = format_double(value);
    EXPECT_EQ(text, expected);
    EXPECT_LE(text.size(), kDoubleTextBytesMax);
    // Denormals are the one value that strtod reports as out of range and yet reads.
    EXPECT_EQ(parse_double(text), value);
  }
}

TEST(Number, CaseIsIgnoredForAsciiLettersOnly) {
  EXPECT_TRUE(equals_ignoring_case("", ""));
  EXPECT_TRUE(equals_ignoring_case("SeT", "sEt"));
  EXPECT_FALSE(equals_ignoring_case("set", "sets"));
  EXPECT_FALSE(equals_ignoring_case("[", "{"));
  EXPECT_FALSE(equals_ignoring_case("@", "`"));
  EXPECT_FALSE(equals_ignoring_case("\xC4", "\xE4"));
}

}  // namespace
}  // namespace diskdb
