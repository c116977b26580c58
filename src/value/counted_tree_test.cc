#include "value/counted_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "value/page_testing.h"

namespace diskdb::value {
namespace {

struct Element {
  PageKey key;
  std::string tail;
  std::string value;
  friend auto operator<=>(const Element& a, const Element& b) {
    return std::tie(a.key, a.tail) <=> std::tie(b.key, b.tail);
  }
  friend bool operator==(const Element&, const Element&) = default;
};
using Elements = std::vector<Element>;

struct Settings {
  PageShape shape;
  std::size_t page_bytes = 64;
  std::uint64_t key_count = UINT64_MAX;  ///< so few different keys
  std::size_t length_max = 12;           ///< of most tails and values
  bool has_store = false;                ///< checkpoints and evictions
  KeyForm leaf_keys = KeyForm::kWhole;
};

/// What a keyspace does for one tree: checkpoints at random moments into a store, which is a map,
/// and loads what is missing from it.
class Keeper final : public PageWatcher {
 public:
  void hand_over(PageId id, SharedBytes image) override {
    ASSERT(is_walking_);
    take({id, std::move(image)});
  }
  void drop_stored(PageId id) override { drops_.push_back(id); }

  Fingers* fingers() { return &fingers_; }
  PageEdit edit() { return {epoch_, is_walking_ ? epoch_ - 1 : 0, this, &fingers_}; }
  bool is_walking() const { return is_walking_; }
  std::uint32_t epoch() const { return epoch_; }
  std::uint32_t ingested_epoch() const { return ingested_epoch_; }

  void cut(const CountedTree& tree, Elements elements) {
    ASSERT(!is_walking_);
    is_walking_ = true;
    ++epoch_;
    cursor_ = tree.dirty_page_count();
    cut_root_ = tree.root();
    cut_elements_ = std::move(elements);
    cut_drops_ = std::move(drops_);
    drops_.clear();
  }
  /// True when all has been taken.
  bool walk(CountedTree& tree, std::size_t count) {
    std::vector<PageImage> images;
    tree.take_dirty(epoch_ - 1, count, &cursor_, &images);
    for (PageImage& image : images) take(std::move(image));
    return cursor_ == 0;
  }
  void succeed() {
    for (const PageId id : cut_drops_) stored_.erase(id);
    for (const auto& [id, image] : taken_) stored_[id] = std::string(image.view());
    end();
    ingested_epoch_ = epoch_ - 1;
    if (cut_root_.count == 0) stored_.clear();  // the object has died
    check_store();
  }
  void fail(CountedTree& tree) {
    drops_.insert(drops_.end(), cut_drops_.begin(), cut_drops_.end());
    end();
    tree.mark_dirty_since(ingested_epoch_);
  }
  /// A checkpoint with nothing in between.
  void checkpoint(CountedTree& tree, const Elements& elements) {
    cut(tree, elements);
    while (!walk(tree, 7)) {
    }
    succeed();
  }
  void install(CountedTree& tree, const MissingPage& missing) {
    const auto stored = stored_.find(missing.id);
    ASSERT(stored != stored_.end());
    Result<bool> result =
        tree.install(missing, SharedBytes::copy_of(stored->second), ingested_epoch_);
    ASSERT(result.ok());
    ASSERT(result.value());
  }
  const std::map<PageId, std::string>& stored() const { return stored_; }
  const TreeRoot& cut_root() const { return cut_root_; }
  const Elements& cut_elements() const { return cut_elements_; }

 private:
  void take(PageImage image) {
    ASSERT(image.bytes.size() == PageView(image.bytes.view()).size());
    ASSERT(taken_.emplace(image.id, image.bytes).second);  // once only
  }
  void end() {
    taken_.clear();
    cut_drops_.clear();
    is_walking_ = false;
  }
  std::size_t count_pages(PageId id) const;
  /// The store holds the state at the cut, and nothing else.
  void check_store();

