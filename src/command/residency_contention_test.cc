// Several threads with a dispatcher each, loader threads, an evictor and checkpoints, all at once
// on the same few keys: each client knows what its own keys hold, so every reply can be checked.
// Worth most under the thread sanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "command/tiered_server.h"
#include "io/random.h"
#include "keyspace/map_store_test.h"

namespace diskdb::command {
namespace {

constexpr unsigned kClientCount = 3;
constexpr unsigned kLoaderCount = 2;
constexpr int kKeysOfClient = 40;
#if defined(__SANITIZE_THREAD__)
constexpr int kTurns = 100;
constexpr std::uint64_t kLoads = 30;  // of all, before anybody is done
#else
constexpr int kTurns = 500;
constexpr std::uint64_t kLoads = 200;
#endif

/// A connection on a thread of its own, which sleeps while it is parked.
class Talker {
 public:
  Talker(TieredServer& server, unsigned number)
      : server_(server),
        client_(server),
        prefix_("k" + std::to_string(number) + "."),
        random_(number + 1) {
    client_.on_wake = [this] {
      const std::lock_guard lock(m_);
      is_awake_ = true;
      changed_.notify_one();
    };
  }
  ~Talker() { client_.unpark(); }  // no wake() comes afterwards

  void talk() {
    for (int turn = 0; turn < kTurns || server_.keyspace.load_count < kLoads; ++turn) {
      std::vector<std::vector<std::string>> pipeline;
      std::string expected;
      for (std::uint64_t n = 1 + random_.below(6); n > 0; --n) add_command(&pipeline, &expected);
      ASSERT_EQ(run(std::move(pipeline)), expected) << "turn " << turn;
    }
  }

 private:
  std::string run(std::vector<std::vector<std::string>> pipeline) {
    std::string replies = client_.run(std::move(pipeline));
    while (client_.is_parked) {
      std::unique_lock lock(m_);
      if (!changed_.wait_for(lock, std::chrono::seconds(60), [this] { return is_awake_; })) {
        ADD_FAILURE() << "nobody woke it";
        return replies;
      }
      is_awake_ = false;
      lock.unlock();
      replies += client_.run();
    }
    return replies;
  }

  std::string random_key() { return prefix_ + std::to_string(random_.below(kKeysOfClient)); }
  static std::string bulk(const std::map<std::string, std::string>& values,
                          const std::string& key) {
    const auto at = values.find(key);
    if (at == values.end()) return "$-1\r\n";
    return "$" + std::to_string(at->second.size()) + "\r\n" + at->second + "\r\n";
  }

  void add_command(std::vector<std::vector<std::string>>* pipeline, std::string* expected) {
    const std::string key = random_key();
    const std::uint64_t dice = random_.below(10);
    if (dice < 4) {
      pipeline->push_back({"GET", key});
      *expected += bulk(values_, key);
    } else if (dice < 6) {
      const std::string value = "v" + std::to_string(random_.below(1000));
      pipeline->push_back({"SET", key, value});
      values_[key] = value;
      *expected += "+OK\r\n";
    } else if (dice < 7) {
      pipeline->push_back({"DEL", key});
      *expected += values_.erase(key) == 0 ? ":0\r\n" : ":1\r\n";
    } else if (dice < 8) {
      pipeline->push_back({"APPEND", key, "x"});
      std::string& value = values_[key];
      value += "x";
      *expected += ":" + std::to_string(value.size()) + "\r\n";
    } else {
      const std::string second = random_key();
      pipeline->push_back({"MGET", key, second, "nobodys"});
      *expected += "*3\r\n" + bulk(values_, key) + bulk(values_, second) + "$-1\r\n";
    }
  }

  TieredServer& server_;
  TieredServer::Client client_;
  std::string prefix_;
  io::Random random_;
  std::map<std::string, std::string> values_;
  std::mutex m_;
  std::condition_variable changed_;
  bool is_awake_ = false;  // guarded by m_
};

void run_all(TieredServer& server) {
  server.loader.admission().set_budget(2000);
  std::atomic<bool> is_over{false};
  std::vector<std::thread> servants;
  for (unsigned i = 0; i < kLoaderCount; ++i) {
    servants.emplace_back([&] { server.loader.run(); });
  }
  servants.emplace_back([&] {
    while (!is_over) {
      server.checkpoint();
      // Its cut stops everybody: let them do something in between.
      const std::uint64_t seen = server.keyspace.eviction_count;
      for (int i = 0; i < 300 && server.keyspace.eviction_count < seen + 20; ++i) {
        std::this_thread::yield();
      }
    }
  });
  servants.emplace_back([&] {
    io::Random random(7);
    while (!is_over) {
      server.evict("k" + std::to_string(random.below(kClientCount)) + "." +
                   std::to_string(random.below(kKeysOfClient)));
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kClientCount; ++i) {
    threads.emplace_back([&, i] { Talker(server, i).talk(); });
  }
  for (std::thread& thread : threads) thread.join();
  is_over = true;
  server.loader.stop();
  for (std::thread& thread : servants) thread.join();
  EXPECT_EQ(server.load_count(), 0U);
  EXPECT_EQ(server.loader.admission().reserved_bytes(), 0U);
  for (keyspace::Shard& shard : server.keyspace.shards()) {
    for (const auto& table : shard.tables) table->verify_invariants();
  }
}

TEST(ResidencyContention, EveryClientFindsWhatItWrote) {
  TieredServer server(std::make_unique<keyspace::MapStore>());
  run_all(server);
}

#if !defined(__SANITIZE_THREAD__)  // it does not see into the library
TEST(ResidencyContention, EveryClientFindsWhatItWroteOnRocksDb) {
  TieredServer server;
  run_all(server);
}
#endif

}  // namespace
}  // namespace diskdb::command
