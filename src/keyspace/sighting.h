// keyspace/sighting.h — when what was read from the store without a lock may be used.
//
// Problem: reading the store may wait for the disk, so nobody should hold a shard meanwhile. But
// until the shard is held again its keys may have changed, left memory or come into it, and a
// checkpoint may have been ingested.
//
// Idea: note the ingested epoch E and the table's generation, read, hold the shard, and compare. If
// they are the same, then of any key *without an entry in the table* the read tells the truth: the
// key is cold, as it was read, or absent, if it was not found. A key with an entry, live or a
// tombstone, is what the entry says.
//
// Why: E is bumped after the store shows a checkpoint, and the next checkpoint begins after that.
// So the read saw the checkpoint of E or, if it is ingested but E is not bumped yet, the one after
// it, D. An entry leaves the table by eviction or as an obeyed tombstone, under the shard's lock,
// and only if what it says is in the checkpoint of the ingested epoch; had one left because of D,
// then we, holding that lock later, would see the bumped epoch. So a key that has no entry now has
// not changed since E's cut: E's and D's checkpoints say the same of it. This holds for expiry
// entries too. The generation says that the table is still the one whose records were read: after
// FLUSHALL or SWAPDB it is another.
//
// A read while the shard is held needs no comparison, for the same reason: a key without an entry
// cannot change meanwhile.
#pragma once

#include <cstdint>

#include "keyspace/keyspace.h"
#include "keyspace/table.h"

namespace diskdb::keyspace {

/// Threads: immutable.
struct Sighting {
  std::uint32_t ingested_epoch = 0;
  store::Generation generation = 0;  ///< 0: of nothing

  /// To be taken before the read. Requires: the shard of `table` is held.
  static Sighting begin(const Keyspace& keyspace, const Table& table) {
    return {keyspace.ingested_epoch(), table.generation()};
  }
  /// May what was read since begin() be used? Requires: the shard of `table` is held.
  bool holds(const Keyspace& keyspace, const Table& table) const {
    return generation == table.generation() && ingested_epoch == keyspace.ingested_epoch();
  }
};

}  // namespace diskdb::keyspace
