#include "command/key_walk.h"

#include <algorithm>

#include "base/assert.h"

namespace diskdb::command {

using keyspace::kScanHashBits;
using keyspace::kSlotCount;
using keyspace::Table;

static_assert(static_cast<std::uint64_t>(kSlotCount) << kScanHashBits == 1ULL << 53);

ScanPlace ScanPlace::of_cursor(std::uint64_t cursor) {
  const std::uint64_t slot = std::min<std::uint64_t>(cursor >> kScanHashBits, kSlotCount);
  return {static_cast<std::uint32_t>(slot), cursor & ((1ULL << kScanHashBits) - 1)};
}

// What stands before the first special character begins every key that matches; a hash tag that
// ends there is the tag of all of them.
std::optional<std::uint32_t> slot_of_pattern(Bytes pattern) {
  const Bytes start = pattern.substr(0, pattern.find_first_of("*?[\\"));
  const bool is_whole = start.size() == pattern.size();
  if (!is_whole && keyspace::hash_tag(start).size() == start.size()) return std::nullopt;
  return keyspace::slot_of(start);
}

KeyWalk::KeyWalk(keyspace::Access& access, Holding holding, ScanPlace from,
                 std::optional<std::uint32_t> only_slot)
    : access_(access), holding_(holding), place_(from) {
  if (!only_slot) return;
  if (place_.slot < *only_slot) place_ = {*only_slot, 0};
  end_slot_ = *only_slot + 1;
}

bool KeyWalk::step() {
  if (!find_slot_with_keys()) return false;
  const std::uint64_t seed = access_.keyspace().hash_seed();
  found_.clear();
  found_slot_ = place_.slot;
  const std::uint64_t next = access_.table(*shard_, access_.db())
                                 .scan_step(place_.slot, place_.position, [&](const auto* record) {
                                   const auto hash = keyspace::hash_of(record->key(), seed);
                                   found_.push_back({keyspace::scan_position(hash), record});
                                 });
  ASSERT(next > place_.position);
  place_ = next < Table::kScanEnd ? ScanPlace{place_.slot, next} : ScanPlace{place_.slot + 1, 0};
  std::sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) {
    return a.position != b.position ? a.position < b.position : a.record->key() < b.record->key();
  });
  return true;
}

bool KeyWalk::find_slot_with_keys() {
  const std::uint32_t slots_per_shard = access_.keyspace().slots_per_shard();
  while (place_.slot < end_slot_) {
    enter(access_.keyspace().shard_of(place_.slot));
    const Table& table = access_.table(*shard_, access_.db());
    if (table.count() == 0) {
      place_ = {(shard_->index + 1) * slots_per_shard, 0};
    } else if (table.count_of_slot(place_.slot) == 0) {
      place_ = {place_.slot + 1, 0};
    } else {
      return true;
    }
  }
  return false;
}

void KeyWalk::enter(keyspace::Shard& shard) {
  if (&shard == shard_) return;
  if (holding_ == Holding::kAsItGoes) {
    if (shard_ != nullptr) access_.let_go(*shard_);
    access_.hold(shard);
  }
  shard_ = &shard;
}

}  // namespace diskdb::command
