#include "types/json_token.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/assert.h"

namespace diskdb::types {
namespace {

constexpr std::size_t kVarintBytesMax = 10;
constexpr std::size_t kRawContainerBytes = 17;

void append_varint(std::uint64_t number, std::string* out) {
  while (number >= 128) {
    out->push_back(static_cast<char>(number | 128U));
    number >>= 7U;
  }
  out->push_back(static_cast<char>(number));
}

std::uint64_t take_varint(Bytes* from) {
  std::uint64_t number = 0;
  for (unsigned i = 0; i < kVarintBytesMax && !from->empty(); ++i) {
    const auto byte = static_cast<unsigned char>(from->front());
    from->remove_prefix(1);
    number |= static_cast<std::uint64_t>(byte & 127U) << (7 * i);
    if (byte < 128) break;
  }
  return number;
}

std::uint64_t zigzag(std::int64_t number) {
  return static_cast<std::uint64_t>(number) << 1U ^ static_cast<std::uint64_t>(number >> 63U);
}
std::int64_t unzigzag(std::uint64_t number) {
  return static_cast<std::int64_t>(number >> 1U ^ (0 - (number & 1U)));
}

template <typename T>
T take_fixed(Bytes from) {
  T value{};
  std::memcpy(&value, from.data(), std::min(sizeof value, from.size()));
  return value;
}

template <typename T>
void append_fixed(T value, std::string* out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out->append(bytes, sizeof value);
}

}  // namespace

JsonToken JsonToken::of_real(double value) {
  constexpr double kFloatMax = std::numeric_limits<float>::max();
  const bool is_narrow = value >= -kFloatMax && value <= kFloatMax &&
                         static_cast<double>(static_cast<float>(value)) == value;
  return {.kind = is_narrow ? JsonKind::kFloat : JsonKind::kDouble, .real = value};
}

double JsonToken::as_double() const {
  if (kind == JsonKind::kInteger) return static_cast<double>(integer);
  return kind == JsonKind::kUnsigned ? static_cast<double>(big) : real;
}

JsonToken decode_json_token(Bytes entry) {
  if (entry.empty()) return {};
  JsonToken token{.kind = static_cast<JsonKind>(entry[0])};
  entry.remove_prefix(1);
  switch (token.kind) {
    case JsonKind::kNull:
    case JsonKind::kFalse:
    case JsonKind::kTrue:
      return token;
    case JsonKind::kInteger:
      token.integer = unzigzag(take_varint(&entry));
      return token;
    case JsonKind::kUnsigned:
      token.big = take_fixed<std::uint64_t>(entry);
      return token;
    case JsonKind::kFloat:
      token.real = static_cast<double>(take_fixed<float>(entry));
      return token;
    case JsonKind::kDouble:
      token.real = take_fixed<double>(entry);
      return token;
    case JsonKind::kString:
    case JsonKind::kName:
      token.text = entry;
      return token;
    case JsonKind::kObject:
    case JsonKind::kArray:
      token.child_count = take_varint(&entry);
      token.tokens_below = take_varint(&entry);
      return token;
  }
  return {};
}

void append_json_token(const JsonToken& token, std::string* out) {
  out->push_back(static_cast<char>(token.kind));
  switch (token.kind) {
    case JsonKind::kNull:
    case JsonKind::kFalse:
    case JsonKind::kTrue:
      return;
    case JsonKind::kInteger:
      return append_varint(zigzag(token.integer), out);
    case JsonKind::kUnsigned:
      return append_fixed(token.big, out);
    case JsonKind::kFloat:
      return append_fixed(static_cast<float>(token.real), out);
    case JsonKind::kDouble:
      return append_fixed(token.real, out);
    case JsonKind::kString:
    case JsonKind::kName:
      out->append(token.text);
      return;
    case JsonKind::kObject:
    case JsonKind::kArray:
      append_varint(token.child_count, out);
      append_varint(token.tokens_below, out);
      return;
  }
}

// ---- JsonTokens

JsonToken JsonTokens::at(std::size_t index) const {
  if (index >= count()) return {};
  const Bytes bytes = raw(index);
  const auto kind = static_cast<JsonKind>(bytes[0]);
  if (kind < JsonKind::kObject) return decode_json_token(bytes);
  return {.kind = kind,
          .child_count = take_fixed<std::uint64_t>(bytes.substr(1, 8)),
          .tokens_below = take_fixed<std::uint64_t>(bytes.substr(9))};
}

Bytes JsonTokens::entry(std::size_t index, std::string* scratch) const {
  const Bytes bytes = raw(index);
  if (static_cast<JsonKind>(bytes[0]) < JsonKind::kObject) return bytes;
  scratch->clear();
  append_json_token(at(index), scratch);
  return *scratch;
}

void JsonTokens::add(const JsonToken& token) {
  if (token.is_container()) {
    bytes_.push_back(static_cast<char>(token.kind));
    append_fixed(token.child_count, &bytes_);
    append_fixed(token.tokens_below, &bytes_);
  } else {
    append_json_token(token, &bytes_);
  }
  ASSERT(bytes_.size() <= UINT32_MAX);
  ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
}

void JsonTokens::add_all(const JsonTokens& other, std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i) {
    bytes_.append(other.raw(i));
    ASSERT(bytes_.size() <= UINT32_MAX);
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  }
  note_depth(other.depth());
}

