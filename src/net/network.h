// net/network.h — all network threads and what they listen on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "command/services.h"
#include "net/loop.h"
#include "net/socket.h"

namespace diskdb::net {

/// How network threads ask the kernel; auto: as docs/decisions/029-io-uring.md found best.
enum class IoBackend : std::uint8_t { kAuto, kUring, kEpoll };

struct NetworkOptions {
  std::size_t thread_count = 1;
  IoBackend backend = IoBackend::kAuto;
  int backlog = 511;
  LoopOptions loop;
};

/// Threads: one at a time, but that the loops it owns run on their own.
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
  Network(NetworkOptions options, std::function<void(const std::string&)> warn)
      : options_(std::move(options)), warn_(std::move(warn)) {}

  Result<std::vector<std::unique_ptr<Transport>>> create_transports();
  void receive(Socket socket) override;
  void warn(const std::string& text) override { warn_(text); }

  NetworkOptions options_;
  std::function<void(const std::string&)> warn_;
  std::vector<Socket> listeners_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::thread> threads_;
  std::size_t next_loop_ = 0;  ///< the first loop's thread, which accepts
};

}  // namespace diskdb::net
