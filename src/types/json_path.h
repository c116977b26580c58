// types/json_path.h — JSONPath, and the paths of RedisJSON before it had JSONPath, as a program.
//
//     $  .name  ['name','other']  .*  [*]  ..  [0,-1]  [from:to:step]  [?(@.price<10 &&
//     $.open==true)]
//
// A path that begins with `$`, alone or followed by `.` or `[`, is JSONPath and answers with all
// matches; any other is a legacy path (`.`, `.a.b`, `a["b"][0]`), which means the same steps but
// answers with one value. The grammar is RedisJSON's: names without quotes are of letters, digits
// and -_`~+#%$^/:, blanks may stand between parts. A filter compares two terms by == != < <= > >=,
// =~ (a regular expression, RE2) or a word below (JsonTest), or has one alone; ! binds tighter than
// &&, and that tighter than ||. A term is a value as JSON has it, its texts in quotes of either
// kind, a path from @ or $, or what is computed of terms: + - * / %, with blanks on either side of
// them, and functions, `length(@.a)` or `@.a.length()`. Where a path leads to several values the
// test is to hold for any of them. Redis 8.10's `~`, and paths that are themselves computed, are
// not known here.
//
// Hostile paths are bounded here: in steps and in nesting, so that whoever runs the program may
// recurse.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "types/json_function.h"
#include "types/json_token.h"

namespace re2 {
class RE2;
}

namespace diskdb::types {

/// Steps of one path, and of each path in a filter.
constexpr std::size_t kJsonPathStepsMax = 256;
/// Filters, parentheses and calls within each other.
constexpr std::size_t kJsonPathNestingMax = 16;
/// Calls, signs among them, in one path.
constexpr std::size_t kJsonPathCallsMax = 64;

struct JsonCondition;

struct JsonStep {
  enum class Kind : std::uint8_t {
    kNames,    ///< members so called
    kIndexes,  ///< elements; negative: from the end
    kSlice,    ///< elements from `from` up to `to`, each `step`th
    kAll,      ///< all children
    kDescend,  ///< the value itself and all below it, to which the next step applies
    kFilter,   ///< children for which the condition holds
  };
  Kind kind;
  std::vector<std::string> names = {};
  std::vector<std::int64_t> indexes = {};
  std::optional<std::int64_t> from = {};
  std::optional<std::int64_t> to = {};
  std::uint64_t step = 1;
  std::shared_ptr<const JsonCondition> condition = {};
};
using JsonSteps = std::vector<JsonStep>;

/// One side of a comparison.
struct JsonTerm {
  enum class Kind : std::uint8_t { kConstant, kCurrent, kRoot, kCall };
  Kind kind = Kind::kConstant;
  JsonTokens constant = {};  ///< one value
  JsonSteps steps = {};      ///< of kCurrent and kRoot
  JsonFunction function{};   ///< of kCall
  std::vector<JsonTerm> arguments = {};

  bool is_path() const { return kind == Kind::kCurrent || kind == Kind::kRoot; }
};

struct JsonTest {
  enum class Operator : std::uint8_t {
    kExists,  ///< `left` alone
    kEqual,
    kUnequal,
    kLess,
    kAtMost,
    kGreater,
    kAtLeast,
    kMatches,
    kIn,     ///< `right` is an array and has such an element
    kNotIn,  ///< not kIn, whatever `right` is
    // Of two arrays:
    kSubsetOf,  ///< each element of `left` is in `right`
    kAnyOf,     ///< one is
    kNoneOf,    ///< none is
    kSize,      ///< characters of a string, children of a container: as many as `right` says
    kEmpty,     ///< has none, or some, as `right` says
  };
  JsonTerm left;
  Operator op = Operator::kExists;
  JsonTerm right = {};
  /// Of kMatches, if `right` is a constant: null if that is no expression.
  std::shared_ptr<const re2::RE2> expression = {};
};

/// One of several is to hold, each of which is several that are to hold together.
struct JsonCondition {
  /// A test, or a condition in parentheses.
  struct Operand {
    bool is_negated = false;
    std::unique_ptr<JsonTest> test = {};
    std::unique_ptr<JsonCondition> condition = {};
  };
  std::vector<std::vector<Operand>> alternatives;
};

/// A regular expression; null if `pattern` is none, or one too large.
std::shared_ptr<const re2::RE2> compile_expression(Bytes pattern);
/// Does a part of the text match?
bool matches_expression(const re2::RE2& expression, Bytes text);
/// The pattern of those texts all of which `pattern` matches.
std::string anchored(Bytes pattern);

/// Threads: immutable. A copy shares the steps.
class JsonPath {
 public:
  /// The root, as `.` names it.
  JsonPath() = default;
  /// Nothing if it is no path: *error says what is wrong, and where.
  static std::optional<JsonPath> parse(Bytes text, std::string* error);
  /// Without parsing.
  static bool is_legacy(Bytes text);
  /// Is it the root, written `$` or `.`?
  static bool is_root(Bytes text) { return text == "$" || text == "."; }

  bool is_legacy() const { return is_legacy_; }
  const JsonSteps& steps() const;
  /// Can it lead to one value at most?
  bool is_static() const;

 private:
  bool is_legacy_ = true;
  std::shared_ptr<const JsonSteps> steps_;  ///< null: none
};

/// Paths parsed lately: clients name the same ones again and again, and to parse one costs as much
/// as to follow it. Those with filters, which may be large, and long ones are parsed each time.
///
/// Threads: one's own.
class JsonPaths {
 public:
  /// As JsonPath::parse().
  std::optional<JsonPath> parse(Bytes text, std::string* error);

 private:
  static constexpr std::size_t kCount = 64;
  static constexpr std::size_t kTextBytesMax = 64;
  struct Parsed {
    std::string text;  ///< empty: nothing, which is no path
    JsonPath path;
  };
  std::array<Parsed, kCount> parsed_;
};

}  // namespace diskdb::types
