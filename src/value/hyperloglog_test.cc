// The bytes themselves are pinned by tests/transcript/hyperloglog, whose replies are Redis's.
#include "value/hyperloglog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace diskdb::value {
namespace {

constexpr std::size_t kSparseMax = 3000;

/// A small generator, for this layer lies below io/random.h.
class Numbers {
 public:
  std::size_t below(std::size_t bound) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return (state_ >> 33U) % bound;
  }

 private:
  std::uint64_t state_ = 1;
};

std::string dense_copy(const std::string& text) {
  std::string dense = text;
  EXPECT_TRUE(hll_make_dense(&dense));
  return dense;
}

TEST(HyperLogLog, BeginsSparseWithNothing) {
  const std::string text = make_hyperloglog();
  EXPECT_EQ(text.size(), kHllHeaderBytes + 2);
  EXPECT_TRUE(is_hyperloglog(text));
  EXPECT_EQ(hll_encoding(text), HllEncoding::kSparse);
  EXPECT_EQ(hll_describe_runs(text), "Z:16384");
  EXPECT_EQ(hll_cached_count(text), 0U);
}

TEST(HyperLogLog, IsToldByItsHeader) {
  const std::string sparse = make_hyperloglog();
  const std::string dense = dense_copy(sparse);
  EXPECT_TRUE(is_hyperloglog(dense));
  EXPECT_FALSE(is_hyperloglog(dense + "x"));
  EXPECT_FALSE(is_hyperloglog(Bytes(dense).substr(0, dense.size() - 1)));
  EXPECT_FALSE(is_hyperloglog(Bytes(sparse).substr(0, kHllHeaderBytes - 1)));
  EXPECT_TRUE(is_hyperloglog(Bytes(sparse).substr(0, kHllHeaderBytes)));  // its runs are corrupt
  EXPECT_FALSE(is_hyperloglog(""));
  std::string other = sparse;
  other[3] = 'l';
  EXPECT_FALSE(is_hyperloglog(other));
  other = sparse;
  other[4] = 2;
  EXPECT_FALSE(is_hyperloglog(other));
}

TEST(HyperLogLog, CachesItsCount) {
  std::string text = make_hyperloglog();
  hll_set_cached_count(text.data(), 123456789);
  EXPECT_EQ(hll_cached_count(text), 123456789U);
  hll_drop_cached_count(text.data());
  EXPECT_EQ(hll_cached_count(text), std::nullopt);
  EXPECT_EQ(text[8], '\x15');  // the old count's bytes stay
}

TEST(HllRaise, SplitsAndMergesRuns) {
  std::string text = make_hyperloglog();
  EXPECT_EQ(hll_raise(&text, 100, 3, kSparseMax), HllChange::kRaised);
  EXPECT_EQ(hll_describe_runs(text), "Z:100 v:3,1 Z:16283");
  EXPECT_EQ(hll_raise(&text, 100, 3, kSparseMax), HllChange::kNone);
  EXPECT_EQ(hll_raise(&text, 100, 2, kSparseMax), HllChange::kNone);
  EXPECT_EQ(hll_raise(&text, 102, 3, kSparseMax), HllChange::kRaised);
  EXPECT_EQ(hll_describe_runs(text), "Z:100 v:3,1 z:1 v:3,1 Z:16281");
  EXPECT_EQ(hll_raise(&text, 101, 3, kSparseMax), HllChange::kRaised);
  EXPECT_EQ(hll_describe_runs(text), "Z:100 v:3,3 Z:16281");
  EXPECT_EQ(hll_raise(&text, 101, 5, kSparseMax), HllChange::kRaised);
  EXPECT_EQ(hll_describe_runs(text), "Z:100 v:3,1 v:5,1 v:3,1 Z:16281");
  EXPECT_EQ(hll_raise(&text, 0, 1, kSparseMax), HllChange::kRaised);
  EXPECT_EQ(hll_raise(&text, 16383, 32, kSparseMax), HllChange::kRaised);
  EXPECT_EQ(hll_describe_runs(text), "v:1,1 Z:99 v:3,1 v:5,1 v:3,1 Z:16280 v:32,1");
  EXPECT_EQ(hll_raise(&text, 50, 1, kSparseMax), HllChange::kRaised);
  EXPECT_EQ(hll_describe_runs(text), "v:1,1 z:49 v:1,1 z:49 v:3,1 v:5,1 v:3,1 Z:16280 v:32,1");
}

