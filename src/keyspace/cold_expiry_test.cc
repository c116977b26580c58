#include "keyspace/cold_expiry.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "io/random.h"
#include "io/sim_disk.h"
#include "keyspace/checkpointer.h"
#include "keyspace/frame_recorder_test.h"
#include "keyspace/map_store_test.h"

namespace diskdb::keyspace {
namespace {

constexpr Micros kNoLimit{INT64_MAX};

/// Threads: one at a time.
class Rig {
 public:
  explicit Rig(store::Store& store)
      : keyspace({.shard_count = 16, .database_count = 3, .hash_seed = 3}, &log, &store),
        checkpointer(keyspace, clock),
        expiry(keyspace, clock),
        access_(keyspace) {}

  template <typename Edit>
  auto edit(std::uint32_t db, Bytes name, Edit edit) {
    const Key key = access_.key(name);
    access_.begin(db, clock.wall());
    access_.hold(keyspace.shard_of(key.slot));
    access_.begin_command({}, {}, Logged::kByEffect, false);
    const auto result = edit(access_, key);
    access_.end_command();
    access_.release();
    return result;
  }
  /// `after`: it expires so long from now.
  void set(std::uint32_t db, Bytes name, std::optional<Millis> after) {
    edit(db, name, [&](Access& access, const Key& key) {
      access.set_string(key, "v", after ? Expiry::at(clock.wall() + *after) : Expiry::none());
      return true;
    });
  }
  bool exists(std::uint32_t db, Bytes name) {
    return edit(db, name,
                [](Access& access, const Key& key) { return access.find(key) != nullptr; });
  }
  bool evict(std::uint32_t db, Bytes name) {
    return edit(db, name, [&](Access& access, const Key& key) {
      return access.evict(keyspace.shard_of(key.slot), db, key);
    });
  }
  void checkpoint() { ASSERT_TRUE(checkpointer.run().ok()); }
  std::size_t key_count(std::uint32_t db) {
    access_.begin(db, clock.wall());
    access_.hold_all();
    const std::size_t count = access_.key_count(db);
    access_.release();
    return count;
  }
  void expire_all() {
    const Result<bool> has_more = expiry.step(kNoLimit);
    ASSERT_TRUE(has_more.ok() && !has_more.value());
  }

  FrameRecorder log;
  io::ManualClock clock;
  Keyspace keyspace;
  Checkpointer checkpointer;
  ColdExpiry expiry;

 private:
  Access access_;
};

std::string name_of(int i) { return "key" + std::to_string(i); }

void expire_ten_thousand(store::Store& store) {
  constexpr int kCount = 10'000;
  Rig rig(store);
  for (int i = 0; i < kCount; ++i) rig.set(i % 2 == 0 ? 0 : 2, name_of(i), Millis{1 + i % 100});
  rig.set(0, "stays", std::nullopt);
  rig.checkpoint();
  for (int i = 0; i < kCount; ++i) ASSERT_TRUE(rig.evict(i % 2 == 0 ? 0 : 2, name_of(i)));
  const std::size_t frames_before = rig.log.frames().size();
  rig.clock.advance({50});
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0) + rig.key_count(2), kCount / 2 + 1U);
  rig.clock.advance({50});
  // A step that has no time does some of it all the same.
  int step_count = 1;
  while (*rig.expiry.step({0})) ++step_count;
  EXPECT_GT(step_count, 10);
  EXPECT_EQ(rig.key_count(0), 1U);
  EXPECT_EQ(rig.key_count(2), 0U);
  EXPECT_EQ(rig.keyspace.load_count.load(), 0U);
  EXPECT_EQ(rig.keyspace.expired_key_count.load(), kCount + 0U);
  std::size_t deletions = 0;
  for (std::size_t i = frames_before; i < rig.log.frames().size(); ++i) {
    const std::string& bytes = rig.log.frames()[i].bytes;
    for (std::size_t at = bytes.find("DEL"); at != std::string::npos;
         at = bytes.find("DEL", at + 1))
      ++deletions;
  }
  EXPECT_EQ(deletions, kCount + 0U);

