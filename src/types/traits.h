// types/traits.h — what the types remember of a large value beside its elements: the eight bits of
// value::Object::traits(), which the store keeps with the key's record.
//
// Redis gives each value one of several encodings, shows it by OBJECT ENCODING, and changes it one
// way only: a value that once exceeded the small encoding's thresholds keeps the large one though
// it shrinks. DiskDB's representations are others (value/object.h), so the encoding shown is
// remembered, not measured. Persisted: never renumber.
#pragma once

#include <cstdint>

#include "value/object.h"

namespace diskdb::types {

enum class Trait : std::uint8_t {
  /// It has exceeded the thresholds of the small encoding: "quicklist", "hashtable", "skiplist".
  kShowsLarge = 1U << 0U,
  /// Of a set: all members spell integers, and a small one keeps them sorted ("intset").
  kIntegers = 1U << 1U,
  /// Of a hash: a field has, or had, an expiry. Set by value::Dictionary.
  kFieldExpiry = value::kFieldExpiryTrait,
};

inline bool has_trait(const value::Object& object, Trait trait) {
  return (object.traits() & static_cast<std::uint8_t>(trait)) != 0;
}

/// Of an object that is open for change: traits are stored with its next commit.
inline void set_trait(value::Object& object, Trait trait, bool is_set = true) {
  const auto bit = static_cast<std::uint8_t>(trait);
  const auto bits = static_cast<unsigned>(object.traits());
  object.set_traits(static_cast<std::uint8_t>(is_set ? bits | bit : bits & ~bit));
}

}  // namespace diskdb::types
