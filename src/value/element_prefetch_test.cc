// That rehearsals end, whatever the object, and change nothing: what they ask for cannot be seen.
#include "value/element_prefetch.h"

#include <gtest/gtest.h>

#include <string>

namespace diskdb::value {
namespace {

class NoPages final : public PageSource {
 public:
  void load(Object&, const MissingPage&) override { FAIL(); }
  ObjectId next_id() override { return {.birth_slot = 1, .number = 1}; }
};

constexpr std::size_t kStepsMax = 40;

std::size_t steps(const Object& object, Bytes member, std::optional<double> score = std::nullopt) {
  ElementPrefetch prefetch;
  Fingers fingers(1);
  prefetch.begin(object, member, score, &fingers);
  std::size_t count = 1;
  while (count < kStepsMax && prefetch.step()) ++count;
  return count;
}

TEST(ElementPrefetch, EndsInObjectsOfAnyLayoutAndSize) {
  for (const std::size_t size : {0U, 1U, 100U, 20'000U}) {
    for (const Layout layout :
         {Layout::kSequence, Layout::kMembers, Layout::kPairs, Layout::kScores}) {
      NoPages pages;
      const ObjectUse use{.source = &pages, .edit = {}};
      const ObjectRef object(Object::create(layout));
      for (std::size_t i = 0; i < size; ++i) {
        const std::string text = "element:" + std::to_string(i);
        if (layout == Layout::kSequence) Sequence(*object, use).push_back(text);
        if (layout == Layout::kMembers) Dictionary(*object, use).add(text);
        if (layout == Layout::kPairs) Dictionary(*object, use).put(text, "value");
        // Many have the same score.
        if (layout == Layout::kScores) ScoreSet(*object, use).put(text, static_cast<double>(i / 9));
      }
      for (const Bytes member : {Bytes("element:0"), Bytes("element:77"), Bytes("absent")}) {
        EXPECT_LT(steps(*object, member), kStepsMax);
        EXPECT_LT(steps(*object, member, -1e300), kStepsMax);
        EXPECT_LT(steps(*object, member, 12.5), kStepsMax);
      }
      EXPECT_LT(steps(*object, {}), kStepsMax);
      EXPECT_EQ(object->count(), size);
      object->verify_invariants();
    }
  }
}

TEST(ElementPrefetch, EndsBeforeColdPages) {
  NoPages pages;
  const ObjectUse use{.source = &pages, .edit = {.epoch = 1}};
  const ObjectRef object(Object::create(Layout::kMembers));
  for (int i = 0; i < 20'000; ++i) Dictionary(*object, use).add("element:" + std::to_string(i));
  std::vector<PageImage> images;
  Object::TakeCursor cursor;
  while (object->take_dirty(1, 100, &cursor, &images)) {
  }
  while (object->evict_some(100'000, 1) > 0) {
    for (const Bytes member : {Bytes("element:0"), Bytes("element:77"), Bytes("absent")}) {
      EXPECT_LT(steps(*object, member), kStepsMax);
    }
    object->verify_invariants();
  }
  EXPECT_EQ(object->resident_page_count(), 0U);
  EXPECT_LT(steps(*object, "element:0"), kStepsMax);
}

}  // namespace
}  // namespace diskdb::value