  rig.checkpoint();
  std::size_t stored_count = 0;
  ASSERT_TRUE(store.scan("\x01", "\xff", [&](Bytes, Bytes) { return ++stored_count != 0; }).ok());
  EXPECT_EQ(stored_count, 1U);  // "stays"
  EXPECT_TRUE(rig.exists(0, "stays"));
}

TEST(ColdExpiry, DeletesTenThousandKeysUnread) {
  MapStore store;
  expire_ten_thousand(store);
}

TEST(ColdExpiry, DeletesThemFromTheSortedFiles) {
  io::SimDisk disk(1);
  const auto store = store::Store::open(disk, {.folder = "/db", .ballast_bytes = 0});
  ASSERT_TRUE(store.ok());
  expire_ten_thousand(*store.value());
}

TEST(ColdExpiry, ReadsNothingWhileNothingIsDue) {
  MapStore store;
  Rig rig(store);
  rig.set(0, "late", Millis{1000});
  rig.set(0, "early", Millis{10});
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "late") && rig.evict(0, "early"));
  rig.expire_all();
  const std::uint64_t scans = store.scan_count();
  for (int i = 0; i < 9; ++i) {
    rig.clock.advance({1});
    rig.expire_all();
  }
  EXPECT_EQ(store.scan_count(), scans);
  rig.clock.advance({1});
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 1U);
  EXPECT_EQ(store.scan_count(), scans + 1);
  // A checkpoint may bring something that is due earlier than all that was known.
  rig.set(0, "earlier", Millis{5});
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "earlier"));
  rig.clock.advance({5});
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 1U);
}

TEST(ColdExpiry, LeavesWhatIsInMemory) {
  MapStore store;
  Rig rig(store);
  rig.set(0, "resident", Millis{10});
  rig.set(0, "cold", Millis{10});
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "cold"));
  rig.clock.advance({10});
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 1U);
  EXPECT_FALSE(rig.exists(0, "resident"));
}

// Between the read of an entry and the lock the key lost its expiry, a checkpoint stored that, and
// the key left memory again: nothing in the table says so, but the ingested epoch does.
TEST(ColdExpiry, ForgetsWhatItReadBeforeACheckpoint) {
  MapStore store;
  Rig rig(store);
  rig.set(0, "persists", Millis{10});
  rig.set(0, "goes", Millis{10});
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "persists") && rig.evict(0, "goes"));
  rig.clock.advance({9});
  const auto persist = [](Access& access, const Key& key) { return access.clear_expiry(key); };
  ASSERT_TRUE(rig.edit(0, "persists", persist));
  rig.clock.advance({1});
  store.after_scan = [&] {
    rig.checkpoint();
    ASSERT_TRUE(rig.evict(0, "persists"));
  };
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 1U);
  EXPECT_TRUE(rig.exists(0, "persists"));
}

// In the same instants, but the checkpoint is stored and not counted yet.
TEST(ColdExpiry, IsRightWhileACheckpointIsShownButNotCounted) {
  MapStore store;
  Rig rig(store);
  rig.set(0, "goes", Millis{10});
  rig.set(0, "persists", Millis{10});
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "persists") && rig.evict(0, "goes"));
  const auto persist = [](Access& access, const Key& key) { return access.clear_expiry(key); };
  ASSERT_TRUE(rig.edit(0, "persists", persist));
  rig.set(0, "new", Millis{5});
  rig.clock.advance({10});
  store.after_ingest = [&] {
    rig.expire_all();
    EXPECT_FALSE(rig.evict(0, "new"));
    EXPECT_EQ(rig.key_count(0), 2U);
  };
  rig.checkpoint();
  rig.expire_all();
  EXPECT_TRUE(rig.exists(0, "persists"));
  EXPECT_FALSE(rig.exists(0, "new"));
  EXPECT_EQ(rig.key_count(0), 1U);
  rig.checkpoint();
  EXPECT_EQ(store.contents().size(), 1U);
}

