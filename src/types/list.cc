#include "types/list.h"

#include <algorithm>
#include <array>

#include "base/number.h"
#include "types/traits.h"

namespace diskdb::types {
namespace {

constexpr std::array<std::size_t, 5> kBytesOfLevel = {4096, 8192, 16384, 32768, 65536};
constexpr std::size_t kBytesWhateverCount = 8192;  // where the limit is a number of elements
constexpr std::size_t kCountUnlimited = SIZE_MAX;
constexpr std::size_t kListpackFrameBytes = 7;  // six in front, one at the end
constexpr std::size_t kElementBytesMin = 2;
constexpr std::uint64_t kSampledLengths = 16;
constexpr std::size_t kIntegerTextMax = 20;

/// What an element takes in a listpack: its encoding, and behind it its length for going backwards.
std::size_t with_back_length(std::size_t encoded) {
  std::size_t back = 1;
  for (std::size_t limit = 128; encoded >= limit && back < 5; limit *= 128) ++back;
  return encoded + back;
}

std::size_t integer_bytes(std::int64_t value) {
  if (value >= 0 && value <= 127) return 1;
  if (value >= -4096 && value <= 4095) return 2;
  if (value >= INT16_MIN && value <= INT16_MAX) return 3;
  if (value >= -8388608 && value <= 8388607) return 4;
  if (value >= INT32_MIN && value <= INT32_MAX) return 5;
  return 9;
}

std::size_t listpack_bytes_of(Bytes element) {
  if (!element.empty() && element.size() <= kIntegerTextMax && element[0] <= '9') {
    if (const auto value = parse_integer(element)) return with_back_length(integer_bytes(*value));
  }
  const std::size_t size = element.size();
  return with_back_length(size + (size < 64 ? 1 : size < 4096 ? 2 : 5));
}

/// The listpack's bytes, or some number above `enough` if it has more.
std::size_t listpack_bytes(const value::Sequence& list, std::size_t enough) {
  std::size_t bytes = kListpackFrameBytes;
  if (list.count() > enough / kElementBytesMin) return enough + 1;
  for (value::ElementCursor c = list.at(0); !c.is_at_end() && bytes <= enough; c.next()) {
    bytes += listpack_bytes_of(c.entry());
  }
  return bytes;
}

/// Is this not one of the lengths at which a large list is looked through?
bool is_skipped(const value::Sequence& list) {
  return !list.object().is_small() && list.count() % kSampledLengths != 0;
}

bool shows_large(const value::Object& object) { return has_trait(object, Trait::kShowsLarge); }

}  // namespace

ListpackLimit::ListpackLimit(std::int64_t setting) {
  if (setting >= 0) {
    bytes_max_ = kBytesWhateverCount;
    count_max_ = setting == 0 ? 1 : static_cast<std::size_t>(setting);
    return;
  }
  const auto level = std::min<std::size_t>(static_cast<std::size_t>(-(setting + 1)), 4);
  bytes_max_ = kBytesOfLevel[level];
  count_max_ = kCountUnlimited;
}

bool ListpackLimit::is_exceeded_by(std::size_t bytes, std::size_t count) const {
  return bytes > bytes_max_ || count > count_max_;
}

// Where elements are counted Redis halves only their number, and lets bytes be.
bool ListpackLimit::is_half_reached_by(std::size_t bytes, std::size_t count) const {
  if (count_max_ == kCountUnlimited) return bytes <= bytes_max_ / 2;
  return bytes <= bytes_max_ && count <= count_max_ / 2;
}

void note_growth(value::Sequence& list, std::span<const Bytes> added, ListpackLimit limit) {
  if (shows_large(list.object())) return;
  const std::size_t count = list.count() + added.size();
  std::size_t more = 0;
  for (const Bytes element : added) more += element.size();
  const std::size_t enough = limit.bytes_max();
  if (!limit.is_exceeded_by(more, count)) {
    if (list.object().is_small()) {
      // A listpack spends up to three bytes more on an element than a page does, on long ones six.
      constexpr std::size_t kExtraMax = 3;
      constexpr std::size_t kLongOnesExtraMax = 3 * 16;
      const std::size_t at_most = list.object().page().size() + kListpackFrameBytes +
                                  list.count() * kExtraMax + kLongOnesExtraMax + more;
      if (!limit.is_exceeded_by(at_most, count)) return;
    } else if (added.size() == 1 && is_skipped(list)) {
      return;
    }
    if (!limit.is_exceeded_by(listpack_bytes(list, enough) + more, count)) return;
  }
  set_trait(list.object(), Trait::kShowsLarge);
}

void note_shrinking(value::Sequence& list, ListpackLimit limit) {
  if (!shows_large(list.object()) || list.is_empty() || is_skipped(list)) return;
  if (!limit.is_half_reached_by(0, list.count())) return;
  const std::size_t bytes = listpack_bytes(list, limit.bytes_max());
  if (limit.is_half_reached_by(bytes, list.count()))
    set_trait(list.object(), Trait::kShowsLarge, false);
}

std::int64_t list_position(std::int64_t index, std::uint64_t count) {
  return index < 0 ? index + static_cast<std::int64_t>(count) : index;
}

ListRange list_range(std::int64_t start, std::int64_t stop, std::uint64_t count) {
  const std::int64_t first = std::max<std::int64_t>(list_position(start, count), 0);
  const std::int64_t last =
      std::min(list_position(stop, count), static_cast<std::int64_t>(count) - 1);
  if (first > last) return {};
  return {static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(last) + 1};
}

}  // namespace diskdb::types