  Fingers fingers_{0};
  std::uint32_t epoch_ = 1;
  std::uint32_t ingested_epoch_ = 0;
  bool is_walking_ = false;
  std::size_t cursor_ = 0;
  std::map<PageId, SharedBytes> taken_;
  std::vector<PageId> drops_;
  std::vector<PageId> cut_drops_;
  std::map<PageId, std::string> stored_;
  TreeRoot cut_root_;
  Elements cut_elements_;
};

Element element_of(const CountedTree::Cursor& cursor) {
  const PairView pair = cursor.pair();
  return {cursor.key(), std::string(pair.key), std::string(pair.value)};
}

Elements contents(const CountedTree& tree) {
  Elements elements;
  for (CountedTree::Cursor c = tree.at(0); !c.is_at_end(); c.next()) {
    elements.push_back(element_of(c));
  }
  return elements;
}

void load_all(Keeper& keeper, CountedTree& tree, std::uint64_t first, std::uint64_t last) {
  while (true) {
    std::vector<MissingPage> missing;
    tree.missing_in(first, last, 3, &missing);
    if (missing.empty()) return;
    for (const MissingPage& page : missing) keeper.install(tree, page);
  }
}

std::size_t Keeper::count_pages(PageId id) const {
  const PageView page(stored_.at(id));
  std::size_t count = 1;
  for (std::size_t i = 0; page.is_inner() && i < page.count(); ++i) {
    count += count_pages(page.link(i).id);
  }
  return count;
}

void Keeper::check_store() {
  std::string encoded;
  append_tree_root(cut_root_, &encoded);
  Result<TreeRoot> root = decode_tree_root(encoded);
  ASSERT(root.ok() && *root == cut_root_);
  CountedTree tree(*root, 64);
  load_all(*this, tree, 0, tree.count());
  ASSERT(cut_root_.count == 0 ? stored_.empty() : count_pages(cut_root_.root) == stored_.size());
  ASSERT(contents(tree) == cut_elements_);
  tree.verify_invariants();
}

/// Random operations on a tree and on a sorted (or not) vector.
class Model {
 public:
  Model(const Settings& settings, std::uint64_t seed)
      : settings_(settings),
        numbers_(seed),
        tree_(settings.shape, settings.page_bytes, {}, settings.leaf_keys) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      // Phases of growth and of decline.
      const bool is_growing = i / 400 % 3 != 2;
      step(is_growing);
      tree_.verify_invariants();
      ASSERT_EQ(tree_.count(), elements_.size());
      if (i % 50 == 0) {
        ASSERT_NO_FATAL_FAILURE(compare());
      }
    }
    ASSERT_NO_FATAL_FAILURE(compare());
    if (settings_.has_store && !keeper_.is_walking()) keeper_.checkpoint(tree_, elements_);
  }

  /// Everything readable agrees.
  void compare() {
    load_all(keeper_, tree_, 0, tree_.count());
    ASSERT_EQ(contents(tree_), elements_);
    Elements backwards;
    if (tree_.count() > 0) {
      for (auto c = tree_.at(tree_.count() - 1); !c.is_at_end(); c.previous()) {
        backwards.push_back(element_of(c));
      }
    }
    std::reverse(backwards.begin(), backwards.end());
    ASSERT_EQ(backwards, elements_);
    for (int i = 0; i < 20 && !elements_.empty(); ++i) {
      const std::size_t position = numbers_.below(elements_.size());
      const auto cursor = tree_.at(position);
      ASSERT_EQ(element_of(cursor), elements_[position]);
      ASSERT_EQ(tree_.position_of(cursor), position);
      if (is_by_position()) continue;
      const Element sought = random_element();
      load_for(sought);  // an empty leaf at an edge may be cold yet
      const auto expected = std::lower_bound(elements_.begin(), elements_.end(), sought);
      const auto rank = static_cast<std::uint64_t>(expected - elements_.begin());
      CountedTree::Prefetch prefetch;
      prefetch.begin(tree_, sought.key, keeper_.fingers());
      while (prefetch.step()) {
      }
      ASSERT_EQ(tree_.rank(sought.key, sought.tail, keeper_.fingers()), rank);
      const auto found = tree_.lower_bound(sought.key, sought.tail);
      ASSERT_EQ(tree_.position_of(found), rank);
      const auto exact = tree_.find(sought.key, sought.tail, keeper_.fingers());
      ASSERT_EQ(exact.is_at_end(), expected == elements_.end() || (*expected <=> sought) != 0);
      ASSERT_EQ(element_of(tree_.find(elements_[position].key, elements_[position].tail,
                                      keeper_.fingers())),
                elements_[position]);
    }
  }

  std::size_t levels() const { return tree_.root().levels; }

