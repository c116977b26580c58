#include "keyspace/table.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"

namespace diskdb::keyspace {

std::uint64_t scan_position(std::uint64_t hash) {
  std::uint64_t x = __builtin_bswap64(hash);
  x = ((x >> 4) & 0x0F0F0F0F0F0F0F0FULL) | ((x & 0x0F0F0F0F0F0F0F0FULL) << 4);
  x = ((x >> 2) & 0x3333333333333333ULL) | ((x & 0x3333333333333333ULL) << 2);
  x = ((x >> 1) & 0x5555555555555555ULL) | ((x & 0x5555555555555555ULL) << 1);
  return x >> (64 - kScanHashBits);
}

Table::Table(std::uint64_t seed, std::uint32_t slots_per_shard)
    : slot_counts_(slots_per_shard), seed_(seed) {}

Table::~Table() {
  for (std::size_t i = 0; i < bucket_count_ && !segments_.empty(); ++i) {
    Bucket* b = &bucket(i);
    for (bool is_first = true; b != nullptr; is_first = false) {
      for (const Slot slot : b->slots) {
        if (slot == 0) break;
        Record::destroy(record_in(slot));
      }
      Bucket* next = b->overflow;
      if (!is_first) delete b;
      b = next;
    }
  }
}

std::size_t Table::bucket_index(std::uint64_t hash) const {
  const std::size_t index = hash & (low_mask_ * 2 + 1);
  return index < bucket_count_ ? index : hash & low_mask_;
}

unsigned Table::bucket_depth(std::size_t index) const {
  const auto low_bits = static_cast<unsigned>(std::popcount(low_mask_));
  const bool is_split = index > low_mask_ || (index | (low_mask_ + 1)) < bucket_count_;
  return is_split ? low_bits + 1 : low_bits;
}

Table::Slot* Table::find_slot(const Key& key) const {
  if (count_ == 0) return nullptr;
  const Slot tag = tag_of(key);
  for (Bucket* b = &bucket(bucket_index(key.hash)); b != nullptr; b = b->overflow) {
    for (Slot& slot : b->slots) {
      if (slot == 0) return nullptr;  // I2
      if ((slot & ~(kExpiryMark | kAddressMask)) == tag && record_in(slot)->has_key(key.bytes)) {
        return &slot;
      }
    }
  }
  return nullptr;
}

void Table::prefetch_bucket(const Key& key) const {
  if (count_ != 0) __builtin_prefetch(&bucket(bucket_index(key.hash)));
}

void Table::prefetch_record(const Key& key) const {
  if (count_ == 0) return;
  const Slot tag = tag_of(key);
  for (const Slot slot : bucket(bucket_index(key.hash)).slots) {
    if ((slot & ~(kExpiryMark | kAddressMask)) == tag) {
      __builtin_prefetch(record_in(slot));
      __builtin_prefetch(reinterpret_cast<const char*>(record_in(slot)) + 64);
      return;
    }
  }
}

void Table::put(Bucket& first, Slot slot) {
  for (Bucket* b = &first;; b = b->overflow) {
    for (Slot& free : b->slots) {
      if (free != 0) continue;
      free = slot;
      return;
    }
    if (b->overflow == nullptr) {
      b->overflow = new Bucket();
      ++overflow_count_;
    }
  }
}

// The chain's last slot moves into the hole (I2); an overflow bucket that becomes empty goes.
void Table::remove_hole(Bucket& first, Slot* hole) {
  Bucket* before = nullptr;
  Bucket* last = &first;
  while (last->overflow != nullptr) {
    before = last;
    last = last->overflow;
  }
  std::size_t i = kSlotsPerBucket;
  while (last->slots[i - 1] == 0) --i;
  *hole = last->slots[i - 1];
  last->slots[i - 1] = 0;
  if (i == 1 && before != nullptr) {
    before->overflow = nullptr;
    delete last;
    --overflow_count_;
  }
}

void Table::note_expiry(const Record* record) {
  earliest_expiry_ = std::min(earliest_expiry_, record->expiry());
  sweep_earliest_ = std::min(sweep_earliest_, record->expiry());
}

void Table::insert(const Key& key, Record* record) {
  ASSERT_SLOW(find_slot(key) == nullptr);
  if (segments_.empty()) segments_.push_back(std::make_unique<Segment>());
  Slot slot = tag_of(key) | reinterpret_cast<Slot>(record);
  if (record->has_expiry()) {
    slot |= kExpiryMark;
    ++expiring_count_;
    note_expiry(record);
  }
  put(bucket(bucket_index(key.hash)), slot);
  ++count_;
  ++slot_counts_[key.slot & (slot_counts_.size() - 1)];
  record_bytes_ += record->allocated_bytes();
  if (count_ > bucket_count_ * kLoadMax) split_one();
}

void Table::replace(Slot* slot, Record* record, std::size_t bytes_before, bool had_expiry) {
  record_bytes_ = record_bytes_ - bytes_before + record->allocated_bytes();
  Slot fresh = (*slot & ~(kAddressMask | kExpiryMark)) | reinterpret_cast<Slot>(record);
  if (had_expiry) --expiring_count_;
  if (record->has_expiry()) {
    fresh |= kExpiryMark;
    ++expiring_count_;
    note_expiry(record);
  }
  *slot = fresh;
}

Record* Table::extract(const Key& key, Slot* slot) {
  Record* record = record_in(*slot);
  if (record->has_expiry()) --expiring_count_;
  record_bytes_ -= record->allocated_bytes();
  --count_;
  --slot_counts_[key.slot & (slot_counts_.size() - 1)];
  remove_hole(bucket(bucket_index(key.hash)), slot);
  if (bucket_count_ > 1 && count_ < bucket_count_ * kLoadMin) join_one();
  if (expiring_count_ == 0) earliest_expiry_ = {INT64_MAX};
  return record;
}

// Bucket s = n - 2^L gives those of its records whose bit L is set to the new bucket n.
void Table::split_one() {
  const std::size_t fresh = bucket_count_;
  if (fresh == low_mask_ * 2 + 2) low_mask_ = low_mask_ * 2 + 1;
  const std::size_t old = fresh - (low_mask_ + 1);
  if (fresh % kBucketsPerSegment == 0) segments_.push_back(std::make_unique<Segment>());
  ++bucket_count_;

  Bucket& from = bucket(old);
  for (const Bucket* b = &from; b != nullptr; b = b->overflow) {
    for (const Slot slot : b->slots) __builtin_prefetch(record_in(slot));
  }
  Bucket* chain = std::exchange(from.overflow, nullptr);
  Bucket first = std::exchange(from, Bucket{});
  first.overflow = chain;
  const std::uint64_t bit = low_mask_ + 1;
  for (Bucket* b = &first; b != nullptr;) {
    for (const Slot slot : b->slots) {
      if (slot == 0) break;
      const std::uint64_t hash = hash_of(record_in(slot)->key(), seed_);
      put((hash & bit) != 0 ? bucket(fresh) : from, slot);
    }
    Bucket* next = b->overflow;
    if (b != &first) {
      delete b;
      --overflow_count_;
    }
    b = next;
  }
}

// The reverse: the last bucket's records return to where they came from.
void Table::join_one() {
  const std::size_t last = bucket_count_ - 1;
  const std::size_t into = last - (low_mask_ + 1);
  Bucket* b = &bucket(last);
  for (bool is_first = true; b != nullptr; is_first = false) {
    for (Slot& slot : b->slots) {
      if (slot == 0) break;
      put(bucket(into), slot);
      // A sweep in progress may have passed `into` already.
      if ((slot & kExpiryMark) != 0) note_expiry(record_in(slot));
      slot = 0;
    }
    Bucket* next = std::exchange(b->overflow, nullptr);
    if (!is_first) {
      delete b;
      --overflow_count_;
    }
    b = next;
  }
  --bucket_count_;
  if (bucket_count_ % kBucketsPerSegment == 0) segments_.pop_back();
  if (bucket_count_ == low_mask_ + 1 && low_mask_ > 0) low_mask_ /= 2;
}

std::size_t Table::allocated_bytes() const {
  return record_bytes_ + segments_.size() * sizeof(Segment) + overflow_count_ * sizeof(Bucket);
}

void Table::find_expired(std::size_t* cursor, std::size_t buckets_max, Millis now,
                         std::vector<const Record*>* expired) {
  if (segments_.empty()) {
    *cursor = 0;
    return;
  }
  if (*cursor == 0) {
    sweep_earliest_ = {INT64_MAX};
    sweep_next_ = 0;
  }
  // Not so after SWAPDB, say: then the buckets before the cursor have been looked at in another
  // table.
  const bool is_whole = *cursor == sweep_next_;
  for (; buckets_max > 0 && *cursor < bucket_count_; --buckets_max, ++*cursor) {
    for (const Bucket* b = &bucket(*cursor); b != nullptr; b = b->overflow) {
      for (const Slot slot : b->slots) {
        if ((slot & kExpiryMark) == 0) continue;
        const Record* record = record_in(slot);
        if (record->expiry() <= now) {
          expired->push_back(record);
        } else {
          sweep_earliest_ = std::min(sweep_earliest_, record->expiry());
        }
      }
    }
  }
  if (*cursor >= bucket_count_) {
    *cursor = 0;
    if (is_whole) earliest_expiry_ = sweep_earliest_;
  } else if (is_whole) {
    sweep_next_ = *cursor;
  }
}

const Record* Table::random_record(std::uint64_t random) const {
  ASSERT(count_ > 0);
  // Buckets are about equally full: from a random one on, the first that has a record, and one of
  // those.
  std::size_t index = (random >> 8) % bucket_count_;
  while (bucket(index).slots[0] == 0) index = (index + 1) % bucket_count_;
  std::size_t chain_count = 0;
  for (const Bucket* b = &bucket(index); b != nullptr; b = b->overflow) {
    for (const Slot slot : b->slots) chain_count += slot != 0 ? 1 : 0;
  }
  std::size_t pick = (random & 0xFF) % chain_count;
  const Bucket* b = &bucket(index);
  for (; pick >= kSlotsPerBucket; pick -= kSlotsPerBucket) b = b->overflow;
  return record_in(b->slots[pick]);
}

void Table::verify_invariants() const {
  std::size_t count = 0;
  std::size_t bytes = 0;
  std::size_t expiring = 0;
  std::size_t overflows = 0;
  std::vector<std::uint32_t> by_slot(slot_counts_.size());
  for (std::size_t i = 0; i < bucket_count_ && !segments_.empty(); ++i) {
    bool has_ended = false;
    for (const Bucket* b = &bucket(i); b != nullptr; b = b->overflow) {
      if (b != &bucket(i)) {
        ++overflows;
        ASSERT(b->slots[0] != 0);
      }
      for (const Slot slot : b->slots) {
        if (slot == 0) has_ended = true;
        if (slot == 0) continue;
        ASSERT(!has_ended);  // I2
        const Record* record = record_in(slot);
        const Key key = key_of(record);
        ASSERT(bucket_index(key.hash) == i);                                     // I1
        ASSERT(Table::record_in(*find_slot(key)) == record);                     // I1
        ASSERT(((slot & kExpiryMark) != 0) == record->has_expiry());             // I4
        if (record->has_expiry()) ASSERT(record->expiry() >= earliest_expiry_);  // I5
        expiring += record->has_expiry() ? 1 : 0;
        bytes += record->allocated_bytes();
        ++by_slot[key.slot & (by_slot.size() - 1)];
        ++count;
      }
    }
  }
  ASSERT(count == count_);              // I1
  ASSERT(bytes == record_bytes_);       // I3
  ASSERT(expiring == expiring_count_);  // I4
  ASSERT(overflows == overflow_count_);
  ASSERT(by_slot == slot_counts_);
}

}  // namespace diskdb::keyspace