TEST(ColdExpiry, ForgetsWhatItReadOfADatabaseThatWasSwapped) {
  MapStore store;
  Rig rig(store);
  rig.set(0, "k", Millis{10});
  rig.set(1, "k", Millis{1000});
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "k") && rig.evict(1, "k"));
  rig.clock.advance({10});
  store.after_scan = [&] {
    Access access(rig.keyspace);
    access.begin(0, rig.clock.wall());
    access.hold_all();
    access.begin_command({}, {}, Logged::kByEffect, false);
    access.swap(0, 1);
    access.end_command();
    access.release();
  };
  rig.expire_all();
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 1U);
  EXPECT_EQ(rig.key_count(1), 0U);
}

TEST(ColdExpiry, ComesBackForKeysOfABusyShard) {
  MapStore store;
  Rig rig(store);
  for (int i = 0; i < 500; ++i) rig.set(0, name_of(i), Millis{10});
  rig.checkpoint();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(rig.evict(0, name_of(i)));
  rig.clock.advance({10});
  Access busy(rig.keyspace);
  busy.begin(0, rig.clock.wall());
  busy.hold(rig.keyspace.shards()[7]);
  rig.expire_all();
  busy.release();
  EXPECT_GT(rig.key_count(0), 0U);
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 0U);
  EXPECT_EQ(rig.keyspace.expired_key_count.load(), 500U);
}

TEST(ColdExpiry, RestsWhenToldSo) {
  MapStore store;
  Rig rig(store);
  rig.set(0, "k", Millis{10});
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "k"));
  rig.clock.advance({10});
  for (std::atomic<bool>* rests : {&rig.keyspace.is_expiry_resting, &rig.keyspace.is_replaying}) {
    *rests = true;
    rig.expire_all();
    *rests = false;
  }
  rig.keyspace.is_active_expiry_on = false;
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 1U);
  rig.keyspace.is_active_expiry_on = true;
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 0U);
}

TEST(ColdExpiry, TriesAgainAfterTheStoreCouldNotBeRead) {
  MapStore store;
  Rig rig(store);
  rig.set(0, "k", Millis{10});
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "k"));
  rig.clock.advance({10});
  store.scan_status = Status(Code::kIo, "the cable is out");
  EXPECT_FALSE(rig.expiry.step(kNoLimit).ok());
  EXPECT_EQ(rig.key_count(0), 1U);
  store.scan_status = {};
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 0U);
}

// ---- Fields of cold hashes

/// `count` fields, those with an even number expire so long from now, the others never.
void set_hash(Rig& rig, Bytes name, int count, Millis after) {
  rig.edit(0, name, [&](Access& access, const Key& key) {
    ObjectEdit edit(access, key, Type::kHash);
    value::Dictionary hash(edit.object(), edit.use());
    for (int i = 0; i < count; ++i) {
      hash.put("f" + std::to_string(i), "v", i % 2 == 0 ? rig.clock.wall() + after : Millis{});
    }
    const Bytes effect[] = {"HSETEX"};
    edit.commit_as(effect);
    return true;
  });
}

std::size_t field_count(Rig& rig, Bytes name) {
  return rig.edit(0, name, [](Access& access, const Key& key) -> std::size_t {
    const Record* record = access.find(key);
    return record == nullptr ? 0 : record->object().count();
  });
}

/// As the sweep of what is in memory does; how many fields went.
std::size_t sweep(Rig& rig, Bytes name) {
  return rig.edit(0, name, [&](Access& access, const Key& key) {
    Shard& shard = rig.keyspace.shard_of(key.slot);
    std::size_t count = 0;
    std::size_t cursor = 0;
    while (cursor != 0 || access.table(shard, 0).is_due(rig.clock.wall())) {
      count += access.expire_some(shard, 0, &cursor, 100);
    }
    return count;
  });
}

