// The edit funnel: what it answers against a model, and that the log it writes rebuilds what it
// holds.
#include "keyspace/access.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/number.h"
#include "keyspace/client_test.h"

namespace diskdb::keyspace {
namespace {

constexpr Options kOptions{.shard_count = 16, .database_count = 3, .hash_seed = 11};

/// The same commands on plain maps.
class Model {
 public:
  std::string run(const TestWords& words, std::uint32_t db, Millis now) {
    const std::string& name = words[0];
    if (name == "FLUSHALL" || name == "FLUSHDB") {
      for (std::uint32_t i = 0; i < databases_.size(); ++i) {
        if (name == "FLUSHALL" || i == db) databases_[i].clear();
      }
      return "ok";
    }
    if (name == "SWAPDB") {
      std::swap(databases_[std::stoul(words[1])], databases_[std::stoul(words[2])]);
      return "ok";
    }
    // Only keys that a command names are expired: contents_of() shows the others still.
    Keys& keys = databases_[db];
    if (name == "DBSIZE") return std::to_string(keys.size());
    const std::size_t named_count = name == "DEL" ? words.size() : 2;  // MSET does not look
    for (std::size_t i = 1; i < named_count; ++i) expire(keys, words[i], now);
    if (name == "MSET") {
      for (std::size_t i = 1; i < words.size(); i += 2) keys[words[i]] = {words[i + 1], {}};
      return "ok";
    }
    if (name == "DEL") {
      std::size_t count = 0;
      for (std::size_t i = 1; i < words.size(); ++i) count += keys.erase(words[i]);
      return std::to_string(count);
    }
    if (name == "SET" || name == "SETSHARED") {
      TestValue& value = keys[words[1]];
      value.text = words[2];
      if (words.size() == 3) value.expiry.reset();
      if (words.size() == 5) value.expiry = Millis{std::stoll(words[4])};
      return "ok";
    }
    if (name == "APPEND") return std::to_string((keys[words[1]].text += words[2]).size());
    if (name == "EDIT") return std::to_string((keys[words[1]].text += "!").size());
    if (name == "SETRANGE") {
      std::string& text = keys[words[1]].text;
      const std::size_t offset = std::stoul(words[2]);
      text.resize(std::max(text.size(), offset + words[3].size()));
      text.replace(offset, words[3].size(), words[3]);
      return std::to_string(text.size());
    }
    if (name == "COPY" || name == "MOVE") return copy_or_move(words, db, now);

    const auto at = keys.find(words[1]);
    if (name == "INCR") return increase(keys, words[1]);
    if (at == keys.end()) {
      return name == "GET" ? "nil" : name == "RENAME" ? "refused" : "0";
    }
    if (name == "GET") return at->second.text;
    if (name == "PEXPIREAT") {
      at->second.expiry = Millis{std::stoll(words[2])};
      if (*at->second.expiry <= now) keys.erase(at);
      return "1";
    }
    if (name == "PERSIST") {
      const bool had_expiry = at->second.expiry.has_value();
      at->second.expiry.reset();
      return had_expiry ? "1" : "0";
    }
    EXPECT_EQ(name, "RENAME");
    if (words[1] == words[2]) return "ok";
    keys[words[2]] = std::move(at->second);
    keys.erase(words[1]);
    return "ok";
  }

  TestContents contents() const {
    TestContents all;
    for (std::uint32_t db = 0; db < databases_.size(); ++db) {
      for (const auto& [key, value] : databases_[db]) all[{db, key}] = value;
    }
    return all;
  }

 private:
  using Keys = std::map<std::string, TestValue>;

  static void expire(Keys& keys, const std::string& key, Millis now) {
    const auto at = keys.find(key);
    if (at != keys.end() && at->second.expiry && *at->second.expiry <= now) keys.erase(at);
  }
  static std::string increase(Keys& keys, const std::string& key) {
    const auto [at, is_new] = keys.try_emplace(key, TestValue{"0", {}});
    const auto number = parse_integer(at->second.text);
    if (!number || *number == INT64_MAX) return "refused";
    return at->second.text = std::to_string(*number + 1);
  }
  std::string copy_or_move(const TestWords& words, std::uint32_t db, Millis now) {
    const bool is_move = words[0] == "MOVE";
    const std::uint32_t to_db =
        static_cast<std::uint32_t>(std::stoul(is_move ? words[2] : words[4]));
    const std::string& to = is_move ? words[1] : words[2];
    if (to_db == db && to == words[1]) return "refused";
    Keys& keys = databases_[db];
    const auto at = keys.find(words[1]);
    if (at == keys.end()) return "0";
    expire(databases_[to_db], to, now);
    if (is_move && databases_[to_db].contains(to)) return "0";
    databases_[to_db][to] = at->second;
    if (is_move) keys.erase(at);
    return "1";
  }

