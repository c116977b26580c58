// Commands on keys that lie in the store alone: they wait without holding anything, start afresh
// when all has arrived, and answer as if everything had been in memory.
#include <gtest/gtest.h>

#include <string>
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

}  // namespace
}  // namespace diskdb::command