 private:
  bool is_by_position() const { return settings_.shape.key_bytes == 0; }
  std::string random_text() {
    const std::size_t dice = numbers_.below(60);
    if (dice == 0) return numbers_.text(3 * settings_.page_bytes);
    if (dice == 1) return numbers_.text(numbers_.below(settings_.page_bytes));
    return numbers_.text(numbers_.below(settings_.length_max + 1));
  }
  Element random_element() {
    Element element;
    if (settings_.shape.key_bytes >= 8) element.key.high = number_for_key();
    if (settings_.shape.key_bytes == 16) element.key.low = number_for_key();
    element.tail = random_text();
    if (settings_.shape.is_pairs) element.value = random_text();
    return element;
  }
  std::uint64_t number_for_key() {
    return settings_.key_count == UINT64_MAX ? numbers_.next()
                                             : numbers_.below(settings_.key_count);
  }
  Entry entry_of(const Element& e) const {
    return settings_.shape.is_pairs ? Entry::pair(e.tail, e.value) : Entry::whole(e.tail);
  }
  void load_for(const Element& e) {
    while (const auto missing = tree_.missing_for(e.key, e.tail)) keeper_.install(tree_, *missing);
  }
  auto place(std::size_t position) {
    return elements_.begin() + static_cast<std::ptrdiff_t>(position);
  }

  void step(bool is_growing) {
    if (settings_.has_store) keep();
    const std::size_t dice = numbers_.below(100);
    if (dice < 4 && !elements_.empty() && (!is_growing || numbers_.below(20) == 0)) {
      return erase_range(is_growing);
    }
    if (is_by_position()) return step_by_position(is_growing, dice);
    const bool is_insertion = elements_.empty() || dice < (is_growing ? 65U : 35U);
    Element element = random_element();
    if (!is_insertion || dice % 8 == 0) {
      if (!elements_.empty()) element = elements_[numbers_.below(elements_.size())];
    }
    if (settings_.shape.is_pairs) element.value = random_text();
    if (is_insertion || dice % 2 == 0) {
      load_for(element);
    } else {
      while (const auto missing = tree_.missing_to_erase(element.key, element.tail)) {
        keeper_.install(tree_, *missing);
      }
    }
    const auto at = std::lower_bound(elements_.begin(), elements_.end(), element);
    const bool exists = at != elements_.end() && (*at <=> element) == 0;
    std::string old = "untouched";
    std::string* given_back = settings_.shape.is_pairs ? &old : nullptr;
    const std::string expected = exists && given_back != nullptr ? at->value : old;
    if (!is_insertion) {
      ASSERT_EQ(tree_.erase(element.key, element.tail, keeper_.edit(), given_back), exists);
      ASSERT_EQ(old, expected);
      if (exists) elements_.erase(at);
    } else if (dice % 3 == 0) {
      const bool is_new = dice % 2 == 0
                              ? tree_.insert(element.key, entry_of(element), keeper_.edit())
                              : tree_.insert_last(element.key, entry_of(element), keeper_.edit());
      ASSERT_EQ(is_new, !exists);
      if (!exists) elements_.insert(at, element);
    } else if (dice % 3 == 1) {
      ASSERT_EQ(tree_.put(element.key, entry_of(element), keeper_.edit(), given_back), !exists);
      ASSERT_EQ(old, expected);
      if (exists) at->value = element.value;
      if (!exists) elements_.insert(at, element);
    } else {
      ASSERT_EQ(tree_.replace(element.key, entry_of(element), keeper_.edit()), exists);
      if (exists) at->value = element.value;
    }
  }

  void step_by_position(bool is_growing, std::size_t dice) {
    const std::size_t count = elements_.size();
    const Element element = random_element();
    if (count == 0 || dice < (is_growing ? 65U : 35U)) {
      // Often at an end.
      const std::size_t position =
          dice % 3 == 0 ? count : (dice % 3 == 1 ? 0 : numbers_.below(count + 1));
      load_all(keeper_, tree_, position, position + 1);
      tree_.insert_at(position, entry_of(element), keeper_.edit());
      elements_.insert(place(position), element);
      return;
    }
    const std::size_t position = dice % 3 == 0 ? 0 : numbers_.below(count);
    load_all(keeper_, tree_, position, position + 1);
    if (dice % 4 == 0) {
      tree_.replace_at(position, entry_of(element), keeper_.edit());
      elements_[position] = element;
    } else {
      tree_.erase_range(position, position + 1, keeper_.edit());
      elements_.erase(place(position));
    }
  }

  void erase_range(bool is_growing) {
    const std::size_t first = numbers_.below(elements_.size());
    const std::size_t left = elements_.size() - first;
    std::size_t count = numbers_.below(std::min<std::size_t>(left, is_growing ? 20 : 200) + 1);
    if (!is_growing && numbers_.below(20) == 0) count = left;
    while (true) {
      std::vector<MissingPage> missing;
      tree_.missing_for_erase(first, first + count, 2, &missing);
      if (missing.empty()) break;
      for (const MissingPage& page : missing) keeper_.install(tree_, page);
    }
    tree_.erase_range(first, first + count, keeper_.edit());
    elements_.erase(place(first), place(first + count));
    if (numbers_.below(2) == 0) tree_.free_graves(1 + numbers_.below(10));
  }

