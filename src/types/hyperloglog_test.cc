#include "types/hyperloglog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/number.h"

namespace diskdb::types {
namespace {

value::HllHistogram histogram_of(std::int64_t element_count) {
  value::HllRegisters registers{};
  for (std::int64_t i = 0; i < element_count; ++i) {
    const auto [index, value] = hll_contribution("element:" + format_integer(i));
    registers[index] = std::max(registers[index], static_cast<std::uint8_t>(value));
  }
  return value::hll_histogram(registers);
}

TEST(HllContribution, IsInRange) {
  for (int i = 0; i < 10'000; ++i) {
    const auto [index, value] = hll_contribution(std::to_string(i));
    ASSERT_LT(index, value::kHllRegisterCount);
    ASSERT_GE(value, 1U);
    ASSERT_LE(value, 51U);
  }
}

TEST(HllEstimate, IsCloseToTheTruth) {
  EXPECT_EQ(hll_estimate(histogram_of(0)), 0U);
  EXPECT_EQ(hll_estimate(histogram_of(1)), 1U);
  for (const std::int64_t count : {10, 100, 1000, 10'000, 100'000, 500'000}) {
    const auto estimate = static_cast<double>(hll_estimate(histogram_of(count)));
    const auto truth = static_cast<double>(count);
    EXPECT_NEAR(estimate, truth, std::ceil(truth * 4 * 1.04 / 128)) << count;
  }
}

}  // namespace
}  // namespace diskdb::types
