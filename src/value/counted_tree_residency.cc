// How pages of a counted tree come from the store, leave memory and are checked; the root's bytes.
#include <algorithm>
#include <string>
#include <utility>

#include "base/reached.h"
#include "value/counted_tree.h"

namespace diskdb::value {
namespace {

constexpr std::uint8_t kRootVersion = 1;

Status corrupt(const char* what) { return {Code::kCorrupt, std::string("tree: ") + what}; }

void append_varint(std::uint64_t number, std::string* out) {
  for (; number >= 128; number >>= 7U) out->push_back(static_cast<char>(number | 128U));
  out->push_back(static_cast<char>(number));
}

/// Takes a varint of at most kPageNumberMax off `bytes`; false if there is none.
bool take_varint(Bytes* bytes, std::uint64_t* number) {
  *number = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(bytes->size(), 7); ++i) {
    const auto byte = static_cast<unsigned char>((*bytes)[i]);
    *number |= static_cast<std::uint64_t>(byte & 127U) << 7U * i;
    if (byte >= 128) continue;
    bytes->remove_prefix(i + 1);
    return (i == 0 || byte != 0) && *number <= kPageNumberMax;
  }
  return false;
}

}  // namespace

// ---- The root ----

void append_tree_root(const TreeRoot& root, std::string* out) {
  out->push_back(static_cast<char>(kRootVersion));
  out->push_back(
      static_cast<char>(root.leaf_shape.key_bytes / 8U | (root.leaf_shape.is_pairs ? 32U : 0U)));
  out->push_back(static_cast<char>(root.levels));
  append_varint(root.count, out);
  append_varint(root.root, out);
  append_varint(root.next_id, out);
}

Result<TreeRoot> decode_tree_root(Bytes encoded) {
  if (encoded.size() < 3) return corrupt("a root too short");
  if (static_cast<unsigned char>(encoded[0]) != kRootVersion) {
    return corrupt("a root of an unknown version");
  }
  const auto shape = static_cast<unsigned char>(encoded[1]);
  if ((shape & ~35U) != 0 || (shape & 3U) == 3) return corrupt("a root of an unknown shape");
  TreeRoot root;
  root.leaf_shape.key_bytes = static_cast<std::uint8_t>((shape & 3U) * 8);
  root.leaf_shape.is_pairs = (shape & 32U) != 0;
  root.levels = static_cast<std::uint8_t>(encoded[2]);
  encoded.remove_prefix(3);
  if (!take_varint(&encoded, &root.count) || !take_varint(&encoded, &root.root) ||
      !take_varint(&encoded, &root.next_id) || !encoded.empty()) {
    return corrupt("a root whose numbers do not end in it");
  }
  const bool is_empty = root.count == 0;
  if (root.levels > kTreeLevelsMax || root.root >= root.next_id || (root.levels == 0) != is_empty ||
      (root.root == 0) != is_empty) {
    return corrupt("a root that contradicts itself");
  }
  return root;
}

// ---- What is missing ----

std::optional<MissingPage> CountedTree::missing_for(PageKey key, Bytes tail) const {
  if (is_whole()) [[likely]]
    return std::nullopt;
  if (root_frame_ == nullptr) return MissingPage{root_id_, 0};
  const PageFrame* frame = root_frame_;
  while (frame->is_inner()) {
    const auto* inner = static_cast<const InnerFrame*>(frame);
    const std::size_t index = link_for(inner->view(), key, tail);
    frame = inner->children[index];
    if (frame == nullptr) return MissingPage{inner->view().link(index).id, inner->id};
  }
  return std::nullopt;
}

std::optional<MissingPage> CountedTree::missing_to_erase(PageKey key, Bytes tail) const {
  if (is_whole()) [[likely]]
    return std::nullopt;
  if (const auto missing = missing_for(key, tail)) return missing;
  if (levels_ < 2) return std::nullopt;
  Path path;
  go_to_leaf(key, tail, &path);
  if (path.leaf->page.size() > page_bytes_ / 6 && path.leaf->view().count() > 1) {
    return std::nullopt;
  }
  const Step& step = path.steps[path.depth - 1];
  const auto& siblings = step.frame->children;
  const bool has_left = step.index > 0;
  const bool has_right = step.index + 1 < siblings.size();
  if ((has_left && siblings[step.index - 1] != nullptr) ||
      (has_right && siblings[step.index + 1] != nullptr) || (!has_left && !has_right)) {
    return std::nullopt;
  }
  const std::size_t sought = has_right ? step.index + 1 : step.index - 1;
  return MissingPage{step.frame->view().link(sought).id, step.frame->id};
}

