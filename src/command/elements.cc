#include "command/elements.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/number.h"
#include "types/json_document.h"
#include "value/object.h"

namespace diskdb::command {
namespace {

using value::Layout;

/// A position counted from the end if negative, or nothing; at most the count.
std::optional<std::uint64_t> position_in(Bytes word, std::uint64_t count) {
  const auto index = parse_integer(word);
  if (!index) return std::nullopt;
  const auto size = static_cast<std::int64_t>(count);
  const std::int64_t from_start = *index < 0 ? std::max<std::int64_t>(*index + size, 0) : *index;
  return static_cast<std::uint64_t>(std::min(from_start, size));
}

/// Of a string, the pages of the bytes [first, last).
void find_missing_bytes(const value::Object& object, std::uint64_t first, std::uint64_t last,
                        std::size_t count_max, std::vector<value::MissingPage>* missing) {
  const value::StringExtent& extent = object.extent();
  last = std::min(last, extent.bytes);
  if (first >= last) return;
  object.missing_in(first / extent.chunk_bytes, (last - 1) / extent.chunk_bytes + 1, count_max,
                    missing);
}

}  // namespace

Elements::Named Elements::one_named(std::span<const Bytes> words) const {
  const auto begin = static_cast<std::size_t>(begin_);
  if (kind_ == Kind::kNamed && begin < words.size()) return {.name = words[begin], .score = {}};
  if (kind_ != Kind::kScored) return {};
  Named last{.name = words.back(), .score = parse_double(words[words.size() - 2])};
  if (last.score && std::isnan(*last.score)) last.score.reset();
  return last;
}

void Elements::find_missing(std::span<const Bytes> words, value::Object& object,
                            std::size_t count_max, std::vector<value::MissingPage>* missing) const {
  const std::uint64_t count = object.count();
  std::size_t begin = static_cast<std::size_t>(begin_);
  std::size_t end = last_ < 0 ? words.size() + 1 - static_cast<std::size_t>(-last_)
                              : std::min(words.size(), static_cast<std::size_t>(last_) + 1);
  const auto step = static_cast<std::size_t>(step_);
  const std::size_t full = missing->size() + count_max;
  if (object.layout() == Layout::kStream) {
    if (kind_ == Kind::kEnds) object.missing_to_append(missing);
    return;
  }
  switch (kind_) {
    case Kind::kUnforeseen:
      return;
    case Kind::kAll:
      return object.missing_in(0, count, count_max, missing);
    case Kind::kEnds:
      if (object.layout() != Layout::kChunks) object.missing_in(0, 1, count_max, missing);
      return object.missing_in(count - 1, count, count_max, missing);
    case Kind::kFields: {
      const auto at = std::ranges::find_if(
          words, [](Bytes word) { return equals_ignoring_case(word, "FIELDS"); });
      begin = static_cast<std::size_t>(at - words.begin()) + 2;
      end = words.size();
    }
      [[fallthrough]];
    case Kind::kNamed:
      if (object.layout() == Layout::kSequence || object.layout() == Layout::kChunks) return;
      for (std::size_t i = begin; i < end && missing->size() < full; i += step) {
        object.missing_for_member(words[i], missing);
      }
      return;
    case Kind::kScored:
      if (object.layout() != Layout::kScores) return;
      while (begin + 1 < end && !parse_double(words[begin])) ++begin;
      for (std::size_t i = begin; i + 1 < end && missing->size() < full; i += step) {
        const auto score = parse_double(words[i]);
        if (!score || std::isnan(*score)) return;
        object.missing_for_put(words[i + 1], *score, missing);
      }
      return;
    case Kind::kAt:
      if (const auto position = position_in(words[begin], count); position && *position < count) {
        object.missing_in(*position, *position + 1, count_max, missing);
      }
      return;
    case Kind::kString:
      if (object.layout() == Layout::kChunks) object.missing_in(0, count, count_max, missing);
      return;
    case Kind::kBit:
      if (object.layout() != Layout::kChunks) return;
      if (const auto offset = parse_integer(words[begin]); offset && *offset >= 0) {
        const auto byte = static_cast<std::uint64_t>(*offset) / 8;
        find_missing_bytes(object, byte, byte + 1, count_max, missing);
      }
      return;
    case Kind::kBytesAt:
      if (object.layout() != Layout::kChunks) return;
      if (const auto offset = parse_integer(words[begin]); offset && *offset >= 0) {
        const auto first = static_cast<std::uint64_t>(*offset);
        find_missing_bytes(object, first, first + words[begin + 1].size(), count_max, missing);
      }
      return;
    case Kind::kJsonValues:
    case Kind::kJsonPlaces: {
      if (object.layout() != Layout::kSequence) return;
      const auto reach =
          kind_ == Kind::kJsonValues ? types::JsonReach::kValue : types::JsonReach::kPlace;
      if (begin_ < 0) begin = words.size() - static_cast<std::size_t>(-begin_);
      if (begin >= words.size()) {
        return types::find_missing_of_path(object, ".", reach, count_max, missing);
      }
      for (std::size_t i = begin; i < end && missing->size() < full; ++i) {
        types::find_missing_of_path(object, words[i], reach, full - missing->size(), missing);
      }
      return;
    }
    case Kind::kBetween: {
      if (object.layout() == Layout::kChunks) {
        if (words.size() == begin) return object.missing_in(0, count, count_max, missing);
        if (words.size() != begin + 2) return;
        const std::uint64_t size = object.extent().bytes;
        const auto from = position_in(words[begin], size);
        const auto until = position_in(words[begin + 1], size);
        if (from && until) find_missing_bytes(object, *from, *until + 1, count_max, missing);
        return;
      }
      const bool is_plain =
          words.size() == begin + 2 ||
          (words.size() == begin + 3 && equals_ignoring_case(words[begin + 2], "WITHSCORES"));
      if (!is_plain) return;
      const auto first = position_in(words[begin], count);
      const auto last = position_in(words[begin + 1], count);
      if (!first || !last || *first > *last) return;
      return object.missing_in(*first, std::min(*last + 1, count), count_max, missing);
    }
  }
}

}  // namespace diskdb::command
