// SCAN, KEYS, RANDOMKEY, DBSIZE and DEBUG DIGEST where some keys are in memory and some in the
// store only: they must answer as if all were in memory, whatever moves meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/number.h"
#include "command/key_walk.h"
#include "command/test_server.h"
#include "io/random.h"
#include "io/sim_disk.h"
#include "keyspace/checkpointer.h"
#include "keyspace/cold_expiry.h"
#include "keyspace/map_store_test.h"
#include "resp/bulk_strings_test.h"

namespace diskdb::command {
namespace {

using resp::bulk_strings;

using keyspace::MapStore;

using Keys = std::multiset<std::string>;

/// A server with a store, and what tests do to its keys behind its back, also in the midst of a
/// command: on database 0.
class Tiers {
 public:
  explicit Tiers(store::Store& store)
      : server(nullptr, &store),
        checkpointer(server.keyspace(), server.clock()),
        access_(server.keyspace()) {}

  template <typename Edit>
  auto edit(Bytes name, Edit edit) {
    const keyspace::Key key = access_.key(name);
    access_.begin(0, server.clock().wall());
    access_.hold(server.keyspace().shard_of(key.slot));
    access_.begin_command({}, {}, keyspace::Logged::kByEffect, false);
    const auto result = edit(access_, key);
    access_.end_command();
    access_.release();
    return result;
  }
  void set(Bytes name, std::optional<Millis> expiry = std::nullopt) {
    edit(name, [&](keyspace::Access& access, const keyspace::Key& key) {
      access.set_string(key, "value of " + std::string(name),
                        expiry ? keyspace::Expiry::at(*expiry) : keyspace::Expiry::none());
      return true;
    });
  }
  void erase(Bytes name) {
    edit(name,
         [](keyspace::Access& access, const keyspace::Key& key) { return access.erase(key); });
  }
  void load(Bytes name) {
    edit(name, [](keyspace::Access& access, const keyspace::Key& key) {
      return access.find(key) != nullptr;
    });
  }
  bool evict(Bytes name) {
    return edit(name, [&](keyspace::Access& access, const keyspace::Key& key) {
      return access.evict(server.keyspace().shard_of(key.slot), 0, key);
    });
  }
  template <typename Change>
  void change_all(Change change) {
    access_.begin(0, server.clock().wall());
    access_.hold_all();
    access_.begin_command({}, {}, keyspace::Logged::kByEffect, false);
    change(access_);
    access_.end_command();
    access_.release();
  }
  void flush() {
    change_all([](keyspace::Access& access) { access.flush(0); });
  }
  void swap() {
    change_all([](keyspace::Access& access) { access.swap(0, 1); });
  }
  void checkpoint() { ASSERT_TRUE(checkpointer.run().ok()); }
  std::uint64_t load_count() { return server.keyspace().load_count.load(); }
  std::size_t cold_count() {
    std::size_t count = 0;
    change_all([&](keyspace::Access& access) {
      for (keyspace::Shard& shard : server.keyspace().shards()) {
        count += access.table(shard, 0).cold_count();
      }
    });
    return count;
  }

  /// All that a walk finds, which must come in order and be of one state.
  Keys walk(KeyWalk::Holding holding) {
    keyspace::Access access(server.keyspace());
    access.begin(0, server.clock().wall());
    if (holding == KeyWalk::Holding::kAll) access.hold_all();
    KeyWalk walk(access, holding, {}, std::nullopt, 1);
    Keys found;
    std::pair<std::uint64_t, std::string> last;
    while (walk.step()) {
      for (const KeyWalk::Found& key : walk.found()) {
        std::pair<std::uint64_t, std::string> at(walk.place_of(key).cursor(), key.key);
        EXPECT_EQ(at.first, keyspace::scan_order(access.key(key.key)));
        EXPECT_GT(at, last);
        last = at;
        found.insert(at.second);
      }
    }
    access.release();
    EXPECT_TRUE(walk.status().ok());
    return found;
  }

  TestServer server;
  keyspace::Checkpointer checkpointer;

