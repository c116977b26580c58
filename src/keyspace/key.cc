#include "keyspace/key.h"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/crc.h"

namespace diskdb::keyspace {

Bytes hash_tag(Bytes key) {
  const std::size_t open = key.find('{');
  if (open == Bytes::npos) return key;
  const std::size_t close = key.find('}', open + 1);
  if (close == Bytes::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

std::uint32_t slot_of(Bytes key) { return crc16(hash_tag(key)) % kSlotCount; }

std::uint64_t hash_of(Bytes bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Key make_key(Bytes bytes, std::uint64_t seed) {
  return {.bytes = bytes, .hash = hash_of(bytes, seed), .slot = slot_of(bytes)};
}

}  // namespace diskdb::keyspace
