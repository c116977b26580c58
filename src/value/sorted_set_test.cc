#include "value/sorted_set.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "value/page_testing.h"

namespace diskdb::value {
namespace {

TEST(ScoreKey, KeepsTheOrder) {
  const double inf = std::numeric_limits<double>::infinity();
  const double tiny = std::numeric_limits<double>::denorm_min();
  const double scores[] = {-inf, -1e300, -2.5, -1, -tiny, 0, tiny, 1, 1.0000000001, 1e300, inf};
  for (std::size_t i = 0; i < std::size(scores); ++i) {
    EXPECT_EQ(score_of_key(score_key(scores[i])), scores[i]);
    if (i > 0) {
      EXPECT_LT(score_key(scores[i - 1]), score_key(scores[i]));
    }
  }
  EXPECT_EQ(score_key(-0.0), score_key(0.0));
  EXPECT_FALSE(std::signbit(score_of_key(score_key(-0.0))));
}

/// A store that takes everything at once.
class Store final : public PageWatcher {
 public:
  void hand_over(PageId /*id*/, SharedBytes /*image*/) override { FAIL(); }
  void drop_stored(PageId id) override { drops_.push_back(id); }

  PageEdit edit() { return {epoch_, 0, this}; }
  std::uint32_t ingested_epoch() const { return epoch_ - 1; }
  void checkpoint(SortedSet& set) {
    for (const PageId id : drops_) pages_.erase(id);
    drops_.clear();
    for (CountedTree* tree : set.trees()) {
      std::vector<PageImage> images;
      std::size_t cursor = tree->dirty_page_count();
      tree->take_dirty(epoch_, SIZE_MAX, &cursor, &images);
      for (const PageImage& image : images) pages_[image.id] = std::string(image.bytes.view());
    }
    ++epoch_;
  }
  void clear() { pages_.clear(); }
  std::size_t count_pages(PageId id) const {
    const PageView page(pages_.at(id));
    std::size_t count = 1;
    for (std::size_t i = 0; page.is_inner() && i < page.count(); ++i) {
      count += count_pages(page.link(i).id);
    }
    return count;
  }
  void install(SortedSet& set, const MissingPage& missing) {
    Result<bool> installed =
        set.tree_of(missing.id)
            .install(missing, SharedBytes::copy_of(pages_.at(missing.id)), ingested_epoch());
    ASSERT_TRUE(installed.ok());
    ASSERT_TRUE(*installed);
  }
  const std::map<PageId, std::string>& pages() const { return pages_; }

 private:
  std::uint32_t epoch_ = 1;
  std::vector<PageId> drops_;
  std::map<PageId, std::string> pages_;
};

struct Case {
  std::size_t page_bytes;
  std::uint64_t hash_count;  ///< so few different hashes
  std::size_t score_count;
};

class Model {
 public:
  Model(const Case& settings, std::uint64_t seed)
      : settings_(settings),
        numbers_(seed),
        set_(std::make_unique<SortedSet>(settings.page_bytes)) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      if (i % 20 == 0) evict();
      ASSERT_EQ(set_->count(), scores_.size());
      if (i % 100 != 0) continue;
      load_all();
      set_->verify_invariants([&](Bytes member) { return hash_of(member); });
      ASSERT_NO_FATAL_FAILURE(compare());
      store_.checkpoint(*set_);
      if (scores_.empty()) store_.clear();  // the object has died
      std::size_t pages = 0;
      for (const CountedTree* tree : set_->trees()) {
        if (tree->count() > 0) pages += store_.count_pages(tree->root().root);
      }
      ASSERT_EQ(store_.pages().size(), pages);
      if (i % 300 == 0) restart();
    }
  }

