// The contract of store/store.h, on the simulated disk and where it matters on the machine's.
#include "store/store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "io/hooked_disk.h"
#include "io/real_disk.h"
#include "store/store_testing.h"

namespace diskdb::store {
namespace {

using testing::contents_of;
using testing::marker_at;
using testing::record_key;
using testing::Rig;

std::string value_of(Store& store, Bytes key) {
  std::string value;
  auto presence = store.get(key, Reach::kDisk, &value);
  if (!presence.ok()) return "error: " + presence.error().message;
  return *presence == Presence::kFound ? value : "absent";
}

/// All of `entries` in one checkpoint.
Status ingest_all(Store& store, const std::map<std::string, std::string>& entries) {
  TRY_LET(auto files, store.begin_files());
  for (const auto& [key, value] : entries) TRY(files->put(key, value));
  TRY(files->finish());
  return store.ingest(*files);
}

TEST(Store, HoldsWhatWasIngestedAndNothingBefore) {
  Rig rig(1);
  EXPECT_FALSE(rig.store->marker()->has_value());
  auto files = rig.store->begin_files();
  ASSERT_TRUE(files.ok());
  std::string marker;
  append_marker(marker_at(7), &marker);
  ASSERT_TRUE((*files)->put(marker_key(), marker).ok());
  ASSERT_TRUE((*files)
                  ->put("\x01"
                        "a",
                        "1")
                  .ok());
  ASSERT_TRUE((*files)
                  ->put("\x01"
                        "b",
                        "")
                  .ok());
  EXPECT_EQ((*files)->entry_count(), 3U);
  ASSERT_TRUE((*files)->finish().ok());
  EXPECT_GT((*files)->written_bytes(), 0U);
  EXPECT_EQ(value_of(*rig.store,
                     "\x01"
                     "a"),
            "absent");
  ASSERT_TRUE(rig.store->ingest(**files).ok());
  EXPECT_EQ(value_of(*rig.store,
                     "\x01"
                     "a"),
            "1");
  EXPECT_EQ(value_of(*rig.store,
                     "\x01"
                     "b"),
            "");
  EXPECT_EQ(value_of(*rig.store,
                     "\x01"
                     "c"),
            "absent");
  EXPECT_EQ((*rig.store->marker())->offset, 7U);
  EXPECT_EQ(rig.store->stats().ingest_count, 1U);
  EXPECT_EQ(rig.store->stats().file_count, 1U);
  EXPECT_GT(rig.store->stats().file_bytes, 0U);
  files->reset();
  rig.restart();
  EXPECT_EQ(value_of(*rig.store,
                     "\x01"
                     "a"),
            "1");
  EXPECT_EQ((*rig.store->marker())->offset, 7U);
}

TEST(Store, LaterCheckpointsReplaceAndErase) {
  Rig rig(1);
  ASSERT_TRUE(ingest_all(*rig.store, {{"a", "1"}, {"b", "1"}, {"c", "1"}}).ok());
  auto files = rig.store->begin_files();
  ASSERT_TRUE((*files)->put("a", "2").ok());
  ASSERT_TRUE((*files)->erase("b").ok());
  ASSERT_TRUE((*files)->erase("never").ok());
  ASSERT_TRUE((*files)->finish().ok());
  ASSERT_TRUE(rig.store->ingest(**files).ok());
  EXPECT_EQ(contents_of(*rig.store), (testing::Contents{{"a", "2"}, {"c", "1"}}));
}

TEST(Store, FilesOfErasuresOrRangesAloneWork) {
  Rig rig(1);
  testing::Contents before;
  for (Generation generation = 1; generation <= 3; ++generation) {
    for (int i = 0; i < 50; ++i) before[record_key(generation, i)] = "v";
  }
  ASSERT_TRUE(ingest_all(*rig.store, before).ok());
  auto erasures = rig.store->begin_files();
  ASSERT_TRUE((*erasures)->erase(record_key(1, 7)).ok());
  ASSERT_TRUE((*erasures)->finish().ok());
  ASSERT_TRUE(rig.store->ingest(**erasures).ok());
  auto ranges = rig.store->begin_files();
  ASSERT_TRUE((*ranges)->erase_range(record_range(2)).ok());
  ASSERT_TRUE((*ranges)->finish().ok());
  ASSERT_TRUE(rig.store->ingest(**ranges).ok());
  std::erase_if(before, [](const auto& entry) {
    return decode_record_key(entry.first)->place.generation == 2 || entry.first == record_key(1, 7);
  });
  EXPECT_EQ(contents_of(*rig.store), before);
  ASSERT_TRUE(rig.store->settle().ok());
  EXPECT_EQ(contents_of(*rig.store), before);
  rig.restart();
  EXPECT_EQ(contents_of(*rig.store), before);
}

TEST(Store, ACheckpointWithoutEntriesIsNothing) {
  Rig rig(1);
  auto files = rig.store->begin_files();
  ASSERT_TRUE((*files)->finish().ok());
  EXPECT_TRUE(rig.store->ingest(**files).ok());
  EXPECT_EQ(rig.store->stats().ingest_count, 0U);
}

// Points beside a range, in its file and in others, stay; so they do after compaction.
TEST(Store, ARangeErasesWhatIsInsideAlone) {
  for (const std::uint64_t file_bytes : {1ULL, 300ULL, 1ULL << 20U}) {
    Rig rig(1);
    rig.options.file_bytes_max = file_bytes;
    rig.restart();
    testing::Contents model;
    for (Generation generation = 1; generation <= 4; ++generation) {
      for (int i = 0; i < 30; ++i) model[record_key(generation, i)] = "old";
    }
    ASSERT_TRUE(ingest_all(*rig.store, model).ok());
    auto files = rig.store->begin_files();
    const auto put = [&](Generation generation) {
      std::set<std::string> keys;
      for (int i = 0; i < 40; i += 3) keys.insert(record_key(generation, i));
      for (const std::string& key : keys) {
        ASSERT_TRUE((*files)->put(key, "new").ok());
        model[key] = "new";
      }
    };
    put(1);
    ASSERT_TRUE((*files)->erase_range(record_range(2)).ok());
    ASSERT_TRUE((*files)->erase_range(record_range(3)).ok());
    put(4);
    ASSERT_TRUE((*files)->finish().ok());
    ASSERT_TRUE(rig.store->ingest(**files).ok());
    std::erase_if(model, [](const auto& entry) {
      const Generation generation = decode_record_key(entry.first)->place.generation;
      return generation == 2 || generation == 3;
    });
    EXPECT_EQ(contents_of(*rig.store), model) << file_bytes;
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(ingest_all(*rig.store, {{record_key(9, i), "x"}, {record_key(1, 1), "x"}}).ok());
      model[record_key(9, i)] = model[record_key(1, 1)] = "x";
    }
    ASSERT_TRUE(rig.store->settle().ok());
    EXPECT_EQ(contents_of(*rig.store), model) << file_bytes;
  }
}

TEST(Store, CutsFilesAtTheirSize) {
  Rig rig(1);
  rig.options.file_bytes_max = 10'000;
  rig.options.compresses = false;
  rig.options.level0_files_for_compaction = 1000;
  rig.restart();
  testing::Contents model;
  for (int i = 0; i < 100; ++i) model[record_key(1, i)] = std::string(1000, 'v');
  ASSERT_TRUE(ingest_all(*rig.store, model).ok());
  EXPECT_GE(rig.store->stats().file_count, 7U);
  EXPECT_LE(rig.store->stats().file_count, 12U);
  EXPECT_EQ(contents_of(*rig.store), model);
}

TEST(Store, ReadsOfMemoryDoNoIo) {
  Rig rig(1);
  rig.options.level0_files_for_compaction = 1000;
  rig.restart();
  testing::Contents model;
  for (int i = 0; i < 1000; ++i) model[record_key(1, i)] = "v" + std::to_string(i);
  ASSERT_TRUE(ingest_all(*rig.store, model).ok());
  rig.restart();
  EXPECT_GT(rig.store->stats().table_reader_bytes, 0U);
  const std::uint64_t calls = rig.disk.call_count();
  std::string value;
  EXPECT_EQ(rig.store->get(record_key(1, 5), Reach::kMemory, &value).value(), Presence::kUnknown);
  int absent_count = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto presence = rig.store->get(record_key(1, 5000 + i), Reach::kMemory, &value);
    ASSERT_NE(presence.value(), Presence::kFound);
    absent_count += presence.value() == Presence::kAbsent ? 1 : 0;
  }
  EXPECT_GT(absent_count, 950);
  EXPECT_EQ(rig.disk.call_count(), calls);
  EXPECT_EQ(rig.store->get(record_key(1, 5), Reach::kDisk, &value).value(), Presence::kFound);
  EXPECT_GT(rig.disk.call_count(), calls);
  EXPECT_EQ(rig.store->get(record_key(1, 5), Reach::kMemory, &value).value(), Presence::kFound);
  EXPECT_EQ(value, "v5");
}

