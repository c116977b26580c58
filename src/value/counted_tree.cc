// Reading and changing entries. How pages split, merge and go is counted_tree_shape.cc, how they
// come and leave memory is counted_tree_residency.cc.
#include "value/counted_tree.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace diskdb::value {
namespace {

constexpr std::size_t kBlockHeaderBytes = 24;
constexpr std::size_t kPageBytesMin = 64;
constexpr std::size_t kGravesFreedAtOnce = 64;

}  // namespace

CountedTree::CountedTree(PageShape leaf_shape, std::size_t page_bytes, PageIds ids,
                         KeyForm leaf_keys)
    : leaf_shape_(leaf_shape),
      leaf_keys_(leaf_keys),
      page_bytes_(std::max(page_bytes, kPageBytesMin) - kBlockHeaderBytes),
      next_id_(ids.first),
      id_step_(ids.step) {
  ASSERT(!leaf_shape.is_inner);
  ASSERT(ids.first > 0 && ids.step > 0);
}

CountedTree::CountedTree(const TreeRoot& root, std::size_t page_bytes, PageIds ids,
                         KeyForm leaf_keys)
    : CountedTree(root.leaf_shape, page_bytes, {root.next_id, ids.step}, leaf_keys) {
  levels_ = root.levels;
  count_ = root.count;
  root_id_ = root.root;
  cold_count_ = root.count == 0 ? 0 : 1;
}

CountedTree::~CountedTree() { free_some(SIZE_MAX); }

TreeRoot CountedTree::root() const {
  return {.leaf_shape = leaf_shape_,
          .levels = levels_,
          .count = count_,
          .root = root_id_,
          .next_id = next_id_};
}

// ---- Finding the way ----

CountedTree::Below CountedTree::link_at(const PageView& page, std::uint64_t position,
                                        std::uint64_t count) {
  if (position < count / 2) {
    // Over several links at once, as long as they end before.
    std::size_t index = 0;
    for (; index + PageView::kLinkGroup <= page.count(); index += PageView::kLinkGroup) {
      const std::uint64_t group_count = page.sum_of_link_group(index);
      if (position < group_count) break;
      position -= group_count;
    }
    for (; position >= page.link_count(index); ++index) position -= page.link_count(index);
    return {index, position, page.link_count(index)};
  }
  // From the end: `count` is where link `index` ends. The end itself belongs to the last page.
  std::size_t index = page.count() - 1;
  const bool is_end = position == count;
  for (; !is_end && index >= PageView::kLinkGroup; index -= PageView::kLinkGroup) {
    const std::uint64_t group_count = page.sum_of_link_group(index - PageView::kLinkGroup + 1);
    if (position >= count - group_count) break;
    count -= group_count;
  }
  while (!is_end && index > 0 && position < count - page.link_count(index)) {
    count -= page.link_count(index--);
  }
  const std::uint64_t below_count = page.link_count(index);
  return {index, position - (count - below_count), below_count};
}

std::size_t CountedTree::KeyRange::guess(const PageView& page, PageKey key) const {
  if (high.high <= low.high || key.high < low.high || key.high > high.high) {
    return PageView::kNoGuess;
  }
  // Their upper 16 bits are near enough, and with the count a division of 32 bits, which is cheap.
  static_assert(kPageEntriesMax <= UINT16_MAX);
  const std::uint64_t width = high.high - low.high;
  const int shift = std::max(48 - std::countl_zero(width), 0);
  const auto above_low = static_cast<std::uint32_t>((key.high - low.high) >> shift);
  return above_low * static_cast<std::uint32_t>(page.count()) /
         static_cast<std::uint32_t>(width >> shift);
}

void CountedTree::KeyRange::narrow(const PageView& page, std::size_t index) {
  if (index > 0) low = page.key(index);
  if (index + 1 < page.count()) high = page.key(index + 1);
}

std::size_t CountedTree::link_for(const PageView& page, PageKey key, Bytes tail,
                                  std::size_t guess) {
  const std::size_t index = page.key_bound(key, 1, guess);
  if (index == page.count() || page.key(index) != key) [[likely]]
    return index - 1;
  const PageView::Found found = page.lower_bound(key, tail, index, index);
  return found.is_equal ? found.index : found.index - 1;
}

