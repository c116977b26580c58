// Several threads at once on the same few keys: single and grouped commands, commands of several
// shards and of all, walks that let go, active expiry, parked waiters. Worth most under the thread
// sanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "keyspace/client_test.h"

namespace diskdb::keyspace {
namespace {

constexpr unsigned kThreadCount = 4;
constexpr std::uint32_t kDatabaseCount = 2;
constexpr std::size_t kKeyCount = 30;

void in_threads(const std::function<void(unsigned)>& work) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreadCount; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

/// A walk as SCAN does it: looks at each shard's keys and deletes the expired ones.
void walk(Access& access, std::uint32_t db, Millis now) {
  access.begin(db, now);
  access.begin_command({}, {}, Logged::kByEffect, true);
  for (Shard& shard : access.keyspace().shards()) {
    access.hold(shard);
    std::vector<std::string> expired;
    access.table(shard, db).for_each([&](const Record* record) {
      if (access.is_expired(*record)) expired.emplace_back(record->key());
    });
    for (const std::string& key : expired) EXPECT_EQ(access.find(access.key(key)), nullptr);
    access.let_go(shard);
  }
  access.end_command();
  access.release();
}

void sweep(Access& access, Shard& shard, std::uint32_t db, Millis now, std::size_t* cursor) {
  access.begin(db, now);
  if (access.try_hold(shard)) access.expire_some(shard, db, cursor, 2);
  access.release();
}

TEST(Contention, TheLogsOrderIsMemorysOrder) {
  FrameRecorder log;
  Keyspace keyspace({.shard_count = 8, .database_count = kDatabaseCount, .hash_seed = 3}, &log);
  std::atomic<std::int64_t> now_ms{1000};
  in_threads([&](unsigned number) {
    io::Random random(number + 1);
    TestClient client(keyspace);
    std::size_t cursor = 0;
    for (int i = 0; i < 4000; ++i) {
      client.now = {now_ms.fetch_add(random.below(10) == 0 ? 1 : 0)};
      client.db = static_cast<std::uint32_t>(random.below(kDatabaseCount));
      const Logged logged = random.chance_percent(50) ? Logged::kVerbatim : Logged::kByEffect;
      const std::uint64_t dice = random.below(20);
      if (dice == 0) {
        walk(client.access(), client.db, client.now);
      } else if (dice == 1) {
        Shard& shard = keyspace.shards()[random.below(keyspace.shards().size())];
        sweep(client.access(), shard, client.db, client.now, &cursor);
      } else if (dice == 2) {
        keyspace.free_detached();
      } else if (dice < 8) {
        std::vector<TestWords> commands;
        for (int n = 0; n < 8; ++n) {
          commands.push_back(random_plain_command(random, kKeyCount, client.now));
        }
        client.run_group(commands, logged);
      } else {
        client.run(random_command(random, kKeyCount, kDatabaseCount, client.now), logged);
      }
      // What one saw is in the log.
      EXPECT_LE(client.access().visible_after(), log.appended());
    }
  });
  verify_keyspace(keyspace);
  Keyspace replayed({.shard_count = 2, .database_count = kDatabaseCount, .hash_seed = 4}, nullptr);
  TestClient(replayed).replay(log.frames());
  EXPECT_EQ(contents_of(replayed), contents_of(keyspace));
  EXPECT_GT(log.frames().size(), 1000U);
  EXPECT_GT(keyspace.expired_key_count, 0U);
}

/// Sleeps until woken.
class Sleeper final : public Waker {
 public:
  void wake() override {
    const std::lock_guard guard(mutex_);
    is_awake_ = true;
    condition_.notify_one();
  }
  void sleep() {
    std::unique_lock guard(mutex_);
    condition_.wait(guard, [this] { return is_awake_; });
    is_awake_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool is_awake_ = false;  // guarded by mutex_
};

// Hangs if a wake-up is lost; a waker called after forget() would be used after its end.
TEST(Contention, ParkedWaitersAreWoken) {
  constexpr std::int64_t kRounds = 5000;
  ShardLock lock;
  std::int64_t count = 0;  // guarded by lock
  in_threads([&](unsigned number) {
    io::Random random(number);
    for (int i = 0; i < kRounds; ++i) {
      Sleeper sleeper;
      while (!(number == 0 ? lock.spin_lock() : lock.try_lock())) {
        if (!lock.park(sleeper)) continue;
        if (random.chance_percent(80)) sleeper.sleep();
        lock.forget(sleeper);  // the call that woke it may not have returned yet
      }
      ++count;
      if (random.chance_percent(5)) std::this_thread::yield();
      if (number != 1) {
        lock.unlock();
      } else if (lock.unlock_quietly() && random.chance_percent(20)) {
        lock.wake_parked();
      }
    }
    if (number == 1) lock.wake_parked();
  });
  EXPECT_EQ(count, kThreadCount * kRounds);
  EXPECT_TRUE(lock.try_lock());
}

}  // namespace
}  // namespace diskdb::keyspace
