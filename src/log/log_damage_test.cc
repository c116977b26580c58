// Damage, as opposed to a torn end: what was vouched for and is bad stops the start; what was not
// is cut, and what was cut never comes back.
#include <gtest/gtest.h>

#include "log/format.h"
#include "log/log_testing.h"
#include "log/recovery.h"
#include "log/segment_reader.h"

namespace diskdb::log {
namespace {

using testing::Rig;

void flip_bit(io::SimDisk& disk, const std::string& path, std::uint64_t position) {
  std::string bytes = disk.contents(path).value();
  ASSERT_LT(position, bytes.size());
  bytes[position] = static_cast<char>(bytes[position] ^ 0x10);
  disk.put(path, bytes);
}

/// The batches of a segment, in order.
std::vector<Batch> batches_of(io::SimDisk& disk, const std::string& path) {
  std::vector<Batch> batches;
  auto file = disk.open(path, io::OpenMode::kRead);
  auto reader = SegmentReader::open(**file, path);
  while (true) {
    auto batch = reader->next();
    if (!batch->has_value()) return batches;
    batches.push_back(**batch);
  }
}

/// A log of three batches in one segment; the last vouches for the first `attested_count` of them.
struct ThreeBatches : Rig {
  explicit ThreeBatches(int attested_count, std::uint64_t seed = 1) : Rig(seed) {
    must_open();
    for (int i = 0; i < 3; ++i) {
      ends[i] = append_any(100);
      log->write_pending();
      if (i + 1 == attested_count) log->sync_step();
    }
    path = segment_paths()[0];
    kill();
    batches = batches_of(disk, path);
    promised = 0;
  }
  Offset ends[3] = {};
  std::string path;
  std::vector<Batch> batches;
};

TEST(LogDamage, BelowAnAttestedOffsetStopsTheStartAndNamesFileByteAndCommand) {
  ThreeBatches rig(2);
  ASSERT_EQ(rig.batches.size(), 3U);
  flip_bit(rig.disk, rig.path, rig.batches[1].position + kBatchHeaderBytes + 5);
  const Status status = rig.open();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kCorrupt);
  const std::string& message = status.error().message;
  EXPECT_NE(message.find(rig.path), std::string::npos) << message;
  EXPECT_NE(message.find("byte " + std::to_string(rig.batches[1].position)), std::string::npos)
      << message;
  EXPECT_NE(message.find("diskdb --repair-log /data/log"), std::string::npos) << message;
}

TEST(LogDamage, NothingIsReplayedNorChangedBeforeEverythingIsValidated) {
  ThreeBatches rig(2);
  flip_bit(rig.disk, rig.path, rig.batches[1].position + kBatchHeaderBytes + 5);
  const std::vector<std::string> before = rig.disk.paths();
  testing::Collector found;
  ASSERT_FALSE(Log::open(rig.disk, rig.clock, rig.options, found).ok());
  EXPECT_EQ(found.text, "") << "the first batch is good, and yet nothing may be applied";
  EXPECT_EQ(rig.disk.paths(), before);
}

TEST(LogDamage, AboveAllAttestedOffsetsIsCut) {
  ThreeBatches rig(1);
  flip_bit(rig.disk, rig.path, rig.batches[1].position + kBatchHeaderBytes + 5);
  rig.must_open();
  EXPECT_EQ(rig.recovered, rig.ends[0]);
  EXPECT_EQ(rig.log->stats().cut_bytes, rig.ends[2] - rig.ends[0]);
}

TEST(LogDamage, ASealVouchesForTheLastBatch) {
  Rig rig(1);
  rig.must_open();
  rig.append_any(100);
  ASSERT_TRUE(rig.log->close().ok());
  rig.log.reset();
  flip_bit(rig.disk, rig.segment_paths()[0], kSegmentHeaderBytes + kBatchHeaderBytes + 3);
  EXPECT_EQ(rig.open_failure(), Code::kCorrupt);
}

TEST(LogDamage, ALaterSegmentVouchesForAnEarlierOne) {
  Rig rig(1);
  rig.must_open();
  for (int i = 0; i < 12; ++i) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  ASSERT_GE(rig.log->stats().segment_count, 3U);
  rig.kill();
  const std::string first = rig.segment_paths()[0];
  flip_bit(rig.disk, first, batches_of(rig.disk, first).back().position + kBatchHeaderBytes);
  const Status status = rig.open();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find(first), std::string::npos);
}

TEST(LogDamage, AMissingSegmentIsNoticed) {
  Rig rig(1);
  rig.must_open();
  for (int i = 0; i < 12; ++i) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  rig.kill();
  ASSERT_TRUE(rig.disk.remove(rig.segment_paths()[1]).ok());
  EXPECT_EQ(rig.open_failure(), Code::kCorrupt);
}