void CountedTree::descend(std::uint64_t position, Path* path) const {
  std::uint64_t count = count_;
  PageFrame* frame = root_frame_;
  while (true) {
    ASSERT(frame != nullptr);  // the path is resident
    if (!frame->is_inner()) break;
    const Below below = link_at(frame->view(), position, count);
    path->steps[path->depth++] = {frame->as_inner(), below.index};
    position = below.position;
    count = below.count;
    frame = frame->as_inner()->children[below.index];
  }
  path->leaf = frame;
  path->index = position;
}

CountedTree::KeyRange CountedTree::go_to_leaf(PageKey key, Bytes tail, Path* path) const {
  PageFrame* frame = root_frame_;
  KeyRange range;
  while (true) {
    ASSERT(frame != nullptr);  // the path is resident
    if (!frame->is_inner()) break;
    const PageView page = frame->view();
    const std::size_t index = link_for(page, key, tail, range.guess(page, key));
    range.narrow(page, index);
    path->steps[path->depth++] = {frame->as_inner(), index};
    frame = frame->as_inner()->children[index];
  }
  path->leaf = frame;
  return range;
}

const Finger* CountedTree::rehearsed(PageKey key, Fingers* fingers) const {
  if (fingers == nullptr) return nullptr;
  const std::uint64_t stamp = frames_.stamp(*fingers);
  const Finger& finger = fingers->of(stamp, key);
  const bool is_it = finger.stamp == stamp && finger.is_exact && finger.key == key &&
                     finger.changes == finger.leaf->changes && finger.low < key &&
                     key < finger.high;
  return is_it ? &finger : nullptr;
}

// Entries with the very key of a bound may belong to a neighbour, but not those between two that
// are there.
bool CountedTree::holds_neighbours(const Finger& finger, PageKey key, Bytes tail) {
  if (key < finger.low || finger.high < key) return false;
  const PageView page = finger.leaf->view();
  if (page.count() == 0) return false;
  if (key == finger.low) {
    const PageKey first = page.key(0);
    if (key < first || (key == first && tail < page.tail(0))) return false;
  }
  return key < finger.high || !page.is_last_below(key, tail);
}

void CountedTree::descend(PageKey key, Bytes tail, Fingers* fingers, Path* path) const {
  const std::uint64_t stamp = fingers != nullptr ? frames_.stamp(*fingers) : 0;
  Finger* finger = fingers != nullptr ? &fingers->of(stamp, key) : nullptr;
  std::size_t guess = 0;
  if (finger != nullptr && finger->stamp == stamp && leads_to(*finger, key, tail)) {
    std::copy_n(finger->steps.begin(), finger->depth, path->steps);
    path->depth = finger->depth;
    path->leaf = finger->leaf;
    guess = std::min(finger->guess, finger->leaf->view().count());
  } else {
    const KeyRange range = go_to_leaf(key, tail, path);
    const PageView page = path->leaf->view();
    guess = range.guess(page, key);
    page.prefetch_columns(guess);
    if (path->depth > kFingerStepsMax) finger = nullptr;
    if (finger != nullptr) {
      finger->stamp = stamp;
      finger->is_exact = false;
      finger->low = range.low;
      finger->high = range.high;
      finger->leaf = path->leaf;
      finger->depth = path->depth;
      std::copy_n(path->steps, path->depth, finger->steps.begin());
    }
  }
  const PageView::Found found = path->leaf->view().lower_bound(key, tail, 0, guess);
  if (finger != nullptr && finger->guess != found.index) {
    finger->guess = found.index;
    finger->is_exact = false;
  }
  path->index = found.index;
  path->is_equal = found.is_equal;
}

bool CountedTree::descend_to_end(PageKey key, Bytes tail, Path* path) const {
  PageFrame* frame = root_frame_;
  while (true) {
    ASSERT(frame != nullptr);  // the path is resident
    const PageView page = frame->view();
    if (!frame->is_inner()) {
      path->leaf = frame;
      path->index = page.count();
      return page.count() == 0 || page.is_last_below(key, tail);
    }
    if (page.count() > 1 && !page.is_last_below(key, tail)) return false;
    path->steps[path->depth++] = {frame->as_inner(), page.count() - 1};
    frame = frame->as_inner()->children.back();
  }
}

