// Making room: what leaves, what stays, and that nothing is lost by it.
#include "keyspace/evictor.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/sim_disk.h"
#include "keyspace/checkpointer.h"
#include "keyspace/client_test.h"

namespace diskdb::keyspace {
namespace {

using Room = Evictor::Room;

constexpr Options kOptions{.shard_count = 16, .database_count = 2, .hash_seed = 5};
constexpr Micros kLong{60'000'000};              // the clock stands still: time is never up
constexpr std::uint64_t kKeyBytesMin = 2 << 20;  // what keys may cost under the smallest limit

/// A keyspace with or without a store, and everything that moves keys between them.
struct Tier {
  explicit Tier(bool has_store = true, const Options& options = kOptions) : disk(1) {
    if (has_store) {
      auto opened = store::Store::open(disk, {.folder = "/db"});
      EXPECT_TRUE(opened.ok());
      store = std::move(*opened);
    }
    keyspace = std::make_unique<Keyspace>(options, &log, store.get());
    if (has_store) checkpointer = std::make_unique<Checkpointer>(*keyspace, clock);
    client = std::make_unique<TestClient>(*keyspace);
    client->now = clock.wall();
    evictor = std::make_unique<Evictor>(*keyspace, clock);
  }

  void advance(Millis by) {
    clock.advance(by);
    client->now = clock.wall();
  }
  std::string run(const TestWords& words) { return client->run(words, Logged::kByEffect); }
  std::string get(const std::string& key) { return client->run({"GET", key}, Logged::kVerbatim); }
  void fill(int from, int to, std::size_t value_bytes = 1000) {
    for (int i = from; i < to; ++i) run({"SET", key(i), std::string(value_bytes, 'v')});
  }
  static std::string key(int i) { return "key" + std::to_string(i); }
  const Record* resident(const std::string& name, std::uint32_t db = 0) {
    const Key key = make_key(name, kOptions.hash_seed);
    return keyspace->shard_of(key.slot).tables[db]->find(key);
  }
  int resident_count(int from, int to) {
    int count = 0;
    for (int i = from; i < to; ++i) count += resident(key(i)) != nullptr ? 1 : 0;
    return count;
  }
  /// Keys may cost this much.
  void allow(std::uint64_t bytes) {
    MemoryBudget& budget = keyspace->budget;
    ASSERT_GE(bytes, kKeyBytesMin);
    budget.set_limit(bytes * 4);
    budget.note_used(budget.limit() / 100 * 92 - bytes + keyspace->allocated_bytes(), 0,
                     keyspace->allocated_bytes());
    EXPECT_NEAR(static_cast<double>(budget.keys_max()), static_cast<double>(bytes), 100);
  }
  void allow_exactly(std::uint64_t bytes) {
    keyspace->budget.set_limit(bytes);
    EXPECT_EQ(keyspace->budget.keys_max(), bytes);
  }
  void verify() {
    verify_keyspace(*keyspace);
    std::size_t dirty = 0;
    for (const Shard& shard : keyspace->shards()) {
      for (const auto& table : shard.tables) dirty += table->dirty_bytes();
    }
    EXPECT_EQ(keyspace->dirty_bytes(), dirty);
  }

