// Blocking commands: who is served, in which order, by which edits, and what ends a wait.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command/test_server.h"

namespace diskdb::command {
namespace {

using Words = std::vector<std::string>;

class BlockingTest : public testing::Test {
 protected:
  /// Nothing: the client waits. Asked again with the same words it gets what has come.
  std::string run(const Words& words, const std::string& client = "1") {
    return server_.run(words, client);
  }
  void expect_waiting(const Words& words, const std::string& client) {
    EXPECT_EQ(run(words, client), "") << client;
  }

  TestServer server_;
};

std::string popped(const std::string& key, const std::string& element) {
  return "*2\r\n$" + std::to_string(key.size()) + "\r\n" + key + "\r\n$" +
         std::to_string(element.size()) + "\r\n" + element + "\r\n";
}

TEST_F(BlockingTest, TheElementIsGoneBeforeAnybodySeesIt) {
  expect_waiting({"BLPOP", "l", "0"}, "a");
  EXPECT_EQ(run({"RPUSH", "l", "x"}), ":1\r\n");
  EXPECT_EQ(run({"EXISTS", "l"}), ":0\r\n");
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "a"), popped("l", "x"));
}

TEST_F(BlockingTest, WhoCameFirstIsServedFirst) {
  for (const char* client : {"a", "b", "c"}) expect_waiting({"BLPOP", "l", "0"}, client);
  EXPECT_EQ(run({"RPUSH", "l", "1", "2"}), ":2\r\n");
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "b"), popped("l", "2"));
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "a"), popped("l", "1"));
  expect_waiting({"BLPOP", "l", "0"}, "c");
  EXPECT_EQ(run({"LPUSH", "l", "3"}), ":1\r\n");
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "c"), popped("l", "3"));
}

TEST_F(BlockingTest, AnyOfSeveralKeysWakes) {
  const Words words = {"BRPOP", "l", "m", "n", "0"};
  for (const char* key : {"l", "m", "n"}) {
    expect_waiting(words, "a");
    EXPECT_EQ(run({"RPUSH", key, "x"}), ":1\r\n");
    EXPECT_EQ(run(words, "a"), popped(key, "x"));
    EXPECT_EQ(run({"RPUSH", key, "y"}), ":1\r\n") << "nobody waits any more";
    EXPECT_EQ(run({"DEL", key}), ":1\r\n");
  }
}

TEST_F(BlockingTest, WhateverMakesTheKeyAListWakes) {
  const Words words = {"BLPOP", "l", "0"};
  const std::vector<Words> makers = {{"RENAME", "other", "l"},
                                     {"RENAMENX", "other", "l"},
                                     {"COPY", "other", "l"},
                                     {"LMOVE", "other", "l", "LEFT", "LEFT"}};
  for (const Words& maker : makers) {
    expect_waiting(words, "a");
    run({"RPUSH", "other", "x"});
    run(maker);
    EXPECT_EQ(run(words, "a"), popped("l", "x")) << maker[0];
    EXPECT_EQ(run({"EXISTS", "l"}), ":0\r\n") << maker[0];
    run({"DEL", "other"});
  }
  expect_waiting(words, "a");
  run({"SELECT", "1"}, "b");
  run({"RPUSH", "l", "x"}, "b");
  expect_waiting(words, "a");
  EXPECT_EQ(run({"MOVE", "l", "0"}, "b"), ":1\r\n");
  EXPECT_EQ(run(words, "a"), popped("l", "x"));
  expect_waiting(words, "a");
  run({"RPUSH", "l", "y"}, "b");
  EXPECT_EQ(run({"SWAPDB", "0", "1"}), "+OK\r\n");
  EXPECT_EQ(run(words, "a"), popped("l", "y"));
}

TEST_F(BlockingTest, AnotherTypeWakesNobody) {
  expect_waiting({"BLPOP", "l", "0"}, "a");
  run({"SET", "l", "x"});
  run({"SET", "other", "x"});
  run({"RENAME", "other", "l"});
  expect_waiting({"BLPOP", "l", "0"}, "a");
  run({"DEL", "l"});
  run({"RPUSH", "l", "y"});
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "a"), popped("l", "y"));
}