TEST(ColdExpiry, BringsHashesInWhoseFieldsHaveExpired) {
  MapStore store;
  Rig rig(store);
  set_hash(rig, "small", 10, Millis{50});
  set_hash(rig, "large", 4000, Millis{50});
  set_hash(rig, "later", 10, Millis{1000});
  set_hash(rig, "whole", 1, Millis{50});
  rig.checkpoint();
  for (const Bytes name : {"small", "large", "later", "whole"}) {
    while (rig.evict(0, name)) {
    }
  }
  const std::uint64_t loads = rig.keyspace.load_count.load();
  rig.expire_all();
  EXPECT_EQ(rig.keyspace.load_count.load(), loads);
  const std::size_t frames_before = rig.log.frames().size();
  rig.clock.advance({50});
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 3U) << "of one only the key was left";
  EXPECT_EQ(field_count(rig, "small"), 5U);
  EXPECT_EQ(field_count(rig, "later"), 10U);
  EXPECT_LT(field_count(rig, "large"), 4000U);
  EXPECT_GT(sweep(rig, "large"), 1900U);
  EXPECT_EQ(field_count(rig, "large"), 2000U);
  EXPECT_EQ(rig.keyspace.expired_field_count.load(), 2006U);
  std::string logged;
  for (std::size_t i = frames_before; i < rig.log.frames().size(); ++i) {
    logged += rig.log.frames()[i].bytes;
  }
  EXPECT_NE(logged.find("HDEL\r\n$5\r\nwhole\r\n$2\r\nf0\r\n"), std::string::npos);

  // One entry is left, of the hash that is due later.
  rig.checkpoint();
  std::size_t entry_count = 0;
  ASSERT_TRUE(store.scan("\x02", "\x03", [&](Bytes, Bytes) { return ++entry_count != 0; }).ok());
  EXPECT_EQ(entry_count, 1U);
  while (rig.evict(0, "later")) {
  }
  rig.clock.advance({1000});
  rig.expire_all();
  EXPECT_EQ(field_count(rig, "later"), 5U);
}

// The one entry that a key has is of what comes first.
TEST(ColdExpiry, AHashMayExpireBeforeItsFieldsOrAfter) {
  MapStore store;
  Rig rig(store);
  for (const Bytes name : {"before", "after"}) {
    set_hash(rig, name, 10, Millis{50});
    rig.edit(0, name, [&](Access& access, const Key& key) {
      access.set_expiry(key, rig.clock.wall() + Millis{name == "before" ? 20 : 80});
      return true;
    });
  }
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "before") && rig.evict(0, "after"));
  rig.clock.advance({20});
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 1U);
  EXPECT_EQ(rig.keyspace.expired_field_count.load(), 0U);
  rig.clock.advance({30});
  rig.expire_all();
  EXPECT_EQ(rig.keyspace.expired_field_count.load(), 5U);
  EXPECT_EQ(field_count(rig, "after"), 5U);
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "after"));
  rig.clock.advance({30});
  rig.expire_all();
  EXPECT_EQ(rig.key_count(0), 0U);
  EXPECT_EQ(rig.keyspace.expired_key_count.load(), 2U);
}

// Both had passed before anybody looked.
TEST(ColdExpiry, AHashWhoseFieldAndKeyHaveExpiredGoes) {
  MapStore store;
  Rig rig(store);
  set_hash(rig, "h", 10, Millis{50});
  rig.edit(0, "h", [&](Access& access, const Key& key) {
    access.set_expiry(key, rig.clock.wall() + Millis{80});
    return true;
  });
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "h"));
  rig.clock.advance({100});
  rig.expire_all();
  sweep(rig, "h");
  EXPECT_EQ(rig.key_count(0), 0U);
  EXPECT_EQ(rig.keyspace.expired_field_count.load(), 0U);
}

