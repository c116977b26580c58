// types/member_scan.h — one step of HSCAN and SSCAN.
//
// A large set or hash is a tree ordered by its members' hashes, so a cursor is a place in that
// order: the first kCursorBits bits of a hash, below 2^53, which all clients can count to. A step
// ends where these bits change. So an element that stays is met exactly once however the value
// grows and shrinks, and one that comes or goes at most once. A small value is met as a whole; it
// never becomes small again, so no cursor but the first meets a small one, unless it is another.
#pragma once

#include <cstdint>

#include "value/object.h"

namespace diskdb::types {

constexpr unsigned kCursorBits = 52;
constexpr unsigned kCursorShift = 64 - kCursorBits;

/// Shows `visit` about `count` elements (value::ElementCursor) from `cursor` on; returns the next
/// cursor, 0 at the end. `visit` must not touch the object.
template <typename Visit>
std::uint64_t scan_members(const value::Dictionary& members, std::uint64_t cursor,
                           std::uint64_t count, Visit visit) {
  if (members.object().is_small()) {
    for (value::ElementCursor c = members.at(0); !c.is_at_end(); c.next()) visit(c);
    return 0;
  }
  if (cursor >> kCursorBits != 0) return 0;
  std::uint64_t seen_count = 0;
  std::uint64_t last = 0;
  for (value::ElementCursor c = members.from_hash(cursor << kCursorShift); !c.is_at_end();
       c.next()) {
    const std::uint64_t place = c.key() >> kCursorShift;
    if (seen_count >= count && place != last) return place;
    visit(c);
    ++seen_count;
    last = place;
  }
  return 0;
}

}  // namespace diskdb::types
