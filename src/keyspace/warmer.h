// keyspace/warmer.h — after a start, brings what is in the store back into memory, as far as there
// is room, so that the tier is as it would be had the server never stopped. While every key of a
// table is resident, a look-up that finds nothing is final and asks no store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/clock.h"
#include "keyspace/access.h"
#include "keyspace/sighting.h"

namespace diskdb::keyspace {

/// Goes once through the stored keys of all databases, in the store's order.
///
/// Threads: one at a time.
class Warmer {
 public:
  /// Borrows both for its life. Requires: the keyspace has a store.
  Warmer(Keyspace& keyspace, io::Clock& clock);

  /// Reads a piece of the store with no shard held, and installs what is still cold of it, as not
  /// used for a day: whatever is used meanwhile stays longer. False: it is through, or four fifths
  /// of the room for keys are taken. Errors: the store's, and kCorrupt; the step may be repeated.
  Result<bool> step();

 private:
  bool has_room() const;
  bool find_cold_shard();
  Status read();
  Status install();

  Keyspace& keyspace_;
  io::Clock& clock_;
  Access access_;
  std::uint32_t db_ = 0;
  std::uint64_t order_ = 0;  ///< scan_order() of what comes next in db_
  std::uint64_t next_ = 0;   ///< and after the piece at hand
  Sighting sighting_;
  std::vector<std::pair<std::string, std::string>> piece_;  ///< encoded keys and records
};

/// While the log is replayed: reads all that is cold in the store's order, as Warmer does, once
/// looking up single keys has cost as much as that will. So both together cost at most twice what
/// the better would have, however long the log is.
///
/// Threads: one at a time.
class ReplayWarmer {
 public:
  /// Borrows both for its life. Requires: the keyspace has a store.
  ReplayWarmer(Keyspace& keyspace, io::Clock& clock) : keyspace_(keyspace), clock_(clock) {}

  /// Between batches of the log. If the store cannot be read it gives up: whoever looks a key up
  /// will find out.
  void step();

 private:
  std::uint64_t cold_count();

  Keyspace& keyspace_;
  io::Clock& clock_;
  std::uint64_t loads_at_next_look_ = 1;
  bool has_warmed_ = false;
};

}  // namespace diskdb::keyspace
