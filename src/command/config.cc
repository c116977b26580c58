#include "command/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <forward_list>

#include "base/assert.h"
#include "base/number.h"
#include "base/quantity.h"
#include "command/config_options.h"
#include "resp/words.h"

namespace diskdb::command {
namespace {

using Words = std::span<const std::string>;

Error refused(std::string text) { return {Code::kInvalid, std::move(text)}; }

std::string joined(Words words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += ' ';
    text += words[i];
  }
  return text;
}

std::vector<Bytes> choices_of(const Option& option) {
  std::vector<Bytes> choices;
  for (Bytes left = option.choices; !left.empty();) {
    const std::size_t end = std::min(left.find(' '), left.size());
    choices.push_back(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return choices;
}

// The choice as the table spells it; empty if it is none.
Bytes find_choice(const Option& option, Bytes word) {
  for (const Bytes choice : choices_of(option)) {
    if (equals_ignoring_case(choice, word)) return choice;
  }
  return {};
}

Result<std::string> canonical_choices(const Option& option, Words words) {
  std::string text;
  for (const std::string& word : words) {
    const Bytes choice = find_choice(option, word);
    if (choice.empty()) {
      std::string all;
      for (const Bytes one : choices_of(option)) {
        all += (all.empty() ? "" : ", ") + std::string(one);
      }
      return refused("argument(s) must be one of the following: " + all);
    }
    if (!text.empty()) text += ' ';
    text += choice;
  }
  return text;
}

std::optional<std::int64_t> parse_octal(Bytes text) {
  std::int64_t value = 0;
  if (text.empty() || text.size() > 10) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + (c - '0');
  }
  return value;
}

std::optional<std::int64_t> parse_bytes(Bytes text) {
  const auto bytes = parse_memory(text);
  if (!bytes) return std::nullopt;
  return static_cast<std::int64_t>(std::min<std::uint64_t>(*bytes, INT64_MAX));
}

std::optional<std::int64_t> parse_number(const Option& option, Bytes text) {
  switch (option.type) {
    case OptionType::kOctal:
      return parse_octal(text);
    case OptionType::kMemory:
      return parse_bytes(text);
    case OptionType::kDuration: {
      const auto duration = parse_duration(text, Millis{1});
      if (!duration) return std::nullopt;
      return duration->count;
    }
    default:
      return parse_integer(text);
  }
}

const char* number_error(OptionType type) {
  switch (type) {
    case OptionType::kOctal:
      return "argument couldn't be parsed as an octal number";
    case OptionType::kMemory:
      return "argument must be a memory value";
    case OptionType::kMemoryOrPercent:
      return "argument must be a memory or percent value";
    case OptionType::kDuration:
      return "argument must be a duration such as 1000ms or 1s";
    default:
      return "argument couldn't be parsed into an integer";
  }
}

std::string number_text(const Option& option, std::int64_t value) {
  if (option.type == OptionType::kOctal) return fmt::format("{:o}", value);
  if (option.type == OptionType::kDuration) return fmt::format("{}ms", value);
  return std::to_string(value);
}

Result<std::string> canonical_number(const Option& option, Bytes text) {
  if (option.type == OptionType::kMemoryOrPercent && text.ends_with('%')) {
    const auto percent = parse_integer(text.substr(0, text.size() - 1));
    if (!percent || *percent < 0) return refused(number_error(option.type));
    if (*percent > -option.min) {
      return refused(fmt::format("percentage argument must be less or equal to {}", -option.min));
    }
    return std::string(text);
  }
  const auto value =
      option.type == OptionType::kMemoryOrPercent ? parse_bytes(text) : parse_number(option, text);
  if (!value) return refused(number_error(option.type));
  if (*value < option.min || *value > option.max) {
    return refused(fmt::format("argument must be between {} and {} inclusive",
                               number_text(option, option.min), number_text(option, option.max)));
  }
  return number_text(option, *value);
}

// The text to keep for `words`.
Result<std::string> canonical_text(const Option& option, Bytes current, Words words) {
  if (option.canonical != nullptr) return option.canonical(current, words);
  if (option.type == OptionType::kWords) return joined(words);
  if (option.type == OptionType::kChoices) return canonical_choices(option, words);
  if (words.size() != 1) return refused("wrong number of arguments");
  switch (option.type) {
    case OptionType::kBoolean:
      if (equals_ignoring_case(words[0], "yes")) return std::string("yes");
      if (equals_ignoring_case(words[0], "no")) return std::string("no");
      return refused("argument must be 'yes' or 'no'");
    case OptionType::kChoice:
      return canonical_choices(option, words);
    case OptionType::kText:
      return words[0];
    default:
      return canonical_number(option, words[0]);
  }
}

Result<std::string> checked_text(const Option& option, Bytes current, Words words) {
  auto text = canonical_text(option, current, words);
  if (!text.ok() || option.otherwise.empty() || *text == option.initial) return text;
  return refused(std::string(option.otherwise));
}

bool takes_several_words(const Option& option) {
  return option.type == OptionType::kWords || option.type == OptionType::kChoices;
}

// What CONFIG SET gives as one argument, and a line of a file may give quoted, is several words.
std::vector<std::string> split(const Option& option, Bytes value) {
  if (!takes_several_words(option) || value.empty()) return {std::string(value)};
  std::vector<Bytes> words;
  std::forward_list<std::string> storage;
  if (!resp::split_words(value, words, storage)) return {std::string(value)};
  return {words.begin(), words.end()};
}

std::string lower(Bytes text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), to_lower);
  return result;
}

}  // namespace

