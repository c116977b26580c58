// keyspace/cold_expiry.h — deletes keys whose time has come although they are not in memory,
// without bringing them there. A hash of which a field has expired is brought in, and loses some of
// its fields at once; the sweep of the table finds the others.
//
// The store has an entry for each key with an expiry, ordered by generation and time, so what is
// due is found by one seek, and nothing need be looked at before the earliest entry is. Entries are
// read in batches with no shard held; each key is then deleted under its shard's lock, if what was
// read still counts (keyspace/sighting.h). The entry itself goes with the next checkpoint, which
// writes the key's tombstone; so a cursor per database remembers how far it has been worked off,
// until the ingested epoch changes. Keys in memory are not its business: the sweep of their table
// finds them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "io/clock.h"
#include "keyspace/access.h"
#include "keyspace/sighting.h"

namespace diskdb::keyspace {

/// Threads: one at a time.
class ColdExpiry {
 public:
  /// Borrows both for its life.
  ColdExpiry(Keyspace& keyspace, io::Clock& clock);

  /// Deletes what is due, until nothing is or the monotonic clock reaches `until`; at least some.
  /// Rests while expiry does. True if there may be more to do at once. Errors: the store's, and
  /// kCorrupt; what was deleted is, and the next step tries again.
  Result<bool> step(Micros until);

 private:
  /// How far the entries of a database have been worked off.
  struct Cursor {
    Sighting sighting;  ///< of which it speaks
    std::string next;   ///< where to read on; empty: from the generation's first entry
    Millis due{};       ///< until then there is nothing to read
  };
  struct Due {
    std::string key;
    std::uint32_t slot;
    Millis when;
    store::ExpiryValue value;
    std::string record;  ///< of a hash that is to be brought in
  };

  bool is_resting() const;
  Result<bool> work_off(std::uint32_t db, Micros until);
  Status read_batch(Cursor& cursor, Millis now);
  Status read_hashes(const Sighting& sighting);
  Status expire(std::uint32_t db, const Due& due);
  Result<bool> erase_batch(std::uint32_t db, const Sighting& sighting, Millis now);

  Keyspace& keyspace_;
  io::Clock& clock_;
  Access access_;
  std::vector<Cursor> cursors_;  ///< by database
  std::uint32_t next_db_ = 0;
  std::vector<Due> batch_;
};

}  // namespace diskdb::keyspace
