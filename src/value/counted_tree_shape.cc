// How pages of a counted tree split, merge and go.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/reached.h"
#include "value/counted_tree.h"

namespace diskdb::value {
namespace {

/// An inner page with fewer links is not split, however long its separators are.
constexpr std::size_t kSplitLinksMin = 4;

}  // namespace

bool CountedTree::is_rightmost(const Path& path, std::size_t depth) {
  for (std::size_t i = 0; i < depth; ++i) {
    if (path.steps[i].index + 1 != path.steps[i].frame->children.size()) return false;
  }
  return true;
}

bool CountedTree::is_leftmost(const Path& path, std::size_t depth) {
  for (std::size_t i = 0; i < depth; ++i) {
    if (path.steps[i].index != 0) return false;
  }
  return true;
}

CountedTree::Separator CountedTree::separator_between(PageKey left_key, Bytes left_tail,
                                                      PageKey key, Bytes tail) {
  if (left_key != key) return {key, {}};
  // As much of the tail as makes it larger than the left one.
  const auto [left, right] =
      std::mismatch(left_tail.begin(), left_tail.end(), tail.begin(), tail.end());
  if (right == tail.end()) return {key, {}};  // by position: nothing is compared
  return {key, std::string(tail.begin(), right + 1)};
}

CountedTree::Separator CountedTree::separator_before(const PageView& page, std::size_t index) {
  return separator_between(page.key(index - 1), page.tail(index - 1), page.key(index),
                           page.tail(index));
}

// ---- Splitting ----

SharedBytes CountedTree::new_leaf(PageKey key, const Entry& entry) const {
  char begun[kPageBeginBytesMax];
  page_begin(begun, leaf_shape_, entry.size(), leaf_keys_);
  const PageView empty(begun);
  SharedBytes leaf = frames_.new_page(empty.size() + page_insert_growth(empty, key, entry.size()));
  std::memcpy(leaf.writable(), begun, empty.size());
  page_insert(leaf.writable(), 0, key, entry);
  return leaf;
}

SharedBytes CountedTree::copy_entries(const PageView& page, std::size_t first,
                                      std::size_t last) const {
  char begun[kPageBeginBytesMax];
  page_begin(begun, page.shape(), page.longest(first, last),
             page.is_inner() ? KeyForm::kWhole : leaf_keys_);
  const PageView empty(begun);
  SharedBytes copy = frames_.new_page(empty.size() + page_append_growth(empty, page, first, last));
  std::memcpy(copy.writable(), begun, empty.size());
  page_append(copy.writable(), page, first, last);
  return copy;
}

std::size_t CountedTree::middle_of(const PageView& page) {
  const std::size_t column_bytes =
      page.key_bytes() + page.length_bytes() + (page.is_inner() ? kPageLinkBytes : 0);
  const std::size_t half = (page.size() - kPageHeaderBytes) / 2;
  std::size_t bytes = 0;
  std::size_t index = 0;
  while (index + 1 < page.count()) {
    const std::size_t next = bytes + page.length(index) + column_bytes;
    // A long entry goes to the side that it leaves the more even.
    if (next > half && next - half > half - bytes) break;
    bytes = next;
    ++index;
    if (bytes >= half) break;
  }
  return std::max<std::size_t>(index, 1);
}

PageId CountedTree::take_id() {
  const PageId id = next_id_;
  next_id_ += id_step_;
  ASSERT(next_id_ <= kPageNumberMax);
  return id;
}

void CountedTree::insert_first(PageKey key, const Entry& entry, const PageEdit& edit) {
  root_id_ = take_id();
  root_frame_ = frames_.create(root_id_, 0, new_leaf(key, entry), edit);
  levels_ = 1;
  count_ = 1;
}

void CountedTree::insert_as_leaf(Path& path, bool is_after, PageKey key, const Entry& entry,
                                 const PageEdit& edit) {
  PageFrame* leaf = path.leaf;
  const PageView page = leaf->view();
  Separator separator;
  if (!is_by_position()) {
    const std::size_t last = page.count() - 1;
    separator = is_after ? separator_between(page.key(last), page.tail(last), key, entry.tail())
                         : separator_between(key, entry.tail(), page.key(0), page.tail(0));
  }
  const PageId id = take_id();
  PageFrame* frame = frames_.create(id, 0, new_leaf(key, entry), edit);
  ++count_;
  if (path.depth == 0) {
    const PageLink old_link{leaf->id, page.count()};
    if (is_after) {
      make_root(leaf, old_link, frame, {id, 1}, separator, edit);
    } else {
      make_root(frame, {id, 1}, leaf, old_link, separator, edit);
    }
    return;
  }
  add_counts(path, path.depth - 1, 1, edit);
  const std::size_t index = path.steps[path.depth - 1].index;
  if (is_after || index == 0) {
    add_link(path, path.depth - 1, index + (is_after ? 1 : 0), frame, {id, 1}, separator, edit);
    return;
  }
  // The new page takes over the place and the separator of the old one, which moves on by one.
  InnerFrame* parent = path.steps[path.depth - 1].frame;
  const PageLink old_link = parent->view().link(index);
  set_link(parent, index, {id, 1}, edit);
  parent->children[index] = frame;
  frame->parent = parent;
  add_link(path, path.depth - 1, index + 1, leaf, old_link, separator, edit);
}

void CountedTree::split_leaf(Path& path, std::size_t index, const PageEdit& edit) {
  PageFrame* leaf = path.leaf;
  const PageView page = leaf->view();
  const std::size_t count = page.count();
  ASSERT(0 < index && index < count);
  Separator separator;
  if (!is_by_position()) separator = separator_before(page, index);
  const PageId id = take_id();
  PageFrame* right = frames_.create(id, 0, copy_entries(page, index, count), edit);
  frames_.touch(leaf, edit);
  page_erase(frames_.reserve(leaf, 0), index, count - index);
  frames_.settle(leaf);
  const PageLink left_link{leaf->id, index};
  const PageLink right_link{id, count - index};
  if (path.depth == 0) {
    make_root(leaf, left_link, right, right_link, separator, edit);
    return;
  }
  const Step& step = path.steps[path.depth - 1];
  set_link(step.frame, step.index, left_link, edit);
  add_link(path, path.depth - 1, step.index + 1, right, right_link, separator, edit);
}

void CountedTree::make_root(PageFrame* left, PageLink left_link, PageFrame* right,
                            PageLink right_link, const Separator& separator, const PageEdit& edit) {
  ASSERT(levels_ < kTreeLevelsMax);
  SharedBytes page = frames_.new_page(kPageHeaderBytes);
  page_begin(page.writable(), inner_shape());
  root_id_ = take_id();
  auto* root = frames_.create(root_id_, levels_, std::move(page), edit)->as_inner();
  ++levels_;
  put_link_in(root, 0, left, left_link, {}, edit);
  put_link_in(root, 1, right, right_link, separator, edit);
  root_frame_ = root;
}

void CountedTree::add_link(Path& path, std::size_t step, std::size_t index, PageFrame* child,
                           PageLink link, const Separator& separator, const PageEdit& edit) {
  InnerFrame* frame = path.steps[step].frame;
  const PageView page = frame->view();
  const std::size_t count = page.count();
  const std::size_t growth = page_insert_growth(page, separator.key, separator.tail.size());
  if (!is_oversize(page, growth) || count < kSplitLinksMin) {
    put_link_in(frame, index, child, link, separator, edit);
    return;
  }
  std::size_t middle = middle_of(page);
  if (index == count && is_rightmost(path, step)) middle = count - 1;
  if (index == 0 && is_leftmost(path, step)) middle = 1;
  const Separator up{page.key(middle), std::string(page.entry(middle))};
  const PageId id = take_id();
  auto* right =
      frames_.create(id, frame->level, copy_entries(page, middle, count), edit)->as_inner();
  const auto moved = frame->children.begin() + static_cast<std::ptrdiff_t>(middle);
  right->children.assign(moved, frame->children.end());
  for (PageFrame* below : right->children) {
    if (below != nullptr) below->parent = right;
  }
  set_separator(right, 0, {}, edit);
  erase_links(frame, middle, count - middle, edit);
  frame->children.shrink_to_fit();
  if (index <= middle) {
    put_link_in(frame, index, child, link, separator, edit);
  } else {
    put_link_in(right, index - middle, child, link, separator, edit);
  }
  const PageLink left_link{frame->id, frame->view().sum_of_links(0, frame->view().count())};
  const PageLink right_link{id, right->view().sum_of_links(0, right->view().count())};
  if (step == 0) {
    make_root(frame, left_link, right, right_link, up, edit);
    return;
  }
  const Step& above = path.steps[step - 1];
  set_link(above.frame, above.index, left_link, edit);
  add_link(path, step - 1, above.index + 1, right, right_link, up, edit);
}

void CountedTree::put_link_in(InnerFrame* frame, std::size_t index, PageFrame* child, PageLink link,
                              const Separator& separator, const PageEdit& edit) {
  frames_.touch(frame, edit);
  const bool is_before_first = index == 0 && !frame->children.empty();
  const PageView page = frame->view();
  const std::size_t growth = page_insert_growth(page, separator.key, separator.tail.size());
  char* bytes = frames_.reserve(frame, page.size() + growth);
  if (is_before_first) {
    // The one that was first now needs the separator; the first has none.
    page_insert(bytes, 1, separator.key, Entry::whole(separator.tail), PageView(bytes).link(0));
    page_set_link(bytes, 0, link);
  } else {
    page_insert(bytes, index, separator.key, Entry::whole(separator.tail), link);
  }
  frames_.settle(frame);
  frames_.links_moved();
  frame->children.insert(frame->children.begin() + static_cast<std::ptrdiff_t>(index), child);
  if (child != nullptr) child->parent = frame;
}

void CountedTree::set_separator(InnerFrame* frame, std::size_t index, const Separator& separator,
                                const PageEdit& edit) {
  frames_.touch(frame, edit);
  const PageView page = frame->view();
  const std::ptrdiff_t growth = page_resize_growth(page, page.length(index), separator.tail.size());
  char* bytes = frames_.reserve(
      frame, page.size() + static_cast<std::size_t>(std::max<std::ptrdiff_t>(growth, 0)));
  page_set_key(bytes, index, separator.key);
  page_replace(bytes, index, Entry::whole(separator.tail));
  frames_.settle(frame);
}

// ---- Going ----

void CountedTree::erase_links(InnerFrame* frame, std::size_t first, std::size_t count,
                              const PageEdit& edit) {
  frames_.touch(frame, edit);
  page_erase(frames_.reserve(frame, 0), first, count);
  frames_.settle(frame);
  frames_.links_moved();
  const auto begin = frame->children.begin() + static_cast<std::ptrdiff_t>(first);
  frame->children.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
  if (first == 0 && !frame->children.empty()) set_separator(frame, 0, {}, edit);
}

bool CountedTree::is_edge_resident(const PageFrame* frame, bool is_first) {
  while (frame != nullptr && frame->is_inner()) {
    const auto& children = static_cast<const InnerFrame*>(frame)->children;
    frame = is_first ? children.front() : children.back();
  }
  return frame != nullptr;
}

bool CountedTree::remove_leaf(Path& path, const PageEdit& edit) {
  // Inner pages with this leaf alone go with it. Others remain, for count_ > 0.
  std::size_t depth = path.depth;
  while (path.steps[depth - 1].frame->children.size() == 1) --depth;
  const Step& step = path.steps[depth - 1];
  const auto& siblings = step.frame->children;
  const bool has_left = step.index > 0 && is_edge_resident(siblings[step.index - 1], false);
  const bool has_right =
      step.index + 1 < siblings.size() && is_edge_resident(siblings[step.index + 1], true);
  if (!is_by_position() && !has_left && !has_right) {
    REACHED("value: an empty leaf stays between cold ones");
    return false;
  }
  if (!has_left && has_right && step.index > 0) {
    const PageView page = step.frame->view();
    set_separator(step.frame, step.index + 1,
                  {page.key(step.index), std::string(page.entry(step.index))}, edit);
  }
  frames_.drop(path.leaf, edit);
  for (std::size_t i = path.depth; i > depth; --i) frames_.drop(path.steps[i - 1].frame, edit);
  add_counts(path, depth - 1, -1, edit);
  erase_links(step.frame, step.index, 1, edit);
  path.depth = depth - 1;
  path.leaf = step.frame;
  mend(path, edit);
  return true;
}

void CountedTree::drop_all(const PageEdit& edit) {
  count_ = 0;  // cold inner pages are no matter: the object dies
  drop_below(root_frame_, root_id_, levels_ - 1U, edit);
  root_frame_ = nullptr;
  root_id_ = 0;
  levels_ = 0;
  ASSERT(is_whole());  // I6
}

void CountedTree::erase_below(PageFrame* frame, std::uint64_t first, std::uint64_t last,
                              const PageEdit& edit) {
  if (!frame->is_inner()) {
    frames_.touch(frame, edit);
    page_erase(frames_.reserve(frame, 0), first, last - first);
    frames_.settle(frame);
    return;
  }
  InnerFrame* inner = frame->as_inner();
  // Whole pages go; at most the first and the last of the range stay in part.
  std::size_t whole_first = SIZE_MAX;
  std::size_t whole_last = 0;
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i < inner->children.size() && begin < last; ++i) {
    const PageLink link = inner->view().link(i);
    const std::uint64_t end = begin + link.count;
    if (end > first) {
      const std::uint64_t from = std::max(first, begin) - begin;
      const std::uint64_t until = std::min(last, end) - begin;
      if (until - from == link.count) {
        drop_below(inner->children[i], link.id, frame->level - 1U, edit);
        whole_first = std::min(whole_first, i);
        whole_last = i + 1;
      } else {
        ASSERT(inner->children[i] != nullptr);  // the edges of the range are resident
        erase_below(inner->children[i], from, until, edit);
        set_link(inner, i, {link.id, link.count - (until - from)}, edit);
      }
    }
    begin = end;
  }
  if (whole_last > 0) erase_links(inner, whole_first, whole_last - whole_first, edit);
}

