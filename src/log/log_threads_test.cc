// Many threads append, write, wait and die together; made for the thread sanitizer.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "io/clock.h"
#include "io/sim_disk.h"
#include "log/log_testing.h"

namespace diskdb::log {
namespace {

constexpr int kThreads = 8;
constexpr int kFrames = 2000;

/// As a network thread: sleeps until the log has advanced.
class Sleeper final : public Listener {
 public:
  void log_advanced() override {
    const std::lock_guard guard(m_);
    is_called_ = true;
    called_.notify_one();
  }
  /// False: it slept for very long.
  bool sleep() {
    std::unique_lock lock(m_);
    const bool was_called =
        called_.wait_for(lock, std::chrono::seconds(30), [&] { return is_called_; });
    is_called_ = false;
    return was_called;
  }

 private:
  std::mutex m_;
  std::condition_variable called_;
  bool is_called_ = false;
};

/// One client's life: frames in order, some large, each acknowledged now and then.
void append_and_wait(Log& log, int thread) {
  Sleeper sleeper;
  io::Random random(static_cast<std::uint64_t>(thread));
  Offset last = 0;
  for (int i = 0; i < kFrames; ++i) {
    std::string frame = "<" + std::to_string(thread) + ":" + std::to_string(i) + ">";
    if (random.below(200) == 0) frame += std::string(70'000, '.');
    const Bytes parts[] = {frame};
    const Offset end = log.append(static_cast<std::uint32_t>(random.below(2)), parts);
    ASSERT_GT(end, last);
    last = end;
    if (random.below(4) != 0) continue;
    log.write_pending();
    while (log.acknowledgeable() < end) {
      log.await(sleeper, end);
      ASSERT_TRUE(sleeper.sleep()) << "nobody called";
      log.write_pending();
    }
  }
  log.write_pending();
  log.forget(sleeper);
}

/// Whether every thread's frames are there, all and in order.
void expect_all_frames(const std::string& text) {
  std::vector<int> next(kThreads, 0);
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
    const int thread = std::atoi(text.c_str() + at + 1);
    const int frame = std::atoi(text.c_str() + text.find(':', at) + 1);
    ASSERT_EQ(next[static_cast<std::size_t>(thread)]++, frame);
  }
  for (const int count : next) EXPECT_EQ(count, kFrames);
}

class LogThreads : public ::testing::TestWithParam<Fsync> {};
INSTANTIATE_TEST_SUITE_P(Policies, LogThreads,
                         ::testing::Values(Fsync::kAlways, Fsync::kEverysec, Fsync::kNo));

TEST_P(LogThreads, EveryFrameIsAcknowledgedAndKeptInItsThreadsOrder) {
  io::SimDisk disk(1);
  io::RealClock clock;
  Options options;
  options.folder = "/data/log";
  options.segment_bytes = 128_KiB;
  options.fsync = GetParam();
  options.sync_interval = {20};
  options.on_fatal = [](const Status& status) { ADD_FAILURE() << status.error().message; };
  {
    testing::Collector nothing;
    auto opened = Log::open(disk, clock, options, nothing);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    Log& log = **opened;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([&log, i] { append_and_wait(log, i); });
    std::thread watcher([&] {
      for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(log.reserve(static_cast<std::uint64_t>(i) * 20'000));
        EXPECT_TRUE(log.sync_all().ok());
        const Stats stats = log.stats();
        EXPECT_LE(stats.synced, stats.written);
        EXPECT_LE(stats.written, stats.appended);
        EXPECT_TRUE(log.release_below(0).ok());
        log.set_fsync(GetParam(), {10 + i});
      }
    });
    for (std::thread& thread : threads) thread.join();
    watcher.join();
    EXPECT_TRUE(log.close().ok());
  }
  testing::Collector found;
  ASSERT_TRUE(Log::open(disk, clock, options, found).ok());
  expect_all_frames(found.text);
}

// The power goes under load: what any thread was told is there.
TEST(LogThreadsCrash, WhatAnyThreadWasToldSurvivesThePower) {
  Offset all_told = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    io::SimDisk disk(seed);
    io::RealClock clock;
    Options options;
    options.folder = "/data/log";
    options.segment_bytes = 64_KiB;
    options.fsync = Fsync::kAlways;
    std::atomic<bool> is_dead{false};
    options.on_fatal = [&](const Status&) { is_dead = true; };
    std::atomic<Offset> told{0};
    {
      testing::Collector nothing;
      auto opened = Log::open(disk, clock, options, nothing);
      ASSERT_TRUE(opened.ok());
      Log& log = **opened;
      disk.power_off_at(300 + seed * 100);
      std::vector<std::thread> threads;
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
          while (!is_dead) {
            const std::string frame = "<" + std::to_string(i) + ">" + std::string(100, 'x');
            const Bytes parts[] = {frame};
            log.append(0, parts);
            log.write_pending();
            const Offset reached = log.acknowledgeable();
            Offset seen = told.load();
            while (seen < reached && !told.compare_exchange_weak(seen, reached)) {
            }
            if (log.pending_bytes() > 1_MiB) std::this_thread::yield();
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    }
    disk.lose_unsynced();
    testing::Collector found;
    auto opened = Log::open(disk, clock, options, found);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    EXPECT_GE(found.end(), told.load());
    all_told += told.load();
  }
  EXPECT_GT(all_told, 0U) << "nobody was told anything, so this shows nothing";
}

}  // namespace
}  // namespace diskdb::log