std::size_t JsonTokens::open(JsonKind kind) {
  add({.kind = kind});
  return count() - 1;
}

void JsonTokens::close(std::size_t container, std::uint64_t child_count) {
  const std::uint64_t below = count() - container - 1;
  char* const place = bytes_.data() + (ends_[container] - kRawContainerBytes);
  std::memcpy(place + 1, &child_count, sizeof child_count);
  std::memcpy(place + 9, &below, sizeof below);
}

void JsonTokens::truncate(std::size_t count) {
  bytes_.resize(count == 0 ? 0 : ends_[count - 1]);
  ends_.resize(count);
}

// ---- Equality

namespace {

bool are_members_equal(const JsonTokens& a, std::size_t at_a, const JsonTokens& b, std::size_t at_b,
                       JsonEquality equality) {
  const std::size_t end_a = a.after(at_a);
  const std::size_t end_b = b.after(at_b);
  std::size_t likely = at_b + 1;  // members mostly stand in the same order
  for (std::size_t name = at_a + 1; name < end_a; name = a.after(name + 1)) {
    std::size_t other = likely;
    for (std::size_t tried = b.at(at_b).child_count; tried > 0; --tried) {
      if (other >= end_b) other = at_b + 1;
      if (b.at(other).text == a.at(name).text) break;
      if (tried == 1) return false;
      other = b.after(other + 1);
    }
    if (!are_equal(a, name + 1, b, other + 1, equality)) return false;
    likely = b.after(other + 1);
  }
  return true;
}

}  // namespace

bool are_equal(const JsonTokens& a, std::size_t at_a, const JsonTokens& b, std::size_t at_b,
               JsonEquality equality) {
  const JsonToken one = a.at(at_a);
  const JsonToken other = b.at(at_b);
  if (equality == JsonEquality::kByValue && one.is_number() && other.is_number() &&
      !(one.is_integer() && other.is_integer())) {
    return one.as_double() == other.as_double();
  }
  if (one.kind != other.kind) return false;
  switch (one.kind) {
    case JsonKind::kNull:
    case JsonKind::kFalse:
    case JsonKind::kTrue:
      return true;
    case JsonKind::kInteger:
      return one.integer == other.integer;
    case JsonKind::kUnsigned:
      return one.big == other.big;
    case JsonKind::kFloat:
    case JsonKind::kDouble:
      return one.real == other.real;
    case JsonKind::kString:
    case JsonKind::kName:
      return one.text == other.text;
    case JsonKind::kObject:
      return one.child_count == other.child_count && are_members_equal(a, at_a, b, at_b, equality);
    case JsonKind::kArray:
      break;
  }
  if (one.child_count != other.child_count) return false;
  std::size_t next_b = at_b + 1;
  const std::size_t end_a = a.after(at_a);
  for (std::size_t next_a = at_a + 1; next_a < end_a; next_a = a.after(next_a)) {
    if (!are_equal(a, next_a, b, next_b, equality)) return false;
    next_b = b.after(next_b);
  }
  return true;
}

}  // namespace diskdb::types