std::size_t CountedTree::index_in(const InnerFrame* parent, const PageFrame* child) {
  const auto place = std::find(parent->children.begin(), parent->children.end(), child);
  ASSERT(place != parent->children.end());
  return static_cast<std::size_t>(place - parent->children.begin());
}

// ---- Reading ----

CountedTree::Cursor CountedTree::at(std::uint64_t position) const {
  ASSERT(position <= count_);
  if (position == count_) return {};
  Path path;
  descend(position, &path);
  return {path.leaf, path.index};
}

CountedTree::Cursor CountedTree::lower_bound(PageKey key, Bytes tail) const {
  ASSERT(!is_by_position());
  if (count_ == 0) return {};
  Path path;
  descend(key, tail, nullptr, &path);
  Cursor cursor(path.leaf, path.index);
  if (path.index == path.leaf->view().count()) cursor.enter_neighbour(true);
  return cursor;
}

CountedTree::Cursor CountedTree::find(PageKey key, Bytes tail, Fingers* fingers) const {
  ASSERT(!is_by_position());
  if (count_ == 0) return {};
  if (const Finger* finger = rehearsed(key, fingers)) {
    const PageView page = finger->leaf->view();
    if (finger->guess == page.count() || page.key(finger->guess) != key) return {};
    const Bytes entry = page.entry_at(finger->guess, finger->offset);
    if (tail_of(page, entry) == tail) return {finger->leaf, page, finger->guess, finger->offset};
  }
  Path path;
  descend(key, tail, fingers, &path);
  if (!path.is_equal) return {};
  return {path.leaf, path.index};
}

CountedTree::Cursor CountedTree::find_first(PageKey key, Fingers* fingers) const {
  ASSERT(!is_by_position());
  if (count_ == 0) return {};
  if (const Finger* finger = rehearsed(key, fingers)) {
    const PageView page = finger->leaf->view();
    if (finger->guess == page.count() || page.key(finger->guess) != key) return {};
    return {finger->leaf, page, finger->guess, finger->offset};
  }
  Path path;
  descend(key, {}, fingers, &path);
  const PageView page = path.leaf->view();
  if (path.index < page.count()) {
    if (page.key(path.index) != key) return {};
    return {path.leaf, path.index};
  }
  if (!Cursor::can_follow(path.leaf, key)) return {};
  Cursor cursor(path.leaf, path.index);
  cursor.enter_neighbour(true);
  return !cursor.is_at_end() && cursor.key() == key ? cursor : Cursor();
}

std::uint64_t CountedTree::rank(PageKey key, Bytes tail, Fingers* fingers) const {
  ASSERT(!is_by_position());
  if (count_ == 0) return 0;
  Path path;
  descend(key, tail, fingers, &path);
  std::uint64_t rank = path.index;
  for (std::size_t i = 0; i < path.depth; ++i) {
    rank += path.steps[i].frame->view().sum_of_links(0, path.steps[i].index);
  }
  return rank;
}

std::uint64_t CountedTree::position_of(const Cursor& cursor) const {
  if (cursor.is_at_end()) return count_;
  std::uint64_t position = cursor.index_;
  const PageFrame* frame = cursor.leaf_;
  for (InnerFrame* parent = frame->parent; parent != nullptr; parent = frame->parent) {
    position += parent->view().sum_of_links(0, index_in(parent, frame));
    frame = parent;
  }
  return position;
}

void CountedTree::Prefetch::begin(const CountedTree& tree, PageKey key, Fingers* fingers) {
  fingers_ = fingers;
  if (fingers != nullptr) finger_.stamp = tree.frames_.stamp(*fingers);
  key_ = key;
  finger_.depth = 0;
  range_ = {};
  asked_ = Asked::kNothing;
  frame_ = tree.root_frame_;
  for (bool is_near = true; is_near && frame_ != nullptr && frame_->is_inner();) {
    enter();
    go_down();
    is_near = frame_ != nullptr && frame_->level > 1;
  }
  if (frame_ == nullptr) return;
  __builtin_prefetch(frame_);
  asked_ = Asked::kFrame;
}

// The frame is there.
void CountedTree::Prefetch::enter() {
  page_ = frame_->view();
  guess_ = range_.guess(page_, key_);
}