Config::Config() {
  for (const auto table : {own_options(), accepted_options()}) {
    for (const Option& option : table) options_.push_back(&option);
  }
  std::ranges::sort(options_, {}, [](const Option* option) { return option->name; });
  values_.resize(options_.size());
  defaults_.resize(options_.size());
  is_given_.resize(options_.size());
  for (const Option* option : options_) {
    for (const Bytes name : {option->name, option->alias}) {
      if (name.empty()) continue;
      const bool is_new = by_name_.emplace(name, option).second;
      ASSERT(is_new);
    }
    set_default(option->name, std::string(option->initial));
  }
}

const Option* Config::find(Bytes name) const {
  const auto found = by_name_.find(lower(name));
  return found == by_name_.end() ? nullptr : found->second;
}

std::size_t Config::index_of(const Option& option) const {
  const auto place = std::ranges::lower_bound(options_, option.name, {},
                                              [](const Option* other) { return other->name; });
  ASSERT(place != options_.end() && *place == &option);
  return static_cast<std::size_t>(place - options_.begin());
}

void Config::store(const Option& option, std::string value) {
  if (option.live != nullptr) {
    (settings_.*option.live).store(number_of(option, value), std::memory_order_relaxed);
  }
  values_[index_of(option)] = std::move(value);
}

std::string Config::text(const Option& option) const {
  const std::lock_guard lock(mutex_);
  return values_[index_of(option)];
}

std::string Config::text(Bytes name) const {
  const Option* option = find(name);
  ASSERT(option != nullptr);
  return text(*option);
}

std::int64_t Config::number(Bytes name) const {
  const Option* option = find(name);
  ASSERT(option != nullptr);
  return number_of(*option, text(*option));
}

bool Config::is_given(const Option& option) const { return is_given_[index_of(option)]; }

void Config::set_default(Bytes name, std::string value) {
  const Option* option = find(name);
  ASSERT(option != nullptr);
  const std::lock_guard lock(mutex_);
  const std::size_t index = index_of(*option);
  defaults_[index] = value;
  if (!is_given_[index]) store(*option, std::move(value));
}

bool Config::is_default(const Option& option) const {
  const std::lock_guard lock(mutex_);
  const std::size_t index = index_of(option);
  return values_[index] == defaults_[index];
}

Status Config::set_at_start(const Option& option, std::span<const std::string> words) {
  std::vector<std::string> given(words.begin(), words.end());
  if (given.size() == 1) given = split(option, given[0]);
  if (option.type == OptionType::kBoolean && given.size() == 1) {  // TOML's words for it
    if (given[0] == "true") given[0] = "yes";
    if (given[0] == "false") given[0] = "no";
  }
  const std::lock_guard lock(mutex_);
  const std::size_t index = index_of(option);
  if (option.traits.adds_up && is_given_[index] && !joined(given).empty()) {
    std::vector<std::string> all = split(option, values_[index]);
    std::erase(all, "");
    given.insert(given.begin(), all.begin(), all.end());
  }
  auto text = checked_text(option, values_[index], given);
  if (!text.ok()) {
    return {Code::kInvalid, fmt::format("{} {}: {}; accepted: {}", option.name, joined(words),
                                        text.error().message, accepted_values(option))};
  }
  store(option, std::move(*text));
  is_given_[index] = true;
  return {};
}

