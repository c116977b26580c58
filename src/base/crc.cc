#include "base/crc.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace diskdb {
namespace {

constexpr std::uint32_t kCrc32cPolynomial = 0x82F63B78;  // reflected
constexpr std::uint16_t kCrc16Polynomial = 0x1021;
constexpr std::uint64_t kCrc64Polynomial = 0x95AC9329AC4BC9B5;  // reflected

constexpr auto kCrc64Table = [] {
  std::array<std::uint64_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint64_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCrc64Polynomial : 0);
    table[i] = crc;
  }
  return table;
}();

constexpr auto kCrc32cTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCrc32cPolynomial : 0);
    table[i] = crc;
  }
  return table;
}();

// What a checksum becomes when kBlockBytes zero bytes follow: a linear map of its bits, so four
// look-ups, one for each of its bytes. With it, blocks next to each other can be summed at the same
// time, which hides the instruction's latency, and their sums joined.
constexpr std::size_t kBlockBytes = 512;
using ShiftTables = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr ShiftTables make_shift_tables(std::size_t zero_count) {
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = std::uint32_t{1} << bit;
    for (std::size_t i = 0; i < zero_count; ++i) crc = (crc >> 8) ^ kCrc32cTable[crc & 0xFF];
    of_bit[bit] = crc;
  }
  ShiftTables tables{};
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if ((byte >> bit & 1) != 0) tables[k][byte] ^= of_bit[8 * k + bit];
      }
    }
  }
  return tables;
}

constexpr ShiftTables kShiftOne = make_shift_tables(kBlockBytes);
constexpr ShiftTables kShiftTwo = make_shift_tables(2 * kBlockBytes);

// Table k holds the effect of a byte that k more bytes follow, so eight bytes are eight independent
// look-ups.
constexpr auto kCrc16Tables = [] {
  std::array<std::array<std::uint16_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i << 8;
    for (int bit = 0; bit < 8; ++bit) {
      crc = ((crc & 0x8000) != 0 ? (crc << 1) ^ kCrc16Polynomial : crc << 1) & 0xFFFF;
    }
    tables[0][i] = static_cast<std::uint16_t>(crc);
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint16_t before = tables[k - 1][i];
      tables[k][i] = static_cast<std::uint16_t>((before << 8) ^ tables[0][before >> 8]);
    }
  }
  return tables;
}();

std::uint32_t crc32c_portable(const unsigned char* p, std::size_t n, std::uint32_t crc) {
  for (; n > 0; --n, ++p) crc = (crc >> 8) ^ kCrc32cTable[(crc ^ *p) & 0xFF];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(const unsigned char* p, std::size_t n,
                                                             std::uint32_t crc) {
  const auto shifted = [](const ShiftTables& tables, std::uint64_t sum) {
    return tables[0][sum & 0xFF] ^ tables[1][sum >> 8 & 0xFF] ^ tables[2][sum >> 16 & 0xFF] ^
           tables[3][sum >> 24 & 0xFF];
  };
  const auto word_at = [](const unsigned char* at) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    return word;
  };
  std::uint64_t wide = crc;
  for (; n >= 3 * kBlockBytes; n -= 3 * kBlockBytes, p += 3 * kBlockBytes) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kBlockBytes; i += 8) {
      wide = _mm_crc32_u64(wide, word_at(p + i));
      second = _mm_crc32_u64(second, word_at(p + kBlockBytes + i));
      third = _mm_crc32_u64(third, word_at(p + 2 * kBlockBytes + i));
    }
    wide = shifted(kShiftTwo, wide) ^ shifted(kShiftOne, second) ^ third;
  }
  for (; n >= 8; n -= 8, p += 8) {
    wide = _mm_crc32_u64(wide, word_at(p));
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; n > 0; --n, ++p) crc = _mm_crc32_u8(crc, *p);
  return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(Bytes bytes, std::uint32_t crc) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc32c_sse42(p, bytes.size(), ~crc);
#endif
  return ~crc32c_portable(p, bytes.size(), ~crc);
}

std::uint16_t crc16(Bytes bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t n = bytes.size();
  std::uint32_t crc = 0;
  for (; n >= 8; n -= 8, p += 8) {
    crc = kCrc16Tables[7][p[0] ^ (crc >> 8)] ^ kCrc16Tables[6][p[1] ^ (crc & 0xFF)] ^
          kCrc16Tables[5][p[2]] ^ kCrc16Tables[4][p[3]] ^ kCrc16Tables[3][p[4]] ^
          kCrc16Tables[2][p[5]] ^ kCrc16Tables[1][p[6]] ^ kCrc16Tables[0][p[7]];
  }
  for (; n > 0; --n, ++p) crc = ((crc << 8) & 0xFFFF) ^ kCrc16Tables[0][(crc >> 8) ^ *p];
  return static_cast<std::uint16_t>(crc);
}

std::uint64_t crc64(Bytes bytes) {
  std::uint64_t crc = 0;
  for (const char c : bytes) {
    crc = kCrc64Table[(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
  }
  return crc;
}

}  // namespace diskdb
