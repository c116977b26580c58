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

std::uint64_t scan_order(const Key& key) {
  return (static_cast<std::uint64_t>(key.slot) << kScanHashBits) | scan_position(key.hash);
}

Table::Table(std::uint64_t seed, std::uint32_t slots_per_shard, store::Generation generation)
    : slot_counts_(slots_per_shard), seed_(seed), generation_(generation) {}

Table::~Table() {
  std::size_t all = SIZE_MAX;
  free_some(&all);
}

bool Table::free_some(std::size_t* count) {
  while (bucket_count_ != 0 && !segments_.empty()) {
    if (*count == 0) return false;
    --bucket_count_;
    Bucket* first = &bucket(bucket_count_);
    for (Bucket* b = first; b != nullptr;) {
      for (const Slot slot : b->slots) __builtin_prefetch(record_in(slot));
      for (const Slot slot : b->slots) {
        if (slot == 0) break;
        Record::destroy(record_in(slot));
        if (*count != 0) --*count;
      }
      Bucket* next = b->overflow;
      if (b != first) delete b;
      b = next;
    }
  }
  return true;
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
  if (segments_.empty()) return nullptr;
  const Slot tag = tag_of(key);
  for (Bucket* b = &bucket(bucket_index(key.hash)); b != nullptr; b = b->overflow) {
    for (Slot& slot : b->slots) {
      if (slot == 0) return nullptr;  // I2
      if ((slot & kTagMask) == tag && record_in(slot)->has_key(key.bytes)) return &slot;
    }
  }
  return nullptr;
}

void Table::prefetch_bucket(const Key& key) const {
  if (!segments_.empty()) __builtin_prefetch(&bucket(bucket_index(key.hash)));
}

const Record* Table::prefetch_record(const Key& key, std::size_t bytes) const {
  if (segments_.empty()) return nullptr;
  const Slot tag = tag_of(key);
  for (const Slot slot : bucket(bucket_index(key.hash)).slots) {
    if ((slot & kTagMask) != tag) continue;
    const Record* record = record_in(slot);
    const char* const begin = reinterpret_cast<const char*>(record);
    for (std::size_t at = 0; at < bytes; at += sizeof(Bucket)) __builtin_prefetch(begin + at);
    __builtin_prefetch(begin + bytes - 1);
    return record;
  }
  return nullptr;
}

void Table::prefetch_slots(SlotRange slots, std::uint64_t position, Slot marks,
                           std::size_t bucket_count) const {
  if (segments_.empty()) return;
  for (; bucket_count > 0 && position < kScanEnd; --bucket_count) {
    const std::size_t index = bucket_index(scan_position(position));
    for (const Slot entry : bucket(index).slots) {
      if ((entry & marks) != 0 && may_be_of(entry, slots)) __builtin_prefetch(record_in(entry));
    }
    position = scan_position_behind(index, position);
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
      ++allocated_buckets_;
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
    --allocated_buckets_;
  }
}

void Table::note_due(const Record* record) {
  const std::optional<Millis> due = record->due();
  if (!due) return;
  earliest_due_ = std::min(earliest_due_, *due);
  sweep_earliest_ = std::min(sweep_earliest_, *due);
}

void Table::add(const Key& key, Record* record, Slot marks) {
  ASSERT_SLOW(find_slot(key) == nullptr);
  if (segments_.empty()) make_room_for_bucket(0);
  Slot slot = tag_of(key) | reinterpret_cast<Slot>(record) | marks;
  const std::size_t bytes = record->allocated_bytes();
  if (is_gone(slot)) {
    ++gone_count_;
  } else {
    ++count_;
    if (record->has_expiry()) {
      slot |= kExpiryMark;
      ++expiring_count_;
      note_due(record);
    }
    if (record->has_field_expiry()) [[unlikely]] {
      slot |= kDatedMark;
      ++dated_count_;
      note_due(record);
    }
  }
  record_bytes_ += bytes;
  if (is_dirty(slot)) dirty_bytes_ += bytes;
  ++move_count_;
  put(bucket(bucket_index(key.hash)), slot);
  if (count_ + gone_count_ > bucket_count_ * kLoadMax) split_one();
}

Record* Table::take_out(const Key& key, Slot* slot) {
  Record* record = record_in(*slot);
  const std::size_t bytes = record->allocated_bytes();
  if (is_gone(*slot)) {
    --gone_count_;
  } else {
    --count_;
    if (record->has_expiry()) --expiring_count_;
    if (is_dated(*slot)) --dated_count_;
  }
  record_bytes_ -= bytes;
  if (is_dirty(*slot)) dirty_bytes_ -= bytes;
  ++move_count_;
  remove_hole(bucket(bucket_index(key.hash)), slot);
  if (bucket_count_ > 1 && count_ + gone_count_ < bucket_count_ * kLoadMin) join_one();
  if (expiring_count_ + dated_count_ == 0) earliest_due_ = {INT64_MAX};
  return record;
}

