// value/counted_tree.h — a counted B+tree of packed pages: the container of every large value.
//
// Leaves are pages of entries (value/page.h), in order of position (a list), or of a fixed-size key
// and then of bytes: a hash and the field, a score and the member, an id. Inner pages have a link
// for each page below them, with the number of entries there, so position, rank, a random pick and
// a range are O(log n) whatever orders the entries. Source: Bayer and McCreight 1972 for the tree;
// counts as in Knuth, volume 3, section 6.2.3; separators cut short as in Bayer and Unterauer 1977.
//
// Pages name each other by id, in memory too, so a page's bytes are the same in memory and on disk;
// beside its bytes a resident inner page has pointers to those pages below it that are resident.
// Any other page may be cold: in the store only. Operations require the pages on their path in
// memory; the missing_* functions name those to load before. A command may load for all its steps
// first: changing single entries never leads the path of another key to a cold page. For that an
// empty leaf stays in a tree by key where both its neighbours are cold. So which pages exist may
// depend on what was resident; which entries there are does not.
//
// Pages grow with their contents, so half-full ones cost half; appending and prepending leave full
// ones. An entry larger than a page has a page of its own: nothing limits its size but the page's
// 4 GiB, and a reply may hold it by reference (Cursor::block).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/shared_bytes.h"
#include "value/page.h"
#include "value/page_frames.h"

namespace diskdb::value {

/// What leaf pages aim at, their block's header included; inner pages of trees by key at twice as
/// much, which makes a level less of a million entries. By position links are summed, not searched.
constexpr std::size_t kTreePageBytes = 2048;
/// No tree has more levels: each but the last few has tens of pages.
constexpr std::size_t kTreeLevelsMax = 40;

/// What a key's record says of a tree. Layout: docs/format/page.md, "Root".
struct TreeRoot {
  PageShape leaf_shape;
  std::uint8_t levels = 0;  ///< 0: empty
  std::uint64_t count = 0;  ///< of entries
  PageId root = 0;          ///< 0 if empty
  PageId next_id = 1;       ///< all smaller ones are or were in use
  friend bool operator==(const TreeRoot&, const TreeRoot&) = default;
};

void append_tree_root(const TreeRoot& root, std::string* out);
/// Errors: kCorrupt, also for a version this reader does not know, or bytes left over.
Result<TreeRoot> decode_tree_root(Bytes encoded);

/// The ids of a tree's pages: `first`, and every `step`-th from there. Two trees of one object
/// share its ids so.
struct PageIds {
  PageId first = 1;
  std::uint32_t step = 1;
};

/// A cold page that an operation needs.
struct MissingPage {
  PageId id = 0;
  PageId parent = 0;  ///< 0 for the root
  friend bool operator==(const MissingPage&, const MissingPage&) = default;
};

/// Threads: shard-local.
/// Invariants:
///   I1  count_ is the number of entries; each link counts those below its page.
///   I2  A leaf fits page_bytes_, or has one entry, or was stored when pages were larger; an inner
///       page may be larger only by its separators. No inner page is empty, nor a leaf by position.
///   I3  Entries ascend (not in a tree by position); the separator of link i > 0 lies above all
///       entries below link i - 1 and not above those below link i. The first link's separator is
///       empty.
///   I4  Page ids are unique, of this tree's PageIds, and below next_id_.
///   I5  A resident page's parent is resident.
///   I6  cold_count_ is how many links of resident pages lead to cold ones; 1 if the root is cold.
class CountedTree {
 public:
  /// An empty one. `leaf_shape`: key_bytes is 0 for order by position, 8 or 16 for order by key and
  /// tail (the entry, or a pair's key). `page_bytes`: any; `leaf_keys`: of leaves that begin from
  /// here on; what is there is not rewritten for either.
  explicit CountedTree(PageShape leaf_shape, std::size_t page_bytes = kTreePageBytes,
                       PageIds ids = {}, KeyForm leaf_keys = KeyForm::kWhole);
  /// One that is in the store, wholly cold. Of `ids` the step alone counts.
  explicit CountedTree(const TreeRoot& root, std::size_t page_bytes = kTreePageBytes,
                       PageIds ids = {}, KeyForm leaf_keys = KeyForm::kWhole);
  CountedTree(const CountedTree&) = delete;
  CountedTree& operator=(const CountedTree&) = delete;
  /// Cost: frees every resident page; free_some() before it to do so in slices.
  ~CountedTree();

  std::uint64_t count() const { return count_; }
  bool is_by_position() const { return leaf_shape_.key_bytes == 0; }
  TreeRoot root() const;