TEST(HllRaise, BecomesDenseForAValueTooHighOrAStringTooLong) {
  std::string text = make_hyperloglog();
  EXPECT_EQ(hll_raise(&text, 7, 33, kSparseMax), HllChange::kRaised);
  EXPECT_EQ(hll_encoding(text), HllEncoding::kDense);
  EXPECT_EQ(hll_dense_register(text, 7), 33U);

  text = make_hyperloglog();
  EXPECT_EQ(hll_raise(&text, 7, 1, 19), HllChange::kRaised);
  EXPECT_EQ(hll_encoding(text), HllEncoding::kDense);
  text = make_hyperloglog();
  EXPECT_EQ(hll_raise(&text, 100, 1, 21), HllChange::kRaised);
  EXPECT_EQ(hll_encoding(text), HllEncoding::kSparse);
  EXPECT_EQ(text.size(), 21U);
}

TEST(HyperLogLog, MeansTheSameInBothEncodings) {
  Numbers numbers;
  HllRegisters expected{};
  std::string sparse = make_hyperloglog();
  std::string dense = dense_copy(sparse);
  for (int i = 0; i < 6'000; ++i) {
    const std::size_t index = numbers.below(kHllRegisterCount);
    const auto value = static_cast<unsigned>(1 + numbers.below(32));
    const auto change = value > expected[index] ? HllChange::kRaised : HllChange::kNone;
    expected[index] = std::max(expected[index], static_cast<std::uint8_t>(value));
    ASSERT_EQ(hll_raise(&sparse, index, value, 1U << 20U), change);
    ASSERT_EQ(hll_raise(&dense, index, value, 0), change);
    if (i % 1000 != 0) continue;
    ASSERT_EQ(hll_encoding(sparse), HllEncoding::kSparse);
    HllRegisters registers{};
    ASSERT_TRUE(hll_merge(sparse, &registers));
    ASSERT_EQ(registers, expected);
    ASSERT_EQ(hll_histogram(sparse), hll_histogram(expected));
    ASSERT_EQ(hll_histogram(dense), hll_histogram(expected));
    ASSERT_EQ(dense_copy(sparse), dense);
  }
}

TEST(HyperLogLog, SaysWhichRunsAreCorrupt) {
  const std::string header = make_hyperloglog().substr(0, kHllHeaderBytes);
  const std::string all = "\x7f\xff";  // 16384 zeros
  for (const std::string& runs : {std::string(), std::string("\x7f", 1), std::string("\x7f\xfe"),
                                  all + all, all + std::string(1, '\0'), std::string("\x80\x7f")}) {
    std::string text = header + runs;
    HllRegisters registers{};
    EXPECT_TRUE(is_hyperloglog(text));
    EXPECT_FALSE(hll_merge(text, &registers));
    EXPECT_EQ(hll_histogram(text), std::nullopt);
    EXPECT_FALSE(hll_make_dense(&text));
    EXPECT_EQ(hll_raise(&text, 16383, 40, kSparseMax), HllChange::kCorrupt);
    EXPECT_EQ(text, header + runs);
  }
  std::string shorter = header + "\x7f\xfe";
  EXPECT_EQ(hll_raise(&shorter, 16383, 1, kSparseMax), HllChange::kCorrupt);
  EXPECT_EQ(hll_raise(&shorter, 16382, 1, kSparseMax), HllChange::kRaised);
}

}  // namespace
}  // namespace diskdb::value
