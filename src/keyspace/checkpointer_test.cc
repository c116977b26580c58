#include "keyspace/checkpointer.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "keyspace/client_test.h"
#include "keyspace/fake_store_test.h"
#include "keyspace/map_store_test.h"

namespace diskdb::keyspace {
namespace {

constexpr std::uint64_t kSeed = 7;

/// A keyspace over a store in memory; what a test puts into `in_the_midst` runs once, at the next
/// place where a checkpoint holds no lock and has written something.
struct Rig {
  Rig() {
    auto inner = std::make_unique<MapStore>();
    map = inner.get();
    store = std::make_unique<HookedStore>(std::move(inner), [this] {
      if (calls_to_wait-- > 0 || !in_the_midst) return;
      std::exchange(in_the_midst, nullptr)();
    });
    keyspace = std::make_unique<Keyspace>(
        Options{.shard_count = 4, .database_count = 4, .hash_seed = kSeed}, &log, store.get());
    client = std::make_unique<TestClient>(*keyspace);
    checkpointer = std::make_unique<Checkpointer>(*keyspace, clock);
  }
  ~Rig() { verify(); }

  std::string run(const TestWords& words) { return client->run(words, Logged::kByEffect); }
  void checkpoint() { ASSERT_TRUE(checkpointer->run().ok()); }
  /// What a restart would find: the store's keys by name, in their databases, with their expiry.
  std::map<std::string, std::string> stored() {
    std::map<std::string, std::string> found;
    for (const auto& [key, value] : map->contents()) {
      if (key[0] == 2) {
        auto entry = store::decode_expiry_key(key);
        found["expiry of " + std::string(entry->key)] += std::to_string(entry->when.count) + " ";
        continue;
      }
      auto record_key = store::decode_record_key(key);
      auto record = store::decode_record(value);
      std::string text =
          record->encoding == 1 ? std::to_string(record->integer) : std::string(record->value);
      if (record->expiry) text += " until " + std::to_string(record->expiry->count);
      found[std::string(record_key->key)] = text;
    }
    return found;
  }
  std::size_t gone_count() {
    std::size_t count = 0;
    for (Shard& shard : keyspace->shards()) {
      for (const auto& table : shard.tables) count += table->gone_count();
    }
    return count;
  }
  void verify() {
    std::size_t bytes = 0;
    std::size_t dirty = 0;
    for (Shard& shard : keyspace->shards()) {
      for (const auto& table : shard.tables) {
        table->verify_invariants();
        bytes += table->allocated_bytes() + static_cast<std::size_t>(table->pages().bytes);
        dirty += table->dirty_bytes() + static_cast<std::size_t>(table->pages().dirty_bytes);
      }
    }
    EXPECT_EQ(keyspace->allocated_bytes(), bytes);
    EXPECT_EQ(keyspace->dirty_bytes(), dirty);
  }
  void evict(const std::string& name) {
    Access& access = client->access();
    access.begin(0, client->now);
    const Key key = access.key(name);
    Shard& shard = keyspace->shard_of(key.slot);
    access.hold(shard);
    EXPECT_TRUE(access.evict(shard, 0, key)) << name;
    access.release();
  }

