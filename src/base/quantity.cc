#include "base/quantity.h"

#include <cstddef>
#include <limits>
#include <span>

#include "base/number.h"

namespace diskdb {
namespace {

struct Unit {
  Bytes name;
  std::uint64_t factor;
};

constexpr Unit kMemoryUnits[] = {
    {"", 1},
    {"b", 1},
    {"k", 1000},
    {"kb", 1_KiB},
    {"m", 1000 * 1000},
    {"mb", 1_MiB},
    {"g", 1000ULL * 1000 * 1000},
    {"gb", 1_GiB},
    {"t", 1000ULL * 1000 * 1000 * 1000},
    {"tb", 1024 * 1_GiB},
};

constexpr Unit kDurationUnits[] = {
    {"ms", 1},          {"s", 1000},        {"m", 60 * 1000},
    {"min", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
};

// Digits followed by the name of a unit.
std::optional<std::uint64_t> parse(Bytes text, std::span<const Unit> units, std::uint64_t limit) {
  std::uint64_t number = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    const auto digit = static_cast<std::uint64_t>(text[at] - '0');
    if (number > (limit - digit) / 10) return std::nullopt;
    number = number * 10 + digit;
  }
  if (at == 0) return std::nullopt;
  for (const Unit& unit : units) {
    if (!equals_ignoring_case(text.substr(at), unit.name)) continue;
    if (number > limit / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_memory(Bytes text) {
  return parse(text, kMemoryUnits, std::numeric_limits<std::uint64_t>::max());
}

std::optional<Millis> parse_duration(Bytes text, Millis bare_unit) {
  constexpr auto kLimit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const Unit bare{"", static_cast<std::uint64_t>(bare_unit.count)};
  auto count = parse(text, {&bare, 1}, kLimit);
  if (!count) count = parse(text, kDurationUnits, kLimit);
  if (!count) return std::nullopt;
  return Millis{static_cast<std::int64_t>(*count)};
}

}  // namespace diskdb
