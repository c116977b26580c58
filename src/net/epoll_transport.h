// net/epoll_transport.h — a Transport on epoll, level-triggered: one receive for each ready
// connection and wait(), one send for each call, EPOLLOUT only after a send that was cut short.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <memory>
#include <set>

#include "net/socket.h"
#include "net/transport.h"

namespace diskdb::net {

/// Threads: as Transport.
class EpollTransport final : public Transport {
 public:
  static Result<std::unique_ptr<Transport>> create();

  void use_pool(BufferPool&, std::size_t) override {}
  void add_listener(int socket) override;
  void remove_listener(int socket) override;
  Status add(Peer& peer) override;
  void remove(Peer& peer) override;
  void resume(Peer& peer) override;
  void send(Peer& peer, std::span<const iovec> parts, TransportHandler& handler) override;
  void wait(TransportHandler& handler, Millis timeout, Readers readers) override;
  void knock() override;

 private:
  static constexpr std::size_t kEventsPerWait = 256;

  EpollTransport(Socket epoll, Socket knocker)
      : epoll_(std::move(epoll)), knocker_(std::move(knocker)) {}

  void accept_all(int listener, TransportHandler& handler);
  void serve(Peer& peer, std::uint32_t events, TransportHandler& handler);
  void receive(Peer& peer, TransportHandler& handler);
  void set_interest(Peer& peer);
  void drain_knocks();

  Socket epoll_;
  Socket knocker_;  ///< an eventfd
  std::set<int> listeners_;
  std::array<epoll_event, kEventsPerWait> events_{};
};

}  // namespace diskdb::net
