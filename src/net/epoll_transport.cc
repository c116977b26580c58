#include "net/epoll_transport.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "base/reached.h"
#include "net/limits.h"

namespace diskdb::net {
namespace {

Error system_error(const std::string& doing) {
  return {Code::kIo, doing + ": " + std::strerror(errno)};
}

int timeout_of(Millis timeout) {
  return static_cast<int>(std::clamp<std::int64_t>(timeout.count, -1, 3600 * 1000));
}

// One part, as mostly, needs no list to be copied to the kernel.
ssize_t send_once(int socket, std::span<const iovec> parts) {
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
  if (parts.size() == 1) return ::send(socket, parts[0].iov_base, parts[0].iov_len, kFlags);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return ::sendmsg(socket, &message, kFlags);
}

}  // namespace

Result<std::unique_ptr<Transport>> EpollTransport::create() {
  Socket epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error("epoll_create1");
  Socket knocker(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!knocker) return system_error("eventfd");
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  event.data.fd = knocker.get();
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, knocker.get(), &event) != 0) {
    return system_error("epoll_ctl");
  }
  return std::unique_ptr<Transport>(new EpollTransport(std::move(epoll), std::move(knocker)));
}

// Addresses of peers are larger than any descriptor, so both fit into the same word of an event.
void EpollTransport::add_listener(int socket) {
  listeners_.insert(socket);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = static_cast<std::uint64_t>(socket)}};
  const int result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event);
  ASSERT(result == 0);
}

void EpollTransport::remove_listener(int socket) {
  if (listeners_.erase(socket) == 1) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
  }
}

Status EpollTransport::add(Peer& peer) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &peer}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, peer.socket, &event) == 0) return {};
  return system_error("epoll_ctl");
}

void EpollTransport::remove(Peer& peer) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, peer.socket, nullptr);
  // What wait() has already fetched for it must find it gone.
  for (epoll_event& event : events_) {
    if (event.data.ptr == &peer) event.events = 0;
  }
}

void EpollTransport::resume(Peer& peer) {
  if (!peer.is_paused) return;
  peer.is_paused = false;
  set_interest(peer);
}

void EpollTransport::set_interest(Peer& peer) {
  epoll_event event{.events = 0, .data = {.ptr = &peer}};
  if (!peer.is_paused) event.events |= EPOLLIN;
  if (peer.awaits_room) event.events |= EPOLLOUT;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, peer.socket, &event);
}

void EpollTransport::send(Peer& peer, std::span<const iovec> parts, TransportHandler& handler) {
  ASSERT(!peer.awaits_room && !parts.empty());
  std::size_t wanted = 0;
  for (const iovec& part : parts) wanted += part.iov_len;
  ssize_t count;
  do {
    count = send_once(peer.socket, parts);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
    handler.failed(peer);
    return;
  }
  const auto sent = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  if (sent == wanted) {
    handler.sent(peer, sent);
    return;
  }
  peer.short_send_bytes = sent;
  peer.awaits_room = true;
  set_interest(peer);
}

void EpollTransport::wait(TransportHandler& handler, Millis timeout, Readers readers) {
  if (readers == Readers::kRest) {
    pollfd knock{.fd = knocker_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&knock, 1, timeout_of(timeout)) > 0) drain_knocks();
    return;
  }
  const int count = ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                 timeout_of(timeout));
  for (int i = 0; i < count; ++i) {
    epoll_event& event = events_[static_cast<std::size_t>(i)];
    if (event.events == 0) continue;  // removed meanwhile
    const std::uint64_t word = event.data.u64;
    if (word == static_cast<std::uint64_t>(knocker_.get())) {
      drain_knocks();
    } else if (word < (1U << 30) && listeners_.contains(static_cast<int>(word))) {
      accept_all(static_cast<int>(word), handler);
    } else if (word >= (1U << 30)) {
      serve(*static_cast<Peer*>(event.data.ptr), event.events, handler);
    }
  }
  // remove() looks through all entries: leave none that names a peer of an earlier wait.
  for (int i = 0; i < count; ++i) events_[static_cast<std::size_t>(i)] = {};
}

void EpollTransport::serve(Peer& peer, std::uint32_t events, TransportHandler& handler) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0 && (peer.is_paused || (events & EPOLLIN) == 0)) {
    handler.failed(peer);
    return;
  }
  if ((events & EPOLLOUT) != 0 && peer.awaits_room) {
    peer.awaits_room = false;
    set_interest(peer);
    handler.sent(peer, std::exchange(peer.short_send_bytes, 0));
    if (peer.socket < 0) return;
  }
  if ((events & EPOLLIN) != 0 && !peer.is_paused) receive(peer, handler);
}

void EpollTransport::receive(Peer& peer, TransportHandler& handler) {
  const std::span<char> room = handler.receive_room(peer);
  if (room.empty()) {
    peer.is_paused = true;
    set_interest(peer);
    return;
  }
  ssize_t count;
  do {
    count = ::recv(peer.socket, room.data(), room.size(), MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) {
    handler.received(peer, static_cast<std::size_t>(count));
  } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
    handler.failed(peer);
  }
}

void EpollTransport::accept_all(int listener, TransportHandler& handler) {
  for (std::size_t i = 0; i < kAcceptsPerTurn; ++i) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) {
      handler.accepted(socket);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      REACHED("transport: no descriptor for a connection");
      handler.accept_failed(errno);
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

void EpollTransport::knock() {
  const std::uint64_t one = 1;
  // Fails only if the counter is full, when a knock is pending anyway.
  [[maybe_unused]] const ssize_t written = ::write(knocker_.get(), &one, sizeof one);
}

void EpollTransport::drain_knocks() {
  std::uint64_t count;
  [[maybe_unused]] const ssize_t size = ::read(knocker_.get(), &count, sizeof count);
}

}  // namespace diskdb::net
