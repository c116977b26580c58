// net/socket.h — sockets and their options.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace diskdb::net {

/// Owns a file descriptor.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket() { reset(); }

  int get() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }
  int release() { return std::exchange(descriptor_, -1); }
  void reset();

 private:
  int descriptor_ = -1;
};

/// How sockets of clients are set up.
struct SocketOptions {
  bool no_delay = true;
  int keepalive_seconds = 300;  ///< 0: none
  int send_buffer_bytes = 0;    ///< 0: the kernel's own
  int receive_buffer_bytes = 0;
};
/// What cannot be set is not: a connection works without.
void apply(int socket, const SocketOptions& options);

/// A socket bound to `address` ("127.0.0.1", "::1", "*" for all of IPv4, "::*" for all of IPv6)
/// that does not listen yet: the port is taken, and nobody is served before start_listening.
/// Errors: kBusy (somebody has the port), kIo.
Result<Socket> bind_to(const std::string& address, std::uint16_t port);
Status start_listening(const Socket& socket, int backlog);
/// The port that the socket is bound to.
std::uint16_t port_of(const Socket& socket);

/// "127.0.0.1:6380", "[::1]:6380"; empty if unknown.
std::string local_address_of(int socket);
std::string peer_address_of(int socket);
/// Does the other end sit on this machine?
bool is_from_loopback(int socket);

}  // namespace diskdb::net
