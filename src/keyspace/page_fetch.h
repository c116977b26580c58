// keyspace/page_fetch.h — pages of large values on their way from the store to a parked command.
//
// Nothing is installed behind the command's back: when it starts afresh it looks into what has
// come, and uses it unless a checkpoint was ingested since before the reading. Until then a page
// that is not in memory is in the store what was read of it, for the reasons of
// keyspace/sighting.h; ids of pages, objects and generations are never used twice. Two commands
// that wait for the same page both read it; the second finds it in the block cache.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/store.h"

namespace diskdb::keyspace {

class Footprint;

/// Threads: made, and looked into, by its waiter's; served or failed on any thread, once.
class PageFetch {
 public:
  /// `keys`: of the store, ascending, each once. `ingested_epoch`: now. Borrows `waiter`, which is
  /// told when all has come, until forget().
  PageFetch(std::vector<std::string> keys, std::uint32_t ingested_epoch, Footprint& waiter);

  /// Reads. Blocks. Requires: the caller holds no shard.
  void serve(store::Store& store);
  void fail(Status failure);
  /// The waiter is not told any more. Afterwards only whoever serves may use it.
  void forget();

  // ---- Once it has come.

  /// Why not all pages could be read.
  const Status& failure() const { return failure_; }
  bool has_asked_for(Bytes key) const;
  /// The page as it is in the store, if that is known still. `ingested_epoch`: now.
  std::optional<Bytes> find(Bytes key, std::uint32_t ingested_epoch) const;

 private:
  void arrive();

  const std::vector<std::string> keys_;
  const std::uint32_t ingested_epoch_;
  // Written before arrive(), read after it.
  std::vector<std::string> pages_;  ///< by key; empty if it could not be read
  Status failure_;

  std::mutex m_;
  Footprint* waiter_;  ///< guarded by m_
};

}  // namespace diskdb::keyspace
