#include "value/page_frames.h"

#include <algorithm>
#include <cstring>

#include "base/containers.h"
#include "base/reached.h"
#include "base/slabs.h"

namespace diskdb::value {
namespace {

/// What a block costs beyond its capacity.
constexpr std::size_t kBlockHeaderBytes = 24;

}  // namespace

std::size_t page_block_bytes(std::size_t size) {
  return slabs::block_size(size + kBlockHeaderBytes);
}

SharedBytes PageFrames::new_page(std::size_t size, std::size_t room) {
  return SharedBytes::allocate(size, page_block_bytes(room) - kBlockHeaderBytes);
}

// ---- Frames ----

PageFrame* PageFrames::find(PageId id) const {
  if (index_.empty()) return nullptr;
  for (std::size_t i = home_of(id); index_[i] != nullptr; i = (i + 1) & (index_.size() - 1)) {
    if (index_[i]->id == id) return index_[i];
  }
  return nullptr;
}

PageFrame* PageFrames::add(PageId id, std::uint8_t level, SharedBytes page) {
  ASSERT_SLOW(find(id) == nullptr);
  PageFrame* frame = level == 0 ? new PageFrame : new InnerFrame;
  frame->page = std::move(page);
  frame->header = PageView::header_of(frame->page.data());
  frame->id = id;
  frame->level = level;
  page_bytes_ += frame->page.allocated_bytes();
  if (level != 0) inner_bytes_ += sizeof(InnerFrame) - sizeof(PageFrame);
  ++count_;
  links_moved();
  put_in_index(frame);
  return frame;
}

PageFrame* PageFrames::create(PageId id, std::uint8_t level, SharedBytes page,
                              const PageEdit& edit) {
  PageFrame* frame = add(id, level, std::move(page));
  frame->epoch = edit.epoch;
  mark_dirty(frame);
  return frame;
}

PageFrame* PageFrames::install(PageId id, std::uint8_t level, SharedBytes page,
                               std::uint32_t epoch) {
  PageFrame* frame = add(id, level, std::move(page));
  frame->epoch = epoch;
  frame->is_stored = true;
  return frame;
}

void PageFrames::forget(PageFrame* frame) {
  mark_clean(frame);
  links_moved();
  remove_from_index(frame);
  page_bytes_ -= frame->page.allocated_bytes();
  --count_;
  if (frame->is_inner()) {
    inner_bytes_ -= sizeof(InnerFrame) - sizeof(PageFrame);
    delete static_cast<InnerFrame*>(frame);
  } else {
    delete frame;
  }
}

// ---- Changes ----

void PageFrames::touch_first(PageFrame* frame, const PageEdit& edit) {
  ASSERT(edit.cut_epoch < edit.epoch);
  ASSERT(frame->epoch <= edit.epoch);
  hand_over_if_awaited(frame, edit);
  frame->epoch = edit.epoch;
  mark_dirty(frame);
}

void PageFrames::hand_over_if_awaited(PageFrame* frame, const PageEdit& edit) {
  if (!frame->is_dirty() || frame->epoch > edit.cut_epoch) return;
  REACHED("value: a checkpoint awaits the page that changes");
  edit.watcher->hand_over(frame->id, frame->page);
  frame->is_stored = true;  // it will be, if the checkpoint succeeds
}

void PageFrames::report_drop(PageFrame* frame, const PageEdit& edit) {
  hand_over_if_awaited(frame, edit);
  if (frame->is_stored) edit.watcher->drop_stored(frame->id);
}

void PageFrames::drop(PageFrame* frame, const PageEdit& edit) {
  report_drop(frame, edit);
  forget(frame);
}

void PageFrames::bury(PageFrame* frame, const PageEdit& edit) {
  report_drop(frame, edit);
  grave_bytes_ += frame->page.allocated_bytes();
  graves_.push_back(frame->page);
  forget(frame);
}

bool PageFrames::free_graves(std::size_t count_max) {
  for (; count_max > 0 && !graves_.empty(); --count_max) {
    grave_bytes_ -= graves_.back().allocated_bytes();
    graves_.pop_back();
  }
  if (!graves_.empty()) return false;
  free_container(graves_);
  return true;
}

char* PageFrames::move_page(PageFrame* frame, std::size_t size) {
  const std::size_t old_size = frame->page.size();
  SharedBytes block = new_page(old_size, std::max(size, old_size));
  std::memcpy(block.writable(), frame->page.data(), old_size);
  const std::size_t old_bytes = frame->page.allocated_bytes();
  page_bytes_ += block.allocated_bytes() - old_bytes;
  if (frame->is_dirty()) dirty_bytes_ += block.allocated_bytes() - old_bytes;
  frame->page = std::move(block);
  return frame->page.writable();
}

void PageFrames::shrink(PageFrame* frame) {
  const std::size_t size = frame->page.size();
  if (page_block_bytes(size) * 3 > frame->page.allocated_bytes() * 2) return;
  move_page(frame, size);
}

// ---- Checkpoints ----

void PageFrames::mark_dirty(PageFrame* frame) {
  if (frame->is_dirty()) return;
  frame->dirty_index = static_cast<std::uint32_t>(dirty_.size());
  dirty_.push_back(frame);
  dirty_bytes_ += frame->page.allocated_bytes();
}

void PageFrames::mark_clean(PageFrame* frame) {
  if (!frame->is_dirty()) return;
  dirty_[frame->dirty_index] = dirty_.back();
  dirty_.back()->dirty_index = frame->dirty_index;
  dirty_.pop_back();
  frame->dirty_index = PageFrame::kNotDirty;
  dirty_bytes_ -= frame->page.allocated_bytes();
}

void PageFrames::take_dirty(std::uint32_t cut_epoch, std::size_t count_max, std::size_t* cursor,
                            std::vector<PageImage>* images) {
  // From the last to the first: what takes the place of one that leaves has been looked at, or is
  // younger than the cut.
  *cursor = std::min(*cursor, dirty_.size());
  for (std::size_t looks = 0; looks<count_max&& * cursor> 0; ++looks) {
    PageFrame* frame = dirty_[--*cursor];
    if (frame->epoch > cut_epoch) continue;
    frame->is_stored = true;
    images->push_back({frame->id, frame->page});
    mark_clean(frame);
  }
}

void PageFrames::mark_dirty_since(std::uint32_t ingested_epoch) {
  for_each([&](PageFrame* frame) {
    if (frame->epoch > ingested_epoch) mark_dirty(frame);
  });
}

// ---- The index: linear probing, at most three quarters full ----

void PageFrames::put_in_index(PageFrame* frame) {
  if (count_ * 4 > index_.size() * 3) {
    std::vector<PageFrame*> old(std::max<std::size_t>(4, index_.size() * 2), nullptr);
    old.swap(index_);
    for (PageFrame* moved : old) {
      if (moved == nullptr) continue;
      std::size_t i = home_of(moved->id);
      while (index_[i] != nullptr) i = (i + 1) & (index_.size() - 1);
      index_[i] = moved;
    }
  }
  std::size_t i = home_of(frame->id);
  while (index_[i] != nullptr) i = (i + 1) & (index_.size() - 1);
  index_[i] = frame;
}

void PageFrames::remove_from_index(PageFrame* frame) {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = home_of(frame->id);
  while (index_[hole] != frame) hole = (hole + 1) & mask;
  // What follows moves into the hole unless that is before its home.
  for (std::size_t i = (hole + 1) & mask; index_[i] != nullptr; i = (i + 1) & mask) {
    const std::size_t home = home_of(index_[i]->id);
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    index_[hole] = index_[i];
    hole = i;
  }
  index_[hole] = nullptr;
}

// ---- Accounting ----

std::size_t PageFrames::bytes() const {
  // Children are a pointer for each page but the root; their vectors' slack is not counted.
  return page_bytes_ + grave_bytes_ + count_ * (sizeof(PageFrame) + sizeof(PageFrame*)) +
         inner_bytes_ + index_.capacity() * sizeof(PageFrame*) +
         dirty_.capacity() * sizeof(PageFrame*) + graves_.capacity() * sizeof(SharedBytes);
}

void PageFrames::verify_invariants() const {
  std::size_t count = 0;
  std::size_t page_bytes = 0;
  std::size_t dirty_count = 0;
  std::size_t dirty_bytes = 0;
  for_each([&](const PageFrame* frame) {
    ++count;
    page_bytes += frame->page.allocated_bytes();
    ASSERT(frame->page.allocated_bytes() == frame->page.capacity() + kBlockHeaderBytes);
    ASSERT(frame->page.size() == frame->view().size());
    ASSERT(frame->header == PageView::header_of(frame->page.data()));
    ASSERT(find(frame->id) == frame);  // I1
    if (!frame->is_dirty()) return;
    ++dirty_count;
    dirty_bytes += frame->page.allocated_bytes();
    ASSERT(dirty_[frame->dirty_index] == frame);  // I2
  });
  ASSERT(count == count_);
  ASSERT(dirty_count == dirty_.size());  // I2
  ASSERT(page_bytes == page_bytes_);     // I3
  ASSERT(dirty_bytes == dirty_bytes_);   // I3
}

}  // namespace diskdb::value