  std::vector<Keys> databases_{kOptions.database_count};
};

Logged random_logged(io::Random& random) {
  return random.chance_percent(50) ? Logged::kVerbatim : Logged::kByEffect;
}

TEST(Access, AnswersAsTheModelAndItsLogRebuildsIt) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    io::Random random(seed);
    FrameRecorder log;
    Options options = kOptions;
    if (seed % 2 == 0) {  // strings in pages
      options.flat_string_bytes_max = 40 * seed;
      options.string_chunk_bytes = static_cast<std::uint32_t>(10 * seed);
    }
    Keyspace keyspace(options, &log);
    TestClient client(keyspace);
    Model model;
    for (int i = 0; i < 5000; ++i) {
      client.now.count += static_cast<std::int64_t>(random.below(3));
      client.db = static_cast<std::uint32_t>(random.below(kOptions.database_count));
      const TestWords words = random_command(random, 40, kOptions.database_count, client.now);
      const std::string reply = client.run(words, random_logged(random));
      ASSERT_EQ(reply, model.run(words, client.db, client.now))
          << "command " << i << " " << words[0];
      if (i % 500 == 0) verify_keyspace(keyspace);
    }
    verify_keyspace(keyspace);
    const TestContents contents = contents_of(keyspace);
    ASSERT_EQ(contents, model.contents());
    ASSERT_GT(contents.size(), 20U);
    ASSERT_GT(keyspace.expired_key_count, 0U);

    // Another number of shards, other strings in pages, and years later: the log alone decides.
    Keyspace replayed({.shard_count = 4,
                       .database_count = 3,
                       .hash_seed = 5,
                       .flat_string_bytes_max = 1000,
                       .string_chunk_bytes = 500},
                      nullptr);
    TestClient replayer(replayed);
    replayer.now.count = client.now.count + 1'000'000'000'000;
    replayer.replay(log.frames());
    EXPECT_EQ(contents_of(replayed), contents);
    verify_keyspace(replayed);
  }
}

TEST(Access, GroupsLogInTheirOrder) {
  io::Random random(3);
  FrameRecorder log;
  Keyspace keyspace(kOptions, &log);
  TestClient client(keyspace);
  Model model;
  for (int round = 0; round < 500; ++round) {
    client.now.count += static_cast<std::int64_t>(random.below(10));
    std::vector<TestWords> commands;
    for (int i = 0; i < 16; ++i) commands.push_back(random_plain_command(random, 10, client.now));
    const auto replies = client.run_group(commands, random_logged(random));
    ASSERT_EQ(replies.size(), commands.size());  // nobody else holds a shard
    for (std::size_t i = 0; i < commands.size(); ++i) {
      ASSERT_EQ(replies[i], model.run(commands[i], 0, client.now)) << commands[i][0];
    }
  }
  EXPECT_LE(log.frames().size(), 500U);  // one append a group
  Keyspace replayed(kOptions, nullptr);
  TestClient(replayed).replay(log.frames());
  EXPECT_EQ(contents_of(replayed), contents_of(keyspace));
  EXPECT_EQ(contents_of(keyspace), model.contents());
}

// Half of a command must never be replayed; what it does to an expired key is part of it.
TEST(Access, SeveralEffectsAreOneTransaction) {
  FrameRecorder log;
  Keyspace keyspace(kOptions, &log);
  TestClient client(keyspace);
  client.run({"SET", "b", "1", "PXAT", "2000"}, Logged::kByEffect);
  client.now = {2000};
  client.run({"MSET", "a", "1", "b", "2"}, Logged::kByEffect);
  client.run({"DEL", "a", "b", "nokey"}, Logged::kVerbatim);
  client.run({"DEL", "a"}, Logged::kVerbatim);  // changes nothing
  ASSERT_EQ(log.frames().size(), 3U);
  EXPECT_EQ(log.frames()[0].bytes,
            "*5\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n$4\r\nPXAT\r\n$4\r\n2000\r\n");
  EXPECT_EQ(log.frames()[1].bytes,
            "*1\r\n$5\r\nMULTI\r\n"
            "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
            "*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n"
            "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n"
            "*1\r\n$4\r\nEXEC\r\n");
  EXPECT_EQ(log.frames()[2].bytes, "*4\r\n$3\r\nDEL\r\n$1\r\na\r\n$1\r\nb\r\n$5\r\nnokey\r\n");
}

