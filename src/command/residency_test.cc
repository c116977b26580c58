// Commands on keys that lie in the store alone: they wait without holding anything, start afresh
// when all has arrived, and answer as if everything had been in memory.
#include "command/residency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command/tiered_server.h"

namespace diskdb::command {
namespace {

using Words = std::vector<std::string>;

std::string bulk(const std::string& value) {
  return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}

TEST(Residency, AColdKeyIsLoadedWhileItsSessionIsParked) {
  TieredServer server;
  server.fill(3);
  auto client = server.client();
  EXPECT_EQ(client->run({{"GET", "1"}}), "");
  EXPECT_TRUE(client->is_parked);
  EXPECT_EQ(client->wake_count, 0);
  EXPECT_EQ(server.store.disk_reads, 0);
  EXPECT_EQ(server.loader.queued_count(), 1U);

  EXPECT_TRUE(server.loader.work_once());
  EXPECT_EQ(client->wake_count, 1);
  EXPECT_EQ(client->run(), bulk("v1"));
  EXPECT_FALSE(client->is_parked);
  EXPECT_EQ(server.store.disk_reads, 1);
  EXPECT_EQ(server.load_count(), 0U);
  EXPECT_EQ(server.loader.admission().reserved_bytes(), 0U);
  EXPECT_EQ(client->run({{"GET", "1"}}), bulk("v1")) << "it is in memory now";
}

TEST(Residency, WhatLiesInTheBlockCacheIsAnsweredAtOnce) {
  TieredServer server;
  server.fill(3);
  server.store.has_cache = true;
  auto client = server.client();
  EXPECT_EQ(client->run({{"GET", "1"}, {"GET", "none"}, {"GET", "2"}}),
            bulk("v1") + "$-1\r\n" + bulk("v2"));
  EXPECT_EQ(client->run({{"MGET", "0", "none", "1"}}),
            "*3\r\n" + bulk("v0") + "$-1\r\n" + bulk("v1"));
  EXPECT_EQ(server.store.disk_reads, 0);
}

TEST(Residency, AnAbsentKeyIsKnownOnceTheStoreWasAsked) {
  TieredServer server;
  server.fill(64);
  auto client = server.client();
  EXPECT_EQ(client->run_to_end(server, {{"GET", "none"}}), "$-1\r\n");
  EXPECT_EQ(client->run_to_end(server, {{"SET", "none", "1"}, {"GET", "none"}, {"DBSIZE"}}),
            "+OK\r\n$1\r\n1\r\n:65\r\n");
}

TEST(Residency, APipelinesColdKeysAreAskedForTogether) {
  TieredServer server;
  server.fill(30);
  auto client = server.client();
  std::vector<Words> pipeline = {{"PING"}};
  std::string expected = "+PONG\r\n";
  for (int i = 0; i < 30; ++i) {
    pipeline.push_back({"GET", std::to_string(i)});
    expected += bulk("v" + std::to_string(i));
  }
  std::string replies = client->run(pipeline);
  EXPECT_EQ(replies, "+PONG\r\n");
  EXPECT_EQ(server.loader.queued_count(), 16U);
  replies += client->run_to_end(server, {});
  EXPECT_EQ(replies, expected);
}

TEST(Residency, OneReadServesAllWhoWait) {
  TieredServer server;
  server.fill(3);
  auto first = server.client();
  auto second = server.client();
  auto third = server.client();
  first->run({{"GET", "1"}});
  second->run({{"APPEND", "1", "!"}});
  third->run({{"MGET", "1", "2"}});
  EXPECT_EQ(server.loader.queued_count(), 2U);
  while (server.loader.work_once()) {
  }
  EXPECT_EQ(server.store.disk_reads, 2);
  EXPECT_EQ(third->run(), "*2\r\n" + bulk("v1") + bulk("v2"));
  EXPECT_EQ(second->run(), ":3\r\n");
  EXPECT_EQ(first->run(), bulk("v1!"));
  EXPECT_EQ(server.load_count(), 0U);
}

// Not even a blind SET may overtake it: the key would be counted twice, or not be deleted.
TEST(Residency, AKeyThatIsBeingLoadedAdmitsNoOtherCommand) {
  TieredServer server;
  server.fill(40);
  auto reader = server.client();
  auto writer = server.client();
  reader->run({{"GET", "1"}});
  EXPECT_EQ(writer->run({{"SET", "1", "new"}, {"DEL", "2"}, {"DBSIZE"}}), "");
  EXPECT_TRUE(writer->is_parked);
  while (server.loader.work_once()) {
  }
  EXPECT_EQ(writer->run_to_end(server, {}), "+OK\r\n:1\r\n:39\r\n");
  EXPECT_EQ(reader->run(), bulk("new"));
}

TEST(Residency, EvictionSparesWhatSomebodyWaitsFor) {
  TieredServer server;
  server.fill(8);
  auto client = server.client();
  client->run({{"MGET", "1", "2"}});
  while (server.loader.work_once()) {
  }
  EXPECT_FALSE(server.evict("1"));
  EXPECT_FALSE(server.evict("2"));
  EXPECT_EQ(client->run(), "*2\r\n" + bulk("v1") + bulk("v2"));
  EXPECT_TRUE(server.evict("1"));
}

TEST(Residency, ALoadIsOvertakenByWhatDropsOrExchangesItsDatabase) {
  TieredServer server;
  server.fill(40);
  auto reader = server.client();
  auto other = server.client();
  int key = 0;
  for (const Words& words : {Words{"SWAPDB", "0", "1"}, Words{"FLUSHALL"}}) {
    reader->run({{"GET", std::to_string(++key)}});
    EXPECT_TRUE(reader->is_parked);
    other->run({words});
    const std::string reply = reader->run_to_end(server, {});
    EXPECT_EQ(reply, "$-1\r\n") << words[0];
    other->run({{"SWAPDB", "0", "1"}});  // 40 keys again, or none
  }
  EXPECT_EQ(other->run({{"DBSIZE"}}), ":0\r\n");
  EXPECT_EQ(server.load_count(), 0U);
}

TEST(Residency, ALoadIsOvertakenByOneInPlace) {
  TieredServer server;
  server.fill(8);
  auto reader = server.client();
  reader->run({{"GET", "1"}});
  auto other = server.client();
  other->reload_count = 100;  // as if it had waited in vain
  EXPECT_EQ(other->run({{"APPEND", "1", "!"}}), ":3\r\n");
  EXPECT_EQ(reader->wake_count, 1) << "what it waits for is there";
  EXPECT_TRUE(server.loader.work_once());
  EXPECT_EQ(reader->run(), bulk("v1!"));
  EXPECT_EQ(reader->wake_count, 1);
}

// A loader that is slow may have read what a later checkpoint has deleted.
TEST(Residency, WhatALoaderReadOfAKeyCreatedMeanwhileIsDropped) {
  TieredServer server;
  server.fill(1);
  auto client = server.client();
  // "a" is absent and in the same table as the only cold key: its load is asked for as well.
  const std::string absent = "{0}a";
  client->run({{"GET", absent}});
  ASSERT_TRUE(client->is_parked);
  auto other = server.client();
  other->reload_count = 100;
  EXPECT_EQ(other->run({{"GET", "0"}}), bulk("v0"));  // nothing is cold any more
  EXPECT_EQ(other->run({{"SET", absent, "x"}}), "+OK\r\n");
  server.checkpoint();
  // The loader reads now, finds it, and comes back only after the key is gone everywhere.
  bool has_deleted = false;
  server.store.after_read = [&] {
    if (std::exchange(has_deleted, true)) return;
    EXPECT_EQ(other->run({{"DEL", absent}}), ":1\r\n");
    server.checkpoint();
    server.checkpoint();
  };
  server.loader.work_once();
  EXPECT_TRUE(has_deleted);
  EXPECT_EQ(client->run_to_end(server, {}), "$-1\r\n");
  EXPECT_EQ(client->run_to_end(server, {{"DBSIZE"}}), ":1\r\n");
}

TEST(Residency, ASessionMayGoWhileItWaits) {
  TieredServer server;
  server.fill(8);
  auto staying = server.client();
  auto going = server.client();
  auto alone = server.client();
  staying->run({{"GET", "1"}});
  going->run({{"MGET", "1", "2"}});
  alone->run({{"GET", "3"}});
  going.reset();
  alone.reset();
  while (server.loader.work_once()) {
  }
  EXPECT_EQ(staying->run(), bulk("v1"));
  EXPECT_EQ(server.load_count(), 0U);
  EXPECT_EQ(server.loader.admission().reserved_bytes(), 0U);
}

TEST(Residency, WhatCannotBeReadIsAnErrorAndIsTriedAgain) {
  TieredServer server;
  server.fill(40);
  server.store.fail_reads_of("1");  // 1, 11, 21, 31
  auto client = server.client();
  const std::string error = "-ERR the stored value cannot be read: a sector is gone\r\n";
  EXPECT_EQ(client->run_to_end(server, {{"GET", "0"}, {"SET", "1", "x"}, {"GET", "2"}}),
            bulk("v0") + error + bulk("v2"));
  EXPECT_EQ(client->run_to_end(server, {{"MGET", "3", "11", "4"}, {"GET", "5"}}),
            error + bulk("v5"));
  auto other = server.client();
  client->run({{"GET", "21"}});
  other->run({{"GET", "21"}});
  while (server.loader.work_once()) {
  }
  EXPECT_EQ(client->run(), error);
  server.store.heal();
  // It came for the failed load, and gets its failure; who comes now does not.
  auto late = server.client();
  EXPECT_EQ(late->run_to_end(server, {{"GET", "21"}}), bulk("v21"));
  EXPECT_EQ(other->run_to_end(server, {}), bulk("v21"));
  EXPECT_EQ(client->run_to_end(server, {{"GET", "1"}, {"MGET", "11", "31"}}),
            bulk("v1") + "*2\r\n" + bulk("v11") + bulk("v31"));
  EXPECT_EQ(server.load_count(), 0U);
}

TEST(Residency, WithoutALoaderKeysAreLoadedInPlace) {
  TieredServer server;
  server.fill(20);
  server.services.loader = nullptr;
  server.store.fail_reads_of("7");
  auto client = server.client();
  EXPECT_EQ(client->run({{"GET", "1"}, {"MGET", "2", "3"}, {"GET", "7"}, {"GET", "17"}}),
            bulk("v1") + "*2\r\n" + bulk("v2") + bulk("v3") +
                "-ERR the stored value cannot be read: a sector is gone\r\n" +
                "-ERR the stored value cannot be read: a sector is gone\r\n");
}

TEST(Residency, ACommandWhoseKeysKeepLeavingLoadsThemInPlace) {
  TieredServer server;
  server.fill(40);
  auto client = server.client();
  auto other = server.client();
  client->run({{"MGET", "1", "2"}});
  int rounds = 0;
  std::string reply;
  while (client->is_parked) {
    ASSERT_LT(++rounds, 10);
    while (server.loader.work_once()) {
    }
    // What it has is of another database now, and cold in this one.
    other->run({{"SWAPDB", "0", "1"}});
    other->run({{"SWAPDB", "0", "1"}});
    other->run({{"FLUSHDB"}});
    for (const std::string key : {"1", "2", "3"}) {
      other->run({{"MSET", key, "w", "{" + key + "}", "w"}});
    }
    server.checkpoint();
    for (const std::string key : {"1", "2", "3"}) {
      server.evict(key);
      server.evict("{" + key + "}");
    }
    reply = client->run();
  }
  EXPECT_EQ(reply, "*2\r\n" + bulk("w") + bulk("w"));
  EXPECT_EQ(server.load_count(), 0U);
}

TEST(Residency, AWakeForAnotherReasonDoesNoHarm) {
  TieredServer server;
  server.fill(3);
  auto client = server.client();
  client->run({{"GET", "1"}});
  EXPECT_EQ(client->run(), "");
  EXPECT_TRUE(client->is_parked);
  EXPECT_EQ(server.loader.queued_count(), 1U);
  client->is_killed = true;
  EXPECT_EQ(client->run(), "");
  EXPECT_FALSE(client->is_parked);
}

TEST(Residency, NobodyWaitsForALoaderThatStopped) {
  TieredServer server;
  server.fill(3);
  auto before = server.client();
  auto after = server.client();
  before->run({{"GET", "1"}});
  server.loader.stop();
  EXPECT_EQ(before->wake_count, 1);
  EXPECT_EQ(before->run(), "-ERR the stored value cannot be read: the server is stopping\r\n");
  after->run({{"GET", "1"}});
  EXPECT_EQ(after->wake_count, 1);
  EXPECT_EQ(after->run(), "-ERR the stored value cannot be read: the server is stopping\r\n");
}

// ---- Admission

TEST(Residency, LargeValuesOfManyStayWithinTheBudget) {
  constexpr std::uint64_t kValueBytes = 60'000;  // in one piece each
  constexpr std::uint64_t kBudget = 10 * kValueBytes;
  TieredServer server;
  server.fill(64, std::string(kValueBytes, 'x'));
  server.loader.admission().set_budget(kBudget);
  std::vector<std::unique_ptr<TieredServer::Client>> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(server.client());
    Words words = {"MGET"};
    for (int n = 0; n < 8; ++n) words.push_back(std::to_string((i * 7 + n) % 64));
    clients.back()->run({words});
  }
  const auto resident_bytes = [&] { return server.keyspace.allocated_bytes(); };
  const std::uint64_t before = resident_bytes();
  std::uint64_t most = 0;
  int left = 30;
  int rounds = 0;
  while (left > 0) {
    ASSERT_LT(++rounds, 10'000) << left;
    while (server.loader.work_once()) {
      // What nobody waits for leaves at once.
      for (int key = 0; key < 64; ++key) server.evict(std::to_string(key));
      most = std::max(most, resident_bytes() - before);
      server.loader.admission().verify_invariants();
    }
    for (auto& client : clients) {
      if (!client->is_parked || client->wake_count.exchange(0) == 0) continue;
      const std::string reply = client->run();
      if (client->is_parked) continue;
      EXPECT_GE(reply.size(), 8 * kValueBytes);
      --left;
    }
  }
  // One batch was read before its sizes were known.
  EXPECT_LE(most, kBudget + 16 * kValueBytes);
  EXPECT_EQ(server.loader.admission().reserved_bytes(), 0U);
  EXPECT_EQ(server.load_count(), 0U);
}

TEST(Residency, TwoCommandsLargerThanTheBudgetRunOneAfterTheOther) {
  TieredServer server;
  server.fill(40, std::string(1000, 'x'));
  server.loader.admission().set_budget(1);
  auto first = server.client();
  auto second = server.client();
  first->run({{"MGET", "1", "2", "3"}});
  second->run({{"MGET", "3", "2", "1"}});
  EXPECT_EQ(server.loader.admission().waiting_count(), 1U);
  EXPECT_EQ(server.loader.queued_count(), 3U);
  const std::string a = first->run_to_end(server, {});
  EXPECT_EQ(second->wake_count, 1) << "there is room";
  EXPECT_EQ(second->run_to_end(server, {}).size(), a.size());
}

TEST(Residency, WhoGoesWhileItWaitsForRoomLetsTheNextPass) {
  TieredServer server;
  server.fill(40);
  server.loader.admission().set_budget(1);
  auto first = server.client();
  auto second = server.client();
  auto third = server.client();
  first->run({{"GET", "1"}});
  second->run({{"GET", "2"}});
  third->run({{"GET", "3"}});
  EXPECT_EQ(server.loader.admission().waiting_count(), 2U);
  second.reset();
  first.reset();
  EXPECT_EQ(third->wake_count, 1);
  EXPECT_EQ(third->run_to_end(server, {}), bulk("v3"));
}

// ---- Replay

TEST(Residency, ReplayReadsColdKeysAheadTogether) {
  TieredServer server;
  server.fill(600);
  int read_count = 0;
  server.store.before_many = [&] { ++read_count; };
  server.keyspace.is_replaying = true;
  Dispatcher dispatcher(server.services);
  auto session = server.client();
  std::vector<Words> commands;
  for (int i = 0; i < 600; ++i) commands.push_back({"APPEND", std::to_string(i), "!"});
  commands.push_back({"SELECT", "1"});
  commands.push_back({"SET", "1", "other"});
  commands.push_back({"MSET", "599", "a", "5", "b"});
  std::vector<std::vector<Bytes>> words;
  std::vector<resp::Request> requests;
  for (const Words& command : commands) words.emplace_back(command.begin(), command.end());
  for (const auto& views : words) requests.push_back({.words = views, .raw = {}});
  resp::StringOutput output;
  resp::Reply reply(output, resp::Dialect::kResp2);
  const Status status = dispatcher.replay(*session, requests, reply, session->now);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
  EXPECT_EQ(read_count, 3);
  EXPECT_EQ(server.store.disk_reads, 600);
  EXPECT_EQ(server.load_count(), 0U);
  server.keyspace.is_replaying = false;
  auto reader = server.client();
  EXPECT_EQ(reader->run({{"GET", "599"}, {"SELECT", "1"}, {"GET", "599"}, {"DBSIZE"}}),
            bulk("v599!") + "+OK\r\n" + bulk("a") + ":3\r\n");
}

TEST(BlockCacheOdds, FollowWhatTheLooksFind) {
  BlockCacheOdds odds;
  const auto look = [&odds](int key_count, bool is_there) {
    int look_count = 0;
    for (int i = 0; i < key_count; ++i) {
      if (!odds.is_worth_a_look()) continue;
      ++look_count;
      odds.note(is_there);
    }
    return look_count;
  };
  EXPECT_EQ(look(50, false), 50);  // a few in vain say little
  look(200, false);
  EXPECT_NEAR(look(1600, false), 100, 1);  // a sample
  look(1600, true);
  EXPECT_EQ(look(1000, true), 1000);  // the cache has become warm
}

TEST(Residency, ReplayStopsAtWhatCannotBeRead) {
  TieredServer server;
  server.fill(20);
  server.store.fail_reads_of("7");
  Dispatcher dispatcher(server.services);
  auto session = server.client();
  const std::vector<Bytes> words = {"APPEND", "7", "!"};
  const resp::Request request{.words = words, .raw = {}};
  resp::StringOutput output;
  resp::Reply reply(output, resp::Dialect::kResp2);
  EXPECT_FALSE(dispatcher.replay(*session, {&request, 1}, reply, session->now).ok());
  server.store.heal();
  EXPECT_TRUE(dispatcher.replay(*session, {&request, 1}, reply, session->now).ok());
}

}  // namespace
}  // namespace diskdb::command
