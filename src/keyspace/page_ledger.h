// keyspace/page_ledger.h — what changes of large objects leave behind for checkpoints to write:
// images of pages that changed before the running checkpoint came to them, and what is to be
// deleted from the store, pages and whole objects.
//
// A deletion stays in the ledger until a checkpoint that contains it is in the store; ids are never
// used twice, so deleting again does no harm.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/shared_bytes.h"
#include "store/format.h"
#include "value/page_frames.h"

namespace diskdb::keyspace {

/// A page as the store knows it.
struct PagePlace {
  store::Generation generation = 0;
  store::PackedObjectId object = 0;
  value::PageId page = 0;

  /// As keys sort: the slot before the number.
  friend std::strong_ordering operator<=>(const PagePlace& a, const PagePlace& b) {
    if (const auto order = a.generation <=> b.generation; order != 0) return order;
    const auto slot = [](const PagePlace& p) { return p.object % store::kSlotCount; };
    if (const auto order = slot(a) <=> slot(b); order != 0) return order;
    if (const auto order = a.object <=> b.object; order != 0) return order;
    return a.page <=> b.page;
  }
  friend bool operator==(const PagePlace&, const PagePlace&) = default;
};

/// Threads: thread-safe; a leaf lock.
class PageLedger {
 public:
  struct Written {
    PagePlace place;
    SharedBytes bytes;
  };

  /// The running checkpoint has yet to take this page. Owns `image`.
  void hand_over(const PagePlace& place, SharedBytes image) {
    const std::lock_guard lock(m_);
    handed_over_.push_back({place, std::move(image)});
  }
  /// The store may have the page, or the whole object; both are gone as of `epoch`.
  void drop_page(const PagePlace& place, std::uint32_t epoch) {
    const std::lock_guard lock(m_);
    pages_.emplace(place, epoch);
  }
  void drop_object(store::Generation generation, store::PackedObjectId object,
                   std::uint32_t epoch) {
    const std::lock_guard lock(m_);
    objects_.emplace(PagePlace{generation, object, 0}, epoch);
  }

  std::vector<Written> take_handed_over() {
    const std::lock_guard lock(m_);
    return std::exchange(handed_over_, {});
  }
  /// What the checkpoint that cuts at `epoch` deletes, in order.
  std::vector<PagePlace> dropped_pages(std::uint32_t epoch) const { return up_to(pages_, epoch); }
  std::vector<PagePlace> dropped_objects(std::uint32_t epoch) const {
    return up_to(objects_, epoch);
  }
  /// That one is in the store.
  void settle(std::uint32_t epoch) {
    const std::lock_guard lock(m_);
    const auto is_done = [epoch](const auto& dropped) { return dropped.second <= epoch; };
    std::erase_if(pages_, is_done);
    std::erase_if(objects_, is_done);
  }
  /// Is there anything for the checkpoint that cuts at `epoch`?
  bool has_any(std::uint32_t epoch) const {
    return !dropped_pages(epoch).empty() || !dropped_objects(epoch).empty();
  }
  void swap(PageLedger& other) {
    const std::scoped_lock lock(m_, other.m_);
    std::swap(handed_over_, other.handed_over_);
    std::swap(pages_, other.pages_);
    std::swap(objects_, other.objects_);
  }

 private:
  using Dropped = std::set<std::pair<PagePlace, std::uint32_t>>;
  std::vector<PagePlace> up_to(const Dropped& dropped, std::uint32_t epoch) const {
    const std::lock_guard lock(m_);
    std::vector<PagePlace> places;
    for (const auto& [place, since] : dropped) {
      if (since <= epoch && (places.empty() || places.back() != place)) places.push_back(place);
    }
    return places;
  }

  mutable std::mutex m_;
  // guarded by m_
  std::vector<Written> handed_over_;
  Dropped pages_;
  Dropped objects_;
};

}  // namespace diskdb::keyspace