void CountedTree::Prefetch::go_down() {
  InnerFrame* inner = frame_->as_inner();
  const std::size_t index = link_for(page_, key_, {}, guess_);
  range_.narrow(page_, index);
  if (finger_.depth < kFingerStepsMax) finger_.steps[finger_.depth] = {inner, index};
  ++finger_.depth;
  __builtin_prefetch(page_.links() + index * kPageLinkBytes, 1);  // changes count
  frame_ = inner->children[index];
}

bool CountedTree::Prefetch::step() {
  switch (asked_) {
    case Asked::kFrame:
      enter();
      page_.prefetch_columns(guess_);
      if (frame_->is_inner()) {
        const auto& children = frame_->as_inner()->children;
        if (guess_ < children.size()) __builtin_prefetch(&children[guess_]);
      } else {
        __builtin_prefetch(frame_->page.data());  // changes ask who holds it
      }
      asked_ = Asked::kColumns;
      return true;
    case Asked::kColumns:
      if (frame_->is_inner()) {
        go_down();
        __builtin_prefetch(frame_);
        asked_ = frame_ != nullptr ? Asked::kFrame : Asked::kNothing;
        return frame_ != nullptr;
      }
      // By the key alone: the bytes of entries with the same key are not here yet.
      index_ = page_.key_bound(key_, 0, guess_);
      offset_ = page_.offset(index_);
      __builtin_prefetch(page_.heap() + offset_);
      if (index_ < page_.count()) {
        __builtin_prefetch(page_.heap() + offset_ + page_.length(index_) - 1);
      }
      if (fingers_ != nullptr && finger_.depth <= kFingerStepsMax) {
        finger_.low = range_.low;
        finger_.high = range_.high;
        finger_.leaf = frame_;
        finger_.guess = index_;
        finger_.is_exact = true;
        finger_.changes = frame_->changes;
        finger_.key = key_;
        finger_.offset = offset_;
        fingers_->of(finger_.stamp, key_) = finger_;
      }
      asked_ = Asked::kEntry;
      return true;
    case Asked::kNothing:
    case Asked::kEntry:
      return false;
  }
  return false;
}

std::optional<Bytes> CountedTree::Prefetch::entry() const {
  if (asked_ != Asked::kEntry) return std::nullopt;
  if (index_ == page_.count() || page_.key(index_) != key_) return std::nullopt;
  return page_.entry_at(index_, offset_);
}

void CountedTree::Prefetch::ask_for_rest() const {
  if (asked_ != Asked::kEntry) return;
  const char* const end = page_.lengths() + page_.count() * page_.length_bytes();
  for (const char* at = page_.heap() + offset_; at < end; at += kCacheLineBytes) {
    __builtin_prefetch(at, 1);
  }
}

PageFrame* CountedTree::neighbour(const PageFrame* leaf, bool is_next, bool* is_cold) {
  // Up to where another link with entries lies on that side, and down its near edge.
  const PageFrame* from = leaf;
  for (const InnerFrame* at = leaf->parent; at != nullptr; from = at, at = at->parent) {
    std::size_t index = index_in(at, from);
    const InnerFrame* inner = at;
    while (true) {
      const PageView page = inner->view();
      const std::size_t end = is_next ? page.count() : 0;
      if (inner == at) index += is_next ? 1 : 0;
      while (index != end && page.link_count(is_next ? index : index - 1) == 0) {
        index = is_next ? index + 1 : index - 1;
      }
      if (index == end) break;
      PageFrame* child = inner->children[is_next ? index : index - 1];
      *is_cold = child == nullptr;
      if (child == nullptr || !child->is_inner()) return child;
      inner = child->as_inner();
      index = is_next ? 0 : inner->children.size();
    }
    ASSERT(inner == at);  // a link with entries has one below it
  }
  *is_cold = false;
  return nullptr;
}

void CountedTree::Cursor::enter_neighbour(bool is_next) {
  bool is_cold = false;
  PageFrame* leaf = neighbour(leaf_, is_next, &is_cold);
  if (leaf == nullptr) {
    *this = Cursor();
    is_cold_ = is_cold;
    return;
  }
  *this = Cursor(leaf, is_next ? 0 : leaf->view().count() - 1);
}

bool CountedTree::Cursor::can_follow(const PageFrame* leaf, PageKey key) {
  const PageFrame* from = leaf;
  for (const InnerFrame* at = leaf->parent; at != nullptr; from = at, at = at->parent) {
    const std::size_t next = index_in(at, from) + 1;
    if (next < at->children.size()) return at->view().key(next) == key;
  }
  return false;
}

