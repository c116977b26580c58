// What RocksDB relies on of its file system and what we rely on of it: errors keep their meaning,
// a written file replaces the old one, and a staged file that could not be read is not linked.
#include "store/file_system.h"

#include <gtest/gtest.h>

#include "io/sim_disk.h"
#include "store/status.h"

namespace diskdb::store {
namespace {

using rocksdb::FileOptions;
using rocksdb::IOOptions;
using Phase = StagedReads::Phase;

struct StoreFileSystem : public ::testing::Test {
  StoreFileSystem() : disk(1), files(disk, "/db/staging") {
    EXPECT_TRUE(disk.make_folder("/db").ok());
    disk.put("/db/staging/1.sst", std::string(100, 'x'));
  }
  std::unique_ptr<rocksdb::FSRandomAccessFile> open(const std::string& path) {
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    EXPECT_TRUE(files.NewRandomAccessFile(path, FileOptions(), &file, nullptr).ok());
    return file;
  }
  rocksdb::IOStatus read(rocksdb::FSRandomAccessFile& file, std::uint64_t offset) {
    char scratch[10];
    rocksdb::Slice result;
    return file.Read(offset, sizeof(scratch), IOOptions(), &result, scratch, nullptr);
  }
  rocksdb::IOStatus link() {
    return files.LinkFile("/db/staging/1.sst", "/db/9.sst", IOOptions(), nullptr);
  }

  io::SimDisk disk;
  FileSystem files;
};

TEST_F(StoreFileSystem, ErrorsKeepTheirMeaning) {
  EXPECT_TRUE(foreign(Status(Code::kNoSpace, "x")).IsNoSpace());
  EXPECT_TRUE(foreign(Status(Code::kNotFound, "x")).IsPathNotFound());
  EXPECT_TRUE(foreign(Status(Code::kBusy, "x")).IsBusy());
  EXPECT_TRUE(foreign(Status(Code::kIo, "x")).IsIOError());
  for (const Code code : {Code::kNoSpace, Code::kBusy, Code::kIo})
    EXPECT_EQ(translate(foreign(Status(code, "x"))).code, code);
  EXPECT_EQ(translate(rocksdb::Status::Corruption("x")).code, Code::kCorrupt);
  EXPECT_EQ(translate(rocksdb::Status::InvalidArgument("x")).code, Code::kInvalid);
  EXPECT_TRUE(files.FileExists("/db/none", IOOptions(), nullptr).IsNotFound());
  EXPECT_TRUE(files.FileExists("/db/staging/1.sst", IOOptions(), nullptr).ok());
}

TEST_F(StoreFileSystem, NotesMissingTablesAndNothingElse) {
  std::uint64_t bytes = 0;
  EXPECT_FALSE(files.GetFileSize("/db/CURRENT", IOOptions(), &bytes, nullptr).ok());
  disk.fail_at(0);
  EXPECT_FALSE(files.GetFileSize("/db/7.sst", IOOptions(), &bytes, nullptr).ok());
  EXPECT_FALSE(files.misses_tables());
  EXPECT_FALSE(files.GetFileSize("/db/7.sst", IOOptions(), &bytes, nullptr).ok());
  EXPECT_TRUE(files.misses_tables());
  files.forget_missing_tables();
  EXPECT_FALSE(files.misses_tables());
}

TEST_F(StoreFileSystem, AWrittenFileReplacesTheOldOneButNotUnderItsOtherNames) {
  disk.put("/db/a", "old");
  disk.link("/db/a", "/backup/a");
  std::unique_ptr<rocksdb::FSWritableFile> file;
  ASSERT_TRUE(files.NewWritableFile("/db/a", FileOptions(), &file, nullptr).ok());
  ASSERT_TRUE(file->Append("ne", IOOptions(), nullptr).ok());
  ASSERT_TRUE(file->Append("w", IOOptions(), nullptr).ok());
  EXPECT_EQ(file->GetFileSize(IOOptions(), nullptr), 3U);
  EXPECT_EQ(disk.contents("/db/a"), "new");
  EXPECT_EQ(disk.contents("/backup/a"), "old");
  ASSERT_TRUE(files.ReopenWritableFile("/db/a", FileOptions(), &file, nullptr).ok());
  ASSERT_TRUE(file->Append("er", IOOptions(), nullptr).ok());
  EXPECT_EQ(disk.contents("/db/a"), "newer");
}

// RocksDB makes a MANIFEST and lets CURRENT name it before the folder is synced.
TEST_F(StoreFileSystem, ARenameMakesTheNamesBeforeItDurable) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    io::SimDisk other(seed);
    FileSystem system(other, "/db/staging");
    ASSERT_TRUE(other.make_folder("/db").ok());
    ASSERT_TRUE(other.open("/db/MANIFEST-1", io::OpenMode::kCreate).ok());
    ASSERT_TRUE(other.open("/db/1.dbtmp", io::OpenMode::kCreate).ok());
    ASSERT_TRUE(system.RenameFile("/db/1.dbtmp", "/db/CURRENT", IOOptions(), nullptr).ok());
    other.lose_unsynced();
    EXPECT_TRUE(other.contents("/db/MANIFEST-1").has_value());
  }
}

TEST_F(StoreFileSystem, HandsOutWhatItRemembers) {
  const auto file = open("/db/staging/1.sst");
  files.staged_reads().enter(Phase::kRemembers);
  EXPECT_TRUE(read(*file, 40).ok());
  files.staged_reads().enter(Phase::kHandsOut);
  disk.power_off_at(0);
  EXPECT_TRUE(read(*file, 40).ok());
  EXPECT_FALSE(read(*file, 60).ok());
  disk.heal();
  files.staged_reads().enter(Phase::kIdle);
  disk.power_off_at(0);
  EXPECT_FALSE(read(*file, 40).ok());
}

TEST_F(StoreFileSystem, DoesNotLinkWhatCouldNotBeRead) {
  const auto file = open("/db/staging/1.sst");
  files.staged_reads().enter(Phase::kHandsOut);
  disk.fail_at(0);
  EXPECT_FALSE(read(*file, 60).ok());
  EXPECT_TRUE(read(*file, 60).ok());
  EXPECT_FALSE(link().ok());
  files.staged_reads().enter(Phase::kIdle);
  EXPECT_TRUE(link().ok());
}

}  // namespace
}  // namespace diskdb::store
