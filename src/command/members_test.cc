// Hashes and sets: what the log gets of them, that replaying it gives the same, and that scans meet
// each element once while the value grows.
#include <gtest/gtest.h>

#include <map>
#include <set>
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

/// Shows `visit` the commands of all frames.
template <typename Visit>
void for_each_logged(const FrameRecorder& log, Visit visit) {
  for (const auto& frame : log.frames()) {
    const resp::ParserOptions options;
    resp::RequestParser parser(options);
    ASSERT_EQ(parser.parse(frame.bytes, 100'000), resp::ParseStatus::kRequests);
    ASSERT_EQ(parser.consumed(), frame.bytes.size());
    for (const resp::Request& request : parser.requests()) visit(request.words);
  }
}

std::vector<std::string> logged(const FrameRecorder& log) {
  std::vector<std::string> lines;
  for_each_logged(log, [&](std::span<const Bytes> words) {
    std::string line;
    for (const Bytes word : words) line.append(line.empty() ? "" : " ").append(word);
    lines.push_back(line);
  });
  return lines;
}

struct LogCase {
  std::vector<Words> commands;
  std::vector<std::string> logged;
};

// The clock stands at 1700000000000; "wait" lets 1500 milliseconds pass.
const LogCase kLogCases[] = {
    {{{"HSET", "h", "f", "v", "g", "w"}, {"HSET", "h", "f", "v"}},
     {"HSET h f v g w", "HSET h f v"}},
    {{{"HSETNX", "h", "f", "v"}, {"HSETNX", "h", "f", "w"}}, {"HSETNX h f v"}},
    {{{"HMSET", "h", "f", "v"}, {"HDEL", "h", "x"}, {"HDEL", "h", "f", "x"}},
     {"HMSET h f v", "HDEL h f x"}},
    {{{"HINCRBY", "h", "f", "2"}, {"HINCRBYFLOAT", "h", "f", "0.5"}},
     {"HINCRBY h f 2", "HSET h f 2.5"}},
    {{{"HSET", "h", "f", "v"}, {"HGETDEL", "h", "FIELDS", "2", "f", "x"}},
     {"HSET h f v", "HDEL h f"}},
    {{{"HSET", "h", "f", "v"}, {"HEXPIRE", "h", "1", "FIELDS", "2", "f", "x"}},
     {"HSET h f v", "HPEXPIREAT h 1700000001000 FIELDS 1 f"}},
    {{{"HSET", "h", "f", "v"}, {"HEXPIREAT", "h", "1", "FIELDS", "1", "f"}},
     {"HSET h f v", "HDEL h f"}},
    {{{"HSETEX", "h", "EX", "1", "FIELDS", "1", "f", "1"}, {"HINCRBYFLOAT", "h", "f", "0.5"}},
     {"HSETEX h PXAT 1700000001000 FIELDS 1 f 1", "HSETEX h KEEPTTL FIELDS 1 f 1.5"}},
    {{{"HSETEX", "h", "EX", "1", "FIELDS", "1", "f", "1"}, {"wait"}, {"HINCRBY", "h", "f", "1"}},
     {"HSETEX h PXAT 1700000001000 FIELDS 1 f 1", "MULTI", "HDEL h f", "HINCRBY h f 1", "EXEC"}},
    {{{"HSETEX", "h", "EX", "1", "FIELDS", "1", "f", "1"}, {"wait"}, {"HDEL", "h", "f"}},
     {"HSETEX h PXAT 1700000001000 FIELDS 1 f 1", "HDEL h f"}},
    {{{"HSETEX", "h", "EX", "9", "FIELDS", "1", "f", "1"}, {"HPERSIST", "h", "FIELDS", "1", "f"}},
     {"HSETEX h PXAT 1700000009000 FIELDS 1 f 1", "HPERSIST h FIELDS 1 f"}},
    {{{"HSET", "h", "f", "1"},
      {"HGETEX", "h", "FIELDS", "1", "f"},
      {"HGETEX", "h", "PX", "5", "FIELDS", "1", "f"}},
     {"HSET h f 1", "HPEXPIREAT h 1700000000005 FIELDS 1 f"}},
    {{{"SADD", "s", "a", "b"}, {"SADD", "s", "a"}, {"SREM", "s", "x"}, {"SREM", "s", "a"}},
     {"SADD s a b", "SREM s a"}},
    {{{"SADD", "s", "a"},
      {"SMOVE", "s", "t", "a"},
      {"SMOVE", "t", "t", "a"},
      {"SMOVE", "s", "t", "a"}},
     {"SADD s a", "SMOVE s t a"}},
    {{{"SADD", "s", "a"}, {"SPOP", "s"}, {"SPOP", "s"}}, {"SADD s a", "SREM s a"}},
    {{{"SADD", "s", "a", "b"}, {"SPOP", "s", "2"}}, {"SADD s a b", "DEL s"}},
    {{{"SADD", "s", "a"},
      {"SUNIONSTORE", "t", "s", "none"},
      {"SINTERSTORE", "t", "s", "none"},
      {"SDIFFSTORE", "t", "none", "s"}},
     {"SADD s a", "SUNIONSTORE t s none", "SINTERSTORE t s none"}},
};

TEST(MembersLog, HoldsWhatReplaysTheSameAtAnyTime) {
  for (const LogCase& log_case : kLogCases) {
    FrameRecorder log;
    TestServer server(&log);
    std::string what;
    for (const Words& words : log_case.commands) {
      for (const std::string& word : words) what += word + ' ';
      if (words[0] == "wait") {
        server.clock().advance(Millis{1500});
      } else {
        const std::string reply = server.run(words);
        EXPECT_NE(reply[0], '-') << what << reply;
      }
    }
    EXPECT_EQ(logged(log), log_case.logged) << what;
  }
}

// ---- Random commands, and the log replayed later

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  Words command() {
    const std::string hash = pick({"h0", "h1"});
    const std::string set = pick({"s0", "s1", "s2"});
    const Words any[] = {
        many({"HSET", hash}, 2),
        many({"HMSET", hash}, 2),
        {"HSETNX", hash, field(), number()},
        many({"HDEL", hash}, 1),
        {"HINCRBY", hash, field(), number()},
        {"HINCRBYFLOAT", hash, field(), number()},
        {"HGETDEL", hash, "FIELDS", "2", field(), field()},
        {"HPEXPIRE", hash, number(), pick({"NX", "XX", "GT", "LT"}), "FIELDS", "2", field(),
         field()},
        {"HPEXPIRE", hash, number(), "FIELDS", "3", field(), field(), field()},
        {"HPERSIST", hash, "FIELDS", "1", field()},
        {"HGETEX", hash, "PX", number(), "FIELDS", "2", field(), field()},
        {"HGETEX", hash, "PERSIST", "FIELDS", "2", field(), field()},
        {"HSETEX", hash, "PX", number(), "FIELDS", "2", field(), number(), field(), number()},
        {"HSETEX", hash, "FXX", "KEEPTTL", "FIELDS", "1", field(), number()},
        {"HSETEX", hash, "FNX", "FIELDS", "1", field(), number()},
        {"COPY", hash, "h2", "REPLACE"},
        {"RENAME", "h2", pick({"h0", "h1"})},
        many({"SADD", set}, 1),
        many({"SREM", set}, 1),
        {"SPOP", set},
        {"SPOP", set, number()},
        {"SMOVE", set, pick({"s0", "s1", "s2"}), field()},
        {pick({"SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"}), set, "s0", "s1", "s2"},
        {"DEL", pick({"h0", "s0"})},
        {"PEXPIRE", hash, number()},
    };
    return any[random_.below(std::size(any))];
  }

 private:
  std::string pick(std::vector<std::string> words) { return words[random_.below(words.size())]; }
  std::string number() { return std::to_string(random_.below(60)); }
  std::string field() {
    const bool is_many = random_.below(4) == 0;
    return (is_many ? "f" : "") + std::to_string(random_.below(is_many ? 2000 : 20));
  }
  Words many(Words words, std::size_t each) {
    const std::size_t count = random_.below(50) == 0 ? 600 : 1 + random_.below(5);
    for (std::size_t i = 0; i < count * each; ++i) words.push_back(field());
    return words;
  }

  io::Random random_;
};

TEST(MembersLog, ReplayedGivesTheSame) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    FrameRecorder log;
    TestServer server(&log);
    Generator generator(seed);
    for (int i = 0; i < 1000; ++i) {
      server.run(generator.command());
      if (i % 3 == 0) server.clock().advance(Millis{7});
    }
    TestServer other;
    other.keyspace().is_replaying = true;
    for_each_logged(log, [&](std::span<const Bytes> words) {
      if (words[0] == "MULTI" || words[0] == "EXEC") return;
      const Status status = other.replay(words);
      EXPECT_TRUE(status.ok()) << words[0] << ' ' << words[1];
    });
    EXPECT_EQ(other.digest(), server.digest()) << seed;
  }
}