  // ---- Reading. Borrowed entries and cursors are valid until the tree is next changed, pages
  // installed or evicted. Requires: the path is resident.

  class Cursor;
  /// The entry at `position`; at the end for count().
  Cursor at(std::uint64_t position) const;
  /// The first entry not below. Requires: not by position.
  Cursor lower_bound(PageKey key, Bytes tail = {}) const;
  /// The entry with this key and tail, or at the end. Requires: not by position.
  Cursor find(PageKey key, Bytes tail, Fingers* fingers = nullptr) const;
  /// The first entry with this key, or at the end. Enters no page that cannot have the key: the
  /// paths of missing_for(key, {}), and where keys repeat missing_of(). Requires: not by position.
  Cursor find_first(PageKey key, Fingers* fingers = nullptr) const;
  /// How many entries are below. Needs the path of missing_for() alone. Requires: not by position.
  std::uint64_t rank(PageKey key, Bytes tail = {}, Fingers* fingers = nullptr) const;
  /// How many entries are before the cursor's. Cost: O(log n).
  std::uint64_t position_of(const Cursor& cursor) const;
  /// Asks the processor for what find() will touch, step by step. The path need not be resident.
  class Prefetch;

  // ---- Changes. Requires: the path is resident; entries' bytes do not lie in this tree.

  /// False, and nothing is changed, if there is such an entry already.
  bool insert(PageKey key, const Entry& entry, const PageEdit& edit);
  /// The same for what is mostly above all that is there: the last page is tried first.
  bool insert_last(PageKey key, const Entry& entry, const PageEdit& edit);
  /// Inserts, or replaces the entry with this key and tail; true if there was none. `*replaced`, of
  /// a tree of pairs: the value that was there; else it stays as it is.
  bool put(PageKey key, const Entry& entry, const PageEdit& edit, std::string* replaced = nullptr);
  /// Replaces; false if there is no entry with this key and tail.
  bool replace(PageKey key, const Entry& entry, const PageEdit& edit);
  /// False if there is none. After the last entry has gone the object must die: the store may have
  /// cold pages of it that nobody knows. `*erased`, of a tree of pairs: the value that was there.
  bool erase(PageKey key, Bytes tail, const PageEdit& edit, std::string* erased = nullptr);

  /// Requires: by position; position <= count().
  void insert_at(std::uint64_t position, const Entry& entry, const PageEdit& edit);
  /// Requires: position < count(); by position, or key and tail stay the same.
  void replace_at(std::uint64_t position, const Entry& entry, const PageEdit& edit);
  /// The entry's bytes, to be changed where they lie until the tree is next changed: at least
  /// `length`, those that it had not are zero.
  /// Requires: by position; position < count().
  char* grow_at(std::uint64_t position, std::size_t length, const PageEdit& edit);
  /// Requires: first <= last <= count(), and all inner pages in between are resident, see
  /// missing_for_erase(). Cost: O(log n), and O(1) for each page that goes, whose memory
  /// free_some() gives back if they are many.
  void erase_range(std::uint64_t first, std::uint64_t last, const PageEdit& edit);

  // ---- Residency.

  /// No page is cold, so nothing is missing.
  bool is_whole() const { return cold_count_ == 0; }
  /// The first cold page on the path to this key, to find, insert or erase it.
  std::optional<MissingPage> missing_for(PageKey key, Bytes tail) const;
  /// The first cold page to erase this entry, and to join a leaf that becomes small with a
  /// neighbour, without which small leaves would stay.
  std::optional<MissingPage> missing_to_erase(PageKey key, Bytes tail) const;
  /// The first cold page on the way to the entries with this key.
  std::optional<MissingPage> missing_of(PageKey key) const;
  /// Appends up to `count_max` cold pages that hold entries [first, last), or lead there; those
  /// below a cold inner page are not known before it is there: ask again. Requires: first <= last.
  /// For insertion at `position` ask for [position, position + 1).
  void missing_in(std::uint64_t first, std::uint64_t last, std::size_t count_max,
                  std::vector<MissingPage>* missing) const;
  /// The same for erase_range(): leaves that go as a whole are not needed.
  void missing_for_erase(std::uint64_t first, std::uint64_t last, std::size_t count_max,
                         std::vector<MissingPage>* missing) const;
  /// Installs a page's newest stored bytes. False, and nothing is changed, if the page is no longer
  /// sought there (its parent left or gave it away, or it is resident). Owns `page`. Errors:
  /// kCorrupt if the bytes are not that page; nothing is changed then.
  Result<bool> install(const MissingPage& missing, SharedBytes page, std::uint32_t epoch);
  /// Drops a clean page from memory: false if it is not resident, must be taken by a checkpoint,
  /// has changed since the last ingested one, or has resident pages below it.
  bool evict(PageId id, std::uint32_t ingested_epoch);
  /// Evicts clean pages until `bytes` are free or all have been looked at once; says how many bytes
  /// went. `*cursor` goes round over the pages: 0 at first.
  std::size_t evict_some(std::size_t bytes, std::uint32_t ingested_epoch, std::size_t* cursor);

