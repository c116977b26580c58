// server/cron.h — what has to be done now and then, on a thread of its own: what expired, figures
// for INFO, clients whose pause is over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "command/services.h"
#include "keyspace/access.h"
#include "keyspace/cold_expiry.h"

namespace diskdb::server {

/// Threads: one at a time.
class Cron {
 public:
  /// Borrows `services` for its life.
  explicit Cron(command::Services& services);

  /// One round. Returns how long to wait before the next: less while there are expired keys to
  /// delete.
  Millis step();

 private:
  bool expire(Micros until);
  bool expire_cold(Micros until);
  bool expire_in(keyspace::Shard& shard, Micros until);
  void measure(Micros now);
  void note_latency(Bytes event, std::int64_t micros);

  command::Services& services_;
  keyspace::Access access_;
  keyspace::ColdExpiry cold_expiry_;
  std::size_t next_shard_ = 0;
  std::vector<std::size_t> cursors_;  ///< by database, in the shard at hand
  Micros measured_at_{};
  std::uint64_t commands_at_ = 0;
  std::uint64_t syncs_at_ = 0;
};

}  // namespace diskdb::server