// The bound was of a field that is gone: the hash is visited once, and known better then.
TEST(ColdExpiry, RenewsABoundThatWasTooLow) {
  MapStore store;
  Rig rig(store);
  set_hash(rig, "h", 10, Millis{50});
  rig.edit(0, "h", [&](Access& access, const Key& key) {
    ObjectEdit edit(access, key, Type::kHash);
    value::Dictionary hash(edit.object(), edit.use());
    for (int i = 0; i < 10; i += 2) {
      hash.put("f" + std::to_string(i), "w", rig.clock.wall() + Millis{500});
    }
    const Bytes effect[] = {"HSETEX"};
    edit.commit_as(effect);
    return true;
  });
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "h"));
  rig.clock.advance({50});
  const std::size_t frames_before = rig.log.frames().size();
  rig.expire_all();
  EXPECT_EQ(rig.log.frames().size(), frames_before);
  EXPECT_EQ(field_count(rig, "h"), 10U);
  EXPECT_FALSE(rig.evict(0, "h")) << "the store has its old entry";
  rig.checkpoint();
  ASSERT_TRUE(rig.evict(0, "h"));
  rig.clock.advance({450});
  rig.expire_all();
  EXPECT_EQ(field_count(rig, "h"), 5U);
}

TEST(ColdExpiry, RefusesAHashWithoutItsBound) {
  MapStore store;
  Rig rig(store);
  const Key key = make_key("h", 3);
  for (const Bytes value : {Bytes("\x08", 1), Bytes("\x08\x01\x02\x03", 4), Bytes("\x04", 1)}) {
    store::StoredRecord stored{.type = 4, .encoding = 2, .expiry = {}, .value = value};
    std::string bytes;
    store::append_record(stored, &bytes);
    const Result<Record*> record = record_of(key, bytes, 1);
    ASSERT_FALSE(record.ok());
    EXPECT_EQ(record.error().code, Code::kCorrupt);
  }
}

// Every key is there until its time, and never after a step that came later.
TEST(ColdExpiry, AgreesWithAModel) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    io::Random random(seed);
    MapStore store;
    Rig rig(store);
    std::map<std::string, std::optional<Millis>> model;
    for (int i = 0; i < 1500; ++i) {
      const std::string name = name_of(static_cast<int>(random.below(60)));
      switch (random.below(8)) {
        case 0:
        case 1: {
          std::optional<Millis> after;
          if (random.chance_percent(70)) after = Millis{static_cast<int>(1 + random.below(40))};
          rig.set(0, name, after);
          model[name] = after ? std::optional(rig.clock.wall() + *after) : std::nullopt;
          break;
        }
        case 2:
          rig.edit(0, name, [](Access& access, const Key& key) { return access.erase(key); });
          model.erase(name);
          break;
        case 3:
          if (random.chance_percent(30)) rig.checkpoint();
          break;
        case 4:
          if (random.chance_percent(10)) {
            store.after_scan = [&] { rig.checkpoint(); };
          }
          break;
        case 5:
          rig.clock.advance({static_cast<int>(random.below(4))});
          break;
        case 6:
          rig.expire_all();
          break;
        default:
          rig.evict(0, name);
      }
      std::erase_if(model, [&](const auto& entry) {
        return entry.second && *entry.second <= rig.clock.wall();
      });
      ASSERT_EQ(rig.exists(0, name), model.contains(name)) << name;
    }
    for (int i = 0; i < 60; ++i) {
      ASSERT_EQ(rig.exists(0, name_of(i)), model.contains(name_of(i)));
    }
    rig.checkpoint();
    std::size_t expected = 0;
    for (const auto& [name, expiry] : model) expected += expiry ? 2 : 1;
    ASSERT_EQ(store.contents().size(), expected);
  }
}

}  // namespace
}  // namespace diskdb::keyspace