void Table::insert(const Key& key, Record* record) {
  add(key, record, kDirtyMark);
  SlotTotals& totals = totals_of(key);
  ++totals.keys;
  if (record->has_expiry()) ++totals.expiring;
}

void Table::replace(const Key& key, Slot* slot, Record* record, const Before& before) {
  const std::size_t bytes = record->allocated_bytes();
  record_bytes_ = record_bytes_ - before.bytes + bytes;
  if (is_dirty(*slot)) dirty_bytes_ = dirty_bytes_ - before.bytes + bytes;
  Slot fresh = (*slot & (kTagMask | kDirtyMark)) | reinterpret_cast<Slot>(record);
  if (before.was_gone || before.had_expiry || record->has_expiry()) {
    SlotTotals& totals = totals_of(key);
    if (before.was_gone) {
      --gone_count_;
      ++count_;
      ++totals.keys;
    }
    if (before.had_expiry) {
      --expiring_count_;
      --totals.expiring;
    }
    if (record->has_expiry()) {
      fresh |= kExpiryMark;
      ++expiring_count_;
      ++totals.expiring;
      note_due(record);
    }
  }
  if (is_dated(*slot)) --dated_count_;
  if (record->has_field_expiry()) [[unlikely]] {
    fresh |= kDatedMark;
    ++dated_count_;
    note_due(record);
  }
  *slot = fresh;
}

Record* Table::extract(const Key& key, Slot* slot) {
  ASSERT(!is_gone(*slot) && !record_in(*slot)->is_stored());
  SlotTotals& totals = totals_of(key);
  --totals.keys;
  if (record_in(*slot)->has_expiry()) --totals.expiring;
  return take_out(key, slot);
}

void Table::erase(const Key& key, Slot* slot, std::uint32_t epoch) {
  if (!record_in(*slot)->is_stored()) return Record::destroy(extract(key, slot));
  ASSERT(!is_gone(*slot) && is_dirty(*slot));
  const Before was = before(*slot);
  SlotTotals& totals = totals_of(key);
  --totals.keys;
  --count_;
  ++gone_count_;
  if (was.had_expiry) {
    --totals.expiring;
    --expiring_count_;
  }
  if (is_dated(*slot)) --dated_count_;
  Record* record = Record::with_nothing(record_in(*slot));
  record->set_epoch(epoch);
  const std::size_t bytes = record->allocated_bytes();
  record_bytes_ = record_bytes_ - was.bytes + bytes;
  dirty_bytes_ = dirty_bytes_ - was.bytes + bytes;
  *slot = (*slot & kTagMask) | reinterpret_cast<Slot>(record) | kDirtyMark | kGoneMark;
  if (expiring_count_ + dated_count_ == 0) earliest_due_ = {INT64_MAX};
}

// ---- Memory and store

void Table::remember_stored(const Key& key, Slot* slot, std::uint32_t cut_epoch,
                            std::uint32_t ingested_epoch) {
  Record* record = record_in(*slot);
  const bool was_dirty = is_dirty(*slot);
  const bool is_awaited = was_dirty && cut_epoch != 0 && record->epoch() <= cut_epoch;
  const std::optional<Millis> due = is_gone(*slot) ? std::nullopt : record->due();
  StoredExpiries expiries = record->stored_expiries();
  if (is_awaited) handed_over_.add(scan_order(key), *record, is_gone(*slot));
  if (!is_awaited && record->epoch() <= ingested_epoch) {
    expiries = {.ingested = due, .unsettled = std::nullopt, .unsettled_epoch = 0};
  } else {
    // The checkpoint under way has it, or will: what the one before that stored is gone if that
    // one was ingested.
    if (expiries.unsettled_epoch != 0 && expiries.unsettled_epoch <= ingested_epoch) {
      expiries.ingested = expiries.unsettled;
    }
    expiries.unsettled = due;
    expiries.unsettled_epoch = std::max(record->epoch(), cut_epoch);
  }
  const Before was = before(*slot);
  record->set_stored(true);
  record = Record::with_stored_expiries(record, expiries);
  const std::size_t bytes = record->allocated_bytes();
  record_bytes_ = record_bytes_ - was.bytes + bytes;
  dirty_bytes_ = dirty_bytes_ - (was_dirty ? was.bytes : 0) + bytes;
  *slot = (*slot & ~kAddressMask) | reinterpret_cast<Slot>(record) | kDirtyMark;
}