// Expiry entries are as many as records, and nobody asks whether there is one.
TEST(Store, FiltersHoldWhatIsLookedUp) {
  constexpr int kCount = 4000;
  const auto reader_bytes = [](const auto& key_of) {
    Rig rig(1);
    testing::Contents model;
    for (int i = 0; i < kCount; ++i) model[key_of(i)] = "v";
    EXPECT_TRUE(ingest_all(*rig.store, model).ok());
    EXPECT_EQ(contents_of(*rig.store), model);
    EXPECT_EQ(value_of(*rig.store, key_of(7)), "v");
    return rig.store->stats().table_reader_bytes;
  };
  const auto expiry_key = [](int i) {
    std::string key;
    encode_expiry_key(1, Millis{i}, 5, "key", &key);
    return key;
  };
  const std::uint64_t of_records = reader_bytes([](int i) { return record_key(1, i); });
  EXPECT_GT(of_records, reader_bytes(expiry_key) + kCount);
}

TEST(Store, ReadsManyKeysAtOnce) {
  Rig rig(1);
  testing::Contents model;
  for (int i = 0; i < 500; i += 2) model[record_key(1, i)] = std::to_string(i);
  ASSERT_TRUE(ingest_all(*rig.store, model).ok());
  std::vector<std::string> keys;
  for (int i = 0; i < 500; ++i) keys.push_back(record_key(1, i));
  std::sort(keys.begin(), keys.end());
  const std::vector<Bytes> views(keys.begin(), keys.end());
  testing::Contents found;
  ASSERT_TRUE(
      rig.store
          ->get_many(views, [&](std::size_t index, Bytes value) { found[keys.at(index)] = value; })
          .ok());
  EXPECT_EQ(found, model);
  EXPECT_TRUE(rig.store->get_many({}, [](std::size_t, Bytes) { FAIL(); }).ok());
}

