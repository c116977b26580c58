// What transcripts cannot say of SCAN and RANDOMKEY, since it holds for any order of the keys.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/glob.h"
#include "base/number.h"
#include "command/test_server.h"
#include "io/random.h"
#include "resp/bulk_strings_test.h"
#include "resp/request.h"

namespace diskdb::command {
namespace {

using resp::bulk_strings;

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

TEST(Scan, ReturnsWhatStaysExactlyOnceWhileTheRestComesAndGoes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    io::Random random(seed);
    TestServer server;
    std::set<std::string> stays;
    for (std::uint64_t i = 0; i < 10 + seed * 20; ++i) {
      stays.insert("stays:" + std::to_string(random.next()));
      if (random.chance_percent(50)) stays.insert("{tag}" + std::to_string(i));
    }
    for (const std::string& key : stays) server.run({"SET", key, "1"});
    const auto edit = [&] {
      const std::string key =
          "{" + std::to_string(random.below(40)) + "}" + std::to_string(random.below(50));
      server.run({random.chance_percent(seed * 4) ? "SET" : "DEL", key, "1"});
    };
    for (int i = 0; i < 1000; ++i) edit();

    std::map<std::string, int> visits;
    std::uint64_t cursor = 0;
    do {
      const std::uint64_t count = 1 + random.below(30);
      const Step step = scan_once(server, cursor, {"COUNT", std::to_string(count)});
      for (const std::string& key : step.keys) ++visits[key];
      if (step.cursor != 0) {
        ASSERT_EQ(step.keys.size(), count);  // no two share a place here
        ASSERT_GT(step.cursor, cursor);
        ASSERT_LT(step.cursor, 1ULL << 53);
      }
      cursor = step.cursor;
      for (std::uint64_t n = random.below(60); n > 0; --n) edit();
    } while (cursor != 0);
    for (const std::string& key : stays) ASSERT_EQ(visits[key], 1) << key;
    for (const auto& [key, count] : visits) ASSERT_EQ(count, 1) << key;
  }
}

TEST(Scan, FiltersCountKeysLookedAt) {
  TestServer server;
  std::set<std::string> wanted;
  for (int i = 0; i < 300; ++i) {
    const std::string key = (i % 10 == 0 ? "even" : "odd") + std::to_string(i);
    if (i % 10 == 0) wanted.insert(key);
    server.run({"SET", key, "1"});
  }
  std::set<std::string> found;
  int step_count = 0;
  std::uint64_t cursor = 0;
  do {
    const Step step = scan_once(server, cursor, {"MATCH", "e*", "TYPE", "string"});
    found.insert(step.keys.begin(), step.keys.end());
    cursor = step.cursor;
    ++step_count;
  } while (cursor != 0);
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(step_count, 30);
  EXPECT_EQ(scan_once(server, 0, {"TYPE", "hash", "COUNT", "1000"}).keys.size(), 0U);
}

TEST(Scan, OneStepDoesForASmallDatabaseAndForASlot) {
  TestServer server;
  for (int i = 0; i < 10; ++i) server.run({"SET", "key" + std::to_string(i), "1"});
  EXPECT_EQ(scan_once(server, 0, {}).cursor, 0U);
  EXPECT_EQ(scan_once(server, 0, {}).keys.size(), 10U);
  for (int i = 0; i < 500; ++i) server.run({"SET", "other" + std::to_string(i), "1"});
  server.run({"SET", "{t}1", "1"});
  const Step step = scan_once(server, 0, {"MATCH", "{t}*"});
  EXPECT_EQ(step.cursor, 0U);
  EXPECT_EQ(step.keys, std::vector<std::string>{"{t}1"});
}

TEST(Scan, DeletesTheExpiredKeysItMeets) {
  TestServer server;
  for (int i = 0; i < 200; ++i) {
    server.run({"SET", "key" + std::to_string(i), "1"});
    if (i % 2 == 0) server.run({"PEXPIRE", "key" + std::to_string(i), "10"});
  }
  server.clock().advance({10});
  EXPECT_EQ(server.run({"DBSIZE"}), ":200\r\n");
  EXPECT_EQ(scan_once(server, 0, {"COUNT", "1000"}).keys.size(), 100U);
  EXPECT_EQ(server.run({"DBSIZE"}), ":100\r\n");
}

// A slot that shares its shard with a much larger one must not make a step long: it may end without
// a key, but not with cursor 0.
TEST(Scan, StepsAreBoundedBesideAHugeSlot) {
  TestServer server;
  const auto tag_in = [](std::uint32_t slot) {
    std::uint64_t n = 0;
    while (keyspace::slot_of(std::to_string(n)) != slot) ++n;
    return "{" + std::to_string(n) + "}";
  };
  // Slots 0 to 1023 are one shard here. The huge one comes last.
  const std::string huge = tag_in(1023);
  for (int i = 0; i < 100'000; ++i) server.run({"SET", huge + std::to_string(i), ""});
  std::set<std::string> wanted;
  for (std::uint32_t slot = 0; slot < 8; ++slot) wanted.insert(tag_in(slot) + "small");
  for (const std::string& key : wanted) server.run({"SET", key, ""});

  std::set<std::string> found;
  std::uint64_t cursor = 0;
  int step_count = 0;
  while (found.size() < wanted.size()) {
    const Step step = scan_once(server, cursor, {"COUNT", "100"});
    found.insert(step.keys.begin(), step.keys.end());
    cursor = step.cursor;
    ASSERT_NE(cursor, 0U);
    ASSERT_LT(++step_count, 100);
  }
  EXPECT_GT(step_count, 8);
  for (const std::string& key : wanted) EXPECT_TRUE(found.contains(key));
}

TEST(Keys, AreThoseThatMatch) {
  io::Random random(1);
  TestServer server;
  std::set<std::string> all;
  for (int i = 0; i < 500; ++i) {
    all.insert("{" + std::to_string(random.below(5)) + "}" + std::to_string(random.below(1000)));
    all.insert(std::to_string(random.below(1000)));
  }
  for (const std::string& key : all) server.run({"SET", key, "1"});
  for (const char* pattern : {"*", "{1}*", "{1}5?", "*1*", "7?", "77", "[1-3]*", "{[12]}*", "x"}) {
    std::multiset<std::string> expected;
    for (const std::string& key : all) {
      if (glob_matches(pattern, key)) expected.insert(key);
    }
    const auto found = bulk_strings(server.run({"KEYS", pattern}));
    EXPECT_EQ(std::multiset<std::string>(found.begin(), found.end()), expected) << pattern;
  }
}

TEST(RandomKey, PicksEachLiveKey) {
  TestServer server;
  for (int i = 0; i < 20; ++i) {
    server.run({"SET", "live" + std::to_string(i), "1"});
    server.run({"SET", "gone" + std::to_string(i), "1", "PX", "10"});
  }
  server.clock().advance({10});
  std::map<std::string, int> picks;
  for (int i = 0; i < 4000; ++i) ++picks[bulk_strings(server.run({"RANDOMKEY"})).at(0)];
  EXPECT_EQ(picks.size(), 20U);
  for (const auto& [key, count] : picks) {
    EXPECT_TRUE(key.starts_with("live"));
    EXPECT_GT(count, 20) << key;  // the mean is 200
  }
  EXPECT_EQ(server.run({"DBSIZE"}), ":20\r\n");
}

TEST(RandomKey, FindsTheOneThatLivesAmongMany) {
  TestServer server;
  for (int i = 0; i < 3000; ++i) {
    server.run({"SET", "gone" + std::to_string(i), "1", "PX", "10"});
  }
  server.run({"SET", "live", "1"});
  server.clock().advance({10});
  server.keyspace().is_expiry_resting = true;
  EXPECT_EQ(server.run({"RANDOMKEY"}), "$4\r\nlive\r\n");
  EXPECT_EQ(server.run({"DBSIZE"}), ":3001\r\n");
  server.keyspace().is_expiry_resting = false;
  EXPECT_EQ(server.run({"RANDOMKEY"}), "$4\r\nlive\r\n");
}

TEST(Object, IdleTimeCountsFromTheLastUse) {
  TestServer server;
  server.run({"SET", "a", "1"});
  server.clock().advance({100'000});
  server.run({"TTL", "a"});
  server.run({"EXISTS", "a"});
  server.run({"TYPE", "a"});
  EXPECT_EQ(server.run({"OBJECT", "IDLETIME", "a"}), ":100\r\n");
  server.run({"TOUCH", "a"});
  EXPECT_EQ(server.run({"OBJECT", "IDLETIME", "a"}), ":0\r\n");
  server.clock().advance({5'999});
  EXPECT_EQ(server.run({"OBJECT", "IDLETIME", "a"}), ":5\r\n");
}

TEST(Expire, TimesAreTheClocksAtTheCommand) {
  TestServer server;
  const std::int64_t now = server.clock().wall().count;
  server.run({"SET", "a", "1"});
  EXPECT_EQ(server.run({"EXPIRE", "a", "100"}), ":1\r\n");
  EXPECT_EQ(server.run({"PEXPIRETIME", "a"}), ":" + std::to_string(now + 100'000) + "\r\n");
  EXPECT_EQ(server.run({"PTTL", "a"}), ":100000\r\n");
  server.clock().advance({50'499});
  EXPECT_EQ(server.run({"TTL", "a"}), ":50\r\n");
  server.clock().advance({2});
  EXPECT_EQ(server.run({"TTL", "a"}), ":49\r\n");
  server.clock().advance({49'498});
  EXPECT_EQ(server.run({"PTTL", "a"}), ":1\r\n");
  server.clock().advance({1});
  EXPECT_EQ(server.run({"PTTL", "a"}), ":-2\r\n");
}

}  // namespace
}  // namespace diskdb::command
