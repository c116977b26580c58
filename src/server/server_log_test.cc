// The two forms of the server's own log.
#include "server/server_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "server/config_load.h"

namespace diskdb::server {
namespace {

TEST(ServerLog, JsonStringsAreEscaped) {
  EXPECT_EQ(json_text("a\"b\\c\n\x01"), R"("a\"b\\c\u000a\u0001")");
  EXPECT_EQ(json_text("gr\xC3\xBC\xC3\x9F"), "\"gr\xC3\xBC\xC3\x9F\"");
  EXPECT_EQ(json_text("\xE2\x82\xAC\xF0\x9F\x98\x80"), "\"\xE2\x82\xAC\xF0\x9F\x98\x80\"");
  EXPECT_EQ(json_text("\xFF\xC3"), "\"\\ufffd\\ufffd\"");
  EXPECT_EQ(json_text("\xC0\x80"), "\"\\ufffd\\ufffd\"");
  EXPECT_EQ(json_text("\xED\xA0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
}

TEST(ServerLog, FollowsTheFormatAtOnce) {
  char path[] = "/tmp/diskdb-server-log-XXXXXX";
  ::close(::mkstemp(path));
  io::ManualClock clock;
  command::Config config;
  auto log = ServerLog::open(path, clock, config.settings());
  ASSERT_TRUE(log.ok());
  (*log)->notice("plain");
  const command::Config::Change change{"log-format", "json"};
  ASSERT_FALSE(config.set_live({&change, 1}));
  (*log)->warning("as \"JSON\"");
  const auto read = read_file(path);
  std::remove(path);
  ASSERT_TRUE(read.ok());
  const std::string& text = read.value();
  const std::string pid = std::to_string(::getpid());
  const std::size_t second = text.find('\n') + 1;
  EXPECT_TRUE(text.starts_with(pid + ":M ")) << text;
  EXPECT_TRUE(text.substr(0, second).ends_with(" * plain\n")) << text;
  EXPECT_EQ(text.substr(second), R"({"time":"2023-11-14T22:13:20.000Z","level":"warning","pid":)" +
                                     pid + R"(,"message":"as \"JSON\""})" + "\n");
}

}  // namespace
}  // namespace diskdb::server
