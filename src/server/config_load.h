// server/config_load.h — where settings come from: a file, the environment, the command line; later
// wins. What can be set is command/config.h; docs/configuration.md tells users.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "command/config.h"

namespace diskdb::server {

/// A setting as some source gave it.
struct Given {
  std::string source;  ///< "redis.conf:12", "DISKDB_PORT", "--port"
  std::string name;
  std::vector<std::string> words;
};

/// What the command line asks for.
struct Invocation {
  enum class Action : std::uint8_t {
    kServe,
    kPrintHelp,
    kPrintVersion,
    kPrintConfigPage,
    kCheckLog,
    kRepairLog,
  };
  Action action = Action::kServe;
  std::string log_folder;   ///< of kCheckLog and kRepairLog
  std::string config_file;  ///< empty: none was named; "-": standard input
  std::vector<Given> settings;
};
/// `arguments`: without the program's name. Errors: kInvalid.
Result<Invocation> read_command_line(std::span<const std::string> arguments);

/// The value of an environment variable, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
/// Errors: kInvalid for what asks for TLS.
Result<std::vector<Given>> read_environment(const Environment& environment);

/// `text` of a redis.conf, files it includes being read. `source`: its name.
Result<std::vector<Given>> read_redis_conf(const std::string& text, const std::string& source);
/// `text` of a diskdb.toml.
Result<std::vector<Given>> read_toml(const std::string& text, const std::string& source,
                                     const command::Config& config);
bool is_toml(const std::string& path);

/// Errors: kInvalid, naming the source and what is accepted. Names of settings without effect are
/// appended to `without_effect`.
Status apply_settings(std::span<const Given> settings, command::Config& config,
                      std::vector<std::string>* without_effect);

/// The whole file; "-" is standard input. Errors: kNotFound, kIo.
Result<std::string> read_file(const std::string& path);

}  // namespace diskdb::server
