#include "server/config_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <forward_list>
#include <memory>

#include "base/number.h"
#include "resp/words.h"

namespace diskdb::server {
namespace {

constexpr int kIncludeDepthMax = 16;

Error invalid(std::string text) { return {Code::kInvalid, std::move(text)}; }

std::string lower(Bytes text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), to_lower);
  return result;
}

// What a redis.conf may hold that is no setting.
struct Directive {
  Bytes name;
  Bytes refusal;  ///< empty: accepted without effect
};
constexpr Directive kDirectives[] = {
    {"list-max-ziplist-entries", ""},
    {"list-max-ziplist-value", ""},
    {"lua-replicate-commands", ""},
    {"loadmodule", "modules are not available"},
    {"rename-command",
     "commands cannot be renamed yet; use bind and protected-mode to keep strangers out"},
    {"sentinel", "this is no sentinel"},
    {"user",
     "access control lists are not available yet; use bind and protected-mode to keep strangers "
     "out"},
};

const Directive* find_directive(Bytes name) {
  const auto found = std::ranges::find(kDirectives, name, &Directive::name);
  return found == std::end(kDirectives) ? nullptr : found;
}

Bytes trimmed(Bytes line) {
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  return line;
}

Status read_redis_lines(const std::string& text, const std::string& source, int depth,
                        std::vector<Given>* settings) {
  int number = 0;
  for (Bytes left = text; !left.empty();) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    const Bytes line = trimmed(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const std::string place = fmt::format("{}:{}", source, number);
    std::vector<Bytes> words;
    std::forward_list<std::string> storage;
    if (!resp::split_words(line, words, storage)) {
      return invalid(fmt::format("{}: unbalanced quotes in: {}", place, line));
    }
    if (words.empty()) continue;
    Given given{place, lower(words[0]), {words.begin() + 1, words.end()}};
    if (given.name != "include") {
      settings->push_back(std::move(given));
      continue;
    }
    if (given.words.size() != 1) return invalid(place + ": include takes one file");
    if (depth == kIncludeDepthMax) return invalid(place + ": files include each other too deeply");
    auto included = read_file(given.words[0]);
    if (!included.ok()) return included.status().because(place);
    TRY(read_redis_lines(*included, given.words[0], depth + 1, settings));
  }
  return {};
}

bool is_false(Bytes text) {
  return text.empty() || text == "0" || equals_ignoring_case(text, "false") ||
         equals_ignoring_case(text, "no") || equals_ignoring_case(text, "off");
}

// "host:port", "[::1]:port": bind and port at once.
Status read_address(const std::string& source, const std::string& address,
                    std::vector<Given>* settings) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size()) {
    return invalid(fmt::format("{} {}: accepted: host:port", source, address));
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (!host.empty()) settings->push_back({source, "bind", {host}});
  settings->push_back({source, "port", {address.substr(colon + 1)}});
  return {};
}

}  // namespace

Result<Invocation> read_command_line(std::span<const std::string> arguments) {
  using Action = Invocation::Action;
  Invocation invocation;
  std::size_t i = 0;
  if (!arguments.empty() && (!arguments[0].starts_with("-") || arguments[0] == "-")) {
    invocation.config_file = arguments[i++];
  }
  while (i < arguments.size()) {
    const std::string& argument = arguments[i++];
    if (argument == "-v" || argument == "--version") {
      invocation.action = Action::kPrintVersion;
      return invocation;
    }
    if (argument == "-h" || argument == "--help") {
      invocation.action = Action::kPrintHelp;
      return invocation;
    }
    if (!argument.starts_with("--") || argument.size() == 2) {
      return invalid(
          fmt::format("'{}': expected a setting, such as --port 6380; see --help", argument));
    }
    const std::size_t equals = argument.find('=');
    Given given{argument.substr(0, equals), lower(argument.substr(2, equals - 2)), {}};
    if (equals != std::string::npos) given.words.push_back(argument.substr(equals + 1));
    while (i < arguments.size() && !arguments[i].starts_with("--")) {
      given.words.push_back(arguments[i++]);
    }
    if (given.name == "print-config-docs") {
      invocation.action = Action::kPrintConfigPage;
      return invocation;
    }
    if (given.name == "check-log" || given.name == "repair-log") {
      if (given.words.size() != 1) return invalid(given.source + ": expected a folder");
      invocation.action = given.name == "check-log" ? Action::kCheckLog : Action::kRepairLog;
      invocation.log_folder = given.words[0];
      return invocation;
    }
    if (given.name == "addr") {
      if (given.words.size() != 1) return invalid(given.source + ": expected host:port");
      TRY(read_address(given.source, given.words[0], &invocation.settings));
      continue;
    }
    invocation.settings.push_back(std::move(given));
  }
  return invocation;
}

