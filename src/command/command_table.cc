#include "command/command_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <optional>

#include "base/assert.h"
#include "base/number.h"

namespace diskdb::command {
namespace {

constexpr std::size_t kNameBytesMax = 32;
constexpr std::uint64_t kFolded = 0xDFDF'DFDF'DFDF'DFDF;  // clears what tells "a" from "A"

std::uint64_t load_up_to_8(const char* bytes, std::size_t size) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, size);
  return word;
}

/// The same for names that differ in case only. Reads at most 16 bytes: names are told apart by
/// comparing.
std::uint32_t fold_hash(Bytes name, std::uint32_t seed) {
  const std::size_t head = std::min<std::size_t>(name.size(), 8);
  const std::uint64_t first = load_up_to_8(name.data(), head) & kFolded;
  const std::uint64_t last = load_up_to_8(name.data() + name.size() - head, head) & kFolded;
  std::uint64_t mixed = first * 0x9E37'79B9'7F4A'7C15ULL;
  mixed ^= std::rotl(last + seed, 29) * 0xC2B2'AE3D'27D4'EB4FULL;
  mixed += name.size() * 0x1656'67B1'9E37'79F9ULL;
  return static_cast<std::uint32_t>((mixed ^ (mixed >> 29)) * 0x9E37'79B9'7F4A'7C15ULL >> 32);
}

constexpr std::uint32_t kTopLevelSeed = 0;
std::uint32_t seed_of(const Row& container) { return fold_hash(container.name, kTopLevelSeed) | 1; }

bool is_subcommand(const Row& row) { return row.name.find(' ') != Bytes::npos; }
Bytes container_name(const Row& row) { return row.name.substr(0, row.name.find(' ')); }
Bytes own_name(const Row& row) { return row.name.substr(row.name.find(' ') + 1); }

/// A count of keys, each with what belongs to it `step` words, that leaves room for them behind it,
/// or none.
std::optional<std::size_t> key_count_at(std::span<const Bytes> words, std::size_t index,
                                        std::size_t step) {
  const auto count = parse_integer(words[index]);
  if (!count || *count < 0) return std::nullopt;
  const auto wanted = static_cast<std::uint64_t>(*count);
  if (wanted > (words.size() - index - 1) / step) return std::nullopt;
  return static_cast<std::size_t>(wanted);
}

/// Is `row` called `name`, whatever its case, inside `container` (null: at the top)?
bool is_named(const Row& row, const Row* container, Bytes name) {
  const std::size_t prefix = container == nullptr ? 0 : container->name.size() + 1;
  if (row.name.size() != prefix + name.size()) return false;
  if (container != nullptr && !row.name.starts_with(container->name)) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (to_upper(name[i]) != row.name[prefix + i]) return false;
  }
  return true;
}

}  // namespace

CommandTable::CommandTable(std::span<const std::span<const Row>> families) {
  std::size_t first_index = 0;
  for (const std::span<const Row> family : families) {
    families_.push_back({family, first_index});
    first_index += family.size();
    for (const Row& row : family) rows_.push_back(&row);
  }
  std::ranges::sort(families_, std::less<>{}, [](const Family& f) { return f.rows.data(); });
  // A space sorts before whatever else may stand in a name: subcommands follow their container.
  std::ranges::sort(rows_, std::less<>{}, [](const Row* row) { return row->name; });

  slots_.resize(std::bit_ceil(rows_.size() * 4 + 4));
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = *rows_[i];
    ASSERT(i == 0 || rows_[i - 1]->name != row.name);
    ASSERT(row.name.size() <= kNameBytesMax);
    std::uint32_t seed = kTopLevelSeed;
    if (is_subcommand(row)) {
      const Row* container = find(container_name(row));  // sorted before it, hence already here
      ASSERT(container != nullptr && container->has(Flag::kContainer));
      seed = seed_of(*container);
    }
    const std::uint32_t hash = fold_hash(own_name(row), seed);
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].index_plus_one != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {hash, static_cast<std::uint32_t>(i + 1)};
  }
}

const Row* CommandTable::find(Bytes name) const { return look_up(nullptr, name); }

const Row* CommandTable::find_subcommand(const Row& container, Bytes name) const {
  return look_up(&container, name);
}

