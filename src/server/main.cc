// server/main.cc — the program: settings from everywhere, then the server or one of its errands.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "command/config.h"
#include "command/version.h"
#include "io/clock.h"
#include "io/real_disk.h"
#include "log/log.h"
#include "server/config_load.h"
#include "server/memory.h"
#include "server/server.h"
#include "server/server_log.h"

namespace diskdb::server {
namespace {

constexpr Bytes kHelp = R"(Usage: diskdb [FILE] [--setting value ...]
  FILE                      diskdb.toml, or a redis.conf; - is a redis.conf on standard input
  --port 6380               TCP port
  --dir ./data              folder of the data
  --fsync everysec          always, everysec or no
  --engine disk             disk or memory (port 7878 unless said otherwise)
  --threads 0               network threads; 0 is one for each processor
  --addr host:port          bind and port at once
  --maxmemory 2gb           and every other setting of docs/configuration.md, or directive of Redis
Other errands:
  --check-log FOLDER        tells whether the log in FOLDER is sound
  --repair-log FOLDER       cuts the log at its first bad frame, keeping what it cuts beside it
  --print-config-docs       prints docs/configuration.md
  --version, --help
)";
constexpr const char* kDefaultFile = "diskdb.toml";
constexpr int kMemoryEnginePort = 7878;

void print(std::FILE* file, Bytes text) { std::fwrite(text.data(), 1, text.size(), file); }

int fail(const Status& status) {
  print(stderr, fmt::format("diskdb: {}\n", status.error().message));
  return 1;
}

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

Status load_file(Invocation* invocation, command::Config& config,
                 std::vector<std::string>* without_effect) {
  const bool is_named = !invocation->config_file.empty();
  const std::string path = is_named ? invocation->config_file : kDefaultFile;
  auto text = read_file(path);
  if (!text.ok() && !is_named && text.error().code == Code::kNotFound) return {};
  TRY(text);
  invocation->config_file = path;
  const std::string source = path == "-" ? "standard input" : path;
  TRY_LET(const std::vector<Given> settings,
          is_toml(path) ? read_toml(*text, source, config) : read_redis_conf(*text, source));
  return apply_settings(settings, config, without_effect);
}

Status load_settings(Invocation* invocation, command::Config& config,
                     std::vector<std::string>* without_effect) {
  // Half of the memory: the other half is the system's cache of the log, and room for clients.
  config.set_default("maxmemory", std::to_string(available_memory() / 2));
  TRY(load_file(invocation, config, without_effect));
  TRY_LET(const std::vector<Given> variables, read_environment(environment_variable));
  TRY(apply_settings(variables, config, without_effect));
  TRY(apply_settings(invocation->settings, config, without_effect));
  if (config.text("engine") == "memory") {
    config.set_default("port", std::to_string(kMemoryEnginePort));
  }
  return {};
}

// A data folder holds the log in a folder of its own; either may be named.
std::string log_folder_in(io::Disk& disk, const std::string& folder) {
  const std::string inner = folder + "/log";
  const auto files = disk.list(inner);
  return files.ok() && !files.value().empty() ? inner : folder;
}

int check_or_repair(const Invocation& invocation) {
  io::RealDisk disk;
  const std::string folder = log_folder_in(disk, invocation.log_folder);
  auto report = invocation.action == Invocation::Action::kCheckLog ? log::check(disk, folder)
                                                                   : log::repair(disk, folder);
  if (!report.ok()) return fail(report.status());
  print(stdout, report->text);
  if (!report->text.ends_with('\n')) print(stdout, "\n");
  return report->is_sound ? 0 : 1;
}

std::string joined(std::vector<std::string> names) {
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

int serve(Invocation invocation) {
  command::Config config;
  std::vector<std::string> without_effect;
  if (const Status status = load_settings(&invocation, config, &without_effect); !status.ok()) {
    return fail(status);
  }
  // Before any thread: they all inherit it, and the server waits for these signals itself.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  io::RealDisk disk;
  io::RealClock clock;
  auto server_log = ServerLog::open(config.text("logfile"), clock, config.settings());
  if (!server_log.ok()) return fail(server_log.status());
  if (!without_effect.empty()) {
    (*server_log)->notice("Accepted without effect: " + joined(std::move(without_effect)));
  }
  Server server(config, disk, clock, **server_log, invocation.config_file);
  if (const Status status = server.start(); !status.ok()) {
    (*server_log)->warning("Cannot start: " + status.error().message);
    return fail(status);
  }
  if (const Status status = server.run(); !status.ok()) {
    (*server_log)->warning("Ending failed: " + status.error().message);
    return fail(status);
  }
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  using Action = Invocation::Action;
  auto invocation = read_command_line(arguments);
  if (!invocation.ok()) return fail(invocation.status());
  switch (invocation->action) {
    case Action::kServe:
      return serve(std::move(*invocation));
    case Action::kPrintHelp:
      print(stdout, kHelp);
      return 0;
    case Action::kPrintVersion:
      print(stdout,
            fmt::format("DiskDB {} (commands of Redis {})\n", kVersion, command::kRedisVersion));
      return 0;
    case Action::kPrintConfigPage:
      print(stdout, command::configuration_page(command::Config()));
      return 0;
    case Action::kCheckLog:
    case Action::kRepairLog:
      return check_or_repair(*invocation);
  }
  return 1;
}

}  // namespace
}  // namespace diskdb::server

int main(int argc, char** argv) {
  return diskdb::server::run({argv + 1, argv + std::max(argc, 1)});
}
