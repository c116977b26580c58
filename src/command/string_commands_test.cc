#include "command/string_commands.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command/test_server.h"
#include "io/random.h"
#include "keyspace/frame_recorder_test.h"
#include "resp/request.h"

namespace diskdb::command {
namespace {

using keyspace::FrameRecorder;
using Words = std::vector<std::string>;

// ---- Plain text: what belongs to the value

bool reads_as_options(const Words& words) {
  return set_reads_as_options(std::vector<Bytes>(words.begin(), words.end()));
}

TEST(SetReadsAsOptions, IfAllWordsBehindTheValueDo) {
  EXPECT_TRUE(reads_as_options({"SET", "k", "v", "NX"}));
  EXPECT_TRUE(reads_as_options({"SET", "k", "v", "ex", "10", "GET"}));
  EXPECT_TRUE(reads_as_options({"SET", "k", "v", "EX", "soon"}));  // EX's mistake, not the value
  EXPECT_TRUE(reads_as_options({"SET", "k", "v", "IFEQ", "old"}));
  EXPECT_FALSE(reads_as_options({"SET", "k", "two", "words"}));
  EXPECT_FALSE(reads_as_options({"SET", "k", "v", "NX", "XX"}));
  EXPECT_FALSE(reads_as_options({"SET", "k", "v", "EX"}));
  EXPECT_FALSE(reads_as_options({"SET", "k", "v", "EX", "10", "more"}));
}

// ---- What the log gets

/// The commands of all frames, each in a line.
std::vector<std::string> logged(const FrameRecorder& log) {
  std::vector<std::string> lines;
  for (const auto& frame : log.frames()) {
    const resp::ParserOptions options;
    resp::RequestParser parser(options);
    EXPECT_EQ(parser.parse(frame.bytes, 1000), resp::ParseStatus::kRequests);
    EXPECT_EQ(parser.consumed(), frame.bytes.size());
    for (const resp::Request& request : parser.requests()) {
      std::string line;
      for (const Bytes word : request.words) line.append(line.empty() ? "" : " ").append(word);
      lines.push_back(line);
    }
  }
  return lines;
}

struct LogCase {
  std::vector<Words> commands;
  std::vector<std::string> logged;
};

TEST(StringLog, HoldsWhatReplaysTheSameAtAnyTime) {
  // The clock stands at 1700000000000.
  const LogCase cases[] = {
      {{{"SET", "k", "v"}}, {"SET k v"}},
      {{{"SET", "k", "v", "EX", "10"}}, {"SET k v PXAT 1700000010000"}},
      {{{"SET", "k", "v", "NX", "GET"}}, {"SET k v"}},
      {{{"SET", "k", "v", "XX"}}, {}},
      {{{"SET", "k", "1"}, {"SET", "k", "2", "PXAT", "5"}}, {"SET k 1", "DEL k"}},
      {{{"SET", "k", "2", "PXAT", "5"}}, {}},
      {{{"SETEX", "k", "1", "v"}}, {"SET k v PXAT 1700000001000"}},
      {{{"PSETEX", "k", "1", "v"}}, {"SET k v PXAT 1700000000001"}},
      {{{"SETNX", "k", "v"}, {"SETNX", "k", "w"}}, {"SETNX k v"}},
      {{{"SETEX", "k", "1", "v"}, {"SET", "k", "w", "KEEPTTL"}},
       {"SET k v PXAT 1700000001000", "SET k w PXAT 1700000001000"}},
      {{{"MSETEX", "2", "a", "1", "b", "2", "PX", "1"}},
       {"MULTI", "SET a 1 PXAT 1700000000001", "SET b 2 PXAT 1700000000001", "EXEC"}},
      {{{"MSETNX", "a", "1", "b", "2"}, {"MSETNX", "c", "1", "b", "2"}}, {"MSETNX a 1 b 2"}},
      {{{"SET", "k", "v"}, {"GETEX", "k"}}, {"SET k v"}},
      {{{"SET", "k", "v"}, {"GETEX", "k", "EX", "1"}}, {"SET k v", "PEXPIREAT k 1700000001000"}},
      {{{"SETEX", "k", "1", "v"}, {"GETEX", "k", "PERSIST"}, {"GETEX", "k", "PERSIST"}},
       {"SET k v PXAT 1700000001000", "PERSIST k"}},
      {{{"SET", "k", "v"}, {"GETEX", "k", "EXAT", "1"}}, {"SET k v", "DEL k"}},
      {{{"SET", "k", "v"}, {"GETDEL", "k"}, {"GETDEL", "k"}}, {"SET k v", "DEL k"}},
      {{{"SET", "k", "v"}, {"DELEX", "k", "IFEQ", "w"}, {"DELEX", "k", "IFEQ", "v"}},
       {"SET k v", "DEL k"}},
      {{{"INCR", "k"}, {"DECRBY", "k", "4"}}, {"INCR k", "DECRBY k 4"}},
      {{{"INCRBYFLOAT", "k", "1.5"}}, {"SET k 1.5"}},
      {{{"SETEX", "k", "1", "1"}, {"INCRBYFLOAT", "k", "1.5"}},
       {"SET k 1 PXAT 1700000001000", "SET k 2.5 PXAT 1700000001000"}},
      {{{"INCREX", "k", "BYINT", "5", "EX", "1"}, {"INCREX", "k", "UBOUND", "5"}},
       {"SET k 5 PXAT 1700000001000"}},
      {{{"INCREX", "k"}, {"INCREX", "k", "EXAT", "1"}}, {"SET k 1", "DEL k"}},
      {{{"APPEND", "k", "v"}, {"SETRANGE", "k", "3", ""}, {"SETRANGE", "k", "3", "w"}},
       {"APPEND k v", "SETRANGE k 3 w"}},
      {{{"GETSET", "k", "v"}}, {"GETSET k v"}},
      {{{"SETBIT", "k", "3", "1"}, {"SETBIT", "k", "3", "1"}, {"GETBIT", "k", "3"}},
       {"SETBIT k 3 1"}},
      {{{"BITFIELD", "k", "SET", "u8", "0", "1"},
        {"BITFIELD", "k", "SET", "u8", "0", "1", "GET", "u8", "0"}},
       {"BITFIELD k SET u8 0 1"}},
      {{{"BITOP", "NOT", "k", "none"}, {"SET", "a", "x"}, {"BITOP", "NOT", "k", "a"}},
       {"SET a x", "BITOP NOT k a"}},
      {{{"PFADD", "k", "a"}, {"PFADD", "k", "a"}, {"PFCOUNT", "k"}, {"PFCOUNT", "k"}},
       {"PFADD k a", "PFCOUNT k"}},
      {{{"PFADD", "k", "a"}, {"PFCOUNT", "k", "l"}, {"PFMERGE", "m", "k"}},
       {"PFADD k a", "PFMERGE m k"}},
  };
  for (const LogCase& log_case : cases) {
    FrameRecorder log;
    TestServer server(&log);
    std::string what;
    for (const Words& words : log_case.commands) {
      server.run(words);
      for (const std::string& word : words) what += word + ' ';
    }
    EXPECT_EQ(logged(log), log_case.logged) << what;
  }
}

TEST(StringLog, CountsNothingInAReadWhileWritesRest) {
  FrameRecorder log;
  TestServer server(&log);
  server.run({"PFADD", "k", "a"});
  server.keyspace().is_expiry_resting = true;
  EXPECT_EQ(server.run({"PFCOUNT", "k"}), ":1\r\n");
  EXPECT_EQ(logged(log), std::vector<std::string>{"PFADD k a"});
}

// ---- Random commands

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  Words command() {
    const Words any[] = {
        {"SET", key(), value()},
        {"SET", key(), value(), word(kConditions), "GET"},
        {"SET", key(), value(), word(kExpiries), number()},
        {"SET", key(), value(), "IFNE", value(), "KEEPTTL"},
        {"SETNX", key(), value()},
        {"SETEX", key(), number(), value()},
        {"GETSET", key(), value()},
        {"GETDEL", key()},
        {"GETEX", key(), word(kExpiries), number()},
        {"GETEX", key(), "PERSIST"},
        {"MSET", key(), value(), key(), value()},
        {"MSETNX", key(), value(), key(), value()},
        {"MSETEX", "2", key(), value(), key(), value(), word(kExpiries), number()},
        {"DELEX", key(), "IFNE", value()},
        {"APPEND", key(), value()},
        {"SETRANGE", key(), number(), value()},
        {"INCR", key()},
        {"INCRBY", key(), number()},
        {"DECRBY", key(), number()},
        {"INCRBYFLOAT", key(), number()},
        {"INCREX", key(), "BYINT", number(), "UBOUND", number(), "EX", "1", "ENX"},
        {"INCREX", key(), "BYFLOAT", number(), "SATURATE", "PERSIST"},
        {"SETBIT", key(), number(), word({"0", "1", "2"})},
        {"BITOP", word({"AND", "OR", "XOR", "ONE", "DIFF", "NOT"}), key(), key(), key()},
        {"BITOP", "NOT", key(), key()},
        {"BITFIELD", key(), "OVERFLOW", word({"WRAP", "SAT", "FAIL"}), "INCRBY",
         word({"u7", "i13", "i64", "u64"}), number(), number()},
        {"PFADD", key(), value(), value()},
        {"PFCOUNT", key()},
        {"PFMERGE", key(), key(), key()},
        {"PFDEBUG", "TODENSE", key()},
        {"DEL", key()},
    };
    return any[random_.below(std::size(any))];
  }
  io::Random& random() { return random_; }

