#include "log/log.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "io/real_disk.h"

namespace diskdb::log {
namespace {

class Collector final : public Replay {
 public:
  Status replay(Bytes payload, Offset at) override {
    EXPECT_EQ(at, text.size());
    text += payload;
    return Status::okay();
  }
  std::string text;
};

TEST(LogOnRealDisk, KeepsWhatWasWritten) {
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
    expected += "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    for (int i = 0; i < 20'000; ++i) {
      const std::string frame =
          "frame " + std::to_string(round) + "/" + std::to_string(i) + " " + std::string(100, 'x');
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

}  // namespace
}  // namespace diskdb::log