  /// What goes on beside the commands.
  void keep() {
    const std::size_t dice = numbers_.below(40);
    if (!keeper_.is_walking()) {
      if (dice == 0) keeper_.cut(tree_, elements_);
    } else if (dice < 10) {
      if (keeper_.walk(tree_, 1 + numbers_.below(4))) {
        if (numbers_.below(3) == 0) {
          keeper_.fail(tree_);
        } else {
          keeper_.succeed();
        }
      }
    } else if (dice == 10) {
      keeper_.fail(tree_);
    }
    if (dice > 20 && dice < 30) {
      for (int i = 0; i < 10; ++i) {
        const PageId id = 1 + numbers_.below(tree_.root().next_id);
        const bool was_resident = tree_.is_resident(id);
        if (tree_.evict(id, keeper_.ingested_epoch())) {
          ASSERT_TRUE(was_resident);
          ASSERT_TRUE(keeper_.stored().contains(id));
        }
      }
    } else if (dice == 30) {
      tree_.evict_some(numbers_.below(5000), keeper_.ingested_epoch(), &evict_cursor_);
    }
    tree_.verify_invariants();
  }

  Settings settings_;
  Numbers numbers_;
  Keeper keeper_;
  CountedTree tree_;
  Elements elements_;
  std::size_t evict_cursor_ = 0;
};

void run_models(Settings settings, int steps, std::uint64_t seeds) {
  std::size_t levels_max = 0;
  for (const std::size_t page_bytes : {64U, 100U, 180U, 2048U}) {
    settings.page_bytes = page_bytes;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      SCOPED_TRACE("page of " + std::to_string(page_bytes) + ", seed " + std::to_string(seed));
      Model model(settings, seed);
      ASSERT_NO_FATAL_FAILURE(model.run(steps));
      levels_max = std::max(levels_max, model.levels());
    }
  }
  EXPECT_GE(levels_max, 4U);
}

constexpr int kSteps = 3000;
constexpr std::uint64_t kSeeds = 6;

TEST(CountedTree, ListIsAVector) { run_models({.shape = {.key_bytes = 0}}, kSteps, kSeeds); }

TEST(CountedTree, HashIsAMap) {
  run_models({.shape = {.key_bytes = 8, .is_pairs = true}}, kSteps, kSeeds);
}

TEST(CountedTree, HashOfFewHashesIsAMap) {
  run_models({.shape = {.key_bytes = 8, .is_pairs = true}, .key_count = 3}, kSteps, kSeeds);
}

TEST(CountedTree, SortedSetIsAMap) {
  run_models({.shape = {.key_bytes = 8}, .key_count = 20}, kSteps, kSeeds);
}

// Of 2^36 keys those of a leaf are mostly near each other once there are many leaves, not before.
TEST(CountedTree, EntriesOfAStreamAreAMap) {
  for (const std::uint64_t key_count : {std::uint64_t{20}, std::uint64_t{1} << 36U}) {
    run_models({.shape = {.key_bytes = 8},
                .key_count = key_count,
                .has_store = true,
                .leaf_keys = KeyForm::kShort},
               kSteps, kSeeds / 2);
  }
}

TEST(CountedTree, ShortKeysSaveFourBytes) {
  constexpr std::uint64_t kCount = 10'000;
  std::size_t bytes[2];
  for (const KeyForm leaf_keys : {KeyForm::kWhole, KeyForm::kShort}) {
    Keeper keeper;
    CountedTree tree({.key_bytes = 8}, 4096, {}, leaf_keys);
    for (std::uint64_t i = 0; i < kCount; ++i) {
      tree.insert_last({1'700'000'000'000 + i, 0}, Entry::whole("some twenty bytes..."),
                       keeper.edit());
    }
    bytes[leaf_keys == KeyForm::kShort ? 1 : 0] = tree.bytes();
  }
  EXPECT_LT(bytes[1], bytes[0] - 7 * kCount / 2);
}

TEST(CountedTree, StreamIsAMap) {
  run_models({.shape = {.key_bytes = 16, .is_pairs = true}, .key_count = 30, .length_max = 3},
             kSteps, kSeeds);
}

TEST(CountedTree, CheckpointsAreExactCuts) {
  run_models({.shape = {.key_bytes = 0}, .has_store = true}, kSteps, kSeeds);
  run_models({.shape = {.key_bytes = 8, .is_pairs = true}, .has_store = true}, kSteps, kSeeds);
  run_models({.shape = {.key_bytes = 8}, .key_count = 5, .has_store = true}, kSteps, kSeeds);
  run_models({.shape = {.key_bytes = 16}, .key_count = 40, .has_store = true}, kSteps, kSeeds);
}