 private:
  keyspace::Access access_;
};

struct Step {
  std::uint64_t cursor = 0;
  std::vector<std::string> keys;
};

Step scan_once(TestServer& server, std::uint64_t cursor, const std::vector<std::string>& options) {
  std::vector<std::string> words{"SCAN", std::to_string(cursor)};
  words.insert(words.end(), options.begin(), options.end());
  Step step;
  step.keys = bulk_strings(server.run(words));
  step.cursor = static_cast<std::uint64_t>(*parse_integer(step.keys.at(0)));
  step.keys.erase(step.keys.begin());
  return step;
}

Keys scan_all(TestServer& server, const std::vector<std::string>& options) {
  Keys found;
  std::uint64_t cursor = 0;
  do {
    const Step step = scan_once(server, cursor, options);
    found.insert(step.keys.begin(), step.keys.end());
    cursor = step.cursor;
  } while (cursor != 0);
  return found;
}

std::vector<std::string> random_names(io::Random& random, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    names.push_back((random.chance_percent(40) ? "{tag}" : "key:") + std::to_string(i));
  }
  return names;
}

/// Keys that stay, keys that come and go, in both tiers, and a twin that has all in memory.
struct Scene {
  explicit Scene(store::Store& store, std::uint64_t seed) : random(seed), tiers(store) {
    names = random_names(random, 200 + 20 * seed);
    for (const std::string& name : names) {
      if (random.chance_percent(80)) set(name);
    }
    for (int i = 0; i < 500; ++i) disturb();
    for (const std::string& name : names) {
      if (keys.contains(name) && random.chance_percent(60)) stays.insert(name);
    }
  }
  void set(const std::string& name) {
    tiers.set(name);
    twin.run({"SET", name, "value of " + name});
    keys.insert(name);
  }
  void erase(const std::string& name) {
    tiers.erase(name);
    twin.run({"DEL", name});
    keys.erase(name);
  }
  /// Something that anyone may do at any time.
  void disturb() {
    const std::string& name = names[random.below(names.size())];
    switch (random.below(12)) {
      case 0:
      case 1:
        if (!stays.contains(name)) set(name);
        break;
      case 2:
        if (!stays.contains(name)) erase(name);
        break;
      case 3:
        tiers.load(name);
        break;
      case 4:
        if (stays.contains(name)) tiers.set(name);
        break;
      case 5:
        if (random.chance_percent(20)) tiers.checkpoint();
        break;
      default:
        tiers.evict(name);
    }
  }
  void disturb_some() {
    for (std::uint64_t n = random.below(60); n > 0; --n) disturb();
  }
  Keys expected() const { return {keys.begin(), keys.end()}; }

  io::Random random;
  Tiers tiers;
  TestServer twin;
  std::vector<std::string> names;
  std::set<std::string> keys;
  std::set<std::string> stays;
};

void scan_while_all_moves(store::Store& store, MapStore* hooked, std::uint64_t seed) {
  Scene scene(store, seed);
  std::map<std::string, int> visits;
  std::uint64_t cursor = 0;
  do {
    if (hooked != nullptr) hooked->after_scan = [&] { scene.disturb_some(); };
    const std::uint64_t count = 1 + scene.random.below(40);
    const Step step = scan_once(scene.tiers.server, cursor, {"COUNT", std::to_string(count)});
    for (const std::string& key : step.keys) ++visits[key];
    cursor = step.cursor;
    scene.disturb_some();
  } while (cursor != 0);
  for (const std::string& key : scene.stays) ASSERT_EQ(visits[key], 1) << key;
  for (const auto& [key, count] : visits) ASSERT_LE(count, 1) << key;
}

void compare_with_twin(Scene& scene) {
  Tiers& tiers = scene.tiers;
  const Keys expected = scene.expected();
  const std::uint64_t loads = tiers.load_count();
  ASSERT_EQ(tiers.walk(KeyWalk::Holding::kAll), expected);
  ASSERT_EQ(tiers.walk(KeyWalk::Holding::kAsItGoes), expected);
  ASSERT_EQ(scan_all(tiers.server, {"COUNT", "7", "TYPE", "string"}), expected);
  ASSERT_EQ(scan_all(tiers.server, {"TYPE", "hash"}).size(), 0U);
  for (const char* pattern : {"*", "{tag}*", "key:1*", "key:17", "{tag}17", "nothing"}) {
    const auto twins = bulk_strings(scene.twin.run({"KEYS", pattern}));
    const auto found = bulk_strings(tiers.server.run({"KEYS", pattern}));
    ASSERT_EQ(found, twins) << pattern;  // in the same order too
    ASSERT_EQ(scan_all(tiers.server, {"MATCH", pattern}), Keys(twins.begin(), twins.end()));
  }
  ASSERT_EQ(tiers.server.run({"DBSIZE"}), scene.twin.run({"DBSIZE"}));
  ASSERT_EQ(tiers.server.digest(), scene.twin.digest());
  for (int i = 0; i < 20; ++i) {
    const auto key = bulk_strings(tiers.server.run({"RANDOMKEY"}));
    ASSERT_TRUE(expected.contains(key.at(0)));
  }
  ASSERT_EQ(tiers.load_count(), loads);  // nothing came into memory
}

TEST(TwoTiers, ScanReturnsWhatStaysExactlyOnceWhileAllMoves) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    MapStore store;
    scan_while_all_moves(store, &store, seed);
  }
}

