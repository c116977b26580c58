// keyspace/footprint.h — what a parked command waits for, and keeps in memory until it has run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "keyspace/shard.h"

namespace diskdb::keyspace {

/// Holds loads (keyspace/load.h) for one command, or for a group of them.
///
/// Threads: its owner's; arrived() on any thread.
class Footprint {
 public:
  /// `waker` is woken once all that was missing has arrived. Borrows it for its life.
  explicit Footprint(Waker& waker) : waker_(waker) {}
  Footprint(const Footprint&) = delete;
  Footprint& operator=(const Footprint&) = delete;
  /// As release().
  ~Footprint() { release(); }

  bool is_empty() const { return pins_.empty(); }

  /// Between begin() and end() loads are added; the waker is not called before end().
  void begin() { missing_.store(1, std::memory_order_relaxed); }
  void end() { arrived(); }
  /// Joins the load of `key`, or starts one, whose ticket it returns: the caller gives it to a
  /// loader. Requires: `shard`, in which `table` is, is held; there is no entry for the key.
  /// Returns 0 if the load is known to somebody already.
  std::uint64_t add(Shard& shard, const std::shared_ptr<Table>& table, Bytes key,
                    std::uint64_t fresh_ticket);
  /// One of its loads is done. Requires: the load's shard is held.
  void arrived() {
    if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) waker_.wake();
  }
  /// Lets go of all loads: their keys may leave memory again. No wake() comes afterwards.
  /// Requires: no shard is held. Cost: a shard's lock each.
  void release();

 private:
  struct Pin {
    Shard* shard;
    std::shared_ptr<Table> table;
    std::string key;
  };
  Waker& waker_;
  std::atomic<std::uint32_t> missing_{0};
  std::vector<Pin> pins_;
};

/// The load of `key` is done, however it came about: whoever waits is told. Requires: the table's
/// shard is held.
void finish_load(Table& table, Bytes key);
/// All of them: the table leaves the keyspace.
void finish_all_loads(Table& table);

}  // namespace diskdb::keyspace
