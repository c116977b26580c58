// net/transport.h — what a loop needs of the kernel: connections arrive, bytes come in, bytes go
// out, another thread knocks. Two kinds of kernel interface stand behind it.
//
// Readiness (epoll_transport.h): the kernel says who has something, and the transport receives it
// where the handler wants it: receive_room(), then received(). Completion (uring_transport.h): the
// kernel has received already, into a buffer of the transport's: delivered(). Either way a send is
// answered by an event, perhaps much later, and its bytes stay where they are until then; so does
// a peer that was removed while the kernel still works for it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "base/units.h"
#include "net/buffer_pool.h"

namespace diskdb::net {

/// A connection as its transport sees it. Connections derive from it.
struct Peer {
  int socket = -1;
  /// What the kernel still does for it. While there is any, the peer and the bytes that it sends
  /// stay where they are, also after Transport::remove.
  int operation_count = 0;
  // The transport's.
  std::size_t short_send_bytes = 0;  ///< gone in a send that was cut short
  std::uint64_t submission = 0;      ///< the one that its last operation belongs to
  std::uint64_t fed_in_round = 0;    ///< it received something
  bool is_paused = false;
  bool awaits_room = false;    ///< to send
  bool is_receiving = false;   ///< a receive is armed
  bool is_cancelling = false;  ///< that receive
  bool is_removed = false;
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
  /// `bytes` from `peer`, at least one, lie in `buffer` from `offset` on; they must all be taken.
  /// What lies around them may be overwritten, and the buffer be kept if one as large is left in
  /// its place. Returns whether more is welcome; if not, the peer rests until resume(), but what
  /// the kernel has already received comes all the same. The peer may be removed in this call.
  virtual bool delivered(Peer& peer, Buffer& buffer, std::size_t offset, std::size_t bytes) = 0;
  /// The send that was started is over: so many bytes are gone, perhaps not all. Returns whether
  /// that leaves something to do before the next wait.
  virtual bool sent(Peer& peer, std::size_t bytes) = 0;
  /// The connection is dead.
  virtual void failed(Peer& peer) = 0;
};

/// Threads: one, but for knock().
class Transport {
 public:
  virtual ~Transport() = default;

  /// Before anything else: buffers come from `pool`, which outlives the transport. At least
  /// `bytes` of what was received lie in one piece, if so much has come.
  virtual void use_pool(BufferPool& pool, std::size_t bytes) = 0;
  /// Owned by the caller, as all sockets are.
  virtual void add_listener(int socket) = 0;
  virtual void remove_listener(int socket) = 0;
  /// Borrows `peer` until removed.
  virtual Status add(Peer& peer) = 0;
  /// No event of `peer` follows. Before its socket is closed; the peer itself must live until
  /// wait() has returned and operation_count is 0, which takes no more than a few wait() of readers
  /// that are served.
  virtual void remove(Peer& peer) = 0;
  /// Ends the rest that an empty receive_room() or delivered() began.
  virtual void resume(Peer& peer) = 0;
  /// Starts to send. `sent` or `failed` follows, in this call or in a later wait(); until then the
  /// bytes must stay and nothing else be sent. Requires: no send is under way; parts are not empty.
  virtual void send(Peer& peer, std::span<const iovec> parts, TransportHandler& handler) = 0;

  enum class Readers : bool { kRest, kServed };
  /// Waits for events, at most `timeout` (negative: for ever), and tells `handler` what happened.
  /// kRest: for a knock only; what was sent goes out all the same.
  virtual void wait(TransportHandler& handler, Millis timeout, Readers readers) = 0;
  /// Ends the current or the next wait(). Any thread.
  virtual void knock() = 0;
};

}  // namespace diskdb::net
