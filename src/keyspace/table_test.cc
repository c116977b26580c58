// The table against std::unordered_map under random edits; and SCAN's promise while it grows and
// shrinks.
#include "keyspace/table.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "io/random.h"

namespace diskdb::keyspace {
namespace {

constexpr std::uint64_t kSeed = 42;

/// A table for all slots of one shard, and what it should hold.
class TableAndModel {
 public:
  TableAndModel(std::uint64_t seed, std::uint32_t slots_per_shard)
      : random(seed), table(kSeed, slots_per_shard), slots_per_shard_(slots_per_shard) {}

  /// A key of the first shard, one of `key_count`.
  std::string random_key(std::size_t key_count) {
    return "{" + tag(random.below(slots_per_shard_)) + "}" +
           std::to_string(random.below(key_count));
  }

  void insert(const std::string& key) {
    const Key named = make_key(key, kSeed);
    if (values.contains(key)) return;
    Record* record = Record::create(named, key + " value");
    if (random.chance_percent(30)) record = Record::with_expiry(record, random_instant());
    table.insert(named, record);
    values[key] = key + " value";
  }
  void erase(const std::string& key) {
    const Key named = make_key(key, kSeed);
    Table::Slot* slot = table.find_slot(named);
    ASSERT_EQ(slot != nullptr, values.erase(key) == 1);
    stays.erase(key);
    if (slot != nullptr) table.erase(named, slot, 1);
  }
  void replace(const std::string& key) {
    const auto at = values.find(key);
    if (at == values.end()) return;
    Table::Slot* slot = table.find_slot(make_key(key, kSeed));
    ASSERT_NE(slot, nullptr);
    Record* record = Table::record_in(*slot);
    const Table::Before before = Table::before(*slot);
    if (random.chance_percent(50)) {
      at->second = std::string(random.below(6000), 'x');
      record = Record::with_string(record, at->second);
    } else if (random.chance_percent(50)) {
      record = Record::with_expiry(record, random_instant());
    } else {
      record = Record::with_expiry(record, std::nullopt);
    }
    table.replace(make_key(key, kSeed), slot, record, before);
  }
  /// Grows while it is below `wanted`, else shrinks.
  void random_edit(std::size_t wanted) {
    const std::string key = random_key(wanted * 2 / slots_per_shard_ + 2);
    const bool grows = values.size() < wanted;
    const std::uint64_t dice = random.below(10);
    if (dice < 2) {
      replace(key);
    } else if (grows == (dice < 8)) {
      insert(key);
    } else {
      erase(key);
    }
  }
  void verify() const {
    table.verify_invariants();
    ASSERT_EQ(table.count(), values.size());
    std::map<std::uint32_t, std::size_t> by_slot;
    for (const auto& [key, value] : values) {
      const Record* record = table.find(make_key(key, kSeed));
      ASSERT_NE(record, nullptr) << key;
      ASSERT_EQ(record->value_bytes(), value);
      ++by_slot[slot_of(key)];
    }
    for (const auto& [slot, count] : by_slot) ASSERT_EQ(table.count_of_slot(slot), count);
    std::size_t visited_count = 0;
    table.for_each([&](const Record*) { ++visited_count; });
    ASSERT_EQ(visited_count, values.size());
  }

  io::Random random;
  Table table;
  std::unordered_map<std::string, std::string> values;
  std::unordered_set<std::string>
      stays;  ///< for tests: keys once noted here that nobody erased since

 private:
  Millis random_instant() { return {static_cast<std::int64_t>(random.below(1000))}; }
  /// A hash tag whose slot is `slot`: the first number of which that is true.
  std::string tag(std::uint64_t slot) {
    auto [at, is_new] = tags_.try_emplace(slot);
    if (is_new) {
      std::uint64_t n = 0;
      while (slot_of(std::to_string(n)) != slot) ++n;
      at->second = std::to_string(n);
    }
    return at->second;
  }

  std::uint32_t slots_per_shard_;
  std::map<std::uint64_t, std::string> tags_;
};

class TableTest : public testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(SlotsPerShard, TableTest, testing::Values(1, 16, 64));

TEST_P(TableTest, HoldsWhatEditsSaid) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    TableAndModel pair(seed, GetParam());
    for (const std::size_t wanted : {10U, 2000U, 3U, 500U, 0U}) {
      for (int i = 0; i < 6000; ++i) {
        pair.random_edit(wanted);
        if (i % 1000 != 0) continue;
        ASSERT_NO_FATAL_FAILURE(pair.verify());
      }
      ASSERT_NO_FATAL_FAILURE(pair.verify());
    }
  }
}

TEST(Table, ShrinksToAlmostNothing) {
  TableAndModel pair(1, 16);
  for (int i = 0; i < 5000; ++i) pair.insert("key" + std::to_string(i));
  EXPECT_GT(pair.table.bucket_count(), 5000U / 7);
  EXPECT_LT(pair.table.bucket_count(), 5000U / 2);
  for (int i = 0; i < 5000; ++i) pair.erase("key" + std::to_string(i));
  pair.table.verify_invariants();
  EXPECT_LE(pair.table.bucket_count(), 2U);
  EXPECT_LT(pair.table.allocated_bytes(), 3000U);
}

