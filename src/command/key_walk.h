// command/key_walk.h — visits the keys of a database in SCAN order: by cluster slot, in it by scan
// position (keyspace/table.h), in that by key. The order depends on the keys alone, not on the
// number of shards nor on the size of a table; so a place in it survives everything that happens
// between two steps of a SCAN.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "keyspace/access.h"

namespace diskdb::command {

/// A place in SCAN order, before all keys that stand at it. As a cursor it stays below 2^53, since
/// clients written in JavaScript turn cursors into floating-point numbers.
struct ScanPlace {
  std::uint32_t slot = 0;
  std::uint64_t position = 0;

  std::uint64_t cursor() const {
    return (static_cast<std::uint64_t>(slot) << keyspace::kScanHashBits) | position;
  }
  /// Any number is a place; those above 2^53 lie behind all keys.
  static ScanPlace of_cursor(std::uint64_t cursor);
  friend bool operator==(const ScanPlace&, const ScanPlace&) = default;
};

/// The only slot whose keys can match `pattern`, if it spells out their hash tag or all of the key.
std::optional<std::uint32_t> slot_of_pattern(Bytes pattern);

/// Threads: as its Access.
class KeyWalk {
 public:
  enum class Holding : std::uint8_t {
    kAll,       ///< the command holds all shards
    kAsItGoes,  ///< the walk holds one shard after the other, and lets go of those it leaves
  };
  /// Walks from `from` to the end, or to the end of `only_slot`, all of it or what lies behind
  /// `from`. Borrows `access` for its life.
  KeyWalk(keyspace::Access& access, Holding holding, ScanPlace from,
          std::optional<std::uint32_t> only_slot);

  struct Found {
    std::uint64_t position;
    const keyspace::Record* record;
  };
  /// Visits the next bucket that may hold keys; false at the end. Slots without keys cost next to
  /// nothing.
  bool step();
  /// The keys of that bucket, in order, also those that have expired; perhaps none. Deleting one
  /// leaves the others valid. Borrowed until the next step, which may let go of their shard.
  std::span<const Found> found() const { return found_; }
  /// Where found() stands.
  ScanPlace place_of(const Found& found) const { return {found_slot_, found.position}; }
  /// Where the next step will look.
  ScanPlace place() const { return place_; }

 private:
  bool find_slot_with_keys();
  void enter(keyspace::Shard& shard);

  keyspace::Access& access_;
  Holding holding_;
  ScanPlace place_;
  std::uint32_t end_slot_ = keyspace::kSlotCount;
  keyspace::Shard* shard_ = nullptr;
  std::uint32_t found_slot_ = 0;
  std::vector<Found> found_;
};

}  // namespace diskdb::command
