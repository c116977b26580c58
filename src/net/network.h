// net/network.h — all network threads and what they listen on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "command/services.h"
#include "io/clock.h"
#include "net/balance.h"
#include "net/loop.h"
#include "net/socket.h"

namespace diskdb::net {

/// How network threads ask the kernel; auto: as docs/decisions/029-io-uring.md found best.
enum class IoBackend : std::uint8_t { kAuto, kUring, kEpoll };

/// Over how many network threads connections are spread. With io_uring: always over all.
enum class Spread : std::uint8_t { kAsNeeded, kAlways };

struct NetworkOptions {
  std::size_t thread_count = 1;
  IoBackend backend = IoBackend::kAuto;
  Spread spread = Spread::kAsNeeded;
  int backlog = 511;
  LoopOptions loop;
};

/// Threads: one at a time, but that the loops it owns run on their own, and call what a Reception
/// has.
class Network final : public Reception {
 public:
  /// Borrows `services` for its life. `warn` may be called on any thread.
  /// If the kernel refuses io_uring: a line to `warn`, and epoll.
  static Result<std::unique_ptr<Network>> create(command::Services& services,
                                                 const NetworkOptions& options,
                                                 std::function<void(const std::string&)> warn);
  ~Network() override;

  /// Listens on `sockets`, which are bound, and starts to serve.
  Status start(std::vector<Socket> sockets);
  /// The one in use.
  IoBackend backend() const { return options_.backend; }
  /// Ends all connections in good order and waits for the threads.
  void stop();

 private:
  /// Of all network threads and the machine, since each began.
  struct ProcessorTimes {
    Micros measured_at;
    Micros busy;
    Micros idle;
  };

  Network(command::Services& services, NetworkOptions options,
          std::function<void(const std::string&)> warn);

  Result<std::vector<std::unique_ptr<Transport>>> create_transports();
  void receive(Socket socket) override;
  void balance(Micros now) override;
  bool is_balanced() const;
  void set_active_count(std::size_t count);
  ProcessorTimes processor_times(Micros now) const;
  void warn(const std::string& text) override { warn_(text); }

  command::Services& services_;
  NetworkOptions options_;
  std::function<void(const std::string&)> warn_;
  std::vector<Socket> listeners_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::thread> threads_;
  std::size_t next_loop_ = 0;  ///< the first loop's thread, which accepts

  std::atomic<std::size_t> active_count_{0};  ///< threads that are to have connections
  std::atomic<std::int64_t> next_balance_micros_{INT64_MAX};
  std::mutex balance_mutex_;
  std::vector<io::ThreadClock> thread_clocks_;  // guarded by balance_mutex_
  ActiveThreads active_;                        // guarded by balance_mutex_
  ProcessorTimes measured_;                     // guarded by balance_mutex_
};

}  // namespace diskdb::net
