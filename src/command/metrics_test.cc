// Prometheus's text format, and the figures in it. (tests/metrics/run.py lets Prometheus's own
// library read a server's.)
#include "command/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>

#include "command/test_server.h"

namespace diskdb::command {
namespace {

TEST(MetricsText, HasHelpTypeAndSamples) {
  MetricsText text;
  text.gauge("a_bytes", "What a is.", std::uint64_t{7});
  text.family("b_total", MetricsText::Kind::kCounter, "B.");
  text.sample(MetricsText::label("x", "1") + "," + MetricsText::label("y", "2"), 0.5);
  EXPECT_EQ(text.take(),
            "# HELP a_bytes What a is.\n# TYPE a_bytes gauge\na_bytes 7\n"
            "# HELP b_total B.\n# TYPE b_total counter\nb_total{x=\"1\",y=\"2\"} 0.5\n");
}

TEST(MetricsText, EscapesLabels) {
  EXPECT_EQ(MetricsText::label("code", "a\\b\"c\nd"), "code=\"a\\\\b\\\"c\\nd\"");
}

std::map<std::string, std::string> samples_of(const std::string& text) {
  std::map<std::string, std::string> samples;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    const std::size_t blank = line.rfind(' ');
    EXPECT_TRUE(samples.emplace(line.substr(0, blank), line.substr(blank + 1)).second) << line;
  }
  return samples;
}

TEST(MetricsReader, TellsWhatWasDone) {
  TestServer server;
  server.run({"SET", "k", "v"});
  server.run({"SET", "l", "v", "EX", "100"});
  server.run({"GET", "k"});
  server.run({"GET", "nokey"});
  server.run({"INCR", "k"});
  server.run({"GET"});
  server.run({"SELECT", "3"});
  server.run({"SET", "m", "v"});
  MetricsReader reader(server.services());
  auto samples = samples_of(reader.text());
  EXPECT_EQ(samples["diskdb_commands_total{cmd=\"set\"}"], "3");
  EXPECT_EQ(samples["diskdb_commands_failed_total{cmd=\"incr\"}"], "1");
  EXPECT_EQ(samples["diskdb_commands_rejected_total{cmd=\"get\"}"], "1");
  EXPECT_EQ(samples["diskdb_command_duration_seconds_count{cmd=\"get\"}"], "2");
  EXPECT_EQ(samples["diskdb_command_duration_seconds_bucket{cmd=\"get\",le=\"+Inf\"}"], "2");
  EXPECT_EQ(samples["diskdb_command_duration_seconds_bucket{cmd=\"get\",le=\"8.589934592\"}"], "2");
  EXPECT_TRUE(
      samples.contains("diskdb_command_duration_seconds_bucket{cmd=\"get\",le=\"0.000001024\"}"));
  EXPECT_EQ(samples["diskdb_errors_total{code=\"ERR\"}"], "2");
  EXPECT_EQ(samples["diskdb_keys{db=\"0\"}"], "2");
  EXPECT_EQ(samples["diskdb_keys_expiring{db=\"0\"}"], "1");
  EXPECT_EQ(samples["diskdb_keys{db=\"3\"}"], "1");
  EXPECT_EQ(samples["diskdb_keyspace_misses_total"], "1");
  EXPECT_EQ(samples["diskdb_writes_accepted"], "1");
  EXPECT_FALSE(samples.contains("diskdb_cold_keys")) << "there is no store";
}

TEST(MetricsReader, CommandsCountFromTheStart) {
  TestServer server;
  server.run({"GET", "k"});
  server.run({"CONFIG", "RESETSTAT"});
  server.run({"GET", "k"});
  MetricsReader reader(server.services());
  EXPECT_EQ(samples_of(reader.text())["diskdb_commands_total{cmd=\"get\"}"], "2");
}

TEST(MetricsReader, WaitsForNoShard) {
  TestServer server;
  server.run({"SET", "k", "v"});
  MetricsReader reader(server.services());
  EXPECT_EQ(samples_of(reader.text())["diskdb_keys{db=\"0\"}"], "1");
  server.run({"SET", "l", "v"});
  keyspace::Access access(server.keyspace());
  access.begin(0, server.clock().wall());
  access.hold_all();
  EXPECT_EQ(samples_of(reader.text())["diskdb_keys{db=\"0\"}"], "1") << "as it last was";
  access.release();
  EXPECT_EQ(samples_of(reader.text())["diskdb_keys{db=\"0\"}"], "2");
}

}  // namespace
}  // namespace diskdb::command
