// keyspace/table.h — the resident keys of one database in one shard: a linear hash table.
//
// Problem: a table that doubles stalls (or needs two tables at once) and its load swings by a
// factor of two. Linear hashing splits one bucket for every few insertions, in a fixed order, and
// joins one again for deletions: no rehash ever, constant load. Bucket i of n holds the hashes
// whose low bits are i: with L = floor(log2 n), L + 1 bits if that names an existing bucket, else L
// bits. Source: Litwin, VLDB 1980.
//
// A bucket is one cache line: seven slots and an overflow link. A slot is a record's address with
// 16 bits of tag above it, so that a miss rarely touches a record, and two marks below it: whether
// the next checkpoint must take the entry, and whether it is a tombstone. Walks over what a
// checkpoint needs, or an eviction may free, touch records of interest only.
//
// With a store behind it the table holds some of its database's keys; the others, known by number
// only, are cold: in the store, and nowhere else. A key without an entry here is cold or absent.
//
// SCAN order is the bit-reversed hash: in it every bucket, at any size of the table, is one
// contiguous range, so a cursor (a position in that order) survives growth and shrinking.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "keyspace/handed_over.h"
#include "keyspace/image.h"
#include "keyspace/key.h"
#include "keyspace/load.h"
#include "keyspace/record.h"
#include "store/format.h"

namespace diskdb::keyspace {

/// Bits of a SCAN position inside a slot.
constexpr unsigned kScanHashBits = 39;

/// Where a hash stands in SCAN order: its kScanHashBits lowest bits, reversed.
std::uint64_t scan_position(std::uint64_t hash);

/// Where a key stands in SCAN order of all slots: below 2^53.
std::uint64_t scan_order(const Key& key);

/// Cluster slots of one shard.
struct SlotRange {
  std::uint32_t first;
  std::uint32_t count;
};

/// Threads: shard-local.
/// Invariants:
///   I1  count_ live records and gone_count_ tombstones, each in the bucket its hash names, each
///   key
///       once.
///   I2  Slots of a bucket chain are filled without holes.
///   I3  record_bytes_ is the sum of allocated_bytes() of all records, dirty_bytes_ that of those
///       whose slots carry the dirty mark.
///   I4  expiring_count_ live records have an expiry; their slots, and only theirs, carry the
///   expiry
///       mark. Likewise dated_count_ ones may have fields with an expiry.
///   I5  No live record is due before earliest_due_.
///   I6  slot_counts_ say how many keys there are by cluster slot, cold ones too: their sums are
///       key_count() and expiring_key_count().
class alignas(64) Table {
 public:
  /// For a shard of `slots_per_shard` cluster slots (a power of two).
  Table(std::uint64_t seed, std::uint32_t slots_per_shard, store::Generation generation = 0);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table();
  /// Frees `*count` records, or a few more, and counts them down to 0; true once none is left. For
  /// a table that nobody uses any more: from then on it may only be asked for this, and destroyed.
  bool free_some(std::size_t* count);

  /// A record's place; valid until entries move, that is as long as move_count() stays.
  using Slot = std::uint64_t;
  std::size_t move_count() const { return move_count_; }

  /// Null if there is no live record.
  Record* find(const Key& key) const {
    Slot* slot = find_slot(key);
    return slot == nullptr || is_gone(*slot) ? nullptr : record_in(*slot);
  }
  /// The entry of the key, live or a tombstone.
  Slot* find_slot(const Key& key) const;
  static Record* record_in(Slot slot) { return reinterpret_cast<Record*>(slot & kAddressMask); }
  static bool is_gone(Slot slot) { return (slot & kGoneMark) != 0; }
  /// Must the next checkpoint, or the running one, take the entry?
  static bool is_dirty(Slot slot) { return (slot & kDirtyMark) != 0; }
  /// Has the live record an expiry? Without touching it.
  static bool is_expiring(Slot slot) { return (slot & kExpiryMark) != 0; }
  /// May it have fields with an expiry?
  static bool is_dated(Slot slot) { return (slot & kDatedMark) != 0; }

  // ---- Changes. New and changed entries are dirty; what a checkpoint may know of a key before it
  // changes is prepare_change()'s business.

