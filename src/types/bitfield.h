// types/bitfield.h — integers of any width at any bit of a string, as BITFIELD has them.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace diskdb::types {

/// i1 to i64 and u1 to u63.
struct BitfieldType {
  bool is_signed = false;
  unsigned bits = 1;
};

/// "i16", "u8"; absent if it is none.
std::optional<BitfieldType> parse_bitfield_type(Bytes text);

enum class Overflow : std::uint8_t {
  kWrap,  ///< the lowest bits count
  kSat,   ///< the nearest value there is
  kFail,  ///< nothing happens
};

/// The field at bit `offset`; bits beyond the end of `text` are zero.
std::int64_t read_bitfield(Bytes text, BitfieldType type, std::uint64_t offset);

/// Writes the lowest bits of `value` there. Requires: the field lies inside the string at `bytes`.
void write_bitfield(char* bytes, BitfieldType type, std::uint64_t offset, std::int64_t value);

/// `value` + `increment` as the type can hold it; absent if it cannot and `overflow` is kFail.
/// An unsigned type reads `value` as unsigned, so that a negative one overflows.
std::optional<std::int64_t> add_in_bitfield(BitfieldType type, std::int64_t value,
                                            std::int64_t increment, Overflow overflow);

}  // namespace diskdb::types
