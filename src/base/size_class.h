// base/size_class.h — how much an allocator really hands out for a request.
// jemalloc's classes: every 16 bytes up to 128, then four to each doubling. Who asks for a whole
// class loses nothing, has room to grow, and knows what its memory costs without asking the
// allocator.
#pragma once

#include <bit>
#include <cstddef>

namespace diskdb {

/// The least class that holds `bytes`.
constexpr std::size_t size_class(std::size_t bytes) {
  if (bytes <= 128) return (bytes + 15) & ~std::size_t{15};
  const std::size_t spacing = std::bit_floor(bytes - 1) / 4;  // a power of two
  return (bytes + spacing - 1) & ~(spacing - 1);
}
static_assert(size_class(1) == 16 && size_class(128) == 128 && size_class(129) == 160);
static_assert(size_class(10'264) == 12'288 && size_class((64 << 20) + 1) == 80 << 20);

}  // namespace diskdb