Result<std::vector<Given>> read_environment(const Environment& environment) {
  std::vector<Given> settings;
  constexpr std::array<std::array<const char*, 2>, 3> kVariables = {
      {{"DISKDB_PORT", "port"}, {"DISKDB_PATH", "dir"}, {"DISKDB_MAX_CONNECTIONS", "maxclients"}}};
  for (const auto& [variable, name] : kVariables) {
    if (const auto value = environment(variable); value && !value->empty()) {
      settings.push_back({variable, name, {*value}});
    }
  }
  for (const char* variable : {"DISKDB_USE_TLS", "DISKDB_CERT_PATH", "DISKDB_KEY_PATH"}) {
    const auto value = environment(variable);
    if (!value || is_false(*value)) continue;
    return invalid(fmt::format(
        "{}={}: TLS is not available yet; unset it and listen on loopback or a private network",
        variable, *value));
  }
  return settings;
}

Result<std::vector<Given>> read_redis_conf(const std::string& text, const std::string& source) {
  std::vector<Given> settings;
  TRY(read_redis_lines(text, source, 0, &settings));
  return settings;
}

bool is_toml(const std::string& path) { return path.ends_with(".toml"); }

Status apply_settings(std::span<const Given> settings, command::Config& config,
                      std::vector<std::string>* without_effect) {
  for (const Given& given : settings) {
    const command::Option* option = config.find(given.name);
    if (option == nullptr) {
      const Directive* directive = find_directive(given.name);
      if (directive == nullptr) {
        return invalid(fmt::format("{}: there is no setting '{}'; docs/configuration.md lists all",
                                   given.source, given.name));
      }
      if (!directive->refusal.empty()) {
        return invalid(fmt::format("{}: {}: {}", given.source, given.name, directive->refusal));
      }
      without_effect->emplace_back(given.name);
      continue;
    }
    // A switch on the command line: --optimized.
    std::vector<std::string> words = given.words;
    if (words.empty() && option->type == command::OptionType::kBoolean) words = {"yes"};
    const Status status = config.set_at_start(*option, words);
    if (!status.ok()) return status.because(given.source);
    if (option->use == command::OptionUse::kWithoutEffect) {
      without_effect->emplace_back(option->name);
    }
  }
  return {};
}

Result<std::string> read_file(const std::string& path) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> opened(path == "-" ? nullptr
                                                             : std::fopen(path.c_str(), "rb"));
  std::FILE* file = path == "-" ? stdin : opened.get();
  if (file == nullptr) {
    return {errno == ENOENT ? Code::kNotFound : Code::kIo, path + ": " + std::strerror(errno)};
  }
  std::string text;
  std::array<char, 16 * 1024> part;
  std::size_t size;
  while ((size = std::fread(part.data(), 1, part.size(), file)) > 0) text.append(part.data(), size);
  if (std::ferror(file) != 0) return {Code::kIo, path + ": " + std::strerror(errno)};
  return text;
}

}  // namespace diskdb::server
