// One contract, two disks: what io/file.h promises holds for the machine's disk and the simulated
// one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "io/hooked_disk.h"
#include "io/real_disk.h"
#include "io/sim_disk.h"

namespace diskdb::io {
namespace {

Status write(File& file, std::uint64_t offset, Bytes bytes) {
  const Bytes parts[] = {bytes};
  return file.write_at(offset, parts);
}

std::string read_all(File& file) {
  auto size = file.size();
  std::string text(size.value() + 10, '?');
  auto got = file.read_at(0, {text.data(), text.size()});
  text.resize(got.value());
  return text;
}

class AnyDisk : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      root_ = std::filesystem::temp_directory_path() / "diskdb-io-test-XXXXXX";
      ASSERT_NE(::mkdtemp(root_.data()), nullptr);
      disk_ = std::make_unique<RealDisk>();
    } else {
      disk_ = std::make_unique<SimDisk>(1);
    }
    folder_ = root_ + "/some/folder";
    ASSERT_TRUE(disk_->make_folder(folder_).ok());
  }
  void TearDown() override {
    if (GetParam()) std::filesystem::remove_all(root_);
  }
  std::unique_ptr<File> open(const std::string& name, OpenMode mode) {
    auto file = disk_->open(folder_ + "/" + name, mode);
    EXPECT_TRUE(file.ok()) << file.error().message;
    return std::move(file.value());
  }

  std::string root_ = "/sim";
  std::string folder_;
  std::unique_ptr<Disk> disk_;
};
INSTANTIATE_TEST_SUITE_P(Io, AnyDisk, testing::Bool(),
                         [](const auto& param) { return param.param ? "Real" : "Simulated"; });

TEST_P(AnyDisk, WritesManyPartsAndReadsThemBack) {
  auto file = open("a", OpenMode::kCreate);
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 200; ++i)
    texts.push_back(std::string(i % 7, static_cast<char>('a' + i % 26)));
  for (const std::string& text : texts) expected += text;
  const std::vector<Bytes> parts(texts.begin(), texts.end());
  ASSERT_TRUE(file->write_at(3, parts).ok());
  EXPECT_EQ(read_all(*file), std::string(3, '\0') + expected);
  EXPECT_TRUE(file->sync().ok());
}

TEST_P(AnyDisk, ReadsFewerBytesOnlyAtTheEnd) {
  auto file = open("a", OpenMode::kCreate);
  ASSERT_TRUE(write(*file, 0, "12345").ok());
  char buffer[4];
  EXPECT_EQ(file->read_at(0, buffer).value(), 4U);
  EXPECT_EQ(file->read_at(3, buffer).value(), 2U);
  EXPECT_EQ(file->read_at(5, buffer).value(), 0U);
  EXPECT_EQ(file->read_at(99, buffer).value(), 0U);
}

