#include "value/element_prefetch.h"

#include <algorithm>
#include <cstring>

namespace diskdb::value {
namespace {

// Of a small page, from its start: first without knowing its size, then all up to a bound, behind
// which the processor goes on by itself where it is read in order.
constexpr std::size_t kSmallPageBytes = 256;
constexpr std::size_t kSmallPageBytesMax = 2048;

/// Both ends: most entries lie in two lines at most.
void prefetch(Bytes entry) {
  __builtin_prefetch(entry.data());
  __builtin_prefetch(entry.data() + entry.size() - 1);
}

void prefetch(const void* at, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += kCacheLineBytes) {
    __builtin_prefetch(static_cast<const char*>(at) + i);
  }
}

}  // namespace

void ElementPrefetch::begin(const Object& object, Bytes member, std::optional<double> score,
                            Fingers* fingers) {
  set_out(object, member, score, fingers);
  next_ = Next::kObject;
  prefetch(object_, sizeof(Object));
}

bool ElementPrefetch::begin_beside(const Object& object, Bytes member, std::optional<double> score,
                                   Fingers* fingers) {
  set_out(object, member, score, fingers);
  next_ = Next::kTree;
  return !object.is_small() && has_way();
}

void ElementPrefetch::set_out(const Object& object, Bytes member, std::optional<double> score,
                              Fingers* fingers) {
  object_ = &object;
  fingers_ = fingers;
  score_ = score;
  has_member_ = member.data() != nullptr;
  if (!has_member_) return;
  hash_ = member_hash(member);
  tag_ = tag_of(member);
  if (fingers != nullptr) place_ = fingers->place_of(tag_);
}

// Is the member looked for in a tree?
bool ElementPrefetch::has_way() const {
  return has_member_ && object_->layout() != Layout::kSequence &&
         object_->layout() != Layout::kChunks;
}

bool ElementPrefetch::begin_way(Next way, const CountedTree& tree, std::uint64_t key) {
  way_.begin(tree, {key, 0}, fingers_);
  next_ = way;
  return true;
}

bool ElementPrefetch::begin_new_score() {
  return score_ && begin_way(Next::kNewScore, object_->tree(), score_key(*score_));
}

bool ElementPrefetch::step() {
  switch (next_) {
    case Next::kObject:
      if (object_->is_small()) {
        prefetch(object_->page_block().data(), kSmallPageBytes);
        next_ = Next::kSmallPage;
      } else {
        __builtin_prefetch(object_->trees_.get());
        next_ = Next::kTrees;
      }
      return true;
    case Next::kSmallPage: {
      const value::PageView page = object_->page();
      page.prefetch_columns();
      if (has_member_ && (page.is_pairs() || page.has_tags())) {
        next_ = Next::kSmallEntry;
        return true;
      }
      const std::size_t size = std::min(page.size(), kSmallPageBytesMax);
      if (size > kSmallPageBytes) {
        prefetch(page.bytes().data() + kSmallPageBytes, size - kSmallPageBytes);
      }
      return false;
    }
    case Next::kSmallEntry: {
      const value::PageView page = object_->page();
      const std::size_t index = page.has_tags() ? page.find_tag(tag_) : place_;
      if (index < page.count()) prefetch(page.entry(index));
      return false;
    }
    case Next::kTrees:
      if (object_->layout() == Layout::kScores) {
        prefetch(object_->trees_->scores.get(), sizeof(SortedSet));
      } else {
        prefetch(object_->trees_->tree.get(), sizeof(CountedTree));
      }
      next_ = Next::kTree;
      return has_way();
    case Next::kTree:
      return begin_way(Next::kWay,
                       object_->layout() == Layout::kScores ? *object_->sorted_set().trees()[1]
                                                            : *object_->trees_->tree,
                       hash_);
    case Next::kWay: {
      if (way_.step()) return true;
      if (object_->layout() != Layout::kScores) return false;
      // Of a sorted set this was the index: it says where in the score tree the member is.
      const std::optional<Bytes> found = way_.entry();
      if (!found) {
        if (score_) way_.ask_for_rest();
        return begin_new_score();
      }
      std::uint64_t score = 0;
      const Bytes value = split_pair(*found).value;
      std::memcpy(&score, value.data(), std::min(value.size(), sizeof score));
      return begin_way(Next::kScore, object_->tree(), score);
    }
    case Next::kScore:
      if (way_.step()) return true;
      if (score_) way_.ask_for_rest();
      return begin_new_score();
    case Next::kNewScore:
      if (way_.step()) return true;
      way_.ask_for_rest();
      return false;
  }
  return false;
}

}  // namespace diskdb::value
