// Whatever fails and whenever the power goes: what was acknowledged is there afterwards, in order,
// in whole frames, and nothing else is.
#include <gtest/gtest.h>

#include <deque>

#include "log/log_testing.h"

namespace diskdb::log {
namespace {

using testing::Rig;

/// A random life of `steps` operations, as far as the log lives.
void run_random_steps(Rig& rig, io::Random& random, int steps, bool with_release) {
  for (int i = 0; i < steps && rig.fatal_errors.empty(); ++i) {
    switch (random.below(10)) {
      case 0:
        rig.append_any(random.below(6000));
        break;  // some larger than a segment
      case 1:
        rig.append_any(10 + random.below(400), static_cast<std::uint32_t>(random.below(3)));
        break;
      case 2:
      case 3:
        rig.append_any(10 + random.below(200));
        break;
      case 4:
      case 5:
      case 6:
        rig.log->write_pending();
        break;
      case 7:
      case 8:
        rig.log->sync_step();
        break;
      default:
        if (!with_release || random.below(3) != 0) break;
        // A checkpoint at some frame's end: the log is fsynced up to it first.
        if (!rig.log->sync_all().ok()) break;
        rig.promised = std::max(rig.promised, rig.log->stats().synced);
        rig.options.checkpoint = *std::prev(rig.frame_ends.upper_bound(
            rig.options.checkpoint +
            random.below(rig.history.size() - rig.options.checkpoint + 1)));
        (void)rig.log->release_below(rig.options.checkpoint);
        break;
    }
    rig.note_promises();
  }
}

/// Three lives in which the `nth` call fails; false if none did, because there were fewer.
bool survive_one_failure(Fsync policy, std::uint64_t nth) {
  Rig rig(nth);
  rig.options.fsync = policy;
  io::Random random(5);
  bool has_failed = false;
  for (int life = 0; life < 3 && !has_failed; ++life) {
    nth = std::max(nth, rig.disk.call_count());  // a kill may have taken that call
    rig.disk.fail_at(nth - rig.disk.call_count());
    if (!rig.open().ok()) {
      has_failed = rig.disk.has_failed();
      EXPECT_TRUE(has_failed);
      rig.disk.heal();
      rig.must_open();  // the next attempt finds everything
      continue;
    }
    run_random_steps(rig, random, 60, true);
    if (life == 1) (void)rig.log->close();
    has_failed = rig.disk.has_failed();
    rig.kill();
  }
  // The process restarts on what the kernel still has; then the power goes as well.
  rig.log.reset();
  rig.must_open();
  if (rig.log == nullptr) return has_failed;
  rig.note_promises();
  rig.lose_power();
  rig.must_open();
  return has_failed;
}

// STYLE 5.11: the Nth call fails for N = 0, 1, 2... until there are fewer.
TEST(LogCrash, EveryIoMayFailOnce) {
  for (const Fsync policy : {Fsync::kAlways, Fsync::kEverysec, Fsync::kNo}) {
    std::uint64_t nth = 0;
    for (bool has_failed = true; has_failed; ++nth) {
      SCOPED_TRACE("I/O number " + std::to_string(nth));
      has_failed = survive_one_failure(policy, nth);
      if (HasFailure()) return;
    }
    EXPECT_GT(nth, 300U) << "too few calls to show much";
  }
}

void lose_power_again_and_again(std::uint64_t seed, Fsync policy) {
  Rig rig(seed);
  io::Random random(seed);
  rig.options.fsync = policy;
  rig.options.segment_bytes = 4_KiB << random.below(3);
  for (int life = 0; life < 6; ++life) {
    rig.must_open();
    if (::testing::Test::HasFatalFailure()) return;
    rig.disk.power_off_at(random.below(120));
    run_random_steps(rig, random, static_cast<int>(random.below(120)), true);
    if (random.below(6) == 0) (void)rig.log->close();
    if (policy != Fsync::kAlways) {
      // Without fsync the power takes what was not synced; only a kill must not.
      rig.promised =
          std::max(rig.options.checkpoint, std::min(rig.promised, rig.log->stats().synced));
    }
    rig.log.reset();
    rig.disk.lose_unsynced();
    // Power goes during recovery, too.
    if (random.below(2) == 0) {
      rig.disk.power_off_at(random.below(60));
      if (rig.open().ok()) rig.log.reset();
      rig.disk.lose_unsynced();
    }
  }
  rig.must_open();
}

TEST(LogCrash, AlwaysLosesNothingAcknowledgedWhenThePowerGoes) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    lose_power_again_and_again(seed, Fsync::kAlways);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(LogCrash, WithoutFsyncNothingSyncedIsLostAndNothingInvented) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    lose_power_again_and_again(seed, Fsync::kNo);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(LogCrash, AKillLosesNothingWrittenUnderAnyPolicy) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rig rig(seed);
    io::Random random(seed);
    rig.options.fsync = seed % 2 == 0 ? Fsync::kNo : Fsync::kEverysec;
    for (int life = 0; life < 6; ++life) {
      rig.must_open();
      if (::testing::Test::HasFailure()) return;
      rig.disk.power_off_at(random.below(150));  // a kill between any two calls, or in one
      run_random_steps(rig, random, 80, true);
      rig.log.reset();
      rig.disk.heal();
    }
  }
}

