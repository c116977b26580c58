// What log.h promises, one promise a test. Power losses and failing calls: log_crash_test.cc;
// damage: log_damage_test.cc; threads: log_threads_test.cc.
#include "log/log.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "io/real_disk.h"
#include "log/limits.h"
#include "log/log_testing.h"
#include "log/segment_file.h"

namespace diskdb::log {
namespace {

using testing::Collector;
using testing::CountingListener;
using testing::Rig;
using testing::select_command;

/// A rig whose log is open.
struct OpenRig : Rig {
  explicit OpenRig(Fsync fsync = Fsync::kAlways) : Rig(1) {
    options.fsync = fsync;
    must_open();
  }
};

// ---- what is appended comes back
// ------------------------------------------------------------------

TEST(Log, KeepsWhatWasWrittenOnARealDisk) {
  std::string folder = std::filesystem::temp_directory_path() / "diskdb-log-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  io::RealDisk disk;
  io::RealClock clock;
  Options options;
  options.folder = folder + "/log";
  options.segment_bytes = 1_MiB;
  std::string expected;
  for (int round = 0; round < 5; ++round) {
    Collector collector;
    auto log = Log::open(disk, clock, options, collector);
    ASSERT_TRUE(log.ok()) << log.error().message;
    EXPECT_EQ(collector.text, expected);
    expected += select_command(0);
    for (int i = 0; i < 20'000; ++i) {
      const std::string frame =
          std::to_string(round) + "/" + std::to_string(i) + std::string(100, 'x');
      const Bytes parts[] = {frame, "\r\n"};
      expected += frame + "\r\n";
      EXPECT_EQ((*log)->append(0, parts), expected.size());
      if (i % 10 == 0) (*log)->write_pending();
    }
    EXPECT_TRUE((*log)->sync_all().ok());
    EXPECT_EQ((*log)->acknowledgeable(), expected.size());
    if (round % 2 == 0) {
      EXPECT_TRUE((*log)->close().ok());
    }
  }
  std::filesystem::remove_all(folder);
}

TEST(Log, SelectsTheDatabaseWhereItChangesAndFirstOfAllAfterAStart) {
  OpenRig rig;
  rig.append(3, "a");
  rig.append(3, "b");
  rig.append(12, "c");
  rig.append(0, "d");
  ASSERT_TRUE(rig.log->close().ok());
  EXPECT_EQ(rig.history,
            select_command(3) + "ab" + select_command(12) + "c" + select_command(0) + "d");
  rig.log.reset();
  rig.must_open();
  rig.append(0, "e");
  ASSERT_TRUE(rig.log->close().ok());
  EXPECT_TRUE(rig.history.ends_with("d" + select_command(0) + "e"));
  rig.log.reset();
  rig.must_open();
}

TEST(Log, ALargeFrameGetsItsSelectToo) {
  OpenRig rig;
  rig.append_any(3000, 5);  // copied outside the lock
  rig.append_any(3000, 5);
  rig.append_any(3000, 6);
  ASSERT_TRUE(rig.log->close().ok());
  rig.log.reset();
  rig.must_open();
}

TEST(Log, OneWriteTakesTheFramesOfManyAppends) {
  OpenRig rig;
  for (int i = 0; i < 5; ++i) rig.append_any(50);
  const std::uint64_t calls = rig.disk.call_count();
  rig.log->write_pending();
  EXPECT_EQ(rig.disk.call_count(), calls + 1);
  EXPECT_EQ(rig.log->stats().write_count, 1U);
  rig.log->write_pending();
  EXPECT_EQ(rig.disk.call_count(), calls + 1) << "nothing pending, no call";
}

TEST(Log, RefusesAFolderInUseAndATinySegment) {
  OpenRig rig;
  Collector collector;
  EXPECT_EQ(Log::open(rig.disk, rig.clock, rig.options, collector).error().code, Code::kBusy);
  rig.options.folder = "/elsewhere";
  rig.options.segment_bytes = kSegmentBytesMin - 1;
  EXPECT_EQ(Log::open(rig.disk, rig.clock, rig.options, collector).error().code, Code::kInvalid);
}

// ---- acknowledging
// --------------------------------------------------------------------------------

TEST(LogAcknowledge, AlwaysWaitsForTheSync) {
  OpenRig rig(Fsync::kAlways);
  const Offset end = rig.append_any(20);
  EXPECT_EQ(rig.log->pending_bytes(), end);
  rig.log->write_pending();
  EXPECT_EQ(rig.log->pending_bytes(), 0U);
  EXPECT_EQ(rig.log->acknowledgeable(), 0U);
  rig.log->sync_step();
  EXPECT_EQ(rig.log->acknowledgeable(), end);
}

TEST(LogAcknowledge, NoWaitsForTheWriteOnly) {
  OpenRig rig(Fsync::kNo);
  const Offset end = rig.append_any(20);
  EXPECT_EQ(rig.log->acknowledgeable(), 0U);
  rig.log->write_pending();
  EXPECT_EQ(rig.log->acknowledgeable(), end);
  rig.log->sync_step();
  EXPECT_EQ(rig.log->stats().synced, 0U);
}

TEST(LogAcknowledge, EverysecStopsTwoIntervalsAfterTheLastSync) {
  OpenRig rig(Fsync::kEverysec);
  const Offset first = rig.append_any(20);
  rig.log->write_pending();
  EXPECT_EQ(rig.log->acknowledgeable(), first);
  rig.clock.advance({2000});
  const Offset second = rig.append_any(20);
  rig.log->write_pending();
  EXPECT_EQ(rig.log->acknowledgeable(), second) << "not older than two intervals yet";
  rig.clock.advance({1});
  const Offset third = rig.append_any(20);
  rig.log->write_pending();
  EXPECT_EQ(rig.log->acknowledgeable(), second) << "it never goes back, and grows no more";
  rig.log->sync_step();
  EXPECT_EQ(rig.log->acknowledgeable(), third);
}

TEST(LogAcknowledge, EverysecDoesNotStopAnIdleLog) {
  OpenRig rig(Fsync::kEverysec);
  rig.append_any(20);
  rig.log->write_pending();
  rig.log->sync_step();
  for (int i = 0; i < 10; ++i) {
    rig.clock.advance({1000});
    rig.log->sync_step();  // nothing to sync, and that is as good as a sync
  }
  EXPECT_EQ(rig.log->stats().sync_count, 1U);
  rig.clock.advance({1500});
  const Offset end = rig.append_any(20);
  rig.log->write_pending();
  EXPECT_EQ(rig.log->acknowledgeable(), end);
}

TEST(LogAcknowledge, AListenerIsCalledOnceWhenItsOffsetIsReached) {
  OpenRig rig(Fsync::kAlways);
  CountingListener first;
  CountingListener second;
  const Offset a = rig.append_any(20);
  rig.log->write_pending();
  rig.log->await(first, a);
  const Offset b = rig.append_any(20);
  EXPECT_EQ(first.calls, 0);
  rig.log->sync_step();  // writes and syncs both
  rig.log->await(second, b);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 1) << "reached already";
  rig.append_any(20);
  rig.log->write_pending();
  rig.log->sync_step();
  EXPECT_EQ(first.calls, 1);
}

TEST(LogAcknowledge, AListenerIsToldWhenNobodyWritesWhatItWaitsFor) {
  OpenRig rig(Fsync::kNo);
  CountingListener listener;
  const Offset end = rig.append_any(20);
  rig.log->await(listener, end);
  EXPECT_EQ(listener.calls, 1) << "it is to call write_pending()";
}

TEST(LogAcknowledge, AForgottenListenerIsNotCalled) {
  OpenRig rig(Fsync::kAlways);
  CountingListener listener;
  rig.append_any(20);
  rig.log->write_pending();
  rig.log->await(listener, rig.history.size());
  rig.log->forget(listener);
  rig.log->sync_step();
  EXPECT_EQ(listener.calls, 0);
}

TEST(LogAcknowledge, ThePolicyCanChangeWhileItRuns) {
  OpenRig rig(Fsync::kAlways);
  rig.append_any(20);
  rig.log->write_pending();
  EXPECT_EQ(rig.log->acknowledgeable(), 0U);
  rig.log->set_fsync(Fsync::kNo, {1000});
  EXPECT_EQ(rig.log->acknowledgeable(), rig.history.size());
}

// ---- failure
// --------------------------------------------------------------------------------------

TEST(LogFailure, AFailedSyncIsFatalOnceAndNothingIsAcknowledgedAnyMore) {
  for (const Fsync policy : {Fsync::kAlways, Fsync::kEverysec}) {
    OpenRig rig(policy);
    const Offset before = rig.append_any(20);
    rig.log->write_pending();
    rig.log->sync_step();
    EXPECT_EQ(rig.log->acknowledgeable(), before);
    rig.append_any(20);
    rig.log->write_pending();
    const Offset reached = rig.log->acknowledgeable();
    rig.disk.fail_at(0);
    rig.log->sync_step();
    ASSERT_EQ(rig.fatal_errors.size(), 1U);
    EXPECT_EQ(rig.fatal_errors[0].error().code, Code::kIo);
    rig.append_any(20);
    rig.log->write_pending();
    rig.log->sync_step();  // would succeed, and would prove nothing
    EXPECT_EQ(rig.log->acknowledgeable(), reached);
    rig.log->set_fsync(Fsync::kNo, {1000});
    EXPECT_EQ(rig.log->acknowledgeable(), reached);
    EXPECT_FALSE(rig.log->has_room());
    EXPECT_FALSE(rig.log->sync_all().ok());
    EXPECT_FALSE(rig.log->close().ok());
    EXPECT_EQ(rig.fatal_errors.size(), 1U);
  }
}

TEST(LogFailure, AFailedWriteIsFatal) {
  OpenRig rig(Fsync::kNo);
  rig.append_any(20);
  rig.disk.fail_at(0);
  rig.log->write_pending();
  EXPECT_EQ(rig.fatal_errors.size(), 1U);
  EXPECT_EQ(rig.log->acknowledgeable(), 0U);
}

TEST(LogFailure, AReplayThatFailsStopsTheStartAndLosesNothing) {
  OpenRig rig;
  rig.append_any(20);
  ASSERT_TRUE(rig.log->close().ok());
  rig.log.reset();
  class Refusing final : public Replay {
    Status replay(Bytes, Offset) override { return Error{Code::kInvalid, "not understood"}; }
  } refusing;
  auto opened = Log::open(rig.disk, rig.clock, rig.options, refusing);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().message, "not understood");
  rig.must_open();
  EXPECT_EQ(rig.recovered, rig.history.size());
}