TEST(Store, ScansItsRangeInOrderUntilToldToStop) {
  Rig rig(1);
  ASSERT_TRUE(ingest_all(*rig.store, {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}).ok());
  std::string seen;
  const auto visit = [&](Bytes key, Bytes value) {
    seen += std::string(key) + "=" + std::string(value) + " ";
    return key != "c";
  };
  ASSERT_TRUE(rig.store->scan("b", "d", visit).ok());
  EXPECT_EQ(seen, "b=2 c=3 ");
  seen.clear();
  ASSERT_TRUE(rig.store->scan("a", "z", visit).ok());
  EXPECT_EQ(seen, "a=1 b=2 c=3 ");
}

TEST(Store, ForgetsFilesThatWereNotIngested) {
  Rig rig(1);
  {
    auto files = rig.store->begin_files();
    ASSERT_TRUE((*files)->put("a", "1").ok());
    ASSERT_TRUE((*files)->finish().ok());
    EXPECT_EQ(rig.disk.list("/db/staging")->size(), 1U);
  }
  EXPECT_TRUE(rig.disk.list("/db/staging")->empty());
  rig.disk.put("/db/staging/1.sst", "stale");
  auto files = rig.store->begin_files();
  EXPECT_TRUE(rig.disk.list("/db/staging")->empty());
  files->reset();
  rig.disk.put("/db/staging/1.sst", "stale");
  rig.restart();
  EXPECT_TRUE(rig.disk.list("/db/staging")->empty());
  EXPECT_TRUE(contents_of(*rig.store).empty());
}

