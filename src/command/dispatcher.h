// command/dispatcher.h — runs requests: finds the row, asks the gates, holds the shards, calls the function.
//
// A run of plain commands with one key each is taken in groups of up to 16: all keys are hashed and their
// buckets prefetched, all shards are held (tried, never waited for out of order), the records prefetched,
// then the functions run in order and their frames reach the log in one append. Everything else runs alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "command/command_table.h"
#include "command/context.h"
#include "command/services.h"
#include "command/statistics.h"
#include "keyspace/access.h"
#include "resp/request.h"

namespace diskdb::command {

/// Threads: one per network thread (and one for replay).
class Dispatcher {
 public:
  explicit Dispatcher(Services& services) : services_(services), access_(services.keyspace) {}

  struct Progress {
    std::size_t done = 0;     ///< requests that have their reply
    bool is_parked = false;   ///< the next request waits: run again after Session::wake()
    log::Offset visible_after = 0;  ///< the replies may leave when the log is acknowledgeable up to here
  };
  /// Runs `requests` in order, all at the instant `now`. Stops early when one must wait or the session closes.
  Progress run(Session& session, std::span<const resp::Request> requests, resp::Reply& reply,
               Millis now);

  /// Runs a command read from the log: no gates, no expiry, nothing logged again.
  Status replay(Session& session, std::span<const Bytes> words, resp::Reply& reply, Millis now);

 private:
  // ... dispatcher.cc
  Services& services_;
  keyspace::Access access_;
  std::vector<keyspace::Key> keys_;
  std::vector<std::size_t> key_indices_;
};

}  // namespace diskdb::command
