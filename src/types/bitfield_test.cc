#include "types/bitfield.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "io/random.h"
#include "types/bits.h"

namespace diskdb::types {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

TEST(BitfieldType, IsALetterAndAWidth) {
  EXPECT_EQ(parse_bitfield_type("i64")->bits, 64U);
  EXPECT_TRUE(parse_bitfield_type("i1")->is_signed);
  EXPECT_FALSE(parse_bitfield_type("u63")->is_signed);
  for (const char* text : {"", "i", "u", "u64", "i65", "u0", "i-1", "x8", "U8", "u8 ", "u08"}) {
    EXPECT_FALSE(parse_bitfield_type(text).has_value()) << text;
  }
}

TEST(Bitfield, ReadsWhatWasWrittenAndLeavesTheRest) {
  io::Random random(1);
  for (int round = 0; round < 5000; ++round) {
    const bool is_signed = random.chance_percent(50);
    const BitfieldType type{is_signed,
                            static_cast<unsigned>(1 + random.below(is_signed ? 64 : 63))};
    const std::uint64_t offset = random.below(100);
    const auto value = static_cast<std::int64_t>(random.next());
    const std::string before(24, static_cast<char>(random.below(256)));
    std::string text = before;
    write_bitfield(text.data(), type, offset, value);
    for (std::uint64_t bit = 0; bit < text.size() * 8; ++bit) {
      if (bit >= offset && bit < offset + type.bits) {
        const unsigned shift = type.bits - 1 - static_cast<unsigned>(bit - offset);
        ASSERT_EQ(bit_at(text, bit), (static_cast<std::uint64_t>(value) >> shift & 1U) != 0);
      } else {
        ASSERT_EQ(bit_at(text, bit), bit_at(before, bit));
      }
    }
    const std::int64_t read = read_bitfield(text, type, offset);
    const std::int64_t kept = *add_in_bitfield(type, value, 0, Overflow::kWrap);
    ASSERT_EQ(read, kept);
  }
}

TEST(Bitfield, IsZeroBeyondTheEnd) {
  EXPECT_EQ(read_bitfield("\xff", {false, 16}, 4), 0xf000);
  EXPECT_EQ(read_bitfield("", {true, 64}, 1000), 0);
}

struct OverflowCase {
  BitfieldType type;
  std::int64_t value;
  std::int64_t increment;
  std::int64_t wrapped;
  std::int64_t saturated;
};

TEST(AddInBitfield, WrapsSaturatesOrFails) {
  const OverflowCase cases[] = {
      {{false, 8}, 255, 1, 0, 255},      {{false, 8}, 0, -1, 255, 0},
      {{false, 8}, 300, 0, 44, 255},     {{false, 8}, -1, 0, 255, 255},
      {{false, 8}, 0, -300, 212, 0},     {{true, 8}, 127, 1, -128, 127},
      {{true, 8}, -128, -1, 127, -128},  {{true, 8}, 300, 0, 44, 127},
      {{true, 8}, -300, 0, -44, -128},   {{true, 1}, 0, 1, -1, 0},
      {{true, 64}, kMax, 1, kMin, kMax}, {{true, 64}, kMin, -1, kMax, kMin},
      {{false, 63}, kMax, 1, 0, kMax},   {{true, 5}, 10, kMax, 9, 15},
  };
  for (const OverflowCase& c : cases) {
    EXPECT_EQ(add_in_bitfield(c.type, c.value, c.increment, Overflow::kWrap), c.wrapped);
    EXPECT_EQ(add_in_bitfield(c.type, c.value, c.increment, Overflow::kSat), c.saturated);
    EXPECT_EQ(add_in_bitfield(c.type, c.value, c.increment, Overflow::kFail), std::nullopt);
  }
  EXPECT_EQ(add_in_bitfield({true, 8}, 100, 27, Overflow::kFail), 127);
  EXPECT_EQ(add_in_bitfield({false, 63}, kMax - 1, 1, Overflow::kFail), kMax);
}

}  // namespace
}  // namespace diskdb::types
