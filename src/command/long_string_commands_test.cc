// Commands on strings in pages: a server that has most strings in pages answers as one that has
// each in one run, and what a cold one brings into memory is what the command touches.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "command/test_server.h"
#include "command/tiered_server.h"
#include "io/random.h"
#include "keyspace/frame_recorder_test.h"
#include "resp/request.h"

namespace diskdb::command {
namespace {

using Words = std::vector<std::string>;

/// Commands on a few strings, most of them some chunks long.
class StringCommands {
 public:
  explicit StringCommands(io::Random& random) : random_(random) {}

  Words next() {
    switch (random_.below(24)) {
      case 0:
        return {"SET", key(), text(300)};
      case 1:
        return {"SET", key(), text(300), one_of({"GET", "NX", "XX", "KEEPTTL"})};
      case 2:
      case 3:
        return {"APPEND", key(), text(60)};
      case 4:
      case 5:
        return {"SETRANGE", key(), number(400), text(60)};
      case 6:
        return {"GETRANGE", key(), signed_number(500), signed_number(500)};
      case 7:
        return {"GET", key()};
      case 8:
      case 9:
        return {"SETBIT", key(), number(4000), one_of({"0", "1"})};
      case 10:
        return {"GETBIT", key(), number(4000)};
      case 11:
        return {"BITCOUNT", key(), signed_number(4000), signed_number(4000),
                one_of({"BIT", "BYTE"})};
      case 12:
        return bitpos();
      case 13:
      case 14:
        return bitfield();
      case 15:
        return {"BITOP", one_of({"AND", "OR", "XOR"}), key(), key(), key()};
      case 16:
        return {"BITOP", "NOT", key(), key()};
      case 17:
        return {one_of({"STRLEN", "DIGEST", "DUMP", "TYPE", "DEL", "GETDEL", "INCR", "PERSIST"}),
                key()};
      case 18:
        return {one_of({"RENAME", "COPY", "LCS"}), key(), key()};
      case 19:
        return {"OBJECT", "ENCODING", key()};
      case 20:
        return {"DEBUG", "DIGEST-VALUE", key()};
      case 21:
        return {"SET", key(), text(300), "EX", "1000"};
      case 22:
        return {one_of({"PFADD", "PFMERGE"}), "hll" + number(2), "hll" + number(2), text(3)};
      default:
        return {"PFCOUNT", "hll" + number(2), "hll" + number(2)};
    }
  }

 private:
  std::string key() { return "k" + std::to_string(random_.below(4)); }
  std::string number(std::uint64_t below) { return std::to_string(random_.below(below)); }
  std::string signed_number(std::uint64_t below) {
    return (random_.chance_percent(40) ? "-" : "") + number(below);
  }
  std::string text(std::uint64_t size_max) {
    if (random_.chance_percent(5)) return number(100);
    std::string text(random_.below(size_max), '\0');
    const bool is_plain = random_.chance_percent(50);
    for (char& c : text) {
      c = is_plain ? (random_.chance_percent(99) ? '\xff' : 'x')
                   : static_cast<char>(random_.below(256));
    }
    return text;
  }
  std::string one_of(std::initializer_list<const char*> words) {
    return words.begin()[random_.below(words.size())];
  }
  Words bitpos() {
    Words words{"BITPOS", key(), one_of({"0", "1"})};
    if (random_.chance_percent(70)) words.push_back(signed_number(500));
    if (words.size() == 4 && random_.chance_percent(70)) words.push_back(signed_number(500));
    if (words.size() == 5) words.emplace_back(one_of({"BIT", "BYTE"}));
    return words;
  }
  Words bitfield() {
    Words words{"BITFIELD", key()};
    for (std::uint64_t i = random_.below(4); i < 4; ++i) {
      const std::string type =
          (random_.chance_percent(50) ? "i" : "u") + std::to_string(1 + random_.below(63));
      if (random_.chance_percent(30)) words.insert(words.end(), {"OVERFLOW", "FAIL"});
      switch (random_.below(3)) {
        case 0:
          words.insert(words.end(), {"GET", type, number(4000)});
          break;
        case 1:
          words.insert(words.end(), {"SET", type, number(4000), number(1U << 20U)});
          break;
        default:
          words.insert(words.end(), {"INCRBY", type, number(4000), signed_number(1U << 20U)});
      }
    }
    return words;
  }

  io::Random& random_;
};

TEST(LongStringCommands, AnswerAsThoseOnStringsInOneRun) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    io::Random random(seed);
    keyspace::FrameRecorder log;
    TestServer paged(&log, nullptr,
                     TestServer::strings_in_pages(
                         random.below(200), static_cast<std::uint32_t>(1 + random.below(90))));
    TestServer flat;
    StringCommands commands(random);
    for (int i = 0; i < 4000; ++i) {
      const Words words = commands.next();
      ASSERT_EQ(paged.run(words), flat.run(words)) << "command " << i << ": " << words[0];
    }
    EXPECT_EQ(paged.digest(), flat.digest());