TEST(Store, IsOnePerFolder) {
  Rig rig(1);
  EXPECT_EQ(Store::open(rig.disk, rig.options).error().code, Code::kBusy);
}

TEST(Store, DoesNotBeginAnewWhereTablesLieAbout) {
  Rig rig(1);
  ASSERT_TRUE(ingest_all(*rig.store, {{"a", "1"}}).ok());
  rig.store.reset();
  ASSERT_TRUE(rig.disk.remove("/db/CURRENT").ok());
  EXPECT_EQ(Store::open(rig.disk, rig.options).error().code, Code::kCorrupt);
}

TEST(Store, SaysSoWhenATableIsBad) {
  Rig rig(1);
  rig.options.compresses = false;
  rig.restart();
  ASSERT_TRUE(ingest_all(*rig.store, {{"a", std::string(1000, 'x')}}).ok());
  rig.store.reset();
  for (const std::string& path : rig.disk.paths()) {
    if (!path.ends_with(".sst")) continue;
    std::string bytes = *rig.disk.contents(path);
    bytes[500] = 'y';
    rig.disk.put(path, bytes);
  }
  rig.restart();
  std::string value;
  EXPECT_EQ(rig.store->get("a", Reach::kDisk, &value).error().code, Code::kCorrupt);
  EXPECT_EQ(rig.store->scan("a", "b", [](Bytes, Bytes) { return true; }).error().code,
            Code::kCorrupt);
}

// A start leaves it to the log to say whether it holds everything; a running store knows better.
TEST(Store, WithoutTablesAStartIsEmptyAndAReopenRefuses) {
  Rig rig(1);
  ASSERT_TRUE(rig.checkpoint(10));
  for (const std::string& path : rig.disk.paths()) {
    if (!path.ends_with(".sst")) continue;
    ASSERT_TRUE(rig.disk.remove(path).ok());
  }
  EXPECT_EQ(rig.store->reopen().error().code, Code::kCorrupt);
  rig.restart();
  EXPECT_FALSE(rig.store->marker()->has_value());
  EXPECT_TRUE(contents_of(*rig.store).empty());
}

TEST(Store, CompactsWhatPilesUpAndTellsHowFarBehindItIs) {
  Rig rig(1);
  rig.options.level0_files_for_compaction = 2;
  rig.restart();
  EXPECT_EQ(rig.store->pressure(), 0);
  io::Random random(1);
  testing::Contents model;
  for (int round = 0; round < 30; ++round) {
    testing::Contents entries;
    for (int i = 0; i < 50; ++i)
      entries[record_key(1, static_cast<int>(random.below(500)))] = std::to_string(round);
    ASSERT_TRUE(ingest_all(*rig.store, entries).ok());
    for (const auto& [key, value] : entries) model[key] = value;
  }
  ASSERT_TRUE(rig.store->settle().ok());
  EXPECT_LT(rig.store->stats().level0_file_count, 2U);
  EXPECT_GT(rig.store->stats().compaction_written_bytes, 0U);
  EXPECT_EQ(contents_of(*rig.store), model);
}

