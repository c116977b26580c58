// INFO, MEMORY USAGE and what touches the disk: replies that a transcript cannot pin.
#include <gtest/gtest.h>

#include <string>

#include "command/test_server.h"

namespace diskdb::command {
namespace {

/// The value of a field of INFO; "absent" if there is none.
std::string field(const std::string& info, const std::string& name) {
  const std::size_t at = info.find("\n" + name + ":");
  if (at == std::string::npos) return "absent";
  const std::size_t begin = at + name.size() + 2;
  return info.substr(begin, info.find("\r\n", begin) - begin);
}

bool has_section(const std::string& info, const std::string& title) {
  return info.find("# " + title + "\r\n") != std::string::npos;
}

TEST(Info, SectionsAsAskedFor) {
  TestServer server;
  const std::string usual = server.run({"INFO"});
  for (const char* title : {"Server", "Clients", "Memory", "Persistence", "Stats", "Replication",
                            "CPU", "Modules", "Errorstats", "Cluster", "Keyspace"}) {
    EXPECT_TRUE(has_section(usual, title)) << title;
  }
  EXPECT_FALSE(has_section(usual, "Commandstats"));
  EXPECT_TRUE(has_section(server.run({"INFO", "everything"}), "Commandstats"));
  EXPECT_TRUE(has_section(server.run({"INFO", "ALL"}), "Latencystats"));
  const std::string two = server.run({"INFO", "cpu", "Server"});
  EXPECT_LT(two.find("# Server"), two.find("# CPU"));
  EXPECT_FALSE(has_section(two, "Memory"));
  const std::string more = server.run({"INFO", "default", "commandstats"});
  EXPECT_TRUE(has_section(more, "Keyspace") && has_section(more, "Commandstats"));
}

TEST(Info, CountsCallsAndErrors) {
  TestServer server;
  server.run({"GET", "k"});
  server.run({"GET", "k"});
  server.run({"GET"});
  server.run({"SET", "k", "v"});
  server.run({"INCR", "k"});
  server.run({"OBJECT", "NONSENSE"});
  const std::string info = server.run({"INFO", "all"});
  const std::string get = field(info, "cmdstat_get");
  EXPECT_TRUE(get.starts_with("calls=2,usec=")) << get;
  EXPECT_TRUE(get.ends_with(",rejected_calls=1,failed_calls=0")) << get;
  const std::string incr = field(info, "cmdstat_incr");
  EXPECT_TRUE(incr.starts_with("calls=1,usec=")) << incr;
  EXPECT_TRUE(incr.ends_with(",rejected_calls=0,failed_calls=1")) << incr;
  EXPECT_EQ(field(info, "cmdstat_client|id"), "absent");
  EXPECT_EQ(field(info, "errorstat_ERR"), "count=3");
  EXPECT_EQ(field(info, "total_error_replies"), "3");
  EXPECT_EQ(field(info, "keyspace_misses"), "2");
}

TEST(Info, TellsPercentilesOfTimes) {
  TestServer server;
  server.run({"GET", "k"});
  server.run({"CONFIG", "SET", "latency-tracking-info-percentiles", "50 99.95"});
  const std::string info = server.run({"INFO", "latencystats"});
  const std::string get = field(info, "latency_percentiles_usec_get");
  EXPECT_TRUE(get.starts_with("p50=")) << get;
  EXPECT_NE(get.find(",p99.95="), std::string::npos) << get;
  EXPECT_EQ(field(info, "latency_percentiles_usec_set"), "absent");
  server.run({"CONFIG", "SET", "latency-tracking", "no"});
  server.run({"CONFIG", "RESETSTAT"});
  server.run({"GET", "k"});
  const std::string later = server.run({"INFO", "all"});
  EXPECT_EQ(field(later, "latency_percentiles_usec_get"), "absent");
  EXPECT_TRUE(field(later, "cmdstat_get").starts_with("calls=1,")) << later;
}

TEST(Info, KeyspaceTellsKeysAndTheirTime) {
  TestServer server;
  server.run({"SET", "forever", "v"});
  server.run({"SET", "a", "v", "PX", "1000"});
  server.run({"SET", "b", "v", "PX", "1000"});
  EXPECT_EQ(field(server.run({"INFO", "keyspace"}), "db0"), "keys=3,expires=2,avg_ttl=1000");
}

TEST(Info, CountsChanges) {
  TestServer server;
  server.run({"SET", "a", "v"});
  server.run({"SET", "a", "w"});
  server.run({"GET", "a"});
  EXPECT_EQ(field(server.run({"INFO", "persistence"}), "rdb_changes_since_last_save"), "2");
}

TEST(Memory, UsageIsTheRecordAndItsShareOfTheTable) {
  TestServer server;
  server.run({"SET", "k", "v"});
  const std::string small = server.run({"MEMORY", "USAGE", "k"});
  server.run({"SET", "k", std::string(100'000, 'v')});
  const std::string large = server.run({"MEMORY", "USAGE", "k", "SAMPLES", "5"});
  const auto number = [](const std::string& reply) { return std::stoll(reply.substr(1)); };
  constexpr int kShare = 64 + 8;  // a bucket, and where it lies
  EXPECT_GE(number(small), 18 + kShare);
  EXPECT_LE(number(small), 32 + kShare);
  EXPECT_GE(number(large), 100'000 + kShare);
  EXPECT_LE(number(large), 115'000 + kShare);
}

TEST(Saving, TheMemoryEngineRefuses) {
  TestServer server;
  constexpr auto kRefusal = "-ERR the memory engine keeps nothing on disk\r\n";
  EXPECT_EQ(server.run({"SAVE"}), kRefusal);
  EXPECT_EQ(server.run({"BGSAVE"}), kRefusal);
  EXPECT_EQ(server.run({"BGSAVE", "SCHEDULE"}), kRefusal);
  EXPECT_EQ(server.run({"DEBUG", "LOADAOF"}), kRefusal);
  EXPECT_EQ(server.run({"LASTSAVE"}), ":0\r\n");
}

TEST(Debug, OnlyForThoseWhomTheSettingAllows) {
  TestServer server;
  EXPECT_EQ(server.run({"DEBUG", "SLEEP", "0"}), "+OK\r\n");  // "local" is the default
  const std::string no[] = {"no"};
  ASSERT_TRUE(server.config().set_at_start(*server.config().find("enable-debug-command"), no).ok());
  EXPECT_TRUE(server.run({"DEBUG", "SLEEP", "0"}).starts_with("-ERR DEBUG command not allowed."));
}

TEST(Debug, HelpNamesEverySubcommand) {
  TestServer server;
  const std::string help = server.run({"DEBUG", "HELP"});
  for (const char* name : {"DIGEST", "DIGEST-VALUE", "ERROR", "HTSTATS", "LOADAOF", "OBJECT",
                           "POPULATE", "PROTOCOL", "RELOAD", "SET-ACTIVE-EXPIRE", "SLEEP"}) {
    EXPECT_NE(help.find(std::string("+") + name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace diskdb::command