  // ---- Checkpoints and memory: see PageFrames.

  void take_dirty(std::uint32_t cut_epoch, std::size_t count_max, std::size_t* cursor,
                  std::vector<PageImage>* images) {
    frames_.take_dirty(cut_epoch, count_max, cursor, images);
  }
  void mark_dirty_since(std::uint32_t ingested_epoch) { frames_.mark_dirty_since(ingested_epoch); }
  std::size_t dirty_page_count() const { return frames_.dirty_count(); }
  std::size_t dirty_bytes() const { return frames_.dirty_bytes(); }
  std::size_t resident_page_count() const { return frames_.count(); }
  bool is_resident(PageId id) const { return frames_.find(id) != nullptr; }
  /// All that the tree costs in memory.
  std::size_t bytes() const { return sizeof(CountedTree) + frames_.bytes(); }
  /// Frees what erase_range() left behind, up to `count_max` pages; true when nothing is left.
  bool free_graves(std::size_t count_max) { return frames_.free_graves(count_max); }
  bool has_graves() const { return frames_.has_graves(); }
  /// The object is dead and no checkpoint awaits its pages: frees up to `count_max` of them; true
  /// when none is left. Nothing but this and the destructor may be called from then on.
  bool free_some(std::size_t count_max);

  /// Checks what is resident, and counts it anew.
  void verify_invariants() const;

 private:
  friend class Cursor;
  using Step = PageStep;
  /// From the root to an entry, or to the place for one.
  struct Path {
    Step steps[kTreeLevelsMax];
    std::size_t depth = 0;  ///< steps taken; the leaf is below the last
    PageFrame* leaf = nullptr;
    std::size_t index = 0;  ///< in the leaf
    bool is_equal = false;  ///< is the entry there the one sought?
  };
  /// Between which keys a page's lie, as the separators above it say.
  struct KeyRange {
    PageKey low;
    PageKey high = {UINT64_MAX, UINT64_MAX};

    /// About where in the page `key` is, if keys are spread evenly, as hashes are, and mostly
    /// scores of neighbours.
    std::size_t guess(const PageView& page, PageKey key) const;
    /// To what lies below link `index`.
    void narrow(const PageView& page, std::size_t index);
  };
  /// What divides two neighbours: the key and as much of the tail as is needed.
  struct Separator {
    PageKey key;
    std::string tail;
  };
  struct Below {
    std::size_t index;       ///< of the link
    std::uint64_t position;  ///< below it
    std::uint64_t count;     ///< of entries there
  };

  /// `count`: of entries below the page. Cost: goes over the links from the nearer end.
  static Below link_at(const PageView& page, std::uint64_t position, std::uint64_t count);
  static std::size_t link_for(const PageView& page, PageKey key, Bytes tail,
                              std::size_t guess = PageView::kNoGuess);
  /// The next leaf with entries, or the one before; null if there is none, or *is_cold.
  static PageFrame* neighbour(const PageFrame* leaf, bool is_next, bool* is_cold);
  /// Is the first (last) leaf below resident?
  static bool is_edge_resident(const PageFrame* frame, bool is_first);
  static std::size_t index_in(const InnerFrame* parent, const PageFrame* child);
  static Separator separator_before(const PageView& page, std::size_t index);
  static Separator separator_between(PageKey left_key, Bytes left_tail, PageKey key, Bytes tail);
  static Bytes tail_of(const PageView& page, Bytes entry) {
    return page.is_pairs() ? split_pair(entry).key : entry;
  }
  /// Of the pair that a path has led to.
  static Bytes value_at(const Path& path) {
    return split_pair(path.leaf->view().entry(path.index)).value;
  }
  PageShape inner_shape() const { return {leaf_shape_.key_bytes, true, false}; }
  std::size_t page_bytes_of(const PageView& page) const {
    return page.is_inner() && !is_by_position() ? 2 * page_bytes_ : page_bytes_;
  }
  bool is_oversize(const PageView& page, std::size_t growth) const {
    return page.size() + growth > page_bytes_of(page) || page.count() >= kPageEntriesMax;
  }

