// What transcripts cannot say of streams: what the log says of them, who is woken by which edits,
// and that a large one answers as a model does.
#include "command/stream_commands.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "command/test_server.h"
#include "io/random.h"
#include "keyspace/frame_recorder_test.h"
#include "resp/bulk_strings_test.h"

namespace diskdb::command {
namespace {

using keyspace::FrameRecorder;
using resp::bulk_strings;
using Words = std::vector<std::string>;

/// The commands of all frames, each in a line, but for those that hold others together.
std::vector<std::string> logged(const FrameRecorder& log) {
  std::vector<std::string> lines;
  for (const auto& frame : log.frames()) {
    const resp::ParserOptions options;
    resp::RequestParser parser(options);
    Bytes left = frame.bytes;
    while (!left.empty() && parser.parse(left, 100) == resp::ParseStatus::kRequests) {
      for (const resp::Request& request : parser.requests()) {
        std::string line;
        for (const Bytes word : request.words) line.append(line.empty() ? "" : " ").append(word);
        if (line != "MULTI" && line != "EXEC") lines.push_back(line);
      }
      left.remove_prefix(parser.consumed());
    }
  }
  return lines;
}

/// Runs the log of one server in another.
void replay(const FrameRecorder& log, TestServer& server) {
  for (const std::string& line : logged(log)) {
    std::vector<Bytes> words;
    for (std::size_t at = 0; at < line.size();) {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      words.push_back(Bytes(line).substr(at, end - at));
      at = end + 1;
    }
    ASSERT_TRUE(server.replay(words).ok()) << line;
  }
}

class StreamCommands : public testing::Test {
 protected:
  std::string run(const Words& words, const std::string& client = "1") {
    return server_.run(words, client);
  }
  void add(const std::string& id, const std::string& value = "v") {
    run({"XADD", "s", id, "f", value});
  }
  /// What the last command, and those before it, left in the log.
  std::vector<std::string> last_logged(std::size_t count) {
    std::vector<std::string> lines = logged(log_);
    if (lines.size() > count) lines.erase(lines.begin(), lines.end() - std::ptrdiff_t(count));
    return lines;
  }

  FrameRecorder log_;
  TestServer server_{&log_};
};

// ---- The log

TEST_F(StreamCommands, AnEntryIsLoggedWithItsId) {
  const std::string now = std::to_string(server_.clock().wall().count);
  run({"XADD", "s", "*", "f", "v"});
  run({"XADD", "s", "*", "f", "w"});
  run({"XADD", "s", "2800000000000-*", "f", "v"});
  run({"XADD", "s", "NOMKSTREAM", "2900000000000", "f", "v"});
  EXPECT_EQ(logged(log_),
            (std::vector<std::string>{"XADD s " + now + "-0 f v", "XADD s " + now + "-1 f w",
                                      "XADD s 2800000000000-0 f v",
                                      "XADD s NOMKSTREAM 2900000000000 f v"}));
}

TEST_F(StreamCommands, AnApproximateTrimIsLoggedByWhatItLeft) {
  run({"CONFIG", "SET", "stream-node-max-entries", "10"});
  for (int i = 1; i <= 25; ++i) add(std::to_string(i));
  run({"XTRIM", "s", "MAXLEN", "~", "12"});
  EXPECT_EQ(last_logged(1).at(0), "XTRIM s MAXLEN = 15");
  run({"XADD", "s", "MAXLEN", "~", "3", "26", "f", "v"});
  EXPECT_EQ(last_logged(1).at(0), "XADD s MAXLEN = 6 26-0 f v");
  run({"XADD", "s", "MAXLEN", "~", "6", "27", "f", "v"});
  EXPECT_EQ(last_logged(1).at(0), "XADD s 27-0 f v");
}

TEST_F(StreamCommands, AReadOfAGroupIsLoggedByWhatItDid) {
  const std::string now = std::to_string(server_.clock().wall().count);
  for (const char* id : {"1", "2", "3"}) add(id);
  run({"XGROUP", "CREATE", "s", "g", "0"});
  run({"XREADGROUP", "GROUP", "g", "alice", "COUNT", "2", "STREAMS", "s", ">"});
  EXPECT_EQ(last_logged(2),
            (std::vector<std::string>{"XGROUP CREATECONSUMER s g alice",
                                      "XCLAIM s g alice 0 1-0 2-0 TIME " + now +
                                          " RETRYCOUNT 1 FORCE JUSTID LASTID 2-0 ENTRIESREAD 2"}));
  run({"XREADGROUP", "GROUP", "g", "alice", "NOACK", "STREAMS", "s", ">"});
  EXPECT_EQ(last_logged(1).at(0), "XGROUP SETID s g 3-0 ENTRIESREAD 3");
  const std::size_t count = logged(log_).size();
  run({"XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", ">"});
  EXPECT_EQ(logged(log_).size(), count) << "nothing was read";
  run({"XDEL", "s", "1"});
  run({"XCLAIM", "s", "g", "bob", "0", "1", "2"});
  EXPECT_EQ(last_logged(3), (std::vector<std::string>{
                                "XGROUP CREATECONSUMER s g bob",
                                "XCLAIM s g bob 0 2-0 TIME " + now + " RETRYCOUNT 2 FORCE JUSTID",
                                "XACK s g 1-0"}));
}

// Random commands on one server; its log makes the same streams, groups and pending entries.
TEST_F(StreamCommands, TheLogMakesTheSameGroups) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    io::Random random(seed);
    FrameRecorder log;
    TestServer server(&log);
    const auto id = [&] { return std::to_string(random.below(200)); };
    const auto who = [&] { return std::string(1, static_cast<char>('a' + random.below(3))); };
    server.run({"XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"});
    for (std::uint64_t i = 1; i < 600; ++i) {
      server.clock().advance(Millis{7});
      server.run({"XADD", "s", "MAXLEN", "~", "250", std::to_string(i), "f", std::to_string(i)});
      server.run({"XREADGROUP", "GROUP", "g", who(), "COUNT", "2", "STREAMS", "s", ">"});
      if (i % 3 == 0) server.run({"XACK", "s", "g", id(), id()});
      if (i % 5 == 0) server.run({"XCLAIM", "s", "g", who(), "100", id(), id()});
      if (i % 7 == 0) server.run({"XAUTOCLAIM", "s", "g", who(), "500", id(), "COUNT", "5"});
      if (i % 11 == 0) server.run({"XREADGROUP", "GROUP", "g", who(), "STREAMS", "s", id()});
      if (i % 13 == 0) server.run({"XDEL", "s", id(), id()});
      if (i % 17 == 0) server.run({"XNACK", "s", "g", "FAIL", "IDS", "1", id()});
      if (i % 60 == 0) server.run({"XGROUP", "DELCONSUMER", "s", "g", who()});
      if (i % 101 == 0) server.run({"XGROUP", "SETID", "s", "g", id()});
    }
    TestServer other;
    other.clock().advance(server.clock().wall() - other.clock().wall());
    other.keyspace().is_replaying = true;
    replay(log, other);
    other.keyspace().is_replaying = false;
    EXPECT_EQ(other.digest(), server.digest());
    for (const Words& question : {Words{"XPENDING", "s", "g", "-", "+", "10000"},
                                  Words{"XPENDING", "s", "g"}, Words{"XINFO", "GROUPS", "s"},
                                  Words{"XINFO", "STREAM", "s"}, Words{"XRANGE", "s", "-", "+"}}) {
      EXPECT_EQ(other.run(question), server.run(question)) << question[0] << ", seed " << seed;
    }
  }
}

