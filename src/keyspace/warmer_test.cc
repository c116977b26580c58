#include "keyspace/warmer.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "keyspace/checkpointer.h"
#include "keyspace/client_test.h"
#include "keyspace/map_store_test.h"

namespace diskdb::keyspace {
namespace {

/// A keyspace restored from a store that has `count` keys in two databases: all of them cold.
struct Rig {
  static constexpr Options kOptions{.shard_count = 4, .database_count = 3, .hash_seed = 5};

  explicit Rig(int count) {
    Keyspace before(kOptions, &log, &store);
    TestClient writer(before);
    for (int i = 0; i < count; ++i) {
      writer.db = static_cast<std::uint32_t>(i % 2);
      writer.run({"SET", "key" + std::to_string(i), "value" + std::to_string(i)},
                 Logged::kByEffect);
    }
    Checkpointer checkpointer(before, clock);
    EXPECT_TRUE(checkpointer.run().ok());
    EXPECT_TRUE(store.marker().ok());
    keyspace.restore(*store.marker().value());
  }
  std::size_t sum(std::size_t (Table::*count)() const) {
    std::size_t all = 0;
    for (Shard& shard : keyspace.shards()) {
      for (const auto& table : shard.tables) {
        table->verify_invariants();
        all += ((*table).*count)();
      }
    }
    return all;
  }
  void warm() {
    Warmer warmer(keyspace, clock);
    for (int i = 0; i < 1000; ++i) {
      const auto has_more = warmer.step();
      ASSERT_TRUE(has_more.ok());
      if (!has_more.value()) return;
    }
    FAIL() << "it does not come to an end";
  }

  FrameRecorder log;
  io::ManualClock clock;
  MapStore store;
  Keyspace keyspace{kOptions, &log, &store};
};

TEST(Warmer, BringsEverythingBack) {
  Rig rig(3000);
  EXPECT_EQ(rig.sum(&Table::cold_count), 3000U);
  rig.warm();
  EXPECT_EQ(rig.sum(&Table::cold_count), 0U);
  EXPECT_EQ(rig.sum(&Table::count), 3000U);
  EXPECT_EQ(rig.sum(&Table::dirty_bytes), 0U);
  TestClient client(rig.keyspace);
  EXPECT_EQ(client.run({"GET", "key42"}, Logged::kByEffect), "value42");
}

TEST(Warmer, LeavesWhatIsThereAlready) {
  Rig rig(100);
  TestClient client(rig.keyspace);
  client.run({"SET", "key0", "new"}, Logged::kByEffect);
  client.run({"DEL", "key2"}, Logged::kByEffect);
  rig.warm();
  EXPECT_EQ(client.run({"GET", "key0"}, Logged::kByEffect), "new");
  EXPECT_EQ(client.run({"GET", "key2"}, Logged::kByEffect), "nil");
  EXPECT_EQ(client.run({"GET", "key4"}, Logged::kByEffect), "value4");
  EXPECT_EQ(rig.sum(&Table::count), 99U);
}

TEST(Warmer, StopsBeforeTheRoomIsTaken) {
  Rig rig(45000);  // some 3 MB: keys may cost two at least
  rig.keyspace.budget.set_limit(200'000);
  rig.warm();
  EXPECT_GT(rig.sum(&Table::count), 100U);
  EXPECT_GT(rig.sum(&Table::cold_count), 100U);
  EXPECT_LT(rig.keyspace.allocated_bytes(), rig.keyspace.budget.keys_max());
}

TEST(Warmer, ReadsAgainWhatACheckpointChangedBeneathIt) {
  Rig rig(200);
  TestClient client(rig.keyspace);
  Checkpointer checkpointer(rig.keyspace, rig.clock);
  rig.store.after_scan = [&] {
    client.run({"DEL", "key0"}, Logged::kByEffect);
    client.run({"SET", "key2", "new"}, Logged::kByEffect);
    ASSERT_TRUE(checkpointer.run().ok());
  };
  rig.warm();
  EXPECT_EQ(client.run({"GET", "key0"}, Logged::kByEffect), "nil");
  EXPECT_EQ(client.run({"GET", "key2"}, Logged::kByEffect), "new");
  EXPECT_EQ(rig.sum(&Table::count), 199U);
}

TEST(ReplayWarmer, ReadsAllOnceLookUpsHaveCostAsMuch) {
  Rig rig(3000);
  TestClient client(rig.keyspace);
  ReplayWarmer warmer(rig.keyspace, rig.clock);
  int looked_up = 0;
  const auto look_up = [&](int count) {
    for (; count > 0; --count, looked_up += 2) {
      client.run({"GET", "key" + std::to_string(looked_up)}, Logged::kByEffect);
    }
    warmer.step();
  };
  warmer.step();
  look_up(100);
  EXPECT_EQ(rig.sum(&Table::cold_count), 2900U);
  look_up(100);
  EXPECT_EQ(rig.sum(&Table::cold_count), 2800U) << "a tenth has not been looked up";
  look_up(100);
  EXPECT_EQ(rig.sum(&Table::cold_count), 0U);
  EXPECT_EQ(rig.sum(&Table::count), 3000U);
}

}  // namespace
}  // namespace diskdb::keyspace