TEST(LogDamage, ABadHeaderMeansNeverUsedOnlyIfNoBatchOfTheLogFollows) {
  Rig rig(1);
  rig.must_open();
  for (int i = 0; i < 6; ++i) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  rig.kill();
  const std::vector<std::string> segments = rig.segment_paths();
  ASSERT_EQ(segments.size(), 3U);  // two in use and the spare
  const std::string used = rig.disk.contents(segments[1]).value();

  flip_bit(rig.disk, segments[2], 20);  // the spare's
  rig.must_open();
  EXPECT_EQ(rig.recovered, rig.history.size());
  rig.kill();

  Rig other(1);
  other.must_open();
  other.append_any(3000);
  other.append_any(3000);  // in the second segment, written and attested by nobody
  (void)other.log->sync_all();
  other.kill();
  const std::string second = other.segment_paths()[1];
  ASSERT_FALSE(batches_of(other.disk, second).empty());
  flip_bit(other.disk, second, 20);
  const Status status = other.open();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kCorrupt);
  EXPECT_NE(status.error().message.find(second), std::string::npos);
}

TEST(LogDamage, ARecycledSpareWithABadHeaderIsNeverUsedThoughOldBatchesLieInIt) {
  Rig rig(1);
  rig.must_open();
  for (int i = 0; i < 12; ++i) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  rig.options.checkpoint = rig.history.size();
  ASSERT_TRUE(rig.log->release_below(rig.history.size()).ok());
  while (rig.log->stats().segment_count < 2) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  rig.kill();
  const std::string spare = rig.segment_paths().back();
  const std::string bytes = rig.disk.contents(spare).value();
  ASSERT_NE(bytes.find_first_not_of('\0', kSegmentHeaderBytes), std::string::npos)
      << "not recycled";
  flip_bit(rig.disk, spare, 20);
  rig.must_open();
  EXPECT_EQ(rig.recovered, rig.history.size());
}

TEST(LogDamage, ANewerVersionIsRefusedAndNotTakenForDamage) {
  ThreeBatches rig(3);
  std::string bytes = rig.disk.contents(rig.path).value();
  SegmentHeader header;
  ASSERT_EQ(decode(bytes, header), HeaderState::kGood);
  header.version = 2;
  seal(header);
  bytes.replace(0, kSegmentHeaderBytes, bytes_of(header));
  rig.disk.put(rig.path, bytes);
  EXPECT_EQ(rig.open_failure(), Code::kInvalid);

  ThreeBatches flagged(3);
  bytes = flagged.disk.contents(flagged.path).value();
  BatchHeader batch = flagged.batches[2].header;
  const std::uint64_t position = flagged.batches[2].position;
  batch.flags = 1;
  const std::string payload = bytes.substr(position + kBatchHeaderBytes, batch.payload_bytes);
  const Bytes parts[] = {payload};
  seal(batch, parts);
  bytes.replace(position, kBatchHeaderBytes, bytes_of(batch));
  flagged.disk.put(flagged.path, bytes);
  EXPECT_EQ(flagged.open_failure(), Code::kInvalid);
}

