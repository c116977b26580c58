#include "server/cron.h"

#include <gtest/gtest.h>

#include <string>

#include "net/net_testing.h"

namespace diskdb::server {
namespace {

using net::request;
using net::TestClient;
using net::TestServer;

std::size_t key_count(TestServer& server, std::uint32_t db) {
  keyspace::Access access(server.keyspace());
  access.begin(db, server.clock.wall());
  access.hold_all();
  const std::size_t count = access.key_count(db);
  access.release();
  return count;
}

void set_keys(TestServer& server, Bytes db, int count) {
  TestClient client(server.port);
  client.expect(request({"SELECT", db}), "+OK\r\n");
  std::string text;
  std::string replies;
  for (int i = 0; i < count; ++i) {
    text += request({"SET", "expiring:" + std::to_string(i), "v", "PX", "100"});
    text += request({"SET", "staying:" + std::to_string(i), "v"});
    replies += "+OK\r\n+OK\r\n";
  }
  client.expect(text, replies);
}

TEST(Cron, DeletesExpiredKeysOfAllDatabasesAndLogsThem) {
  TestServer server(TestServer::Engine::kLogged);
  server.log.acknowledge(UINT64_MAX);
  set_keys(server, "0", 500);
  set_keys(server, "9", 300);
  Cron cron(server.services);
  cron.step();
  EXPECT_EQ(key_count(server, 0), 1000U);

  server.clock.advance(Millis{101});
  const log::Offset logged = server.log.appended();
  cron.step();
  EXPECT_EQ(key_count(server, 0), 500U);
  EXPECT_EQ(key_count(server, 9), 300U);
  EXPECT_EQ(server.keyspace().expired_key_count.load(), 800U);
  EXPECT_GT(server.log.appended(), logged);
  cron.step();
  EXPECT_EQ(server.keyspace().expired_key_count.load(), 800U);
}

/// A hash with so many fields, all of which expire at once but the first.
void set_fields(TestServer& server, Bytes key, int count) {
  TestClient client(server.port);
  std::vector<std::string> words{"HSETEX", std::string(key), "PX",
                                 "100",    "FIELDS",         std::to_string(count)};
  for (int i = 0; i < count; ++i) {
    words.push_back("f" + std::to_string(i));
    words.emplace_back("v");
  }
  std::string text = '*' + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    text += '$' + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  client.expect(text, ":1\r\n");
  client.expect(request({"HPERSIST", key, "FIELDS", "1", "f0"}), "*1\r\n:1\r\n");
}

TEST(Cron, DeletesExpiredFieldsABitAtATime) {
  TestServer server(TestServer::Engine::kLogged);
  server.log.acknowledge(UINT64_MAX);
  set_fields(server, "large", 30'000);
  set_fields(server, "small", 20);
  TestClient client(server.port);
  client.expect(request({"HSETEX", "gone", "PX", "100", "FIELDS", "1", "f", "v"}), ":1\r\n");
  Cron cron(server.services);
  cron.step();
  EXPECT_EQ(server.keyspace().expired_field_count.load(), 0U);
  server.clock.advance(Millis{101});
  client.expect(request({"HLEN", "small"}), ":20\r\n");
  const log::Offset logged = server.log.appended();
  int steps = 0;
  // The clock stands still, so a step goes on until all is done.
  for (; server.keyspace().expired_field_count.load() < 30'019; ++steps) {
    ASSERT_LT(steps, 30'000);
    cron.step();
  }
  cron.step();
  EXPECT_EQ(server.keyspace().expired_field_count.load(), 29'999U + 19 + 1);
  client.expect(request({"HLEN", "large"}), ":1\r\n");
  client.expect(request({"HGETALL", "small"}), "*2\r\n$2\r\nf0\r\n$1\r\nv\r\n");
  client.expect(request({"EXISTS", "gone"}), ":0\r\n");
  EXPECT_EQ(key_count(server, 0), 2U);
  EXPECT_GT(server.log.appended(), logged + 30'000 * 5);
}

TEST(Cron, RestsWhenToldSo) {
  TestServer server;
  set_keys(server, "0", 100);
  server.clock.advance(Millis{200});
  Cron cron(server.services);
  server.keyspace().is_active_expiry_on = false;
  cron.step();
  EXPECT_EQ(key_count(server, 0), 200U);
  server.keyspace().is_active_expiry_on = true;
  server.clients.pause(server.clock.wall() + Millis{1000}, true, server.clock.wall());
  cron.step();
  EXPECT_TRUE(server.keyspace().is_expiry_resting.load());
  EXPECT_EQ(key_count(server, 0), 200U);
  server.clock.advance(Millis{1001});
  cron.step();
  EXPECT_EQ(key_count(server, 0), 100U);
}

TEST(Cron, WakesThePaused) {
  TestServer server;
  TestClient client(server.port);
  client.expect(request({"CLIENT", "PAUSE", "500"}), "+OK\r\n");
  client.send(request({"SET", "k", "1"}) + request({"GET", "k"}));
  EXPECT_TRUE(client.hears_nothing());
  server.clock.advance(Millis{501});
  Cron cron(server.services);
  cron.step();
  EXPECT_EQ(client.read(12), "+OK\r\n$1\r\n1\r\n");
}

TEST(Cron, MeasuresMemoryAndSpeed) {
  TestServer server;
  Cron cron(server.services);
  set_keys(server, "0", 500);
  server.clock.advance(Millis{1000});
  cron.step();
  EXPECT_GT(server.statistics.used_memory_bytes.load(), 100'000U);
  EXPECT_EQ(server.statistics.peak_memory_bytes.load(), server.statistics.used_memory_bytes.load());
  EXPECT_EQ(server.statistics.instantaneous_ops_per_sec.load(), 1001);
}

}  // namespace
}  // namespace diskdb::server