std::optional<MissingPage> CountedTree::missing_of(PageKey key) const {
  if (is_whole()) [[likely]]
    return std::nullopt;
  if (const auto missing = missing_for(key, {})) return missing;
  PageKey next = key;
  if (leaf_shape_.key_bytes == 8 || ++next.low == 0) ++next.high;
  const bool is_last = next < key;  // there is none behind it
  if (!is_last) {
    if (const auto missing = missing_for(next, {})) return missing;
  }
  const std::uint64_t first = rank(key);
  const std::uint64_t last = is_last ? count_ : rank(next);
  if (first == last) return std::nullopt;
  std::vector<MissingPage> missing;
  missing_in(first, last, 1, &missing);
  return missing.empty() ? std::nullopt : std::optional(missing[0]);
}

void CountedTree::missing_in(std::uint64_t first, std::uint64_t last, std::size_t count_max,
                             std::vector<MissingPage>* missing) const {
  ASSERT(first <= last);
  if (is_whole()) [[likely]]
    return;
  // An insertion at the end takes place in the last page.
  first = std::min(first, count_ - 1);
  last = std::min(std::max(last, first + 1), count_);
  if (last - first == 1 && root_frame_ != nullptr) {
    // By the way that descend() goes, which looks at fewer links.
    const PageFrame* frame = root_frame_;
    std::uint64_t count = count_;
    while (frame->is_inner()) {
      const auto* inner = static_cast<const InnerFrame*>(frame);
      const Below below = link_at(inner->view(), first, count);
      frame = inner->children[below.index];
      if (frame == nullptr) {
        const MissingPage page{inner->view().link(below.index).id, inner->id};
        if (std::ranges::find(*missing, page) == missing->end()) missing->push_back(page);
        return;
      }
      first = below.position;
      count = below.count;
    }
    return;
  }
  find_missing(root_frame_, {root_id_, 0}, levels_ - 1U, count_, first, last, false,
               missing->size() + count_max, missing);
}

void CountedTree::missing_for_erase(std::uint64_t first, std::uint64_t last, std::size_t count_max,
                                    std::vector<MissingPage>* missing) const {
  ASSERT(first <= last && last <= count_);
  if (first == last || is_whole()) return;
  const std::size_t size_max = missing->size() + count_max;
  // A single entry is erased by its path.
  find_missing(root_frame_, {root_id_, 0}, levels_ - 1U, count_, first, last, last - first > 1,
               size_max, missing);
  // Afterwards the pages beside the gap are looked at, to be mended.
  if (last < count_) {
    find_missing(root_frame_, {root_id_, 0}, levels_ - 1U, count_, last, last + 1, false, size_max,
                 missing);
  }
  if (first > 0) {
    find_missing(root_frame_, {root_id_, 0}, levels_ - 1U, count_, first - 1, first, false,
                 size_max, missing);
  }
}

void CountedTree::find_missing(const PageFrame* frame, MissingPage page, std::size_t level,
                               std::uint64_t count, std::uint64_t first, std::uint64_t last,
                               bool is_erase, std::size_t size_max,
                               std::vector<MissingPage>* missing) const {
  if (missing->size() >= size_max) return;
  if (frame == nullptr) {
    if (is_erase && level == 0 && first == 0 && last == count) return;
    if (std::find(missing->begin(), missing->end(), page) == missing->end()) {
      missing->push_back(page);
    }
    return;
  }
  if (level == 0) return;
  const auto* inner = static_cast<const InnerFrame*>(frame);
  const PageView view = inner->view();
  // What goes as a whole goes with the pages at its edges that have no entries.
  const bool is_whole = is_erase && first == 0 && last == count;
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i < view.count() && (begin < last || is_whole); ++i) {
    const PageLink link = view.link(i);
    const std::uint64_t end = begin + link.count;
    if (end > first || is_whole) {
      find_missing(inner->children[i], {link.id, inner->id}, level - 1, link.count,
                   std::max(first, begin) - begin, std::min(last, end) - begin, is_erase, size_max,
                   missing);
    }
    begin = end;
  }
}

// ---- Coming ----

