// CLIENT where several connections are needed, or replies name what differs from machine to
// machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "command/test_server.h"

namespace diskdb::command {
namespace {

std::size_t line_count(const std::string& reply) {
  // A bulk string: its header line, then the text, then CRLF.
  return static_cast<std::size_t>(std::ranges::count(reply, '\n')) - 2;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ClientCommands, ALineTellsOfAConnection) {
  TestServer server;
  server.run({"CLIENT", "SETNAME", "me"});
  server.run({"CLIENT", "SETINFO", "LIB-NAME", "lib"});
  server.run({"CLIENT", "SETINFO", "LIB-VER", "1.2"});
  server.run({"SELECT", "3"});
  server.clock().advance({5'000});
  const std::string line = server.run({"CLIENT", "INFO"});
  EXPECT_TRUE(contains(line, "\r\nid=1 addr=127.0.0.1:1 laddr=127.0.0.1:7878 fd=")) << line;
  EXPECT_TRUE(contains(line, " name=me age=5 ")) << line;
  EXPECT_TRUE(contains(line, " flags=N db=3 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 ")) << line;
  EXPECT_TRUE(contains(line, " argv-mem=10 ")) << line;
  EXPECT_TRUE(contains(line, " cmd=client|info user=default redir=-1 resp=2 ")) << line;
  EXPECT_TRUE(contains(line, " lib-name=lib lib-ver=1.2")) << line;
  EXPECT_TRUE(line.ends_with("\n\r\n")) << line;
}

TEST(ClientCommands, FlagsAndProtocolShow) {
  TestServer server;
  server.run({"CLIENT", "NO-EVICT", "ON"});
  server.run({"CLIENT", "NO-TOUCH", "ON"});
  server.run({"HELLO", "3"});
  const std::string line = server.run({"CLIENT", "INFO"});
  EXPECT_TRUE(line.starts_with("=")) << line;
  EXPECT_TRUE(contains(line, " flags=eT ")) << line;
  EXPECT_TRUE(contains(line, " resp=3 ")) << line;
  server.run({"RESET"});
  EXPECT_TRUE(contains(server.run({"CLIENT", "INFO"}), " flags=N ")) << line;
}

TEST(ClientCommands, ListsAllOrThoseNamed) {
  TestServer server;
  server.run({"PING"}, "a");
  server.run({"PING"}, "b");
  server.run({"PING"}, "c");
  EXPECT_EQ(line_count(server.run({"CLIENT", "LIST"}, "a")), 3U);
  EXPECT_EQ(line_count(server.run({"CLIENT", "LIST", "TYPE", "normal"}, "a")), 3U);
  const std::string two = server.run({"CLIENT", "LIST", "ID", "3", "99", "1"}, "a");
  EXPECT_EQ(line_count(two), 2U);
  EXPECT_LT(two.find("id=3 "), two.find("id=1 "));
}

TEST(ClientCommands, KillSparesOneself) {
  TestServer server;
  server.run({"PING"}, "a");
  server.run({"PING"}, "b");
  EXPECT_EQ(server.run({"CLIENT", "KILL", "TYPE", "normal"}, "c"), ":2\r\n");
  EXPECT_EQ(server.run({"CLIENT", "KILL", "ID", "3"}, "c"), ":0\r\n");
  EXPECT_EQ(server.run({"CLIENT", "KILL", "ID", "3", "SKIPME", "no"}, "c"), ":1\r\n");
}

TEST(ClientCommands, KillShowsInTheList) {
  TestServer server;
  server.run({"PING"}, "a");
  server.run({"CLIENT", "KILL", "ID", "1"}, "b");
  EXPECT_TRUE(contains(server.run({"CLIENT", "LIST", "ID", "1"}, "b"), " flags=A "));
}

TEST(ClientCommands, OldKillNamesAnAddressAndMayMeanOneself) {
  TestServer server;
  EXPECT_EQ(server.run({"CLIENT", "KILL", "127.0.0.1:1"}, "a"), "+OK\r\n");
  EXPECT_EQ(server.run({"CLIENT", "KILL", "127.0.0.1:2"}, "b"), "-ERR No such client\r\n");
}

TEST(ClientCommands, KillByEveryFilter) {
  TestServer server;
  server.run({"PING"}, "old");
  server.clock().advance({10'000});
  server.run({"PING"}, "young");
  const auto kill = [&](const std::string& option, const std::string& value) {
    return server.run({"CLIENT", "KILL", "ID", "1", option, value}, "me");
  };
  EXPECT_EQ(kill("ADDR", "127.0.0.1:2"), ":0\r\n");
  EXPECT_EQ(kill("LADDR", "127.0.0.1:1"), ":0\r\n");
  EXPECT_EQ(kill("TYPE", "pubsub"), ":0\r\n");
  EXPECT_EQ(kill("MAXAGE", "11"), ":0\r\n");
  EXPECT_EQ(kill("ADDR", "127.0.0.1:1"), ":1\r\n");
  EXPECT_EQ(kill("LADDR", "127.0.0.1:7878"), ":1\r\n");
  EXPECT_EQ(kill("USER", "default"), ":1\r\n");
  EXPECT_EQ(kill("MAXAGE", "10"), ":1\r\n");
  EXPECT_EQ(server.run({"CLIENT", "KILL", "MAXAGE", "10"}, "me"), ":1\r\n");
}

TEST(ClientCommands, ReplyModes) {
  TestServer server;
  EXPECT_EQ(server.run({"CLIENT", "REPLY", "SKIP"}), "");
  EXPECT_EQ(server.run({"PING"}), "");
  EXPECT_EQ(server.run({"PING"}), "+PONG\r\n");
  EXPECT_EQ(server.run({"CLIENT", "REPLY", "OFF"}), "");
  EXPECT_EQ(server.run({"PING"}), "");
  EXPECT_EQ(server.run({"CLIENT", "REPLY", "SKIP"}), "");
  EXPECT_EQ(server.run({"SET", "k", "v"}), "");
  EXPECT_EQ(server.run({"CLIENT", "REPLY", "ON"}), "+OK\r\n");
  EXPECT_EQ(server.run({"GET", "k"}), "$1\r\nv\r\n");
}

TEST(ClientCommands, HelloTellsWhoIsThere) {
  TestServer server;
  EXPECT_EQ(server.run({"HELLO", "3", "SETNAME", "me"}),
            "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n"
            "$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n"
            "$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
  EXPECT_EQ(server.run({"HELLO"}).substr(0, 2), "%7");
  EXPECT_EQ(server.run({"HELLO", "2"}).substr(0, 3), "*14");
}

}  // namespace
}  // namespace diskdb::command
