// types/json_token.h — a JSON document as tokens in document order, and one token as bytes.
// Normative layout: docs/format/json.md.
//
// Problem: a document of 100 MB must not be rewritten because one number in it changes, nor be in
// memory because one member is asked for; a tree of nodes with pointers costs many times its text.
// Idea: a value is a token, and behind an object or array stand the tokens of what is in it; a
// container's token says how many children it has and how many tokens these take, so a value is
// skipped by its position alone. A row of tokens is a sequence (value/object.h): pages, residency,
// copies on write and checkpoints come with it. An edit replaces some tokens, and the counts of the
// containers around them. Cost: a member is found by passing its elder siblings.
//
//     {"a":[1,2],"b":null}    object 2 5 · name a · array 2 2 · integer 1 · integer 2 · name b ·
//     null
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace diskdb::types {

/// No value is nested deeper.
constexpr std::size_t kJsonDepthMax = 128;

/// Persisted: never renumber.
enum class JsonKind : std::uint8_t {
  kNull = 0,
  kFalse = 1,
  kTrue = 2,
  kInteger = 3,   ///< fits 64 bits with a sign
  kUnsigned = 4,  ///< an integer above that which fits 64 bits without
  kFloat = 5,     ///< a double that 32 bits hold exactly
  kDouble = 6,
  kString = 7,
  kName = 8,  ///< of an object's member, whose value follows
  kObject = 9,
  kArray = 10,
};

/// One token taken apart.
struct JsonToken {
  JsonKind kind = JsonKind::kNull;
  std::int64_t integer = 0;        ///< kInteger
  std::uint64_t big = 0;           ///< kUnsigned
  double real = 0;                 ///< kFloat, kDouble
  Bytes text = {};                 ///< kString, kName: UTF-8
  std::uint64_t child_count = 0;   ///< kObject: members; kArray: elements
  std::uint64_t tokens_below = 0;  ///< that these take

  static JsonToken null() { return {}; }
  static JsonToken boolean(bool value) {
    return {.kind = value ? JsonKind::kTrue : JsonKind::kFalse};
  }
  static JsonToken of_integer(std::int64_t value) {
    return {.kind = JsonKind::kInteger, .integer = value};
  }
  /// Requires: `value` is finite.
  static JsonToken of_real(double value);
  static JsonToken string(Bytes text) { return {.kind = JsonKind::kString, .text = text}; }

  bool is_container() const { return kind >= JsonKind::kObject; }
  bool is_object() const { return kind == JsonKind::kObject; }
  bool is_array() const { return kind == JsonKind::kArray; }
  bool is_string() const { return kind == JsonKind::kString; }
  bool is_boolean() const { return kind == JsonKind::kTrue || kind == JsonKind::kFalse; }
  bool is_number() const { return kind >= JsonKind::kInteger && kind <= JsonKind::kDouble; }
  /// An integer that fits 64 bits with a sign?
  bool is_integer() const { return kind == JsonKind::kInteger; }
  /// Requires: is_number().
  double as_double() const;
};

/// A stored token. Whatever the bytes, it is some token and borrows nothing beyond them: what is
/// cut short is 0 or empty, an unknown kind null.
JsonToken decode_json_token(Bytes entry);
/// Appends the only form in which `token` is stored.
void append_json_token(const JsonToken& token, std::string* out);

/// Tokens of one value, or of several in a row, in memory, before they are stored or beside what is
/// stored.
///
/// Threads: one at a time. Invariant: the counts of closed containers are right.
class JsonTokens {
 public:
  std::size_t count() const { return ends_.size(); }
  bool is_empty() const { return ends_.empty(); }
  /// Borrows the text until the next change. Null from count() on.
  JsonToken at(std::size_t index) const;
  /// The bytes to store it as, in `scratch` or here, until the next change.
  Bytes entry(std::size_t index, std::string* scratch) const;
  /// Behind the value that begins here.
  std::size_t after(std::size_t index) const {
    return index + 1 + static_cast<std::size_t>(at(index).tokens_below);
  }
  /// How deep containers are nested in it: 0 for a scalar.
  std::size_t depth() const { return depth_; }

  /// A container is added with its counts, or opened and closed.
  void add(const JsonToken& token);
  void add_name(Bytes name) { add({.kind = JsonKind::kName, .text = name}); }
  /// Tokens [first, last) of another one, whole values.
  void add_all(const JsonTokens& other, std::size_t first, std::size_t last);
  /// Returns where it is, for close().
  std::size_t open(JsonKind kind);
  void close(std::size_t container, std::uint64_t child_count);
  /// Drops tokens from `count` on.
  void truncate(std::size_t count);
  void clear() { truncate(0); }
  void note_depth(std::size_t depth) {
    if (depth > depth_) depth_ = depth;
  }

  /// What it costs in memory.
  std::size_t bytes() const { return bytes_.capacity() + ends_.capacity() * sizeof(ends_[0]); }

 private:
  Bytes raw(std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return Bytes(bytes_).substr(begin, ends_[index] - begin);
  }

  std::string bytes_;  ///< as stored, but containers have two integers of eight bytes
  std::vector<std::uint32_t> ends_;
  std::size_t depth_ = 0;
};

/// When numbers are equal.
enum class JsonEquality : std::uint8_t {
  kByKind,   ///< integers and doubles are never equal to each other
  kByValue,  ///< 1 is 1.0
};
/// Are the values at these places equal, as JSON has it: the order of members does not matter?
bool are_equal(const JsonTokens& a, std::size_t at_a, const JsonTokens& b, std::size_t at_b,
               JsonEquality equality = JsonEquality::kByKind);

}  // namespace diskdb::types