Result<bool> CountedTree::install(const MissingPage& missing, SharedBytes page,
                                  std::uint32_t epoch) {
  if (missing.parent == 0) {
    if (root_id_ != missing.id || root_frame_ != nullptr) return false;
    TRY(check_page(nullptr, 0, page.view()));
    root_frame_ =
        frames_.install(missing.id, static_cast<std::uint8_t>(levels_ - 1), std::move(page), epoch);
    --cold_count_;
    if (root_frame_->is_inner()) set_all_cold(root_frame_->as_inner());
    return true;
  }
  PageFrame* parent_frame = frames_.find(missing.parent);
  if (parent_frame == nullptr || !parent_frame->is_inner()) return false;
  InnerFrame* parent = parent_frame->as_inner();
  const PageView links = parent->view();
  std::size_t index = 0;
  while (index < links.count() && links.link(index).id != missing.id) ++index;
  if (index == links.count() || parent->children[index] != nullptr) {
    REACHED("value: a page is no longer sought where it was");
    return false;
  }
  TRY(check_page(parent, index, page.view()));
  PageFrame* frame = frames_.install(missing.id, static_cast<std::uint8_t>(parent->level - 1),
                                     std::move(page), epoch);
  --cold_count_;
  if (frame->is_inner()) set_all_cold(frame->as_inner());
  frame->parent = parent;
  parent->children[index] = frame;
  return true;
}

void CountedTree::set_all_cold(InnerFrame* frame) {
  frame->children.assign(frame->view().count(), nullptr);
  cold_count_ += frame->children.size();
}

Status CountedTree::check_page(const InnerFrame* parent, std::size_t index, Bytes bytes) const {
  TRY(verify_page(bytes));
  const PageView page(bytes);
  const std::size_t level = parent == nullptr ? levels_ - 1U : parent->level - 1U;
  const std::uint64_t count = parent == nullptr ? count_ : parent->view().link(index).count;
  if (page.shape() != (level == 0 ? leaf_shape_ : inner_shape())) {
    return corrupt("a page of another shape");
  }
  if ((page.count() == 0 && (level > 0 || is_by_position())) ||
      (level == 0 ? page.count() : page.sum_of_links(0, page.count())) != count) {
    return corrupt("a page with another count than its parent says");
  }
  if (level > 0) {
    if (page.key(0) != PageKey{} || page.length(0) != 0) {
      return corrupt("an inner page that begins with a separator");
    }
    std::vector<PageId> ids;
    for (std::size_t i = 0; i < page.count(); ++i) ids.push_back(page.link(i).id);
    std::sort(ids.begin(), ids.end());
    const bool are_unique = std::adjacent_find(ids.begin(), ids.end()) == ids.end();
    const bool are_absent = std::none_of(ids.begin(), ids.end(), [&](PageId id) {
      return id >= next_id_ || id % id_step_ != next_id_ % id_step_ || frames_.find(id) != nullptr;
    });
    if (!are_unique || !are_absent) return corrupt("a page with links to pages not below it");
  }
  if (is_by_position()) {
    return level == 0 || page.heap_bytes() == 0 ? Status::okay()
                                                : corrupt("separators in a tree by position");
  }
  if (!is_ordered(page, level == 0 ? 0 : 1)) return corrupt("a page out of order");
  return check_bounds(parent, index, page);
}

Status CountedTree::check_bounds(const InnerFrame* parent, std::size_t index,
                                 const PageView& page) const {
  const std::size_t first = page.is_inner() ? 1 : 0;
  if (first >= page.count()) return Status::okay();
  const std::size_t last = page.count() - 1;
  // The nearest separators above, on either side.
  bool has_lower = false;
  bool has_upper = false;
  const PageFrame* child = nullptr;
  for (const InnerFrame* at = parent; at != nullptr; child = at, at = at->parent) {
    const PageView view = at->view();
    const std::size_t i = child == nullptr ? index : index_in(at, child);
    if (!has_lower && i > 0) {
      has_lower = true;
      const PageKey key = view.key(i);
      if (page.key(first) < key ||
          (page.key(first) == key && page.tail(first).compare(view.entry(i)) < 0)) {
        return corrupt("a page with entries that belong before it");
      }
    }
    if (!has_upper && i + 1 < view.count()) {
      has_upper = true;
      const PageKey key = view.key(i + 1);
      if (page.key(last) > key ||
          (page.key(last) == key && page.tail(last).compare(view.entry(i + 1)) >= 0)) {
        return corrupt("a page with entries that belong behind it");
      }
    }
  }
  return Status::okay();
}

// ---- Leaving ----

void CountedTree::unlink(PageFrame* frame) {
  if (frame->parent == nullptr) {
    root_frame_ = nullptr;
  } else {
    frame->parent->children[index_in(frame->parent, frame)] = nullptr;
  }
}

