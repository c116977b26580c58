// base/number.h — numbers as text, by the rules Redis has for them: what a client may write, and
// what it reads. Everything here ignores the locale and takes the whole text or nothing. Sizes and
// durations: base/quantity.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace diskdb {

/// The longest text of format_integer: the sign and 19 digits.
constexpr std::size_t kIntegerTextBytesMax = 20;
/// The longest text of format_double: sign, point, 17 digits, and an exponent of five characters.
constexpr std::size_t kDoubleTextBytesMax = 24;

/// The integer that `text` spells in its only canonical form: no '+', no leading zero, no "-0", no
/// space. So whatever parses may be stored as a number and printed again as the very same bytes.
std::optional<std::int64_t> parse_integer(Bytes text);

/// Writes `value` in decimal and returns how many bytes that took.
/// Requires: room for kIntegerTextBytesMax at `to`.
std::size_t format_integer(char* to, std::int64_t value);
/// The same for the whole unsigned range (20 digits at most).
std::size_t format_unsigned(char* to, std::uint64_t value);
std::string format_integer(std::int64_t value);

/// A float as strtold reads it (decimal, hexadecimal, "inf", "infinity"), as INCRBYFLOAT takes it.
/// Refused: white space in front, NaN, what overflows or underflows to zero, and texts of 5 KB and
/// more.
std::optional<long double> parse_real(Bytes text);
/// The same in double precision and without the bound on length, as scores and timeouts are taken.
std::optional<double> parse_double(Bytes text);

/// `value` with at most 17 digits behind the point, none of them a trailing zero, and never an
/// exponent: how INCRBYFLOAT stores its result. Up to 5 KB long.
std::string format_human(long double value);

/// `value` with up to 17 significant digits ("%.17g"), or inf, -inf, nan: how doubles stand in
/// replies. Returns how many bytes were written. Requires: room for kDoubleTextBytesMax at `to`.
std::size_t format_double(char* to, double value);
std::string format_double(double value);

/// Equal but for the case of ASCII letters.
bool equals_ignoring_case(Bytes a, Bytes b);

/// `c` in lower case, if it is an ASCII letter.
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
/// White space as isspace of the C locale has it.
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace diskdb