  /// The entry is about to change or die: from now on it is dirty. Keeps what stays true of the
  /// store: that the key may be stored, and the expiry entries the store may have for it. If the
  /// checkpoint that cuts at `cut_epoch` (0: none is walking) has yet to take the entry, its image
  /// is handed over first. `ingested_epoch`: of the last checkpoint in the store.
  /// May move the record, so `*slot` changes.
  void prepare_change(const Key& key, Slot* slot, std::uint32_t cut_epoch,
                      std::uint32_t ingested_epoch) {
    const bool is_awaited = cut_epoch != 0 && record_in(*slot)->epoch() <= cut_epoch;
    if (is_dirty(*slot) && !is_awaited) [[likely]]
      return;
    remember_stored(key, slot, cut_epoch, ingested_epoch);
  }
  /// A new key. Requires: there is no entry, and the key is not cold. Owns `record`, whose key is
  /// `key`, from now on.
  void insert(const Key& key, Record* record);
  /// What a record was before its change, for replace().
  struct Before {
    std::size_t bytes;
    bool had_expiry;
    bool was_gone;
  };
  static Before before(Slot slot) {
    const Record* record = record_in(slot);
    return {record->allocated_bytes(), record->has_expiry() && !is_gone(slot), is_gone(slot)};
  }
  /// `slot` now holds `record`, live, which grew out of the record there.
  void replace(const Key& key, Slot* slot, Record* record, const Before& before);
  /// Takes a live record out and hands it to the caller. Requires: `slot` came from find_slot(key);
  /// the store cannot have the key.
  Record* extract(const Key& key, Slot* slot);
  /// The key is deleted: leaves a tombstone if the store may have it, else nothing. Requires:
  /// prepare_change(), and the entry is live.
  void erase(const Key& key, Slot* slot, std::uint32_t epoch);

  // ---- What moves between memory and the store.

  /// The key has come from the store, clean. Requires: it is cold. Owns `record`.
  void install(const Key& key, Record* record);
  /// Drops a clean live record, which is in the store: the key is cold from now on.
  void evict(const Key& key, Slot* slot);
  /// A cold key is deleted unread: a dirty tombstone. `expiry`: the one it has in the store.
  void erase_cold(const Key& key, std::optional<Millis> expiry, std::uint32_t epoch);
  /// The checkpoint has taken the entry's image.
  void mark_taken(Slot* slot);
  // Steps of walks in scan order, one bucket each, as scan_step.
  /// A checkpoint came to nothing: entries younger than `ingested_epoch` are dirty (again).
  std::uint64_t mark_dirty_since(std::uint32_t ingested_epoch, SlotRange slots,
                                 std::uint64_t position);
  /// Removes tombstones that the store has obeyed.
  std::uint64_t drop_tombstones(std::uint32_t ingested_epoch, SlotRange slots,
                                std::uint64_t position);
  /// Appends images of entries that changed before the running checkpoint came to them: those
  /// before `order_end` in scan order, which are forgotten here.
  void take_handed_over(std::uint64_t order_end, std::vector<OrderedImage>* out) {
    handed_over_.take(order_end, out);
  }
  /// Keys being loaded, or kept in memory for who waits for them.
  Loads& loads() { return loads_; }
  const Loads& loads() const { return loads_; }
  /// At the start: what the marker says of a cluster slot.
  void add_cold(const store::SlotCount& count);

  store::Generation generation() const { return generation_; }
  /// All keys, cold ones too.
  std::size_t key_count() const { return count_ + cold_count_; }
  std::size_t expiring_key_count() const { return expiring_count_ + cold_expiring_count_; }
  std::size_t cold_count() const { return cold_count_; }
  std::size_t cold_expiring_count() const { return cold_expiring_count_; }
  std::size_t gone_count() const { return gone_count_; }
  std::size_t dirty_bytes() const { return dirty_bytes_; }
  /// Of records that no checkpoint must take any more: in the store, or on their way to it.
  std::size_t clean_bytes() const { return record_bytes_ - dirty_bytes_; }
  /// Live records in memory, and those of them with an expiry.
  std::size_t count() const { return count_; }
  std::size_t expiring_count() const { return expiring_count_; }
  /// Keys of a cluster slot, cold ones too.
  std::size_t count_of_slot(std::uint32_t slot) const {
    return slot_counts_[slot & (slot_counts_.size() - 1)].keys;
  }
  std::size_t expiring_count_of_slot(std::uint32_t slot) const {
    return slot_counts_[slot & (slot_counts_.size() - 1)].expiring;
  }
  /// Has something in memory expired, or may it have?
  bool is_due(Millis now) const {
    return expiring_count_ + dated_count_ > 0 && earliest_due_ <= now;
  }
  /// All that this table and its records cost; pages of large objects are page_totals().
  std::size_t allocated_bytes() const;
  /// Of the former, what finds the records: buckets, and the list of them.
  std::size_t index_bytes() const;
  /// Made when it is first asked for.
  const std::shared_ptr<value::PageTotals>& page_totals();
  bool may_have_cold_pages() const { return pages_ != nullptr && pages_->may_be_cold; }
  value::PageTotals pages() const { return pages_ == nullptr ? value::PageTotals{} : *pages_; }