  void descend(std::uint64_t position, Path* path) const;
  void descend(PageKey key, Bytes tail, Fingers* fingers, Path* path) const;
  /// To behind the last entry, if this one belongs there. False, and the path is of no use, if not.
  bool descend_to_end(PageKey key, Bytes tail, Path* path) const;
  /// Does it lead to the leaf where the key and tail belong? Requires: its stamp is that of the
  /// frames.
  static bool leads_to(const Finger& finger, PageKey key, Bytes tail) {
    return (finger.low < key && key < finger.high) || holds_neighbours(finger, key, tail);
  }
  static bool holds_neighbours(const Finger& finger, PageKey key, Bytes tail);
  /// The one that a rehearsal for this key left, if the leaf is as it was and no other can have the
  /// key; null.
  const Finger* rehearsed(PageKey key, Fingers* fingers) const;
  /// From the root to the leaf where the key and tail belong.
  KeyRange go_to_leaf(PageKey key, Bytes tail, Path* path) const;
  /// Is the path, down to step `depth`, along the right (left) edge of the tree?
  static bool is_rightmost(const Path& path, std::size_t depth);
  static bool is_leftmost(const Path& path, std::size_t depth);

  /// Inserts at the path, whose leaf was split if this returns false: descend again.
  bool try_insert(Path& path, PageKey key, const Entry& entry, const PageEdit& edit);
  /// Replaces at the path, likewise.
  bool try_replace(Path& path, const Entry& entry, const PageEdit& edit);
  /// Gives the entry at the path another length, likewise: where its bytes are, or null.
  char* try_resize(Path& path, std::size_t length, const PageEdit& edit);
  PageId take_id();
  void insert_first(PageKey key, const Entry& entry, const PageEdit& edit);
  void insert_as_leaf(Path& path, bool is_after, PageKey key, const Entry& entry,
                      const PageEdit& edit);
  void erase_at_path(Path& path, const PageEdit& edit);
  /// Adds to the counts of the first `depth` links of the path.
  void add_counts(const Path& path, std::size_t depth, std::int64_t by, const PageEdit& edit);
  void set_link(InnerFrame* frame, std::size_t index, PageLink link, const PageEdit& edit);

  /// A leaf of this entry alone.
  SharedBytes new_leaf(PageKey key, const Entry& entry) const;
  /// A page of the same kind.
  SharedBytes copy_entries(const PageView& page, std::size_t first, std::size_t last) const;
  /// Where to cut so that both sides have about as many bytes. Requires: at least two entries.
  static std::size_t middle_of(const PageView& page);
  void split_leaf(Path& path, std::size_t index, const PageEdit& edit);
  /// Adds a link before `index` of step `step` of the path. `separator` divides the new page from
  /// its left neighbour, or, if the page is the first, the one that was first from it.
  void add_link(Path& path, std::size_t step, std::size_t index, PageFrame* child, PageLink link,
                const Separator& separator, const PageEdit& edit);
  void put_link_in(InnerFrame* frame, std::size_t index, PageFrame* child, PageLink link,
                   const Separator& separator, const PageEdit& edit);
  void make_root(PageFrame* left, PageLink left_link, PageFrame* right, PageLink right_link,
                 const Separator& separator, const PageEdit& edit);
  void set_separator(InnerFrame* frame, std::size_t index, const Separator& separator,
                     const PageEdit& edit);
  void erase_links(InnerFrame* frame, std::size_t first, std::size_t count, const PageEdit& edit);
  /// Removes the leaf at the path, whose last entry goes; false if the pages that would take over
  /// its keys are cold.
  bool remove_leaf(Path& path, const PageEdit& edit);
  /// Joins what has become small with a neighbour, from the leaf upwards.
  void mend(const Path& path, const PageEdit& edit);
  bool merge_at(InnerFrame* parent, std::size_t left_index, const PageEdit& edit);
  void collapse_root(const PageEdit& edit);

  void erase_below(PageFrame* frame, std::uint64_t first, std::uint64_t last, const PageEdit& edit);
  void drop_below(PageFrame* frame, PageId id, std::size_t level, const PageEdit& edit);
  /// The last entry has gone.
  void drop_all(const PageEdit& edit);

