#include "value/stream_entry.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/assert.h"
#include "base/number.h"

namespace diskdb::value {
namespace {

// The first byte of a number: itself, or how many bytes of it follow, the highest first.
constexpr std::uint64_t kOrderedByteMax = 239;

// A head's bits, which share a byte with a sequence number that is small.
constexpr std::uint64_t kSmallSequenceMax = kOrderedByteMax >> 2U;
constexpr unsigned kHasFirstNames = 1;
constexpr unsigned kEndsInText = 2;

// The first byte of a word: a small integer, the length of a short string, or how many bytes of an
// integer, or of a length, follow, the lowest first.
constexpr unsigned kSmallIntegerEnd = 64;
constexpr unsigned kShortStringEnd = 192;
constexpr unsigned kIntegerEnd = 200;
constexpr unsigned kLongStringEnd = 204;
constexpr std::size_t kShortStringMax = kShortStringEnd - kSmallIntegerEnd - 1;
constexpr std::size_t kWordHeadBytesMax = 5;

unsigned byte_of(char c) { return static_cast<unsigned char>(c); }

/// Takes so many off the front; none, and nothing is left, if they are not there.
Bytes take(std::uint64_t count, Bytes* bytes) {
  if (count > bytes->size()) {
    *bytes = {};
    return {};
  }
  const Bytes taken = bytes->substr(0, count);
  bytes->remove_prefix(count);
  return taken;
}

std::uint64_t little_endian(Bytes bytes) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), bytes.size());
  return number;
}

std::optional<std::int64_t> integer_of(Bytes word) {
  const bool may_be = !word.empty() && word.size() <= kIntegerTextBytesMax &&
                      (word[0] == '-' || (word[0] >= '0' && word[0] <= '9'));
  return may_be ? parse_integer(word) : std::nullopt;
}

void append_integer(std::int64_t integer, std::string* out) {
  if (integer >= 0 && integer < kSmallIntegerEnd) {
    out->push_back(static_cast<char>(integer));
    return;
  }
  const auto bits = static_cast<std::uint64_t>(integer < 0 ? ~integer : integer);
  const auto size = static_cast<unsigned>(std::bit_width(bits) / 8 + 1);  // with the sign
  out->push_back(static_cast<char>(kShortStringEnd + size - 1));
  out->append(reinterpret_cast<const char*>(&integer), size);
}

bool begins_with_integer(Bytes packed) {
  if (packed.empty()) return false;
  const unsigned head = byte_of(packed.front());
  return head < kSmallIntegerEnd || (head >= kShortStringEnd && head < kIntegerEnd);
}

Bytes integer_text(Bytes encoded, std::string* digits) {
  const auto unused = static_cast<unsigned>(64 - encoded.size() * 8);
  const auto integer = static_cast<std::int64_t>(little_endian(encoded) << unused) >> unused;
  char text[kIntegerTextBytesMax];
  const std::size_t size = format_integer(text, integer);
  const std::size_t begin = digits->size();
  ASSERT_SLOW(digits->capacity() - begin >= size);
  digits->append(text, size);
  return Bytes(*digits).substr(begin);
}

}  // namespace

void append_ordered(std::uint64_t number, std::string* out) {
  if (number <= kOrderedByteMax) {
    out->push_back(static_cast<char>(number));
    return;
  }
  const auto size = static_cast<unsigned>((std::bit_width(number) + 7) / 8);
  const std::uint64_t highest_first = __builtin_bswap64(number << (64 - 8 * size));
  char bytes[1 + sizeof(number)];
  bytes[0] = static_cast<char>(kOrderedByteMax + size);
  std::memcpy(bytes + 1, &highest_first, sizeof highest_first);
  out->append(bytes, 1 + size);
}

std::uint64_t take_ordered(Bytes* bytes) {
  if (bytes->empty()) return 0;
  const std::uint64_t head = byte_of(bytes->front());
  bytes->remove_prefix(1);
  if (head <= kOrderedByteMax) return head;
  std::uint64_t number = 0;
  for (const char c : take(head - kOrderedByteMax, bytes)) number = number << 8U | byte_of(c);
  return number;
}

void append_head(const EntryHead& head, std::string* out) {
  const bool has_first_names = head.names == kFirstNames;
  const auto bits = static_cast<unsigned>((has_first_names ? kHasFirstNames : 0U) |
                                          (head.ends_in_text ? kEndsInText : 0U));
  *out += head_bound(head.seq);
  if (head.seq <= kSmallSequenceMax) {
    out->back() = static_cast<char>(byte_of(out->back()) | bits);
  } else {
    out->push_back(static_cast<char>(bits));
  }
  if (!has_first_names) out->push_back(static_cast<char>(head.names));
}

