// What refuses writes for want of memory, and what makes room for them first.
#include "command/gates.h"

#include <gtest/gtest.h>

#include <string>

#include "command/test_server.h"

namespace diskdb::command {
namespace {

constexpr char kOutOfMemory[] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
constexpr char kOk[] = "+OK\r\n";

void fill(TestServer& server, int from, int to) {
  for (int i = from; i < to; ++i) {
    EXPECT_EQ(server.run({"SET", "key" + std::to_string(i), std::string(1000, 'v')}), kOk);
  }
}

/// From now on there is room for what is there, and no more.
void limit_to_what_is_there(TestServer& server) {
  const std::string bytes = std::to_string(server.keyspace().allocated_bytes() + 100);
  EXPECT_EQ(server.run({"CONFIG", "SET", "maxmemory", bytes}), kOk);
}

std::string policy(TestServer& server, const std::string& name) {
  return server.run({"CONFIG", "SET", "maxmemory-policy", name});
}

TEST(Gates, WithoutPolicyWritesThatMayGrowAreRefused) {
  TestServer server;
  fill(server, 0, 500);
  limit_to_what_is_there(server);
  EXPECT_EQ(server.run({"SET", "one", std::string(1000, 'v')}), kOk);  // it was not above yet
  EXPECT_EQ(server.run({"SET", "two", "x"}), kOutOfMemory);
  EXPECT_EQ(server.run({"APPEND", "one", "x"}), kOutOfMemory);
  EXPECT_EQ(server.run({"GET", "two"}), "$-1\r\n");
  EXPECT_EQ(server.run({"DEL", "one"}), ":1\r\n");
  EXPECT_EQ(server.run({"SET", "two", "x"}), kOk);
  EXPECT_EQ(server.run({"DBSIZE"}), ":501\r\n");
}

TEST(Gates, APolicyMakesRoomFirst) {
  TestServer server;
  fill(server, 0, 500);
  limit_to_what_is_there(server);
  EXPECT_EQ(policy(server, "allkeys-lru"), kOk);
  server.clock().advance({60'000});
  fill(server, 500, 700);
  const std::uint64_t deleted = server.keyspace().policy_deletion_count;
  EXPECT_GE(deleted, 190U);
  EXPECT_EQ(server.run({"DBSIZE"}), ":" + std::to_string(700 - deleted) + "\r\n");
  const std::string info = server.run({"INFO", "stats"});
  EXPECT_NE(info.find("evicted_keys:" + std::to_string(deleted) + "\r\n"), std::string::npos);
}

TEST(Gates, RefusesWhatAPolicyCannotMakeRoomFor) {
  TestServer server;
  fill(server, 0, 500);
  limit_to_what_is_there(server);
  EXPECT_EQ(policy(server, "volatile-ttl"), kOk);
  EXPECT_EQ(server.run({"SET", "one", std::string(1000, 'v')}), kOk);
  EXPECT_EQ(server.run({"SET", "two", "x"}), kOutOfMemory);
  EXPECT_EQ(server.run({"EXPIRE", "key7", "100"}), ":1\r\n");
  EXPECT_EQ(server.run({"EXPIRE", "key8", "50"}), ":1\r\n");
  server.clock().advance({20});
  EXPECT_EQ(server.run({"SET", "two", "x"}), kOk);
  EXPECT_EQ(server.run({"EXISTS", "key8"}), ":0\r\n");
  EXPECT_GE(server.keyspace().policy_deletion_count, 1U);
  EXPECT_EQ(policy(server, "noeviction"), kOk);
}

TEST(Gates, WritesAreRefusedWhileTheDirtyIsStuck) {
  TestServer server;
  fill(server, 0, 1);
  server.keyspace().budget.is_dirty_stuck = true;
  EXPECT_TRUE(server.run({"SET", "a", "x"}).starts_with("-MISCONF Checkpoints fail"));
  EXPECT_TRUE(server.run({"DEL", "key0"}).starts_with("-MISCONF Checkpoints fail"));
  EXPECT_TRUE(server.run({"GET", "key0"}).starts_with("$1000"));
  server.keyspace().budget.is_dirty_stuck = false;
  EXPECT_EQ(server.run({"SET", "a", "x"}), kOk);
}

}  // namespace
}  // namespace diskdb::command
