// command/key_walk.h — visits the keys of a database in SCAN order: by cluster slot, in it by scan
// position (keyspace/table.h), in that by key. The order depends on the keys alone, not on the
// number of shards nor on the size of a table; so a place in it survives everything that happens
// between two steps of a SCAN.
//
// A step merges two sources over exactly the same range of places: a bucket of the table, and a
// piece of the stored keys, read before with no shard held (keyspace/sighting.h says when it may be
// used). A stored key with an entry in the table is what the entry says; without one it is cold.
// Whatever moves between memory and store meanwhile, a key is visited in the one step that covers
// its place. No value is brought into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "keyspace/access.h"
#include "keyspace/stored_piece.h"

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
  /// `from`. `wanted`: about how many keys the walk is for. Borrows `access` for its life.
  KeyWalk(keyspace::Access& access, Holding holding, ScanPlace from,
          std::optional<std::uint32_t> only_slot, std::size_t wanted = SIZE_MAX);

  struct Found {
    std::uint64_t position;
    Bytes key;
    keyspace::Type type;
    std::optional<Millis> expiry;
    const keyspace::Record* record;  ///< null: it is in the store only
    store::PackedObjectId object;    ///< what it holds there
  };
  /// Visits the next bucket that may hold keys; false at the end, or if the store cannot be read.
  /// Slots without keys cost next to nothing.
  bool step();
  /// Why the walk ended early, if it did. Errors: the store's.
  const Status& status() const { return status_; }
  /// The keys of that bucket, in order, also those that have expired; perhaps none. Deleting one
  /// leaves the others valid. Borrowed until the next step, which may let go of their shard.
  std::span<const Found> found() const { return found_; }
  /// Where found() stands.
  ScanPlace place_of(const Found& found) const { return {found_slot_, found.position}; }
  /// As of which state of the store a cold key was found.
  const keyspace::Sighting& sighting() const { return piece_.sighting(); }
  /// Where the next step will look.
  ScanPlace place() const { return place_; }
  /// What the walk has cost so far, in looks at a bucket.
  std::uint64_t effort() const { return effort_; }
  /// Lets go of the shard that the walk holds as it goes.
  void leave();

 private:
  bool find_keys();
  bool find_slot_with_keys();
  bool has_piece(const keyspace::Table& table) const;
  bool read_piece(const keyspace::Sighting& sighting);
  void enter(keyspace::Shard& shard);
  void add_cold(const keyspace::Table& table, std::uint64_t position_end);

  keyspace::Access& access_;
  Holding holding_;
  ScanPlace place_;
  std::uint32_t end_slot_ = keyspace::kSlotCount;
  keyspace::Shard* shard_ = nullptr;
  std::uint32_t found_slot_ = 0;
  std::vector<Found> found_;
  keyspace::StoredPiece piece_;
  std::size_t piece_keys_;  ///< how many the next piece may have
  std::uint64_t effort_ = 0;
  Status status_;
};

}  // namespace diskdb::command