TEST(TwoTiers, AnswerAsIfAllWereInMemory) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    MapStore store;
    Scene scene(store, seed);
    compare_with_twin(scene);
    // Shown, but not counted.
    scene.disturb_some();
    bool has_compared = false;
    store.after_ingest = [&] {
      compare_with_twin(scene);
      has_compared = true;
    };
    scene.tiers.checkpoint();
    ASSERT_TRUE(has_compared);
    compare_with_twin(scene);
  }
}

TEST(TwoTiers, AnswerSoFromTheSortedFiles) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    io::SimDisk disk(seed);
    auto opened = store::Store::open(disk, {.folder = "/db", .ballast_bytes = 0});
    ASSERT_TRUE(opened.ok());
    scan_while_all_moves(**opened, nullptr, seed);
  }
  io::SimDisk disk(9);
  auto opened = store::Store::open(disk, {.folder = "/db", .ballast_bytes = 0});
  ASSERT_TRUE(opened.ok());
  Scene scene(**opened, 9);
  compare_with_twin(scene);
}

// A walk has read the stored keys and does not hold a shard yet.
TEST(TwoTiers, WalksReadAgainWhatChangedBeneathThem) {
  struct Case {
    const char* what;
    std::function<void(Tiers&)> change;
    Keys expected;
  };
  const Case cases[] = {
      {"a checkpoint takes a deletion, and its tombstone is gone",
       [](Tiers& tiers) {
         tiers.erase("a");
         tiers.checkpoint();
       },
       {"b", "c"}},
      {"a new key leaves memory",
       [](Tiers& tiers) {
         tiers.set("new");
         tiers.checkpoint();
         ASSERT_TRUE(tiers.evict("new"));
       },
       {"a", "b", "c", "new"}},
      {"a key comes into memory", [](Tiers& tiers) { tiers.load("a"); }, {"a", "b", "c"}},
      {"a key is deleted", [](Tiers& tiers) { tiers.erase("a"); }, {"b", "c"}},
      {"all is flushed", [](Tiers& tiers) { tiers.flush(); }, {}},
      {"all is flushed, and the store has obeyed",
       [](Tiers& tiers) {
         tiers.flush();
         tiers.set("later");
         tiers.checkpoint();
         ASSERT_TRUE(tiers.evict("later"));
       },
       {"later"}},
      {"databases are swapped", [](Tiers& tiers) { tiers.swap(); }, {"z"}},
  };
  for (const Case& the : cases) {
    SCOPED_TRACE(the.what);
    MapStore store;
    Tiers tiers(store);
    tiers.set("z");
    tiers.swap();
    for (const char* name : {"a", "b", "c"}) tiers.set(name);
    tiers.checkpoint();
    for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(tiers.evict(name));
    store.after_scan = [&] { the.change(tiers); };
    EXPECT_EQ(tiers.walk(KeyWalk::Holding::kAsItGoes), the.expected);
    EXPECT_FALSE(store.after_scan);
    EXPECT_EQ(tiers.walk(KeyWalk::Holding::kAll), the.expected);
  }
}

// Whoever finds the store changed each time must come to an end all the same.
TEST(TwoTiers, WalksEndThoughEveryReadIsOvertaken) {
  MapStore store;
  Tiers tiers(store);
  for (int i = 0; i < 100; ++i) tiers.set(std::to_string(i));
  tiers.checkpoint();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(tiers.evict(std::to_string(i)));
  // The hook runs with nothing held only; the fourth read of a place keeps its shard.
  int overtaken_count = 0;
  const std::function<void()> again = [&] {
    if (++overtaken_count <= 3) {
      tiers.set("more");
      tiers.checkpoint();
      store.after_scan = again;
    }
  };
  store.after_scan = again;
  EXPECT_EQ(tiers.walk(KeyWalk::Holding::kAsItGoes).size(), 101U);
  EXPECT_EQ(overtaken_count, 4);
}