    // The log says nothing of pages.
    TestServer replayed;
    for (const auto& frame : log.frames()) {
      const resp::ParserOptions options;
      resp::RequestParser parser(options);
      ASSERT_EQ(parser.parse(frame.bytes, 1000), resp::ParseStatus::kRequests);
      for (const resp::Request& request : parser.requests()) {
        ASSERT_TRUE(replayed.replay(request.words).ok());
      }
    }
    EXPECT_EQ(replayed.digest(), flat.digest());
  }
}

TEST(LongStringCommands, AreInPagesFrom64KilobytesOn) {
  TestServer server;
  const auto is_paged = [&](const std::string& name) {
    keyspace::Access access(server.keyspace());
    access.begin(0, {});
    access.hold_all();
    const bool answer = access.find(access.key(name))->is_paged();
    access.release();
    return answer;
  };
  const std::string flat(65'536, 'x');
  server.run({"SET", "set", flat});
  EXPECT_FALSE(is_paged("set"));
  server.run({"SET", "set", flat + "x"});
  EXPECT_TRUE(is_paged("set"));
  EXPECT_EQ(server.run({"OBJECT", "ENCODING", "set"}), "$3\r\nraw\r\n");
  server.run({"COPY", "set", "copy"});
  EXPECT_TRUE(is_paged("copy"));
  server.run({"SET", "set", flat});
  EXPECT_FALSE(is_paged("set"));
  server.run({"APPEND", "set", "x"});
  EXPECT_TRUE(is_paged("set"));
  server.run({"SETRANGE", "set", "1", "y"});
  EXPECT_TRUE(is_paged("set"));
  server.run({"SETBIT", "bits", "524287", "1"});
  EXPECT_FALSE(is_paged("bits"));
  server.run({"SETBIT", "bits", "524288", "1"});
  EXPECT_TRUE(is_paged("bits"));
  EXPECT_EQ(server.run({"GETRANGE", "bits", "65534", "-1"}), Bytes("$3\r\n\x00\x01\x80\r\n", 9));
}

// 512 MB that nobody wrote are not there, in memory or in the reply to STRLEN.
TEST(LongStringCommands, AFewBitsOfAHugeBitmapAreAFewPages) {
  TestServer server;
  EXPECT_EQ(server.run({"SETBIT", "k", "4294967295", "1"}), ":0\r\n");
  EXPECT_EQ(server.run({"SETBIT", "k", "0", "1"}), ":0\r\n");
  EXPECT_EQ(server.run({"STRLEN", "k"}), ":536870912\r\n");
  EXPECT_EQ(server.run({"GETBIT", "k", "4294967295"}), ":1\r\n");
  EXPECT_EQ(server.run({"BITCOUNT", "k"}), ":2\r\n");
  EXPECT_EQ(server.run({"BITPOS", "k", "1", "1"}), ":4294967295\r\n");
  EXPECT_LT(server.keyspace().allocated_bytes(), 300'000U);
}

TEST(LongStringCommands, WhatIsColdComesInByPage) {
  TieredServer server;
  auto client = server.client();
  const std::string value(10'000'000, 'x');
  client->run({{"SET", "k", value}});
  server.checkpoint();
  const auto evict_all = [&] {
    while (server.evict("k")) {
    }
  };
  struct Case {
    Words words;
    std::string reply;
  };
  const Case cases[] = {
      {{"STRLEN", "k"}, ":10000000\r\n"},
      {{"GETRANGE", "k", "5000000", "5000002"}, "$3\r\nxxx\r\n"},
      {{"GETRANGE", "k", "-2", "-1"}, "$2\r\nxx\r\n"},
      {{"GETBIT", "k", "40000000"}, ":0\r\n"},
      {{"BITCOUNT", "k", "5000000", "5000100"}, ":404\r\n"},
      {{"BITFIELD_RO", "k", "GET", "u8", "48000000"}, "*1\r\n:120\r\n"},
      {{"BITPOS", "k", "1", "6000000"}, ":48000001\r\n"},
      {{"SETRANGE", "k", "7000000", "yy"}, ":10000000\r\n"},
      {{"SETBIT", "k", "64000000", "1"}, ":0\r\n"},
      {{"APPEND", "k", "z"}, ":10000001\r\n"},
      {{"BITFIELD", "k", "SET", "u8", "72000000", "97"}, "*1\r\n:120\r\n"},
  };
  for (const Case& one : cases) {
    evict_all();
    const std::uint64_t cold = server.keyspace.allocated_bytes();
    const auto reads_before = server.store.disk_reads.load();
    EXPECT_EQ(client->run_to_end(server, {one.words}), one.reply) << one.words[0];
    EXPECT_LE(server.store.disk_reads - reads_before, 6) << one.words[0];
    EXPECT_LT(server.keyspace.allocated_bytes(), cold + 30'000) << one.words[0];
    server.checkpoint();
  }
  evict_all();
  std::string expected = value + "z";
  expected.replace(7'000'000, 2, "yy");
  expected[8'000'000] |= '\x80';
  expected[9'000'000] = 'a';
  EXPECT_TRUE(client->run_to_end(server, {{"GET", "k"}}) == "$10000001\r\n" + expected + "\r\n");
}

}  // namespace
}  // namespace diskdb::command
