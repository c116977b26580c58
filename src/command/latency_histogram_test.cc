// Ranges, percentiles and sums of latency histograms.
#include "command/latency_histogram.h"

#include <gtest/gtest.h>

namespace diskdb::command {
namespace {

TEST(LatencyHistogram, RangesFollowEachOtherWithoutGaps) {
  std::size_t last = 0;
  for (std::uint64_t nanos = 0; nanos < 100'000; ++nanos) {
    const std::size_t index = LatencyHistogram::index_of(nanos);
    ASSERT_LE(nanos, LatencyHistogram::longest_of(index)) << nanos;
    ASSERT_TRUE(index == last || index == last + 1) << nanos;
    if (index != last) {
      ASSERT_EQ(LatencyHistogram::longest_of(last), nanos - 1);
    }
    last = index;
  }
}

TEST(LatencyHistogram, ARangeIsASixteenthWide) {
  for (std::size_t i = 33; i < LatencyHistogram::kCount; ++i) {
    const auto before = static_cast<double>(LatencyHistogram::longest_of(i - 1));
    const auto longest = static_cast<double>(LatencyHistogram::longest_of(i));
    ASSERT_LE(longest, before * 17 / 16) << i;
    ASSERT_EQ(LatencyHistogram::index_of(LatencyHistogram::longest_of(i)), i);
  }
  EXPECT_EQ(LatencyHistogram::index_of(UINT64_MAX), LatencyHistogram::kCount - 1);
}

TEST(LatencyHistogram, SumsUpToPowersOfTwoAreExact) {
  LatencyHistogram histogram;
  for (const std::uint64_t nanos : {1U, 1024U, 1025U, 2048U, 2049U, 1'000'000U}) {
    histogram.note(nanos);
  }
  LatencyCounts counts;
  counts.add(histogram);
  EXPECT_EQ(counts.total(), 6U);
  EXPECT_EQ(counts.count_up_to(1024), 2U);
  EXPECT_EQ(counts.count_up_to(2048), 4U);
  EXPECT_EQ(counts.count_up_to(4096), 5U);
  EXPECT_EQ(counts.count_up_to(1U << 20U), 6U);
}

TEST(LatencyHistogram, PercentilesAreUpperBounds) {
  LatencyHistogram histogram;
  for (std::uint64_t i = 1; i <= 1000; ++i) histogram.note(i * 1000);
  LatencyCounts counts;
  EXPECT_EQ(counts.percentile(50), 0U);
  counts.add(histogram);
  for (const double percent : {0.0, 50.0, 99.0, 99.9, 100.0}) {
    const double exact = std::max(percent * 10, 1.0) * 1000;
    EXPECT_GE(static_cast<double>(counts.percentile(percent)), exact) << percent;
    EXPECT_LE(static_cast<double>(counts.percentile(percent)), exact * 17 / 16) << percent;
  }
}

TEST(LatencyHistogram, WhatWasBeforeCanBeTakenAway) {
  LatencyHistogram histogram;
  histogram.note(5000);
  LatencyCounts before;
  before.add(histogram);
  histogram.note(9000);
  LatencyCounts counts;
  counts.add(histogram);
  counts.subtract(before);
  EXPECT_EQ(counts.total(), 1U);
  EXPECT_EQ(counts.count_up_to(8192), 0U);
}

}  // namespace
}  // namespace diskdb::command