// ---- Scans

/// The words of an array of bulk strings at `*text`, which is cut off it.
std::vector<std::string> take_array(std::string* text) {
  const auto take_line = [&] {
    const std::size_t end = text->find("\r\n");
    const std::string line = text->substr(1, end - 1);
    text->erase(0, end + 2);
    return std::stoul(line);
  };
  std::vector<std::string> words(take_line());
  for (std::string& word : words) {
    const std::size_t size = take_line();
    word = text->substr(0, size);
    text->erase(0, size + 2);
  }
  return words;
}

struct ScanPage {
  std::string cursor;
  std::vector<std::string> words;
};

ScanPage scan_page(TestServer& server, const Words& words) {
  std::string text = server.run(words);
  text.replace(0, 4, "*1\r\n");  // as two arrays: the cursor, and what was found
  const std::string cursor = take_array(&text)[0];
  return {cursor, take_array(&text)};
}

/// While one is scanned, others come and go.
TEST(Scans, MeetEachElementThatStaysOnce) {
  for (const bool is_hash : {true, false}) {
    TestServer server;
    io::Random random(is_hash ? 1 : 2);
    const auto add = [&](const std::string& name) {
      server.run(is_hash ? Words{"HSET", "k", name, "v"} : Words{"SADD", "k", name});
    };
    const auto remove = [&](const std::string& name) {
      server.run({is_hash ? "HDEL" : "SREM", "k", name});
    };
    for (int i = 0; i < 3000; ++i) add("stays" + std::to_string(i));
    std::map<std::string, int> seen;
    std::string cursor = "0";
    do {
      const ScanPage page =
          scan_page(server, {is_hash ? "HSCAN" : "SSCAN", "k", cursor, "COUNT", "50"});
      for (std::size_t i = 0; i < page.words.size(); i += is_hash ? 2 : 1) ++seen[page.words[i]];
      cursor = page.cursor;
      EXPECT_LT(std::stoull(cursor), std::uint64_t{1} << 53);
      for (int i = 0; i < 100; ++i) add("comes" + std::to_string(random.below(20'000)));
      for (int i = 0; i < 60; ++i) remove("comes" + std::to_string(random.below(20'000)));
    } while (cursor != "0");
    for (int i = 0; i < 3000; ++i) EXPECT_EQ(seen["stays" + std::to_string(i)], 1) << i;
  }
}

TEST(Scans, ShowIntegersInOrderHoweverManyBytesTheyTake) {
  TestServer server;
  std::set<std::int64_t> numbers;
  Words words{"SADD", "s"};
  for (std::int64_t i = 0; i < 500; ++i) {
    numbers.insert((i * 7919 % 500 - 250) * 1'000'000'000'000 + 1);
  }
  for (const std::int64_t number : numbers) words.insert(words.begin() + 2, std::to_string(number));
  server.run(words);
  EXPECT_EQ(server.run({"OBJECT", "ENCODING", "s"}), "$6\r\nintset\r\n");
  std::string reply = server.run({"SMEMBERS", "s"});
  std::vector<std::string> expected;
  for (const std::int64_t number : numbers) expected.push_back(std::to_string(number));
  EXPECT_EQ(take_array(&reply), expected);
}

}  // namespace
}  // namespace diskdb::command
