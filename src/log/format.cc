#include "log/format.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/crc.h"

namespace diskdb::log {
namespace {

constexpr const char* kSegmentSuffix = ".log";
constexpr std::size_t kSequenceDigits = 20;

std::uint32_t checksum(const BatchHeader& header) {
  return crc32c(bytes_of(header).substr(sizeof(header.crc32c)));
}

}  // namespace

void seal(SegmentHeader& header) {
  header.crc32c = crc32c(bytes_of(header).substr(0, kSegmentHeaderBytes - sizeof(header.crc32c)));
}

void seal(BatchHeader& header, std::span<const Bytes> payload) {
  std::uint32_t crc = checksum(header);
  for (const Bytes part : payload) crc = crc32c(part, crc);
  header.crc32c = crc;
}

HeaderState decode(Bytes bytes, SegmentHeader& header) {
  if (bytes.size() < kSegmentHeaderBytes) return HeaderState::kBad;
  std::memcpy(&header, bytes.data(), kSegmentHeaderBytes);
  if (std::memcmp(header.magic, SegmentHeader{}.magic, sizeof(header.magic)) != 0) {
    return HeaderState::kBad;
  }
  SegmentHeader expected = header;
  seal(expected);
  if (expected.crc32c != header.crc32c) return HeaderState::kBad;
  if (header.version != kFormatVersion || header.flags != 0) return HeaderState::kUnknown;
  if (header.salt == 0 || header.attested > kOffsetMax) return HeaderState::kBad;
  if (!header.continues() && header.first_offset > kOffsetMax) return HeaderState::kBad;
  return HeaderState::kGood;
}

std::optional<BatchHeader> plausible_batch(Bytes bytes, std::uint64_t bytes_left) {
  if (bytes.size() < kBatchHeaderBytes || bytes_left < kBatchHeaderBytes) return std::nullopt;
  BatchHeader header;
  std::memcpy(&header, bytes.data(), kBatchHeaderBytes);
  if (header.salt == 0) return std::nullopt;
  if (header.payload_bytes > bytes_left - kBatchHeaderBytes) return std::nullopt;
  if (header.offset > kOffsetMax || header.attested > header.offset) return std::nullopt;
  return header;
}

bool checksum_fits(const BatchHeader& header, Bytes payload) {
  return payload.size() == header.payload_bytes &&
         crc32c(payload, checksum(header)) == header.crc32c;
}

std::string segment_name(std::uint64_t sequence) {
  std::string digits = std::to_string(sequence);
  return std::string(kSequenceDigits - digits.size(), '0') + digits + kSegmentSuffix;
}

std::optional<std::uint64_t> segment_sequence(const std::string& name) {
  if (name.size() != kSequenceDigits + std::strlen(kSegmentSuffix)) return std::nullopt;
  if (!name.ends_with(kSegmentSuffix)) return std::nullopt;
  std::uint64_t sequence = 0;
  for (std::size_t i = 0; i < kSequenceDigits; ++i) {
    if (name[i] < '0' || name[i] > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(name[i] - '0');
    if (sequence > (kOffsetMax - digit) / 10) return std::nullopt;
    sequence = sequence * 10 + digit;
  }
  return sequence;
}

}  // namespace diskdb::log
