// command/config_page.cc — docs/configuration.md, printed from the table of settings.
#include <fmt/format.h>

#include <algorithm>

#include "command/config.h"

namespace diskdb::command {
namespace {

constexpr Bytes kOpening =
    R"(<!-- Printed by `diskdb --print-config-docs`; a test compares. The table is
src/command/config_options.cc. -->
# Configuration

DiskDB needs none. Settings come from, the later winning: the defaults below; a file; the
environment; the command line. What cannot be understood stops the start with the place and the
accepted values.

- **File**: the first argument, or else `diskdb.toml` in the working directory if it is there. A
  name that ends in `.toml` is TOML, with the sections and keys below; anything else is a
  `redis.conf` (a directive a line, quotes, `include`), and `-` is one on standard input.
- **Environment**: `DISKDB_PORT`, `DISKDB_PATH` (the folder), `DISKDB_MAX_CONNECTIONS`.
- **Command line**: `--setting value`, or `--setting=value`, for any setting here and any
  directive of Redis; `--addr host:port` is bind and port.

Sizes are bytes or have a unit (`100MB`, `256kb`; `k` is 1000 and `kb` 1024, as in Redis),
durations too (`1000ms`, `1s`). CONFIG GET shows everything, CONFIG SET changes what is *live*
here, CONFIG REWRITE writes changes back to the file that the server was started from.
)";

std::string cell(Bytes text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

std::string toml_key(Bytes name) {
  std::string key(name);
  std::ranges::replace(key, '-', '_');
  return key;
}

std::string row_of(const Option& option) {
  const std::string alias =
      option.alias.empty() ? std::string() : fmt::format(" (also `{}`)", option.alias);
  const std::string value =
      option.initial.empty() ? std::string("empty") : fmt::format("`{}`", option.initial);
  return fmt::format("| `{}`{} | {} | {} | {} | {} |\n", toml_key(option.name), alias,
                     cell(accepted_values(option)), value,
                     option.use == OptionUse::kLive ? "live" : "", cell(option.description));
}

}  // namespace

std::string configuration_page(const Config& config) {
  std::string page(kOpening);
  for (const Bytes section : {"server", "network", "persistence", "memory"}) {
    page += fmt::format("\n## [{}]\n\n| setting | accepted | default | | meaning |\n", section);
    page += "|---|---|---|---|---|\n";
    for (const Option* option : config.options()) {
      if (option->section == section) page += row_of(*option);
    }
  }
  page +=
      "\nIn a `redis.conf`, in CONFIG and on the command line a setting has dashes (`tcp-nodelay`) "
      "where TOML "
      "has\nunderscores.\n\n## Redis's directives that change nothing here\n\n"
      "They are accepted and remembered, with a line in the server's log.\n\n";
  std::string names;
  std::string refused;
  for (const Option* option : config.options()) {
    if (!option->section.empty() || option->traits.hidden) continue;
    if (!option->otherwise.empty()) {
      refused += fmt::format("- `{}`: {}.\n", option->name, option->otherwise);
    } else {
      names += fmt::format("{}`{}`", names.empty() ? "" : ", ", option->name);
    }
  }
  page += names + ".\n\n## Refused, but for their default\n\n" + refused;
  return page;
}

}  // namespace diskdb::command