TEST_P(AnyDisk, AllocatesZerosAndKeepsWhatIsThere) {
  auto file = open("a", OpenMode::kCreate);
  ASSERT_TRUE(write(*file, 0, "abc").ok());
  ASSERT_TRUE(file->allocate(10'000).ok());
  EXPECT_EQ(read_all(*file), "abc" + std::string(9'997, '\0'));
  ASSERT_TRUE(file->allocate(10).ok());
  EXPECT_EQ(file->size().value(), 10'000U);
  ASSERT_TRUE(file->truncate(2).ok());
  EXPECT_EQ(read_all(*file), "ab");
}

TEST_P(AnyDisk, TellsMissingFromExisting) {
  EXPECT_EQ(disk_->open(folder_ + "/a", OpenMode::kRead).error().code, Code::kNotFound);
  EXPECT_EQ(disk_->open(folder_ + "/a", OpenMode::kWrite).error().code, Code::kNotFound);
  EXPECT_EQ(disk_->remove(folder_ + "/a").error().code, Code::kNotFound);
  EXPECT_EQ(disk_->rename(folder_ + "/a", folder_ + "/b").error().code, Code::kNotFound);
  open("a", OpenMode::kCreate);
  EXPECT_EQ(disk_->open(folder_ + "/a", OpenMode::kCreate).error().code, Code::kIo);
  open("a", OpenMode::kWrite);
}

TEST_P(AnyDisk, AHardLinkIsASecondNameOfTheSameFile) {
  auto file = open("a", OpenMode::kCreate);
  ASSERT_TRUE(write(*file, 0, "before").ok());
  ASSERT_TRUE(disk_->hard_link(folder_ + "/a", folder_ + "/b").ok());
  ASSERT_TRUE(write(*file, 6, ", after").ok());
  EXPECT_EQ(disk_->link_count(folder_ + "/a").value(), 2U);
  EXPECT_EQ(disk_->hard_link(folder_ + "/a", folder_ + "/b").error().code, Code::kIo);
  EXPECT_EQ(disk_->hard_link(folder_ + "/c", folder_ + "/d").error().code, Code::kNotFound);
  ASSERT_TRUE(disk_->remove(folder_ + "/a").ok());
  EXPECT_EQ(read_all(*open("b", OpenMode::kRead)), "before, after");
  EXPECT_EQ(disk_->link_count(folder_ + "/b").value(), 1U);
  EXPECT_EQ(disk_->file_size(folder_ + "/b").value(), 13U);
  EXPECT_EQ(disk_->file_size(folder_ + "/a").error().code, Code::kNotFound);
}

TEST_P(AnyDisk, ListsRenamesAndRemoves) {
  ASSERT_TRUE(write(*open("b", OpenMode::kCreate), 0, "of b").ok());
  open("c", OpenMode::kCreate);
  open("a", OpenMode::kCreate);
  EXPECT_EQ(disk_->list(folder_).value(), (std::vector<std::string>{"a", "b", "c"}));
  ASSERT_TRUE(disk_->rename(folder_ + "/b", folder_ + "/c").ok());
  ASSERT_TRUE(disk_->remove(folder_ + "/a").ok());
  ASSERT_TRUE(disk_->sync_folder(folder_).ok());
  EXPECT_EQ(disk_->list(folder_).value(), (std::vector<std::string>{"c"}));
  EXPECT_EQ(read_all(*open("c", OpenMode::kRead)), "of b");
  EXPECT_EQ(disk_->link_count(folder_ + "/c").value(), 1U);
  EXPECT_TRUE(disk_->make_folder(folder_).ok());
}

TEST_P(AnyDisk, LocksOnce) {
  {
    auto lock = disk_->lock(folder_ + "/lock");
    ASSERT_TRUE(lock.ok());
    EXPECT_EQ(disk_->lock(folder_ + "/lock").error().code, Code::kBusy);
  }
  EXPECT_TRUE(disk_->lock(folder_ + "/lock").ok());
}

// ---- what only the simulated disk does
// ------------------------------------------------------------

TEST(SimDisk, KeepsWhatWasSyncedAndLosesAnySubsetOfTheRest) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SimDisk disk(seed);
    ASSERT_TRUE(disk.make_folder("/d").ok());
    auto file = disk.open("/d/f", OpenMode::kCreate);
    ASSERT_TRUE(write(**file, 0, std::string(1024, 'o')).ok());
    ASSERT_TRUE((*file)->sync().ok());
    ASSERT_TRUE(disk.sync_folder("/d").ok());
    ASSERT_TRUE(write(**file, 0, std::string(1024, 'n')).ok());
    disk.lose_unsynced();
    const std::string left = disk.contents("/d/f").value();
    ASSERT_EQ(left.size(), 1024U);
    outcomes.insert({left[0], left[600]});
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"nn", "no", "on", "oo"}));
}

TEST(SimDisk, LosesUnsyncedNamesAndSizes) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimDisk disk(seed);
    ASSERT_TRUE(disk.make_folder("/d").ok());
    auto file = disk.open("/d/a", OpenMode::kCreate);
    ASSERT_TRUE((*file)->allocate(100).ok());
    ASSERT_TRUE((*file)->sync().ok());
    ASSERT_TRUE(disk.sync_folder("/d").ok());
    ASSERT_TRUE((*file)->truncate(50).ok());
    ASSERT_TRUE(disk.rename("/d/a", "/d/b").ok());
    disk.lose_unsynced();
    std::string outcome;
    for (const std::string& path : disk.paths()) {
      outcome += path + ":" + std::to_string(disk.contents(path)->size());
    }
    outcomes.insert(outcome);
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"/d/a:100", "/d/a:50", "/d/b:100", "/d/b:50"}));
}

TEST(SimDisk, AHardLinkIsDurableAfterItsFoldersSync) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk(seed);
    ASSERT_TRUE(disk.make_folder("/d").ok());
    auto file = disk.open("/d/a", OpenMode::kCreate);
    ASSERT_TRUE(disk.hard_link("/d/a", "/d/b").ok());
    ASSERT_TRUE(disk.sync_folder("/d").ok());
    ASSERT_TRUE(disk.hard_link("/d/a", "/d/c").ok());
    disk.lose_unsynced();
    std::string outcome;
    for (const std::string& path : disk.paths()) {
      outcome += path + ":" + std::to_string(disk.link_count(path).value()) + " ";
    }
    outcomes.insert(outcome);
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"/d/a:2 /d/b:2 ", "/d/a:3 /d/b:3 /d/c:3 "}));
}

