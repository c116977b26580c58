// value/object_testing.h — for tests of this layer: a store of one object's pages, so that some may
// be cold.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "value/object.h"

namespace diskdb::value {

/// A store of pages: what a checkpoint has taken, and may be evicted.
class TestPages final : public PageSource {
 public:
  void load(Object& object, const MissingPage& missing) override {
    const auto at = stored_.find(missing.id);
    ASSERT_NE(at, stored_.end());
    const auto installed = object.tree_of(missing.id).install(missing, at->second, ingested_);
    ASSERT_TRUE(installed.ok() && installed.value());
    ++load_count;
  }
  ObjectId next_id() override { return {.birth_slot = 7, .number = ++number_}; }

  /// Takes all that is dirty, and evicts what may go.
  void store_and_evict(Object& object, ObjectUse* use) {
    if (object.is_small()) return;
    std::vector<PageImage> images;
    Object::TakeCursor cursor;
    while (object.take_dirty(use->edit.epoch, 3, &cursor, &images)) {
    }
    for (const PageImage& image : images) stored_[image.id] = image.bytes;
    ingested_ = use->edit.epoch++;
    object.evict_some(SIZE_MAX, ingested_);
  }
  std::size_t load_count = 0;

 private:
  std::map<PageId, SharedBytes> stored_;
  std::uint32_t ingested_ = 0;
  std::uint64_t number_ = 0;
};

struct NoWatcher final : PageWatcher {
  void hand_over(PageId, SharedBytes) override {}
  void drop_stored(PageId) override {}
};

}  // namespace diskdb::value
