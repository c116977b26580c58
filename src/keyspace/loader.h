// keyspace/loader.h — brings cold keys from the store into memory for those who wait for them.
//
// Problem: reading a disk with a shard's lock held, or on a network thread, makes everybody wait
// for one. So whoever needs a cold key adds a load to its table (keyspace/footprint.h), asks a
// Loader for it and goes away; a thread of the server's reads with nothing held, then takes the
// shard and installs what it found, if the load still has the ticket it was asked for under. How
// much may be asked for at once is bounded by Admission, so the queue is too.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/clock.h"
#include "keyspace/access.h"
#include "keyspace/admission.h"
#include "keyspace/footprint.h"
#include "keyspace/keyspace.h"

namespace diskdb::keyspace {

/// A load that somebody waits for.
struct LoadRequest {
  Shard* shard;
  std::shared_ptr<Table> table;
  std::string key;
  std::uint64_t ticket;
};

/// Reads from the store and installs.
///
/// Threads: one at a time.
class LoadReader {
 public:
  /// Borrows `keyspace`, which has a store, for its life.
  explicit LoadReader(Keyspace& keyspace) : keyspace_(keyspace), access_(keyspace) {}

  /// Serves requests, whose loads are done or have failed afterwards. Requires: the caller holds no
  /// shard. Blocks. Errors: the last that a request's holders got.
  Status serve(std::span<const LoadRequest> requests, Millis now);

 private:
  struct Wanted {
    std::string stored_key;
    std::size_t request;
    friend auto operator<=>(const Wanted&, const Wanted&) = default;
  };
  struct Found {
    bool is_there = false;
    Status status;
    std::string value;
  };

  void read();
  void read_singly();

  Keyspace& keyspace_;
  Access access_;
  // Scratch of serve().
  std::vector<Wanted> wanted_;
  std::vector<Bytes> keys_;   ///< of wanted_, each once
  std::vector<Found> found_;  ///< by key
};

/// Threads: thread-safe. Has none of its own.
/// Invariant: a request that was accepted is served, fails, or is put off: nobody waits forever.
class Loader {
 public:
  /// Borrows both for its life. Requires: the keyspace has a store.
  Loader(Keyspace& keyspace, io::Clock& clock) : keyspace_(keyspace), clock_(clock) {}

  Admission& admission() { return admission_; }

  /// Appends requests. After stop() they fail. Requires: the caller holds no shard.
  void submit(std::vector<LoadRequest> requests);

  void submit(std::shared_ptr<PageFetch> pages);

  /// Serves requests until stop(). For threads that have nothing else to do.
  void run();
  /// Serves some if there are any. For who has no thread for it. False: there were none.
  bool work_once();
  /// All run() return; what is still asked for fails.
  void stop();

  std::size_t queued_count() const;

 private:
  /// What is served at a time.
  struct Work {
    std::vector<LoadRequest> requests;
    std::shared_ptr<PageFetch> pages;
    bool is_none() const { return requests.empty() && pages == nullptr; }
  };
  Work take_some();  ///< Requires: m_ held.
  void serve(LoadReader& reader, Work work);
  static void fail_all(const std::vector<LoadRequest>& requests);

  Keyspace& keyspace_;
  io::Clock& clock_;
  Admission admission_;

  mutable std::mutex m_;
  // guarded by m_
  std::condition_variable changed_;
  std::deque<LoadRequest> queue_;
  std::deque<std::shared_ptr<PageFetch>> page_queue_;
  bool is_stopping_ = false;
};

}  // namespace diskdb::keyspace
