// Commands on large values whose pages lie in the store alone: what they are foreseen to look at is
// brought in while they wait, with nothing held, and the rest in place.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command/tiered_server.h"

namespace diskdb::command {
namespace {

using Words = std::vector<std::string>;

constexpr int kCount = 3000;  // elements: some 100 pages, an inner level above them

std::string element(int i) { return "element " + std::to_string(100'000 + i); }

/// A server with a large value of each type, and a client that notes reads with shards held.
class ColdPages : public ::testing::Test {
 protected:
  ColdPages() {
    server.store.after_read = [this] { in_place_count += is_running ? 1 : 0; };
    for (int i = 0; i < kCount; ++i) {
      run({"RPUSH", "list", element(i)});
      run({"SADD", "set", element(i)});
      run({"HSET", "hash", element(i), std::to_string(i)});
      run({"ZADD", "zset", std::to_string(i), element(i)});
    }
    run({"SET", "string", std::string(500'000, 'x')});
    std::string json = "{\"list\":[";
    for (int i = 0; i < kCount; ++i) {
      json += "{\"name\":\"" + element(i) + "\",\"n\":" + std::to_string(i) + "},";
    }
    run({"JSON.SET", "json", "$", json + "0],\"last\":{\"a\":1,\"s\":\"x\",\"l\":[]}}"});
    run({"HEXPIRE", "hash", "1000", "FIELDS", "1", element(5)});
    server.checkpoint();
  }

  /// Leaves the roots of all values in memory, and nothing else of them.
  void chill() {
    for (const std::string key : {"list", "set", "hash", "zset", "string", "json"}) {
      while (server.evict(key)) {
      }
      run({"OBJECT", "FREQ", key});
    }
    in_place_count = 0;
    park_count = 0;
  }

  std::string step(TieredServer::Client& who, std::vector<Words> pipeline = {}) {
    is_running = true;
    std::string reply = who.run(std::move(pipeline));
    is_running = false;
    return reply;
  }

  std::string run(const Words& words) {
    std::string reply = step(*client, {words});
    while (client->is_parked) {
      ++park_count;
      while (server.loader.work_once()) {
      }
      EXPECT_GT(client->wake_count.exchange(0), 0) << "parked, and nobody wakes it";
      reply += step(*client);
    }
    return reply;
  }

  TieredServer server;
  std::unique_ptr<TieredServer::Client> client = server.client();
  bool is_running = false;
  int in_place_count = 0;
  int park_count = 0;
};

TEST_F(ColdPages, WhatIsForeseenIsNotReadWithAShardHeld) {
  const std::vector<Words> commands = {
      {"HGET", "hash", element(7)},
      {"HMGET", "hash", element(7), "none", element(2000)},
      {"HGETALL", "hash"},
      {"HEXISTS", "hash", "none"},
      {"HSTRLEN", "hash", element(100)},
      {"HPTTL", "hash", "FIELDS", "1", element(6)},
      {"HINCRBY", "hash", element(8), "0"},
      {"HKEYS", "hash"},
      {"SISMEMBER", "set", element(17)},
      {"SMISMEMBER", "set", element(17), element(2999), "none"},
      {"SMEMBERS", "set"},
      {"SADD", "set", element(4)},
      {"SREM", "set", "none"},
      {"SUNION", "set", "none"},
      {"ZSCORE", "zset", element(999)},
      {"ZRANK", "zset", element(999)},
      {"ZMSCORE", "zset", element(1), element(2)},
      {"ZADD", "zset", "XX", "CH", "999", element(999)},
      {"ZRANGE", "zset", "100", "150", "WITHSCORES"},
      {"ZRANGE", "zset", "-10", "-1"},
      {"LINDEX", "list", "1500"},
      {"LINDEX", "list", "-1"},
      {"LRANGE", "list", "10", "1000"},
      {"LRANGE", "list", "-5", "100000"},
      {"LSET", "list", "1234", element(1234)},
      {"LPOS", "list", element(2500)},
      {"LREM", "list", "0", "none"},
      {"DUMP", "list"},
      {"GET", "string"},
      {"GETRANGE", "string", "100000", "200000"},
      {"SUBSTR", "string", "-10", "-1"},
      {"MGET", "string", "none"},
      {"SETRANGE", "string", "4000", std::string(100, 'x')},
      {"APPEND", "string", ""},
      {"GETBIT", "string", "800000"},
      {"SETBIT", "string", "800000", "0"},
      {"BITCOUNT", "string"},
      {"BITCOUNT", "string", "400000", "-1"},
      {"BITOP", "NOT", "other", "string"},
      {"DIGEST", "string"},
      {"DUMP", "string"},
      {"JSON.GET", "json"},
      {"JSON.GET", "json", "$.list[7].name", ".last.a"},
      {"JSON.GET", "json", "$.list[?(@.n>2990)].name"},
      {"JSON.MGET", "json", "none", "$.last"},
      {"JSON.TYPE", "json", "$.last"},
      {"JSON.SET", "json", "$.last.a", "1"},
      {"JSON.STRAPPEND", "json", "$.last.s", "\"\""},
      {"JSON.ARRLEN", "json", "$.list"},
      {"JSON.OBJKEYS", "json", "$.list[2999]"},
  };
  std::vector<std::string> warm;
  for (const Words& command : commands) warm.push_back(run(command));
  server.checkpoint();
  for (std::size_t i = 0; i < commands.size(); ++i) {
    chill();
    EXPECT_EQ(run(commands[i]), warm[i]) << commands[i][0];
    EXPECT_EQ(in_place_count, 0) << commands[i][0];
    EXPECT_GE(park_count, 1) << commands[i][0];
  }
}

TEST_F(ColdPages, WhatIsNotForeseenIsReadInPlace) {
  const std::string warm = run({"ZRANGEBYSCORE", "zset", "100", "110"});
  chill();
  EXPECT_EQ(run({"ZRANGEBYSCORE", "zset", "100", "110"}), warm);
  EXPECT_GT(in_place_count, 0);
  chill();
  EXPECT_EQ(run({"ZRANGE", "zset", "100", "110", "BYSCORE"}), warm);
  EXPECT_GT(in_place_count, 0);
  chill();
  EXPECT_EQ(run({"BITPOS", "string", "1", "300000"}), ":2400001\r\n");
  EXPECT_GT(in_place_count, 0);
}

TEST_F(ColdPages, OthersRunMeanwhileAndAPipelinesPagesComeTogether) {
  chill();
  const std::vector<Words> reads = {{"HGET", "hash", element(1)},
                                    {"HGET", "hash", element(1000)},
                                    {"SISMEMBER", "set", element(5)},
                                    {"GET", "none"}};
  EXPECT_EQ(step(*client, reads), "");
  EXPECT_TRUE(client->is_parked);
  auto other = server.client();
  EXPECT_EQ(step(*other, {{"HLEN", "hash"}, {"SET", "another", "x"}}), ":3000\r\n+OK\r\n");
  std::string replies;
  int rounds = 0;
  while (client->is_parked) {
    ++rounds;
    while (server.loader.work_once()) {
    }
    replies += step(*client);
  }
  EXPECT_EQ(replies, "$1\r\n1\r\n$4\r\n1000\r\n:1\r\n$-1\r\n");
  EXPECT_EQ(in_place_count, 0);
  EXPECT_LE(rounds, 3) << "a level of the tree each";
}

TEST_F(ColdPages, APageThatCannotBeReadIsAnErrorOfTheCommandAlone) {
  chill();
  EXPECT_EQ(step(*client, {{"HGET", "hash", element(1)}, {"PING"}}), "");
  server.store.before_many = [this] { server.store.fail_reads_of(""); };
  while (server.loader.work_once()) {
  }
  EXPECT_EQ(step(*client), "-ERR the stored value cannot be read: a sector is gone\r\n+PONG\r\n");
  server.store.before_many = nullptr;
  server.store.heal();
  EXPECT_EQ(run({"HGET", "hash", element(1)}), "$1\r\n1\r\n");
}

TEST_F(ColdPages, WhatWasReadBeforeACheckpointIsNotUsedAfterIt) {
  chill();
  EXPECT_EQ(step(*client, {{"HGET", "hash", element(1)}}), "");
  while (server.loader.work_once()) {
  }
  // The page changes, is stored, and leaves memory again, before the command comes to run.
  auto other = server.client();
  EXPECT_EQ(other->run_to_end(server, {{"HSET", "hash", element(1), "new"}}), ":0\r\n");
  server.checkpoint();
  while (server.evict("hash")) {
  }
  EXPECT_EQ(client->run_to_end(server, {}), "$3\r\nnew\r\n");
}

TEST_F(ColdPages, WhatLeavesMemoryAgainAndAgainIsReadInPlaceInTheEnd) {
  chill();
  EXPECT_EQ(step(*client, {{"SMEMBERS", "set"}}), "");
  int rounds = 0;
  std::string reply;
  while (client->is_parked) {
    ASSERT_LT(++rounds, 200);
    while (server.loader.work_once()) {
    }
    if (rounds % 2 == 0) {  // for each page that came an older one goes
      while (server.evict("set")) {
      }
    }
    reply += step(*client);
  }
  EXPECT_EQ(reply.substr(0, 7), "*3000\r\n");
}

TEST_F(ColdPages, WhoGoesWhileItWaitsIsNotWoken) {
  chill();
  auto leaving = server.client();
  leaving->run({{"HGET", "hash", element(1)}});
  EXPECT_TRUE(leaving->is_parked);
  leaving.reset();
  while (server.loader.work_once()) {
  }
  auto late = server.client();
  server.loader.stop();
  late->run({{"HGET", "hash", element(1)}});
  EXPECT_EQ(late->wake_count, 1);
  EXPECT_EQ(late->run(), "-ERR the stored value cannot be read: the server is stopping\r\n");
}

}  // namespace
}  // namespace diskdb::command
