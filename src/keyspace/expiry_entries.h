// keyspace/expiry_entries.h — the expiry entries that a checkpoint will write, in key order.
//
// A checkpoint meets keys in the order of their records and writes their expiry entries, ordered by
// time, at its end. Millions of keys may have one, so they are kept close together: the encoded
// keys in one arena, twenty-four bytes beside each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory_resource>

#include "base/bytes.h"
#include "base/containers.h"
#include "store/format.h"

namespace diskdb::keyspace {

/// Threads: one at a time.
class ExpiryEntries {
 public:
  struct Entry {
    const char* data;
    std::uint32_t size;
    bool is_there;  ///< to write, or to delete
    bool is_of_field;
    store::PackedObjectId object;  ///< that the key holds

    Bytes key() const { return {data, size}; }
    store::ExpiryValue value() const { return {.object = object, .is_of_field = is_of_field}; }
  };

  /// Copies `key`, which is encoded (store/format.h).
  void add(Bytes key, bool is_there, const store::ExpiryValue& value = {}) {
    char* data = static_cast<char*>(arena_.allocate(key.size(), 1));
    std::memcpy(data, key.data(), key.size());
    entries_.push_back(
        {data, static_cast<std::uint32_t>(key.size()), is_there, value.is_of_field, value.object});
    bytes_ += key.size() + sizeof(Entry);
  }

  void sort() { std::ranges::sort(entries_, {}, &Entry::key); }
  /// In the order in which they were added, or sorted.
  const std::deque<Entry>& all() const { return entries_; }
  /// What they cost.
  std::size_t bytes() const { return bytes_; }

  /// Forgets all, and gives their memory back.
  void clear() {
    free_container(entries_);
    arena_.release();
    bytes_ = 0;
  }

 private:
  std::pmr::monotonic_buffer_resource arena_;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace diskdb::keyspace
