// keyspace/image.h — what a checkpoint writes of one key, as of its cut: the record, or that there
// is none, and the key's expiry entries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/shared_bytes.h"
#include "base/units.h"
#include "keyspace/record.h"
#include "store/format.h"

namespace diskdb::keyspace {

/// Owns what it says; large values by reference.
struct Image {
  std::string key;
  bool is_gone = false;
  std::string record;              ///< encoded (store/format.h), but for `large`
  SharedBytes large;               ///< the value, where it is large: it follows `record`
  std::optional<Millis> due;       ///< of the key's expiry entry
  bool is_due_of_field = false;    ///< then a field expires, and not the key
  StoredExpiries stored_expiries;  ///< entries to delete
  value::ObjectRef object;         ///< large: its pages are to be taken, too

  std::size_t bytes() const {
    return key.size() + record.size() + (large ? large.size() : 0) + sizeof(Image);
  }
};

/// An image and its place: scan_order() of the key.
struct OrderedImage {
  std::uint64_t order;
  Image image;
};

Image image_of(const Record& record, bool is_gone);

/// The record that the store has for `key`, clean. Errors: kCorrupt.
Result<Record*> record_of(const Key& key, Bytes stored, std::uint32_t epoch);

}  // namespace diskdb::keyspace
