#include "base/number.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace diskdb {
namespace {

// "00" to "99": two digits a division halves the divisions, which are what formatting costs.
constexpr auto kPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

std::size_t count_digits(std::uint64_t value) {
  std::size_t digits = 1;
  for (;;) {
    if (value < 10) return digits;
    if (value < 100) return digits + 1;
    if (value < 1000) return digits + 2;
    if (value < 10000) return digits + 3;
    value /= 10000;
    digits += 4;
  }
}

// The longest text parse_real takes, with its end mark, is what Redis's buffer for it holds.
constexpr std::size_t kRealBufferBytes = 5 * 1024;

long double string_to(const char* text, char** end, long double) { return std::strtold(text, end); }
double string_to(const char* text, char** end, double) { return std::strtod(text, end); }

// `text` ends with a zero byte at text[size].
template <typename T>
std::optional<T> parse_terminated(const char* text, std::size_t size) {
  if (size == 0 || is_space(text[0])) return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const T value = string_to(text, &end, T{});
  if (static_cast<std::size_t>(end - text) != size || std::isnan(value)) return std::nullopt;
  // A denormal result also sets ERANGE; it is a value all the same.
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

template <typename T>
std::optional<T> parse_by_copy(Bytes text) {
  char buffer[kRealBufferBytes];
  text.copy(buffer, text.size());  // of nothing, too
  buffer[text.size()] = '\0';
  return parse_terminated<T>(buffer, text.size());
}

constexpr std::size_t kExactDigitsMax = 15;  // in a double

// Most floats that clients send are small integers; these need no strtold.
std::optional<std::int64_t> parse_small_integer(Bytes text) {
  if (text.size() > kExactDigitsMax) return std::nullopt;
  return parse_integer(text);
}

// Nor do plain decimals of few digits need strtod: the digits and the power of ten are exact, so
// their quotient is rounded as strtod rounds. Source: Clinger, How to Read Floating Point Numbers
// Accurately, PLDI 1990, section 6.
std::optional<double> parse_plain_decimal(Bytes text) {
  static constexpr std::array<double, kExactDigitsMax + 1> kPowersOfTen = {
      1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool is_negative = text.starts_with('-');
  std::uint64_t digits = 0;
  std::size_t count = 0;
  std::size_t before_point = 0;
  bool has_point = false;
  for (const char c : text.substr(is_negative ? 1 : 0)) {
    const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
    if (digit <= 9 && count < kExactDigitsMax) {
      digits = digits * 10 + digit;
      ++count;
    } else if (c == '.' && !has_point) {
      has_point = true;
      before_point = count;
    } else {
      return std::nullopt;
    }
  }
  if (count == 0) return std::nullopt;
  auto value = static_cast<double>(digits);
  if (has_point) value /= kPowersOfTen[count - before_point];
  return is_negative ? -value : value;
}

}  // namespace

std::optional<std::int64_t> parse_integer(Bytes text) {
  const std::size_t size = text.size();
  if (size == 0 || size > kIntegerTextBytesMax) return std::nullopt;
  const char* p = text.data();
  const char* const end = p + size;
  const bool is_negative = *p == '-';
  if (is_negative && ++p == end) return std::nullopt;

  const unsigned first = static_cast<unsigned char>(*p) - unsigned{'0'};
  if (first > 9) return std::nullopt;
  if (first == 0) {
    if (size != 1) return std::nullopt;  // a leading zero, or "-0"
    return 0;
  }
  std::uint64_t magnitude = first;
  // 19 digits always fit 64 bits without a sign; a 20th is one too many for any value that fits
  // with one.
  if (end - p > 19) return std::nullopt;
  for (++p; p != end; ++p) {
    const unsigned digit = static_cast<unsigned char>(*p) - unsigned{'0'};
    if (digit > 9) return std::nullopt;
    magnitude = magnitude * 10 + digit;
  }
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (magnitude > kMax + (is_negative ? 1 : 0)) return std::nullopt;
  return static_cast<std::int64_t>(is_negative ? 0 - magnitude : magnitude);
}

std::size_t format_unsigned(char* to, std::uint64_t value) {
  const std::size_t digits = count_digits(value);
  char* p = to + digits;
  while (value >= 100) {
    p -= 2;
    std::memcpy(p, &kPairs[2 * (value % 100)], 2);
    value /= 100;
  }
  if (value >= 10) {
    std::memcpy(to, &kPairs[2 * value], 2);
  } else {
    *to = static_cast<char>('0' + value);
  }
  return digits;
}

std::size_t format_integer(char* to, std::int64_t value) {
  if (value >= 0) return format_unsigned(to, static_cast<std::uint64_t>(value));
  *to = '-';
  return 1 + format_unsigned(to + 1, 0 - static_cast<std::uint64_t>(value));
}

std::string format_integer(std::int64_t value) {
  char text[kIntegerTextBytesMax];
  return {text, format_integer(text, value)};
}

std::optional<long double> parse_real(Bytes text) {
  if (const auto integer = parse_small_integer(text)) return static_cast<long double>(*integer);
  if (text.size() >= kRealBufferBytes) return std::nullopt;
  return parse_by_copy<long double>(text);
}

std::optional<double> parse_double(Bytes text) {
  if (const auto value = parse_plain_decimal(text)) return value;
  if (text.size() < kRealBufferBytes) return parse_by_copy<double>(text);
  const std::string copy(text);
  return parse_terminated<double>(copy.c_str(), copy.size());
}

std::string format_human(long double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[kRealBufferBytes];  // the largest long double has 4933 digits before the point
  const int written = std::snprintf(buffer, sizeof buffer, "%.17Lf", value);
  std::size_t size = static_cast<std::size_t>(written);
  if (std::memchr(buffer, '.', size) != nullptr) {
    while (buffer[size - 1] == '0') --size;
    if (buffer[size - 1] == '.') --size;
  }
  if (size == 2 && buffer[0] == '-' && buffer[1] == '0') return "0";
  return {buffer, size};
}

std::size_t format_double(char* to, double value) {
  if (std::isnan(value)) {
    std::memcpy(to, "nan", 3);
    return 3;
  }
  // Integers below 10^17 print all their digits; above, the exponent form may be due.
  if (std::abs(value) < 1e17) {
    const auto integer = static_cast<std::int64_t>(value);
    const bool is_negative_zero = integer == 0 && std::signbit(value);
    if (static_cast<double>(integer) == value && !is_negative_zero)
      return format_integer(to, integer);
  }
  const auto result =
      std::to_chars(to, to + kDoubleTextBytesMax, value, std::chars_format::general, 17);
  return static_cast<std::size_t>(result.ptr - to);
}

std::string format_double(double value) {
  char text[kDoubleTextBytesMax];
  return {text, format_double(text, value)};
}

bool equals_ignoring_case(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

}  // namespace diskdb
