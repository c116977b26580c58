#include "types/bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "io/random.h"

namespace diskdb::types {
namespace {

std::string random_text(io::Random& random, std::size_t size) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random.below(256));
  return text;
}

std::uint64_t count_slowly(Bytes text, BitRange range) {
  std::uint64_t count = 0;
  for (std::uint64_t i = range.first; i <= range.last; ++i) count += bit_at(text, i) ? 1 : 0;
  return count;
}

TEST(Bits, BitZeroIsTheHighest) {
  EXPECT_TRUE(bit_at("\x80", 0));
  EXPECT_FALSE(bit_at("\x80", 7));
  EXPECT_TRUE(bit_at("\x01", 7));
  EXPECT_FALSE(bit_at("\xff", 8));
  EXPECT_FALSE(bit_at("", 0));
}

TEST(Bits, AreCountedAsOneByOne) {
  io::Random random(1);
  for (int round = 0; round < 300; ++round) {
    const std::string text = random_text(random, 1 + random.below(200));
    const std::uint64_t bits = text.size() * 8;
    EXPECT_EQ(count_bits(text), count_slowly(text, {0, bits - 1}));
    const std::uint64_t first = random.below(bits);
    const BitRange range{first, first + random.below(bits - first)};
    EXPECT_EQ(count_bits(text, range), count_slowly(text, range));
  }
  EXPECT_EQ(count_bits(""), 0U);
}

TEST(Bits, AreFoundWhereverTheyLie) {
  // One bit of its kind in a long run of the other.
  for (const bool wanted : {false, true}) {
    for (std::uint64_t place = 0; place < 40 * 8; ++place) {
      std::string text(40, wanted ? '\0' : '\xff');
      text[place / 8] = static_cast<char>(text[place / 8] ^ (0x80 >> place % 8));
      EXPECT_EQ(find_bit(text, wanted, {0, 319}), place);
      EXPECT_EQ(find_bit(text, wanted, {place, place}), place);
      const auto before = place > 0 ? find_bit(text, wanted, {0, place - 1}) : std::nullopt;
      const auto behind = place < 319 ? find_bit(text, wanted, {place + 1, 319}) : std::nullopt;
      EXPECT_EQ(before, std::nullopt);
      EXPECT_EQ(behind, std::nullopt);
    }
  }
}

bool combined_bit(BitOperation operation, const std::vector<Bytes>& sources, std::uint64_t i) {
  const bool first = bit_at(sources[0], i);
  std::size_t set_count = 0;
  for (const Bytes source : sources) set_count += bit_at(source, i) ? 1 : 0;
  const std::size_t others_count = set_count - (first ? 1 : 0);
  switch (operation) {
    case BitOperation::kAnd:
      return set_count == sources.size();
    case BitOperation::kOr:
      return set_count > 0;
    case BitOperation::kXor:
      return set_count % 2 == 1;
    case BitOperation::kNot:
      return !first;
    case BitOperation::kDiff:
      return first && others_count == 0;
    case BitOperation::kDiff1:
      return !first && others_count > 0;
    case BitOperation::kAndOr:
      return first && others_count > 0;
    case BitOperation::kOne:
      return set_count == 1;
  }
  return false;
}

TEST(CombineBits, DoesAsItIsDefinedBitByBit) {
  io::Random random(2);
  for (int i = 0; i <= static_cast<int>(BitOperation::kOne); ++i) {
    const auto operation = static_cast<BitOperation>(i);
    for (int round = 0; round < 20; ++round) {
      // Lengths around those of a block.
      std::vector<std::string> texts;
      const std::size_t source_count = operation == BitOperation::kNot ? 1 : 1 + random.below(4);
      while (texts.size() < source_count) {
        const std::size_t around = random.chance_percent(50) ? 4090 : 0;
        texts.push_back(random_text(random, around + random.below(20)));
      }
      const std::vector<Bytes> sources(texts.begin(), texts.end());
      std::size_t size = 0;
      for (const Bytes source : sources) size = std::max(size, source.size());
      std::string result(size, 'x');
      combine_bits(operation, sources, result.data(), size);
      for (std::uint64_t bit = 0; bit < size * 8; ++bit) {
        ASSERT_EQ(bit_at(result, bit), combined_bit(operation, sources, bit)) << i << " " << bit;
      }
    }
  }
}

TEST(CombineBits, MayWriteOverASource) {
  io::Random random(3);
  const std::string a = random_text(random, 10'000);
  const std::string b = random_text(random, 9'000);
  std::string expected(10'000, '\0');
  combine_bits(BitOperation::kXor, std::vector<Bytes>{a, b}, expected.data(), expected.size());
  std::string result = a;
  combine_bits(BitOperation::kXor, std::vector<Bytes>{result, b}, result.data(), result.size());
  EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace diskdb::types
