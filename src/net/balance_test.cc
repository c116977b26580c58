// How many threads are active under a given load, and who gives connections to whom.
#include "net/balance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace diskdb::net {
namespace {

constexpr Micros kSecond{1'000'000};

TEST(Balance, OneThreadAsLongAsItSuffices) {
  ActiveThreads threads(8);
  threads.note({.busy_processors = 0.6, .idle_processors = 7}, kSecond);
  EXPECT_EQ(threads.count(), 1U);
}

TEST(Balance, MoreThreadsWhereProcessorsAreIdle) {
  ActiveThreads threads(6);
  threads.note({.busy_processors = 0.9, .idle_processors = 0.7}, kSecond);
  EXPECT_EQ(threads.count(), 1U) << "another thread would take the clients' processor";
  threads.note({.busy_processors = 0.9, .idle_processors = 1.1}, kSecond);
  EXPECT_EQ(threads.count(), 2U);
  threads.note({.busy_processors = 1.9, .idle_processors = 4}, kSecond);
  EXPECT_EQ(threads.count(), 4U);
  threads.note({.busy_processors = 3.9, .idle_processors = 2}, kSecond);
  EXPECT_EQ(threads.count(), 6U) << "there are no more";
}

TEST(Balance, FewerThreadsOnlyAfterAWhile) {
  ActiveThreads threads(4);
  threads.note({.busy_processors = 1, .idle_processors = 3}, kSecond);
  threads.note({.busy_processors = 2, .idle_processors = 2}, kSecond);
  ASSERT_EQ(threads.count(), 4U);
  const NetworkLoad small{.busy_processors = 0.8, .idle_processors = 3};
  threads.note(small, kSecond + kSecond);
  EXPECT_EQ(threads.count(), 4U);
  threads.note({.busy_processors = 2, .idle_processors = 2}, Micros{2'500'000});
  threads.note(small, Micros{3'500'000});
  EXPECT_EQ(threads.count(), 4U) << "they were needed a second ago";
  threads.note(small, Micros{4'600'000});
  EXPECT_EQ(threads.count(), 2U);
}

TEST(Balance, FewerThreadsWhereClientsWantTheProcessors) {
  ActiveThreads threads(2);
  threads.note({.busy_processors = 1, .idle_processors = 0.8}, kSecond);
  ASSERT_EQ(threads.count(), 2U);
  threads.note({.busy_processors = 0.9, .idle_processors = 0.6}, Micros{4'000'000});
  EXPECT_EQ(threads.count(), 2U) << "more than one is comfortable with";
  threads.note({.busy_processors = 0.9, .idle_processors = 0.3}, Micros{7'000'000});
  EXPECT_EQ(threads.count(), 1U) << "clients want the other processor";
}

// What `clients` processors ask for takes one thread so much of a processor, and more of them a
// little more.
TEST(Balance, DoesNotGoToAndFroUnderALoadThatStays) {
  for (const double processors : {2.0, 8.0}) {
    for (int percent = 0; percent <= 400; ++percent) {
      for (const double clients : {0.0, 0.3, 0.6, 0.9}) {
        ActiveThreads threads(static_cast<std::size_t>(processors));
        std::size_t change_count = 0;
        for (int i = 0; i < 100; ++i) {
          const std::size_t before = threads.count();
          const double wanted = percent / 100.0 * (before > 1 ? 1.15 : 1);
          const double busy =
              std::min({wanted, static_cast<double>(before), std::max(0.1, processors - clients)});
          threads.note({.busy_processors = busy,
                        .idle_processors = std::max(0.0, processors - clients - busy)},
                       Micros{i * 250'000});
          if (threads.count() != before && i > 30) ++change_count;
        }
        EXPECT_EQ(change_count, 0U) << processors << " processors, " << percent << ", " << clients;
      }
    }
  }
}

TEST(Balance, AllThreadsForAMinuteAfterAHoldup) {
  ActiveThreads threads(4);
  threads.note({.held_others_up = true}, kSecond);
  EXPECT_EQ(threads.count(), 4U);
  threads.note({}, Micros{60'000'000});
  EXPECT_EQ(threads.count(), 4U);
  threads.note({}, Micros{63'100'000});
  EXPECT_EQ(threads.count(), 1U);
}

TEST(Balance, TransfersLeaveEachThreadAsMany) {
  const std::array<std::array<std::size_t, 4>, 7> cases = {{{100, 0, 0, 0},
                                                            {0, 0, 0, 100},
                                                            {50, 10, 30, 3},
                                                            {7, 7, 7, 7},
                                                            {1, 0, 0, 0},
                                                            {3, 1, 0, 0},
                                                            {0, 0, 0, 0}}};
  for (const auto& before : cases) {
    for (std::size_t active_count = 1; active_count <= 4; ++active_count) {
      auto after = before;
      for (const Transfer& transfer : transfers_to_balance(before, active_count)) {
        ASSERT_LT(transfer.to, active_count);
        ASSERT_NE(transfer.to, transfer.from);
        ASSERT_GE(after[transfer.from], transfer.connection_count);
        after[transfer.from] -= transfer.connection_count;
        after[transfer.to] += transfer.connection_count;
      }
      const auto active = std::span(after).first(active_count);
      const std::size_t mean =
          std::accumulate(active.begin(), active.end(), std::size_t{0}) / active_count;
      for (const std::size_t count : active) EXPECT_LE(count, mean + 3 + mean / 8);
    }
  }
}

TEST(Balance, SmallDifferencesStay) {
  const std::array<std::size_t, 2> counts = {26, 24};
  EXPECT_TRUE(transfers_to_balance(counts, 2).empty());
}

}  // namespace
}  // namespace diskdb::net
