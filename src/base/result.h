// base/result.h — how the world's failures travel: Status, and Result<T> where there is a value.
// The client's mistakes are refusals (base/refusal.h), our own are ASSERTs; absence is
// std::optional.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/assert.h"

namespace diskdb {

/// A code exists only because some caller acts on it differently.
enum class Code : std::uint8_t {
  kIo,        ///< a system call failed; what it left behind is in doubt
  kNoSpace,   ///< the disk or its quota is full; room may come back
  kNotFound,  ///< the named file does not exist
  kCorrupt,   ///< bytes on disk contradict what was vouched for them
  kInvalid,   ///< the caller's or the user's setting is impossible
  kBusy,      ///< another process holds the resource
};

struct Error {
  Code code;
  std::string message;
};

/// Success, or an Error. Success costs one null pointer.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::make_unique<Error>(std::move(error))) {}
  Status(Code code, std::string message) : Status(Error{code, std::move(message)}) {}
  Status(const Status& other)
      : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}
  Status& operator=(const Status& other) {
    error_ = other.error_ ? std::make_unique<Error>(*other.error_) : nullptr;
    return *this;
  }
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  ~Status() = default;

  static Status okay() { return {}; }

  bool ok() const { return error_ == nullptr; }
  /// Requires: !ok().
  const Error& error() const {
    ASSERT(error_ != nullptr);
    return *error_;
  }
  /// Requires: !ok(). The same error with what was being done put before its text.
  Status because(const std::string& doing) const {
    return {error().code, doing + ": " + error().message};
  }

 private:
  std::unique_ptr<Error> error_;
};

/// A value, or an Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : status_(std::move(error)) {}
  Result(Status status) : status_(std::move(status)) { ASSERT(!status_.ok()); }
  Result(Code code, std::string message) : status_(code, std::move(message)) {}

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  const Error& error() const { return status_.error(); }
  /// Requires: ok().
  T& value() {
    ASSERT(value_.has_value());
    return *value_;
  }
  const T& value() const {
    ASSERT(value_.has_value());
    return *value_;
  }
  T* operator->() { return &value(); }
  T& operator*() { return value(); }

 private:
  Status status_;
  std::optional<T> value_;
};

inline Status as_failure(Status status) { return status; }
template <typename T>
Status as_failure(Result<T> result) {
  return result.status();
}

}  // namespace diskdb

// Leaves the function with the failure of `expression`, a Status, a Result or an Outcome.
#define TRY(expression)                                                  \
  do {                                                                   \
    if (auto try_result_ = (expression); !try_result_.ok()) [[unlikely]] \
      return as_failure(std::move(try_result_));                         \
  } while (false)

// Declares `declaration` from the value of `expression`, a Result, or leaves with its failure.
#define TRY_LET(declaration, expression) \
  TRY_LET_NAMED_(declaration, expression, TRY_JOIN_(try_let_, __LINE__))
#define TRY_LET_NAMED_(declaration, expression, name) \
  auto name = (expression);                           \
  if (!name.ok()) [[unlikely]]                        \
    return as_failure(std::move(name));               \
  declaration = std::move(name.value())
#define TRY_JOIN_(a, b) TRY_JOIN2_(a, b)
#define TRY_JOIN2_(a, b) a##b
