// keyspace/handed_over.h — entries as they were at a checkpoint's cut, kept because they changed
// before its walk came to them.
//
// A writer pays for keeping one, the checkpoint for taking it: small strings are copied as they
// are, in one piece, and encoded when they are taken. Where the walk has not passed all of them, a
// heap finds those that it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "keyspace/image.h"
#include "keyspace/record.h"

namespace diskdb::keyspace {

/// Threads: shard-local.
class HandedOver {
 public:
  HandedOver() = default;
  HandedOver(const HandedOver&) = delete;
  HandedOver& operator=(const HandedOver&) = delete;
  ~HandedOver();

  /// `order`: of the record's key in scan order. Cost: that of a copy of a small string; of other
  /// values, of their image.
  void add(std::uint64_t order, const Record& record, bool is_gone);
  /// Appends to `out` those before `order_end`, in any order, and forgets them.
  void take(std::uint64_t order_end, std::vector<OrderedImage>* out);
  /// What they cost.
  std::size_t allocated_bytes() const { return bytes_ + entries_.capacity() * sizeof(Entry); }

 private:
  struct Copy {
    Record* record;  ///< owned
    bool is_gone;
  };
  struct Entry {
    std::uint64_t order;
    std::variant<Copy, Image*> what;  ///< owned
  };
  static bool is_later(const Entry& a, const Entry& b) { return a.order > b.order; }
  static void prefetch(const Entry& entry);
  /// Ends the entry.
  OrderedImage image_of_entry(const Entry& entry);

  std::vector<Entry> entries_;
  std::size_t bytes_ = 0;      ///< but for the entries' own
  std::size_t heap_size_ = 0;  ///< so many of them are a heap, the first in scan order on top
  std::uint64_t latest_ = 0;   ///< in scan order, of all since there was none
};

}  // namespace diskdb::keyspace
