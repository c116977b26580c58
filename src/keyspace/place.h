// keyspace/place.h — where a key stands in the store: the same order as SCAN's (keyspace/table.h),
// inside a generation.
#pragma once

#include <cstdint>
#include <string>

#include "keyspace/key.h"
#include "store/format.h"
#include "value/object.h"

namespace diskdb::keyspace {

/// `order`: scan_order() of a key, or of the end of a range. Inverse of order_of().
store::Place place_of(store::Generation generation, std::uint64_t order);
store::Place place_of(store::Generation generation, const Key& key);
std::uint64_t order_of(const store::Place& place);

/// Under which the store has a page of a large object.
std::string stored_page_key(const value::Object& object, value::PageId id);

}  // namespace diskdb::keyspace