/// The power goes when a batch has been replayed.
class PowerGoes final : public Replay {
 public:
  /// Borrows `disk`. `batches_before`: are replayed before that one.
  PowerGoes(io::SimDisk& disk, std::uint64_t batches_before)
      : disk_(disk), batches_before_(batches_before) {}
  Status replay(Bytes payload, Offset at) override {
    end = at + payload.size();
    if (batches_before_-- == 0) disk_.power_off();
    return {};
  }
  Offset end = 0;

 private:
  io::SimDisk& disk_;
  std::uint64_t batches_before_;
};

// A checkpoint may be taken in the midst of a replay: the log up to there must survive as well,
// though the process before has seen an fsync fail, after which another one proves nothing. With
// threads the copy of what nobody vouched for is made beside the replay of the rest.
TEST(LogCrash, WhatIsReplayedSurvivesWhateverTheLastProcessFailedToSync) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rig rig(seed);
    io::Random random(seed);
    rig.must_open();
    const std::uint64_t synced_count = random.below(6);
    const std::uint64_t unsynced_count = 1 + random.below(4);
    for (std::uint64_t i = 0; i < synced_count + unsynced_count; ++i) {
      for (int frame = 0; frame < 5; ++frame) rig.append_any(300);
      rig.log->write_pending();
      if (i < synced_count) rig.log->sync_step();
    }
    rig.disk.fail_at(0);
    rig.log->sync_step();
    ASSERT_EQ(rig.fatal_errors.size(), 1U);
    rig.kill();
    rig.options.start_syncer_thread = seed % 2 == 0;
    PowerGoes replay(rig.disk, random.below(synced_count + unsynced_count));
    EXPECT_FALSE(Log::open(rig.disk, rig.clock, rig.options, replay).ok());
    ASSERT_GT(replay.end, 0U);
    rig.disk.lose_unsynced();
    rig.options.start_syncer_thread = false;
    rig.options.checkpoint = rig.promised = replay.end;
    rig.must_open();
    if (::testing::Test::HasFailure()) return;
  }
}

// DESIGN.md D3: acknowledgements stop when the last sync is older than two intervals. So of what a
// power loss takes, nothing was acknowledged later than two intervals after any of it was written.
TEST(LogCrash, EverysecLosesNoMoreThanTwoIntervals) {
  bool has_lost = false;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rig rig(seed);
    io::Random random(seed);
    rig.options.fsync = Fsync::kEverysec;
    rig.must_open();
    rig.disk.power_off_at(20 + random.below(100));
    struct Frame {
      Offset end;
      Micros appended;
      std::optional<Micros> acknowledged;
    };
    std::vector<Frame> frames;
    const auto note_acknowledged = [&] {
      const Offset reached = rig.log->acknowledgeable();
      for (Frame& frame : frames) {
        if (frame.end <= reached && !frame.acknowledged) frame.acknowledged = rig.clock.monotonic();
      }
    };
    for (int i = 0; i < 100; ++i) {
      frames.push_back({rig.append_any(50), rig.clock.monotonic(), std::nullopt});
      rig.log->write_pending();
      note_acknowledged();
      rig.clock.advance({static_cast<std::int64_t>(random.below(700))});
      if (random.below(3) == 0) rig.log->sync_step();  // the disk may be slow for long
      note_acknowledged();
    }
    rig.log.reset();
    rig.disk.lose_unsynced();
    rig.promised = 0;  // judged here instead
    rig.must_open();
    std::optional<Micros> first_lost;
    for (const Frame& frame : frames) {
      if (frame.end <= rig.recovered) continue;
      if (!first_lost) first_lost = frame.appended;
      if (!frame.acknowledged) continue;
      has_lost = true;
      EXPECT_LE((*frame.acknowledged - *first_lost).count, 2'000'000);
    }
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_TRUE(has_lost) << "this test never lost anything, so it shows nothing";
}

}  // namespace
}  // namespace diskdb::log