void CountedTree::drop_below(PageFrame* frame, PageId id, std::size_t level, const PageEdit& edit) {
  ASSERT(frame != nullptr || level == 0 || count_ == 0);  // inner pages of the range are resident
  if (level > 0 && frame != nullptr) {
    const PageView page = frame->view();
    const InnerFrame* inner = frame->as_inner();
    for (std::size_t i = 0; i < page.count(); ++i) {
      drop_below(inner->children[i], page.link(i).id, level - 1, edit);
    }
  }
  if (frame == nullptr) {
    REACHED("value: a cold page is dropped unread");
    --cold_count_;
    edit.watcher->drop_stored(id);
    return;
  }
  frames_.bury(frame, edit);
}

// ---- Merging ----

void CountedTree::mend(const Path& path, const PageEdit& edit) {
  const PageFrame* frame = path.leaf;
  for (std::size_t depth = path.depth; depth > 0; --depth) {
    const Step& step = path.steps[depth - 1];
    if (frame->page.size() <= page_bytes_of(frame->view()) / 3) {
      const bool is_merged = step.index > 0 && merge_at(step.frame, step.index - 1, edit);
      if (!is_merged && step.index + 1 < step.frame->children.size()) {
        merge_at(step.frame, step.index, edit);
      }
    }
    frame = step.frame;
  }
  collapse_root(edit);
}

