#include "server/config_load.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>

namespace diskdb::server {
namespace {

using command::Config;

std::string describe(const std::vector<Given>& settings) {
  std::string text;
  for (const Given& given : settings) {
    text += given.source + "|" + given.name;
    for (const std::string& word : given.words) text += "|" + word;
    text += "\n";
  }
  return text;
}

std::string message_of(const Status& status) {
  return status.ok() ? std::string("OK") : status.error().message;
}

std::string outcome_of(Config& config, const Result<std::vector<Given>>& settings) {
  if (!settings.ok()) return settings.error().message;
  std::vector<std::string> without_effect;
  return message_of(apply_settings(settings.value(), config, &without_effect));
}

TEST(CommandLine, IsReadAsRedisServerReadsIt) {
  const std::vector<std::string> arguments = {"my.conf", "--port",   "7000",       "--save", "900",
                                              "1",       "--save",   "100 100",    "--bind", "-::1",
                                              "*",       "--dir=/x", "--optimized"};
  const auto invocation = read_command_line(arguments);
  ASSERT_TRUE(invocation.ok());
  EXPECT_EQ(invocation.value().config_file, "my.conf");
  EXPECT_EQ(describe(invocation.value().settings),
            "--port|port|7000\n--save|save|900|1\n--save|save|100 100\n--bind|bind|-::1|*\n"
            "--dir|dir|/x\n--optimized|optimized\n");
}

TEST(CommandLine, KnowsErrandsAndAddresses) {
  const auto action = [](std::vector<std::string> arguments) {
    return read_command_line(arguments).value().action;
  };
  using Action = Invocation::Action;
  EXPECT_EQ(action({"--version"}), Action::kPrintVersion);
  EXPECT_EQ(action({"-h"}), Action::kPrintHelp);
  EXPECT_EQ(action({"--check-log", "/x"}), Action::kCheckLog);
  EXPECT_EQ(action({"--repair-log", "/x"}), Action::kRepairLog);
  const std::vector<std::string> address = {"--engine", "memory", "--addr", "[::1]:7000"};
  EXPECT_EQ(describe(read_command_line(address).value().settings),
            "--engine|engine|memory\n--addr|bind|::1\n--addr|port|7000\n");
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--check-log"}, {"--addr", "localhost"}, {"x", "y"}, {"--"}}) {
    EXPECT_FALSE(read_command_line(wrong).ok());
  }
}

TEST(Environment, SetsWhatTheSeedsSet) {
  std::map<std::string, std::string> variables = {{"DISKDB_PORT", "7001"},
                                                  {"DISKDB_PATH", "/d"},
                                                  {"DISKDB_MAX_CONNECTIONS", "12"},
                                                  {"DISKDB_USE_TLS", "false"}};
  const Environment environment = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  Config config;
  EXPECT_EQ(outcome_of(config, read_environment(environment)), "OK");
  EXPECT_EQ(config.text("port"), "7001");
  EXPECT_EQ(config.text("dir"), "/d");
  EXPECT_EQ(config.text("maxclients"), "12");
  variables["DISKDB_USE_TLS"] = "true";
  EXPECT_EQ(outcome_of(config, read_environment(environment)),
            "DISKDB_USE_TLS=true: TLS is not available yet; unset it and listen on loopback or a "
            "private network");
  variables["DISKDB_USE_TLS"] = "";
  variables["DISKDB_PORT"] = "many";
  EXPECT_EQ(outcome_of(config, read_environment(environment)),
            "DISKDB_PORT: port many: argument couldn't be parsed into an integer; accepted: a "
            "number from 0 to 65535");
}

TEST(RedisConf, ReadsDirectivesQuotesAndComments) {
  const auto settings = read_redis_conf(
      "# comment\n\nPort 7002\r\nlogfile \"a \\\"b\\\"\"\nsave 900 1\n  dir '/x y'  \nsave \"\"\n",
      "redis.conf");
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(describe(settings.value()),
            "redis.conf:3|port|7002\nredis.conf:4|logfile|a \"b\"\nredis.conf:5|save|900|1\n"
            "redis.conf:6|dir|/x y\nredis.conf:7|save|\n");
}

TEST(RedisConf, NamesTheLineOfAnError) {
  Config config;
  const auto outcome = [&](const std::string& text) {
    return outcome_of(config, read_redis_conf(text, "r.conf"));
  };
  EXPECT_EQ(outcome("port 1\nnonsense yes\n"),
            "r.conf:2: there is no setting 'nonsense'; docs/configuration.md lists all");
  EXPECT_EQ(outcome("logfile \"x\n"), "r.conf:1: unbalanced quotes in: logfile \"x");
  EXPECT_EQ(outcome("\nmaxclients 0\n").substr(0, 23), "r.conf:2: maxclients 0:");
  EXPECT_EQ(outcome("loadmodule x.so\n"), "r.conf:1: loadmodule: modules are not available");
  EXPECT_EQ(outcome("include /does/not/exist\n").substr(0, 9), "r.conf:1:");
  EXPECT_EQ(outcome("list-max-ziplist-entries 5\n"), "OK");
}

TEST(RedisConf, Includes) {
  const std::string path = testing::TempDir() + "/included.conf";
  std::FILE* file = std::fopen(path.c_str(), "w");
  std::fputs("timeout 5\n", file);
  std::fclose(file);
  Config config;
  EXPECT_EQ(outcome_of(config, read_redis_conf("timeout 1\ninclude " + path + "\n", "r.conf")),
            "OK");
  EXPECT_EQ(config.text("timeout"), "5");
  file = std::fopen(path.c_str(), "w");
  std::fputs(("include " + path + "\n").c_str(), file);
  std::fclose(file);
  EXPECT_NE(
      outcome_of(config, read_redis_conf("include " + path + "\n", "r.conf")).find("too deeply"),
      std::string::npos);
}

TEST(Toml, ReadsTheSeedsFile) {
  Config config;
  const std::string text = R"(
[server]
optimized = true              # Enable all optimizations
tcp_nodelay = false
buffer_pool_enabled = true
pipeline_max_batch = 100
port = 7003
bind = ["127.0.0.1", "-::1"]

[network]
recv_buffer_size = 262144
connection_pool_size = 10

[persistence]
wal_enabled = true
sync_interval = "1500ms"
compression = "lz4"
max_log_size = "100MB"

[memory]
maxmemory = "256mb"

[redis]
appendonly = true
aof_rewrite_cpulist = "0"
)";
  EXPECT_EQ(outcome_of(config, read_toml(text, "diskdb.toml", config)), "OK");
  EXPECT_EQ(config.text("tcp-nodelay"), "no");
  EXPECT_EQ(config.text("pipeline-max-batch"), "100");
  EXPECT_EQ(config.text("bind"), "127.0.0.1 -::1");
  EXPECT_EQ(config.text("recv-buffer-size"), "262144");
  EXPECT_EQ(config.text("sync-interval"), "1500ms");
  EXPECT_EQ(config.text("max-log-size"), "104857600");
  EXPECT_EQ(config.text("maxmemory"), "268435456");
  EXPECT_EQ(config.text("appendonly"), "yes");
}

