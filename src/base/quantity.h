// base/quantity.h — sizes and durations as people write them in settings: "100MB", "1s".
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/units.h"

namespace diskdb {

/// Bytes from digits and a unit of any case, by Redis's rule: b or none 1, k 1000, kb 1024, m, mb,
/// g, gb likewise (and t, tb). Refused: no digits, another unit, a sign, more than 64 bits hold.
std::optional<std::uint64_t> parse_memory(Bytes text);

/// A span of time from digits and a unit of any case: ms, s, m or min, h, d. A bare number counts
/// `bare_unit`, which the setting defines. Refused: no digits, another unit, a sign, more
/// milliseconds than 63 bits hold.
std::optional<Millis> parse_duration(Bytes text, Millis bare_unit);

}  // namespace diskdb