// Ingesting goes on while compaction is held up, and pressure tells how bad it is.
TEST(Store, PressureGrowsWithWhatWaitsForCompactionAndFallsAgain) {
  Rig rig(1, /*opens=*/false);
  rig.options.level0_files_for_compaction = 2;
  std::atomic<bool> holds{false};
  const std::thread::id self = std::this_thread::get_id();
  io::HookedDisk disk(rig.disk, [&] {
    if (std::this_thread::get_id() != self) holds.wait(true);
  });
  auto store = std::move(*Store::open(disk, rig.options));
  EXPECT_EQ(store->pressure(), 0);
  holds = true;
  double last = 0;
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(ingest_all(*store, {{"a", std::to_string(round)}, {"z", "x"}}).ok());
    EXPECT_GE(store->pressure(), last);
    last = store->pressure();
    if (round == 3) {
      EXPECT_EQ(last, 0);
    }
    if (round == 9) {
      EXPECT_GT(last, 0.3);
      EXPECT_LT(last, 0.7);
    }
  }
  EXPECT_EQ(last, 1);
  EXPECT_GE(store->stats().level0_file_count, 16U);
  holds = false;
  holds.notify_all();
  ASSERT_TRUE(store->settle().ok());
  EXPECT_EQ(store->pressure(), 0);
  EXPECT_EQ(value_of(*store, "a"), "19");
}

// A reader of memory does not wait for a slow disk.
TEST(Store, ReadsOfMemoryDoNotWaitForAReopen) {
  Rig rig(1, /*opens=*/false);
  std::atomic<bool> holds{false};
  std::atomic<bool> is_held{false};
  io::HookedDisk disk(rig.disk, [&] {
    if (!holds) return;
    is_held = true;
    is_held.notify_all();
    holds.wait(true);
  });
  auto store = std::move(*Store::open(disk, rig.options));
  ASSERT_TRUE(ingest_all(*store, {{"a", "1"}}).ok());
  holds = true;
  std::thread reopening([&] { EXPECT_TRUE(store->reopen().ok()); });
  is_held.wait(false);
  std::string value;
  EXPECT_EQ(store->get("a", Reach::kMemory, &value).value(), Presence::kUnknown);
  EXPECT_EQ(store->pressure(), 1);
  EXPECT_EQ(store->stats().file_count, 0U);
  std::thread reading([&] { EXPECT_EQ(value_of(*store, "a"), "1"); });
  holds = false;
  holds.notify_all();
  reopening.join();
  reading.join();
}