  FrameRecorder log;
  io::ManualClock clock;
  MapStore* map = nullptr;
  int calls_to_wait = 0;
  std::function<void()> in_the_midst;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Keyspace> keyspace;
  std::unique_ptr<TestClient> client;
  std::unique_ptr<Checkpointer> checkpointer;
};

using Contents = std::map<std::string, std::string>;

TEST(Checkpointer, StoresWhatThereIs) {
  Rig rig;
  rig.run({"SET", "a", "1"});
  rig.run({"SET", "b", "text", "PXAT", "5000"});
  rig.checkpoint();
  EXPECT_EQ(rig.stored(),
            (Contents{{"a", "1"}, {"b", "text until 5000"}, {"expiry of b", "5000 "}}));
  EXPECT_EQ(rig.keyspace->dirty_bytes(), 0U);
}

TEST(Checkpointer, HoldsTheStateAtItsCutWhateverHappensMeanwhile) {
  // Wherever between two entries the changes come, and however many slots are walked at once: each
  // key is stored as it was at the cut.
  for (int trial = 0; trial < 36; ++trial) {
    const int place = trial / 3;
    Rig rig;
    rig.checkpointer->set({.bytes_at_once = trial % 3 == 0   ? 1U
                                            : trial % 3 == 1 ? 700U
                                                             : 1'000'000U});
    Contents expected;
    for (int i = 0; i < 8; ++i) {
      const std::string key = "key" + std::to_string(i);
      rig.run({"SET", key, "old", "PXAT", "9000"});
      expected[key] = "old until 9000";
      expected["expiry of " + key] = "9000 ";
    }
    rig.calls_to_wait = place;
    rig.in_the_midst = [&] {
      rig.run({"SET", "key0", "new"});
      rig.run({"DEL", "key1"});
      rig.run({"RENAME", "key2", "key3"});
      rig.run({"PEXPIREAT", "key4", "7000"});
      rig.run({"APPEND", "key5", " and new"});
      rig.run({"PERSIST", "key6"});
      rig.run({"SET", "key8", "new"});
    };
    rig.checkpoint();
    EXPECT_FALSE(rig.in_the_midst) << trial;
    EXPECT_EQ(rig.stored(), expected) << trial;
    rig.checkpoint();
    EXPECT_EQ(rig.stored(), (Contents{{"key0", "new"},
                                      {"key3", "old until 9000"},
                                      {"expiry of key3", "9000 "},
                                      {"key4", "old until 7000"},
                                      {"expiry of key4", "7000 "},
                                      {"key5", "old and new until 9000"},
                                      {"expiry of key5", "9000 "},
                                      {"key6", "old"},
                                      {"key7", "old until 9000"},
                                      {"expiry of key7", "9000 "},
                                      {"key8", "new"}}))
        << trial;
    EXPECT_EQ(rig.gone_count(), 0U);
    rig.verify();
  }
}

TEST(Checkpointer, WhatWasNeverStoredLeavesNothing) {
  Rig rig;
  for (int i = 0; i < 100; ++i) {
    rig.run({"SET", "k" + std::to_string(i), "v"});
    rig.run({"DEL", "k" + std::to_string(i)});
  }
  EXPECT_EQ(rig.gone_count(), 0U);
  rig.checkpoint();
  EXPECT_EQ(rig.stored(), Contents{});
}

TEST(Checkpointer, ATombstoneStaysUntilTheStoreHasObeyedIt) {
  Rig rig;
  rig.run({"SET", "k", "v"});
  rig.checkpoint();
  rig.run({"DEL", "k"});
  EXPECT_EQ(rig.gone_count(), 1U);
  EXPECT_EQ(rig.run({"GET", "k"}), "nil");
  rig.in_the_midst = [&] { EXPECT_EQ(rig.run({"GET", "k"}), "nil"); };
  rig.calls_to_wait = 3;
  rig.checkpoint();
  EXPECT_EQ(rig.gone_count(), 0U);
  EXPECT_EQ(rig.stored(), Contents{});
  EXPECT_EQ(rig.run({"GET", "k"}), "nil");
}

TEST(Checkpointer, AKeyHasOneExpiryEntryHoweverOftenItChanges) {
  Rig rig;
  rig.run({"SET", "k", "v", "PXAT", "5000"});
  rig.checkpoint();
  for (int i = 1; i <= 5; ++i) {
    rig.run({"PEXPIREAT", "k", std::to_string(5000 + i)});
    rig.run({"PEXPIREAT", "k", std::to_string(6000 + i)});
    // Once taken and before it is ingested it changes again.
    rig.calls_to_wait = 2 + i;
    rig.in_the_midst = [&] { rig.run({"PEXPIREAT", "k", std::to_string(7000 + i)}); };
    rig.checkpoint();
    EXPECT_EQ(rig.stored()["expiry of k"], std::to_string(6000 + i) + " ");
  }
  rig.run({"DEL", "k"});
  rig.checkpoint();
  EXPECT_EQ(rig.stored(), Contents{});
}

TEST(Checkpointer, AColdKeyMayChangeAndLeaveAgain) {
  Rig rig;
  rig.run({"SET", "k", "1", "PXAT", "5000"});
  rig.checkpoint();
  rig.evict("k");
  EXPECT_EQ(rig.run({"DBSIZE"}), "1");
  EXPECT_EQ(rig.run({"INCR", "k"}), "2");
  rig.checkpoint();
  rig.evict("k");
  EXPECT_EQ(rig.run({"PERSIST", "k"}), "1");
  rig.checkpoint();
  EXPECT_EQ(rig.stored(), (Contents{{"k", "2"}}));
  rig.evict("k");
  EXPECT_EQ(rig.run({"DEL", "k"}), "1");
  EXPECT_EQ(rig.run({"DBSIZE"}), "0");
  rig.checkpoint();
  EXPECT_EQ(rig.stored(), Contents{});
}

TEST(Checkpointer, OnlyWhatIsInTheStoreLeavesMemory) {
  Rig rig;
  Access& access = rig.client->access();
  const auto evicts = [&] {
    access.begin(0, rig.client->now);
    const Key key = access.key("k");
    Shard& shard = rig.keyspace->shard_of(key.slot);
    access.hold(shard);
    const bool is_evicted = access.evict(shard, 0, key);
    access.release();
    return is_evicted;
  };
  rig.run({"SET", "k", "v"});
  EXPECT_FALSE(evicts()) << "no checkpoint has taken it";
  bool was_evicted_early = false;
  rig.calls_to_wait = 4;  // taken, not ingested
  rig.in_the_midst = [&] { was_evicted_early = evicts(); };
  rig.checkpoint();
  EXPECT_FALSE(rig.in_the_midst);
  EXPECT_FALSE(was_evicted_early);
  EXPECT_TRUE(evicts());
  EXPECT_EQ(rig.run({"GET", "k"}), "v");
}

TEST(Checkpointer, AFlushedDatabaseIsOneRange) {
  Rig rig;
  for (int i = 0; i < 50; ++i) rig.run({"SET", "k" + std::to_string(i), "v", "PXAT", "5000"});
  rig.checkpoint();
  rig.run({"FLUSHDB"});
  EXPECT_EQ(rig.run({"DBSIZE"}), "0");
  EXPECT_EQ(rig.gone_count(), 0U);
  rig.run({"SET", "k1", "new"});
  rig.checkpoint();
  EXPECT_EQ(rig.stored(), (Contents{{"k1", "new"}}));
}

TEST(Checkpointer, GoesOnWithTheTablesOfItsCut) {
  Rig rig;
  Contents expected;
  for (int i = 0; i < 8; ++i) {
    rig.run({"SET", "k" + std::to_string(i), "v"});
    expected["k" + std::to_string(i)] = "v";
  }
  rig.client->db = 2;
  rig.run({"SET", "stays", "v"});
  expected["stays"] = "v";
  rig.client->db = 0;
  rig.calls_to_wait = 4;
  rig.in_the_midst = [&] {
    rig.run({"SWAPDB", "0", "1"});
    rig.client->db = 1;
    rig.run({"SET", "k7", "changed elsewhere"});
    rig.run({"FLUSHDB"});
    rig.client->db = 0;
    rig.keyspace->free_detached();
  };
  rig.checkpoint();
  EXPECT_EQ(rig.stored(), expected);
  rig.checkpoint();
  EXPECT_EQ(rig.stored(), (Contents{{"stays", "v"}}));
}

TEST(Checkpointer, OfWhichAFlushLeavesNothingBeginsAnew) {
  Rig rig;
  rig.run({"SET", "stored before", "v"});
  rig.checkpoint();
  for (int i = 0; i < 40; ++i) rig.run({"SET", "k" + std::to_string(i), "v", "PXAT", "5000"});
  std::size_t flush_count = 0;
  const std::function<void()> flush = [&] {
    ++flush_count;
    rig.run({"FLUSHALL"});
    rig.run({"SET", "of flush " + std::to_string(flush_count), "v"});
    rig.calls_to_wait = 2;
    rig.in_the_midst = flush;
  };
  rig.calls_to_wait = 4;
  rig.in_the_midst = flush;
  rig.checkpoint();
  rig.in_the_midst = nullptr;
  // Flushed again and again, the second try ends with what it began with.
  EXPECT_EQ(rig.stored().size(), 1U);
  EXPECT_NE(rig.stored(), (Contents{{"of flush " + std::to_string(flush_count), "v"}}));
  EXPECT_EQ(rig.checkpointer->stats().failed_count, 0U);
  EXPECT_EQ(rig.checkpointer->stats().completed_count, 2U);
  rig.checkpoint();
  EXPECT_EQ(rig.stored(), (Contents{{"of flush " + std::to_string(flush_count), "v"}}));
  while (rig.keyspace->free_detached()) {
  }
  EXPECT_EQ(rig.keyspace->detached_bytes(), 0U);
}

// Fails wherever it is told to, and may have ingested all the same.
class FailingStore final : public store::Store {
 public:
  enum class Fails : std::uint8_t { kNothing, kFinish, kIngestBefore, kIngestAfter };
  explicit FailingStore(MapStore& map) : map_(map) {}
  Fails fails = Fails::kNothing;

