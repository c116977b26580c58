// types/json_function.h — what a filter of a JSON path computes from values: arithmetic, and the
// functions of Redis 8.10. Whatever cannot be computed, as a text's square or a division by zero,
// is nothing, not an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "types/json_token.h"

namespace diskdb::types {

enum class JsonFunction : std::uint8_t {
  // Of numbers; signs in a path.
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,  ///< a double
  kRemainder,
  kNegate,
  kPlus,
  // Names in a path. Of the places that a path leads to:
  kCount,
  kValue,  ///< of the only one
  kKeys,   ///< names of the members of all objects
  // of texts:
  kMatch,   ///< is all of the first as the second, a regular expression, says?
  kSearch,  ///< or a part?
  kConcat,
  // of numbers:
  kAbs,
  kCeiling,
  kFloor,
  // of an array:
  kFirst,
  kLast,
  kIndex,
  kAppend,
  kMin,
  kMax,
  kAvg,
  kSum,
  kStddev,  ///< of all that there are, not of a sample
  // of anything that has a size:
  kLength,
  // of two arrays:
  kSubsetOf,
  kAnyOf,
  kNoneOf,
};

/// The function with a name, as written in a path.
std::optional<JsonFunction> find_function(Bytes name);
/// Does it have a meaning with so many arguments?
bool takes(JsonFunction function, std::size_t argument_count);
/// Characters of a string, children of a container.
std::optional<std::uint64_t> size_of(const JsonToken& value);
/// Is the value at `at` an element of the array, numbers being equal by value?
bool is_element(const JsonTokens& value, std::size_t at, const JsonTokens& array);
/// Of two arrays. Cost: the product of their sizes. Requires: kSubsetOf, kAnyOf or kNoneOf.
bool holds_of_arrays(JsonFunction relation, const JsonTokens& left, const JsonTokens& right);
/// Requires: takes() as many; not kCount, kValue, kKeys, kMatch, kSearch, which need more than
/// values.
std::optional<JsonTokens> call_function(JsonFunction function,
                                        std::span<const JsonTokens> arguments);

}  // namespace diskdb::types