TEST(Toml, NamesTheLineOfAnError) {
  Config config;
  const auto outcome = [&](const std::string& text) {
    return outcome_of(config, read_toml(text, "d.toml", config));
  };
  EXPECT_EQ(outcome("[server]\nport = 1\n\nwrong = 2\n"),
            "d.toml:4: there is no setting 'wrong'; docs/configuration.md lists all");
  EXPECT_EQ(outcome("[network]\nport = 1\n"), "d.toml:2: 'port' belongs to [server]");
  EXPECT_EQ(outcome("port = 1\n").substr(0, 44), "d.toml:1: 'port': expected one of the sectio");
  EXPECT_EQ(outcome("[server]\nport = 1.5\n"),
            "d.toml:2: expected a string, a number or a boolean");
  EXPECT_EQ(outcome("[server]\nport = [\n").substr(0, 8), "d.toml:2");
  EXPECT_NE(outcome("[persistence]\nwal_enabled = false\n").find("use fsync no"),
            std::string::npos);
}

TEST(Settings, LaterOnesWin) {
  Config config;
  EXPECT_EQ(outcome_of(config, read_redis_conf("port 1\ntimeout 1\nappendonly yes\n", "r")), "OK");
  std::vector<std::string> without_effect;
  const std::vector<Given> later = {{"--port", "port", {"2"}}, {"--hz", "hz", {"20"}}};
  EXPECT_TRUE(apply_settings(later, config, &without_effect).ok());
  EXPECT_EQ(config.text("port"), "2");
  EXPECT_EQ(config.text("timeout"), "1");
  EXPECT_EQ(without_effect, std::vector<std::string>{"hz"});
}

}  // namespace
}  // namespace diskdb::server