TEST(TwoTiers, ScanDeletesTheExpiredKeysItMeets) {
  MapStore store;
  Tiers tiers(store);
  const Millis soon = tiers.server.clock().wall() + Millis{10};
  for (int i = 0; i < 400; ++i) {
    const std::string name = "key" + std::to_string(i);
    tiers.set(name, i % 2 == 0 ? std::optional(soon) : std::nullopt);
  }
  tiers.checkpoint();
  for (int i = 0; i < 400; ++i) {
    if (i % 4 < 2) tiers.evict("key" + std::to_string(i));
  }
  tiers.server.clock().advance({10});
  tiers.server.keyspace().is_expiry_resting = true;
  EXPECT_EQ(scan_all(tiers.server, {}).size(), 200U);
  EXPECT_EQ(tiers.server.run({"DBSIZE"}), ":400\r\n");
  tiers.server.keyspace().is_expiry_resting = false;
  EXPECT_EQ(bulk_strings(tiers.server.run({"KEYS", "*"})).size(), 200U);
  EXPECT_EQ(tiers.server.run({"DBSIZE"}), ":400\r\n");
  EXPECT_EQ(scan_all(tiers.server, {}).size(), 200U);
  EXPECT_EQ(tiers.server.run({"DBSIZE"}), ":200\r\n");
  EXPECT_EQ(tiers.load_count(), 0U);
  tiers.checkpoint();
  EXPECT_EQ(store.contents().size(), 200U);
}

