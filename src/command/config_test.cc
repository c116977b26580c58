#include "command/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace diskdb::command {
namespace {

using Words = std::vector<std::string>;

Status start_with(Config& config, Bytes name, const Words& words) {
  const Option* option = config.find(name);
  EXPECT_NE(option, nullptr) << name;
  return config.set_at_start(*option, words);
}

std::string error_of(Config& config, std::vector<Config::Change> changes) {
  return config.set_live(changes).value_or("OK");
}

TEST(Config, EveryDefaultIsAcceptedAndStaysAsItIs) {
  Config config;
  for (const Option* option : config.options()) {
    const std::string initial(option->initial);
    Words words = {initial};
    const Status status = config.set_at_start(*option, words);
    EXPECT_TRUE(status.ok()) << option->name << ": " << (status.ok() ? "" : status.error().message);
    EXPECT_EQ(config.text(*option), initial) << option->name;
    EXPECT_TRUE(config.is_default(*option));
    EXPECT_FALSE(accepted_values(*option).empty());
  }
}

TEST(Config, KnowsAliasesAndIgnoresCase) {
  Config config;
  EXPECT_EQ(config.find("appendfsync"), config.find("FSYNC"));
  EXPECT_EQ(config.find("slaveof"), config.find("replicaof"));
  EXPECT_EQ(config.find("nonsense"), nullptr);
}

TEST(Config, KeepsTextAndNumber) {
  Config config;
  ASSERT_TRUE(start_with(config, "maxmemory", {"100MB"}).ok());
  EXPECT_EQ(config.text("maxmemory"), "104857600");
  EXPECT_EQ(config.settings().maxmemory_bytes.load(), 100 << 20);
  ASSERT_TRUE(start_with(config, "sync-interval", {"2s"}).ok());
  EXPECT_EQ(config.text("sync-interval"), "2000ms");
  EXPECT_EQ(config.number("sync-interval"), 2000);
  ASSERT_TRUE(start_with(config, "appendfsync", {"ALWAYS"}).ok());
  EXPECT_EQ(config.text("fsync"), "always");
  EXPECT_EQ(config.number("fsync"), 0);
  ASSERT_TRUE(start_with(config, "tcp-nodelay", {"false"}).ok());
  EXPECT_EQ(config.text("tcp-nodelay"), "no");
  EXPECT_FALSE(config.is_on("tcp-nodelay"));
  ASSERT_TRUE(start_with(config, "unixsocketperm", {"700"}).ok());
  EXPECT_EQ(config.text("unixsocketperm"), "700");
}

TEST(Config, SaysWhatIsAccepted) {
  Config config;
  const auto message = [&](Bytes name, const Words& words) {
    const Status status = start_with(config, name, words);
    EXPECT_FALSE(status.ok());
    return status.ok() ? std::string() : status.error().message;
  };
  EXPECT_EQ(message("maxclients", {"0"}),
            "maxclients 0: argument must be between 1 and 4294967295 inclusive; accepted: a number "
            "from 1 to 4294967295");
  EXPECT_EQ(message("fsync", {"sometimes"}),
            "fsync sometimes: argument(s) must be one of the following: always, everysec, no; "
            "accepted: one of always, everysec, no");
  EXPECT_EQ(message("port", {"1", "2"}),
            "port 1 2: wrong number of arguments; accepted: a number from 0 to 65535");
  EXPECT_NE(message("sync-interval", {"1h30"}).find("1000ms"), std::string::npos);
  EXPECT_EQ(config.text("maxclients"), "10000");
}

TEST(Config, RefusesWhatAPromiseForbids) {
  Config config;
  const Status status = start_with(config, "wal-enabled", {"false"});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("use fsync no"), std::string::npos);
  EXPECT_TRUE(start_with(config, "wal-enabled", {"true"}).ok());
  EXPECT_FALSE(start_with(config, "requirepass", {"secret"}).ok());
  EXPECT_TRUE(start_with(config, "requirepass", {""}).ok());
  EXPECT_FALSE(start_with(config, "tls-port", {"6381"}).ok());
  EXPECT_FALSE(start_with(config, "replicaof", {"127.0.0.1", "6379"}).ok());
}

TEST(Config, JoinsWordsAndLines) {
  Config config;
  ASSERT_TRUE(start_with(config, "save", {"900", "1"}).ok());
  EXPECT_EQ(config.text("save"), "900 1");
  ASSERT_TRUE(start_with(config, "save", {"100", "100"}).ok());
  EXPECT_EQ(config.text("save"), "900 1 100 100");
  ASSERT_TRUE(start_with(config, "save", {""}).ok());
  EXPECT_EQ(config.text("save"), "");
  EXPECT_FALSE(start_with(config, "save", {"900"}).ok());
  ASSERT_TRUE(
      start_with(config, "client-output-buffer-limit", {"replica", "1mb", "2kb", "3"}).ok());
  EXPECT_EQ(config.text("client-output-buffer-limit"),
            "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60");
  ASSERT_TRUE(start_with(config, "notify-keyspace-events", {"KEA"}).ok());
  EXPECT_EQ(config.text("notify-keyspace-events"), "AKE");
}