TEST(Table, IsFreedBitByBit) {
  TableAndModel rig(kSeed, 1);
  for (int i = 0; i < 10'000; ++i) rig.random_edit(5000);
  const auto free_hundred = [](Table& table) {
    std::size_t count = 100;
    const bool is_all = table.free_some(&count);
    EXPECT_EQ(count == 0, !is_all);
    return is_all;
  };
  int step_count = 1;
  while (!free_hundred(rig.table)) ++step_count;
  EXPECT_GE(step_count, 20);
  EXPECT_LE(step_count, 60);
  EXPECT_TRUE(free_hundred(rig.table));

  Table half_freed(kSeed, 1);
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "key" + std::to_string(i);
    const Key key = make_key(name, kSeed);
    half_freed.insert(key, Record::create(key, "value"));
  }
  EXPECT_FALSE(free_hundred(half_freed));
}

// What stays throughout an iteration is visited exactly once; nothing else but what was there
// meanwhile.
TEST_P(TableTest, ScanVisitsWhatStaysOnce) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    TableAndModel pair(seed, GetParam());
    const bool grows = seed % 2 == 0;
    for (int i = 0; i < 20000; ++i) pair.random_edit(grows ? 300 : 3000);

    for (const auto& [key, value] : pair.values) pair.stays.insert(key);
    std::unordered_map<std::string, int> visits;
    for (std::uint32_t slot = 0; slot < GetParam(); ++slot) {
      for (std::uint64_t position = 0; position < Table::kScanEnd;) {
        const std::uint64_t next = pair.table.scan_step(slot, position, [&](const Record* record) {
          ASSERT_EQ(slot_of(record->key()), slot);
          ++visits[std::string(record->key())];
        });
        ASSERT_GT(next, position);
        position = next;
        for (int i = 0; i < 5 && pair.random.below(GetParam()) == 0; ++i) {
          pair.random_edit(grows ? 3000 : 600);
        }
      }
    }
    ASSERT_GT(pair.stays.size(), 50U);
    for (const std::string& key : pair.stays) ASSERT_EQ(visits[key], 1) << key;
  }
}

TEST(Table, ScansAnEmptyTable) {
  const Table table(kSeed, 16);
  const auto next = table.scan_step(3, 0, [](const Record*) { FAIL(); });
  EXPECT_EQ(next, Table::kScanEnd);
}

// One sweep finds all that has expired, and the next moment worth sweeping for.
TEST(Table, SweepsFindAllThatExpired) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    TableAndModel pair(seed, 16);
    for (int i = 0; i < 3000; ++i) pair.random_edit(1000);
    for (std::int64_t now = 0; now <= 1000; now += 100) {
      std::size_t cursor = 0;
      do {
        std::vector<const Record*> expired;
        pair.table.find_due(&cursor, 1 + pair.random.below(20), {now}, &expired);
        std::vector<std::string> keys;
        for (const Record* record : expired) {
          ASSERT_LE(record->expiry().count, now);
          keys.emplace_back(record->key());
        }
        for (const std::string& key : keys) pair.erase(key);
        pair.table.verify_invariants();
      } while (cursor != 0);
      pair.table.for_each([&](const Record* record) {
        if (record->has_expiry()) {
          ASSERT_GT(record->expiry().count, now);
        }
      });
      if (pair.table.expiring_count() > 0) {
        ASSERT_FALSE(pair.table.is_due({now}));
      }
    }
    EXPECT_EQ(pair.table.expiring_count(), 0U);
  }
}

// SWAPDB puts a table under another sweep's cursor, and two sweeps may meet: what a sweep passed
// over must not be forgotten.
TEST(Table, SweepsMayBeginAnywhereWhileTheTableChanges) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    TableAndModel pair(seed, 16);
    std::size_t cursor = 0;
    for (int i = 0; i < 3000; ++i) {
      pair.random_edit(i % 600 < 300 ? 400 : 50);
      if (!pair.random.chance_percent(10)) continue;
      if (pair.random.chance_percent(20)) cursor = pair.random.below(100);
      std::vector<const Record*> expired;
      pair.table.find_due(&cursor, 1 + pair.random.below(30), {i / 5}, &expired);
      std::vector<std::string> keys;
      for (const Record* record : expired) keys.emplace_back(record->key());
      for (const std::string& key : keys) pair.erase(key);
      pair.table.verify_invariants();  // I5
    }
  }
}

TEST(Table, RandomRecordReachesAll) {
  TableAndModel pair(1, 16);
  for (int i = 0; i < 200; ++i) pair.insert("key" + std::to_string(i));
  std::map<std::string, int> picks;
  for (int i = 0; i < 40'000; ++i) {
    ++picks[std::string(pair.table.random_record(pair.random.next())->key())];
  }
  EXPECT_EQ(picks.size(), 200U);
  for (const auto& [key, count] : picks) {
    EXPECT_GT(count, 40) << key;  // the mean is 200
    EXPECT_LT(count, 1000) << key;
  }
}

TEST(ScanPosition, IsItsOwnInverse) {
  io::Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t hash = random.next();
    const std::uint64_t low = hash & (Table::kScanEnd - 1);
    EXPECT_EQ(scan_position(scan_position(hash)), low);
  }
  EXPECT_EQ(scan_position(1), 1ULL << (kScanHashBits - 1));
}

}  // namespace
}  // namespace diskdb::keyspace