std::optional<std::string> Config::set_live(std::span<const Change> changes) {
  std::vector<const Option*> options;
  for (const Change& change : changes) {
    const Option* option = find(change.name);
    if (option == nullptr) {
      return fmt::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'",
                         change.name);
    }
    options.push_back(option);
  }
  const auto failed = [](Bytes name, Bytes why) {
    return fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, why);
  };
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (options[i]->traits.immutable) return failed(changes[i].name, "can't set immutable config");
    if (std::find(options.begin(), options.begin() + static_cast<std::ptrdiff_t>(i), options[i]) !=
        options.begin() + static_cast<std::ptrdiff_t>(i)) {
      return failed(changes[i].name, "duplicate parameter");
    }
  }
  {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < options.size(); ++i) {
      const std::string& current = values_[index_of(*options[i])];
      auto text = checked_text(*options[i], current, split(*options[i], changes[i].value));
      if (!text.ok()) return failed(options[i]->name, text.error().message);
      texts.push_back(std::move(*text));
    }
    for (std::size_t i = 0; i < options.size(); ++i) store(*options[i], std::move(texts[i]));
  }
  for (const Option* option : options) {
    const auto [first, last] = observers_.equal_range(option);
    for (auto observer = first; observer != last; ++observer) observer->second();
  }
  return std::nullopt;
}

void Config::observe(Bytes name, std::function<void()> observer) {
  const Option* option = find(name);
  ASSERT(option != nullptr);
  observers_.emplace(option, std::move(observer));
}

std::int64_t number_of(const Option& option, Bytes value) {
  switch (option.type) {
    case OptionType::kBoolean:
      return value == "yes" ? 1 : 0;
    case OptionType::kChoice: {
      const std::vector<Bytes> choices = choices_of(option);
      const auto place = std::ranges::find(choices, value);
      ASSERT(place != choices.end());
      return place - choices.begin();
    }
    default: {
      const auto number = parse_number(option, value);
      ASSERT(number.has_value());
      return *number;
    }
  }
}

std::string accepted_values(const Option& option) {
  if (!option.otherwise.empty()) {
    return option.initial.empty() ? "nothing" : fmt::format("only {}", option.initial);
  }
  switch (option.type) {
    case OptionType::kBoolean:
      return "yes or no";
    case OptionType::kInteger:
      return fmt::format("a number from {} to {}", option.min, option.max);
    case OptionType::kOctal:
      return fmt::format("an octal number from {:o} to {:o}", option.min, option.max);
    case OptionType::kMemory:
      return option.max == INT64_MAX
                 ? fmt::format("a size such as 100MB, at least {} bytes", option.min)
                 : fmt::format("a size such as 100MB, from {} to {} bytes", option.min, option.max);
    case OptionType::kMemoryOrPercent:
      return fmt::format("a size such as 100MB, or up to {}%", -option.min);
    case OptionType::kDuration:
      return fmt::format("a duration such as 1000ms or 1s, from {} to {} ms", option.min,
                         option.max);
    case OptionType::kChoice:
    case OptionType::kChoices: {
      std::string text = option.type == OptionType::kChoice ? "one of " : "some of ";
      const std::vector<Bytes> choices = choices_of(option);
      for (std::size_t i = 0; i < choices.size(); ++i) {
        text += (i > 0 ? ", " : "") + std::string(choices[i]);
      }
      return text;
    }
    case OptionType::kText:
      return "one word, quoted if it has blanks";
    case OptionType::kWords:
      return "words";
  }
  return {};
}

std::string quoted(Bytes word) {
  const bool is_plain = !word.empty() && std::ranges::all_of(word, [](char c) {
    return c > ' ' && c != '"' && c != '\'' && c != '\\' && c != 0x7F;
  });
  if (is_plain) return std::string(word);
  std::string text = "\"";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (byte < ' ' || byte == 0x7F) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + '"';
}

}  // namespace diskdb::command