TEST(Access, ActiveExpiryDeletesAndLogs) {
  io::Random random(4);
  FrameRecorder log;
  Keyspace keyspace(kOptions, &log);
  TestClient client(keyspace);
  for (int i = 0; i < 3000; ++i) {
    const std::string expiry = std::to_string(2000 + random.below(1000));
    client.db = static_cast<std::uint32_t>(random.below(3));
    client.run({"SET", "key" + std::to_string(i), "value", "PXAT", expiry}, Logged::kVerbatim);
  }
  client.run({"SET", "forever", "value"}, Logged::kVerbatim);
  std::size_t deleted_count = 0;
  for (client.now = {1999}; client.now.count <= 3000; client.now.count += 77) {
    for (Shard& shard : keyspace.shards()) {
      for (std::uint32_t db = 0; db < 3; ++db) {
        // Deleting may move a key to where a sweep has been: the next one, which is due, finds it.
        const Table& table = *shard.tables[db];
        std::size_t cursor = 0;
        while (cursor != 0 || table.is_due(client.now)) {
          client.access().begin(db, client.now);
          client.access().hold(shard);
          deleted_count += client.access().expire_some(shard, db, &cursor, 3);
          client.access().release();
        }
      }
    }
    for (const auto& [key, value] : contents_of(keyspace)) {
      if (value.expiry) {
        ASSERT_GT(*value.expiry, client.now);
      }
    }
  }
  EXPECT_EQ(deleted_count + contents_of(keyspace).size(), 3001U);
  EXPECT_EQ(keyspace.expired_key_count, deleted_count);
  verify_keyspace(keyspace);
  Keyspace replayed(kOptions, nullptr);
  TestClient(replayed).replay(log.frames());
  EXPECT_EQ(contents_of(replayed), contents_of(keyspace));
}

TEST(Access, WhileExpiryRestsReadersSeeNothingAndNothingIsDeleted) {
  FrameRecorder log;
  Keyspace keyspace(kOptions, &log);
  TestClient client(keyspace);
  client.run({"SET", "a", "1", "PXAT", "2000"}, Logged::kVerbatim);
  const std::size_t frame_count = log.frames().size();
  client.now = {2000};
  keyspace.is_expiry_resting = true;
  EXPECT_EQ(client.run({"GET", "a"}, Logged::kVerbatim), "nil");
  for (Shard& shard : keyspace.shards()) {
    std::size_t cursor = 0;
    client.access().begin(0, client.now);
    client.access().hold(shard);
    EXPECT_EQ(client.access().expire_some(shard, 0, &cursor, 1000), 0U);
    client.access().release();
  }
  EXPECT_EQ(contents_of(keyspace).size(), 1U);
  EXPECT_EQ(log.frames().size(), frame_count);
  keyspace.is_expiry_resting = false;
  EXPECT_EQ(client.run({"GET", "a"}, Logged::kVerbatim), "nil");
  EXPECT_EQ(contents_of(keyspace).size(), 0U);
  EXPECT_EQ(log.frames().size(), frame_count + 1);
}

// A reply must wait for whatever it depends on, also when another connection wrote it.
TEST(Access, ReadersWaitForWhatTheySaw) {
  FrameRecorder log;
  Keyspace keyspace(kOptions, &log);
  TestClient writer(keyspace);
  TestClient reader(keyspace);
  writer.run({"SET", "a", "1"}, Logged::kVerbatim);
  const log::Offset of_a = writer.access().visible_after();
  EXPECT_EQ(of_a, log.appended());
  EXPECT_GT(of_a, 0U);

  const Key a = writer.access().key("a");
  std::string other = "b";
  while (&keyspace.shard_of(slot_of(other)) == &keyspace.shard_of(a.slot)) other += "b";
  reader.run({"GET", other}, Logged::kVerbatim);
  EXPECT_EQ(reader.access().visible_after(), 0U);
  writer.run({"SET", other, "1"}, Logged::kVerbatim);
  reader.run({"GET", "a"}, Logged::kVerbatim);
  EXPECT_EQ(reader.access().visible_after(), of_a);

  // Absence was written too.
  writer.run({"DEL", other}, Logged::kVerbatim);
  reader.run({"GET", other}, Logged::kVerbatim);
  EXPECT_EQ(reader.access().visible_after(), log.appended());

  // A walk that let go of a shard still saw it.
  reader.access().begin(0, {1000});
  for (Shard& shard : keyspace.shards()) {
    reader.access().hold(shard);
    reader.access().let_go(shard);
  }
  EXPECT_FALSE(reader.access().holds_any());
  reader.access().release();
  EXPECT_EQ(reader.access().visible_after(), log.appended());
}

