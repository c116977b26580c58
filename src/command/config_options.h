// command/config_options.h — the two tables of settings that command/config.h joins: those that
// mean something here, and Redis's other directives.
#pragma once

#include <span>

#include "command/config.h"

namespace diskdb::command {

/// What DiskDB is set with.
std::span<const Option> own_options();
/// What Redis has and DiskDB accepts without effect.
std::span<const Option> accepted_options();

/// Sorted by name, ranges that hold something, choices to choose from, words for the documentation.
consteval bool options_are_sound(std::span<const Option> options) {
  for (std::size_t i = 0; i < options.size(); ++i) {
    const Option& option = options[i];
    const bool is_number =
        option.type == OptionType::kInteger || option.type == OptionType::kOctal ||
        option.type == OptionType::kMemory || option.type == OptionType::kMemoryOrPercent ||
        option.type == OptionType::kDuration;
    const bool is_choice =
        option.type == OptionType::kChoice || option.type == OptionType::kChoices;
    if (i > 0 && !(options[i - 1].name < option.name)) return false;
    if (is_number && option.min >= option.max) return false;
    if (is_choice && option.choices.empty()) return false;
    if (option.use != OptionUse::kWithoutEffect && option.description.empty()) return false;
    if (option.use == OptionUse::kAtStart && !option.traits.immutable) return false;
    if (option.section.empty() != option.description.empty()) return false;
  }
  return true;
}

}  // namespace diskdb::command
