// Whatever fails and whenever the power goes: the marker names the state before a checkpoint or the
// one after it, and the contents are exactly that state. RocksDB's own threads make the order of
// disk calls vary, so a failure at call N repeats only roughly; seeds take the place of replays.
// DISKDB_STORE_TEST_ROUNDS multiplies how much is tried.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/number.h"
#include "store/store_testing.h"

namespace diskdb::store {
namespace {

using testing::Rig;

std::uint64_t rounds() {
  const char* text = std::getenv("DISKDB_STORE_TEST_ROUNDS");
  return text == nullptr ? 1 : static_cast<std::uint64_t>(parse_integer(text).value_or(1));
}

/// Some checkpoints and compactions, until something fails; reopens what can be reopened.
void live(Rig& rig, int checkpoint_count) {
  for (int i = 0; i < checkpoint_count; ++i) {
    if (!rig.try_checkpoint(60).ok()) return;
    if (i % 3 == 2 && !rig.store->settle().ok()) return;
    if (i == 5 && !rig.store->reopen().ok()) return;
  }
}

constexpr int kCheckpoints = 8;
constexpr std::uint64_t kStride = 5;  // a round tries every fifth call, the next round others

TEST(StoreModel, RandomCheckpointsReopensAndRestartsAgreeWithAMap) {
  for (std::uint64_t seed = 0; seed < 10 * rounds(); ++seed) {
    Rig rig(seed);
    rig.options.file_bytes_max = 500 << rig.random.below(8);
    rig.options.compresses = rig.random.chance_percent(50);
    rig.options.level0_files_for_compaction = 2 + static_cast<int>(rig.random.below(5));
    rig.restart();
    for (int step = 0; step < 25; ++step) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " step " + std::to_string(step));
      ASSERT_TRUE(rig.checkpoint(1 + rig.random.below(150)));
      switch (rig.random.below(6)) {
        case 0:
          ASSERT_TRUE(rig.store->reopen().ok());
          break;
        case 1:
          rig.restart();
          break;
        case 2:
          rig.store.reset();
          rig.disk.lose_unsynced();
          rig.restart();
          break;
        case 3:
          ASSERT_TRUE(rig.store->settle().ok());
          break;
        default:
          break;
      }
      rig.check();
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
  }
}

/// False if there were fewer than `nth` calls.
bool survive_power_loss(std::uint64_t seed, std::uint64_t nth) {
  Rig rig(seed);
  rig.disk.power_off_at(nth);
  live(rig, kCheckpoints);
  const bool has_failed = rig.disk.has_failed();
  rig.store.reset();
  rig.disk.lose_unsynced();
  rig.restart();
  if (rig.store == nullptr) return has_failed;
  rig.check_either();
  // And it goes on.
  rig.checkpoint(30);
  rig.check();
  return has_failed;
}

TEST(StoreCrash, PowerLossAtAnyCall) {
  for (std::uint64_t round = 0; round < rounds(); ++round) {
    std::uint64_t nth = round % kStride;
    while (survive_power_loss(round * 100'000 + nth, nth)) {
      nth += kStride;
      if (::testing::Test::HasFailure()) FAIL() << "power lost at call " << nth - kStride;
    }
    EXPECT_GT(nth, 300U);
  }
}

/// False if there were fewer than `nth` calls.
bool survive_one_failure(std::uint64_t seed, std::uint64_t nth, bool loses_power) {
  Rig rig(seed);
  rig.disk.fail_at(nth);
  live(rig, kCheckpoints);
  const bool has_failed = rig.disk.has_failed();
  rig.disk.heal();
  if (loses_power) {
    rig.store.reset();
    rig.disk.lose_unsynced();
    rig.restart();
    if (rig.store == nullptr) return has_failed;
  } else {
    if (!rig.store->needs_reopen()) rig.check();
    const Status status = rig.store->reopen();
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
    if (!status.ok()) return has_failed;
  }
  rig.check_either();
  rig.checkpoint(30);
  rig.check();
  return has_failed;
}

TEST(StoreCrash, AnyCallMayFailOnce) {
  for (std::uint64_t round = 0; round < rounds(); ++round) {
    for (const bool loses_power : {false, true}) {
      std::uint64_t nth = round % kStride;
      while (survive_one_failure(round * 100'000 + nth, nth, loses_power)) {
        nth += kStride;
        if (::testing::Test::HasFailure()) FAIL() << "failed at call " << nth - kStride;
      }
      EXPECT_GT(nth, 300U);
    }
  }
}

/// Opening: the folder is new, or holds a store.
bool survive_while_opening(std::uint64_t seed, std::uint64_t nth, bool is_new, bool loses_power) {
  Rig rig(seed, /*opens=*/!is_new);
  if (!is_new) live(rig, 4);
  rig.store.reset();
  if (loses_power) {
    rig.disk.power_off_at(nth);
  } else {
    rig.disk.fail_at(nth);
  }
  auto opened = Store::open(rig.disk, rig.options);
  const bool has_failed = rig.disk.has_failed();
  if (opened.ok()) opened->reset();
  if (loses_power) rig.disk.lose_unsynced();
  rig.disk.heal();
  rig.restart();
  if (rig.store != nullptr) rig.check();
  return has_failed;
}

TEST(StoreCrash, AnyCallOfAnOpenMayFail) {
  for (const bool is_new : {true, false}) {
    for (const bool loses_power : {true, false}) {
      for (std::uint64_t nth = 0; survive_while_opening(nth, nth, is_new, loses_power); ++nth) {
        if (::testing::Test::HasFailure()) {
          FAIL() << "call " << nth << " new " << is_new << " power loss " << loses_power;
        }
      }
    }
  }
}

// The disk fills up at any moment, once with a ballast and once without.
TEST(StoreCrash, AFullDiskLosesNothing) {
  for (std::uint64_t seed = 0; seed < 60 * rounds(); ++seed) {
    SCOPED_TRACE(seed);
    Rig rig(seed);
    rig.options.ballast_bytes = seed % 2 == 0 ? 20'000 : 0;
    rig.restart();
    rig.disk.set_free_bytes(rig.random.below(60'000));
    live(rig, 12);
    rig.disk.set_free_bytes(100'000'000);
    if (!rig.store->needs_reopen()) {
      // A compaction that met the full disk may say so only now.
      const Status status = rig.try_checkpoint(20);
      ASSERT_TRUE(status.ok() || rig.store->needs_reopen()) << status.error().message;
    }
    ASSERT_TRUE(rig.store->reopen().ok());
    rig.check_either();
    ASSERT_TRUE(rig.checkpoint(20));
    rig.check();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace diskdb::store