  /// Starts loading the first bucket into the cache.
  void prefetch_bucket(const Key& key) const;
  /// Starts loading the record that the first bucket names, and returns it, untouched: a guess,
  /// seldom it is another key's, or a tombstone. Null: it names none. `bytes`, not 0: of the
  /// record, a guess.
  const Record* prefetch_record(const Key& key, std::size_t bytes) const;
  /// What changes count.
  void prefetch_counts() const { __builtin_prefetch(&record_bytes_, 1); }

  /// Calls visit(record) for the live records of cluster slot `slot` in one bucket, that of SCAN
  /// position `position`, which stand at or behind it. Returns the position to go on from, or
  /// kScanEnd. `visit` must not change the table.
  template <typename Visit>
  std::uint64_t scan_step(std::uint32_t slot, std::uint64_t position, Visit visit) const;
  /// The same for several cluster slots at once, and all entries whose slots have a bit of `marks`
  /// set, or all if there is none: visit(slot, scan order). `visit` may change marks only.
  template <typename Visit>
  std::uint64_t scan_slots(SlotRange slots, std::uint64_t position, Slot marks, Visit visit) const;
  /// Starts loading the records that scan_slots() would visit in the next `bucket_count` steps.
  void prefetch_slots(SlotRange slots, std::uint64_t position, Slot marks,
                      std::size_t bucket_count) const;
  static constexpr Slot kDirtyMark = 1;
  static constexpr Slot kGoneMark = 2;
  static constexpr Slot kDatedMark = 4;
  static constexpr std::uint64_t kScanEnd = 1ULL << kScanHashBits;

  /// Calls visit(record) for each live record. `visit` must not change the table.
  template <typename Visit>
  void for_each(Visit visit) const;
  /// Calls visit(slot) for each entry of buckets [*bucket, *bucket + count), and advances
  /// `*bucket`. False at the end of the table. `visit` may change marks only.
  template <typename Visit>
  bool for_buckets(std::size_t* bucket, std::size_t count, Visit visit) const;

  /// Looks for records that are due from bucket `*cursor` on, `buckets_max` at most, advancing
  /// `*cursor` (0 again at the end). Appends them to `due`, borrowed; the caller erases them,
  /// changes them, or calls note_due(). A sweep from 0 to the end without gap renews what is_due()
  /// knows, whatever else happens to the table meanwhile.
  void find_due(std::size_t* cursor, std::size_t buckets_max, Millis now,
                std::vector<const Record*>* due);
  /// A live record may be due, and stays so.
  void note_due(const Record* record);
  /// A random live record. Requires: count() > 0. `random`: uniform 64 bits.
  const Record* random_record(std::uint64_t random) const;

  std::size_t bucket_count() const { return bucket_count_; }
  void verify_invariants() const;

 private:
  static constexpr std::size_t kSlotsPerBucket = 7;
  static constexpr std::size_t kBucketsPerSegment = 16;
  static constexpr std::size_t kLoadMax = 5;  ///< records per bucket at which one is split
  static constexpr std::size_t kLoadMin = 2;  ///< and below which two are joined
  static constexpr unsigned kTagShift = 48;
  static constexpr unsigned kTagSlotShift = 59;
  static constexpr Slot kMarks = 7;  ///< records are aligned to 8 bytes
  static constexpr Slot kAddressMask = ((1ULL << kTagShift) - 1) & ~kMarks;
  static constexpr Slot kExpiryMark = 1ULL << 63;
  static constexpr Slot kTagMask = ~((1ULL << kTagShift) - 1) & ~kExpiryMark;

  struct alignas(64) Bucket {
    Slot slots[kSlotsPerBucket] = {};
    Bucket* overflow = nullptr;
  };
  using Segment = std::unique_ptr<Bucket[]>;