void Table::install(const Key& key, Record* record) {
  ASSERT(cold_count_ > 0);
  --cold_count_;
  if (record->has_expiry()) --cold_expiring_count_;
  add(key, record, 0);
}

void Table::evict(const Key& key, Slot* slot) {
  ASSERT(!is_dirty(*slot) && !is_gone(*slot));
  ++cold_count_;
  if (record_in(*slot)->has_expiry()) ++cold_expiring_count_;
  Record::destroy(take_out(key, slot));
}

void Table::erase_cold(const Key& key, std::optional<Millis> expiry, std::uint32_t epoch) {
  ASSERT(cold_count_ > 0);
  --cold_count_;
  SlotTotals& totals = totals_of(key);
  --totals.keys;
  Record* record = Record::create(key, {});
  record->set_stored(true);
  record->set_epoch(epoch);
  if (expiry) {
    --cold_expiring_count_;
    --totals.expiring;
    record = Record::with_stored_expiries(
        record, {.ingested = expiry, .unsettled = {}, .unsettled_epoch = 0});
  }
  add(key, record, kDirtyMark | kGoneMark);
}

void Table::mark_taken(Slot* slot) {
  ASSERT(is_dirty(*slot));
  Record* record = record_in(*slot);
  record->set_stored(true);
  dirty_bytes_ -= record->allocated_bytes();
  *slot &= ~kDirtyMark;
}

std::uint64_t Table::mark_dirty_since(std::uint32_t ingested_epoch, SlotRange slots,
                                      std::uint64_t position) {
  return scan_slots(slots, position, 0, [&](Slot& slot, std::uint64_t) {
    if (Record* record = record_in(slot); record->encoding() == Encoding::kObject &&
                                          !record->object().is_small() &&
                                          record->epoch() > ingested_epoch) {
      record->object().mark_dirty_since(ingested_epoch);
      record->object().account();
    }
    if (is_dirty(slot) || record_in(slot)->epoch() <= ingested_epoch) return;
    dirty_bytes_ += record_in(slot)->allocated_bytes();
    slot |= kDirtyMark;
  });
}

std::uint64_t Table::drop_tombstones(std::uint32_t ingested_epoch, SlotRange slots,
                                     std::uint64_t position) {
  std::vector<const Record*> obeyed;
  const std::uint64_t next =
      scan_slots(slots, position, kGoneMark, [&](const Slot slot, std::uint64_t) {
        if (!is_dirty(slot) && record_in(slot)->epoch() <= ingested_epoch) {
          obeyed.push_back(record_in(slot));
        }
      });
  for (const Record* record : obeyed) {
    const Key key = key_of(record);
    Record::destroy(take_out(key, find_slot(key)));
  }
  return next;
}

void Table::add_cold(const store::SlotCount& count) {
  SlotTotals& totals = slot_counts_[count.slot & (slot_counts_.size() - 1)];
  totals.keys += count.keys;
  totals.expiring += count.expiring;
  cold_count_ += count.keys;
  cold_expiring_count_ += count.expiring;
}

// The first segment begins with one bucket and doubles: most tables of a small keyspace hold a few
// keys. Buckets may move.
void Table::make_room_for_bucket(std::size_t index) {
  if (index >= kBucketsPerSegment) {
    if (index % kBucketsPerSegment == 0) {
      segments_.push_back(std::make_unique<Bucket[]>(kBucketsPerSegment));
      allocated_buckets_ += kBucketsPerSegment;
    }
    return;
  }
  if (index < first_capacity_) return;
  const std::size_t capacity = std::max(std::size_t{1}, first_capacity_ * 2);
  Segment larger = std::make_unique<Bucket[]>(capacity);
  if (segments_.empty()) segments_.emplace_back();
  std::copy_n(segments_[0].get(), first_capacity_, larger.get());
  segments_[0] = std::move(larger);
  allocated_buckets_ += capacity - first_capacity_;
  first_capacity_ = capacity;
}