// One flipped bit anywhere: either everything that others vouch for is there, or the start refuses.
TEST(LogDamage, NoFlippedBitLosesWhatWasVouchedForInSilence) {
  int refused = 0;
  int cut = 0;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    Rig original(seed);
    original.must_open();
    for (int i = 0; i < 25; ++i) {
      original.append_any(50 + 60 * static_cast<std::size_t>(i % 7));
      original.log->write_pending();
      if (i % 5 == 4) original.log->sync_step();
    }
    original.append_any(30);
    original.log->write_pending();  // vouches for what the last sync saved
    const Offset attested = original.log->stats().synced;
    original.kill();
    for (const std::string& path : original.segment_paths()) {
      const std::string bytes = original.disk.contents(path).value();
      for (std::uint64_t position = seed; position < bytes.size(); position += 3) {
        SCOPED_TRACE(path + " byte " + std::to_string(position));
        Rig rig(seed);
        for (const std::string& other : original.segment_paths()) {
          rig.disk.put(other, original.disk.contents(other).value());
        }
        flip_bit(rig.disk, path, position);
        rig.history = original.history;
        rig.frame_ends = original.frame_ends;
        // The last batch's own flip takes its voice away.
        const Offset last_begin = original.history.size() - 40;
        const Status status = rig.open();
        if (!status.ok()) {
          EXPECT_EQ(status.error().code, Code::kCorrupt) << status.error().message;
          EXPECT_NE(status.error().message.find(path), std::string::npos) << status.error().message;
          ++refused;
          continue;
        }
        if (rig.recovered < original.history.size()) ++cut;
        EXPECT_GE(rig.recovered, std::min(attested, last_begin));
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(cut, 10);
}

/// All that a start goes by.
std::string text_of(const Result<Scan>& scanned) {
  if (!scanned.ok()) return scanned.error().message;
  const Scan& scan = scanned.value();
  std::string text;
  const auto note = [&text](const std::string& name, std::uint64_t number) {
    text += name + " " + std::to_string(number) + "\n";
  };
  note("begin", scan.begin);
  note("end", scan.end);
  note("attested", scan.attested);
  note("cut", scan.cut_bytes);
  note("batches", scan.batch_count);
  for (const FoundSegment& segment : scan.segments) {
    text += segment.path + "\n";
    note("part", segment.is_part ? 1 : 0);
    if (!segment.is_part) continue;
    note("begin", segment.begin);
    note("end", segment.end);
    note("used", segment.used_bytes);
  }
  for (const UnattestedBatch& batch : scan.unattested) {
    note("unattested in", batch.segment);
    note("at", batch.position);
    note("offset", batch.offset);
    note("bytes", batch.payload_bytes);
  }
  if (scan.damage) {
    text += scan.damage->path + " " + scan.damage->reason + "\n";
    note("damage at", scan.damage->position);
    note("offset", scan.damage->offset);
  }
  return text;
}

// Several segments are read at a time. Whatever is damaged or missing, and wherever the log must go
// on, what is found does not depend on it.
TEST(LogDamage, ThreadsFindWhatOneReaderFinds) {
  int damaged_count = 0;
  int unattested_count = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rig rig(seed);
    io::Random random(seed);
    rig.options.fsync = Fsync::kEverysec;
    for (std::uint64_t life = 0; life <= random.below(3); ++life) {
      rig.must_open();
      if (HasFailure()) return;
      for (int i = 0; i < 40; ++i) {
        rig.append_any(10 + random.below(random.below(8) == 0 ? 6000 : 700));
        rig.log->write_pending();
        if (random.below(5) == 0) rig.log->sync_step();
      }
      if (random.below(4) == 0) (void)rig.log->close();
      rig.kill();
    }
    for (std::uint64_t i = random.below(3); i > 0; --i) {
      const std::vector<std::string> paths = rig.segment_paths();
      const std::string& path = paths[random.below(paths.size())];
      const std::string bytes = rig.disk.contents(path).value();
      switch (random.below(4)) {
        case 0:
          ASSERT_TRUE(rig.disk.remove(path).ok());
          break;
        case 1:
          rig.disk.put(path, bytes.substr(0, random.below(bytes.size())));
          break;
        case 2:
          flip_bit(rig.disk, path, random.below(std::min<std::size_t>(bytes.size(), 64)));
          break;
        default:
          flip_bit(rig.disk, path, random.below(bytes.size()));
      }
    }
    std::optional<Offset> checkpoint;
    if (random.below(2) == 0) checkpoint = random.below(rig.history.size());
    const auto by_one = scan(rig.disk, rig.options.folder, checkpoint, Threads::kNo);
    const auto by_some = scan(rig.disk, rig.options.folder, checkpoint, Threads::kYes);
    ASSERT_EQ(text_of(by_one), text_of(by_some));
    if (by_one.ok() && by_one.value().damage.has_value()) ++damaged_count;
    if (by_one.ok() && !by_one.value().unattested.empty()) ++unattested_count;
  }
  EXPECT_GT(damaged_count, 50);
  EXPECT_GT(unattested_count, 100);
}

// A cut tail lies on the disk, whole batches among it, with offsets that the log then uses again.
TEST(LogDamage, ACutTailNeverComesBack) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rig rig(seed);
    io::Random random(seed);
    rig.options.fsync = Fsync::kNo;  // nothing vouched for, so all can be cut
    for (int life = 0; life < 5; ++life) {
      rig.must_open();
      if (HasFailure()) return;
      std::vector<Offset> ends;
      for (int i = 0; i < 8; ++i) {
        ends.push_back(rig.append_any(100));  // of the same size, so that offsets meet again
        rig.log->write_pending();
        if (random.below(4) == 0) rig.log->sync_step();
      }
      rig.kill();
      // Tear one batch in the middle; those behind it stay whole.
      const std::vector<std::string> segments = rig.segment_paths();
      for (std::size_t i = segments.size(); i-- > 0;) {
        std::vector<Batch> batches = batches_of(rig.disk, segments[i]);
        // What this life copied when it began is vouched for; only what it wrote then can be torn.
        std::erase_if(batches,
                      [&](const Batch& batch) { return batch.header.offset < rig.recovered; });
        if (batches.empty()) continue;
        const Batch& torn = batches[random.below(batches.size())];
        flip_bit(rig.disk, segments[i], torn.position + kBatchHeaderBytes);
        rig.promised = 0;
        break;
      }
    }
  }
}