bool CountedTree::evict(PageId id, std::uint32_t ingested_epoch) {
  PageFrame* frame = frames_.find(id);
  if (frame == nullptr || frame->is_dirty() || frame->epoch > ingested_epoch) return false;
  if (frame->is_inner()) {
    const auto& children = frame->as_inner()->children;
    if (std::any_of(children.begin(), children.end(),
                    [](const PageFrame* child) { return child != nullptr; })) {
      return false;
    }
  }
  ASSERT(frame->is_stored);
  if (frame->is_inner()) cold_count_ -= frame->as_inner()->children.size();
  ++cold_count_;
  unlink(frame);
  frames_.forget(frame);
  return true;
}

std::size_t CountedTree::evict_some(std::size_t bytes, std::uint32_t ingested_epoch,
                                    std::size_t* cursor) {
  std::size_t freed = 0;
  for (std::size_t looks = frames_.slot_count(); looks > 0 && freed < bytes; --looks) {
    if (*cursor >= frames_.slot_count()) *cursor = 0;
    const PageFrame* frame = frames_.frame_in(*cursor);
    if (frame != nullptr) {
      const std::size_t block_bytes = frame->page.allocated_bytes();
      // Another page may have come into the slot of one that left.
      if (evict(frame->id, ingested_epoch)) {
        freed += block_bytes;
        continue;
      }
    }
    ++*cursor;
  }
  return freed;
}

bool CountedTree::free_some(std::size_t count_max) {
  if (!frames_.free_graves(count_max)) return false;
  PageFrame* frame = root_frame_;
  while (frame != nullptr && count_max > 0) {
    if (frame->is_inner()) {
      auto& children = frame->as_inner()->children;
      while (!children.empty() && children.back() == nullptr) children.pop_back();
      if (!children.empty()) {
        frame = children.back();
        continue;
      }
    }
    InnerFrame* parent = frame->parent;
    frames_.forget(frame);
    --count_max;
    if (parent == nullptr) {
      root_frame_ = nullptr;
      return true;
    }
    parent->children.pop_back();
    frame = parent;
  }
  return root_frame_ == nullptr;
}

// ---- Checks ----

std::uint64_t CountedTree::verify_below(const PageFrame* frame, std::size_t level,
                                        std::uint64_t count, std::size_t* frame_count) const {
  ++*frame_count;
  const PageView page = frame->view();
  const Status status = verify_page(page.bytes());
  ASSERT(status.ok());
  ASSERT(frame->level == level);
  ASSERT(frame->id < next_id_ && frame->id % id_step_ == next_id_ % id_step_);  // I4
  ASSERT(page.count() > 0 || (level == 0 && !is_by_position()));                // I2
  if (!is_by_position()) ASSERT(is_ordered(page, level == 0 ? 0 : 1));
  if (level == 0) {
    ASSERT(page.shape() == leaf_shape_);
    ASSERT(frame->is_stored || page.count() == 1 || page.size() <= page_bytes_);
    ASSERT(page.count() == count);  // I1
    return page.count();
  }
  ASSERT(page.shape() == inner_shape());
  const auto* inner = static_cast<const InnerFrame*>(frame);
  ASSERT(inner->children.size() == page.count());
  ASSERT(page.key(0) == PageKey{} && page.length(0) == 0);  // I3
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < page.count(); ++i) {
    const PageLink link = page.link(i);
    const PageFrame* child = inner->children[i];
    sum += link.count;
    if (child == nullptr) {
      ASSERT(frames_.find(link.id) == nullptr);
      continue;
    }
    ASSERT(child->parent == inner);  // I5
    ASSERT(child->id == link.id);
    if (!is_by_position()) ASSERT(check_bounds(inner, i, child->view()).ok());  // I3
    verify_below(child, level - 1, link.count, frame_count);
  }
  ASSERT(sum == count);  // I1
  return sum;
}

void CountedTree::verify_invariants() const {
  frames_.verify_invariants();
  ASSERT((count_ == 0) == (levels_ == 0));
  ASSERT((count_ == 0) == (root_id_ == 0));
  std::size_t frame_count = 0;
  std::size_t cold_count = root_frame_ == nullptr && count_ > 0 ? 1 : 0;
  frames_.for_each([&](PageFrame* frame) {
    if (!frame->is_inner()) return;
    for (const PageFrame* child : frame->as_inner()->children) cold_count += child == nullptr;
  });
  ASSERT(cold_count == cold_count_);  // I6
  if (root_frame_ != nullptr) {
    ASSERT(root_frame_->parent == nullptr);
    ASSERT(root_frame_->id == root_id_);
    if (root_frame_->is_inner()) ASSERT(root_frame_->view().count() > 1);
    verify_below(root_frame_, levels_ - 1U, count_, &frame_count);
  }
  ASSERT(frame_count == frames_.count());
}

}  // namespace diskdb::value