  void find_missing(const PageFrame* frame, MissingPage page, std::size_t level,
                    std::uint64_t count, std::uint64_t first, std::uint64_t last, bool is_erase,
                    std::size_t count_max, std::vector<MissingPage>* missing) const;
  Status check_page(const InnerFrame* parent, std::size_t index, Bytes page) const;
  Status check_bounds(const InnerFrame* parent, std::size_t index, const PageView& page) const;
  void set_all_cold(InnerFrame* frame);
  void unlink(PageFrame* frame);
  std::uint64_t verify_below(const PageFrame* frame, std::size_t level, std::uint64_t count,
                             std::size_t* frame_count) const;

  PageFrames frames_;
  PageFrame* root_frame_ = nullptr;  ///< null if empty or cold
  PageShape leaf_shape_;
  KeyForm leaf_keys_;
  std::uint8_t levels_ = 0;
  std::size_t page_bytes_;  ///< what a page may have without its block's header
  std::uint64_t count_ = 0;
  std::size_t cold_count_ = 0;
  PageId root_id_ = 0;
  PageId next_id_;
  std::uint32_t id_step_;
};

/// A look-up by key that waits for nothing: each step touches only what the step before has asked
/// for, and asks for what comes next. So the misses of many look-ups, their steps taken in turns,
/// are one. Pages far above the leaves are few, and taken to be near. Leaves a finger for the
/// look-up that follows, if given fingers. Valid while the tree does not change.
class CountedTree::Prefetch {
 public:
  /// Borrows the tree and the fingers; these may be null.
  void begin(const CountedTree& tree, PageKey key, Fingers* fingers = nullptr);
  /// False: nothing is left to ask for, entry() may be called.
  bool step();
  /// The entry with the key that the look-up has come to, if there is one.
  std::optional<Bytes> entry() const;
  /// Asks for what moves when an entry is inserted there, or erased. Requires: step() said false.
  void ask_for_rest() const;

 private:
  /// What was asked for last.
  enum class Asked : std::uint8_t { kNothing, kFrame, kColumns, kEntry };
  void enter();
  void go_down();

  Asked asked_ = Asked::kNothing;
  PageFrame* frame_ = nullptr;
  PageView page_;  ///< of the frame, once it is there
  PageKey key_;
  std::size_t guess_ = 0;
  std::size_t index_ = 0;  ///< of the entry
  std::size_t offset_ = 0;
  KeyRange range_;
  Fingers* fingers_ = nullptr;
  Finger finger_;
};

/// Stands at an entry, at the end, or before a cold page, where nothing may be asked of it.
class CountedTree::Cursor {
 public:
  bool is_at_end() const {
    ASSERT(!is_cold_);  // what the cursor enters is resident
    return leaf_ == nullptr;
  }

  /// Has stepped to a page that is not in memory.
  bool is_cold() const { return is_cold_; }

  // ---- Requires: !is_at_end().

  PageKey key() const { return page_.key(index_); }
  Bytes entry() const {
    ASSERT(leaf_ != nullptr);
    return page_.entry_at(index_, offset_);
  }
  /// The entry's key and value in a tree of pairs; else all of it is `key`.
  PairView pair() const { return page_.is_pairs() ? split_pair(entry()) : PairView{entry(), {}}; }
  /// The block in which entry() lies, for who needs it after the shard's lock is gone.
  SharedBytes block() const { return leaf_->page; }
  /// To the next entry, or to the end. It is no mistake to step to a cold page, only to look there.
  void next() {
    ASSERT(leaf_ != nullptr);
    offset_ += page_.length(index_);
    if (++index_ == page_.count()) [[unlikely]]
      enter_neighbour(true);
  }
  /// To the next entry with the same key, or to the end. Enters no page that cannot have the key.
  void next_of_key();
  /// To the entry before; at the first one: to the end.
  void previous() {
    ASSERT(leaf_ != nullptr);
    if (index_ == 0) [[unlikely]]
      return enter_neighbour(false);
    offset_ -= page_.length(--index_);
  }

 private:
  friend class CountedTree;
  Cursor() = default;
  Cursor(PageFrame* leaf, std::size_t index)
      : leaf_(leaf), page_(leaf->view()), index_(index), offset_(page_.offset(index)) {}
  Cursor(PageFrame* leaf, const PageView& page, std::size_t index, std::size_t offset)
      : leaf_(leaf), page_(page), index_(index), offset_(offset) {}
  void enter_neighbour(bool is_next);
  /// May the leaf behind this one have the key?
  static bool can_follow(const PageFrame* leaf, PageKey key);

  PageFrame* leaf_ = nullptr;
  PageView page_;
  std::size_t index_ = 0;
  std::size_t offset_ = 0;
  bool is_cold_ = false;
};

}  // namespace diskdb::value