TEST(Config, SetsSeveralOrNone) {
  Config config;
  EXPECT_EQ(error_of(config, {{"maxmemory", "10mb"}, {"timeout", "5"}}), "OK");
  EXPECT_EQ(config.text("maxmemory"), "10485760");
  EXPECT_EQ(config.settings().timeout_seconds.load(), 5);
  EXPECT_EQ(error_of(config, {{"maxmemory", "1"}, {"timeout", "-5"}}),
            "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be "
            "between 0 and 2147483647 inclusive");
  EXPECT_EQ(config.text("maxmemory"), "10485760");
  EXPECT_EQ(error_of(config, {{"maxmemory", "1"}, {"nonsense", "x"}}),
            "ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'");
  EXPECT_EQ(
      error_of(config, {{"maxmemory", "1"}, {"maxmemory", "2"}}),
      "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - duplicate parameter");
  EXPECT_EQ(
      error_of(config, {{"port", "1"}}),
      "ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config");
  EXPECT_EQ(error_of(config, {{"maxmemory", "1"}, {"maxmemory-clients", "200%"}}),
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - percentage "
            "argument must be less or equal to 100");
  EXPECT_EQ(error_of(config, {{"save", "900 1 100 100"}}), "OK");
  EXPECT_EQ(config.text("save"), "900 1 100 100");
  EXPECT_EQ(error_of(config, {{"shutdown-on-sigterm", "nosave now"}}), "OK");
  EXPECT_EQ(config.text("shutdown-on-sigterm"), "nosave now");
}

TEST(Config, TellsObserversOfLiveChangesOnly) {
  Config config;
  int calls = 0;
  config.observe("fsync", [&] { ++calls; });
  ASSERT_TRUE(start_with(config, "fsync", {"no"}).ok());
  EXPECT_EQ(error_of(config, {{"appendfsync", "bad"}}).substr(0, 22), "ERR CONFIG SET failed ");
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(error_of(config, {{"appendfsync", "always"}, {"timeout", "1"}}), "OK");
  EXPECT_EQ(calls, 1);
}

TEST(Config, DefaultsYieldToWhatIsGiven) {
  Config config;
  config.set_default("maxmemory", "1000");
  EXPECT_EQ(config.text("maxmemory"), "1000");
  EXPECT_TRUE(config.is_default(*config.find("maxmemory")));
  ASSERT_TRUE(start_with(config, "port", {"7000"}).ok());
  config.set_default("port", "7878");
  EXPECT_EQ(config.text("port"), "7000");
}

// What Redis's test suite writes into its servers' files and sets on the way must be known.
TEST(Config, KnowsWhatRedissTestSuiteSets) {
  Config config;
  for (const Bytes name : {"always-show-logo",
                           "notify-keyspace-events",
                           "daemonize",
                           "pidfile",
                           "port",
                           "timeout",
                           "bind",
                           "loglevel",
                           "logfile",
                           "databases",
                           "latency-monitor-threshold",
                           "repl-diskless-sync-delay",
                           "save",
                           "rdbcompression",
                           "dbfilename",
                           "dir",
                           "slave-serve-stale-data",
                           "appendonly",
                           "appendfsync",
                           "no-appendfsync-on-rewrite",
                           "activerehashing",
                           "enable-protected-configs",
                           "enable-debug-command",
                           "enable-module-command",
                           "propagation-error-behavior",
                           "unixsocket",
                           "zset-max-ziplist-entries",
                           "hash-max-ziplist-entries",
                           "set-max-intset-entries",
                           "list-max-listpack-size",
                           "hll-sparse-max-bytes",
                           "proto-max-bulk-len",
                           "maxmemory-policy",
                           "active-expire-effort",
                           "latency-tracking",
                           "lfu-log-factor",
                           "lazyfree-lazy-expire",
                           "list-max-ziplist-size",
                           "client-query-buffer-limit",
                           "appenddirname",
                           "hz"}) {
    EXPECT_NE(config.find(name), nullptr) << name;
  }
}

TEST(Config, DocumentationIsCurrent) {
  const auto path = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() /
                    "docs" / "configuration.md";
  std::ifstream file(path);
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_TRUE(page.str() == configuration_page(Config()))
      << "print it anew: diskdb --print-config-docs > docs/configuration.md";
}

TEST(Config, QuotesWhatNeedsQuotes) {
  EXPECT_EQ(quoted("plain"), "plain");
  EXPECT_EQ(quoted(""), "\"\"");
  EXPECT_EQ(quoted("a b"), "\"a b\"");
  EXPECT_EQ(quoted("a\"b\\\n"), "\"a\\\"b\\\\\\x0a\"");
}

}  // namespace
}  // namespace diskdb::command