// ---- Single cases.

PageEdit no_store() { return {}; }

void append(CountedTree& tree, Bytes text) {
  tree.insert_at(tree.count(), Entry::whole(text), no_store());
}

TEST(CountedTree, AppendingAndPrependingLeaveFullPages) {
  for (const bool is_appending : {true, false}) {
    CountedTree tree(PageShape{.key_bytes = 0});
    const std::string text(20, 'x');
    for (int i = 0; i < 100'000; ++i) {
      tree.insert_at(is_appending ? tree.count() : 0, Entry::whole(text), no_store());
    }
    EXPECT_LT(tree.bytes(), 100'000U * 23U);
    tree.verify_invariants();
  }
}

// Pages with many links, of equal and of unequal counts.
TEST(CountedTree, FindsEveryPosition) {
  CountedTree tree(PageShape{.key_bytes = 0});
  std::vector<std::string> all;
  for (int i = 0; i < 30'000; ++i) {
    all.push_back(std::to_string(i));
    append(tree, all.back());
  }
  const auto look_at_all = [&] {
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(tree.at(i).entry(), all[i]);
    ASSERT_TRUE(tree.at(all.size()).is_at_end());
  };
  look_at_all();
  Numbers numbers(1);
  for (int i = 0; i < 3'000; ++i) {
    const std::size_t position = numbers.below(all.size() / (1 + i % 7));
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(position), "x" + std::to_string(i));
    tree.insert_at(position, Entry::whole(all[position]), no_store());
  }
  look_at_all();
  tree.verify_invariants();
}

TEST(CountedTree, AscendingKeysLeaveFullPages) {
  CountedTree tree(PageShape{.key_bytes = 8});
  const std::string text(20, 'x');
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(tree.insert({i, 0}, Entry::whole(text), no_store()));
  }
  EXPECT_LT(tree.bytes(), 100'000U * 32U);
  tree.verify_invariants();
}

