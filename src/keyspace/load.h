// keyspace/load.h — keys on their way from the store into memory, and those kept there until who
// waited for them has run.
//
// A load belongs to a table and is found by key. While it is under way its key admits no command:
// whoever needs the key joins the holders. When it is done the key is in memory, or known to be
// absent, and stays so (it is not evicted) until its last holder lets go. The ticket tells a loader
// whether the load it answers is still the one it was given: if the key came into memory another
// way, or its database was flushed, the answer is dropped. A load that failed is done as well, but
// tells nothing of its key: who waited for it gets the failure, who comes later starts it afresh.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace diskdb::keyspace {

class Footprint;

/// Threads: guarded by its table's shard.
struct Load {
  std::uint64_t ticket = 0;  ///< never used twice
  bool is_done = false;
  Status failure;  ///< once it is done: why nothing is known
  std::vector<Footprint*> holders;
};

/// Is the key in memory, or known to be absent?
inline bool has_answer(const Load& load) { return load.is_done && load.failure.ok(); }

/// By key. Ordered: a load's address, and its key's, stay.
using Loads = std::map<std::string, Load, std::less<>>;

}  // namespace diskdb::keyspace
