// server/background.h — the threads that move data between memory and the store: one takes
// checkpoints when they are due or asked for.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "command/statistics.h"
#include "io/clock.h"
#include "keyspace/checkpointer.h"

namespace diskdb::server {

/// Threads: thread-safe. Owns one thread, from start() to stop().
class Background {
 public:
  /// `report` gets a line for each checkpoint that failed. Borrows everything for its life.
  Background(keyspace::Checkpointer& checkpointer, command::Statistics& statistics,
             io::Clock& clock, std::function<void(const std::string&)> report);
  /// As stop().
  ~Background() { stop(); }

  void start();
  /// Waits for a checkpoint under way.
  void stop();

  enum class Asked : std::uint8_t { kStarted, kQueued, kRefused };
  /// A checkpoint of all that has changed by now. While one is running it is queued behind that if
  /// `may_queue`, else refused.
  Asked ask(bool may_queue);
  /// Asks, and waits until it is in the store. Errors: as the checkpoint's.
  Status ask_and_wait();

 private:
  void run();

  keyspace::Checkpointer& checkpointer_;
  command::Statistics& statistics_;
  io::Clock& clock_;
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
  std::thread thread_;
};

}  // namespace diskdb::server