TEST(HookedDisk, CallsTheHookBeforeEveryCall) {
  SimDisk disk(1);
  int count = 0;
  std::unique_ptr<File> file;
  {
    HookedDisk hooked(disk, [&] { ++count; });
    ASSERT_TRUE(hooked.make_folder("/d").ok());
    EXPECT_EQ(hooked.open("/d/a", OpenMode::kRead).error().code, Code::kNotFound);
    file = std::move(*hooked.open("/d/a", OpenMode::kCreate));
    EXPECT_EQ(hooked.list("/d").value(), std::vector<std::string>{"a"});
    EXPECT_TRUE(hooked.hard_link("/d/a", "/d/b").ok());
    EXPECT_EQ(hooked.link_count("/d/a").value(), 2U);
    EXPECT_TRUE(hooked.rename("/d/b", "/d/c").ok());
    EXPECT_TRUE(hooked.remove("/d/c").ok());
    EXPECT_TRUE(hooked.sync_folder("/d").ok());
    EXPECT_EQ(hooked.file_size("/d/a").value(), 0U);
    EXPECT_TRUE(hooked.lock("/d/lock").ok());
  }
  EXPECT_EQ(count, 11);
  EXPECT_TRUE(write(*file, 0, "abc").ok());
  EXPECT_TRUE(file->sync().ok());
  EXPECT_TRUE(file->allocate(10).ok());
  EXPECT_TRUE(file->truncate(3).ok());
  EXPECT_EQ(read_all(*file), "abc");
  EXPECT_EQ(count, 17);
  EXPECT_EQ(disk.contents("/d/a"), "abc");
}

TEST(SimDisk, AFailedSyncMayLoseBlocksForGood) {
  bool has_lost = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk(seed);
    ASSERT_TRUE(disk.make_folder("/d").ok());
    auto file = disk.open("/d/f", OpenMode::kCreate);
    ASSERT_TRUE(disk.sync_folder("/d").ok());
    ASSERT_TRUE(write(**file, 0, std::string(512, 'x')).ok());
    disk.fail_at(0);
    ASSERT_FALSE((*file)->sync().ok());
    ASSERT_TRUE((*file)->sync().ok());
    disk.lose_unsynced();
    has_lost = has_lost || disk.contents("/d/f").value() != std::string(512, 'x');
  }
  EXPECT_TRUE(has_lost);
}

TEST(SimDisk, IsFullAndGetsRoomByRemoval) {
  SimDisk disk(1);
  ASSERT_TRUE(disk.make_folder("/d").ok());
  disk.set_free_bytes(1000);
  auto file = disk.open("/d/f", OpenMode::kCreate);
  ASSERT_TRUE((*file)->allocate(600).ok());
  EXPECT_TRUE(write(**file, 0, std::string(600, 'x')).ok()) << "what is allocated can be written";
  auto other = disk.open("/d/g", OpenMode::kCreate);
  EXPECT_EQ((*other)->allocate(600).error().code, Code::kNoSpace);
  EXPECT_EQ(write(**file, 600, "x").error().code, Code::kNoSpace);
  ASSERT_TRUE(disk.remove("/d/g").ok());
  EXPECT_TRUE(write(**file, 600, std::string(400, 'x')).ok());
  ASSERT_TRUE(disk.remove("/d/f").ok());
  auto third = disk.open("/d/h", OpenMode::kCreate);
  EXPECT_TRUE((*third)->allocate(1000).ok());
}

TEST(SimDisk, FailsTheNthCallOnceAndStaysOffWithoutPower) {
  SimDisk disk(1);
  disk.fail_at(1);
  EXPECT_TRUE(disk.make_folder("/d").ok());
  EXPECT_FALSE(disk.list("/d").ok());
  EXPECT_TRUE(disk.has_failed());
  EXPECT_TRUE(disk.list("/d").ok());
  disk.power_off_at(1);
  EXPECT_TRUE(disk.list("/d").ok());
  EXPECT_FALSE(disk.list("/d").ok());
  EXPECT_FALSE(disk.list("/d").ok());
  disk.lose_unsynced();
  EXPECT_TRUE(disk.list("/d").ok());
}

TEST(SimDisk, NothingIsDoneOnceThePowerIsOff) {
  bool is_torn = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SimDisk disk(seed);
    ASSERT_TRUE(disk.make_folder("/d").ok());
    auto file = disk.open("/d/f", OpenMode::kCreate);
    disk.power_off_at(0);
    EXPECT_FALSE(write(**file, 0, "abcdefgh").ok());
    const std::string left = disk.contents("/d/f").value();
    is_torn = is_torn || !left.empty();
    EXPECT_FALSE(write(**file, 0, "12345678").ok());
    EXPECT_FALSE((*file)->allocate(100).ok());
    EXPECT_EQ(disk.contents("/d/f"), left);
    disk.heal();
    disk.power_off();
    EXPECT_TRUE(disk.has_failed());
    EXPECT_FALSE(write(**file, 0, "12345678").ok());
    EXPECT_EQ(disk.contents("/d/f"), left);
  }
  EXPECT_TRUE(is_torn);
}

TEST(Random, RepeatsFromItsSeedAndDiffersBetweenSeeds) {
  Random a(7);
  Random b(7);
  Random c(8);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t number = a.next();
    EXPECT_EQ(number, b.next());
    EXPECT_NE(number, c.next());
  }
  EXPECT_NE(entropy(), entropy());
}

}  // namespace
}  // namespace diskdb::io
