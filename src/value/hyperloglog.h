// value/hyperloglog.h — the bytes of a HyperLogLog, as Redis stores them in a string.
//
// 16384 registers of 0 to 63, after a header of 16 bytes:
//
//     | "HYLL" | encoding 1 B | unused 3 B | cached count 8 B, little-endian; top bit: not valid |
//
//   dense   12288 bytes: register i is the six bits from bit 6i on, bit 0 being the lowest of byte
//   0 sparse  runs of registers:  00nnnnnn           n + 1 zeros
//                               01nnnnnn nnnnnnnn  n + 1 zeros, high byte first
//                               1vvvvvnn           n + 1 registers of value v + 1
//
// Values must stay what Redis makes of the same commands, byte for byte: clients copy them with GET
// and SET, replicas compare digests. So which runs are split and merged, and when the sparse
// encoding gives way to the dense one, follows Redis even where something else were as good. Anyone
// can SET such a string: bytes of any kind must do no harm.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace diskdb::value {

constexpr std::size_t kHllRegisterCount = 16384;
constexpr unsigned kHllRegisterMax = 63;
constexpr std::size_t kHllHeaderBytes = 16;
constexpr std::size_t kHllDenseBytes = kHllHeaderBytes + kHllRegisterCount * 6 / 8;

/// Numbers are Redis's.
enum class HllEncoding : std::uint8_t { kDense = 0, kSparse = 1 };

/// Has `text` the header of one, and the dense encoding's length if it is dense? The runs of a
/// sparse one may still be corrupt; everything below says so.
bool is_hyperloglog(Bytes text);

/// An empty one, sparse, its count cached.
std::string make_hyperloglog();

// ---- All of the following require is_hyperloglog(text).

HllEncoding hll_encoding(Bytes text);
std::optional<std::uint64_t> hll_cached_count(Bytes text);
void hll_set_cached_count(char* text, std::uint64_t count);
/// The count is no longer valid; its bytes stay but for one bit.
void hll_drop_cached_count(char* text);

/// Requires: dense, index < kHllRegisterCount.
unsigned hll_dense_register(Bytes text, std::size_t index);
/// Requires: dense, index < kHllRegisterCount, value <= kHllRegisterMax.
void hll_set_dense_register(char* text, std::size_t index, unsigned value);

enum class HllChange : std::uint8_t { kNone, kRaised, kCorrupt };

/// Raises the register at `index` to `value` if it is lower, in either encoding. A sparse one that
/// would become longer than `sparse_bytes_max`, or cannot hold the value, becomes dense. The cached
/// count is not touched. After kCorrupt `text` is as before. Requires: index < kHllRegisterCount, 1
/// <= value <= kHllRegisterMax.
HllChange hll_raise(std::string* text, std::size_t index, unsigned value,
                    std::size_t sparse_bytes_max);

/// False if it is corrupt; `text` is as before then.
bool hll_make_dense(std::string* text);

using HllRegisters = std::array<std::uint8_t, kHllRegisterCount>;
/// Raises each of `registers` to that of `text`. False if it is corrupt.
bool hll_merge(Bytes text, HllRegisters* registers);

/// How many registers have each value.
using HllHistogram = std::array<std::uint32_t, kHllRegisterMax + 1>;
std::optional<HllHistogram> hll_histogram(Bytes text);
HllHistogram hll_histogram(const HllRegisters& registers);

/// The runs, as PFDEBUG DECODE shows them: "Z:16384", "z:3 v:1,2". Requires: sparse.
std::string hll_describe_runs(Bytes text);

}  // namespace diskdb::value