// Deleted keys that no checkpoint has taken are passed over, but not all in one step.
TEST(TwoTiers, ScanStepsAreBoundedAmongTombstones) {
  MapStore store;
  Tiers tiers(store);
  for (int i = 0; i < 20'000; ++i) tiers.set("{t}" + std::to_string(i));
  tiers.checkpoint();
  for (int i = 0; i < 19'999; ++i) tiers.erase("{t}" + std::to_string(i));
  ASSERT_TRUE(tiers.evict("{t}19999"));
  int step_count = 0;
  Keys found;
  std::uint64_t cursor = 0;
  do {
    const Step step = scan_once(tiers.server, cursor, {"COUNT", "10"});
    found.insert(step.keys.begin(), step.keys.end());
    cursor = step.cursor;
    ++step_count;
  } while (cursor != 0);
  EXPECT_EQ(found, Keys{"{t}19999"});
  EXPECT_GT(step_count, 5);
  EXPECT_LT(step_count, 20);
}

TEST(TwoTiers, RandomKeyPicksEachLiveKey) {
  MapStore store;
  Tiers tiers(store);
  const Millis soon = tiers.server.clock().wall() + Millis{10};
  for (int i = 0; i < 40; ++i) {
    tiers.set((i < 20 ? "{t}" : "live") + std::to_string(i));
    tiers.set((i < 20 ? "{t}gone" : "gone") + std::to_string(i), soon);
  }
  tiers.checkpoint();
  for (int i = 0; i < 40; i += 2) {
    tiers.evict((i < 20 ? "{t}" : "live") + std::to_string(i));
    tiers.evict((i < 20 ? "{t}gone" : "gone") + std::to_string(i));
  }
  EXPECT_EQ(tiers.cold_count(), 40U);
  tiers.server.clock().advance({10});
  std::map<std::string, int> picks;
  for (int i = 0; i < 8000; ++i) ++picks[bulk_strings(tiers.server.run({"RANDOMKEY"})).at(0)];
  EXPECT_EQ(picks.size(), 40U);
  for (const auto& [key, count] : picks) {
    EXPECT_EQ(key.find("gone"), std::string::npos);
    EXPECT_GT(count, 20) << key;  // the mean is 200
    EXPECT_LT(count, 800) << key;
  }
  EXPECT_EQ(tiers.server.run({"DBSIZE"}), ":40\r\n");
  EXPECT_EQ(tiers.load_count(), 0U);
}

TEST(TwoTiers, RandomKeyFindsTheOneThatLivesAmongMany) {
  MapStore store;
  Tiers tiers(store);
  EXPECT_EQ(tiers.server.run({"RANDOMKEY"}), "$-1\r\n");
  const Millis soon = tiers.server.clock().wall() + Millis{10};
  for (int i = 0; i < 3000; ++i) tiers.set("gone" + std::to_string(i), soon);
  tiers.set("live");
  tiers.checkpoint();
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(tiers.evict("gone" + std::to_string(i)));
  ASSERT_TRUE(tiers.evict("live"));
  tiers.server.clock().advance({10});
  tiers.server.keyspace().is_expiry_resting = true;
  EXPECT_EQ(tiers.server.run({"RANDOMKEY"}), "$4\r\nlive\r\n");
  EXPECT_EQ(tiers.server.run({"DBSIZE"}), ":3001\r\n");
  tiers.server.keyspace().is_expiry_resting = false;
  EXPECT_EQ(tiers.server.run({"RANDOMKEY"}), "$4\r\nlive\r\n");
  EXPECT_NE(tiers.server.run({"DBSIZE"}), ":3001\r\n");
  EXPECT_EQ(tiers.load_count(), 0U);
}

// Threads write, load, evict, take checkpoints and expire cold keys; walks meet each key that stays
// once, and nothing that was never there.
TEST(TwoTiers, WalksMissNothingWhileThreadsMoveAll) {
  constexpr int kStaying = 2000;
  constexpr int kWalks = 60;
  MapStore store;
  Tiers tiers(store);
  keyspace::Keyspace& keyspace = tiers.server.keyspace();
  const Millis now = tiers.server.clock().wall();
  for (int i = 0; i < kStaying; ++i) tiers.set((i % 4 == 0 ? "{t}" : "k") + std::to_string(i));
  tiers.checkpoint();
  const Keys staying = tiers.walk(KeyWalk::Holding::kAll);
  const std::vector<std::string> names(staying.begin(), staying.end());

  std::atomic<bool> is_over{false};
  const auto disturb = [&](std::uint64_t seed) {
    keyspace::Access access(keyspace);
    io::Random random(seed);
    while (!is_over.load()) {
      const std::string& name = names[random.below(names.size())];
      const std::string other = "comes and goes " + std::to_string(random.below(500));
      const std::uint64_t what = random.below(8);
      const keyspace::Key key = access.key(what < 3 ? other : name);
      keyspace::Shard& shard = keyspace.shard_of(key.slot);
      access.begin(0, now);
      access.hold(shard);
      access.begin_command({}, {}, keyspace::Logged::kByEffect, false);
      if (what == 0) access.set_string(key, "v", keyspace::Expiry::at(now + Millis{1}));
      if (what == 1) access.erase(key);
      if (what == 2 || what > 5) access.evict(shard, 0, key);
      if (what == 3) access.find(key);
      if (what == 4) access.set_string(key, "changed");
      access.end_command();
      access.release();
    }
  };
  std::vector<std::thread> threads;
  for (const std::uint64_t seed : {1, 2}) threads.emplace_back(disturb, seed);
  threads.emplace_back([&] {
    while (!is_over.load()) EXPECT_TRUE(tiers.checkpointer.run().ok());
  });
  threads.emplace_back([&] {
    io::ManualClock later;
    later.set(now + Millis{2});
    keyspace::ColdExpiry expiry(keyspace, later);
    while (!is_over.load()) EXPECT_TRUE(expiry.step({0}).ok());
  });
  for (int i = 0; i < kWalks; ++i) {
    const auto holding = i % 10 == 0 ? KeyWalk::Holding::kAll : KeyWalk::Holding::kAsItGoes;
    Keys found = tiers.walk(holding);
    std::erase_if(found, [](const std::string& key) { return key.starts_with("comes"); });
    EXPECT_EQ(found, staying);
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(tiers.checkpointer.stats().completed_count, 3U);
  tiers.change_all([&](keyspace::Access& access) {
    for (keyspace::Shard& shard : keyspace.shards()) access.table(shard, 0).verify_invariants();
  });
  // What the counts say is there.
  EXPECT_EQ(tiers.server.run({"DBSIZE"}),
            ":" + std::to_string(tiers.walk(KeyWalk::Holding::kAll).size()) + "\r\n");
}

TEST(TwoTiers, AStoreThatCannotBeReadIsAnError) {
  MapStore store;
  Tiers tiers(store);
  tiers.set("a");
  tiers.checkpoint();
  ASSERT_TRUE(tiers.evict("a"));
  store.scan_status = Status(Code::kIo, "the cable is out");
  const std::string error = "-ERR cannot read the store: the cable is out\r\n";
  EXPECT_EQ(tiers.server.run({"SCAN", "0"}), error);
  EXPECT_EQ(tiers.server.run({"KEYS", "*"}), error);
  EXPECT_EQ(tiers.server.run({"RANDOMKEY"}), error);
  EXPECT_EQ(tiers.server.run({"DEBUG", "DIGEST"}), error);
  store.scan_status = {};
  EXPECT_EQ(tiers.server.run({"RANDOMKEY"}), "$1\r\na\r\n");
}

}  // namespace
}  // namespace diskdb::command
