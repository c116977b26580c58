#include "types/bitfield.h"

#include "base/number.h"

namespace diskdb::types {
namespace {

// A field touches nine bytes at most: these hold them, and every sum of two values.
__extension__ using Wide = __int128;
__extension__ using WideBits = unsigned __int128;

/// Where a field lies: in the bytes from first to last, `shift` bits above the end of the last.
struct Place {
  std::uint64_t first;
  std::uint64_t last;
  unsigned shift;

  Place(BitfieldType type, std::uint64_t offset)
      : first(offset / 8),
        last((offset + type.bits - 1) / 8),
        shift(static_cast<unsigned>(7 - (offset + type.bits - 1) % 8)) {}
};

WideBits mask_of(BitfieldType type) { return (WideBits{1} << type.bits) - 1; }

/// The lowest bits of `bits` as a value of the type.
std::int64_t from_bits(BitfieldType type, WideBits bits) {
  bits &= mask_of(type);
  const bool is_negative = type.is_signed && (bits >> (type.bits - 1)) != 0;
  return static_cast<std::int64_t>(is_negative ? bits | ~mask_of(type) : bits);
}

}  // namespace

std::optional<BitfieldType> parse_bitfield_type(Bytes text) {
  if (text.empty() || (text[0] != 'i' && text[0] != 'u')) return std::nullopt;
  const bool is_signed = text[0] == 'i';
  const auto bits = parse_integer(text.substr(1));
  if (!bits || *bits < 1 || *bits > (is_signed ? 64 : 63)) return std::nullopt;
  return BitfieldType{is_signed, static_cast<unsigned>(*bits)};
}

std::int64_t read_bitfield(Bytes text, BitfieldType type, std::uint64_t offset) {
  const Place place(type, offset);
  WideBits bits = 0;
  for (std::uint64_t i = place.first; i <= place.last; ++i) {
    bits = bits << 8U | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U);
  }
  return from_bits(type, bits >> place.shift);
}

void write_bitfield(char* bytes, BitfieldType type, std::uint64_t offset, std::int64_t value) {
  const Place place(type, offset);
  WideBits mask = mask_of(type) << place.shift;
  WideBits bits = (static_cast<WideBits>(value) & mask_of(type)) << place.shift;
  for (std::uint64_t i = place.last + 1; i-- > place.first; mask >>= 8U, bits >>= 8U) {
    const auto old = static_cast<unsigned char>(bytes[i]);
    const auto kept = static_cast<unsigned char>(~static_cast<unsigned>(mask)) & old;
    bytes[i] = static_cast<char>(kept | static_cast<unsigned char>(bits));
  }
}

std::optional<std::int64_t> add_in_bitfield(BitfieldType type, std::int64_t value,
                                            std::int64_t increment, Overflow overflow) {
  const Wide start = type.is_signed ? Wide{value} : Wide{static_cast<std::uint64_t>(value)};
  const Wide sum = start + increment;
  const Wide highest = static_cast<Wide>(mask_of(type) >> (type.is_signed ? 1U : 0U));
  const Wide lowest = type.is_signed ? -highest - 1 : 0;
  if (sum >= lowest && sum <= highest) return static_cast<std::int64_t>(sum);
  switch (overflow) {
    case Overflow::kWrap:
      return from_bits(type, static_cast<WideBits>(sum));
    case Overflow::kSat: {
      // Redis asks first whether the value is too high, in 64 bits: below this it goes round and
      // says yes.
      const bool looks_high = type.is_signed && type.bits < 64 && start < highest - INT64_MAX;
      return static_cast<std::int64_t>(sum > highest || looks_high ? highest : lowest);
    }
    case Overflow::kFail:
      break;
  }
  return std::nullopt;
}

}  // namespace diskdb::types
