#include "command/dispatcher.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "command/test_server.h"
#include "keyspace/access.h"
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
       {Request{"DBSIZE"}, Request{"INFO"}, Request{"KEYS", "*"}, Request{"LASTSAVE"}}) {
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

// Frames in another order than the changes would replay to something else.
class HeldWhenAppended final : public keyspace::FrameRecorder {
 public:
  log::Offset append(std::uint32_t db, std::span<const Bytes> parts) override {
    for (keyspace::Shard* shard : shards) {
      const bool is_free = shard->lock.try_lock();
      EXPECT_FALSE(is_free) << "a frame is appended after its shard was let go";
      if (is_free) shard->lock.unlock();
    }
    return FrameRecorder::append(db, parts);
  }

  std::vector<keyspace::Shard*> shards;
};

TEST(Dispatcher, AppendsWhileTheShardsAreHeld) {
  HeldWhenAppended log;
  TestServer server(&log);
  keyspace::Access access(server.keyspace());
  const auto shard_of = [&](Bytes key) {
    return &server.keyspace().shard_of(access.key(key).slot);
  };
  log.shards = {shard_of("a")};
  server.run({"SET", "a", "1"});
  log.shards = {shard_of("a"), shard_of("b")};
  server.run({"MSET", "a", "1", "b", "2"});
  log.shards.clear();
  for (keyspace::Shard& shard : server.keyspace().shards()) log.shards.push_back(&shard);
  server.run({"FLUSHALL"});
  EXPECT_EQ(log.frames().size(), 3U);
}

// Two commands that waited for each other's shards would wait forever.
TEST(Dispatcher, TakesShardsInAscendingOrder) {
  TestServer server;
  keyspace::Access other(server.keyspace());
  const auto index_of = [&](Bytes key) {
    return server.keyspace().shard_of(other.key(key).slot).index;
  };
  std::string low = "a";
  std::string high = "b";
  ASSERT_NE(index_of(low), index_of(high));
  if (index_of(low) > index_of(high)) std::swap(low, high);
  other.begin(0, {});
  other.hold(server.keyspace().shard_of(other.key(low).slot));
  for (const Request& request :
       {Request{"MSET", high, "1", low, "1"}, Request{"MSET", low, "1", high, "1"}}) {
    EXPECT_EQ(server.run(request), "") << "it must wait";  // and the lock's ASSERT holds the order
    EXPECT_TRUE(other.try_hold(server.keyspace().shard_of(other.key(high).slot)));
    other.let_go(server.keyspace().shard_of(other.key(high).slot));
  }
  other.release();
  EXPECT_EQ(server.run({"MSET", high, "1", low, "1"}), "+OK\r\n");
}

}  // namespace
}  // namespace diskdb::command