TEST(Store, ReopensUnderReaders) {
  Rig rig(1);
  testing::Contents model;
  for (int i = 0; i < 200; ++i) model[record_key(1, i)] = "v";
  ASSERT_TRUE(ingest_all(*rig.store, model).ok());
  std::atomic<bool> stops{false};
  std::atomic<int> wrong{0};
  std::atomic<int> read_count{0};
  std::vector<std::thread> readers;
  for (int thread = 0; thread < 3; ++thread) {
    readers.emplace_back([&, thread] {
      io::Random random(thread);
      std::string value;
      while (!stops) {
        const std::string key = record_key(1, static_cast<int>(random.below(200)));
        const Reach reach = thread == 0 ? Reach::kMemory : Reach::kDisk;
        auto presence = rig.store->get(key, reach, &value);
        if (!presence.ok() || *presence == Presence::kAbsent) ++wrong;
        if (thread == 1 && contents_of(*rig.store).size() != 200) ++wrong;
        (void)rig.store->stats();
        (void)rig.store->pressure();
        ++read_count;
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(rig.store->reopen().ok());
  while (read_count < 100) std::this_thread::yield();
  stops = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(rig.store->stats().reopen_count, 20U);
}

TEST(Store, ReadsFailUntilAReopenSucceeds) {
  Rig rig(1);
  ASSERT_TRUE(rig.checkpoint(20));
  rig.disk.power_off_at(0);
  EXPECT_FALSE(rig.store->reopen().ok());
  EXPECT_TRUE(rig.store->needs_reopen());
  std::string value;
  EXPECT_EQ(rig.store->get("a", Reach::kDisk, &value).error().code, Code::kIo);
  EXPECT_EQ(rig.store->get("a", Reach::kMemory, &value).value(), Presence::kUnknown);
  EXPECT_EQ(rig.store->scan("a", "b", [](Bytes, Bytes) { return true; }).error().code, Code::kIo);
  EXPECT_EQ(rig.store->marker().error().code, Code::kIo);
  EXPECT_EQ(rig.store->pressure(), 1);
  rig.disk.heal();
  ASSERT_TRUE(rig.store->reopen().ok());
  EXPECT_FALSE(rig.store->needs_reopen());
  rig.check();
}

TEST(Store, AFullDiskRefusesTheCheckpointAndNothingElse) {
  Rig rig(1);
  rig.options.ballast_bytes = 100'000;
  rig.restart();
  ASSERT_TRUE(rig.checkpoint(50));
  rig.disk.set_free_bytes(2000);
  auto files = rig.store->begin_files();
  Status status;
  for (int i = 0; status.ok() && i < 10'000; ++i) {
    status = (*files)->put("\x03" + std::to_string(10'000 + i), std::string(100, 'x'));
  }
  if (status.ok()) status = (*files)->finish();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kNoSpace);
  files->reset();
  rig.check();
  // What has been written can be ingested though there is no room: the ballast makes it.
  auto small = rig.store->begin_files();
  ASSERT_TRUE(small.ok());
  ASSERT_TRUE((*small)
                  ->put("\x03"
                        "a",
                        "1")
                  .ok());
  ASSERT_TRUE((*small)->finish().ok());
  rig.disk.set_free_bytes(0);
  ASSERT_TRUE(rig.store->ingest(**small).ok());
  small->reset();
  EXPECT_EQ(value_of(*rig.store,
                     "\x03"
                     "a"),
            "1");
  rig.disk.set_free_bytes(10'000'000);
  ASSERT_TRUE(ingest_all(*rig.store, {{"\x03"
                                       "a",
                                       "2"}})
                  .ok());
  EXPECT_EQ(value_of(*rig.store,
                     "\x03"
                     "a"),
            "2");
  EXPECT_EQ(rig.disk.file_size("/db/ballast").value(), 100'000U);
}

TEST(Store, AFullDiskWithoutBallastFailsTheIngestWithNoSpace) {
  Rig rig(1);
  rig.options.ballast_bytes = 0;
  rig.restart();
  ASSERT_TRUE(rig.checkpoint(50));
  auto files = rig.store->begin_files();
  ASSERT_TRUE((*files)
                  ->put("\x03"
                        "a",
                        "1")
                  .ok());
  ASSERT_TRUE((*files)->finish().ok());
  rig.disk.set_free_bytes(0);
  const Status status = rig.store->ingest(**files);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kNoSpace);
  EXPECT_TRUE(rig.store->needs_reopen());
  files->reset();
  rig.disk.set_free_bytes(10'000'000);
  ASSERT_TRUE(rig.store->reopen().ok());
  rig.check();
  ASSERT_TRUE(rig.checkpoint(20));
  rig.check();
}

TEST(Store, WorksOnTheMachinesDisk) {
  std::string folder = std::filesystem::temp_directory_path() / "diskdb-store-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  io::RealDisk disk;
  Options options;
  options.folder = folder + "/db";
  options.ballast_bytes = 10'000;
  for (int round = 0; round < 3; ++round) {
    auto store = Store::open(disk, options);
    ASSERT_TRUE(store.ok()) << store.error().message;
    EXPECT_EQ(value_of(**store, "a"), round == 0 ? "absent" : std::to_string(round - 1));
    ASSERT_TRUE(ingest_all(**store, {{"a", std::to_string(round)}, {"b", "x"}}).ok());
    EXPECT_EQ(value_of(**store, "a"), std::to_string(round));
    ASSERT_TRUE((*store)->reopen().ok());
    EXPECT_EQ(value_of(**store, "a"), std::to_string(round));
    EXPECT_TRUE(disk.list(options.folder + "/staging")->empty());
    EXPECT_EQ(disk.file_size(options.folder + "/ballast").value(), 10'000U);
  }
  auto names = disk.list(options.folder);
  for (const std::string& name : *names) {
    EXPECT_EQ(name.find("LOG"), std::string::npos) << name;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace diskdb::store
