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

constexpr auto kCrc32cTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCrc32cPolynomial : 0);
    table[i] = crc;
  }
  return table;
}();

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
  std::uint64_t wide = crc;
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
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

}  // namespace diskdb
