// value/page_frames.h — the resident pages of one object: where each lies in memory, whether the
// next checkpoint must take it, and what they cost together. It knows no tree: value/counted_tree.h
// says how pages hang together.
//
// A page is the unit of residency, dirtiness and copy on write. Its block is counted
// (base/shared_bytes.h): whoever wants the page as it is now, a checkpoint or a reply, holds the
// block by reference, and the next change copies. Epochs are the keyspace's: each cut of a
// checkpoint bumps the epoch, and what a checkpoint that cuts at epoch C writes is the state of
// pages whose last change was in an epoch of at most C. The rules:
//
//   dirty    the next checkpoint, or the running one, must take the page.
//   awaited  dirty, and last changed at or before the running checkpoint's cut: before it changes
//            or goes, its image is handed over.
//   stored   the store, or the running checkpoint, may have the page: when it goes, its id must be
//            deleted there. What was never stored leaves nothing.
//   clean    not dirty, and last changed at or before the last ingested epoch: may be evicted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/shared_bytes.h"
#include "value/fingers.h"
#include "value/page.h"

namespace diskdb::value {

/// Unique within its object, 1 .. kPageNumberMax; never used twice while the object lives.
using PageId = std::uint64_t;

/// Whom a change of pages must tell. Called from inside edits: must not touch the object.
class PageWatcher {
 public:
  /// The running checkpoint has yet to take this page, which is about to change or to go. Owns
  /// `image`, the page as of the cut.
  virtual void hand_over(PageId id, SharedBytes image) = 0;
  /// The page is gone, and the store may have it: the next checkpoint deletes it there.
  virtual void drop_stored(PageId id) = 0;

 protected:
  ~PageWatcher() = default;
};

/// What every change of pages needs to know.
/// Requires: cut_epoch < epoch; the watcher may be missing only if there is no store.
struct PageEdit {
  std::uint32_t epoch = 1;         ///< now
  std::uint32_t cut_epoch = 0;     ///< of the running checkpoint; 0 if none is
  PageWatcher* watcher = nullptr;  ///< borrowed for the call
  Fingers* fingers = nullptr;      ///< the thread's, to find its way; none: null
};

/// A page as a checkpoint writes it.
struct PageImage {
  PageId id = 0;
  SharedBytes bytes;
};

struct InnerFrame;

/// A resident page.
struct PageFrame {
  static constexpr std::uint32_t kNotDirty = UINT32_MAX;

  PageView view() const { return {page.data(), header}; }
  bool is_dirty() const { return dirty_index != kNotDirty; }
  bool is_inner() const { return level != 0; }
  InnerFrame* as_inner();

  // What a search reads comes first, so that it mostly lies in one line.
  SharedBytes page;
  std::uint64_t header = 0;   ///< the page's first bytes: a search need not load them from there
  std::uint32_t changes = 0;  ///< so many times its bytes were about to change
  std::uint8_t level = 0;     ///< 0: a leaf
  bool is_stored = false;
  std::uint32_t epoch = 0;  ///< of the last change
  std::uint32_t dirty_index = kNotDirty;
  InnerFrame* parent = nullptr;  ///< null for the root
  PageId id = 0;
};
static_assert(sizeof(PageFrame) <= 48);

/// A resident page with pages below it: null where one is not resident.
struct InnerFrame : PageFrame {
  std::vector<PageFrame*> children;
};

inline InnerFrame* PageFrame::as_inner() {
  ASSERT_SLOW(is_inner());
  return static_cast<InnerFrame*>(this);
}

/// Bytes of the block that a page of `size` gets: as much as is handed out (base/slabs.h), so that
/// nothing is lost.
std::size_t page_block_bytes(std::size_t size);

/// Owns the frames and blocks of one object's resident pages.
///
/// Threads: shard-local; images handed out may be read and dropped anywhere.
/// Invariants:
///   I1  Each frame is in the index, by its id, once, and has its page's header.
///   I2  dirty_[f->dirty_index] == f for each dirty frame, and no others are there.
///   I3  page_bytes_ is the sum of allocated_bytes() of all pages, dirty_bytes_ that of dirty ones.
class PageFrames {
 public:
  PageFrames() = default;
  PageFrames(const PageFrames&) = delete;
  PageFrames& operator=(const PageFrames&) = delete;
  /// Requires: no frame is left.
  ~PageFrames() { ASSERT(count_ == 0); }

  /// A block for a page of `size`, undefined.
  static SharedBytes new_page(std::size_t size) { return new_page(size, size); }
  /// Null if the page is not resident.
  PageFrame* find(PageId id) const;
  /// A page that did not exist: dirty from the start.
  PageFrame* create(PageId id, std::uint8_t level, SharedBytes page, const PageEdit& edit);
  /// A page from the store, clean.
  PageFrame* install(PageId id, std::uint8_t level, SharedBytes page, std::uint32_t epoch);

  // ---- Changes: touch(), reserve(), edit the bytes, settle().

