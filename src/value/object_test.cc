// Each layout against a simple model, small and large, with cold pages that come back through a
// PageSource.
#include "value/object.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "value/object_testing.h"
#include "value/page_testing.h"

namespace diskdb::value {
namespace {

struct Rig {
  explicit Rig(Layout layout) : object(Object::create(layout)) {
    use.source = &pages;
    use.edit.epoch = 5;
    use.edit.watcher = &watcher;
    use.edit.fingers = &fingers;
  }
  void maybe_evict() {
    if (random() % 50 == 0) pages.store_and_evict(*object, &use);
  }
  /// Brings all pages back.
  void verify() {
    if (!object->is_small()) {
      for (ElementCursor c(ObjectHandle(*object, use).at(0)); !c.is_at_end(); c.next()) {
      }
    }
    object->verify_invariants();
  }

  TestPages pages;
  NoWatcher watcher;
  Fingers fingers{11};
  ObjectUse use;
  ObjectRef object;
  std::mt19937_64 random{11};
};

std::string text(std::uint64_t n) { return std::string(n % 40, 'x') + std::to_string(n); }

TEST(Object, SequenceIsAVector) {
  for (const std::size_t size : {20U, 3000U}) {
    Rig rig(Layout::kSequence);
    std::vector<std::string> model;
    Sequence list(*rig.object, rig.use);
    for (int i = 0; i < 6000; ++i) {
      const std::uint64_t draw = rig.random() % 10;
      const std::string entry = text(rig.random() % 10'000);
      const std::uint64_t at = model.empty() ? 0 : rig.random() % model.size();
      if (draw < 6 && model.size() < size) {
        list.insert(at, entry);
        model.insert(model.begin() + static_cast<std::ptrdiff_t>(at), entry);
      } else if (draw < 8 && !model.empty()) {
        list.replace(at, entry);
        model[at] = entry;
      } else if (model.size() > 1) {
        const std::uint64_t last = std::min<std::uint64_t>(model.size() - 1, at + rig.random() % 3);
        list.erase(at, std::max(at, last));
        model.erase(model.begin() + static_cast<std::ptrdiff_t>(at),
                    model.begin() + static_cast<std::ptrdiff_t>(std::max(at, last)));
      }
      rig.maybe_evict();
      ASSERT_EQ(list.count(), model.size());
    }
    std::vector<std::string> found;
    for (ElementCursor c = list.at(0); !c.is_at_end(); c.next()) found.emplace_back(c.entry());
    EXPECT_EQ(found, model);
    found.clear();
    for (ElementCursor c = list.at(model.size() - 1); !c.is_at_end(); c.previous()) {
      found.emplace_back(c.entry());
    }
    std::ranges::reverse(found);
    EXPECT_EQ(found, model);
    EXPECT_EQ(rig.object->is_small(), size == 20);
    EXPECT_EQ(rig.pages.load_count > 0, size != 20);
    rig.verify();
  }
}

TEST(Object, DictionaryIsAMap) {
  for (const std::size_t size : {30U, 3000U}) {
    Rig rig(Layout::kPairs);
    std::map<std::string, std::string> model;
    Dictionary hash(*rig.object, rig.use);
    for (int i = 0; i < 12'000; ++i) {
      const std::string field = "f" + std::to_string(rig.random() % size);
      if (rig.random() % 3 != 0) {
        const std::string value = text(rig.random() % 10'000);
        ASSERT_EQ(hash.put(field, value), model.insert_or_assign(field, value).second);
      } else if (model.size() > 1) {
        ASSERT_EQ(hash.erase(field), model.erase(field) == 1);
      }
      rig.maybe_evict();
      const std::string sought = "f" + std::to_string(rig.random() % size);
      const auto value = hash.value_of(sought);
      ASSERT_EQ(value.has_value(), model.contains(sought));
      if (value) {
        ASSERT_EQ(*value, model[sought]);
      }
      ASSERT_EQ(hash.count(), model.size());
    }
    std::map<std::string, std::string> found;
    for (ElementCursor c = hash.at(0); !c.is_at_end(); c.next()) {
      found.emplace(c.pair().key, c.pair().value);
    }
    EXPECT_EQ(found, model);
    if (!rig.object->is_small()) {
      found.clear();
      for (ElementCursor c = hash.from_hash(1ULL << 63U); !c.is_at_end(); c.next()) {
        EXPECT_GE(c.key(), 1ULL << 63U);
        found.emplace(c.pair().key, c.pair().value);
      }
      EXPECT_NEAR(static_cast<double>(found.size()), static_cast<double>(model.size()) / 2,
                  static_cast<double>(model.size()) / 5);
    }
    rig.verify();
  }
}

// Fields with and without expiry beside a map, with cold pages; now and then some expire.
TEST(Object, FieldsExpireInOrder) {
  for (const std::size_t size : {30U, 4000U}) {
    Rig rig(Layout::kPairs);
    struct Value {
      std::string text;
      std::int64_t expiry;
    };
    std::map<std::string, Value> model;
    Dictionary hash(*rig.object, rig.use);
    std::int64_t now = 1;
    for (int i = 0; i < 20'000; ++i) {
      const std::string field = "f" + std::to_string(rig.random() % size);
      const std::uint64_t draw = rig.random() % 100;
      if (draw < 60) {
        // Few instants, so that many are due at once.
        const auto span = static_cast<std::int64_t>(1 + rig.random() % 40 * 25);
        const std::int64_t expiry = i < 5000 || rig.random() % 3 == 0 ? 0 : now + span;
        const std::string value = text(rig.random() % 1000);
        const bool is_new = !model.contains(field);
        ASSERT_EQ(hash.put(field, value, Millis{expiry}), is_new);
        model[field] = {value, expiry};
      } else if (draw < 80 && model.size() > 1) {
        ASSERT_EQ(hash.erase(field), model.erase(field) == 1);
      } else if (draw == 99) {
        now += static_cast<std::int64_t>(rig.random() % 100);
        std::set<std::string> due;
        for (const auto& [name, value] : model) {
          if (value.expiry != 0 && value.expiry <= now) due.insert(name);
        }
        ASSERT_EQ(hash.count_expiring({now}), due.size());
        while (!due.empty() && model.size() > 1) {
          const std::vector<std::string> some = hash.fields_expiring({now}, 3);
          ASSERT_EQ(some.size(), std::min<std::size_t>(due.size(), 3));
          for (const std::string& name : some) {
            ASSERT_EQ(due.erase(name), 1U);
            if (model.size() == 1) break;
            ASSERT_TRUE(hash.erase(name));
            model.erase(name);
          }
        }
        hash.renew_field_expiry();
        std::int64_t earliest = kNoFieldExpiry.count;
        for (const auto& [name, value] : model) {
          if (value.expiry != 0) earliest = std::min(earliest, value.expiry);
        }
        ASSERT_EQ(rig.object->field_expiry().count, earliest);
      }
      rig.maybe_evict();
      const auto pair = hash.pair_of(field);
      ASSERT_EQ(pair.has_value(), model.contains(field));
      if (pair) {
        ASSERT_EQ(pair->value, model[field].text);
        ASSERT_EQ(pair->expiry.count, model[field].expiry);
      }
      ASSERT_EQ(hash.count(), model.size());
    }
    EXPECT_EQ(rig.object->is_small(), size == 30);
    std::vector<std::string> all =
        hash.fields_expiring({INT64_MAX - 1}, SIZE_MAX);  // brings all in
    EXPECT_EQ(all.size(), hash.count_expiring({INT64_MAX - 1}));
    rig.verify();
  }
}

TEST(Object, ScoreSetIsASetOfPairs) {
  for (const std::size_t size : {30U, 3000U}) {
    Rig rig(Layout::kScores);
    std::map<std::string, double> scores;
    std::set<std::pair<double, std::string>> order;
    ScoreSet zset(*rig.object, rig.use);
    const auto forget = [&](const std::string& member) {
      order.erase({scores[member], member});
      scores.erase(member);
    };
    for (int i = 0; i < 12'000; ++i) {
      const std::string member = "m" + std::to_string(rig.random() % size);
      const double score = static_cast<double>(rig.random() % 200) - 100;
      const bool was_there = scores.contains(member);
      if (rig.random() % 3 != 0) {
        ASSERT_EQ(zset.put(member, score) == ScoreChange::kNew, !was_there);
        if (was_there) order.erase({scores[member], member});
        scores[member] = score;
        order.insert({score, member});
      } else if (scores.size() > 1) {
        ASSERT_EQ(zset.erase(member), was_there);
        if (was_there) forget(member);
      }
      if (i % 1000 == 999 && scores.size() > 20) {
        const std::uint64_t first = rig.random() % (scores.size() - 10);
        auto begin = std::next(order.begin(), static_cast<std::ptrdiff_t>(first));
        for (int n = 0; n < 5; ++n) forget(std::string((begin++)->second));
        zset.erase_range(first, first + 5);
      }
      rig.maybe_evict();
      ASSERT_EQ(zset.score(member).has_value(), scores.contains(member));
      if (i % 20 != 0 || !scores.contains(member)) continue;
      ASSERT_EQ(*zset.score(member), scores[member]);
      ASSERT_EQ(*zset.rank(member), static_cast<std::uint64_t>(std::distance(
                                        order.begin(), order.find({scores[member], member}))));
      ASSERT_EQ(zset.count_below(score), static_cast<std::uint64_t>(std::distance(
                                             order.begin(), order.lower_bound({score, ""}))));
      ASSERT_EQ(zset.count_up_to(score), static_cast<std::uint64_t>(std::distance(
                                             order.begin(), order.lower_bound({score + 0.5, ""}))));
    }
    std::set<std::pair<double, std::string>> found;
    for (ElementCursor c = zset.at(0); !c.is_at_end(); c.next()) {
      found.emplace(c.score(), c.entry());
    }
    EXPECT_EQ(found, order);
    rig.verify();
  }
}

// As versions before tags stored them.
TEST(Object, SetsWithoutTagsGoOn) {
  TestPage page({});
  for (const Bytes member : {"a", "b", "c"}) {
    page.insert(page.view().count(), {}, Entry::whole(member));
  }
  Rig rig(Layout::kMembers);
  auto stored = Object::create_small(Layout::kMembers, 0, page.bytes());
  ASSERT_TRUE(stored.ok());
  const ObjectRef object(stored.value());
  Dictionary set(*object, rig.use);
  EXPECT_TRUE(set.contains("b"));
  EXPECT_FALSE(set.add("b"));
  EXPECT_TRUE(set.erase("b"));
  EXPECT_FALSE(set.contains("b"));
  EXPECT_TRUE(set.add("d"));
  EXPECT_TRUE(set.contains("d"));
  EXPECT_EQ(object->page().shape(), PageShape{});
}

TEST(Object, WhatIsStoredMakesTheSameObject) {
  Rig rig(Layout::kPairs);
  Dictionary hash(*rig.object, rig.use);
  for (int i = 0; i < 20; ++i) hash.put("f" + std::to_string(i), "v");
  auto small = Object::create_small(Layout::kPairs, 3, rig.object->page_block().view());
  ASSERT_TRUE(small.ok());
  const ObjectRef same(small.value());
  EXPECT_EQ(same->traits(), 3);
  EXPECT_EQ(Dictionary(*same, rig.use).value_of("f7"), "v");
  EXPECT_FALSE(Object::create_small(Layout::kMembers, 0, rig.object->page_block().view()).ok());
  EXPECT_FALSE(Object::create_small(Layout::kPairs, 0, "garbage").ok());

  for (int i = 0; i < 5000; ++i) hash.put("f" + std::to_string(i), "w", Millis{i % 3 * 1000});
  rig.pages.store_and_evict(*rig.object, &rig.use);
  auto large = Object::create_large(Layout::kPairs, 0, rig.object->root());
  ASSERT_TRUE(large.ok());
  const ObjectRef again(large.value());
  EXPECT_EQ(again->resident_page_count(), 0U);
  EXPECT_EQ(Dictionary(*again, rig.use).value_of("f4999"), "w");
  again->set_field_expiry(rig.object->field_expiry());  // which the record says, not the root
  EXPECT_EQ(Dictionary(*again, rig.use).count_expiring({1000}), 1667U);
  EXPECT_GT(again->resident_page_count(), 0U);
  EXPECT_FALSE(Object::create_large(Layout::kMembers, 0, rig.object->root()).ok());
  while (!again->free_some(10)) {
  }
  while (!rig.object->free_some(10)) {
  }
}

TEST(Object, ASmallPageHeldElsewhereIsNotChanged) {
  Rig rig(Layout::kSequence);
  Sequence list(*rig.object, rig.use);
  list.push_back("a");
  const SharedBytes held = rig.object->page_block();
  list.push_back("b");
  list.replace(0, "c");
  EXPECT_EQ(PageView(held.data()).count(), 1U);
  EXPECT_EQ(PageView(held.data()).entry(0), "a");
  EXPECT_EQ(list.at(0).entry(), "c");
}

}  // namespace
}  // namespace diskdb::value
