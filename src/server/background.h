// server/background.h — the threads that move data between memory and the store: one takes
// checkpoints when they are due or asked for, one keeps memory within its limit, some load what
// commands wait for, one, after a start, brings back what was in memory before, one frees what
// nobody can see any more, and one gathers memory into huge pages.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "command/statistics.h"
#include "io/clock.h"
#include "keyspace/checkpointer.h"
#include "keyspace/keyspace.h"
#include "keyspace/loader.h"

namespace diskdb::server {

/// Threads: thread-safe. Owns threads from start() to stop().
class Background {
 public:
  /// What it works with. `checkpointer` and `loader` are null for the memory engine.
  struct Parts {
    keyspace::Keyspace& keyspace;
    keyspace::Checkpointer* checkpointer;
    keyspace::Loader* loader;
    command::Statistics& statistics;
    io::Clock& clock;
    bool uses_huge_pages;
  };
  /// `report` gets a line for each checkpoint that failed. Borrows the parts for its life.
  Background(const Parts& parts, std::function<void(const std::string&)> report);
  /// As stop().
  ~Background() { stop(); }

  void start();
  /// Waits for a checkpoint under way; loads still asked for fail.
  void stop();

  enum class Asked : std::uint8_t { kStarted, kQueued, kRefused };
  /// A checkpoint of all that has changed by now. While one is running it is queued behind that if
  /// `may_queue`, else refused. Requires: there is a checkpointer.
  Asked ask(bool may_queue);
  /// Asks, and waits until it is in the store. Errors: as the checkpoint's.
  Status ask_and_wait();

 private:
  void take_checkpoints();
  void keep_memory();
  void warm_up();
  void free_memory();
  void gather_huge_pages();

  Parts parts_;
  std::function<void(const std::string&)> report_;

  std::mutex m_;
  // guarded by m_
  std::condition_variable changed_;
  std::uint64_t asked_ = 0;  ///< the number of the last checkpoint somebody asked for
  std::uint64_t begun_ = 0;
  std::uint64_t ended_ = 0;
  Status last_;  ///< how the last one ended
  Micros retry_at_{};
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace diskdb::server
