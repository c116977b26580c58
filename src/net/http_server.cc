#include "net/http_server.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "base/reached.h"
#include "io/process.h"

namespace diskdb::net {
namespace {

constexpr int kBacklog = 128;  // more at once wait a second for their handshake
constexpr int kReadsBeforeClose = 16;
constexpr Millis kRestAfterFailure{100};

Bytes reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

std::string answer(const HttpResponse& response) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Cache-Control: no-store\r\n"
      "Connection: close\r\n\r\n{}",
      response.status, reason_of(response.status), response.content_type, response.body.size(),
      response.status == 405 ? "Allow: GET\r\n" : "", response.body);
}

std::string refusal(int status) {
  return answer({.status = status, .body = std::string(reason_of(status)) + "\n"});
}

/// Where the headers end, behind their empty line; npos: not yet. A line may end in LF alone.
std::size_t end_of_headers(Bytes input) {
  for (std::size_t at = input.find('\n'); at != Bytes::npos; at = input.find('\n', at + 1)) {
    const Bytes rest = input.substr(at + 1);
    if (rest.starts_with('\n')) return at + 2;
    if (rest.starts_with("\r\n")) return at + 3;
  }
  return Bytes::npos;
}

}  // namespace

std::string http_answer(Bytes input, const HttpServer::Handler& handler) {
  if (end_of_headers(input) == Bytes::npos) {
    return input.size() < HttpServer::kRequestBytesMax ? std::string() : refusal(431);
  }
  Bytes line = input.substr(0, input.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t method_end = line.find(' ');
  const std::size_t target_end = line.rfind(' ');
  if (method_end == Bytes::npos || target_end == method_end ||
      !line.substr(target_end + 1).starts_with("HTTP/1.")) {
    return refusal(400);
  }
  Bytes target = line.substr(method_end + 1, target_end - method_end - 1);
  if (!target.starts_with('/') || target.find(' ') != Bytes::npos) return refusal(400);
  if (line.substr(0, method_end) != "GET") return refusal(405);
  return answer(handler(target.substr(0, target.find('?'))));
}

Status HttpServer::start(std::vector<Socket> sockets) {
  ASSERT(!thread_.joinable());
  stop_event_ = Socket(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event_) return {Code::kIo, std::string("HTTP: ") + std::strerror(errno)};
  for (const Socket& socket : sockets) TRY(start_listening(socket, kBacklog));
  listeners_ = std::move(sockets);
  thread_ = std::thread([this] {
    io::introduce_thread("http", io::Work::kInBackground);
    run();
  });
  return {};
}

void HttpServer::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_event_.get(), &one, sizeof one);
  thread_.join();
  connections_.clear();
  listeners_.clear();
}

void HttpServer::run() {
  for (;;) {
    std::vector<pollfd> waited = what_to_wait_for();
    const Micros now = clock_.monotonic();
    Micros wake_at = connections_.empty() ? Micros{-1} : connections_.front().ends_at;
    if (listeners_rest_until_ > now) {
      wake_at =
          wake_at.count < 0 ? listeners_rest_until_ : std::min(wake_at, listeners_rest_until_);
    }
    const auto timeout_ms =
        wake_at.count < 0
            ? -1
            : static_cast<int>(std::max<std::int64_t>((wake_at.count - now.count) / 1000 + 1, 0));
    ::poll(waited.data(), waited.size(), timeout_ms);
    if (waited[0].revents != 0) return;
    // Connections first: accepting changes their places.
    const std::size_t first = 1 + listeners_.size();
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      const short events = waited[first + i].revents;
      if (events != 0 && !serve(connections_[i], events)) close(connections_[i]);
    }
    close_old();
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      if (waited[1 + i].revents != 0) accept_from(listeners_[i]);
    }
  }
}

// The stop event, the listeners, the connections, in this order.
std::vector<pollfd> HttpServer::what_to_wait_for() const {
  std::vector<pollfd> waited{{.fd = stop_event_.get(), .events = POLLIN, .revents = 0}};
  const bool do_listeners_rest = clock_.monotonic() < listeners_rest_until_;
  for (const Socket& listener : listeners_) {
    // A negative descriptor is passed over.
    waited.push_back(
        {.fd = do_listeners_rest ? -1 : listener.get(), .events = POLLIN, .revents = 0});
  }
  for (const Connection& connection : connections_) {
    const short events = connection.output.empty() ? POLLIN : POLLOUT;
    waited.push_back({.fd = connection.socket.get(), .events = events, .revents = 0});
  }
  return waited;
}

void HttpServer::accept_from(const Socket& listener) {
  Socket socket(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  const Micros now = clock_.monotonic();
  if (!socket) {
    // Out of descriptors, say: trying again at once would do nothing else.
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
      listeners_rest_until_ = now + Micros{kRestAfterFailure.count * 1000};
    }
    return;
  }
  if (connections_.size() == kConnectionsMax) {
    REACHED("http: the oldest connection makes room");
    close(connections_.front());
    connections_.erase(connections_.begin());
  }
  connections_.push_back({.socket = std::move(socket),
                          .ends_at = now + Micros{kLifeMax.count * 1000},
                          .input = {},
                          .output = {}});
}

// False: it is over.
bool HttpServer::serve(Connection& connection, short events) {
  if ((events & (POLLERR | POLLNVAL)) != 0) return false;
  if (connection.output.empty() && !receive(connection)) return false;
  return connection.output.empty() || send(connection);
}

bool HttpServer::receive(Connection& connection) {
  std::array<char, 2048> buffer;
  const ssize_t count = ::recv(connection.socket.get(), buffer.data(), buffer.size(), 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  connection.input.append(buffer.data(), static_cast<std::size_t>(count));
  connection.output = http_answer(connection.input, handler_);
  return true;
}

bool HttpServer::send(Connection& connection) {
  const Bytes left = Bytes(connection.output).substr(connection.sent);
  const ssize_t count = ::send(connection.socket.get(), left.data(), left.size(), MSG_NOSIGNAL);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  connection.sent += static_cast<std::size_t>(count);
  return connection.sent < connection.output.size();
}

void HttpServer::close_old() {
  const Micros now = clock_.monotonic();
  for (Connection& connection : connections_) {
    if (connection.socket && now >= connection.ends_at) {
      REACHED("http: a connection has lived long enough");
      close(connection);
    }
  }
  std::erase_if(connections_, [](const Connection& connection) { return !connection.socket; });
}

// Closing with unread input would make the kernel take back what was sent last.
void HttpServer::close(Connection& connection) {
  std::array<char, 4096> ignored;
  for (int i = 0; i < kReadsBeforeClose; ++i) {
    if (::recv(connection.socket.get(), ignored.data(), ignored.size(), MSG_DONTWAIT) <= 0) break;
  }
  connection.socket.reset();
}

}  // namespace diskdb::net
