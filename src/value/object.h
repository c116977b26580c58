// value/object.h — the value of a key that has several elements: a list, a set, a hash, a sorted
// set; that of a long string, whose elements are chunks of it (value/long_string.h); and a stream
// (value/stream.h).
//
// Small, it is one packed page, in Redis's order; large, a counted tree of pages, or two for a
// sorted set. It becomes large by itself when it outgrows a page, and never small again; a string's
// or a stream's is large from the start. What its elements mean, and what Redis calls its encoding,
// is the business of types/; here they are bytes with a place and, but in a sequence, a name by
// which they are found.
//
// An Object owns its pages and knows what they cost; it is read and changed through one of the
// handles below, which borrow it and know where cold pages come from (ObjectUse): so whoever
// uses them sees a value that is all in memory. A handle lives for one command at most.
//
// Objects are counted, because a checkpoint may still need the pages of one whose key is gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/shared_bytes.h"
#include "value/counted_tree.h"
#include "value/page.h"
#include "value/sorted_set.h"

namespace diskdb::value {

/// What orders the elements, and how they are found.
enum class Layout : std::uint8_t {
  kSequence,  ///< a list: by position
  kMembers,   ///< a set: small, in an order its user decides; large, by hash
  kPairs,     ///< a hash: fields with values, likewise
  kScores,    ///< a sorted set: by score, then by member
  kChunks,    ///< a long string: by position; never small
  kStream,    ///< a stream: by id; never small
};

/// A small object has at most so many elements, and bytes.
constexpr std::size_t kSmallCountMax = 512;
constexpr std::size_t kSmallBytesMax = 4096;
constexpr std::size_t kSmallSequenceBytesMax = 8192;
constexpr std::size_t kSmallPairsBytesMax = 8192;
/// A long string's chunks: with its length (2), its page's header (8) and its block's (24) one
/// fills 4096 bytes, which is a class of the allocator.
constexpr std::uint32_t kChunkBytes = 4062;

/// Which object a stored page belongs to: never repeated while the store lives. Small objects have
/// none.
struct ObjectId {
  std::uint32_t birth_slot = 0;  ///< of the key that it was made for
  std::uint64_t number = 0;      ///< 0: none yet
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

class Object;

/// What large objects cost together, those of one table: their pages, and what must be stored.
struct PageTotals {
  std::int64_t bytes = 0;
  std::int64_t dirty_bytes = 0;
  bool is_detached = false;  ///< counts nowhere any more
  bool may_be_cold = false;  ///< some of their pages
};

/// Where cold pages come from.
class PageSource {
 public:
  /// Installs the page, whatever that takes; does not return if it cannot be had.
  virtual void load(Object& object, const MissingPage& missing) = 0;
  /// A number for an object that becomes large.
  virtual ObjectId next_id() = 0;