  Result<store::Presence> get(Bytes key, store::Reach reach, std::string* value) override {
    return map_.get(key, reach, value);
  }
  Status get_many(const std::vector<Bytes>& keys,
                  const std::function<void(std::size_t, Bytes)>& visit) override {
    return map_.get_many(keys, visit);
  }
  Status scan(Bytes from, Bytes to, const std::function<bool(Bytes, Bytes)>& visit) override {
    return map_.scan(from, to, visit);
  }
  Result<std::optional<store::Marker>> marker() override { return map_.marker(); }
  Result<std::unique_ptr<store::CheckpointFiles>> begin_files() override {
    if (fails == Fails::kFinish) return Error{Code::kNoSpace, "full"};
    return map_.begin_files();
  }
  Status ingest(store::CheckpointFiles& files) override {
    ++ingest_count;
    is_in_doubt_ = fails != Fails::kNothing;
    if (fails == Fails::kIngestBefore) return {Code::kIo, "before"};
    TRY(map_.ingest(files));
    if (fails == Fails::kIngestAfter) return {Code::kIo, "after"};
    return {};
  }
  bool needs_reopen() const override { return is_in_doubt_; }
  Status reopen() override {
    is_in_doubt_ = false;
    ++reopen_count;
    return {};
  }
  store::Stats stats() const override { return {}; }
  double pressure() const override { return 0; }
  Status settle() override { return {}; }