// The cut batches could be taken for the log's, should the file's next header be damaged. A start
// truncates them away, but a power loss may undo that.
TEST(LogDamage, ASegmentWithACutTailIsRemovedNotRecycled) {
  int tails_left = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ThreeBatches rig(1, seed);
    flip_bit(rig.disk, rig.path, rig.batches[1].position + kBatchHeaderBytes + 5);
    rig.must_open();
    rig.append_any(100);
    ASSERT_TRUE(rig.log->sync_all().ok());
    rig.lose_power();
    if (rig.disk.contents(rig.path)->size() == rig.options.segment_bytes) ++tails_left;
    rig.must_open();
    rig.append_any(100);
    ASSERT_TRUE(rig.log->sync_all().ok());
    ASSERT_TRUE(rig.log->release_below(rig.ends[0]).ok());
    EXPECT_FALSE(rig.disk.contents(rig.path).has_value());
    EXPECT_FALSE(rig.disk.contents(rig.path + kFreeSuffix).has_value());
  }
  EXPECT_GT(tails_left, 0);
}

// ---- check and repair
// -----------------------------------------------------------------------------

TEST(LogRepair, ASoundLogIsLeftAlone) {
  ThreeBatches rig(3);
  auto report = check(rig.disk, "/data/log");
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->is_sound);
  EXPECT_NE(report->text.find(rig.path + ": offsets 0 to " + std::to_string(rig.ends[2])),
            std::string::npos)
      << report->text;
  const std::vector<std::string> before = rig.disk.paths();
  ASSERT_TRUE(repair(rig.disk, "/data/log").ok());
  EXPECT_EQ(rig.disk.paths(), before);
  rig.must_open();
  EXPECT_EQ(check(rig.disk, "/data/log").error().code, Code::kBusy);
}

TEST(LogRepair, CutsAtTheDamageKeepsTheRestAsideAndTheLogGoesOn) {
  Rig rig(1);
  rig.must_open();
  for (int i = 0; i < 12; ++i) {
    rig.append_any(1000);
    ASSERT_TRUE(rig.log->sync_all().ok());
  }
  rig.kill();
  const std::string second = rig.segment_paths()[1];
  const Batch bad = batches_of(rig.disk, second)[1];
  flip_bit(rig.disk, second, bad.position + kBatchHeaderBytes);
  EXPECT_EQ(rig.open_failure(), Code::kCorrupt);
  EXPECT_FALSE(check(rig.disk, "/data/log")->is_sound);

  const std::string lost = rig.disk.contents(rig.segment_paths()[2]).value();
  const std::string lost_path = rig.segment_paths()[2] + ".cut";
  auto report = repair(rig.disk, "/data/log");
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(rig.disk.contents(lost_path), lost);
  EXPECT_NE(report->text.find(lost_path), std::string::npos) << report->text;
  EXPECT_TRUE(rig.disk.contents(second + "." + std::to_string(bad.position) + ".cut").has_value());

  rig.disk.lose_unsynced();  // the repair is durable
  EXPECT_TRUE(check(rig.disk, "/data/log")->is_sound);
  rig.promised = 0;
  for (int life = 0; life < 3; ++life) {
    rig.must_open();
    EXPECT_GE(rig.recovered, bad.header.offset);
    rig.append_any(500);
    ASSERT_TRUE(rig.log->sync_all().ok());
    rig.note_promises();
    rig.lose_power();
  }
}

TEST(LogRepair, MayBeStoppedAtAnyCallAndRepeated) {
  bool has_failed = true;
  for (std::uint64_t nth = 0; has_failed; ++nth) {
    SCOPED_TRACE("I/O number " + std::to_string(nth));
    Rig rig(nth);
    rig.must_open();
    for (int i = 0; i < 8; ++i) {
      rig.append_any(1000);
      ASSERT_TRUE(rig.log->sync_all().ok());
    }
    rig.kill();
    const std::string first = rig.segment_paths()[0];
    const Batch bad = batches_of(rig.disk, first)[1];
    flip_bit(rig.disk, first, bad.position + kBatchHeaderBytes);
    rig.disk.power_off_at(nth);
    (void)repair(rig.disk, "/data/log");
    has_failed = rig.disk.has_failed();
    rig.disk.lose_unsynced();
    ASSERT_TRUE(repair(rig.disk, "/data/log").ok());
    rig.promised = bad.header.offset;
    rig.must_open();
    EXPECT_EQ(rig.recovered, bad.header.offset);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace diskdb::log