// ---- segments
// -------------------------------------------------------------------------------------

TEST(LogSegments, AFrameLargerThanASegmentGetsOneOfItsOwn) {
  OpenRig rig;
  rig.append_any(100);
  EXPECT_TRUE(rig.log->reserve(50'000));
  rig.append_any(50'000);
  rig.append_any(100);
  rig.log->write_pending();
  EXPECT_EQ(rig.log->pending_bytes(), 0U) << "what was reserved is there";
  rig.append_any(20'000);  // and without a reservation the syncer makes room
  EXPECT_TRUE(rig.log->sync_all().ok());
  EXPECT_EQ(rig.log->acknowledgeable(), rig.history.size());
  rig.lose_power();
  rig.must_open();
  EXPECT_GT(rig.recovered, 70'000U);
}

TEST(LogSegments, BatchesMayFillASegmentToItsLastByte) {
  constexpr std::uint64_t kSegment = 8_KiB;
  const std::uint64_t capacity = SegmentFile::capacity(kSegment);
  for (int difference = -2; difference <= 2; ++difference) {
    SCOPED_TRACE(difference);
    Rig rig(1);
    rig.options.segment_bytes = kSegment;
    rig.must_open();
    const std::size_t select = select_command(0).size();
    rig.append_any(capacity - select + difference);  // one frame, one batch
    EXPECT_TRUE(rig.log->sync_all().ok());
    EXPECT_EQ(rig.log->stats().segment_count, difference <= 0 ? 1U : 2U);
    rig.append_any(100);
    EXPECT_TRUE(rig.log->sync_all().ok());
    EXPECT_EQ(rig.log->stats().segment_count, difference <= 0 ? 2U : 3U);
    ASSERT_TRUE(rig.log->close().ok());  // the seal has its place
    rig.log.reset();
    rig.must_open();
    EXPECT_EQ(rig.recovered, rig.history.size());
  }
}

TEST(LogSegments, AClosedLogIsSealedAndTheNextStartCopiesNothing) {
  OpenRig rig;
  rig.append_any(2000);
  ASSERT_TRUE(rig.log->close().ok());
  rig.log.reset();
  const std::vector<std::string> before = rig.segment_paths();
  ASSERT_EQ(before.size(), 1U) << "no spare is left behind";
  const std::string bytes = rig.disk.contents(before[0]).value();
  rig.must_open();
  EXPECT_EQ(rig.disk.contents(before[0]), bytes) << "the sealed segment stays as it is";
  const std::string started = rig.disk.contents(rig.segment_paths()[1]).value();
  EXPECT_EQ(started.find_first_not_of('\0', kSegmentHeaderBytes), std::string::npos);
}

TEST(LogSegments, AStartCopiesWhatNobodyVouchedForAndFsyncsIt) {
  OpenRig rig(Fsync::kNo);
  rig.append_any(500);
  rig.log->write_pending();
  rig.kill();
  rig.must_open();
  EXPECT_EQ(rig.recovered, rig.history.size());
  const std::vector<std::string> segments = rig.segment_paths();
  EXPECT_EQ(segments.size(), 2U) << "the copy and the spare; what it was copied from is gone";
  rig.lose_power();
  rig.must_open();
  EXPECT_GE(rig.recovered, 500U) << "what a client read after the start must survive";
}

TEST(LogSegments, WhatAStartCopiedIsVouchedForAndNotCopiedAgain) {
  OpenRig rig(Fsync::kNo);
  rig.append_any(500);
  rig.log->write_pending();
  rig.kill();
  rig.must_open();
  const std::string copy = rig.segment_paths()[0];
  rig.kill();
  rig.must_open();
  ASSERT_TRUE(rig.disk.contents(copy).has_value()) << "it was copied once more";
  rig.kill();
  std::string bytes = rig.disk.contents(copy).value();
  bytes[kSegmentHeaderBytes + kBatchHeaderBytes] ^= 1;
  rig.disk.put(copy, bytes);
  EXPECT_EQ(rig.open_failure(), Code::kCorrupt);
}

TEST(LogSegments, EveryStartHasANewSalt) {
  std::set<std::string> salts;
  OpenRig rig;
  for (int life = 0; life < 5; ++life) {
    for (const std::string& path : rig.segment_paths()) {
      salts.insert(rig.disk.contents(path)->substr(offsetof(SegmentHeader, salt), 8));
    }
    rig.append_any(100);
    rig.log.reset();
    rig.must_open();
  }
  EXPECT_EQ(salts.size(), 10U) << "one for each start and one for each spare";
}

TEST(LogSegments, ReleasedSegmentsAreUsedAgainWithANewSalt) {
  OpenRig rig;
  while (rig.log->stats().segment_count < 4) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  const std::uint64_t file_bytes = rig.log->stats().file_bytes;
  rig.options.checkpoint = rig.history.size();
  ASSERT_TRUE(rig.log->release_below(rig.options.checkpoint).ok());
  EXPECT_EQ(rig.log->stats().segment_count, 1U);
  while (rig.log->stats().segment_count < 4) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  EXPECT_EQ(rig.log->stats().file_bytes, file_bytes) << "files were recycled, none was added";
  rig.lose_power();
  rig.must_open();
}

TEST(LogSegments, AReleasedSegmentWithASecondLinkIsNotRecycled) {
  OpenRig rig;
  const std::string first = rig.segment_paths()[0];
  while (rig.log->stats().segment_count < 3) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  rig.disk.link(first, "/backup/segment");
  const std::string bytes = rig.disk.contents("/backup/segment").value();
  ASSERT_TRUE(rig.log->release_below(rig.history.size()).ok());
  while (rig.log->stats().segment_count < 4) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  EXPECT_EQ(rig.disk.contents("/backup/segment"), bytes) << "the backup has what it linked";
}

TEST(LogSegments, AReleaseKeepsWhatIsNotBelowTheOffset) {
  OpenRig rig;
  while (rig.log->stats().segment_count < 3) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  ASSERT_TRUE(rig.log->release_below(10).ok());
  EXPECT_EQ(rig.log->stats().segment_count, 3U);
  rig.log.reset();
  rig.must_open();
  EXPECT_EQ(rig.recovered, rig.history.size());
}

// ---- a full disk
// ----------------------------------------------------------------------------------

/// Fills the disk until something waits for room; returns the log's end.
Offset fill(OpenRig& rig) {
  EXPECT_TRUE(rig.log->has_room());
  rig.disk.set_free_bytes(1000);
  Offset written = 0;
  while (rig.log->pending_bytes() == 0 &&
         written < 20'000) {  // commands that run on fill the spare
    written = rig.append_any(500);
    rig.log->write_pending();
    rig.log->sync_step();
  }
  EXPECT_FALSE(rig.log->has_room());
  return written;
}

TEST(LogFullDisk, HasNoRoomUntilThereIsRoomAgainAndLosesNothing) {
  OpenRig rig(Fsync::kAlways);
  const Offset written = fill(rig);
  EXPECT_FALSE(rig.log->reserve(100));
  EXPECT_LT(rig.log->acknowledgeable(), written);
  EXPECT_EQ(rig.log->sync_all().error().code, Code::kNoSpace) << "it does not wait for ever";
  rig.log->sync_step();
  EXPECT_FALSE(rig.log->has_room());
  EXPECT_TRUE(rig.fatal_errors.empty()) << "a full disk ends nothing";

  rig.disk.set_free_bytes(1'000'000);
  rig.log->sync_step();
  EXPECT_TRUE(rig.log->has_room());
  rig.log->sync_step();
  EXPECT_EQ(rig.log->pending_bytes(), 0U);
  EXPECT_EQ(rig.log->acknowledgeable(), rig.history.size());
  rig.lose_power();
  rig.must_open();
  EXPECT_EQ(rig.recovered, written);
}

TEST(LogFullDisk, AnEndThatFindsRoomAgainWritesAll) {
  OpenRig rig;
  const Offset written = fill(rig);
  rig.disk.set_free_bytes(1'000'000);
  EXPECT_TRUE(rig.log->close().ok());
  rig.log.reset();
  rig.must_open();
  EXPECT_EQ(rig.recovered, written);
}

TEST(LogFullDisk, AReservationThatDoesNotFitIsRefusedAndTheSpareStays) {
  OpenRig rig;
  rig.disk.set_free_bytes(10'000);
  EXPECT_FALSE(rig.log->reserve(100'000));
  EXPECT_TRUE(rig.log->has_room());
  EXPECT_TRUE(rig.log->reserve(3000));
}

TEST(LogFullDisk, AStartOnAFullDiskServesReads) {
  OpenRig rig;
  rig.append_any(3000);
  ASSERT_TRUE(rig.log->close().ok());
  rig.log.reset();
  rig.disk.set_free_bytes(300);
  rig.must_open();
  EXPECT_EQ(rig.recovered, rig.history.size());
  EXPECT_FALSE(rig.log->has_room());
  rig.append_any(100);
  rig.disk.set_free_bytes(50'000);
  rig.log->sync_step();
  EXPECT_TRUE(rig.log->has_room());
  ASSERT_TRUE(rig.log->sync_all().ok());
  EXPECT_EQ(rig.log->acknowledgeable(), rig.history.size());
}

// ---- a checkpoint below which others keep the data
// ------------------------------------------------

TEST(LogCheckpoint, ReplayBeginsAtItEvenInsideABatch) {
  OpenRig rig;
  rig.append_any(100);
  const Offset middle = rig.append_any(100);
  rig.append_any(100);
  ASSERT_TRUE(rig.log->sync_all().ok());
  EXPECT_EQ(rig.log->stats().write_count, 1U);
  rig.options.checkpoint = middle;
  rig.kill();
  rig.must_open();  // checks where replay begins
  EXPECT_EQ(rig.recovered, rig.history.size());
  EXPECT_EQ(rig.log->stats().replayed_bytes, rig.history.size() - middle);
}

TEST(LogCheckpoint, ARunningLogCanBeReadAgainFromIt) {
  OpenRig rig;
  rig.append_any(100);
  ASSERT_TRUE(rig.log->close().ok());  // a seal lies in the middle then
  rig.log.reset();
  rig.options.checkpoint = 50;
  rig.must_open();
  for (int i = 0; i < 10; ++i) rig.append_any(1000);
  Collector found(50);
  ASSERT_TRUE(rig.log->read(50, found).ok()) << "it writes and syncs what is pending first";
  EXPECT_EQ(found.text, rig.history.substr(50));
  rig.append_any(100);
  ASSERT_TRUE(rig.log->sync_all().ok());
}

TEST(LogCheckpoint, ALogThatEndsBelowItOrBeginsAboveItIsCorrupt) {
  OpenRig rig;
  for (int i = 0; i < 10; ++i) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  rig.options.checkpoint = 5000;
  ASSERT_TRUE(rig.log->release_below(5000).ok());
  ASSERT_TRUE(rig.log->close().ok());
  rig.log.reset();
  rig.options.checkpoint = rig.history.size() + 1;
  EXPECT_EQ(rig.open_failure(), Code::kCorrupt);
  rig.options.checkpoint = 0;
  EXPECT_EQ(rig.open_failure(), Code::kCorrupt);
  rig.options.checkpoint = 5000;
  rig.promised = rig.history.size();
  rig.must_open();
}

}  // namespace
}  // namespace diskdb::log
