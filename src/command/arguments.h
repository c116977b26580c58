// command/arguments.h — the words of a request behind its name, read from left to right.
#pragma once

#include <cstdint>
#include <span>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/number.h"
#include "base/refusal.h"

namespace diskdb::command {

/// Borrows the words of the request. As cheap to copy as a span.
class Arguments {
 public:
  explicit Arguments(std::span<const Bytes> words) : left_(words) {}

  bool is_empty() const { return left_.empty(); }
  std::size_t count() const { return left_.size(); }
  /// Requires: !is_empty() (the arity gate guarantees the first ones).
  Bytes next() {
    ASSERT(!left_.empty());
    const Bytes word = left_.front();
    left_ = left_.subspan(1);
    return word;
  }
  Bytes peek() const {
    ASSERT(!left_.empty());
    return left_.front();
  }
  /// The next word as an integer; refuses with `otherwise`.
  Answer<std::int64_t> next_integer(Refusal otherwise = Refusal::kNotInteger) {
    const auto value = parse_integer(next());
    if (!value) return otherwise;
    return *value;
  }
  std::span<const Bytes> rest() {
    const auto all = left_;
    left_ = {};
    return all;
  }
  /// Takes the next word if it is `name`, whatever its case.
  bool next_is(Bytes name) {
    if (left_.empty() || !equals_ignoring_case(left_.front(), name)) return false;
    left_ = left_.subspan(1);
    return true;
  }

 private:
  std::span<const Bytes> left_;
};

}  // namespace diskdb::command