  int ingest_count = 0;
  int reopen_count = 0;

 private:
  MapStore& map_;
  bool is_in_doubt_ = false;
};

TEST(Checkpointer, AFailedOneNeedsNoUndo) {
  using Fails = FailingStore::Fails;
  for (const Fails fails : {Fails::kFinish, Fails::kIngestBefore, Fails::kIngestAfter}) {
    Rig rig;
    FailingStore store(*rig.map);
    Keyspace keyspace({.shard_count = 4, .database_count = 4, .hash_seed = kSeed}, &rig.log,
                      &store);
    TestClient client(keyspace);
    Checkpointer checkpointer(keyspace, rig.clock);
    const auto run = [&](const TestWords& words) { return client.run(words, Logged::kByEffect); };
    for (int i = 0; i < 20; ++i) run({"SET", "k" + std::to_string(i), "v", "PXAT", "5000"});
    ASSERT_TRUE(checkpointer.run().ok());
    for (int i = 0; i < 10; ++i) run({"PEXPIREAT", "k" + std::to_string(i), "6000"});
    run({"DEL", "k19"});

    store.fails = fails;
    EXPECT_FALSE(checkpointer.run().ok());
    EXPECT_TRUE(checkpointer.stats().has_failed);
    run({"DEL", "k0"});
    run({"PERSIST", "k1"});
    run({"SET", "k19", "again"});
    store.fails = Fails::kNothing;
    ASSERT_TRUE(checkpointer.run().ok());
    EXPECT_EQ(store.reopen_count, fails == Fails::kFinish ? 0 : 1);

    Contents expected{{"k1", "v"}, {"k19", "again"}};
    for (int i = 2; i < 19; ++i) {
      const std::string key = "k" + std::to_string(i);
      const std::string when = i < 10 ? "6000" : "5000";
      expected[key] = "v until " + when;
      expected["expiry of " + key] = when + " ";
    }
    EXPECT_EQ(rig.stored(), expected) << static_cast<int>(fails);
    for (Shard& shard : keyspace.shards()) {
      for (const auto& table : shard.tables) {
        table->verify_invariants();
        EXPECT_EQ(table->dirty_bytes(), 0U);
        EXPECT_EQ(table->gone_count(), 0U);
      }
    }
  }
}

// What a replay takes depends on whether each key must be found once, or time and again.
TEST(Checkpointer, IsDueEarlierWhereNotAllFitsIntoMemory) {
  constexpr std::uint64_t kEdits = 3'000'000;
  Rig rig;
  rig.run({"SET", "k", "value"});
  rig.checkpoint();
  rig.run({"SET", "k", "another"});
  EXPECT_FALSE(rig.checkpointer->is_due({.all = kEdits}));
  rig.keyspace->budget.set_limit(1);  // keys may cost two megabytes at least
  const std::uint64_t most = rig.keyspace->budget.keys_max();
  EXPECT_FALSE(rig.checkpointer->is_due({.all = kEdits}));
  for (int i = 0; rig.keyspace->allocated_bytes() < most; ++i) {
    rig.run({"SET", "k" + std::to_string(i), std::string(4000, 'x')});
  }
  EXPECT_TRUE(rig.checkpointer->is_due({.all = kEdits}));
}

// Of a large string a checkpoint writes the pages that changed, and a restart reads those it needs.
TEST(Checkpointer, OneByteOfALargeStringIsOnePage) {
  constexpr std::size_t kSize = 100'000'000;
  Rig rig;
  rig.run({"SET", "k", std::string(kSize, 'x')});
  rig.checkpoint();
  const std::uint64_t written = rig.checkpointer->stats().written_bytes;
  EXPECT_GE(written, kSize);
  EXPECT_LT(written, kSize + kSize / 50);
  EXPECT_EQ(rig.run({"SETRANGE", "k", "55555555", "y"}), std::to_string(kSize));
  EXPECT_LT(rig.keyspace->dirty_bytes(), 5000U);
  rig.checkpoint();
  EXPECT_EQ(rig.checkpointer->stats().entry_count, 3U);  // the marker, the record, the page
  EXPECT_LT(rig.checkpointer->stats().written_bytes - written, 5000U);

  const auto try_evict = [&] {
    Access& access = rig.client->access();
    access.begin(0, rig.client->now);
    const Key key = access.key("k");
    Shard& shard = rig.keyspace->shard_of(key.slot);
    access.hold(shard);
    const bool is_evicted = access.evict(shard, 0, key);
    access.release();
    return is_evicted;
  };
  while (try_evict()) {
  }
  const std::uint64_t cold = rig.keyspace->allocated_bytes();
  EXPECT_EQ(rig.run({"SETRANGE", "k", "55555556", "z"}), std::to_string(kSize));
  EXPECT_GT(rig.keyspace->allocated_bytes(), cold + 4096);
  EXPECT_LT(rig.keyspace->allocated_bytes(), cold + 20'000) << "the page, and those above it";
  EXPECT_EQ(rig.run({"GET", "k"}).substr(55'555'554, 4), "xyzx");
}

TEST(Checkpointer, TheMarkerCountsKeysAndNamesWhereTheLogGoesOn) {
  Rig rig;
  rig.run({"SET", "a", "1"});
  rig.run({"SET", "b", "1", "PXAT", "5000"});
  rig.client->db = 2;
  rig.run({"SET", "c", "1"});
  rig.checkpoint();
  const auto marker = rig.store->marker();
  ASSERT_TRUE(marker.ok() && marker.value().has_value());
  EXPECT_EQ((*marker.value()).offset, rig.log.appended());
  EXPECT_EQ((*marker.value()).hash_seed, kSeed);
  ASSERT_EQ((*marker.value()).databases.size(), 2U);
  std::size_t keys = 0;
  std::size_t expiring = 0;
  for (const auto& database : (*marker.value()).databases) {
    for (const auto& count : database.slots) {
      keys += count.keys;
      expiring += count.expiring;
    }
  }
  EXPECT_EQ(keys, 3U);
  EXPECT_EQ(expiring, 1U);
  EXPECT_EQ((*marker.value()).databases[1].db, 2U);
}

TEST(Checkpointer, IsDueWhenItPays) {
  Rig rig;
  rig.checkpointer->set({.log_factor = 8,
                         .log_bytes_min = 1000,
                         .replay_time = Millis{10'000},
                         .interval = Millis{60'000},
                         .dirty_bytes_max = 1'000'000});
  EXPECT_FALSE(rig.checkpointer->is_due({}));
  for (int i = 0; i < 500; ++i) rig.run({"SET", "k", "value"});
  EXPECT_TRUE(rig.checkpointer->is_due({.all = 500})) << "much log, one key";
  rig.checkpoint();
  EXPECT_FALSE(rig.checkpointer->is_due({.all = 500}));
  for (int i = 0; i < 500; ++i) rig.run({"SET", "k" + std::to_string(i), "value"});
  EXPECT_FALSE(rig.checkpointer->is_due({.all = 1000})) << "it would write as much as it saves";
  EXPECT_FALSE(rig.checkpointer->is_due({.all = 1000 + 24'000'000})) << "of 0.4 us each";
  EXPECT_TRUE(rig.checkpointer->is_due({.all = 1000 + 26'000'000})) << "a replay takes too long";
  constexpr std::uint64_t kElements = 9'000'000;
  EXPECT_FALSE(rig.checkpointer->is_due({.all = 1000 + kElements, .of_elements = kElements}));
  constexpr std::uint64_t kTooMany = 10'000'000;
  EXPECT_TRUE(rig.checkpointer->is_due({.all = 1000 + kTooMany, .of_elements = kTooMany}));
  EXPECT_TRUE(rig.checkpointer->is_due({.all = 1000 + 3 * kElements, .of_elements = kElements}));
  rig.clock.advance(Millis{61'000});
  EXPECT_TRUE(rig.checkpointer->is_due({.all = 1000})) << "it is time";
  rig.checkpoint();
  rig.run({"SET", "large", std::string(600'000, 'x')});
  EXPECT_TRUE(rig.checkpointer->is_due({.all = 1001})) << "half of what may be dirty is";
  EXPECT_EQ(rig.checkpointer->pressure(), 0);
  rig.run({"SET", "larger", std::string(600'000, 'x')});
  EXPECT_EQ(rig.checkpointer->pressure(), 1);
}

TEST(Checkpointer, IsDueEarlierWhereEditsAreLong) {
  Rig rig;
  rig.checkpointer->set({.replay_time = Millis{1}});
  rig.run({"SET", "k", std::string(800'000, 'x')});
  EXPECT_FALSE(rig.checkpointer->is_due({.all = 1})) << "a nanosecond a byte";
  rig.run({"SET", "k", std::string(300'000, 'x')});
  EXPECT_TRUE(rig.checkpointer->is_due({.all = 2}));
}

}  // namespace
}  // namespace diskdb::keyspace
