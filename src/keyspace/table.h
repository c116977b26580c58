// keyspace/table.h — the resident keys of one database in one shard: a linear hash table.
//
// Problem: a table that doubles stalls (or needs two tables at once) and its load swings by a
// factor of two. Linear hashing splits one bucket for every few insertions, in a fixed order, and
// joins one again for deletions: no rehash ever, constant load. Bucket i of n holds the hashes
// whose low bits are i: with L = floor(log2 n), L + 1 bits if that names an existing bucket, else L
// bits. Source: Litwin, VLDB 1980.
//
// A bucket is one cache line: seven slots and an overflow link. A slot is a record's address with
// 16 bits of tag above it, so that a miss rarely touches a record.
//
// SCAN order is the bit-reversed hash: in it every bucket, at any size of the table, is one
// contiguous range, so a cursor (a position in that order) survives growth and shrinking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "keyspace/key.h"
#include "keyspace/record.h"

namespace diskdb::keyspace {

/// Bits of a SCAN position inside a slot.
constexpr unsigned kScanHashBits = 39;

/// Where a hash stands in SCAN order: its kScanHashBits lowest bits, reversed.
std::uint64_t scan_position(std::uint64_t hash);

/// Threads: shard-local.
/// Invariants:
///   I1  count_ records, each in the bucket its hash names, each key once.
///   I2  Slots of a bucket chain are filled without holes.
///   I3  record_bytes_ is the sum of allocated_bytes() of all records.
///   I4  expiring_count_ records have an expiry; their slots, and only theirs, carry the expiry
///   mark. I5  No record expires before earliest_expiry_.
class Table {
 public:
  /// For a shard of `slots_per_shard` cluster slots (a power of two).
  Table(std::uint64_t seed, std::uint32_t slots_per_shard);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table();

  /// A record's place; valid until the table is next changed.
  using Slot = std::uint64_t;

  /// Null if absent.
  Record* find(const Key& key) const {
    Slot* slot = find_slot(key);
    return slot == nullptr ? nullptr : record_in(*slot);
  }
  Slot* find_slot(const Key& key) const;
  static Record* record_in(Slot slot) { return reinterpret_cast<Record*>(slot & kAddressMask); }

  /// Requires: no record has this key. Owns `record`, whose key is `key`, from now on.
  void insert(const Key& key, Record* record);
  /// `slot` now holds `record`, which grew out of the record there; `bytes_before` was its cost
  /// before the edit, `had_expiry` whether it had one.
  void replace(Slot* slot, Record* record, std::size_t bytes_before, bool had_expiry);
  /// Takes the record out and hands it to the caller. Requires: `slot` came from find_slot(key).
  Record* extract(const Key& key, Slot* slot);
  void erase(const Key& key, Slot* slot) { Record::destroy(extract(key, slot)); }

  std::size_t count() const { return count_; }
  std::size_t expiring_count() const { return expiring_count_; }
  std::size_t count_of_slot(std::uint32_t slot) const {
    return slot_counts_[slot & (slot_counts_.size() - 1)];
  }
  Millis earliest_expiry() const { return earliest_expiry_; }
  /// All that this table and its records cost.
  std::size_t allocated_bytes() const;

  /// Starts loading the first bucket, or the records it may name, into the cache.
  void prefetch_bucket(const Key& key) const;
  void prefetch_record(const Key& key) const;

  /// Calls visit(record) for the records of cluster slot `slot` in one bucket, that of SCAN
  /// position `position`, which stand at or behind it. Returns the position to go on from, or
  /// kScanEnd. `visit` must not change the table.
  template <typename Visit>
  std::uint64_t scan_step(std::uint32_t slot, std::uint64_t position, Visit visit) const;
  static constexpr std::uint64_t kScanEnd = 1ULL << kScanHashBits;

  /// Calls visit(record) for each record. `visit` must not change the table.
  template <typename Visit>
  void for_each(Visit visit) const;

  /// Looks for expired records from bucket `*cursor` on, `buckets_max` at most, advancing `*cursor`
  /// (0 again at the end). Appends them to `expired`, borrowed; the caller erases them. A sweep
  /// from 0 to the end without gap renews earliest_expiry(), whatever else happens to the table
  /// meanwhile.
  void find_expired(std::size_t* cursor, std::size_t buckets_max, Millis now,
                    std::vector<const Record*>* expired);
  /// A random record. Requires: count() > 0. `random`: uniform 64 bits.
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
  static constexpr Slot kAddressMask = (1ULL << kTagShift) - 1;
  static constexpr Slot kExpiryMark = 1ULL << 63;

  struct alignas(64) Bucket {
    Slot slots[kSlotsPerBucket] = {};
    Bucket* overflow = nullptr;
  };
  struct Segment {
    Bucket buckets[kBucketsPerSegment];
  };

  static Slot tag_of(const Key& key) {
    // 15 bits: the slot's low 4, for SCAN of one slot, and the hash's high 11.
    return ((static_cast<Slot>(key.slot & 15) << 11) | (key.hash >> 53)) << kTagShift;
  }
  std::size_t bucket_index(std::uint64_t hash) const;
  unsigned bucket_depth(std::size_t index) const;
  Bucket& bucket(std::size_t index) const {
    return segments_[index / kBucketsPerSegment]->buckets[index % kBucketsPerSegment];
  }
  Key key_of(const Record* record) const { return make_key(record->key(), seed_); }
  void put(Bucket& first, Slot slot);
  void remove_hole(Bucket& first, Slot* hole);
  void split_one();
  void join_one();
  void note_expiry(const Record* record);

  std::vector<std::unique_ptr<Segment>> segments_;
  std::size_t bucket_count_ = 1;
  std::size_t low_mask_ = 0;  ///< 2^L - 1
  std::size_t count_ = 0;
  std::size_t record_bytes_ = 0;
  std::size_t overflow_count_ = 0;
  std::size_t expiring_count_ = 0;
  Millis earliest_expiry_{INT64_MAX};
  Millis sweep_earliest_{INT64_MAX};  ///< of the buckets before sweep_next_
  std::size_t sweep_next_ = 0;        ///< where the sweep goes on that will renew earliest_expiry_
  std::vector<std::uint32_t> slot_counts_;  ///< records by cluster slot
  std::uint64_t seed_;
};

template <typename Visit>
std::uint64_t Table::scan_step(std::uint32_t slot_wanted, std::uint64_t position,
                               Visit visit) const {
  if (count_ == 0) return kScanEnd;
  const std::size_t index = bucket_index(scan_position(position));
  for (const Bucket* b = &bucket(index); b != nullptr; b = b->overflow) {
    for (const Slot slot : b->slots) {
      if (slot == 0) break;
      if (((slot >> kTagSlotShift) & 15) != (slot_wanted & 15)) continue;
      const Record* record = record_in(slot);
      if (slot_counts_.size() > 16 && slot_of(record->key()) != slot_wanted) continue;
      if (scan_position(hash_of(record->key(), seed_)) >= position) visit(record);
    }
  }
  const unsigned tail_bits = kScanHashBits - bucket_depth(index);
  return ((position >> tail_bits) + 1) << tail_bits;
}

template <typename Visit>
void Table::for_each(Visit visit) const {
  for (std::size_t i = 0; i < bucket_count_ && !segments_.empty(); ++i) {
    for (const Bucket* b = &bucket(i); b != nullptr; b = b->overflow) {
      for (const Slot slot : b->slots) {
        if (slot == 0) break;
        visit(record_in(slot));
      }
    }
  }
}

}  // namespace diskdb::keyspace
