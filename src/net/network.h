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

struct NetworkOptions {
  std::size_t thread_count = 1;
  int backlog = 511;
  LoopOptions loop;
};

/// Threads: one at a time, but that the loops it owns run on their own.
class Network final : public Reception {
 public:
  /// Borrows `services` for its life. `warn` may be called on any thread.
  static Result<std::unique_ptr<Network>> create(command::Services& services,
                                                 const NetworkOptions& options,
                                                 std::function<void(const std::string&)> warn);
  ~Network() override;

  /// Listens on `sockets`, which are bound, and starts to serve.
  Status start(std::vector<Socket> sockets);
  /// Ends all connections in good order and waits for the threads.
  void stop();

 private:
  Network(NetworkOptions options, std::function<void(const std::string&)> warn)
      : options_(std::move(options)), warn_(std::move(warn)) {}

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
