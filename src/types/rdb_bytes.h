// types/rdb_bytes.h — the pieces of which Redis's RDB format makes values: lengths, strings, and
// listpacks, read and written. Source of the format: as types/rdb.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace diskdb::types {

/// Takes things off the front. What is not there makes it fail, and everything after it.
class Reader {
 public:
  explicit Reader(Bytes bytes) : left_(bytes) {}

  bool has_failed() const { return has_failed_; }
  void fail() {
    has_failed_ = true;
    left_ = {};
  }
  std::size_t left() const { return left_.size(); }
  Bytes rest() const { return left_; }

  Bytes take(std::uint64_t size) {
    if (size > left_.size()) {
      fail();
      return {};
    }
    const Bytes taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  std::uint8_t byte() {
    const Bytes taken = take(1);
    return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
  }
  std::uint64_t little_endian(unsigned bytes) {
    std::uint64_t number = 0;
    unsigned shift = 0;
    for (const char c : take(bytes)) {
      number |= static_cast<std::uint64_t>(static_cast<unsigned char>(c)) << shift;
      shift += 8;
    }
    return number;
  }
  std::uint64_t big_endian(unsigned bytes) {
    std::uint64_t number = 0;
    for (const char c : take(bytes)) number = number << 8U | static_cast<unsigned char>(c);
    return number;
  }
  std::int64_t signed_little_endian(unsigned bytes) {
    const std::uint64_t number = little_endian(bytes);
    const unsigned unused = 64 - bytes * 8;
    return static_cast<std::int64_t>(number << unused) >> unused;
  }

 private:
  Bytes left_;
  bool has_failed_ = false;
};

/// A length, or the kind of a string that has none.
struct Length {
  std::uint64_t value = 0;
  bool is_kind = false;
};

Length read_length(Reader& reader);
/// A length that something of at least a byte each follows so often.
std::uint64_t read_count(Reader& reader);
std::string read_string(Reader& reader);

using Elements = std::vector<std::string>;
/// Makes `outer` fail if these bytes are no listpack.
void read_listpack(Bytes bytes, Reader& outer, Elements* elements);

void append_little_endian(std::uint64_t number, unsigned bytes, std::string* out);
void append_big_endian(std::uint64_t number, unsigned bytes, std::string* out);
void append_length(std::uint64_t length, std::string* out);
void append_string(Bytes text, std::string* out);

/// A listpack that grows at its end.
class ListpackWriter {
 public:
  ListpackWriter();
  void add(Bytes text);
  void add(std::int64_t integer);
  /// The whole of it.
  const std::string& finish();

 private:
  void end_entry(std::size_t begin);

  std::string bytes_;
  std::uint64_t count_ = 0;
};

}  // namespace diskdb::types
