// value/dated_value.h — the value of a field that may expire: eight bytes of expiry, little-endian
// milliseconds since the epoch, 0 for none, and the value behind them. In a hash with kFieldExpiry
// all values are like that, in others none is.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/units.h"

namespace diskdb::value {

/// The bit of value::Object::traits() that says so. Persisted.
constexpr unsigned kFieldExpiryTrait = 1U << 2U;

constexpr std::size_t kDateBytes = sizeof(Millis::count);

struct DatedValue {
  Bytes value;
  Millis expiry{};  ///< 0: none
};

/// Requires: append_dated() made the bytes.
inline DatedValue split_dated(Bytes bytes) {
  ASSERT(bytes.size() >= kDateBytes);
  DatedValue dated{.value = bytes.substr(kDateBytes)};
  std::memcpy(&dated.expiry.count, bytes.data(), kDateBytes);
  return dated;
}

inline void append_dated(const DatedValue& dated, std::string* out) {
  char date[kDateBytes];
  std::memcpy(date, &dated.expiry.count, kDateBytes);
  out->append(date, kDateBytes).append(dated.value);
}

}  // namespace diskdb::value