bool CountedTree::merge_at(InnerFrame* parent, std::size_t left_index, const PageEdit& edit) {
  PageFrame* left = parent->children[left_index];
  PageFrame* right = parent->children[left_index + 1];
  if (left == nullptr || right == nullptr) {
    REACHED("value: a page is not merged with a cold neighbour");
    return false;
  }
  const PageView from = right->view();
  const PageView into = left->view();
  const std::size_t room = page_bytes_of(into) / 4 * 3;
  if (into.size() + from.size() > room || into.count() + from.count() > kPageEntriesMax) {
    return false;
  }
  const std::size_t size = into.size() + page_append_growth(into, from, 0, from.count());
  if (size > room) return false;
  const std::size_t left_count = into.count();
  frames_.touch(left, edit);
  page_append(frames_.reserve(left, size), from, 0, from.count());
  frames_.settle(left);
  const PageView above = parent->view();
  const PageLink left_link = above.link(left_index);
  const PageLink right_link = above.link(left_index + 1);
  if (left->is_inner()) {
    InnerFrame* inner = left->as_inner();
    for (PageFrame* below : right->as_inner()->children) {
      inner->children.push_back(below);
      if (below != nullptr) below->parent = inner;
    }
    set_separator(inner, left_count,
                  {above.key(left_index + 1), std::string(above.entry(left_index + 1))}, edit);
  }
  frames_.drop(right, edit);
  set_link(parent, left_index, {left_link.id, left_link.count + right_link.count}, edit);
  erase_links(parent, left_index + 1, 1, edit);
  return true;
}

void CountedTree::collapse_root(const PageEdit& edit) {
  while (root_frame_ != nullptr && root_frame_->is_inner() &&
         root_frame_->as_inner()->children.size() == 1) {
    PageFrame* child = root_frame_->as_inner()->children[0];
    root_id_ = root_frame_->view().link(0).id;
    frames_.drop(root_frame_, edit);
    root_frame_ = child;
    if (child != nullptr) child->parent = nullptr;
    --levels_;
  }
}

}  // namespace diskdb::value