const Row* CommandTable::resolve(std::span<const Bytes> words) const {
  if (words.empty()) return nullptr;
  const Row* row = find(words[0]);
  if (row == nullptr || !row->has(Flag::kContainer) || words.size() == 1) return row;
  return find_subcommand(*row, words[1]);
}

const Row* CommandTable::look_up(const Row* container, Bytes name) const {
  if (name.empty() || name.size() > kNameBytesMax) return nullptr;
  const std::uint32_t hash =
      fold_hash(name, container == nullptr ? kTopLevelSeed : seed_of(*container));
  for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot slot = slots_[at];
    if (slot.index_plus_one == 0) return nullptr;
    if (slot.hash != hash) continue;
    const Row* row = rows_[slot.index_plus_one - 1];
    if (is_named(*row, container, name)) return row;
  }
}

std::span<const Row* const> CommandTable::subcommands(const Row& container) const {
  const auto begin = std::ranges::upper_bound(rows_, container.name, std::less<>{},
                                              [](const Row* row) { return row->name; });
  const auto end = std::find_if(begin, rows_.end(), [&](const Row* row) {
    return !is_subcommand(*row) || container_name(*row) != container.name;
  });
  return {begin, end};
}

std::size_t CommandTable::index_of(const Row& row) const {
  const auto next = std::ranges::upper_bound(families_, &row, std::less<>{},
                                             [](const Family& f) { return f.rows.data(); });
  ASSERT(next != families_.begin());
  const Family& family = *std::prev(next);
  const auto place = static_cast<std::size_t>(&row - family.rows.data());
  ASSERT(place < family.rows.size());
  return family.first_index + place;
}

std::string full_name(const Row& row) {
  std::string name(row.name);
  for (char& c : name) c = c == ' ' ? '|' : to_lower(c);
  return name;
}

bool find_key_indices(const Row& row, std::span<const Bytes> words,
                      std::vector<std::size_t>* indices) {
  for (const KeySpec& spec : row.keys) {
    if (has(spec.use, KeyUse::kNotKey)) continue;
    if (!find_key_indices(spec, words, indices)) return false;
  }
  return true;
}

bool find_key_indices(const KeySpec& spec, std::span<const Bytes> words,
                      std::vector<std::size_t>* indices) {
  const auto begin = static_cast<std::size_t>(spec.begin);
  if (spec.halved) {
    for (std::size_t i = begin; i + 1 < words.size(); ++i) {
      if (!equals_ignoring_case(words[i], spec.keyword)) continue;
      const std::size_t key_count = (words.size() - i - 1) / 2;
      for (std::size_t k = 1; k <= key_count; ++k) indices->push_back(i + k);
      return key_count > 0;
    }
    return false;
  }
  if (!spec.keyword.empty()) {
    const std::size_t count_before = indices->size();
    for (std::size_t i = begin; i + 1 < words.size(); ++i) {
      if (!equals_ignoring_case(words[i], spec.keyword)) continue;
      if (spec.unknown) indices->resize(count_before);
      indices->push_back(++i);
    }
    return true;
  }
  if (begin >= words.size()) return false;
  const auto step = static_cast<std::size_t>(spec.step);
  if (spec.counted) {
    const auto count = key_count_at(words, begin, step);
    if (!count) return false;
    for (std::size_t i = 0; i < *count; ++i) indices->push_back(begin + 1 + i * step);
    return true;
  }
  const std::ptrdiff_t last = spec.last >= 0
                                  ? spec.begin + spec.last
                                  : static_cast<std::ptrdiff_t>(words.size()) + spec.last;
  if (last >= static_cast<std::ptrdiff_t>(words.size())) return false;
  for (std::size_t i = begin; static_cast<std::ptrdiff_t>(i) <= last; i += step) {
    indices->push_back(i);
  }
  return true;
}

std::vector<std::span<const Row>> all_families() {
  return {string_rows(),  bitmap_rows(),     hyperloglog_rows(), list_rows(),
          hash_rows(),    set_rows(),        sorted_set_rows(),  geo_rows(),
          generic_rows(), connection_rows(), client_rows(),      introspection_rows(),
          config_rows(),  server_rows(),     debug_rows(),       slowlog_rows(),
          latency_rows(), memory_rows(),     stream_rows(),      json_rows()};
}

}  // namespace diskdb::command