 private:
  std::uint64_t hash_of(Bytes member) const {
    return std::hash<Bytes>()(member) % settings_.hash_count;
  }
  void load_for(Bytes member) {
    while (const auto missing = set_->missing_for(hash_of(member), member)) {
      store_.install(*set_, *missing);
    }
  }
  void load(CountedTree& tree, std::uint64_t first, std::uint64_t last) {
    while (true) {
      std::vector<MissingPage> missing;
      tree.missing_in(first, last, 10, &missing);
      if (first < last) tree.missing_for_erase(first, last, 10, &missing);
      if (missing.empty()) return;
      store_.install(*set_, missing[0]);
    }
  }
  void load_all() {
    for (CountedTree* tree : set_->trees()) load(*tree, 0, tree->count());
    for (const auto& [member, score] : scores_) load_for(member);  // empty leaves too
  }
  void evict() {
    for (CountedTree* tree : set_->trees()) {
      std::size_t cursor = numbers_.below(100);
      tree->evict_some(numbers_.below(20'000), store_.ingested_epoch(), &cursor);
    }
  }
  void restart() {
    const TreeRoot scores = set_->trees()[0]->root();
    const TreeRoot index = set_->trees()[1]->root();
    set_ = std::make_unique<SortedSet>(scores, index, settings_.page_bytes);
  }

  void step() {
    const std::string member = "m" + std::to_string(numbers_.below(400));
    const double score = static_cast<double>(numbers_.below(settings_.score_count)) - 3;
    const auto known = scores_.find(member);
    const std::size_t dice = numbers_.below(100);
    if (dice < 1) return erase_range();
    if (dice < 60) {
      while (const auto missing = set_->missing_for_put(hash_of(member), member, score)) {
        store_.install(*set_, *missing);
      }
      ASSERT_EQ(set_->put(hash_of(member), member, score, store_.edit()) == ScoreChange::kNew,
                known == scores_.end());
      if (known != scores_.end()) order_.erase({known->second, member});
      order_.insert({score, member});
      scores_[member] = score;
    } else if (dice < 90) {
      load_for(member);
      ASSERT_EQ(set_->erase(hash_of(member), member, store_.edit()), known != scores_.end());
      if (known == scores_.end()) return;
      order_.erase({known->second, member});
      scores_.erase(known);
    } else {
      load_for(member);
      const auto found = set_->score(hash_of(member), member);
      ASSERT_EQ(found.has_value(), known != scores_.end());
      if (!found) return;
      ASSERT_EQ(*found, known->second);
      ASSERT_EQ(set_->rank(hash_of(member), member),
                std::distance(order_.begin(), order_.find({known->second, member})));
    }
  }

  void erase_range() {
    const std::uint64_t first = numbers_.below(scores_.size() + 1);
    const std::uint64_t last = first + numbers_.below(scores_.size() - first + 1) / 3;
    load(*set_->trees()[0], first, last);
    const auto begin = std::next(order_.begin(), static_cast<std::ptrdiff_t>(first));
    const auto end = std::next(begin, static_cast<std::ptrdiff_t>(last - first));
    for (auto at = begin; at != end; ++at) {
      load_for(at->second);
      scores_.erase(at->second);
    }
    set_->erase_range(
        first, last, [&](Bytes member) { return hash_of(member); }, store_.edit());
    order_.erase(begin, end);
  }

  void compare() {
    auto expected = order_.begin();
    for (auto c = set_->scores().at(0); !c.is_at_end(); c.next(), ++expected) {
      ASSERT_EQ(score_of_key(c.key().high), expected->first);
      ASSERT_EQ(c.entry(), expected->second);
    }
  }

  Case settings_;
  Numbers numbers_;
  Store store_;
  std::unique_ptr<SortedSet> set_;
  std::map<std::string, double, std::less<>> scores_;
  std::set<std::pair<double, std::string>> order_;
};

TEST(SortedSet, IsAMapAndAnOrder) {
  for (const Case& settings : {Case{64, UINT64_MAX, 10}, Case{80, 3, 10}, Case{100, 40, 1},
                               Case{200, 1, 1000}, Case{2048, UINT64_MAX, 1000}}) {
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      SCOPED_TRACE("page of " + std::to_string(settings.page_bytes) + ", seed " +
                   std::to_string(seed));
      Model model(settings, seed);
      ASSERT_NO_FATAL_FAILURE(model.run(2000));
    }
  }
}

TEST(SortedSet, CostsLessThanTwoCopies) {
  SortedSet set;
  Numbers numbers(1);
  for (int i = 0; i < 100'000; ++i) {
    set.put(numbers.next(), numbers.text(20), static_cast<double>(numbers.below(1U << 30U)), {});
  }
  EXPECT_LT(set.bytes(), 100'000U * 60U);
}

}  // namespace
}  // namespace diskdb::value