EntryHead take_head(Bytes* bytes) {
  EntryHead head;
  const bool is_small = !bytes->empty() && byte_of((*bytes)[0]) <= kOrderedByteMax;
  const std::uint64_t number = take_ordered(bytes);
  head.seq = is_small ? number >> 2U : number;
  const Bytes after = is_small ? Bytes() : take(1, bytes);
  const unsigned bits =
      is_small ? static_cast<unsigned>(number & 3U) : (after.empty() ? 0U : byte_of(after[0]));
  head.ends_in_text = (bits & kEndsInText) != 0;
  if ((bits & kHasFirstNames) != 0) {
    head.names = kFirstNames;
  } else if (const Bytes names = take(1, bytes); !names.empty()) {
    head.names = static_cast<std::uint8_t>(names[0]);
  }
  return head;
}

std::string head_bound(std::uint64_t seq) {
  std::string bytes;
  if (seq <= kSmallSequenceMax) {
    bytes.push_back(static_cast<char>(seq << 2U));
    return bytes;
  }
  const auto size = static_cast<unsigned>((std::bit_width(seq) + 7) / 8);
  bytes.push_back(static_cast<char>(kOrderedByteMax + size));
  for (unsigned i = size; i-- > 0;) bytes.push_back(static_cast<char>(seq >> (8 * i)));
  return bytes;
}

void append_word(Bytes word, std::string* out) {
  if (const auto integer = integer_of(word)) return append_integer(*integer, out);
  if (word.size() <= kShortStringMax) {
    out->push_back(static_cast<char>(kSmallIntegerEnd + word.size()));
  } else {
    const std::uint64_t length = word.size();
    const auto size = static_cast<unsigned>((std::bit_width(length) + 7) / 8);
    ASSERT(size <= kLongStringEnd - kIntegerEnd);
    out->push_back(static_cast<char>(kIntegerEnd + size - 1));
    out->append(reinterpret_cast<const char*>(&length), size);
  }
  out->append(word);
}

Bytes take_word(Bytes* bytes, std::string* digits) {
  const Bytes first = take(1, bytes);
  if (first.empty()) return {};
  const unsigned head = byte_of(first[0]);
  if (head < kSmallIntegerEnd) return integer_text(first, digits);
  if (head < kShortStringEnd) return take(head - kSmallIntegerEnd, bytes);
  if (head < kIntegerEnd) {
    const Bytes encoded = take(head - kShortStringEnd + 1, bytes);
    return encoded.empty() ? Bytes() : integer_text(encoded, digits);
  }
  if (head >= kLongStringEnd) {
    *bytes = {};
    return {};
  }
  return take(little_endian(take(head - kIntegerEnd + 1, bytes)), bytes);
}

void append_names(std::span<const Bytes> fields, std::string* out) {
  for (std::size_t i = 0; i < fields.size(); i += 2) append_word(fields[i], out);
}

void append_fields(std::span<const Bytes> fields, bool with_names, bool ends_in_text,
                   std::string* out) {
  std::size_t size_max = out->size() + sizeof(std::uint64_t) + 1;
  for (const Bytes word : fields) size_max += word.size() + kWordHeadBytesMax;
  out->reserve(size_max);
  if (with_names) append_ordered(fields.size() / 2, out);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (ends_in_text && i + 1 == fields.size()) {
      out->append(fields[i]);
    } else if (with_names || i % 2 == 1) {
      append_word(fields[i], out);
    }
  }
}

bool ends_in_text(std::span<const Bytes> fields) { return !integer_of(fields.back()); }

void StreamFields::decode(Bytes packed, const std::vector<Bytes>* names, bool ends_in_text) {
  words_.clear();
  digits_.clear();
  std::uint64_t count = names != nullptr ? names->size() : take_ordered(&packed);
  // Bytes from a corrupt store may have passed all checks: a word has a byte at least.
  count = std::min<std::uint64_t>(count, packed.size() + 1);
  words_.reserve(count * 2);
  const auto take_next = [&] {
    if (digits_.empty() && begins_with_integer(packed)) {
      digits_.reserve(count * 2 * kIntegerTextBytesMax);
    }
    return take_word(&packed, &digits_);
  };
  for (std::uint64_t i = 0; i < count; ++i) {
    words_.push_back(names != nullptr ? (*names)[i] : take_next());
    const bool is_rest = ends_in_text && i + 1 == count;
    words_.push_back(is_rest ? packed : take_next());
  }
}

}  // namespace diskdb::value
