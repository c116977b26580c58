// types/list.h — what Redis means by a list: elements with two ends, and the encoding it would
// show.
//
// Redis keeps a list as one listpack while that stays within list-max-listpack-size, else as a
// quicklist, and goes back once what is left is at most half as much. How a list is really kept
// (value/object.h) is another matter: a trait remembers which of the two Redis would show. Redis
// counts a listpack's bytes, so these are what is counted here: exactly for a small object; of a
// large one only at every sixteenth length, because it takes a walk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "value/object.h"

namespace diskdb::types {

enum class End : std::uint8_t { kLeft, kRight };

/// list-max-listpack-size: so many elements if positive, else 4, 8, 16, 32 or 64 KB for -1 to -5.
class ListpackLimit {
 public:
  explicit ListpackLimit(std::int64_t setting);
  bool is_exceeded_by(std::size_t bytes, std::size_t count) const;
  /// Is it little enough for a quicklist to become a listpack again?
  bool is_half_reached_by(std::size_t bytes, std::size_t count) const;
  /// No listpack within the limit has more bytes.
  std::size_t bytes_max() const { return bytes_max_; }

 private:
  std::size_t bytes_max_;
  std::size_t count_max_;
};

/// Before elements are added to the list or one is replaced: may turn it into a quicklist.
void note_growth(value::Sequence& list, std::span<const Bytes> added, ListpackLimit limit);
/// After elements were removed or one was replaced: may turn it into a listpack.
void note_shrinking(value::Sequence& list, ListpackLimit limit);

/// The position that `index` means in a list of `count` elements, negative ones from its end; may
/// lie before the first (negative) or behind the last.
std::int64_t list_position(std::int64_t index, std::uint64_t count);

/// What LRANGE and LTRIM mean by start and stop: positions first <= last < count, or an empty range
/// 0..0.
struct ListRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  ///< one past
};
ListRange list_range(std::int64_t start, std::int64_t stop, std::uint64_t count);

}  // namespace diskdb::types
