// types/limits.h — the stated maxima of values.
#pragma once

#include <cstdint>

#include "base/units.h"

namespace diskdb::types {

/// The longest string that a command may grow a value to (Redis: proto-max-bulk-len).
constexpr std::uint64_t kStringBytesMax = 512_MiB;

}  // namespace diskdb::types