// A shard let go before its frames are in the log could be read, and logged, in another order.
TEST(Access, LetsGoOfNoEditedShard) {
  FrameRecorder log;
  Keyspace keyspace(kOptions, &log);
  TestClient client(keyspace);
  client.run({"SET", "a", "1", "PXAT", "2000"}, Logged::kVerbatim);
  const Key key = client.access().key("a");
  Shard& shard = keyspace.shard_of(key.slot);
  client.access().begin(0, {2000});
  client.access().hold(shard);
  client.access().begin_command({}, {}, Logged::kByEffect, true);
  EXPECT_EQ(client.access().find(key), nullptr);  // deletes
  client.access().let_go(shard);
  EXPECT_FALSE(shard.lock.try_lock());
  client.access().end_command();
  client.access().release();
  EXPECT_TRUE(shard.lock.try_lock());
  shard.lock.unlock();
  EXPECT_EQ(client.access().visible_after(), log.appended());
}

TEST(Access, CountsHitsOfReadersOnly) {
  Keyspace keyspace(kOptions, nullptr);
  TestClient client(keyspace);
  client.run({"SET", "a", "1"}, Logged::kVerbatim);
  client.run({"INCR", "a"}, Logged::kVerbatim);
  client.run({"GET", "a"}, Logged::kVerbatim);
  client.run({"GET", "a"}, Logged::kVerbatim);
  client.run({"GET", "nokey"}, Logged::kVerbatim);
  EXPECT_EQ(keyspace.hit_count, 2U);
  EXPECT_EQ(keyspace.miss_count, 1U);
}

// It is remembered where a key was last found, for the command and for those after it. Others that
// are made and deleted in between move entries: into other buckets, and into the holes of their
// own; and FLUSHALL takes the whole table.
TEST(Access, FindsAKeyAgainWhoseEntryMoves) {
  io::Random random(5);
  Keyspace keyspace({.shard_count = 1, .database_count = 1, .hash_seed = 11}, nullptr);
  TestClient client(keyspace);
  Access& access = client.access();
  access.begin(0, {1000});
  access.hold_all();
  access.begin_command({}, {}, Logged::kByEffect, false);
  std::map<std::string, std::string> model;
  for (int i = 0; i < 20'000; ++i) {
    const std::string looked_up = "key" + std::to_string(random.below(500));
    const std::string changed = "key" + std::to_string(random.below(500));
    access.find(access.key(looked_up));
    if (random.below(2) == 0) {
      access.end_command();
      access.begin_command({}, {}, Logged::kByEffect, random.below(2) == 0);
    }
    if (random.below(1000) == 0) {
      access.flush(std::nullopt);
      model.clear();
    } else if (random.below(2) == 0) {
      model[changed] = std::to_string(i) + "!";
      access.set_string(access.key(changed), model[changed]);
    } else {
      ASSERT_EQ(access.erase(access.key(changed)), model.erase(changed) > 0);
    }
    const Record* found = access.find(access.key(looked_up));
    const auto expected = model.find(looked_up);
    ASSERT_EQ(found != nullptr, expected != model.end());
    if (found != nullptr) {
      ASSERT_EQ(found->value_bytes(), expected->second);
    }
  }
  access.end_command();
  access.release();
  verify_keyspace(keyspace);
}

TEST(Access, TellsKeysOfOneHashApart) {
  Keyspace keyspace(kOptions, nullptr);
  TestClient client(keyspace);
  Access& access = client.access();
  const Key key = access.key("a");
  const Key twin{.bytes = "b", .hash = key.hash, .slot = key.slot};
  access.begin(0, {1000});
  access.hold_all();
  access.begin_command({}, {}, Logged::kByEffect, false);
  access.set_string(key, "of a");
  ASSERT_NE(access.find(key), nullptr);
  EXPECT_EQ(access.find(twin), nullptr);
  access.set_string(twin, "of b");
  EXPECT_EQ(access.find(key)->value_bytes(), "of a");
  EXPECT_EQ(access.find(twin)->value_bytes(), "of b");
  access.end_command();
  access.release();
}

TEST(Access, FlushedTablesAreFreedBitByBit) {
  Keyspace keyspace(kOptions, nullptr);
  TestClient client(keyspace);
  for (int i = 0; i < 40'000; ++i) {
    client.run({"SET", "key" + std::to_string(i), "value"}, Logged::kVerbatim);
  }
  EXPECT_GT(keyspace.allocated_bytes(), 30'000U);
  client.run({"FLUSHALL"}, Logged::kByEffect);
  EXPECT_EQ(keyspace.allocated_bytes(), 0U);
  int step_count = 1;
  while (keyspace.free_detached()) ++step_count;
  EXPECT_GE(step_count, 30);
  verify_keyspace(keyspace);
}

}  // namespace
}  // namespace diskdb::keyspace
