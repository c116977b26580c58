// base/refusal.h — the client's mistakes: one row per error text, exactly as it goes on the wire.
// A refusal is an answer, not a failure: nothing has changed when it is given. Texts that quote the
// client's words are written by the command itself (CommandContext::refuse).
#pragma once

#include <cstdint>
#include <utility>

#include "base/bytes.h"

namespace diskdb {

enum class Refusal : std::uint8_t {
  kNone,
  kWritten,  ///< the error's text was given by the command itself
  kWrongType,
  kSyntax,
  kNotInteger,
  kNotFloat,
  kOverflow,
  kNanOrInfinity,
  kNoSuchKey,
  kSameObject,
  kIndexOutOfRange,
  kOutOfRange,
  kDbIndexOutOfRange,
  kInvalidDbIndex,
  kStringTooLong,
  kOffsetOutOfRange,
  kBitOffset,
  kBitValue,
  kHllCorrupted,
  kHllWrongType,
  kInvalidCursor,
  kOutOfMemory,
  kMisconfDisk,
  kMisconfCheckpoint,
  kLoading,
  kCount,
};

/// The reply line without its leading '-' and trailing CRLF. Requires: neither kNone nor kWritten.
Bytes refusal_text(Refusal refusal);

/// What a command answers to its dispatcher: done (its reply is written), or refused.
class [[nodiscard]] Outcome {
 public:
  constexpr Outcome() = default;
  constexpr Outcome(Refusal refusal) : refusal_(refusal) {}

  static constexpr Outcome done() { return {}; }
  constexpr bool ok() const { return refusal_ == Refusal::kNone; }
  constexpr Refusal refusal() const { return refusal_; }

 private:
  Refusal refusal_ = Refusal::kNone;
};

inline Outcome as_failure(Outcome outcome) { return outcome; }

/// A value, or why the client does not get it. For types as cheap to copy as a pointer or a number.
template <typename T>
class [[nodiscard]] Answer {
 public:
  constexpr Answer(T value) : value_(value) {}
  constexpr Answer(Refusal refusal) : refusal_(refusal) {}
  constexpr Answer(Outcome outcome) : refusal_(outcome.refusal()) {}

  constexpr bool ok() const { return refusal_ == Refusal::kNone; }
  constexpr Refusal refusal() const { return refusal_; }
  constexpr T& value() { return value_; }

 private:
  T value_{};
  Refusal refusal_ = Refusal::kNone;
};

template <typename T>
Outcome as_failure(Answer<T> answer) {
  return answer.refusal();
}

}  // namespace diskdb