  /// The page is about to change: hands its image over if a checkpoint awaits it, and marks it
  /// dirty.
  void touch(PageFrame* frame, const PageEdit& edit) {
    if (frame->is_dirty() && frame->epoch == edit.epoch) [[likely]]
      return;
    touch_first(frame, edit);
  }
  /// The page's bytes, unshared, with room for `size`. Requires: touch().
  char* reserve(PageFrame* frame, std::size_t size) {
    if (++frame->changes == 0) [[unlikely]]
      links_moved();  // so that nobody takes it for what it was that many changes ago
    if (frame->page.is_unique() && size <= frame->page.capacity()) [[likely]]
      return frame->page.writable();
    return move_page(frame, size);
  }
  /// The edit is done: takes note of the page's size, and gives back room it no longer needs.
  void settle(PageFrame* frame) {
    frame->header = PageView::header_of(frame->page.data());
    const std::size_t size = frame->view().size();
    frame->page.set_size(size);
    if (size * 2 < frame->page.capacity()) [[unlikely]]
      shrink(frame);
  }
  /// The page ceases to exist. Hands over and reports what must be; frees the frame.
  void drop(PageFrame* frame, const PageEdit& edit);
  /// The same, but its block is freed by free_graves() only.
  void bury(PageFrame* frame, const PageEdit& edit);
  /// Forgets a page, whatever its state: it stays in the store, or its object dies.
  void forget(PageFrame* frame);

  // ---- Checkpoints.

  /// Takes up to `count_max` pages that the checkpoint cutting at `cut_epoch` awaits: they are
  /// dirty no more. `*cursor` is dirty_count() at first; 0 when all are taken. Pages may be changed
  /// between calls. Cost: O(1) for each page looked at; those changed since the cut are passed
  /// over.
  void take_dirty(std::uint32_t cut_epoch, std::size_t count_max, std::size_t* cursor,
                  std::vector<PageImage>* images);
  /// A checkpoint came to nothing: what changed after `ingested_epoch` is dirty (again).
  /// Cost: a look at each resident page.
  void mark_dirty_since(std::uint32_t ingested_epoch);

  /// Frees up to `count_max` buried blocks; false if some are left.
  bool free_graves(std::size_t count_max);
  bool has_graves() const { return !graves_.empty(); }

  /// Resident pages.
  std::size_t count() const { return count_; }
  std::size_t dirty_count() const { return dirty_.size(); }
  std::size_t dirty_bytes() const { return dirty_bytes_; }
  /// Everything: pages, frames, the index.
  std::size_t bytes() const;
  /// As long as the same thread gets the same number, pointers to frames are valid and links where
  /// they were. It has no other frames with it.
  std::uint64_t stamp(Fingers& fingers) const {
    if (stamped_by_ != &fingers) {
      stamped_by_ = &fingers;
      stamp_ = fingers.new_stamp();
    }
    return stamp_;
  }
  /// Links of a frame have moved. Frames that come or go are noticed here.
  void links_moved() { stamped_by_ = nullptr; }
  /// A resident page, each of which turns up if `slot` runs below slot_count(); null if it is none.
  /// Changes of frames move some to other slots.
  PageFrame* frame_in(std::size_t slot) const { return index_[slot]; }
  std::size_t slot_count() const { return index_.size(); }
  /// Calls visit(frame) for each. `visit` must not create or remove frames.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (PageFrame* frame : index_) {
      if (frame != nullptr) visit(frame);
    }
  }
  void verify_invariants() const;

 private:
  std::size_t home_of(PageId id) const {
    return (id * 0x9E3779B97F4A7C15U) >> 32U & (index_.size() - 1);
  }
  static SharedBytes new_page(std::size_t size, std::size_t room);
  PageFrame* add(PageId id, std::uint8_t level, SharedBytes page);
  void touch_first(PageFrame* frame, const PageEdit& edit);
  void hand_over_if_awaited(PageFrame* frame, const PageEdit& edit);
  void report_drop(PageFrame* frame, const PageEdit& edit);
  char* move_page(PageFrame* frame, std::size_t size);
  void shrink(PageFrame* frame);
  void mark_dirty(PageFrame* frame);
  void mark_clean(PageFrame* frame);
  void put_in_index(PageFrame* frame);
  void remove_from_index(PageFrame* frame);

  std::vector<PageFrame*> index_;  ///< by id, open addressing; a power of two, or empty
  std::vector<PageFrame*> dirty_;
  std::vector<SharedBytes> graves_;
  std::size_t count_ = 0;
  std::size_t inner_bytes_ = 0;  ///< of InnerFrames beyond PageFrames; their children not counted
  std::size_t page_bytes_ = 0;
  std::size_t dirty_bytes_ = 0;
  std::size_t grave_bytes_ = 0;
  mutable std::uint64_t stamp_ = 0;
  mutable const Fingers* stamped_by_ = nullptr;  ///< null: a new stamp is due
};

}  // namespace diskdb::value
