// keyspace/stored_piece.h — a stretch of the stored keys in SCAN order, as one read of the store
// found them. It knows nothing of what is in memory; whether it may still be used is
// keyspace/sighting.h's question.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "keyspace/record.h"
#include "keyspace/sighting.h"
#include "store/store.h"

namespace diskdb::keyspace {

/// Places are scan_order()'s.
///
/// Threads: one at a time.
/// Invariants:
///   I1  It says of all of [begin, end) what the store has there; so all keys of one place are in
///       one piece.
class StoredPiece {
 public:
  struct Entry {
    std::uint64_t order;
    std::size_t key_offset;
    std::size_t key_size;
    Type type;
    std::optional<Millis> expiry;
    store::PackedObjectId object;
  };

  /// Reads the keys of a generation from `begin` on: up to `keys_max` and some bytes, or up to
  /// `end`; more only where they share their place. Values are passed over. Requires: keys_max > 0.
  /// Errors: the store's, and kCorrupt; the piece covers nothing then.
  Status read(store::Store& store, const Sighting& sighting, std::uint64_t begin, std::uint64_t end,
              std::size_t keys_max);
  const Sighting& sighting() const { return sighting_; }
  bool covers(std::uint64_t order) const { return begin_ <= order && order < end_; }
  std::uint64_t end() const { return end_; }
  std::size_t size() const { return entries_.size(); }
  /// Borrowed until the next read.
  Bytes key_of(const Entry& entry) const {
    return Bytes(keys_).substr(entry.key_offset, entry.key_size);
  }
  /// Calls visit(entry) for those of [from, to), in order. Requires: covered. Cost: none for what
  /// an earlier call with a smaller `from` has passed.
  template <typename Visit>
  void visit(std::uint64_t from, std::uint64_t to, Visit visit) {
    if (next_ > 0 && entries_[next_ - 1].order >= from) next_ = 0;
    while (next_ < entries_.size() && entries_[next_].order < from) ++next_;
    for (; next_ < entries_.size() && entries_[next_].order < to; ++next_) visit(entries_[next_]);
  }

 private:
  Status add(Bytes encoded_key, Bytes encoded_record);

  Sighting sighting_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::string keys_;  ///< of all entries, one after the other
  std::vector<Entry> entries_;
  std::size_t next_ = 0;  ///< where visit() goes on
  std::string bound_;     ///< scratch
};

}  // namespace diskdb::keyspace