 protected:
  ~PageSource() = default;
};

/// On whose behalf an object is used. Borrowed by handles.
struct ObjectUse {
  PageSource* source = nullptr;
  PageEdit edit;  ///< for changes; its fingers for reading as well
};

/// The bit of Object::traits() that says that a field of the hash has, or had, an expiry.
/// Persisted.
constexpr std::uint8_t kFieldExpiryTrait = 1U << 3U;
/// What once said so, in another format.
constexpr std::uint8_t kRetiredTrait = 1U << 2U;

/// No field has an expiry.
constexpr Millis kNoFieldExpiry{INT64_MAX};
/// The ids of the pages in which a large hash orders its fields' expiries.
constexpr PageId kDatesFirstId = 1ULL << 47U;

/// Where a member of a large set or hash stands.
std::uint64_t member_hash(Bytes member);

/// What a long string is beside its chunks.
struct StringExtent {
  std::uint64_t bytes = 0;
  std::uint32_t chunk_bytes = kChunkBytes;  ///< of each chunk but the last: at most kChunkBytes
  std::uint64_t chunk_count() const { return (bytes + chunk_bytes - 1) / chunk_bytes; }
  friend bool operator==(const StringExtent&, const StringExtent&) = default;
};

/// What names an entry of a stream, and orders it.
struct StreamId {
  std::uint64_t ms = 0;
  std::uint64_t seq = 0;
  friend auto operator<=>(const StreamId&, const StreamId&) = default;
};

/// What a stream is beside its entries and its groups.
struct StreamExtent {
  StreamId last_id;                 ///< the greatest that any entry ever had
  StreamId max_deleted_id;          ///< the greatest of those that were deleted one by one
  std::uint64_t added_count = 0;    ///< entries that were ever added
  std::uint64_t counted_from = 0;   ///< added_count when it was last without entries
  std::uint64_t next_group = 1;     ///< numbers of groups, consumers and sets of names
  std::uint64_t next_consumer = 1;  ///< are never used twice
  std::uint64_t next_names = 1;
  friend bool operator==(const StreamExtent&, const StreamExtent&) = default;
};

/// What a large object is, as its key's record tells it. Layout: docs/format/store.md.
struct ObjectRoot {
  ObjectId id;
  TreeRoot tree;  ///< of a sorted set: by score
  /// Of a sorted set: by member. Of a hash: the expiries of its fields, if any ever had one. Of a
  /// stream: its groups, and what else it has beside entries.
  std::optional<TreeRoot> index = {};
  std::optional<StringExtent> string = {};  ///< of a string
  std::optional<StreamExtent> stream = {};  ///< of a stream
};

void append_object_root(const ObjectRoot& root, std::string* out);
/// `id`: known from elsewhere. Errors: kCorrupt.
Result<ObjectRoot> decode_object_root(Layout layout, ObjectId id, Bytes encoded);

/// Threads: shard-local, but for the count of its holders and its home.
/// Invariants:
///   I1  A small object has a page and no trees; a large one trees, and an id with a number.
///   I2  No field of a hash expires before field_expiry().
///   I3  A large hash any field of which ever had an expiry has an entry for each of those that do
///       in a tree of its own, by (expiry, hash of the field), and one behind them all: the tree is
///       never empty, so no empty leaf of it is forgotten.
///   I4  Each of a stream's two trees begins with an entry that stands for nothing and never goes,
///       for the same reason: a stream without entries is still there. count() counts it.
class Object {
 public:
  /// Small and empty. Requires: neither kChunks nor kStream.
  static Object* create(Layout layout);
  /// A long string without bytes. `id`: has a number.
  static Object* create_string(ObjectId id, std::uint32_t chunk_bytes = kChunkBytes);
  /// A stream without entries. `id`: has a number.
  static Object* create_stream(ObjectId id, const PageEdit& edit);
  /// As stored. Errors: kCorrupt, if these are no bytes of such an object.
  static Result<Object*> create_small(Layout layout, std::uint8_t traits, Bytes page);
  static Result<Object*> create_large(Layout layout, std::uint8_t traits, const ObjectRoot& root);

  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  // ---- Holders. The last one that drops it destroys it: of a large one it should have called
  // free_some() before.

  void hold() { holders_.fetch_add(1, std::memory_order_relaxed); }
  void drop();
  bool is_held_once() const { return holders_.load(std::memory_order_acquire) == 1; }

  Layout layout() const { return layout_; }
  std::uint64_t count() const;
  bool is_small() const { return trees_ == nullptr; }
  /// What types/ remembers of it, and the store keeps: eight bits of its own meaning.
  std::uint8_t traits() const { return traits_; }
  void set_traits(std::uint8_t traits) { traits_ = traits; }
  /// A lower bound of its fields' expiries, which Dictionary::renew_field_expiry() makes exact;
  /// kNoFieldExpiry: none has one. Stored with the key's record.
  Millis field_expiry() const { return field_expiry_; }
  void set_field_expiry(Millis earliest) { field_expiry_ = earliest; }
  ObjectId id() const { return is_small() ? ObjectId{} : trees_->id; }
  /// The shard that guards it. Changes only with both shards held. Requires: !is_small().
  std::uint32_t home() const { return trees_->home.load(std::memory_order_acquire); }
  void set_home(std::uint32_t shard) { trees_->home.store(shard, std::memory_order_release); }
  /// Of the tables that it lives in: with its id it names its pages in the store. Of a small one
  /// nothing is remembered.
  std::uint64_t generation() const { return is_small() ? 0 : trees_->generation; }
  void set_generation(std::uint64_t generation) {
    if (!is_small()) trees_->generation = generation;
  }
  /// May the store, or the running checkpoint, have pages of it?
  bool is_stored() const { return is_stored_; }
  void set_stored() { is_stored_ = true; }

  // ---- The small form.

  /// Requires: is_small().
  PageView page() const { return PageView(page_.data()); }
  const SharedBytes& page_block() const { return page_; }

  // ---- The large form. Requires: !is_small().

