// Counters of errors and saves, and what CONFIG RESETSTAT leaves.
#include "command/statistics.h"

#include <gtest/gtest.h>

#include <string>

namespace diskdb::command {
namespace {

TEST(Statistics, CountsErrorsByTheirCode) {
  Statistics statistics(1);
  statistics.count_error("ERR syntax error");
  statistics.count_error("ERR no such key");
  statistics.count_error("WRONGTYPE");
  const Statistics::ErrorCounts expected{{"ERR", 2}, {"WRONGTYPE", 1}};
  EXPECT_EQ(statistics.errors(), expected);
  EXPECT_EQ(statistics.error_count(), 3U);
}

TEST(Statistics, KeepsABoundedNumberOfCodes) {
  Statistics statistics(1);
  for (int i = 0; i < 129; ++i) statistics.count_error("CODE" + std::to_string(i) + " text");
  EXPECT_EQ(statistics.errors().size(), 128U);
  EXPECT_EQ(statistics.error_count(), 129U);
}

TEST(Statistics, ResetForgetsCountsButNotWhatIs) {
  Statistics statistics(1);
  std::vector<RowTimes>& times = statistics.times.join();
  times[0].note(5000, true);
  statistics.count_error("ERR x");
  statistics.used_memory_bytes = 5;
  statistics.last_save_seconds = 7;
  statistics.reset();
  const RowTotals totals = statistics.times.totals(0, CommandTimes::Since::kReset);
  EXPECT_EQ(totals.calls, 0U);
  EXPECT_EQ(totals.nanos, 0U);
  EXPECT_EQ(totals.latencies.total(), 0U);
  EXPECT_EQ(statistics.times.totals(0, CommandTimes::Since::kStart).calls, 1U);
  EXPECT_TRUE(statistics.errors().empty());
  EXPECT_EQ(statistics.error_count(), 0U);
  EXPECT_EQ(statistics.used_memory_bytes, 5U);
  EXPECT_EQ(statistics.last_save_seconds, 7);
}

TEST(Statistics, ChangesCountFromTheLastSave) {
  Statistics statistics(1);
  statistics.edits = 10;
  EXPECT_EQ(statistics.changes_since_save(), 10U);
  statistics.note_save({12'345});
  EXPECT_EQ(statistics.changes_since_save(), 0U);
  EXPECT_EQ(statistics.last_save_seconds, 12);
  statistics.edits = 13;
  EXPECT_EQ(statistics.changes_since_save(), 3U);
}

TEST(Statistics, AddsUpTheTimesOfAllThreads) {
  Statistics statistics(2);
  std::vector<RowTimes>& first = statistics.times.join();
  std::vector<RowTimes>& second = statistics.times.join();
  first[1].note(1000, true);
  second[1].note(3000, true);
  second[1].note(3000, false);
  statistics.reset();
  first[1].note(9000, true);
  second[0].note(1, true);
  const RowTotals totals = statistics.times.totals(1, CommandTimes::Since::kReset);
  EXPECT_EQ(totals.calls, 1U);
  EXPECT_EQ(totals.nanos, 9000U);
  EXPECT_EQ(totals.latencies.total(), 1U);
  const RowTotals all = statistics.times.totals(1, CommandTimes::Since::kStart);
  EXPECT_EQ(all.calls, 4U);
  EXPECT_EQ(all.nanos, 16000U);
  EXPECT_EQ(all.latencies.total(), 3U);
}

}  // namespace
}  // namespace diskdb::command