TEST_F(BlockingTest, MovesWakeFurtherClients) {
  expect_waiting({"BLMOVE", "l", "m", "LEFT", "RIGHT", "0"}, "a");
  expect_waiting({"BLMOVE", "m", "n", "LEFT", "RIGHT", "0"}, "b");
  expect_waiting({"BLPOP", "n", "0"}, "c");
  EXPECT_EQ(run({"RPUSH", "l", "x"}), ":1\r\n");
  EXPECT_EQ(run({"EXISTS", "l", "m", "n"}), ":0\r\n");
  EXPECT_EQ(run({"BLMOVE", "l", "m", "LEFT", "RIGHT", "0"}, "a"), "$1\r\nx\r\n");
  EXPECT_EQ(run({"BLMOVE", "m", "n", "LEFT", "RIGHT", "0"}, "b"), "$1\r\nx\r\n");
  EXPECT_EQ(run({"BLPOP", "n", "0"}, "c"), popped("n", "x"));
}

TEST_F(BlockingTest, ARefusedMoveEndsTheWaitAndTakesNothing) {
  expect_waiting({"BRPOPLPUSH", "l", "s", "0"}, "a");
  expect_waiting({"BLPOP", "l", "0"}, "b");
  run({"SET", "s", "x"});
  EXPECT_EQ(run({"RPUSH", "l", "1"}), ":1\r\n");
  EXPECT_TRUE(run({"BRPOPLPUSH", "l", "s", "0"}, "a").starts_with("-WRONGTYPE "));
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "b"), popped("l", "1"));
}

TEST_F(BlockingTest, WhoWantsMoreThanThereIsLetsTheNextOnePass) {
  const Words words = {"BLMOVEM", "l", "m", "LEFT", "RIGHT", "0", "EXACTLY", "3", "BULK"};
  expect_waiting(words, "a");
  run({"RPUSH", "l", "1", "2"});
  expect_waiting(words, "a");
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "b"), popped("l", "1"));
  run({"RPUSH", "l", "3"});
  run({"LINSERT", "l", "BEFORE", "3", "x"});
  EXPECT_EQ(run(words, "a"), "*3\r\n$1\r\n2\r\n$1\r\nx\r\n$1\r\n3\r\n");
  EXPECT_EQ(run({"EXISTS", "l"}), ":0\r\n");
}

TEST_F(BlockingTest, OneWhoLeavesLeavesNothingBehind) {
  expect_waiting({"BLPOP", "l", "m", "0"}, "a");
  expect_waiting({"BLPOP", "l", "0"}, "b");
  server_.close("a");
  run({"RPUSH", "l", "x"});
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "b"), popped("l", "x"));
  EXPECT_EQ(run({"RPUSH", "m", "x"}), ":1\r\n");
  EXPECT_EQ(run({"EXISTS", "m"}), ":1\r\n");
}

TEST_F(BlockingTest, UnblockEndsAWait) {
  const std::string id = run({"CLIENT", "ID"}, "a").substr(1, 1);
  EXPECT_EQ(run({"CLIENT", "UNBLOCK", id}), ":0\r\n");
  expect_waiting({"BLPOP", "l", "0"}, "a");
  EXPECT_EQ(run({"CLIENT", "UNBLOCK", id}), ":1\r\n");
  EXPECT_EQ(run({"CLIENT", "UNBLOCK", id}), ":0\r\n");
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "a"), "*-1\r\n");
  expect_waiting({"BLPOP", "l", "0"}, "a");
  EXPECT_EQ(run({"CLIENT", "UNBLOCK", id, "ERROR"}), ":1\r\n");
  EXPECT_EQ(run({"BLPOP", "l", "0"}, "a"), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  run({"RPUSH", "l", "x"});
  EXPECT_EQ(run({"EXISTS", "l"}), ":1\r\n");
}

}  // namespace
}  // namespace diskdb::command