void CountedTree::Cursor::next_of_key() {
  const PageKey key = this->key();
  if (index_ + 1 == page_.count() && !can_follow(leaf_, key)) {
    *this = Cursor();
    return;
  }
  next();
  if (!is_at_end() && this->key() != key) *this = Cursor();
}

// ---- Changing ----

bool CountedTree::insert(PageKey key, const Entry& entry, const PageEdit& edit) {
  ASSERT(!is_by_position());
  if (count_ == 0) {
    insert_first(key, entry, edit);
    return true;
  }
  while (true) {
    Path path;
    descend(key, entry.tail(), edit.fingers, &path);
    if (path.is_equal) return false;
    if (try_insert(path, key, entry, edit)) return true;
  }
}

bool CountedTree::insert_last(PageKey key, const Entry& entry, const PageEdit& edit) {
  ASSERT(!is_by_position());
  Path path;
  if (count_ > 0 && descend_to_end(key, entry.tail(), &path) &&
      try_insert(path, key, entry, edit)) {
    return true;
  }
  return insert(key, entry, edit);
}

bool CountedTree::put(PageKey key, const Entry& entry, const PageEdit& edit,
                      std::string* replaced) {
  ASSERT(!is_by_position());
  if (count_ == 0) {
    insert_first(key, entry, edit);
    return true;
  }
  while (true) {
    Path path;
    descend(key, entry.tail(), edit.fingers, &path);
    const bool is_new = !path.is_equal;
    if (!is_new && replaced != nullptr) *replaced = value_at(path);
    if (is_new ? try_insert(path, key, entry, edit) : try_replace(path, entry, edit)) return is_new;
  }
}

bool CountedTree::replace(PageKey key, const Entry& entry, const PageEdit& edit) {
  ASSERT(!is_by_position());
  if (count_ == 0) return false;
  while (true) {
    Path path;
    descend(key, entry.tail(), edit.fingers, &path);
    if (!path.is_equal) return false;
    if (try_replace(path, entry, edit)) return true;
  }
}

bool CountedTree::erase(PageKey key, Bytes tail, const PageEdit& edit, std::string* erased) {
  ASSERT(!is_by_position());
  if (count_ == 0) return false;
  Path path;
  descend(key, tail, edit.fingers, &path);
  if (!path.is_equal) return false;
  if (erased != nullptr) *erased = value_at(path);
  erase_at_path(path, edit);
  return true;
}

void CountedTree::insert_at(std::uint64_t position, const Entry& entry, const PageEdit& edit) {
  ASSERT(is_by_position());
  ASSERT(position <= count_);
  if (count_ == 0) {
    insert_first({}, entry, edit);
    return;
  }
  while (true) {
    Path path;
    descend(position, &path);
    if (try_insert(path, {}, entry, edit)) return;
  }
}

void CountedTree::replace_at(std::uint64_t position, const Entry& entry, const PageEdit& edit) {
  ASSERT(position < count_);
  while (true) {
    Path path;
    descend(position, &path);
    if (try_replace(path, entry, edit)) return;
  }
}

char* CountedTree::grow_at(std::uint64_t position, std::size_t length, const PageEdit& edit) {
  ASSERT(is_by_position());
  ASSERT(position < count_);
  while (true) {
    Path path;
    descend(position, &path);
    const std::size_t old_length = path.leaf->view().length(path.index);
    char* bytes = try_resize(path, std::max(old_length, length), edit);
    if (bytes == nullptr) continue;
    if (old_length < length) std::memset(bytes + old_length, 0, length - old_length);
    return bytes;
  }
}

void CountedTree::erase_range(std::uint64_t first, std::uint64_t last, const PageEdit& edit) {
  ASSERT(first <= last && last <= count_);
  if (first == last) return;
  if (last - first == count_) {
    drop_all(edit);
    free_graves(kGravesFreedAtOnce);
    return;
  }
  Path path;
  if (last - first == 1) {
    descend(first, &path);
    erase_at_path(path, edit);
    return;
  }
  ASSERT(root_frame_ != nullptr);
  erase_below(root_frame_, first, last, edit);
  free_graves(kGravesFreedAtOnce);
  count_ -= last - first;
  // What became small lies on both sides of the gap.
  if (first < count_) {
    descend(first, &path);
    mend(path, edit);
  }
  if (first > 0 && count_ > 0) {
    Path left;
    descend(first - 1, &left);
    mend(left, edit);
  }
}