  static Slot tag_of(const Key& key) {
    // 15 bits: the slot's low 4, for SCAN of one slot, and the hash's high 11.
    return ((static_cast<Slot>(key.slot & 15) << 11) | (key.hash >> 53)) << kTagShift;
  }
  /// How far the entry's cluster slot is behind the first of `slots`, modulo 16: what its tag
  /// knows.
  static std::uint32_t offset_of(Slot entry, SlotRange slots) {
    return static_cast<std::uint32_t>((entry >> kTagSlotShift) - slots.first) & 15;
  }
  static bool may_be_of(Slot entry, SlotRange slots) {
    return offset_of(entry, slots) < slots.count;
  }
  std::size_t bucket_index(std::uint64_t hash) const;
  unsigned bucket_depth(std::size_t index) const;
  /// Where the scan goes on behind the bucket `index`, that of `position`.
  std::uint64_t scan_position_behind(std::size_t index, std::uint64_t position) const {
    const unsigned tail_bits = kScanHashBits - bucket_depth(index);
    return ((position >> tail_bits) + 1) << tail_bits;
  }
  Bucket& bucket(std::size_t index) const {
    return segments_[index / kBucketsPerSegment][index % kBucketsPerSegment];
  }
  Key key_of(const Record* record) const { return make_key(record->key(), seed_); }
  struct SlotTotals {
    std::uint32_t keys = 0;
    std::uint32_t expiring = 0;
  };
  void remember_stored(const Key& key, Slot* slot, std::uint32_t cut_epoch,
                       std::uint32_t ingested_epoch);
  SlotTotals& totals_of(const Key& key) {
    return slot_counts_[key.slot & (slot_counts_.size() - 1)];
  }
  /// Adds an entry with these marks.
  void add(const Key& key, Record* record, Slot marks);
  /// Takes an entry out, live or not; the totals of keys stay.
  Record* take_out(const Key& key, Slot* slot);
  void put(Bucket& first, Slot slot);
  void remove_hole(Bucket& first, Slot* hole);
  void split_one();
  void join_one();
  void make_room_for_bucket(std::size_t index);

  // The first cache line is what look-ups need, the second what changes count.
  std::vector<Segment> segments_;
  std::size_t bucket_count_ = 1;
  std::size_t low_mask_ = 0;  ///< 2^L - 1
  std::size_t cold_count_ = 0;
  std::shared_ptr<value::PageTotals> pages_;

  std::size_t record_bytes_ = 0;
  std::size_t dirty_bytes_ = 0;
  std::size_t allocated_buckets_ = 0;  ///< in segments and overflowing
  std::size_t move_count_ = 0;
  HandedOver handed_over_;

  std::size_t first_capacity_ = 0;  ///< buckets in the first segment; all others have the most
  std::size_t count_ = 0;
  std::size_t gone_count_ = 0;
  std::size_t cold_expiring_count_ = 0;
  std::size_t expiring_count_ = 0;
  std::size_t dated_count_ = 0;
  Millis earliest_due_{INT64_MAX};
  Millis sweep_earliest_{INT64_MAX};  ///< of the buckets before sweep_next_
  std::size_t sweep_next_ = 0;        ///< where the sweep goes on that will renew earliest_due_
  std::vector<SlotTotals> slot_counts_;
  Loads loads_;
  std::uint64_t seed_;
  store::Generation generation_;
};

template <typename Visit>
std::uint64_t Table::scan_slots(SlotRange slots, std::uint64_t position, Slot marks,
                                Visit visit) const {
  if (segments_.empty()) return kScanEnd;
  const std::size_t index = bucket_index(scan_position(position));
  for (Bucket* b = &bucket(index); b != nullptr; b = b->overflow) {
    for (Slot& entry : b->slots) {
      if (entry == 0) break;
      if ((marks != 0 && (entry & marks) == 0) || !may_be_of(entry, slots)) continue;
      const Record* record = record_in(entry);
      const std::uint32_t slot = slot_counts_.size() <= 16 ? slots.first + offset_of(entry, slots)
                                                           : slot_of(record->key());
      if (slot - slots.first >= slots.count) continue;
      const std::uint64_t at = scan_position(hash_of(record->key(), seed_));
      if (at >= position) visit(entry, (static_cast<std::uint64_t>(slot) << kScanHashBits) | at);
    }
  }
  return scan_position_behind(index, position);
}

template <typename Visit>
std::uint64_t Table::scan_step(std::uint32_t slot_wanted, std::uint64_t position,
                               Visit visit) const {
  return scan_slots({slot_wanted, 1}, position, 0, [&](const Slot slot, std::uint64_t) {
    if (is_gone(slot)) return;
    const Record* record = record_in(slot);
    visit(record);
  });
}

template <typename Visit>
bool Table::for_buckets(std::size_t* bucket_at, std::size_t count, Visit visit) const {
  if (segments_.empty()) return false;
  const std::size_t end = std::min(bucket_count_, *bucket_at + count);
  for (; *bucket_at < end; ++*bucket_at) {
    for (Bucket* b = &bucket(*bucket_at); b != nullptr; b = b->overflow) {
      for (Slot& slot : b->slots) {
        if (slot == 0) break;
        visit(slot);
      }
    }
  }
  return *bucket_at < bucket_count_;
}

template <typename Visit>
void Table::for_each(Visit visit) const {
  std::size_t bucket_at = 0;
  for_buckets(&bucket_at, bucket_count_, [&](const Slot slot) {
    if (is_gone(slot)) return;
    const Record* record = record_in(slot);
    visit(record);
  });
}

}  // namespace diskdb::keyspace
