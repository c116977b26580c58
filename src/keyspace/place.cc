#include "keyspace/place.h"

#include "keyspace/record.h"
#include "keyspace/table.h"

namespace diskdb::keyspace {

store::Place place_of(store::Generation generation, std::uint64_t order) {
  return {.generation = generation,
          .slot = static_cast<std::uint32_t>(order >> kScanHashBits),
          .position = order & (Table::kScanEnd - 1)};
}

store::Place place_of(store::Generation generation, const Key& key) {
  return place_of(generation, scan_order(key));
}

std::uint64_t order_of(const store::Place& place) {
  return (static_cast<std::uint64_t>(place.slot) << kScanHashBits) | place.position;
}

std::string stored_page_key(const value::Object& object, value::PageId id) {
  std::string key;
  store::encode_page_key(object.generation(), packed_id(object.id()), id, &key);
  return key;
}

}  // namespace diskdb::keyspace