bool CountedTree::try_insert(Path& path, PageKey key, const Entry& entry, const PageEdit& edit) {
  PageFrame* leaf = path.leaf;
  const PageView page = leaf->view();
  ASSERT_SLOW(page.is_pairs() == entry.is_pair());
  const std::size_t growth = page_insert_growth(page, key, entry.size());
  if (!is_oversize(page, growth) || page.count() == 0) [[likely]] {
    frames_.touch(leaf, edit);
    char* bytes = frames_.reserve(leaf, page.size() + growth);
    page_insert(bytes, path.index, key, entry);
    frames_.settle(leaf);
    add_counts(path, path.depth, 1, edit);
    ++count_;
    return true;
  }
  const std::size_t count = page.count();
  const bool is_large = entry.size() > page_bytes_ / 2 || count == 1;
  // At the edges pages stay full, for lists and logs grow there.
  if (path.index == count && (is_large || is_rightmost(path, path.depth))) {
    insert_as_leaf(path, true, key, entry, edit);
    return true;
  }
  if (path.index == 0 && (is_large || is_leftmost(path, path.depth))) {
    insert_as_leaf(path, false, key, entry, edit);
    return true;
  }
  split_leaf(path, is_large ? path.index : middle_of(page), edit);
  return false;
}

bool CountedTree::try_replace(Path& path, const Entry& entry, const PageEdit& edit) {
  const std::size_t old_size = path.leaf->view().size();
  ASSERT_SLOW(path.leaf->view().is_pairs() == entry.is_pair());
  char* bytes = try_resize(path, entry.size(), edit);
  if (bytes == nullptr) return false;
  entry.copy_to(bytes);
  if (path.leaf->view().size() < old_size) mend(path, edit);
  return true;
}

char* CountedTree::try_resize(Path& path, std::size_t length, const PageEdit& edit) {
  PageFrame* leaf = path.leaf;
  const PageView page = leaf->view();
  const std::size_t old_length = page.length(path.index);
  if (length == old_length) {
    const std::size_t place = kPageHeaderBytes + page.offset(path.index);
    frames_.touch(leaf, edit);
    return frames_.reserve(leaf, 0) + place;
  }
  const std::ptrdiff_t growth = page_resize_growth(page, old_length, length);
  const std::size_t size = page.size() + static_cast<std::size_t>(growth);
  if (growth > 0 && size > page_bytes_ && page.count() > 1) {
    // A large entry gets a page of its own, others half of this one.
    const bool is_large = length > page_bytes_ / 2;
    split_leaf(path, is_large ? std::max<std::size_t>(path.index, 1) : middle_of(page), edit);
    return nullptr;
  }
  frames_.touch(leaf, edit);
  char* bytes = frames_.reserve(leaf, std::max(size, page.size()));
  const std::ptrdiff_t place = page_resize(bytes, path.index, length) - bytes;
  frames_.settle(leaf);  // which may move it
  return leaf->page.writable() + place;
}

void CountedTree::erase_at_path(Path& path, const PageEdit& edit) {
  --count_;
  if (count_ == 0) {
    drop_all(edit);
    return;
  }
  PageFrame* leaf = path.leaf;
  if (leaf->view().count() == 1 && remove_leaf(path, edit)) return;
  frames_.touch(leaf, edit);
  page_erase(frames_.reserve(leaf, 0), path.index, 1);
  frames_.settle(leaf);
  add_counts(path, path.depth, -1, edit);
  mend(path, edit);
}

void CountedTree::add_counts(const Path& path, std::size_t depth, std::int64_t by,
                             const PageEdit& edit) {
  for (std::size_t i = 0; i < depth; ++i) {
    const Step& step = path.steps[i];
    frames_.touch(step.frame, edit);
    page_add_to_count(frames_.reserve(step.frame, 0), step.index, by);
  }
}

void CountedTree::set_link(InnerFrame* frame, std::size_t index, PageLink link,
                           const PageEdit& edit) {
  frames_.touch(frame, edit);
  page_set_link(frames_.reserve(frame, 0), index, link);
}

}  // namespace diskdb::value
