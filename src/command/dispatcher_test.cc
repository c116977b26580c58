#include "command/dispatcher.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command/test_server.h"
#include "keyspace/frame_recorder_test.h"

namespace diskdb::command {
namespace {

using Request = std::vector<std::string>;

/// A reply must wait for the last frame of every shard that it looked at, and for nothing else.
class Visibility : public testing::Test {
 protected:
  log::Offset after(const Request& request) {
    server_.run(request);
    return server_.visible_after();
  }

  keyspace::FrameRecorder log_;
  TestServer server_{&log_};
};

TEST_F(Visibility, CommandsOfOneKeyWaitForTheirShard) {
  const log::Offset first = after({"SET", "a", "1"});
  EXPECT_EQ(first, log_.appended());
  EXPECT_GT(after({"SET", "b", "1"}), first);
  EXPECT_EQ(after({"GET", "a"}), first);
  EXPECT_EQ(after({"TTL", "a"}), first);
  EXPECT_EQ(after({"GET", "c"}), 0U);
}

TEST_F(Visibility, CommandsOfSeveralKeysWaitForAllTheirShards) {
  const log::Offset pair = after({"MSET", "a", "1", "b", "2"});
  EXPECT_EQ(pair, log_.appended());
  EXPECT_GT(after({"SET", "c", "3"}), pair);
  EXPECT_EQ(after({"MGET", "a", "b"}), pair);
  EXPECT_EQ(after({"EXISTS", "b", "other"}), pair);
  EXPECT_EQ(after({"MGET", "a", "c"}), log_.appended());
  EXPECT_EQ(after({"MGET", "other", "others"}), 0U);
}

TEST_F(Visibility, RepliesFromStateOutsideShardsWaitForTheWholeLog) {
  server_.run({"SET", "a", "1"});
  for (const Request& request :
       {Request{"DBSIZE"}, Request{"INFO"}, Request{"KEYS", "*"}, Request{"RANDOMKEY"}}) {
    EXPECT_EQ(after(request), log_.appended()) << request[0];
  }
  EXPECT_EQ(after({"PING"}), 0U);
  EXPECT_EQ(after({"ECHO", "x"}), 0U);
}

TEST_F(Visibility, ReadersWaitForChangesOfWholeDatabases) {
  server_.run({"SET", "a", "1"});
  const log::Offset swap = after({"SWAPDB", "0", "1"});
  EXPECT_EQ(swap, log_.appended());
  EXPECT_EQ(after({"GET", "a"}), swap);
  EXPECT_EQ(after({"GET", "never seen"}), swap);
  const log::Offset flush = after({"FLUSHALL"});
  EXPECT_EQ(flush, log_.appended());
  EXPECT_EQ(after({"GET", "a"}), flush);
  EXPECT_EQ(after({"GET", "never seen"}), flush);
}

}  // namespace
}  // namespace diskdb::command
