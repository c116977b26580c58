#include "types/json_function.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base/assert.h"

namespace diskdb::types {
namespace {

/// Nothing if it cannot be computed.
using Computed = std::optional<JsonTokens>;

JsonTokens of_token(const JsonToken& token) {
  JsonTokens tokens;
  tokens.add(token);
  return tokens;
}
Computed of_integer(std::int64_t value) { return of_token(JsonToken::of_integer(value)); }
Computed of_real(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  return of_token(JsonToken::of_real(value));
}
Computed of_boolean(bool value) { return of_token(JsonToken::boolean(value)); }

Computed copy_of(const JsonTokens& tokens, std::size_t at) {
  JsonTokens copy;
  copy.add_all(tokens, at, tokens.after(at));
  return copy;
}

/// Two integers give one if it fits 64 bits; all else is computed in doubles.
Computed compute(JsonFunction function, const JsonToken& a, const JsonToken& b) {
  if (!a.is_number() || !b.is_number()) return std::nullopt;
  if (function == JsonFunction::kDivide) return of_real(a.as_double() / b.as_double());
  const bool are_integers = a.is_integer() && b.is_integer();
  std::int64_t integer = 0;
  switch (function) {
    case JsonFunction::kAdd:
      if (are_integers && !__builtin_add_overflow(a.integer, b.integer, &integer)) break;
      return of_real(a.as_double() + b.as_double());
    case JsonFunction::kSubtract:
      if (are_integers && !__builtin_sub_overflow(a.integer, b.integer, &integer)) break;
      return of_real(a.as_double() - b.as_double());
    case JsonFunction::kMultiply:
      if (are_integers && !__builtin_mul_overflow(a.integer, b.integer, &integer)) break;
      return of_real(a.as_double() * b.as_double());
    default:
      if (!are_integers || b.integer == 0) return of_real(std::fmod(a.as_double(), b.as_double()));
      integer = b.integer == -1 ? 0 : a.integer % b.integer;  // of the least one it would overflow
  }
  return of_integer(integer);
}

Computed round(JsonFunction function, const JsonToken& number) {
  if (!number.is_number()) return std::nullopt;
  if (number.is_integer()) {
    if (function != JsonFunction::kAbs || number.integer >= 0) return of_token(number);
    if (number.integer == std::numeric_limits<std::int64_t>::min()) return std::nullopt;
    return of_integer(-number.integer);
  }
  if (number.kind == JsonKind::kUnsigned) return of_token(number);
  const double value = number.as_double();
  if (function == JsonFunction::kAbs) return of_real(std::fabs(value));
  return of_real(function == JsonFunction::kFloor ? std::floor(value) : std::ceil(value));
}

Computed concat(std::span<const JsonTokens> texts) {
  std::string all;
  for (const JsonTokens& text : texts) {
    if (!text.at(0).is_string()) return std::nullopt;
    all += text.at(0).text;
  }
  return of_token(JsonToken::string(all));
}

/// A negative index counts from the end.
Computed element_of(const JsonTokens& array, std::int64_t index) {
  const auto count = static_cast<std::int64_t>(array.at(0).child_count);
  if (index < 0) index += count;
  if (!array.at(0).is_array() || index < 0 || index >= count) return std::nullopt;
  std::size_t at = 1;
  for (; index > 0; --index) at = array.after(at);
  return copy_of(array, at);
}

Computed element_of(const JsonTokens& array, const JsonToken& index) {
  if (!index.is_number()) return std::nullopt;
  const double whole = std::trunc(index.as_double());
  if (std::fabs(whole) > static_cast<double>(array.count())) return std::nullopt;
  return element_of(array, static_cast<std::int64_t>(whole));
}

Computed append(std::span<const JsonTokens> arguments) {
  const JsonTokens& old = arguments[0];
  if (!old.at(0).is_array()) return std::nullopt;
  JsonTokens array;
  const std::size_t begin = array.open(JsonKind::kArray);
  array.add_all(old, 1, old.after(0));
  for (const JsonTokens& value : arguments.subspan(1)) array.add_all(value, 0, value.after(0));
  array.close(begin, old.at(0).child_count + arguments.size() - 1);
  return array;
}

/// Of an array of numbers and nothing else, which has one at least.
Computed aggregate(JsonFunction function, const JsonTokens& array) {
  const JsonToken head = array.at(0);
  if (!head.is_array() || head.child_count == 0 || head.child_count != head.tokens_below) {
    return std::nullopt;
  }
  const auto count = static_cast<double>(head.child_count);
  Computed integers = of_integer(0);  // their sum
  double sum = 0;
  JsonToken least = array.at(1);
  JsonToken greatest = least;
  for (std::size_t i = 1; i < array.count(); ++i) {
    const JsonToken number = array.at(i);
    if (!number.is_number()) return std::nullopt;
    integers = compute(JsonFunction::kAdd, integers ? integers->at(0) : JsonToken(), number);
    sum += number.as_double();
    if (number.as_double() < least.as_double()) least = number;
    if (number.as_double() > greatest.as_double()) greatest = number;
  }
  switch (function) {
    case JsonFunction::kMin:
      return of_token(least);
    case JsonFunction::kMax:
      return of_token(greatest);
    case JsonFunction::kSum:
      return integers;
    case JsonFunction::kAvg:
      return of_real(sum / count);
    default:
      break;
  }
  double squares = 0;
  for (std::size_t i = 1; i < array.count(); ++i) {
    squares += std::pow(array.at(i).as_double() - sum / count, 2);
  }
  return of_real(std::sqrt(squares / count));
}

constexpr std::size_t kMany = SIZE_MAX;
struct Row {
  Bytes name;
  JsonFunction function;
  std::size_t least = 1;  ///< arguments
  std::size_t most = 1;
};
/// All but signs, which have as many arguments as their place in a path gives them.
constexpr Row kFunctions[] = {
    {"count", JsonFunction::kCount},
    {"value", JsonFunction::kValue},
    {"keys", JsonFunction::kKeys},
    {"match", JsonFunction::kMatch, 2, 2},
    {"search", JsonFunction::kSearch, 2, 2},
    {"concat", JsonFunction::kConcat, 1, kMany},
    {"abs", JsonFunction::kAbs},
    {"ceiling", JsonFunction::kCeiling},
    {"floor", JsonFunction::kFloor},
    {"first", JsonFunction::kFirst},
    {"last", JsonFunction::kLast},
    {"index", JsonFunction::kIndex, 2, 2},
    {"append", JsonFunction::kAppend, 2, kMany},
    {"min", JsonFunction::kMin},
    {"max", JsonFunction::kMax},
    {"avg", JsonFunction::kAvg},
    {"sum", JsonFunction::kSum},
    {"stddev", JsonFunction::kStddev},
    {"length", JsonFunction::kLength},
    {"subsetof", JsonFunction::kSubsetOf, 2, 2},
    {"anyof", JsonFunction::kAnyOf, 2, 2},
    {"noneof", JsonFunction::kNoneOf, 2, 2},
};

}  // namespace

std::optional<JsonFunction> find_function(Bytes name) {
  const auto found = std::ranges::find(kFunctions, name, &Row::name);
  return found == std::end(kFunctions) ? std::nullopt : std::optional(found->function);
}

bool takes(JsonFunction function, std::size_t argument_count) {
  const auto row = std::ranges::find(kFunctions, function, &Row::function);
  if (row == std::end(kFunctions)) return true;
  return row->least <= argument_count && argument_count <= row->most;
}

std::optional<std::uint64_t> size_of(const JsonToken& value) {
  if (value.is_container()) return value.child_count;
  if (!value.is_string()) return std::nullopt;
  const auto is_first = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
  return static_cast<std::uint64_t>(std::ranges::count_if(value.text, is_first));
}

bool is_element(const JsonTokens& value, std::size_t at, const JsonTokens& array) {
  const std::size_t end = array.after(0);
  for (std::size_t element = 1; element < end; element = array.after(element)) {
    if (are_equal(value, at, array, element, JsonEquality::kByValue)) return true;
  }
  return false;
}

bool holds_of_arrays(JsonFunction relation, const JsonTokens& left, const JsonTokens& right) {
  // Which answer of an element decides, and what: else it is the opposite.
  const bool deciding = relation != JsonFunction::kSubsetOf;
  const bool decision = relation == JsonFunction::kAnyOf;
  const std::size_t end = left.after(0);
  for (std::size_t element = 1; element < end; element = left.after(element)) {
    if (is_element(left, element, right) == deciding) return decision;
  }
  return !decision;
}

std::optional<JsonTokens> call_function(JsonFunction function,
                                        std::span<const JsonTokens> arguments) {
  ASSERT(takes(function, arguments.size()));
  const JsonTokens& first = arguments[0];
  const JsonToken one = first.at(0);
  switch (function) {
    case JsonFunction::kAdd:
    case JsonFunction::kSubtract:
    case JsonFunction::kMultiply:
    case JsonFunction::kDivide:
    case JsonFunction::kRemainder:
      return compute(function, one, arguments[1].at(0));
    case JsonFunction::kNegate:
      return compute(JsonFunction::kSubtract, JsonToken::of_integer(0), one);
    case JsonFunction::kPlus:
      return one.is_number() ? Computed(first) : std::nullopt;
    case JsonFunction::kConcat:
      return concat(arguments);
    case JsonFunction::kAbs:
    case JsonFunction::kCeiling:
    case JsonFunction::kFloor:
      return round(function, one);
    case JsonFunction::kFirst:
      return element_of(first, 0);
    case JsonFunction::kLast:
      return element_of(first, -1);
    case JsonFunction::kIndex:
      return element_of(first, arguments[1].at(0));
    case JsonFunction::kAppend:
      return append(arguments);
    case JsonFunction::kMin:
    case JsonFunction::kMax:
    case JsonFunction::kAvg:
    case JsonFunction::kSum:
    case JsonFunction::kStddev:
      return aggregate(function, first);
    case JsonFunction::kSubsetOf:
    case JsonFunction::kAnyOf:
    case JsonFunction::kNoneOf:
      if (!one.is_array() || !arguments[1].at(0).is_array()) return std::nullopt;
      return of_boolean(holds_of_arrays(function, first, arguments[1]));
    case JsonFunction::kLength: {
      const auto size = size_of(one);
      return size ? of_integer(static_cast<std::int64_t>(*size)) : std::nullopt;
    }
    case JsonFunction::kCount:
    case JsonFunction::kValue:
    case JsonFunction::kKeys:
    case JsonFunction::kMatch:
    case JsonFunction::kSearch:
      break;
  }
  ASSERT(false);
  return std::nullopt;
}

}  // namespace diskdb::types
