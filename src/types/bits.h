// types/bits.h — strings as rows of bits: counting them, finding them, combining rows.
// Bit 0 is the most significant bit of the first byte, as in Redis.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"

namespace diskdb::types {

/// The bits from first to last, both included.
struct BitRange {
  std::uint64_t first;
  std::uint64_t last;
};

/// False beyond the end.
inline bool bit_at(Bytes text, std::uint64_t index) {
  const std::uint64_t byte = index / 8;
  return byte < text.size() &&
         (static_cast<unsigned char>(text[byte]) >> (7 - index % 8) & 1U) != 0;
}

/// How many bits are set. Cost: some 0.06 ns a byte.
std::uint64_t count_bits(Bytes text);
/// The same within a range. Requires: first <= last, and `last` lies in `text`.
std::uint64_t count_bits(Bytes text, BitRange range);

/// The first bit of the range that is `wanted`. Requires: as count_bits. Cost: as count_bits.
std::optional<std::uint64_t> find_bit(Bytes text, bool wanted, BitRange range);

enum class BitOperation : std::uint8_t {
  kAnd,
  kOr,
  kXor,
  kNot,    ///< of the only source
  kDiff,   ///< set in the first source and in no other
  kDiff1,  ///< set in some other source and not in the first
  kAndOr,  ///< set in the first source and in some other
  kOne,    ///< set in exactly one source
};

/// Combines the sources, zeros following each, into the `size` bytes at `result`.
/// `result` may be where a source begins. Requires: at least one source.
void combine_bits(BitOperation operation, std::span<const Bytes> sources, char* result,
                  std::size_t size);

}  // namespace diskdb::types