  ObjectRoot root() const;
  /// Of a string.
  const StringExtent& extent() const {
    ASSERT_SLOW(layout_ == Layout::kChunks);
    return trees_->extent;
  }
  CountedTree& tree() const { return layout_ == Layout::kScores ? scores_tree() : *trees_->tree; }
  SortedSet& sorted_set() const { return *trees_->scores; }
  CountedTree& tree_of(PageId id) const {
    if (layout_ == Layout::kScores) return trees_->scores->tree_of(id);
    if (layout_ == Layout::kStream) return id % 2 == 1 ? *trees_->tree : trees_->stream->state;
    return id >= kDatesFirstId && trees_->dates != nullptr ? *trees_->dates : *trees_->tree;
  }
  /// Pages that the checkpoint cutting at `cut_epoch` awaits, up to `count_max`; false once all are
  /// taken. `*cursor` begins as {}.
  struct TakeCursor {
    std::size_t tree = 0;
    std::optional<std::size_t> at;
  };
  bool take_dirty(std::uint32_t cut_epoch, std::size_t count_max, TakeCursor* cursor,
                  std::vector<PageImage>* images);
  void mark_dirty_since(std::uint32_t ingested_epoch);
  /// Evicts clean pages until `bytes` are free or each has been looked at once; says how much went.
  std::size_t evict_some(std::size_t bytes, std::uint32_t ingested_epoch);
  std::size_t resident_page_count() const;
  /// Append cold pages that stand between their user and these elements, up to `count_max`; those
  /// below a cold page are not known before it is there: ask again.
  void missing_for_member(Bytes member, std::vector<MissingPage>* missing) const;
  /// For ScoreSet::put().
  void missing_for_put(Bytes member, double score, std::vector<MissingPage>* missing) const;
  /// To append an entry to a stream, and to find what its field names are called.
  void missing_to_append(std::vector<MissingPage>* missing) const;
  /// Positions as ObjectHandle::at() has them. Requires: first <= last.
  void missing_in(std::uint64_t first, std::uint64_t last, std::size_t count_max,
                  std::vector<MissingPage>* missing) const;
  bool has_dirty_pages() const { return dirty_bytes() != 0; }
  /// Nobody but its last holder uses it any more: frees up to `count_max` pages; true when none is
  /// left.
  bool free_some(std::size_t count_max);

  /// Adds to the totals by what its pages cost more or less than last time, and returns that.
  /// Requires: it was given totals.
  PageTotals account();
  /// Its pages count there from now on, once account() is called; null: nowhere. What they cost
  /// where they counted until now is taken off there. Of a small one nothing counts.
  void set_totals(std::shared_ptr<PageTotals> totals);
  /// What its totals have of it.
  PageTotals accounted() const { return is_small() ? PageTotals{} : trees_->accounted; }
  bool has_totals() const { return !is_small() && trees_->totals != nullptr; }

  /// All that it costs in memory.
  std::size_t bytes() const;
  /// Of pages of a large object that a checkpoint must take. 0 if small.
  std::size_t dirty_bytes() const;

  void verify_invariants() const;

 private:
  friend class ObjectHandle;
  friend class Dictionary;
  friend class ElementPrefetch;
  friend class LongString;
  friend class Stream;
  friend class StreamWalk;
  struct StreamParts {
    CountedTree state;  ///< value/stream.h
    StreamExtent extent;
  };
  /// Of a large object; small ones are many.
  struct Trees {
    std::unique_ptr<CountedTree> tree;
    std::unique_ptr<CountedTree> dates;  ///< I3
    std::unique_ptr<SortedSet> scores;
    ObjectId id;
    std::uint64_t generation = 0;
    std::atomic<std::uint32_t> home{0};
    std::size_t evict_cursors[2] = {};
    std::shared_ptr<PageTotals> totals;
    PageTotals accounted;      ///< what totals has of it
    StringExtent extent = {};  ///< of a string
    std::unique_ptr<StreamParts> stream;
  };

  explicit Object(Layout layout) : layout_(layout) {}
  ~Object() = default;
  bool has_dates() const { return trees_ != nullptr && trees_->dates != nullptr; }
  void verify_dates() const;
  std::size_t tree_count() const;
  CountedTree& tree_number(std::size_t number) const;
  CountedTree& scores_tree() const { return *trees_->scores->trees()[0]; }

