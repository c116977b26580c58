// resp/output.h — where replies go: a contiguous run of bytes that grows, whoever owns the memory.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/shared_bytes.h"

namespace diskdb::resp {

/// The end of a byte stream. Writing is two pointer checks and a copy; only growing is virtual.
///
/// Threads: one at a time.
class Output {
 public:
  virtual ~Output() = default;

  /// Room for at least `bytes` more at the returned address; follow with `advance`.
  char* reserve(std::size_t bytes) {
    if (static_cast<std::size_t>(limit_ - end_) < bytes) [[unlikely]]
      grow(bytes);
    return end_;
  }
  /// Requires: `bytes` were reserved and written.
  void advance(std::size_t bytes) { end_ += bytes; }
  void append(Bytes bytes) {
    char* to = reserve(bytes.size());
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    advance(bytes.size());
  }
  /// The same by reference, for values too large to copy. `bytes` lie in `block`.
  virtual void append_shared(const SharedBytes& block, Bytes bytes) {
    static_cast<void>(block);
    append(bytes);
  }

 protected:
  /// Makes room for at least `bytes` between end_ and limit_.
  virtual void grow(std::size_t bytes) = 0;

  char* end_ = nullptr;
  char* limit_ = nullptr;
};

/// An Output in one string. For tests, replay and effects.
class StringOutput final : public Output {
 public:
  StringOutput() { end_ = limit_ = buffer_.data(); }
  StringOutput(const StringOutput&) = delete;
  StringOutput& operator=(const StringOutput&) = delete;

  Bytes view() const { return {buffer_.data(), size()}; }
  std::size_t size() const { return static_cast<std::size_t>(end_ - buffer_.data()); }
  void clear() { end_ = buffer_.data(); }

 private:
  void grow(std::size_t bytes) override {
    const std::size_t used = size();
    buffer_.resize((used + bytes) * 2 + 64);
    end_ = buffer_.data() + used;
    limit_ = buffer_.data() + buffer_.size();
  }

  std::string buffer_;
};

}  // namespace diskdb::resp
