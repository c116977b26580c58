// log/format.h — the bytes of a segment: its header and the headers of its batches, to and from
// memory. Layout and rules: docs/format/log.md. Changing a byte means a new kFormatVersion and a
// new page; the golden test pins them.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

#include "base/bytes.h"
#include "base/units.h"
#include "log/log.h"

namespace diskdb::log {

constexpr std::uint32_t kFormatVersion = 1;
/// first_offset of a segment that begins where the one before it ends.
constexpr Offset kContinues = ~Offset{0};
/// No log grows to here; larger numbers in a header are damage.
constexpr Offset kOffsetMax = Offset{1} << 62U;

struct SegmentHeader {
  char magic[8] = {'D', 'I', 'S', 'K', 'D', 'L', 'O', 'G'};  // offset 0
  std::uint32_t version = kFormatVersion;                    // 8
  std::uint32_t flags = 0;                                   // 12, none is defined
  std::uint64_t salt = 0;                                    // 16, never 0
  std::uint64_t sequence = 0;                                // 24
  std::uint64_t first_offset = kContinues;                   // 32
  std::uint64_t attested = 0;                                // 40
  std::int64_t created_ms = 0;                               // 48
  std::uint32_t reserved = 0;                                // 56
  std::uint32_t crc32c = 0;                                  // 60, of the 60 bytes before it

  bool continues() const { return first_offset == kContinues; }
};
constexpr std::uint64_t kSegmentHeaderBytes = 64;
static_assert(sizeof(SegmentHeader) == kSegmentHeaderBytes);
static_assert(
    std::has_unique_object_representations_v<SegmentHeader>);  // no padding can leak memory
static_assert(std::endian::native == std::endian::little);     // we copy it as it lies

struct BatchHeader {
  std::uint32_t crc32c = 0;         // offset 0; covers offset 4 to the payload's last byte
  std::uint32_t flags = 0;          // 4, none is defined
  std::uint64_t payload_bytes = 0;  // 8
  std::uint64_t salt = 0;           // 16, its segment's
  std::uint64_t offset = 0;         // 24, of the payload's first byte
  std::int64_t time_ms = 0;         // 32
  std::uint64_t attested = 0;       // 40

  Offset end() const { return offset + payload_bytes; }
};
constexpr std::uint64_t kBatchHeaderBytes = 48;
static_assert(sizeof(BatchHeader) == kBatchHeaderBytes);
static_assert(std::has_unique_object_representations_v<BatchHeader>);

/// Both set the checksum of `header`.
void seal(SegmentHeader& header);
void seal(BatchHeader& header, std::span<const Bytes> payload);

template <typename Header>
Bytes bytes_of(const Header& header) {
  return {reinterpret_cast<const char*>(&header), sizeof(header)};
}

/// What the first bytes of a segment file say.
enum class HeaderState : std::uint8_t {
  kGood,
  kBad,      ///< too short, or a checksum that does not fit
  kUnknown,  ///< sound, but of another version
};
HeaderState decode(Bytes bytes, SegmentHeader& header);

/// The batch header at the front of `bytes` if it may be one (the checksum is not looked at): its
/// numbers are in their ranges and its payload would end within `bytes_left`.
std::optional<BatchHeader> plausible_batch(Bytes bytes, std::uint64_t bytes_left);
/// Whether `header` stands for `payload`.
bool checksum_fits(const BatchHeader& header, Bytes payload);

/// The names of segment files: twenty digits, so that they sort by number, and what they are now.
std::string segment_name(std::uint64_t sequence);
std::optional<std::uint64_t> segment_sequence(const std::string& name);
constexpr const char* kTemporarySuffix = ".tmp";  ///< being made; means nothing yet
constexpr const char* kFreeSuffix = ".free";      ///< released; waits to be used again
constexpr const char* kCutSuffix = ".cut";        ///< put aside by a repair; never read
constexpr const char* kLockName = "lock";

}  // namespace diskdb::log
