#include "types/bits.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.h"

namespace diskdb::types {
namespace {

std::uint64_t load_word(const char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

/// Eight bytes as a number whose most significant bit is their bit 0.
std::uint64_t load_bits(const char* p) { return __builtin_bswap64(load_word(p)); }

// Inlined into functions with and without the processor's instruction for it.
[[gnu::always_inline]] inline std::uint64_t count_all(const char* p, std::size_t size) {
  // Four sums, for one addition need not wait for another.
  std::uint64_t sums[4] = {};
  for (; size >= 32; size -= 32, p += 32) {
    for (int i = 0; i < 4; ++i) {
      sums[i] += static_cast<std::uint64_t>(std::popcount(load_word(p + 8 * i)));
    }
  }
  std::uint64_t sum = sums[0] + sums[1] + sums[2] + sums[3];
  for (; size > 0; --size, ++p) {
    sum += static_cast<std::uint64_t>(std::popcount(static_cast<unsigned char>(*p)));
  }
  return sum;
}

std::uint64_t count_portable(const char* p, std::size_t size) { return count_all(p, size); }

#if defined(__x86_64__)
[[gnu::target("popcnt")]] std::uint64_t count_popcnt(const char* p, std::size_t size) {
  return count_all(p, size);
}
#endif

/// The bits of `byte` from `first` to `last` (0 is the most significant), the others zero.
unsigned bits_of(char byte, std::uint64_t first, std::uint64_t last) {
  const unsigned mask = 0xFFU >> first & 0xFFU << (7 - last);
  return static_cast<unsigned char>(byte) & mask;
}

// ---- Combining. The sources are taken a block at a time, so that all steps work in the cache, and
// loops over a block have a fixed length, which compilers turn into vector instructions.

constexpr std::size_t kBlockWords = 512;
constexpr std::size_t kBlockBytes = kBlockWords * sizeof(std::uint64_t);

struct Block {
  std::uint64_t words[kBlockWords];

  /// The block of `source` at `offset`; zeros beyond its end.
  void load(Bytes source, std::size_t offset) {
    const std::size_t there = offset < source.size() ? source.size() - offset : 0;
    const std::size_t count = std::min(there, kBlockBytes);
    char* to = reinterpret_cast<char*>(words);
    if (count > 0) std::memcpy(to, source.data() + offset, count);
    std::memset(to + count, 0, kBlockBytes - count);
  }
};

template <typename Operation>
void for_each_word(Operation operation) {
  for (std::size_t i = 0; i < kBlockWords; ++i) operation(i);
}

/// Takes one more source into the result so far. `others`: the union of all sources but the first,
/// or, for kOne, the bits that occurred more than once.
void take(BitOperation operation, Block& result, Block& others, const Block& source) {
  std::uint64_t* r = result.words;
  std::uint64_t* o = others.words;
  const std::uint64_t* s = source.words;
  switch (operation) {
    case BitOperation::kAnd:
      return for_each_word([=](std::size_t i) { r[i] &= s[i]; });
    case BitOperation::kOr:
      return for_each_word([=](std::size_t i) { r[i] |= s[i]; });
    case BitOperation::kXor:
      return for_each_word([=](std::size_t i) { r[i] ^= s[i]; });
    case BitOperation::kDiff:
    case BitOperation::kDiff1:
    case BitOperation::kAndOr:
      return for_each_word([=](std::size_t i) { o[i] |= s[i]; });
    case BitOperation::kOne:
      return for_each_word([=](std::size_t i) {
        o[i] |= r[i] & s[i];
        r[i] |= s[i];
      });
    case BitOperation::kNot:
      ASSERT(false);  // it has one source
  }
}

void finish(BitOperation operation, Block& result, const Block& others) {
  std::uint64_t* r = result.words;
  const std::uint64_t* o = others.words;
  switch (operation) {
    case BitOperation::kAnd:
    case BitOperation::kOr:
    case BitOperation::kXor:
      return;
    case BitOperation::kNot:
      return for_each_word([=](std::size_t i) { r[i] = ~r[i]; });
    case BitOperation::kDiff1:
      return for_each_word([=](std::size_t i) { r[i] = o[i] & ~r[i]; });
    case BitOperation::kAndOr:
      return for_each_word([=](std::size_t i) { r[i] &= o[i]; });
    case BitOperation::kDiff:
    case BitOperation::kOne:
      return for_each_word([=](std::size_t i) { r[i] &= ~o[i]; });
  }
}

}  // namespace

std::uint64_t count_bits(Bytes text) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("popcnt") != 0;
  if (has_instruction) return count_popcnt(text.data(), text.size());
#endif
  return count_portable(text.data(), text.size());
}

std::uint64_t count_bits(Bytes text, BitRange range) {
  const std::uint64_t first_byte = range.first / 8;
  const std::uint64_t last_byte = range.last / 8;
  ASSERT(range.first <= range.last && last_byte < text.size());
  if (first_byte == last_byte) {
    const unsigned bits = bits_of(text[first_byte], range.first % 8, range.last % 8);
    return static_cast<std::uint64_t>(std::popcount(bits));
  }
  const unsigned head = bits_of(text[first_byte], range.first % 8, 7);
  const unsigned tail = bits_of(text[last_byte], 0, range.last % 8);
  return static_cast<std::uint64_t>(std::popcount(head)) +
         count_bits(text.substr(first_byte + 1, last_byte - first_byte - 1)) +
         static_cast<std::uint64_t>(std::popcount(tail));
}

std::optional<std::uint64_t> find_bit(Bytes text, bool wanted, BitRange range) {
  ASSERT(range.first <= range.last && range.last / 8 < text.size());
  const std::uint64_t flip = wanted ? 0 : ~std::uint64_t{0};  // then we look for a one
  std::uint64_t index = range.first;
  while (index <= range.last) {
    if (index % 8 == 0 && range.last - index >= 63) {
      const std::uint64_t bits = load_bits(text.data() + index / 8) ^ flip;
      if (bits != 0) return index + static_cast<std::uint64_t>(std::countl_zero(bits));
      index += 64;
    } else {
      if (bit_at(text, index) == wanted) return index;
      ++index;
    }
  }
  return std::nullopt;
}

void combine_bits(BitOperation operation, std::span<const Bytes> sources, char* result,
                  std::size_t size) {
  ASSERT(!sources.empty());
  Block combined;
  Block others;
  Block source;
  for (std::size_t offset = 0; offset < size; offset += kBlockBytes) {
    combined.load(sources[0], offset);
    others.load({}, 0);
    for (const Bytes other : sources.subspan(1)) {
      source.load(other, offset);
      take(operation, combined, others, source);
    }
    finish(operation, combined, others);
    std::memcpy(result + offset, combined.words, std::min(kBlockBytes, size - offset));
  }
}

}  // namespace diskdb::types
