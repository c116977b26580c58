// Whatever parses prints again, and what is printed parses to the same value; no text and no
// pattern does harm.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/glob.h"
#include "base/number.h"
#include "base/quantity.h"

namespace diskdb {
namespace {

void check_text(Bytes text) {
  const auto integer = parse_integer(text);
  // The canonical form is the only one: so it must come back byte for byte.
  if (integer) ASSERT(format_integer(*integer) == text);
  const auto real = parse_real(text);
  const auto narrow = parse_double(text);
  if (integer) ASSERT(real && *real == static_cast<long double>(*integer) && narrow.has_value());
  if (narrow) ASSERT(parse_double(format_double(*narrow)) == *narrow);
  if (real && std::isfinite(*real)) {
    const auto again = parse_real(format_human(*real));
    ASSERT(again && std::abs(*again - *real) <= 1e-17L);
  }
  if (const auto size = parse_memory(text); size && integer)
    ASSERT(*size == static_cast<std::uint64_t>(*integer));
  if (const auto span = parse_duration(text, Millis{1}); span && integer)
    ASSERT(span->count == *integer);
}

// By the definition, but for classes and escapes, each prefix of the pattern with each of the text.
bool matches_by_table(Bytes pattern, Bytes text) {
  if (text.empty()) return pattern.empty();
  std::vector<bool> row(text.size() + 1, false);  // row[n]: the pattern so far matches n bytes
  row[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(text.size() + 1, false);
    for (std::size_t n = 0; n <= text.size(); ++n) {
      if (c == '*') {
        next[n] = row[n] || (n > 0 && next[n - 1]);
      } else if (n > 0) {
        next[n] = row[n - 1] && (c == '?' || c == text[n - 1]);
      }
    }
    row.swap(next);
  }
  return row.back();
}

void check_glob(Bytes pattern, Bytes text) {
  const bool matches = glob_matches(pattern, text);
  glob_matches(pattern, text, true);
  if (pattern.find_first_of("[\\") == Bytes::npos)
    ASSERT(matches == matches_by_table(pattern, text));
}

}  // namespace
}  // namespace diskdb

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace diskdb;
  const Bytes text(reinterpret_cast<const char*>(data), size);
  check_text(text);
  if (size >= sizeof(double)) {
    double value;
    std::memcpy(&value, data, sizeof value);
    if (!std::isnan(value)) ASSERT(parse_double(format_double(value)) == value);
    std::int64_t integer;
    std::memcpy(&integer, data, sizeof integer);
    ASSERT(parse_integer(format_integer(integer)) == integer);
  }
  const std::size_t half = text.find('\n');
  if (half != Bytes::npos && size < 500) check_glob(text.substr(0, half), text.substr(half + 1));
  return 0;
}
