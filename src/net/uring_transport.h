// net/uring_transport.h — a Transport on io_uring: the kernel is told what to do, and tells what it
// has done; one system call a turn does both (docs/decisions/029-io-uring.md).
//
// Each connection keeps one receive armed (multishot). It has no buffer: when bytes arrive, the
// kernel takes the next one of a ring of buffers that all connections of the thread share, so an
// idle connection costs none. Buffers go back to the ring when the handler has seen them. Sends of
// a turn are entries of the submission ring and go in with the next wait. The kernel does its part
// of the work only within our calls (DEFER_TASKRUN), so nothing is received while the thread runs
// requests, or rests.
//
// What the kernel works on must stay: a peer counts its operations, and remove() takes back those
// that would not end by themselves. No entry that names a socket waits for its submission when
// remove() returns: the number may belong to another connection a moment later.
#pragma once

#include <liburing.h>

#include <deque>
#include <memory>
#include <vector>

#include "net/buffer_pool.h"
#include "net/limits.h"
#include "net/socket.h"
#include "net/transport.h"

namespace diskdb::net {

/// Threads: as Transport; use_pool and add_listener may be called on another one before.
class UringTransport final : public Transport {
 public:
  /// Errors: kIo: the kernel has no io_uring, or not all we use of it (Linux 6.1), or does not let
  /// this process use it.
  static Result<std::unique_ptr<Transport>> create();
  ~UringTransport() override;

  void use_pool(BufferPool& pool, std::size_t bytes) override;
  void add_listener(int socket) override;
  void remove_listener(int socket) override;
  Status add(Peer& peer) override;
  void remove(Peer& peer) override;
  void resume(Peer& peer) override;
  void send(Peer& peer, std::span<const iovec> parts, TransportHandler& handler) override;
  void wait(TransportHandler& handler, Millis timeout, Readers readers) override;
  void knock() override;

 private:
  struct Listener {
    int socket;
    bool is_armed;
    bool is_removed;
  };
  /// What an operation with several parts reads while it is submitted.
  struct Message {
    msghdr header;
    std::array<iovec, kSendPartsMax> parts;
  };
  enum class Kind : std::uint8_t {
    kOther,
    kReceive,
    kSend,
    kAccept,
    kKnock,
    kCancelReceive,
    kCancelSend
  };

  explicit UringTransport(Socket knocker) : knocker_(std::move(knocker)) {}
  Status set_up();
  void begin_to_serve();

  io_uring_sqe& entry();
  void submit();
  void enter(Millis timeout);
  void note_submitted();
  void arm(Peer& peer);
  void arm(Listener& listener);
  void arm_knocker();
  void arm_greedy();
  void cancel_receive(Peer& peer);
  void cancel_send(Peer& peer);
  void cancel(Peer& peer, Kind what, Kind kind);
  void rest(TransportHandler& handler, Millis timeout);
  bool reap(TransportHandler& handler, Readers readers);
  bool handle(const io_uring_cqe& completion, TransportHandler& handler);
  void handle_receive(Peer& peer, const io_uring_cqe& completion, TransportHandler& handler);
  bool handle_send(Peer& peer, int result, TransportHandler& handler);
  void handle_accept(int socket, const io_uring_cqe& completion, TransportHandler& handler);
  void deliver(Peer& peer, unsigned index, std::size_t bytes, TransportHandler& handler);
  void offer(unsigned index);

  Socket knocker_;  ///< an eventfd
  io_uring ring_{};
  bool has_ring_ = false;
  bool is_serving_ = false;
  bool is_knocked_ = false;
  std::vector<Listener> listeners_;
  std::uint64_t submission_ = 1;  ///< the next one's number
  std::deque<Message> messages_;  ///< of the next submission, and unused ones
  std::size_t message_count_ = 0;
  std::vector<io_uring_cqe> set_aside_;  ///< what was received, or accepted, during a rest
  std::vector<io_uring_cqe> scratch_;
  std::uint64_t round_ = 1;    ///< of events being handled
  std::vector<Peer*> greedy_;  ///< in this round received until no buffer was left

  io_uring_buf_ring* offered_ = nullptr;  ///< shared with the kernel
  std::size_t headroom_ = 0;
  std::vector<Buffer> buffers_;
};

}  // namespace diskdb::net
