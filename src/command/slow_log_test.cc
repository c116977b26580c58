// What SLOWLOG and LATENCY remember.
#include "command/slow_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command/latency_monitor.h"
#include "command/test_server.h"

namespace diskdb::command {
namespace {

std::vector<std::string> kept(const Row& row, const std::vector<std::string>& words) {
  const std::vector<Bytes> views(words.begin(), words.end());
  return slow_log_words(row, views);
}

const Row& row_named(Bytes name) {
  for (const std::span<const Row> family : all_families()) {
    for (const Row& row : family) {
      if (row.name == name) return row;
    }
  }
  ASSERT(false);
  return string_rows()[0];
}

TEST(SlowLog, KeepsTheNewest) {
  SlowLog log;
  for (int i = 0; i < 5; ++i) log.add({.micros = i}, 3);
  EXPECT_EQ(log.size(), 3U);
  const auto newest = log.newest(2);
  ASSERT_EQ(newest.size(), 2U);
  EXPECT_EQ(newest[0].id, 4U);
  EXPECT_EQ(newest[1].micros, 3);
  log.clear();
  EXPECT_EQ(log.size(), 0U);
  log.add({}, 1);
  EXPECT_EQ(log.newest(9)[0].id, 5U);
  log.add({}, 0);
  EXPECT_EQ(log.size(), 0U);
  EXPECT_EQ(log.added_count(), 7U);
}

TEST(SlowLog, ShortensWords) {
  const Row& row = row_named("MSET");
  std::vector<std::string> words{"MSET"};
  for (int i = 0; i < 31; ++i) words.push_back(std::to_string(i));
  EXPECT_EQ(kept(row, words), words);
  words.emplace_back("x");
  const auto shorter = kept(row, words);
  ASSERT_EQ(shorter.size(), 32U);
  EXPECT_EQ(shorter[30], "29");
  EXPECT_EQ(shorter[31], "... (2 more arguments)");
  EXPECT_EQ(kept(row, {"MSET", std::string(128, 'a')})[1], std::string(128, 'a'));
  EXPECT_EQ(kept(row, {"MSET", std::string(130, 'a')})[1],
            std::string(128, 'a') + "... (2 more bytes)");
}

TEST(SlowLog, KeepsNoSecrets) {
  const Row& config_set = row_named("CONFIG SET");
  const std::vector<std::string> expected{"config", "set", "hz", "1", "MasterAuth", "(redacted)"};
  EXPECT_EQ(kept(config_set, {"config", "set", "hz", "1", "MasterAuth", "x"}), expected);
  const std::vector<std::string> hello{"HELLO",      "3",       "auth", "(redacted)",
                                       "(redacted)", "SETNAME", "n"};
  EXPECT_EQ(kept(row_named("HELLO"), {"HELLO", "3", "auth", "u", "p", "SETNAME", "n"}), hello);
}

TEST(SlowLog, CommandsComeThereByTheirTime) {
  TestServer server;
  server.run({"CLIENT", "SETNAME", "me"});
  server.run({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
  server.run({"SLOWLOG", "RESET"});
  server.run({"SET", "k", "v"});
  server.run({"CONFIG", "SET", "slowlog-log-slower-than", "-1"});
  server.run({"SET", "k", "w"});
  const std::string reply = server.run({"SLOWLOG", "GET"});
  EXPECT_TRUE(reply.starts_with("*2\r\n*6\r\n:2\r\n:1700000000\r\n")) << reply;
  EXPECT_NE(reply.find("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$11\r\n127.0.0.1:1\r\n"
                       "$2\r\nme\r\n"),
            std::string::npos)
      << reply;
}

TEST(SlowLog, WithoutTrackingEachCommandIsTimedIfTheThresholdIsLow) {
  TestServer server;
  server.run({"CONFIG", "SET", "latency-tracking", "no"});
  server.run({"CONFIG", "RESETSTAT"});
  server.run({"SET", "k", "v"});
  server.run({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
  server.run({"SLOWLOG", "RESET"});
  server.run({"GET", "k"});
  EXPECT_EQ(server.run({"SLOWLOG", "LEN"}), ":2\r\n");
  EXPECT_EQ(server.run({"LATENCY", "HISTOGRAM", "set", "get"}), "*0\r\n");
  const std::string stats = server.run({"INFO", "commandstats"});
  EXPECT_NE(stats.find("cmdstat_set:calls=1,"), std::string::npos) << stats;
  EXPECT_NE(stats.find("cmdstat_get:calls=1,"), std::string::npos) << stats;
}

std::uint64_t number_after(const std::string& text, const std::string& what) {
  const std::size_t at = text.find(what);
  return at == std::string::npos ? 0 : std::stoull(text.substr(at + what.size()));
}

TEST(SlowLog, OfPipelinedQuickCommandsSomeStandForAll) {
  TestServer server;
  std::string pipeline;
  for (int i = 0; i < 16; ++i) pipeline += "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
  constexpr std::uint64_t kPipelines = 100;
  for (std::uint64_t i = 0; i < kPipelines; ++i) (void)server.run_raw(pipeline);
  const std::string stats = server.run({"INFO", "commandstats"});
  EXPECT_EQ(number_after(stats, "cmdstat_get:calls="), 16 * kPipelines) << stats;
  const std::string histogram = server.run({"LATENCY", "HISTOGRAM", "get"});
  const std::uint64_t placed = number_after(histogram, "calls\r\n:");
  EXPECT_LE(placed, 16 * kPipelines);
  EXPECT_GT(placed, 16 * (kPipelines - 8));
  server.run({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
  server.run({"SLOWLOG", "RESET"});
  (void)server.run_raw(pipeline);
  EXPECT_EQ(server.run({"SLOWLOG", "LEN"}), ":17\r\n") << "then each is timed";
}

TEST(LatencyMonitor, KeepsTheWorstOfASecond) {
  LatencyMonitor monitor;
  monitor.add("command", 10, 5);
  monitor.add("command", 10, 3);
  monitor.add("command", 11, 1);
  const LatencyMonitor::Series series = monitor.find("command");
  ASSERT_EQ(series.samples.size(), 2U);
  EXPECT_EQ(series.samples[0].millis, 5);
  EXPECT_EQ(series.samples[1].millis, 1);
  EXPECT_EQ(series.millis_max, 5);
  for (std::int64_t i = 0; i < 200; ++i) monitor.add("command", 20 + i, i);
  EXPECT_EQ(monitor.find("command").samples.size(), LatencyMonitor::kSamplesMax);
  EXPECT_EQ(monitor.find("command").samples[0].seconds, 60);
  monitor.add("expire-cycle", 1, 1);
  EXPECT_FALSE(monitor.reset("nothing"));
  EXPECT_TRUE(monitor.reset("command"));
  EXPECT_EQ(monitor.reset_all(), 1U);
  EXPECT_TRUE(monitor.find("command").samples.empty());
}

TEST(LatencyMonitor, DrawsBars) {
  LatencyMonitor::Series series{.event = "command", .millis_max = 99, .samples = {}};
  series.samples = {{0, 10}, {86'400, 10}, {172'700, 22}, {172'795, 13}};
  // Twelve steps from 10 to 22, three to a row; labels are ages.
  EXPECT_EQ(latency_graph(series, 172'800),
            "command - high 22 ms, low 10 ms (all time high 99 ms)\n" + std::string(80, '-') +
                "\n"
                "  # \n"
                "  | \n"
                "  |_\n"
                "__||\n"
                "    \n"
                "2115\n"
                "ddms\n");
}

TEST(LatencyMonitor, ReportsInWords) {
  EXPECT_NE(latency_report({}, 0).find("not being watched"), std::string::npos);
  EXPECT_NE(latency_report({}, 100).find("100 ms"), std::string::npos);
  LatencyMonitor monitor;
  monitor.add("command", 10, 100);
  monitor.add("command", 20, 300);
  const std::string report = latency_report(monitor.all(), 100);
  EXPECT_NE(report.find("1. command: 2 spikes (average 200 ms, mean deviation 100 ms, one every "
                        "10.00 s). Worst of all time: 300 ms."),
            std::string::npos)
      << report;
}

TEST(LatencyMonitor, CommandsOverTheThresholdComeThere) {
  TestServer server;
  server.run({"CONFIG", "SET", "latency-monitor-threshold", "5"});
  server.run({"DEBUG", "SLEEP", "0.02"});
  server.run({"SET", "k", "v"});
  const std::string latest = server.run({"LATENCY", "LATEST"});
  EXPECT_TRUE(latest.starts_with("*1\r\n*4\r\n$7\r\ncommand\r\n:1700000000\r\n:")) << latest;
  EXPECT_EQ(server.run({"LATENCY", "RESET"}), ":1\r\n");
  EXPECT_EQ(server.run({"LATENCY", "LATEST"}), "*0\r\n");
}

TEST(LatencyHistogram, IsToldByCommand) {
  TestServer server;
  server.run({"CONFIG", "RESETSTAT"});
  server.run({"SET", "a", "b"});
  server.run({"SET", "a", "b"});
  server.run({"CLIENT", "ID"});
  const std::string set = server.run({"LATENCY", "HISTOGRAM", "nonsense", "set", "get"});
  EXPECT_TRUE(
      set.starts_with("*2\r\n$3\r\nset\r\n*4\r\n$5\r\ncalls\r\n:2\r\n$14\r\n"
                      "histogram_usec\r\n*"))
      << set;
  EXPECT_TRUE(server.run({"LATENCY", "HISTOGRAM", "client"}).starts_with("*2\r\n$9\r\nclient|id"));
  EXPECT_TRUE(
      server.run({"LATENCY", "HISTOGRAM", "client|id"}).starts_with("*2\r\n$9\r\nclient|id"));
  EXPECT_TRUE(server.run({"LATENCY", "HISTOGRAM"}).starts_with("*8\r\n"));
}

}  // namespace
}  // namespace diskdb::command
