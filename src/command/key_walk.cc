#include "command/key_walk.h"

#include <algorithm>

#include "base/assert.h"

namespace diskdb::command {

using keyspace::kScanHashBits;
using keyspace::kSlotCount;
using keyspace::Sighting;
using keyspace::Table;

namespace {

// A walk for few keys reads few; the longer it lasts, the more.
constexpr std::size_t kPieceKeysMin = 16;
constexpr std::size_t kPieceKeysMax = 512;
constexpr int kReadsMax = 3;
// A seek of the store, and a key of it, in looks at a bucket.
constexpr std::uint64_t kEffortPerRead = 64;
constexpr std::uint64_t kEffortPerStored = 4;

}  // namespace

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
                 std::optional<std::uint32_t> only_slot, std::size_t wanted)
    : access_(access),
      holding_(holding),
      place_(from),
      piece_keys_(std::clamp(wanted, kPieceKeysMin, kPieceKeysMax)) {
  if (!only_slot) return;
  if (place_.slot < *only_slot) place_ = {*only_slot, 0};
  end_slot_ = *only_slot + 1;
}

bool KeyWalk::step() {
  found_.clear();
  if (!find_keys()) return false;
  const Table& table = access_.table(*shard_, access_.db());
  const std::uint64_t seed = access_.keyspace().hash_seed();
  found_slot_ = place_.slot;
  std::uint64_t next =
      table.scan_step(place_.slot, place_.position, [&](const keyspace::Record* record) {
        std::optional<Millis> expiry;
        if (record->has_expiry()) expiry = record->expiry();
        const Bytes key = record->key();
        found_.push_back({keyspace::scan_position(keyspace::hash_of(key, seed)), key,
                          record->type(), expiry, record, 0});
      });
  if (table.cold_count() != 0) {
    const std::uint64_t covered = piece_.end() - ScanPlace{place_.slot, 0}.cursor();
    if (covered < next) {
      next = covered;
      std::erase_if(found_, [next](const Found& found) { return found.position >= next; });
    }
    add_cold(table, next);
  }
  ASSERT(next > place_.position);
  ++effort_;
  place_ = next < Table::kScanEnd ? ScanPlace{place_.slot, next} : ScanPlace{place_.slot + 1, 0};
  std::sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) {
    return a.position != b.position ? a.position < b.position : a.key < b.key;
  });
  return true;
}

// Adds the cold keys of the slot at hand from `place_` up to `position_end`, which the piece
// covers.
void KeyWalk::add_cold(const Table& table, std::uint64_t position_end) {
  const std::uint64_t base = ScanPlace{place_.slot, 0}.cursor();
  piece_.visit(place_.cursor(), base + position_end,
               [&](const keyspace::StoredPiece::Entry& entry) {
                 const Bytes key = piece_.key_of(entry);
                 if (table.find_slot(access_.key(key)) != nullptr) return;
                 found_.push_back(
                     {entry.order - base, key, entry.type, entry.expiry, nullptr, entry.object});
               });
}

// Finds a place with keys, its shard held, and a piece that covers it if any of them may be cold.
bool KeyWalk::find_keys() {
  for (int read_count = 0; find_slot_with_keys(); ++read_count) {
    const Table& table = access_.table(*shard_, access_.db());
    if (table.cold_count() == 0 || has_piece(table)) return true;
    // Whoever never finds the store at rest reads with the shard held.
    const bool stays = holding_ == Holding::kAll || read_count == kReadsMax;
    const Sighting sighting = Sighting::begin(access_.keyspace(), table);
    if (!stays) leave();
    if (!read_piece(sighting)) return false;
    if (stays) return true;
  }
  return false;
}

// Does the piece at hand cover the place, and may it be used?
bool KeyWalk::has_piece(const Table& table) const {
  if (!piece_.covers(place_.cursor())) return false;
  if (holding_ == Holding::kAll) return piece_.sighting().generation == table.generation();
  return piece_.sighting().holds(access_.keyspace(), table);
}

bool KeyWalk::read_piece(const Sighting& sighting) {
  status_ = piece_.read(*access_.keyspace().store(), sighting, place_.cursor(),
                        ScanPlace{end_slot_, 0}.cursor(), piece_keys_);
  effort_ += kEffortPerRead + kEffortPerStored * piece_.size();
  piece_keys_ = std::min(piece_keys_ * 2, kPieceKeysMax);
  return status_.ok();
}

bool KeyWalk::find_slot_with_keys() {
  const std::uint32_t slots_per_shard = access_.keyspace().slots_per_shard();
  while (place_.slot < end_slot_) {
    enter(access_.keyspace().shard_of(place_.slot));
    const Table& table = access_.table(*shard_, access_.db());
    if (table.key_count() == 0) {
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
  leave();
  if (holding_ == Holding::kAsItGoes) access_.hold(shard);
  shard_ = &shard;
}

void KeyWalk::leave() {
  if (shard_ != nullptr && holding_ == Holding::kAsItGoes) access_.let_go(*shard_);
  shard_ = nullptr;
}

}  // namespace diskdb::command