// Bucket s = n - 2^L gives those of its records whose bit L is set to the new bucket n.
void Table::split_one() {
  const std::size_t fresh = bucket_count_;
  if (fresh == low_mask_ * 2 + 2) low_mask_ = low_mask_ * 2 + 1;
  const std::size_t old = fresh - (low_mask_ + 1);
  make_room_for_bucket(fresh);
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
      --allocated_buckets_;
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
      if ((slot & (kExpiryMark | kDatedMark)) != 0) note_due(record_in(slot));
      slot = 0;
    }
    Bucket* next = std::exchange(b->overflow, nullptr);
    if (!is_first) {
      delete b;
      --allocated_buckets_;
    }
    b = next;
  }
  --bucket_count_;
  if (bucket_count_ % kBucketsPerSegment == 0) {
    segments_.pop_back();
    allocated_buckets_ -= kBucketsPerSegment;
  }
  if (bucket_count_ == low_mask_ + 1 && low_mask_ > 0) low_mask_ /= 2;
}

const std::shared_ptr<value::PageTotals>& Table::page_totals() {
  if (pages_ == nullptr) pages_ = std::make_shared<value::PageTotals>();
  return pages_;
}

std::size_t Table::allocated_bytes() const {
  return record_bytes_ + handed_over_.allocated_bytes() + index_bytes();
}

std::size_t Table::index_bytes() const {
  return segments_.capacity() * sizeof segments_[0] + allocated_buckets_ * sizeof(Bucket);
}

void Table::find_due(std::size_t* cursor, std::size_t buckets_max, Millis now,
                     std::vector<const Record*>* due) {
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
        if ((slot & (kExpiryMark | kDatedMark)) == 0) continue;
        const Record* record = record_in(slot);
        const Millis when = record->due().value_or(Millis{INT64_MAX});
        if (when <= now) {
          due->push_back(record);
        } else {
          sweep_earliest_ = std::min(sweep_earliest_, when);
        }
      }
    }
  }
  if (*cursor >= bucket_count_) {
    *cursor = 0;
    if (is_whole) earliest_due_ = sweep_earliest_;
  } else if (is_whole) {
    sweep_next_ = *cursor;
  }
}

const Record* Table::random_record(std::uint64_t random) const {
  ASSERT(count_ > 0);
  // Buckets are about equally full: from a random one on, the first that has a live record, and one
  // of those.
  std::size_t index = (random >> 8) % bucket_count_;
  std::vector<const Record*> live;
  while (live.empty()) {
    std::size_t at = index;
    for_buckets(&at, 1, [&](const Slot slot) {
      if (!is_gone(slot)) live.push_back(record_in(slot));
    });
    index = (index + 1) % bucket_count_;
  }
  return live[(random & 0xFF) % live.size()];
}

void Table::verify_invariants() const {
  std::size_t count = 0;
  std::size_t gone = 0;
  std::size_t bytes = 0;
  std::size_t dirty = 0;
  std::size_t expiring = 0;
  std::size_t dated = 0;
  std::size_t overflows = 0;
  std::int64_t page_bytes = 0;
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
        ASSERT(bucket_index(key.hash) == i);                  // I1
        ASSERT(Table::record_in(*find_slot(key)) == record);  // I1
        const bool is_expiring = record->has_expiry() && !is_gone(slot);
        ASSERT(((slot & kExpiryMark) != 0) == is_expiring);  // I4
        ASSERT(is_dated(slot) == (record->has_field_expiry() && !is_gone(slot)));
        if (record->due()) ASSERT(*record->due() >= earliest_due_);  // I5
        dated += is_dated(slot) ? 1 : 0;
        if (!is_dirty(slot) || is_gone(slot)) ASSERT(record->is_stored());
        expiring += is_expiring ? 1 : 0;
        bytes += record->allocated_bytes();
        if (is_dirty(slot)) dirty += record->allocated_bytes();
        if (record->encoding() == Encoding::kObject && !record->object().is_small()) {
          page_bytes += static_cast<std::int64_t>(record->object().bytes());
        }
        ++(is_gone(slot) ? gone : count);
      }
    }
  }
  ASSERT(count == count_);  // I1
  ASSERT(gone == gone_count_);
  ASSERT(bytes == record_bytes_);  // I3
  ASSERT(dirty == dirty_bytes_);
  ASSERT(page_bytes == pages().bytes);
  ASSERT(expiring == expiring_count_);  // I4
  ASSERT(dated == dated_count_);
  const std::size_t in_segments =
      segments_.empty() ? 0 : first_capacity_ + (segments_.size() - 1) * kBucketsPerSegment;
  ASSERT(in_segments + overflows == allocated_buckets_);
  std::size_t keys = 0;
  std::size_t expiring_keys = 0;
  for (const SlotTotals& totals : slot_counts_) {
    keys += totals.keys;
    expiring_keys += totals.expiring;
  }
  ASSERT(keys == key_count());  // I6
  ASSERT(expiring_keys == expiring_key_count());
}

}  // namespace diskdb::keyspace
