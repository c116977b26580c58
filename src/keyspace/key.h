// keyspace/key.h — a key with what is derived from it once: its cluster slot and its hash.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace diskdb::keyspace {

constexpr std::uint32_t kSlotCount = 16384;
constexpr std::uint64_t kKeyBytesMax = 512ULL * 1024 * 1024;

/// Borrows `bytes`; as cheap to copy as a view.
struct Key {
  Bytes bytes;
  std::uint64_t hash = 0;  ///< seeded per server: clients cannot choose collisions
  std::uint32_t slot = 0;  ///< CRC16 of the key or of its {hash tag}, modulo kSlotCount
};

/// The part of a key that decides its slot: between the first '{' and the next '}' if anything is
/// there.
Bytes hash_tag(Bytes key);

std::uint32_t slot_of(Bytes key);

/// Cost: some 10 ns for 16 bytes.
Key make_key(Bytes bytes, std::uint64_t seed);
std::uint64_t hash_of(Bytes bytes, std::uint64_t seed);

}  // namespace diskdb::keyspace