  io::SimDisk disk;
  io::ManualClock clock;
  FrameRecorder log;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Keyspace> keyspace;
  std::unique_ptr<Checkpointer> checkpointer;
  std::unique_ptr<TestClient> client;
  std::unique_ptr<Evictor> evictor;
};

TEST(Evictor, DoesNothingBelowTheLimit) {
  Tier tier;
  tier.fill(0, 2000);
  ASSERT_TRUE(tier.checkpointer->run().ok());
  EXPECT_EQ(tier.evictor->step(kLong), Room::kEnough);  // no limit
  tier.allow(4 << 20);
  EXPECT_EQ(tier.evictor->step(kLong), Room::kEnough);
  EXPECT_EQ(tier.resident_count(0, 2000), 2000);
}

TEST(Evictor, MovesOutWhatWasNotUsedForLongest) {
  Tier tier;
  tier.fill(0, 2000);
  tier.advance({100'000});
  tier.fill(2000, 4000);
  tier.advance({50'000});
  for (int i = 0; i < 2000; i += 4) tier.get(tier.key(i));  // used again
  ASSERT_TRUE(tier.checkpointer->run().ok());
  const std::size_t frames = tier.log.frames().size();
  tier.allow(3 << 20);
  EXPECT_EQ(tier.evictor->step(kLong), Room::kEnough);
  EXPECT_LE(tier.keyspace->allocated_bytes(), tier.keyspace->budget.keys_max());
  EXPECT_GT(tier.keyspace->allocated_bytes(), 2'900'000U);  // and not much more than needed
  int used_again = 0;
  for (int i = 0; i < 2000; i += 4) used_again += tier.resident(tier.key(i)) != nullptr ? 1 : 0;
  EXPECT_GT(used_again, 480);
  EXPECT_GT(tier.resident_count(2000, 4000), 1980);
  EXPECT_LT(tier.resident_count(0, 2000), 1100);
  EXPECT_EQ(tier.log.frames().size(), frames);  // it is no edit
  tier.verify();
  for (int i = 0; i < 4000; ++i) EXPECT_EQ(tier.get(tier.key(i)), std::string(1000, 'v'));
  tier.verify();
}

TEST(Evictor, NeverMovesOutWhatIsDirty) {
  Tier tier;
  tier.fill(0, 2000);
  ASSERT_TRUE(tier.checkpointer->run().ok());
  tier.advance({1000});
  tier.fill(2000, 4000);
  tier.advance({1000});
  for (int i = 0; i < 2000; ++i) tier.get(tier.key(i));  // the clean ones are the younger
  tier.allow(kKeyBytesMin);
  EXPECT_EQ(tier.evictor->step(kLong), Room::kNothing);
  EXPECT_EQ(tier.resident_count(0, 2000), 0);
  EXPECT_EQ(tier.resident_count(2000, 4000), 2000);
  tier.verify();
}

// Nothing is clean: it says so at once, rests, and goes on when a checkpoint was ingested.
TEST(Evictor, DoesNotSearchInVainForever) {
  Tier tier;
  tier.fill(0, 3000);
  tier.allow(kKeyBytesMin);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(tier.evictor->step(kLong), Room::kNothing);
  EXPECT_EQ(tier.keyspace->eviction_count, 0U);
  ASSERT_TRUE(tier.checkpointer->run().ok());
  EXPECT_EQ(tier.evictor->step(kLong), Room::kEnough);
  EXPECT_GT(tier.keyspace->eviction_count, 500U);
  tier.verify();
}

TEST(Evictor, KeepsWhatSomebodyWaitsFor) {
  Tier tier;
  tier.fill(0, 3000);
  ASSERT_TRUE(tier.checkpointer->run().ok());
  for (int i = 0; i < 3000; ++i) {
    const std::string name = tier.key(i);
    tier.keyspace->shard_of(slot_of(name)).tables[0]->loads()[name].is_done = true;
  }
  tier.allow(kKeyBytesMin);
  tier.evictor->step(kLong);
  EXPECT_EQ(tier.resident_count(0, 3000), 3000);
  for (Shard& shard : tier.keyspace->shards()) shard.tables[0]->loads().clear();
}

TEST(Evictor, StopsWhenTimeIsUp) {
  struct Ticking final : io::Clock {
    Millis wall() override { return {now.count / 1000}; }
    Micros wall_micros() override { return now; }
    Micros monotonic() override { return now = now + Micros{100}; }
    Micros now{1'700'000'000'000'000};
  };
  Tier tier;
  tier.fill(0, 4000);
  ASSERT_TRUE(tier.checkpointer->run().ok());
  tier.allow(kKeyBytesMin);
  Ticking clock;
  Evictor evictor(*tier.keyspace, clock);
  int steps = 1;
  for (; evictor.step(Micros{1000}) == Room::kMore && steps < 1000; ++steps) {
  }
  EXPECT_GT(steps, 3);
  EXPECT_LT(steps, 200);
  EXPECT_LE(tier.keyspace->allocated_bytes(), tier.keyspace->budget.keys_max());
}

TEST(Evictor, DeletesWhatHasExpiredInsteadOfMovingItOut) {
  Tier tier;
  const std::string when = std::to_string(tier.clock.wall().count + 5000);
  for (int i = 0; i < 1500; ++i) {
    tier.run({"SET", tier.key(i), std::string(1000, 'e'), "PXAT", when});
  }
  tier.fill(1500, 3000);
  ASSERT_TRUE(tier.checkpointer->run().ok());
  tier.advance({10'000});
  const std::size_t frames = tier.log.frames().size();
  tier.allow(kKeyBytesMin);
  tier.keyspace->is_expiry_resting = true;
  tier.evictor->step(kLong);
  EXPECT_EQ(tier.log.frames().size(), frames);
  tier.keyspace->is_expiry_resting = false;
  tier.fill(3000, 4500);
  ASSERT_TRUE(tier.checkpointer->run().ok());
  tier.evictor->step(kLong);
  EXPECT_GT(tier.keyspace->expired_key_count, 100U);
  EXPECT_GE(tier.log.frames().size(), frames + 1500 + 1);
  tier.verify();
}

// A table has a handful of entries, one of which is in use all the time.
TEST(Evictor, FewEntriesAreJudgedByThoseSeenLately) {
  Tier tier;
  tier.fill(0, 160, 50'000);
  ASSERT_TRUE(tier.checkpointer->run().ok());
  tier.allow(6 << 20);
  int misses = 0;
  for (int round = 0; round < 400; ++round) {
    tier.advance({1000});
    for (int i = 0; i < 16; ++i) {  // about one in a shard
      if (tier.resident(tier.key(i)) == nullptr) ++misses;
      tier.get(tier.key(i));
    }
    tier.get(tier.key(16 + round % 144));
    tier.evictor->step(kLong);
    ASSERT_LE(tier.keyspace->allocated_bytes(), tier.keyspace->budget.keys_max());
  }
  EXPECT_LT(misses, 100);  // of 6400
  tier.verify();
}

// ---- The deleting policies

struct Deleting : Tier {
  explicit Deleting(Policy policy, bool has_store = false, const Options& options = kOptions)
      : Tier(has_store, options) {
    keyspace->budget.set_policy(policy);
  }
  /// Half of the keys expire, the higher the later.
  void fill_mixed(int count) {
    for (int i = 0; i < count; ++i) {
      TestWords words{"SET", key(i), std::string(1000, 'v')};
      if (i % 2 == 0) {
        words.emplace_back("PXAT");
        words.emplace_back(std::to_string(clock.wall().count + 1'000'000 + i * 1000));
      }
      run(words);
    }
  }
  int expiring_count(int from, int to) {
    int count = 0;
    for (int i = from; i < to; i += 2) count += resident(key(i)) != nullptr ? 1 : 0;
    return count;
  }
};

TEST(Evictor, DeletesTheKeysNotUsedForLongest) {
  Deleting tier(Policy::kAllKeysLru);
  tier.fill_mixed(1000);
  tier.advance({60'000});
  tier.fill(1000, 2000);
  tier.allow_exactly(tier.keyspace->allocated_bytes() * 6 / 10);
  EXPECT_EQ(tier.evictor->step(kLong), Room::kEnough);
  EXPECT_GT(tier.resident_count(1000, 2000), 950);
  EXPECT_LT(tier.resident_count(0, 1000), 300);
  const std::uint64_t deleted = tier.keyspace->policy_deletion_count;
  EXPECT_EQ(deleted, 2000U - static_cast<std::size_t>(tier.resident_count(0, 2000)));
  EXPECT_EQ(tier.log.frames().size(), 2000 + deleted);
  EXPECT_TRUE(tier.log.frames().back().bytes.starts_with("*2\r\n$3\r\nDEL\r\n"));
  tier.verify();
  Keyspace copy(kOptions, nullptr);
  TestClient(copy).replay(tier.log.frames());
  EXPECT_EQ(contents_of(copy), contents_of(*tier.keyspace));
}

TEST(Evictor, DeletesTheKeysUsedLeast) {
  Deleting tier(Policy::kAllKeysLfu);
  tier.keyspace->budget.set_frequency_rule({.log_factor = 1, .decay_minutes = 1});
  tier.fill(0, 2000);
  for (int use = 0; use < 30; ++use) {
    for (int i = 0; i < 1000; ++i) tier.get(tier.key(i));
  }
  tier.advance({1000});
  for (int i = 1000; i < 2000; ++i) tier.get(tier.key(i));  // later, but rarely
  tier.allow_exactly(tier.keyspace->allocated_bytes() * 6 / 10);
  EXPECT_EQ(tier.evictor->step(kLong), Room::kEnough);
  EXPECT_GT(tier.resident_count(0, 1000), 880);
  EXPECT_LT(tier.resident_count(1000, 2000), 350);
}

// A key or two in each shard: a sample needs several shards.
TEST(Evictor, SamplesAreLargeWhereShardsAreSparse) {
  Deleting tier(Policy::kAllKeysLru, false,
                {.shard_count = 1024, .database_count = 2, .hash_seed = kOptions.hash_seed});
  tier.fill(0, 1200);
  tier.advance({60'000});
  tier.fill(1200, 1500);
  while (tier.keyspace->policy_deletion_count < 900) {
    tier.allow_exactly(tier.keyspace->allocated_bytes() - 1);
    ASSERT_EQ(tier.evictor->step(kLong), Room::kEnough);
  }
  EXPECT_GT(tier.resident_count(1200, 1500), 297);
  tier.verify();
}

TEST(Evictor, DeletesAtRandom) {
  Deleting tier(Policy::kAllKeysRandom);
  tier.fill(0, 2000);
  tier.allow_exactly(tier.keyspace->allocated_bytes() / 2);
  EXPECT_EQ(tier.evictor->step(kLong), Room::kEnough);
  EXPECT_NEAR(tier.resident_count(0, 1000), 500, 80);
  EXPECT_NEAR(tier.resident_count(1000, 2000), 500, 80);
}

TEST(Evictor, VolatilePoliciesDeleteOnlyKeysWithAnExpiry) {
  for (const Policy policy : {Policy::kVolatileLru, Policy::kVolatileLfu, Policy::kVolatileRandom,
                              Policy::kVolatileTtl}) {
    SCOPED_TRACE(static_cast<int>(policy));
    Deleting tier(policy);
    tier.fill_mixed(2000);
    tier.allow_exactly(tier.keyspace->allocated_bytes() * 3 / 4);
    EXPECT_EQ(tier.evictor->step(kLong), Room::kEnough);
    const int expiring = tier.expiring_count(0, 2000);
    EXPECT_EQ(tier.resident_count(0, 2000), 1000 + expiring);
    EXPECT_NEAR(expiring, 500, 60);
    if (policy == Policy::kVolatileTtl) {
      EXPECT_LT(tier.expiring_count(0, 800), 60);
      EXPECT_GT(tier.expiring_count(1200, 2000), 340);
    }
    tier.allow_exactly(tier.keyspace->allocated_bytes() / 4);
    EXPECT_EQ(tier.evictor->step(kLong), Room::kNothing);
    EXPECT_EQ(tier.resident_count(0, 2000), 1000);
    EXPECT_EQ(tier.expiring_count(0, 2000), 0);
    tier.verify();
  }
}

TEST(Evictor, ASearchInVainIsNotRepeatedAtOnce) {
  Deleting tier(Policy::kVolatileLru);
  tier.fill(0, 100);
  tier.allow_exactly(1000);
  EXPECT_EQ(tier.evictor->delete_keys(kLong), Room::kNothing);
  tier.run({"PEXPIREAT", tier.key(0), std::to_string(tier.clock.wall().count + 9999)});
  EXPECT_EQ(tier.evictor->delete_keys(kLong), Room::kNothing);
  EXPECT_NE(tier.resident(tier.key(0)), nullptr);
  tier.advance({20});
  EXPECT_EQ(tier.evictor->delete_keys(kLong), Room::kNothing);
  EXPECT_EQ(tier.resident(tier.key(0)), nullptr);
}

TEST(Evictor, WithoutPolicyNothingIsDeleted) {
  Deleting tier(Policy::kNoEviction);
  tier.fill_mixed(100);
  tier.allow_exactly(1000);
  EXPECT_EQ(tier.evictor->step(kLong), Room::kNothing);
  EXPECT_EQ(tier.resident_count(0, 100), 100);
}

// With a store, what may not be deleted moves out.
TEST(Evictor, MovesOutWhatAPolicyMayNotDelete) {
  Deleting tier(Policy::kVolatileLru, true);
  tier.fill_mixed(4000);
  ASSERT_TRUE(tier.checkpointer->run().ok());
  tier.allow(kKeyBytesMin);
  tier.evictor->step(kLong);
  if (tier.evictor->step(kLong) == Room::kNothing) {  // tombstones wait for a checkpoint
    ASSERT_TRUE(tier.checkpointer->run().ok());
    EXPECT_EQ(tier.evictor->step(kLong), Room::kEnough);
  }
  EXPECT_EQ(tier.expiring_count(0, 4000), 0);
  EXPECT_EQ(tier.keyspace->policy_deletion_count, 2000U);
  for (int i = 1; i < 4000; i += 2) EXPECT_EQ(tier.get(tier.key(i)), std::string(1000, 'v'));
  tier.verify();
}

// ---- Uses

TEST(Usage, TheCounterIsALogarithmOfTheUses) {
  io::Random random(3);
  // Means of Redis's own documentation, for a counter that begins at 5.
  struct {
    std::uint32_t factor;
    int uses;
    double expected;
    double tolerance;
  } const rows[] = {{0, 100, 104, 2},    {1, 100, 18, 2},   {1, 1000, 49, 4},
                    {10, 100, 10, 1.5},  {10, 1000, 18, 2}, {10, 100'000, 142, 8},
                    {100, 1000, 11, 1.5}};
  for (const auto& row : rows) {
    double sum = 0;
    constexpr int kRuns = 40;
    for (int run = 0; run < kRuns; ++run) {
      std::uint8_t frequency = kFrequencyInitial;
      for (int i = 0; i < row.uses; ++i) {
        frequency = frequency_after_use(frequency, random.next(), {row.factor, 1});
      }
      sum += frequency;
    }
    EXPECT_NEAR(sum / kRuns, row.expected, row.tolerance) << row.factor << " " << row.uses;
  }
}

TEST(Usage, TheCounterFallsWithTheMinutes) {
  Tier tier(false);
  tier.clock.set({1'700'000'040'000});  // a minute begins
  tier.client->now = tier.clock.wall();
  tier.run({"SET", "k", "v"});
  EXPECT_EQ(tier.resident("k")->frequency(), 5);
  for (int i = 0; i < 20; ++i) tier.get("k");
  const int used = tier.resident("k")->frequency();
  EXPECT_GE(used, 6);
  const auto now = [&](std::uint32_t decay) {
    return frequency_at(*tier.resident("k"), tier.clock.wall(), {10, decay});
  };
  tier.advance({59'000});
  EXPECT_EQ(now(1), used);
  tier.advance({1000});
  EXPECT_EQ(now(1), used - 1);
  EXPECT_EQ(now(2), used);
  tier.advance({60'000});
  EXPECT_EQ(now(1), used - 2);
  EXPECT_EQ(now(2), used - 1);
  tier.advance({3'600'000});
  EXPECT_EQ(now(1), 0);
  EXPECT_EQ(now(0), used);
  tier.get("k");
  EXPECT_EQ(tier.resident("k")->frequency(), 1);
  EXPECT_EQ(idle_seconds(*tier.resident("k"), tier.clock.wall()), 0U);
}

TEST(Usage, OneCommandIsOneUse) {
  Tier tier(false);
  tier.keyspace->budget.set_frequency_rule({.log_factor = 0, .decay_minutes = 1});
  tier.run({"SET", "k", "1"});
  EXPECT_EQ(tier.resident("k")->frequency(), 5);
  tier.run({"INCR", "k"});  // finds it, then changes it
  EXPECT_EQ(tier.resident("k")->frequency(), 6);
  tier.run({"SET", "k", "2"});  // changes it only
  EXPECT_EQ(tier.resident("k")->frequency(), 7);
  tier.get("k");
  EXPECT_EQ(tier.resident("k")->frequency(), 8);
  tier.run({"APPEND", "new", "x"});
  EXPECT_EQ(tier.resident("new")->frequency(), 5);
  tier.run({"COPY", "k", "copy", "DB", "0", "REPLACE"});
  EXPECT_EQ(tier.resident("copy")->frequency(), 5);
  tier.run({"DEL", "k"});
  tier.run({"SET", "k", "3"});
  EXPECT_EQ(tier.resident("k")->frequency(), 5);
}

// ---- The budget

TEST(MemoryBudget, LeavesToKeysWhatOthersDoNotTake) {
  MemoryBudget budget;
  EXPECT_EQ(budget.keys_max(), UINT64_MAX);
  budget.set_limit(100 << 20);
  EXPECT_EQ(budget.keys_max(), 100U << 20);
  budget.note_used(70 << 20, 0, 50 << 20);
  EXPECT_EQ(budget.keys_max(), 80U << 20);
  budget.note_used(700 << 20, 0, 50 << 20);
  EXPECT_EQ(budget.keys_max(), 0U);

  budget.set_tiered(true);
  EXPECT_EQ(budget.keys_max(), (100U << 20) / 8);  // a tier of nothing would serve nobody
  budget.note_used(70 << 20, 0, 50 << 20);
  EXPECT_NEAR(static_cast<double>(budget.keys_max()), 72 << 20, 1 << 20);
  const std::uint64_t before = budget.keys_max();
  budget.note_used(70 << 20, 105 << 20, 50 << 20);
  EXPECT_EQ(budget.keys_max(), before);
  budget.note_used(70 << 20, 113 << 20, 50 << 20);  // resident beyond the limit
  EXPECT_NEAR(static_cast<double>(before - budget.keys_max()), 5 << 20, 1 << 16);
}

TEST(MemoryBudget, SlowsWritersOnlyWhereItHelps) {
  MemoryBudget budget;
  budget.set_limit(100 << 20);
  EXPECT_EQ(budget.excess_pressure(1 << 30, 1 << 30), 0);  // the memory engine refuses instead
  budget.set_tiered(true);
  const std::uint64_t most = budget.keys_max();
  EXPECT_EQ(budget.excess_pressure(most, 100 << 20), 0);
  EXPECT_EQ(budget.excess_pressure(most + (1 << 20), 100 << 20), 0);
  const double some = budget.excess_pressure(most + (10 << 20), 100 << 20);
  EXPECT_GT(some, 0.3);
  EXPECT_LT(some, 0.7);
  EXPECT_EQ(budget.excess_pressure(most + (20 << 20), 100 << 20), 1);
  EXPECT_EQ(budget.excess_pressure(most + (20 << 20), 1 << 20), 0);
}

}  // namespace
}  // namespace diskdb::keyspace
