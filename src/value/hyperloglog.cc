#include "value/hyperloglog.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace diskdb::value {
namespace {

constexpr Bytes kMagic = "HYLL";
constexpr std::size_t kEncodingOffset = 4;
constexpr std::size_t kCountOffset = 8;
constexpr std::uint64_t kCountNotValid = 1ULL << 63U;

// ---- Runs of the sparse encoding

constexpr std::size_t kZerosMax = 64;     // in a run of one byte
constexpr std::size_t kSameValueMax = 4;  // registers in a run that has a value
constexpr unsigned kSparseValueMax = 32;

struct Run {
  std::size_t length = 0;  ///< in registers
  unsigned value = 0;
  std::size_t bytes = 0;
};

unsigned char byte_at(Bytes text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

/// The run at `at`. None: its second byte is missing. Requires: at < text.size().
std::optional<Run> read_run(Bytes text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  if ((first & 0x80U) != 0) return Run{(first & 3U) + 1, (first >> 2U & 31U) + 1, 1};
  if ((first & 0x40U) == 0) return Run{(first & 63U) + 1, 0, 1};
  if (at + 1 == text.size()) return std::nullopt;
  return Run{((first & 63U) << 8U | byte_at(text, at + 1)) + 1, 0, 2};
}

bool has_value(Bytes text, std::size_t at) { return (byte_at(text, at) & 0x80U) != 0; }

char value_run(unsigned value, std::size_t length) {
  return static_cast<char>(0x80U | (value - 1) << 2U | (length - 1));
}

/// A few runs to be put in the place of one.
class RunWriter {
 public:
  void zeros(std::size_t length) {
    if (length == 0) return;
    if (length > kZerosMax) {
      append(static_cast<char>(0x40U | (length - 1) >> 8U));
      append(static_cast<char>((length - 1) & 0xFFU));
    } else {
      append(static_cast<char>(length - 1));
    }
  }
  void values(unsigned value, std::size_t length) {
    if (length != 0) append(value_run(value, length));
  }
  Bytes view() const { return {bytes_, size_}; }

 private:
  void append(char byte) {
    ASSERT(size_ < sizeof bytes_);
    bytes_[size_++] = byte;
  }
  char bytes_[5];  // two long runs of zeros and a value between them
  std::size_t size_ = 0;
};

/// Where a run stands, and which registers it covers.
struct Place {
  std::size_t at;
  std::size_t before;  ///< where the run before it stands; `at` if it is the first
  std::size_t first_register;
  Run run;
};

std::optional<Place> find_run(Bytes text, std::size_t index) {
  Place place{kHllHeaderBytes, kHllHeaderBytes, 0, {}};
  while (place.at < text.size()) {
    const auto run = read_run(text, place.at);
    if (!run) return std::nullopt;
    place.run = *run;
    if (index < place.first_register + run->length) return place;
    place.before = place.at;
    place.at += run->bytes;
    place.first_register += run->length;
  }
  return std::nullopt;
}

/// Joins neighbouring runs of the same value around a change: five runs from `at` on are looked at.
void merge_runs(std::string* text, std::size_t at) {
  for (int looks = 5; looks > 0 && at < text->size(); --looks) {
    if (!has_value(*text, at)) {
      const auto run = read_run(*text, at);
      at += run ? run->bytes : 1;
      continue;
    }
    if (at + 1 < text->size() && has_value(*text, at + 1)) {
      const Run left = *read_run(*text, at);
      const Run right = *read_run(*text, at + 1);
      const std::size_t length = left.length + right.length;
      if (left.value == right.value && length <= kSameValueMax) {
        (*text)[at + 1] = value_run(left.value, length);
        text->erase(at, 1);
        continue;  // the joined run may be joined again
      }
    }
    ++at;
  }
}

/// Calls visit(first register, run) for all runs. False if they do not cover the registers exactly.
template <typename Visit>
bool for_each_run(Bytes text, Visit visit) {
  std::size_t index = 0;
  for (std::size_t at = kHllHeaderBytes; at < text.size();) {
    const auto run = read_run(text, at);
    if (!run || index + run->length > kHllRegisterCount) return false;
    visit(index, *run);
    index += run->length;
    at += run->bytes;
  }
  return index == kHllRegisterCount;
}

// ---- Registers of the dense encoding

/// Calls visit(index, value) for all registers: four of them lie in three bytes.
template <typename Visit>
void for_each_dense(Bytes text, Visit visit) {
  const char* p = text.data() + kHllHeaderBytes;
  for (std::size_t i = 0; i < kHllRegisterCount; i += 4, p += 3) {
    const unsigned bits = static_cast<unsigned char>(p[0]) |
                          static_cast<unsigned>(static_cast<unsigned char>(p[1])) << 8U |
                          static_cast<unsigned>(static_cast<unsigned char>(p[2])) << 16U;
    visit(i, bits & 63U);
    visit(i + 1, bits >> 6U & 63U);
    visit(i + 2, bits >> 12U & 63U);
    visit(i + 3, bits >> 18U);
  }
}

HllChange raise_dense(std::string* text, std::size_t index, unsigned value) {
  if (hll_dense_register(*text, index) >= value) return HllChange::kNone;
  hll_set_dense_register(text->data(), index, value);
  return HllChange::kRaised;
}

HllChange raise_as_dense(std::string* text, std::size_t index, unsigned value) {
  if (!hll_make_dense(text)) return HllChange::kCorrupt;
  return raise_dense(text, index, value);
}

/// The runs that stand for those at `place` once the register has the value.
RunWriter split_run(const Place& place, std::size_t index, unsigned value) {
  const std::size_t left = index - place.first_register;
  const std::size_t right = place.run.length - left - 1;
  RunWriter runs;
  if (place.run.value == 0) {
    runs.zeros(left);
    runs.values(value, 1);
    runs.zeros(right);
  } else {
    runs.values(place.run.value, left);
    runs.values(value, 1);
    runs.values(place.run.value, right);
  }
  return runs;
}

HllChange raise_sparse(std::string* text, std::size_t index, unsigned value,
                       std::size_t sparse_bytes_max) {
  if (value > kSparseValueMax) return raise_as_dense(text, index, value);
  const auto place = find_run(*text, index);
  if (!place) return HllChange::kCorrupt;
  if (place->run.value >= value) return HllChange::kNone;

  const RunWriter runs = split_run(*place, index, value);
  const std::size_t size = text->size() - place->run.bytes + runs.view().size();
  if (size > text->size() && size > sparse_bytes_max) return raise_as_dense(text, index, value);
  text->replace(place->at, place->run.bytes, runs.view());
  merge_runs(text, place->before);
  return HllChange::kRaised;
}

}  // namespace

bool is_hyperloglog(Bytes text) {
  if (text.size() < kHllHeaderBytes || !text.starts_with(kMagic)) return false;
  const unsigned encoding = byte_at(text, kEncodingOffset);
  if (encoding == static_cast<unsigned>(HllEncoding::kDense)) return text.size() == kHllDenseBytes;
  return encoding == static_cast<unsigned>(HllEncoding::kSparse);
}

std::string make_hyperloglog() {
  std::string text(kHllHeaderBytes, '\0');
  text.replace(0, kMagic.size(), kMagic);
  text[kEncodingOffset] = static_cast<char>(HllEncoding::kSparse);
  RunWriter runs;
  runs.zeros(kHllRegisterCount);
  return text.append(runs.view());
}

HllEncoding hll_encoding(Bytes text) { return static_cast<HllEncoding>(text[kEncodingOffset]); }

std::optional<std::uint64_t> hll_cached_count(Bytes text) {
  std::uint64_t count;
  std::memcpy(&count, text.data() + kCountOffset, sizeof count);
  if ((count & kCountNotValid) != 0) return std::nullopt;
  return count;
}

void hll_set_cached_count(char* text, std::uint64_t count) {
  std::memcpy(text + kCountOffset, &count, sizeof count);
}

void hll_drop_cached_count(char* text) {
  std::uint64_t count;
  std::memcpy(&count, text + kCountOffset, sizeof count);
  hll_set_cached_count(text, count | kCountNotValid);
}

unsigned hll_dense_register(Bytes text, std::size_t index) {
  const std::size_t byte = kHllHeaderBytes + index * 6 / 8;
  const unsigned shift = index * 6 % 8;
  unsigned bits = byte_at(text, byte);
  if (shift > 2) bits |= static_cast<unsigned>(byte_at(text, byte + 1)) << 8U;
  return bits >> shift & kHllRegisterMax;
}

void hll_set_dense_register(char* text, std::size_t index, unsigned value) {
  const std::size_t byte = kHllHeaderBytes + index * 6 / 8;
  const unsigned shift = index * 6 % 8;
  const auto put = [&](std::size_t at, unsigned mask, unsigned bits) {
    text[at] = static_cast<char>((static_cast<unsigned char>(text[at]) & ~mask) | bits);
  };
  put(byte, kHllRegisterMax << shift, value << shift);
  if (shift > 2) put(byte + 1, kHllRegisterMax >> (8 - shift), value >> (8 - shift));
}

HllChange hll_raise(std::string* text, std::size_t index, unsigned value,
                    std::size_t sparse_bytes_max) {
  ASSERT(index < kHllRegisterCount && value >= 1 && value <= kHllRegisterMax);
  if (hll_encoding(*text) == HllEncoding::kDense) return raise_dense(text, index, value);
  return raise_sparse(text, index, value, sparse_bytes_max);
}

bool hll_make_dense(std::string* text) {
  if (hll_encoding(*text) == HllEncoding::kDense) return true;
  std::string dense = text->substr(0, kHllHeaderBytes);
  dense[kEncodingOffset] = static_cast<char>(HllEncoding::kDense);
  dense.resize(kHllDenseBytes, '\0');
  const bool is_sound = for_each_run(*text, [&](std::size_t index, const Run& run) {
    for (std::size_t i = 0; i < run.length && run.value != 0; ++i) {
      hll_set_dense_register(dense.data(), index + i, run.value);
    }
  });
  if (is_sound) *text = std::move(dense);
  return is_sound;
}

bool hll_merge(Bytes text, HllRegisters* registers) {
  const auto raise = [&](std::size_t index, unsigned value) {
    std::uint8_t& old = (*registers)[index];
    old = std::max(old, static_cast<std::uint8_t>(value));
  };
  if (hll_encoding(text) == HllEncoding::kDense) {
    for_each_dense(text, raise);
    return true;
  }
  return for_each_run(text, [&](std::size_t index, const Run& run) {
    for (std::size_t i = 0; i < run.length && run.value != 0; ++i) raise(index + i, run.value);
  });
}

std::optional<HllHistogram> hll_histogram(Bytes text) {
  HllHistogram histogram{};
  if (hll_encoding(text) == HllEncoding::kDense) {
    for_each_dense(text, [&](std::size_t, unsigned value) { ++histogram[value]; });
    return histogram;
  }
  const bool is_sound = for_each_run(text, [&](std::size_t, const Run& run) {
    histogram[run.value] += static_cast<std::uint32_t>(run.length);
  });
  if (!is_sound) return std::nullopt;
  return histogram;
}

HllHistogram hll_histogram(const HllRegisters& registers) {
  HllHistogram histogram{};
  for (const std::uint8_t value : registers) ++histogram[value & kHllRegisterMax];
  return histogram;
}

std::string hll_describe_runs(Bytes text) {
  std::string runs;
  for (std::size_t at = kHllHeaderBytes; at < text.size();) {
    const auto run = read_run(text, at);
    if (!run) break;
    if (!runs.empty()) runs += ' ';
    if (run->value != 0) {
      runs += "v:" + std::to_string(run->value) + ',' + std::to_string(run->length);
    } else {
      runs += (run->bytes == 2 ? "Z:" : "z:") + std::to_string(run->length);
    }
    at += run->bytes;
  }
  return runs;
}

}  // namespace diskdb::value
