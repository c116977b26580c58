// server/config_toml.cc — settings from a TOML file. The only place that knows the library for it.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "server/config_load.h"

namespace diskdb::server {
namespace {

constexpr Bytes kSections[] = {"server", "network", "persistence", "memory", "redis"};

Error invalid(std::string text) { return {Code::kInvalid, std::move(text)}; }

std::optional<std::string> word_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

Result<std::vector<std::string>> words_of(const toml::node& node, const std::string& place) {
  std::vector<std::string> words;
  if (const auto word = word_of(node)) {
    words.push_back(*word);
    return words;
  }
  const auto* array = node.as_array();
  if (array == nullptr) return invalid(place + ": expected a string, a number or a boolean");
  for (const toml::node& element : *array) {
    const auto word = word_of(element);
    if (!word) return invalid(place + ": expected strings, numbers or booleans");
    words.push_back(*word);
  }
  return words;
}

std::string sections_text() {
  std::string text;
  for (const Bytes section : kSections)
    text += fmt::format("{}[{}]", text.empty() ? "" : ", ", section);
  return text;
}

}  // namespace

Result<std::vector<Given>> read_toml(const std::string& text, const std::string& source,
                                     const command::Config& config) {
  const toml::parse_result parsed = toml::parse(text, source);
  if (!parsed) {
    return invalid(fmt::format("{}:{}: {}", source, parsed.error().source().begin.line,
                               parsed.error().description()));
  }
  std::vector<Given> settings;
  for (const auto& [section, content] : parsed.table()) {
    const std::string section_place = fmt::format("{}:{}", source, content.source().begin.line);
    const toml::table* table = content.as_table();
    if (table == nullptr || std::ranges::find(kSections, section.str()) == std::end(kSections)) {
      return invalid(fmt::format("{}: '{}': expected one of the sections {}", section_place,
                                 section.str(), sections_text()));
    }
    for (const auto& [key, value] : *table) {
      const std::string place = fmt::format("{}:{}", source, value.source().begin.line);
      std::string name(key.str());
      if (config.find(name) == nullptr) std::ranges::replace(name, '_', '-');
      const command::Option* option = config.find(name);
      const Bytes home = option == nullptr || option->section.empty() ? "redis" : option->section;
      if (option != nullptr && home != section.str()) {
        return invalid(fmt::format("{}: '{}' belongs to [{}]", place, key.str(), home));
      }
      TRY_LET(std::vector<std::string> words, words_of(value, place));
      settings.push_back({place, std::move(name), std::move(words)});
    }
  }
  return settings;
}

}  // namespace diskdb::server