  std::atomic<std::uint32_t> holders_{1};
  Layout layout_;
  std::uint8_t traits_ = 0;
  bool is_stored_ = false;
  Millis field_expiry_ = kNoFieldExpiry;
  SharedBytes page_;
  std::unique_ptr<Trees> trees_;
};
static_assert(sizeof(Object) <= 32);  // a small one: its page is another allocation

/// A holder of an Object, or none.
class ObjectRef {
 public:
  ObjectRef() = default;
  /// Takes over one hold.
  explicit ObjectRef(Object* object) : object_(object) {}
  /// One more.
  static ObjectRef of(Object& object) {
    object.hold();
    return ObjectRef(&object);
  }
  ObjectRef(const ObjectRef& other) : object_(other.object_) {
    if (object_ != nullptr) object_->hold();
  }
  ObjectRef(ObjectRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  ObjectRef& operator=(ObjectRef other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~ObjectRef() {
    if (object_ != nullptr) object_->drop();
  }
  explicit operator bool() const { return object_ != nullptr; }
  Object& operator*() const { return *object_; }
  Object* operator->() const { return object_; }
  /// Gives the hold away.
  Object* release() { return std::exchange(object_, nullptr); }

 private:
  Object* object_ = nullptr;
};

/// Goes through elements in their order. Valid until the object is next changed, or another cursor
/// of it moves (which may load pages).
class ElementCursor {
 public:
  bool is_at_end() const { return position_ == count_; }

  // ---- Requires: !is_at_end().

  std::uint64_t position() const { return position_; }
  /// Of a sorted set: score_of_key(). Of a large set or hash: the member's hash.
  std::uint64_t key() const { return in_tree_ ? in_tree_->key().high : page_.key(index_).high; }
  double score() const { return score_of_key(key()); }
  Bytes entry() const { return in_tree_ ? in_tree_->entry() : page_.entry_at(index_, offset_); }
  /// Field and value of a hash.
  PairView pair() const { return split_pair(entry()); }
  /// The block in which entry() lies, for who needs it longer.
  SharedBytes block() const { return in_tree_ ? in_tree_->block() : object_->page_block(); }
  void next() {
    ++position_;
    if (!in_tree_) {
      offset_ += page_.length(index_++);
      return;
    }
    if (is_at_end()) return;
    in_tree_->next();
    if (in_tree_->is_cold()) [[unlikely]]
      enter();
  }
  /// At the first element: to the end.
  void previous();

 private:
  friend class ObjectHandle;
  ElementCursor(Object& object, const ObjectUse& use, std::uint64_t position);
  void enter();

  Object* object_;
  const ObjectUse* use_;
  std::uint64_t position_;
  std::uint64_t count_;
  std::optional<CountedTree::Cursor> in_tree_;
  PageView page_;
  std::size_t index_ = 0;
  std::size_t offset_ = 0;
};

/// What the handles have in common.
class ObjectHandle {
 public:
  /// Borrows both for its life.
  ObjectHandle(Object& object, const ObjectUse& use) : object_(&object), use_(&use) {}
  std::uint64_t count() const { return object_->count(); }
  bool is_empty() const { return count() == 0; }
  Object& object() const { return *object_; }
  /// At the end for count() and beyond.
  ElementCursor at(std::uint64_t position) const { return {*object_, *use_, position}; }

 protected:
  CountedTree& tree() const { return object_->tree(); }
  const PageEdit& edit() const { return use_->edit; }
  Fingers* fingers() const { return use_->edit.fingers; }
  template <typename Ask>
  void need(Ask ask) const {
    while (const std::optional<MissingPage> missing = ask()) use_->source->load(*object_, *missing);
  }
  void need_range(std::uint64_t first, std::uint64_t last) const;
  void need_for_erase(std::uint64_t first, std::uint64_t last) const;

  // Of the small form. Entries' bytes must not lie in the object.
  void insert_in_page(std::size_t index, PageKey key, const Entry& entry);
  void replace_in_page(std::size_t index, const Entry& entry);
  void erase_in_page(std::size_t first, std::size_t count);
  bool has_outgrown_page() const;
  void become_large();
  /// For changes of a small object: its bytes, unshared, with room for `size`.
  char* reserve(std::size_t size);
  void settle_page();

  friend class ElementCursor;
  Object* object_;
  const ObjectUse* use_;
};

/// A list.
class Sequence : public ObjectHandle {
 public:
  Sequence(Object& object, const ObjectUse& use) : ObjectHandle(object, use) {
    ASSERT_SLOW(object.layout() == Layout::kSequence);
  }

  // ---- `entry` must not lie in this object. Cost: O(log n), and what a page's bytes take to move.

  /// Requires: position <= count().
  void insert(std::uint64_t position, Bytes entry);
  void push_back(Bytes entry) { insert(count(), entry); }
  void push_front(Bytes entry) { insert(0, entry); }
  /// Requires: position < count().
  void replace(std::uint64_t position, Bytes entry);
  /// Requires: first <= last <= count().
  void erase(std::uint64_t first, std::uint64_t last);
};

/// A set or a hash.
class Dictionary : public ObjectHandle {
 public:
  Dictionary(Object& object, const ObjectUse& use) : ObjectHandle(object, use) {
    ASSERT_SLOW(object.layout() == Layout::kMembers || object.layout() == Layout::kPairs);
  }

  /// At the end if there is none. Cost: small: linear; large: O(log n).
  ElementCursor find(Bytes member) const;
  bool contains(Bytes member) const;
  /// A field with its value and expiry, borrowed until the next change or look-up.
  std::optional<PairView> pair_of(Bytes field) const;
  std::optional<Bytes> value_of(Bytes field) const {
    const auto pair = pair_of(field);
    return pair ? std::optional(pair->value) : std::nullopt;
  }

  /// Of a set: false if it is there already. New members of a small one go to the end, or before
  /// `small_position` if that is given.
  bool add(Bytes member, std::optional<std::size_t> small_position = std::nullopt);
  /// Of a hash: true if the field is new. A small one's new fields go to the end. `expiry`: 0 for
  /// none; the field loses the one it had.
  bool put(Bytes field, Bytes value, Millis expiry = {});
  bool erase(Bytes member);
  /// Requires: first <= last <= count(); no field has an expiry. Positions as at() counts them.
  void erase_range(std::uint64_t first, std::uint64_t last);

  // ---- Fields that expire, of hashes.

  /// How many expire at `when` or before. Cost: small: linear; large: O(log n).
  std::uint64_t count_expiring(Millis when) const;
  /// Up to `count_max` of them; of a large hash the earliest first. Cost: O(log n) each.
  std::vector<std::string> fields_expiring(Millis when, std::size_t count_max) const;
  /// Makes field_expiry() exact.
  void renew_field_expiry();

  /// The first element whose hash is not below `hash`, for cursors of scans. Requires: large.
  ElementCursor from_hash(std::uint64_t hash) const;

 private:
  friend class ObjectHandle;
  /// Requires: small.
  std::size_t find_in_page(Bytes member) const;
  CountedTree& dates() const { return *object_->trees_->dates; }
  template <typename Ask>
  void need_dates(Ask ask) const;
  void begin_dates();
  void add_date(Millis expiry, Bytes field);
  void erase_date(Millis expiry, Bytes field);
  std::optional<PageKey> date_at(std::uint64_t position) const;
  void add_fields_of(PageKey date, std::vector<std::string>* fields) const;
};

/// A sorted set.
class ScoreSet : public ObjectHandle {
 public:
  ScoreSet(Object& object, const ObjectUse& use) : ObjectHandle(object, use) {
    ASSERT_SLOW(object.layout() == Layout::kScores);
  }

  std::optional<double> score(Bytes member) const;
  /// How many are before it.
  std::optional<std::uint64_t> rank(Bytes member) const;
  /// How many have a lower score, or the same and a smaller member.
  std::uint64_t count_below(double score, Bytes member = {}) const;
  /// How many have at most this score.
  std::uint64_t count_up_to(double score) const;
  /// Requires: `score` is not NaN.
  ScoreChange put(Bytes member, double score);
  bool erase(Bytes member);
  /// By rank. Requires: first <= last <= count(). Cost: O(log n) a member.
  void erase_range(std::uint64_t first, std::uint64_t last);

  // ---- For scans, which must meet a member whatever its score becomes. Requires: large.

  /// How many members have a hash below this one.
  std::uint64_t count_below_hash(std::uint64_t hash) const;
  /// Appends the members at positions [first, last) in order of hash. Requires: first <= last <=
  /// count().
  void in_hash_order(std::uint64_t first, std::uint64_t last, std::vector<HashedScore>* out) const;

 private:
  CountedTree& index() const { return *object_->sorted_set().trees()[1]; }
  std::uint64_t count_below_key(PageKey key, Bytes member) const;
};

}  // namespace diskdb::value