TEST(CountedTree, RandomKeysCostLittleMore) {
  CountedTree tree(PageShape{.key_bytes = 8});
  Numbers numbers(1);
  for (int i = 0; i < 100'000; ++i) {
    tree.insert({numbers.next(), 0}, Entry::whole(numbers.text(20)), no_store());
  }
  EXPECT_LT(tree.bytes(), 100'000U * 36U);
  tree.verify_invariants();
}

TEST(CountedTree, GivesBackWhatIsErased) {
  CountedTree tree(PageShape{.key_bytes = 8});
  Numbers numbers(1);
  std::vector<std::uint64_t> keys;
  for (int i = 0; i < 100'000; ++i) {
    keys.push_back(numbers.next());
    tree.insert({keys.back(), 0}, Entry::whole("member"), no_store());
  }
  const std::size_t full = tree.bytes();
  for (std::size_t i = 0; i < 95'000; ++i) {
    ASSERT_TRUE(tree.erase({keys[i], 0}, "member", no_store()));
  }
  EXPECT_LT(tree.bytes(), full / 7);
  tree.verify_invariants();
}

TEST(CountedTree, LargeEntriesHavePagesOfTheirOwn) {
  CountedTree tree(PageShape{.key_bytes = 0});
  append(tree, "a");
  append(tree, "b");
  const std::string large(1U << 20U, 'L');
  tree.insert_at(1, Entry::whole(large), no_store());
  append(tree, "c");
  EXPECT_EQ(tree.resident_page_count(), 4U);  // a; L; b and c; the root
  const CountedTree::Cursor cursor = tree.at(1);
  EXPECT_EQ(cursor.entry(), large);
  const SharedBytes block = cursor.block();
  const Bytes text = cursor.entry();
  tree.replace_at(1, Entry::whole("small"), no_store());
  EXPECT_EQ(text, large);  // whoever holds the block still reads it
  EXPECT_EQ(contents(tree).size(), 4U);
  tree.verify_invariants();
}

TEST(CountedTree, ErasingWholePagesVisitsNoEntry) {
  Keeper keeper;
  CountedTree tree(PageShape{.key_bytes = 0}, 128);
  Elements elements;
  for (int i = 0; i < 5'000; ++i) {
    elements.push_back({{}, std::to_string(i), {}});
    tree.insert_at(tree.count(), Entry::whole(elements.back().tail), keeper.edit());
  }
  keeper.checkpoint(tree, elements);
  std::size_t cursor = 0;
  tree.evict_some(SIZE_MAX, keeper.ingested_epoch(), &cursor);
  tree.evict_some(SIZE_MAX, keeper.ingested_epoch(), &cursor);
  while (tree.evict_some(SIZE_MAX, keeper.ingested_epoch(), &cursor) > 0) {
  }
  ASSERT_EQ(tree.resident_page_count(), 0U);
  std::size_t loaded = 0;
  while (true) {
    std::vector<MissingPage> missing;
    tree.missing_for_erase(100, 4'900, 1000, &missing);
    if (missing.empty()) break;
    loaded += missing.size();
    for (const MissingPage& page : missing) keeper.install(tree, page);
  }
  EXPECT_LT(loaded, keeper.stored().size() / 4);
  tree.erase_range(100, 4'900, keeper.edit());
  elements.erase(elements.begin() + 100, elements.begin() + 4'900);
  keeper.checkpoint(tree, elements);  // nothing is left behind in the store
}

TEST(CountedTree, FreesInSlices) {
  CountedTree tree(PageShape{.key_bytes = 0}, 128);
  for (int i = 0; i < 10'000; ++i) append(tree, std::to_string(i));
  const std::size_t pages = tree.resident_page_count();
  std::size_t slices = 1;
  while (!tree.free_some(10)) ++slices;
  EXPECT_GE(slices, pages / 10);
  EXPECT_EQ(tree.resident_page_count(), 0U);

  CountedTree other(PageShape{.key_bytes = 0}, 128);
  for (int i = 0; i < 10'000; ++i) append(other, std::to_string(i));
  other.erase_range(0, 9'000, no_store());
  EXPECT_TRUE(other.has_graves());
  while (!other.free_graves(10)) {
  }
  other.verify_invariants();
}

TEST(CountedTree, WhatWasNeverStoredLeavesNothing) {
  Keeper keeper;
  CountedTree tree(PageShape{.key_bytes = 0}, 64);
  for (int i = 0; i < 1'000; ++i) {
    tree.insert_at(tree.count(), Entry::whole("job"), keeper.edit());
    if (i >= 20) tree.erase_range(0, 1, keeper.edit());
  }
  tree.erase_range(0, tree.count(), keeper.edit());
  keeper.checkpoint(tree, {});
  EXPECT_TRUE(keeper.stored().empty());
  EXPECT_EQ(tree.root().count, 0U);
  EXPECT_GT(tree.root().next_id, 40U);  // ids are not used again
}

TEST(CountedTree, SeeksByHashPrefix) {
  CountedTree tree(PageShape{.key_bytes = 8}, 128);
  Numbers numbers(3);
  std::set<std::uint64_t> hashes;
  for (int i = 0; i < 1'000; ++i) {
    const std::uint64_t hash = numbers.next();
    hashes.insert(hash);
    tree.insert({hash, 0}, Entry::whole("m"), no_store());
  }
  for (std::uint64_t prefix = 0; prefix < 64; ++prefix) {
    const auto expected = hashes.lower_bound(prefix << 58U);
    const auto cursor = tree.lower_bound({prefix << 58U, 0});
    ASSERT_EQ(cursor.is_at_end(), expected == hashes.end());
    if (cursor.is_at_end()) continue;
    ASSERT_EQ(cursor.key().high, *expected);
  }
}

/// Few elements, each looked up after every change, so that nearly all look-ups begin where an
/// earlier one came to: pages split, merge, go by ranges, leave memory and come back meanwhile.
void look_up_after_every_change(PageShape shape, Elements all) {
  Keeper keeper;
  CountedTree tree(shape, 128);
  Numbers numbers(5);
  std::sort(all.begin(), all.end());
  std::set<Element> there = {all[0]};  // one stays, for an empty tree is dead
  tree.insert(all[0].key, Entry::whole(all[0].tail), keeper.edit());
  const auto load = [&](auto missing_for) {
    while (const auto missing = missing_for()) keeper.install(tree, *missing);
  };
  // As much as is resident.
  const auto rehearse = [&](const Element& sought) {
    CountedTree::Prefetch prefetch;
    prefetch.begin(tree, sought.key, keeper.fingers());
    while (prefetch.step()) continue;
  };
  std::size_t cursor = 0;
  for (int step = 0; step < 3'000; ++step) {
    for (int i = 0; i < 10; ++i) rehearse(all[numbers.below(all.size())]);
    const Element& one = all[1 + numbers.below(all.size() - 1)];
    load([&] { return tree.missing_to_erase(one.key, one.tail); });
    if (there.contains(one)) {
      ASSERT_TRUE(tree.erase(one.key, one.tail, keeper.edit()));
      there.erase(one);
    } else {
      ASSERT_TRUE(tree.insert(one.key, Entry::whole(one.tail), keeper.edit()));
      there.insert(one);
    }
    if (step % 50 == 0 && there.size() > 20) {
      load_all(keeper, tree, 0, tree.count());
      tree.erase_range(5, 15, keeper.edit());
      there.erase(std::next(there.begin(), 5), std::next(there.begin(), 15));
    }
    if (step % 20 == 0) {
      keeper.checkpoint(tree, Elements(there.begin(), there.end()));
      tree.evict_some(1'000, keeper.ingested_epoch(), &cursor);
    }
    for (const Element& sought : all) {
      load([&] { return tree.missing_for(sought.key, sought.tail); });
      load([&] { return tree.missing_of(sought.key); });
      if (numbers.below(2) == 0) rehearse(sought);
      const auto first_there = there.lower_bound({sought.key, "", ""});
      const bool has_key = first_there != there.end() && first_there->key == sought.key;
      const auto first = tree.find_first(sought.key, keeper.fingers());
      ASSERT_EQ(!first.is_at_end(), has_key);
      if (has_key) {
        ASSERT_EQ(first.entry(), first_there->tail);
      }
      const auto found = tree.find(sought.key, sought.tail, keeper.fingers());
      ASSERT_EQ(!found.is_at_end(), there.contains(sought));
      if (!found.is_at_end()) {
        ASSERT_EQ(found.entry(), sought.tail);
      }
      const auto rank =
          static_cast<std::uint64_t>(std::distance(there.begin(), there.lower_bound(sought)));
      ASSERT_EQ(tree.rank(sought.key, sought.tail, keeper.fingers()), rank);
    }
    tree.verify_invariants();
  }
}

TEST(CountedTree, WhatIsRememberedOfAPathIsTrue) {
  Numbers numbers(5);
  Elements all = {{{0, 0}, "m", ""}};
  for (std::size_t i = 0; i < 100; ++i) {
    all.push_back({{numbers.next(), 0}, std::string(1 + i % 7, 'm'), ""});
  }
  look_up_after_every_change({.key_bytes = 8}, all);
}

// Keys with the same first half share what is remembered; many entries have the same key.
TEST(CountedTree, WhatIsRememberedOfAPathIsTrueWhereKeysRepeat) {
  Elements all;
  for (std::uint64_t i = 0; i < 100; ++i) {
    all.push_back({{i % 2, i % 20 < 10 ? 0 : i}, std::string("tail") + std::to_string(i), ""});
  }
  look_up_after_every_change({.key_bytes = 16}, all);
}

TEST(TreeRoot, IsWhatTheFormatSays) {
  const TreeRoot root{.leaf_shape = {.key_bytes = 8, .is_pairs = true},
                      .levels = 3,
                      .count = 300,
                      .root = 7,
                      .next_id = 200};
  std::string encoded;
  append_tree_root(root, &encoded);
  EXPECT_EQ(encoded, std::string("\x01\x21\x03\xac\x02\x07\xc8\x01", 8));
  EXPECT_EQ(*decode_tree_root(encoded), root);
  std::string empty;
  append_tree_root({}, &empty);
  EXPECT_EQ(empty, std::string("\x01\0\0\0\0\x01", 6));
  EXPECT_EQ(*decode_tree_root(empty), TreeRoot{});
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    EXPECT_FALSE(decode_tree_root(Bytes(encoded).substr(0, i)).ok());
  }
  EXPECT_FALSE(decode_tree_root(encoded + '\0').ok());
  for (const Bytes bad : {Bytes("\x02\0\0\0\0\x01", 6), Bytes("\x01\x03\0\0\0\x01", 6),
                          Bytes("\x01\x10\0\0\0\x01", 6), Bytes("\x01\0\x01\0\0\x01", 6),
                          Bytes("\x01\0\0\x01\0\x01", 6), Bytes("\x01\0\x01\x01\x01\x01", 6),
                          Bytes("\x01\0\0\x80\0\0\x01", 7), Bytes("\x01\0\x29\x01\x01\x02", 6)}) {
    EXPECT_FALSE(decode_tree_root(bad).ok());
  }
}

TEST(CountedTree, RefusesPagesThatAreNotItsOwn) {
  Keeper keeper;
  CountedTree tree(PageShape{.key_bytes = 8}, 128);
  Elements elements;
  for (std::uint64_t i = 0; i < 200; ++i) {
    elements.push_back({{i * 10, 0}, "member", {}});
    tree.insert({i * 10, 0}, Entry::whole("member"), keeper.edit());
  }
  keeper.checkpoint(tree, elements);
  const auto refusal = [&](const MissingPage& missing, CountedTree& into, std::string page) {
    Result<bool> result = into.install(missing, SharedBytes::copy_of(page), 1);
    return result.ok() ? std::string("nothing") : result.error().message;
  };
  CountedTree cold(tree.root(), 128);
  const MissingPage root = *cold.missing_for({0, 0}, {});
  const std::string root_bytes = keeper.stored().at(root.id);
  EXPECT_EQ(refusal(root, cold, ""), "page: too short for a header");
  TestPage page = TestPage::of(root_bytes);
  PageLink link = page.view().link(1);
  page.set_link(1, {link.id, link.count + 1});
  EXPECT_EQ(refusal(root, cold, page.bytes()),
            "tree: a page with another count than its parent says");
  page.set_link(1, {page.view().link(0).id, link.count});
  EXPECT_EQ(refusal(root, cold, page.bytes()), "tree: a page with links to pages not below it");
  page.set_link(1, {tree.root().next_id, link.count});
  EXPECT_EQ(refusal(root, cold, page.bytes()), "tree: a page with links to pages not below it");
  page = TestPage::of(root_bytes);
  page.set_key(0, {1, 0});
  EXPECT_EQ(refusal(root, cold, page.bytes()), "tree: an inner page that begins with a separator");
  page = TestPage::of(root_bytes);
  page.set_key(1, {UINT64_MAX, 0});
  EXPECT_EQ(refusal(root, cold, page.bytes()), "tree: a page out of order");
  EXPECT_EQ(refusal(root, cold, root_bytes), "nothing");

  MissingPage missing = *cold.missing_for({1'000, 0}, "member");
  while (PageView(keeper.stored().at(missing.id)).is_inner()) {
    keeper.install(cold, missing);
    missing = *cold.missing_for({1'000, 0}, "member");
  }
  const std::string leaf_bytes = keeper.stored().at(missing.id);
  EXPECT_EQ(refusal(missing, cold, root_bytes), "tree: a page of another shape");
  page = TestPage::of(leaf_bytes);
  page.set_key(0, {0, 0});
  EXPECT_EQ(refusal(missing, cold, page.bytes()),
            "tree: a page with entries that belong before it");
  page = TestPage::of(leaf_bytes);
  page.set_key(page.view().count() - 1, {UINT64_MAX, 0});
  EXPECT_EQ(refusal(missing, cold, page.bytes()),
            "tree: a page with entries that belong behind it");
  EXPECT_EQ(refusal(missing, cold, leaf_bytes), "nothing");
  EXPECT_FALSE(*cold.install(missing, SharedBytes::copy_of(leaf_bytes), 1));  // it is there
  EXPECT_FALSE(*cold.install({missing.id, 9999}, SharedBytes::copy_of(leaf_bytes), 1));
  cold.verify_invariants();
}

/// Any page of a stored tree with some bytes changed is refused or does no harm.
TEST(CountedTree, BadBytesDoNoHarm) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Numbers numbers(seed);
    Keeper keeper;
    const PageShape shape{.key_bytes = static_cast<std::uint8_t>(seed % 3 * 8),
                          .is_pairs = seed % 2 == 1};
    CountedTree tree(shape, 100);
    Elements elements;
    for (int i = 0; i < 150; ++i) {
      const std::string text = numbers.text(numbers.below(9));
      const Entry entry = shape.is_pairs ? Entry::pair(text, "v") : Entry::whole(text);
      if (shape.key_bytes == 0) {
        tree.insert_at(numbers.below(tree.count() + 1), entry, keeper.edit());
      } else {
        tree.put({numbers.below(50), 0}, entry, keeper.edit());
      }
    }
    keeper.checkpoint(tree, contents(tree));
    CountedTree cold(tree.root(), 100);
    std::vector<MissingPage> missing;
    bool is_refused = false;
    while (true) {
      missing.clear();
      cold.missing_in(0, cold.count(), 1, &missing);
      if (missing.empty()) break;
      std::string bytes = keeper.stored().at(missing[0].id);
      for (std::size_t i = numbers.below(3); i > 0; --i) {
        bytes[numbers.below(bytes.size())] = static_cast<char>(numbers.next());
      }
      is_refused = !cold.install(missing[0], SharedBytes::copy_of(bytes), 1).ok();
      if (is_refused) break;
    }
    cold.verify_invariants();
    if (is_refused) continue;
    ASSERT_EQ(contents(cold).size(), tree.count());
    cold.erase_range(cold.count() / 3, cold.count() / 2, keeper.edit());
    cold.verify_invariants();
  }
}

}  // namespace
}  // namespace diskdb::value