 private:
  static inline const Words kConditions{"NX", "XX"};
  static inline const Words kExpiries{"EX", "PX", "EXAT", "PXAT"};

  std::string word(const Words& words) { return words[random_.below(words.size())]; }
  std::string key() { return std::string(1, static_cast<char>('a' + random_.below(4))); }
  std::string number() {
    switch (random_.below(8)) {
      case 0:
        return "x";
      case 1:
        return "-" + std::to_string(random_.below(100));
      case 2:
        return "1.5";
      case 3:
        return "9223372036854775807";
      case 4:
        return "1700000000500";
      default:
        return std::to_string(random_.below(300));
    }
  }
  std::string value() {
    switch (random_.below(4)) {
      case 0:
        return number();
      case 1:
        return "";
      case 2:
        return std::string(random_.below(6000), 'v');
      default:
        return std::string(random_.below(40), static_cast<char>(random_.below(256)));
    }
  }

  io::Random random_;
};

/// Runs the commands of a log.
void replay(const FrameRecorder& log, TestServer& server) {
  server.keyspace().is_replaying = true;
  for (const auto& frame : log.frames()) {
    const resp::ParserOptions options;
    resp::RequestParser parser(options);
    ASSERT_EQ(parser.parse(frame.bytes, 1000), resp::ParseStatus::kRequests);
    for (const resp::Request& request : parser.requests()) {
      if (request.words[0] == "MULTI" || request.words[0] == "EXEC") continue;
      const Status status = server.replay(request.words);
      ASSERT_TRUE(status.ok()) << status.error().message;
    }
  }
}

TEST(StringCommands, RefuseWithoutChangingAnything) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    Generator generator(seed);
    TestServer server;
    int refused_count = 0;
    for (int i = 0; i < 3000; ++i) {
      const std::string before = server.digest();
      const Words words = generator.command();
      if (!server.run(words).starts_with('-')) continue;
      ++refused_count;
      ASSERT_EQ(server.digest(), before) << words[0] << " " << words[1];
    }
    EXPECT_GT(refused_count, 300);  // otherwise the generator is too well-behaved
  }
}

TEST(StringCommands, ReplayToTheSameKeyspace) {
  for (const std::uint64_t seed : {4, 5, 6}) {
    Generator generator(seed);
    FrameRecorder log;
    TestServer server(&log);
    for (int i = 0; i < 3000; ++i) {
      server.run(generator.command());
      if (generator.random().chance_percent(5)) server.clock().advance({100});
    }
    for (const char* key : {"a", "b", "c", "d"}) server.run({"GET", key});  // expired ones go
    TestServer other;
    replay(log, other);
    EXPECT_EQ(other.digest(), server.digest());
  }
}

}  // namespace
}  // namespace diskdb::command