// ---- Waiting

TEST_F(StreamCommands, ReadersOfAStreamAllGetTheEntry) {
  add("1");
  const Words words = {"XREAD", "BLOCK", "0", "STREAMS", "t", "s", "$", "$"};
  for (const char* client : {"a", "b", "c"}) EXPECT_EQ(run(words, client), "");
  add("2", "x");
  for (const char* client : {"a", "b", "c"}) {
    EXPECT_EQ(bulk_strings(run(words, client)), (Words{"s", "2-0", "f", "x"})) << client;
  }
  EXPECT_EQ(run(words, "a"), "") << "the next one has not come";
}

TEST_F(StreamCommands, ConsumersOfAGroupShareTheEntries) {
  run({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
  const auto words = [](const std::string& consumer) {
    return Words{"XREADGROUP", "GROUP", "g", consumer, "BLOCK", "0", "STREAMS", "s", ">"};
  };
  for (const char* client : {"a", "b"}) EXPECT_EQ(run(words(client), client), "");
  add("1");
  EXPECT_EQ(bulk_strings(run(words("a"), "a")), (Words{"s", "1-0", "f", "v"}));
  EXPECT_EQ(run(words("b"), "b"), "");
  add("2");
  EXPECT_EQ(bulk_strings(run(words("b"), "b")), (Words{"s", "2-0", "f", "v"}));
  EXPECT_EQ(bulk_strings(run({"XPENDING", "s", "g"})), (Words{"1-0", "2-0", "a", "1", "b", "1"}));
}

TEST_F(StreamCommands, ReadersOfAGroupHearThatItIsGone) {
  const Words words = {"XREADGROUP", "GROUP", "g", "a", "BLOCK", "0", "STREAMS", "s", ">"};
  const std::string no_group =
      "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
  const std::string wrong_type =
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
  const std::pair<Words, std::string> ends[] = {
      {{"XGROUP", "DESTROY", "s", "g"}, no_group},
      {{"DEL", "s"}, no_group},
      {{"SET", "s", "x"}, wrong_type},
      {{"RENAME", "s", "other"}, no_group},
      {{"RENAME", "list", "s"}, wrong_type},
      {{"FLUSHDB"}, no_group},
      {{"SWAPDB", "0", "1"}, no_group},
      {{"PEXPIREAT", "s", "1"}, no_group},
  };
  for (const auto& [end, reply] : ends) {
    run({"FLUSHALL"});
    run({"RPUSH", "list", "x"});
    run({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
    EXPECT_EQ(run(words, "a"), "");
    EXPECT_EQ(run({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"}, "b"), "");
    run(end);
    EXPECT_EQ(run(words, "a"), reply) << end[0];
    EXPECT_EQ(run({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"}, "b"), "") << "waits on";
    server_.close("b");
  }
}

TEST_F(StreamCommands, OfSeveralStreamsThatIsReadWhichChanged) {
  run({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
  run({"XGROUP", "CREATE", "t", "g", "$", "MKSTREAM"});
  const Words words = {"XREADGROUP", "GROUP", "g", "a", "BLOCK", "0",
                       "STREAMS",    "s",     "t", ">", ">"};
  EXPECT_EQ(run(words, "a"), "");
  run({"XADD", "t", "5", "f", "v"});
  EXPECT_EQ(bulk_strings(run(words, "a")), (Words{"t", "5-0", "f", "v"}));
}

}  // namespace
}  // namespace diskdb::command
