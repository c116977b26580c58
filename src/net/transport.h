// net/transport.h — what a loop needs of the kernel: connections arrive, bytes come in, bytes go
// out, another thread knocks. Two kinds of kernel interface fit behind it: readiness
// (epoll_transport.h) and completion (io_uring, later); so a send is answered by an event, and its
// bytes stay where they are until then.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "base/units.h"

namespace diskdb::net {

/// A connection as its transport sees it. Connections derive from it.
struct Peer {
  int socket = -1;
  // The transport's.
  std::size_t short_send_bytes = 0;  ///< gone in a send that was cut short
  bool is_paused = false;
  bool awaits_room = false;  ///< to send
};

/// What happens, told to the loop from within Transport::wait and Transport::send.
class TransportHandler {
 public:
  virtual ~TransportHandler() = default;
  /// A listener has a new connection, non-blocking; the handler owns it.
  virtual void accepted(int socket) = 0;
  /// The system is out of descriptors or memory for connections; the listener rests for a moment.
  virtual void accept_failed(int error_number) = 0;
  /// Where the next bytes from `peer` may go. Empty: not now; the peer rests until resume().
  virtual std::span<char> receive_room(Peer& peer) = 0;
  /// So many bytes lie there; 0: the peer sends no more. The peer may be removed in this call.
  virtual void received(Peer& peer, std::size_t bytes) = 0;
  /// The send that was started is over: so many bytes are gone, perhaps not all.
  virtual void sent(Peer& peer, std::size_t bytes) = 0;
  /// The connection is dead.
  virtual void failed(Peer& peer) = 0;
};

/// Threads: one, but for knock().
class Transport {
 public:
  virtual ~Transport() = default;

  /// Owned by the caller, as all sockets are.
  virtual void add_listener(int socket) = 0;
  virtual void remove_listener(int socket) = 0;
  /// Borrows `peer` until removed.
  virtual Status add(Peer& peer) = 0;
  /// No event of `peer` follows. Before its socket is closed; the peer itself must live until
  /// wait() returns.
  virtual void remove(Peer& peer) = 0;
  /// Ends the rest that an empty receive_room() began.
  virtual void resume(Peer& peer) = 0;
  /// Starts to send. `sent` or `failed` follows, in this call or in a later wait(); until then the
  /// bytes must stay and nothing else be sent. Requires: no send is under way; parts are not empty.
  virtual void send(Peer& peer, std::span<const iovec> parts, TransportHandler& handler) = 0;

  enum class Readers : bool { kRest, kServed };
  /// Waits for events, at most `timeout` (negative: for ever), and tells `handler` what happened.
  /// kRest: for a knock only.
  virtual void wait(TransportHandler& handler, Millis timeout, Readers readers) = 0;
  /// Ends the current or the next wait(). Any thread.
  virtual void knock() = 0;
};

}  // namespace diskdb::net
