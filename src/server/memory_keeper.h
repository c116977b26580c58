// server/memory_keeper.h — keeps the process within maxmemory: makes room for keys, and tells the
// network threads how much to slow writers. On a thread of its own.
#pragma once

#include "base/units.h"
#include "io/clock.h"
#include "keyspace/checkpointer.h"
#include "keyspace/evictor.h"
#include "keyspace/keyspace.h"

namespace diskdb::server {

/// Threads: one at a time.
class MemoryKeeper {
 public:
  /// Borrows all for its life. `checkpointer`: null for the memory engine.
  MemoryKeeper(keyspace::Keyspace& keyspace, const keyspace::Checkpointer* checkpointer,
               io::Clock& clock);

  /// One round, of about a millisecond at most. Sets MemoryBudget's write_pressure, is_dirty_stuck
  /// and wants_checkpoint. Returns how long to wait before the next.
  Millis step();

 private:
  void publish(keyspace::Evictor::Room room);

  keyspace::Keyspace& keyspace_;
  const keyspace::Checkpointer* checkpointer_;
  keyspace::Evictor evictor_;
};

}  // namespace diskdb::server
