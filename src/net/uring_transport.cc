#include "net/uring_transport.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "base/reached.h"

namespace diskdb::net {
namespace {

constexpr int kBufferGroup = 0;
constexpr std::size_t kRingBytes = kUringBuffers * sizeof(io_uring_buf);
constexpr std::size_t kHeadroomDivisor = 4;
// Buffers begin at the same place of a page, and all of them would fight for the same lines of the
// processor's caches; so what is received begins a little later in each.
constexpr std::size_t kColours = 16;
constexpr std::size_t kColourBytes = 256;
constexpr std::uint64_t kKindMask = 7;

static_assert(alignof(Peer) > kKindMask, "an address leaves room for the kind of operation");

Error system_error(const std::string& doing, int error_number) {
  return {Code::kIo, doing + ": " + std::strerror(error_number)};
}

std::size_t colour_of(unsigned index) { return index % kColours * kColourBytes; }

}  // namespace

// ---- Begin and end

Result<std::unique_ptr<Transport>> UringTransport::create() {
  Socket knocker(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!knocker) return system_error("eventfd", errno);
  std::unique_ptr<UringTransport> transport(new UringTransport(std::move(knocker)));
  TRY(transport->set_up());
  return std::unique_ptr<Transport>(std::move(transport));
}

// The flags are of Linux 6.1, which brought the last of what is needed besides (rings of buffers
// and receives that stay armed are older): so if this succeeds, all is there. The ring belongs to
// the thread that enables it.
Status UringTransport::set_up() {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  parameters.cq_entries = kUringCompletions;
  const int result = ::io_uring_queue_init_params(kUringSubmissions, &ring_, &parameters);
  if (result != 0) return system_error("io_uring_setup", -result);
  has_ring_ = true;
  void* memory = ::mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return system_error("mmap", errno);
  offered_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(offered_);
  registration.ring_entries = kUringBuffers;
  registration.bgid = kBufferGroup;
  if (const int refused = ::io_uring_register_buf_ring(&ring_, &registration, 0); refused != 0) {
    return system_error("io_uring_register", -refused);
  }
  ::io_uring_buf_ring_init(offered_);
  return {};
}

UringTransport::~UringTransport() {
  for (const io_uring_cqe& completion : set_aside_) {
    const auto kind = static_cast<Kind>(completion.user_data & kKindMask);
    if (kind == Kind::kAccept && completion.res >= 0) Socket(completion.res).reset();
  }
  if (has_ring_) ::io_uring_queue_exit(&ring_);
  if (offered_ != nullptr) ::munmap(offered_, kRingBytes);
}

void UringTransport::use_pool(BufferPool& pool, std::size_t bytes) {
  bytes = std::min(bytes, kUringBufferBytesMax);
  headroom_ = std::min(kLeftoverBytesShared, bytes / kHeadroomDivisor);
  for (unsigned i = 0; i < kUringBuffers; ++i) {
    buffers_.push_back(pool.take(bytes));
    pool.note_standing(buffers_.back().capacity());
    offer(i);
  }
}

void UringTransport::begin_to_serve() {
  is_serving_ = true;
  // liburing 2.3 has a function for this and forgot to export it.
  const long result =
      ::syscall(SYS_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  ASSERT(result == 0);
  ::io_uring_register_ring_fd(&ring_);  // spares a look-up for each call; works without
  arm_knocker();
}

// ---- The submission ring

io_uring_sqe& UringTransport::entry() {
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  if (entry == nullptr) {
    submit();
    entry = ::io_uring_get_sqe(&ring_);
    ASSERT(entry != nullptr);
  }
  return *entry;
}

void UringTransport::submit() {
  if (!is_serving_) begin_to_serve();
  // It stops early only for want of memory.
  while (::io_uring_sq_ready(&ring_) > 0) {
    const int result = ::io_uring_submit(&ring_);
    ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
  }
  note_submitted();
}

void UringTransport::note_submitted() {
  ++submission_;
  message_count_ = 0;
}

// Submits, and waits for something.
void UringTransport::enter(Millis timeout) {
  if (timeout.count == 0) {
    ::io_uring_submit_and_get_events(&ring_);
  } else if (timeout.count < 0) {
    ::io_uring_submit_and_wait(&ring_, 1);
  } else {
    __kernel_timespec limit{.tv_sec = timeout.count / 1000,
                            .tv_nsec = timeout.count % 1000 * 1'000'000};
    io_uring_cqe* first = nullptr;
    ::io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
  }
  submit();  // what is left, if the kernel was short of memory
}

namespace {

void label(io_uring_sqe& entry, const void* whose, std::uint64_t kind) {
  entry.user_data = reinterpret_cast<std::uint64_t>(whose) | kind;
}

}  // namespace

void UringTransport::arm(Peer& peer) {
  io_uring_sqe& sqe = entry();
  ::io_uring_prep_recv_multishot(&sqe, peer.socket, nullptr, 0, 0);
  sqe.flags |= IOSQE_BUFFER_SELECT;
  sqe.buf_group = kBufferGroup;
  label(sqe, &peer, static_cast<std::uint64_t>(Kind::kReceive));
  peer.submission = submission_;
  peer.is_receiving = true;
  ++peer.operation_count;
}

void UringTransport::cancel_receive(Peer& peer) {
  if (!peer.is_receiving || peer.is_cancelling) return;
  peer.is_cancelling = true;
  cancel(peer, Kind::kReceive, Kind::kCancelReceive);
}

void UringTransport::cancel_send(Peer& peer) {
  if (peer.awaits_room) cancel(peer, Kind::kSend, Kind::kCancelSend);
}

void UringTransport::cancel(Peer& peer, Kind what, Kind kind) {
  io_uring_sqe& sqe = entry();
  ::io_uring_prep_cancel64(
      &sqe, reinterpret_cast<std::uint64_t>(&peer) | static_cast<std::uint64_t>(what), 0);
  label(sqe, &peer, static_cast<std::uint64_t>(kind));
  peer.submission = submission_;
  ++peer.operation_count;
}

void UringTransport::arm(Listener& listener) {
  io_uring_sqe& sqe = entry();
  ::io_uring_prep_multishot_accept(&sqe, listener.socket, nullptr, nullptr, SOCK_CLOEXEC);
  sqe.user_data =
      static_cast<std::uint64_t>(listener.socket) << 3U | static_cast<std::uint64_t>(Kind::kAccept);
  listener.is_armed = true;
}

void UringTransport::arm_knocker() {
  io_uring_sqe& sqe = entry();
  ::io_uring_prep_poll_multishot(&sqe, knocker_.get(), POLLIN);
  label(sqe, nullptr, static_cast<std::uint64_t>(Kind::kKnock));
}

void UringTransport::offer(unsigned index) {
  const std::size_t begin = headroom_ + colour_of(index);
  ::io_uring_buf_ring_add(offered_, buffers_[index].data() + begin,
                          static_cast<unsigned>(buffers_[index].capacity() - begin),
                          static_cast<unsigned short>(index),
                          ::io_uring_buf_ring_mask(kUringBuffers), 0);
  ::io_uring_buf_ring_advance(offered_, 1);
}

// ---- Transport

// A socket that does not block would be answered EAGAIN at once, instead of when there is
// something.
void UringTransport::add_listener(int socket) {
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  for (Listener& listener : listeners_) {
    if (listener.socket != socket) continue;
    listener.is_removed = false;  // if still armed, it is armed again when that has ended
    if (!listener.is_armed) arm(listener);
    return;
  }
  listeners_.push_back({.socket = socket, .is_armed = false, .is_removed = false});
  arm(listeners_.back());
}

void UringTransport::remove_listener(int socket) {
  for (Listener& listener : listeners_) {
    if (listener.socket != socket || listener.is_removed) continue;
    listener.is_removed = true;
    if (!listener.is_armed) return;
    io_uring_sqe& sqe = entry();
    ::io_uring_prep_cancel64(
        &sqe, static_cast<std::uint64_t>(socket) << 3U | static_cast<std::uint64_t>(Kind::kAccept),
        0);
    label(sqe, nullptr, static_cast<std::uint64_t>(Kind::kOther));
    submit();
  }
}

Status UringTransport::add(Peer& peer) {
  arm(peer);
  return {};
}

void UringTransport::remove(Peer& peer) {
  if (peer.is_removed) return;
  peer.is_removed = true;
  cancel_receive(peer);
  cancel_send(peer);
  if (peer.submission == submission_) submit();
}

void UringTransport::resume(Peer& peer) {
  if (!peer.is_paused) return;
  peer.is_paused = false;
  if (!peer.is_receiving) arm(peer);
}

void UringTransport::send(Peer& peer, std::span<const iovec> parts, TransportHandler&) {
  ASSERT(!peer.awaits_room && !parts.empty() && parts.size() <= kSendPartsMax);
  io_uring_sqe& sqe = entry();
  if (parts.size() == 1) {
    ::io_uring_prep_send(&sqe, peer.socket, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
  } else {
    if (message_count_ == messages_.size()) messages_.emplace_back();
    Message& message = messages_[message_count_++];
    std::copy(parts.begin(), parts.end(), message.parts.begin());
    message.header = {};
    message.header.msg_iov = message.parts.data();
    message.header.msg_iovlen = parts.size();
    ::io_uring_prep_sendmsg(&sqe, peer.socket, &message.header, MSG_NOSIGNAL);
  }
  label(sqe, &peer, static_cast<std::uint64_t>(Kind::kSend));
  peer.awaits_room = true;
  peer.submission = submission_;
  ++peer.operation_count;
}

void UringTransport::wait(TransportHandler& handler, Millis timeout, Readers readers) {
  if (!is_serving_) begin_to_serve();
  if (readers == Readers::kRest) {
    rest(handler, timeout);
    return;
  }
  if (!set_aside_.empty()) {
    scratch_.clear();
    scratch_.swap(set_aside_);
    for (const io_uring_cqe& completion : scratch_) handle(completion, handler);
    arm_greedy();
    timeout = Millis{0};
  }
  enter(timeout);
  reap(handler, Readers::kServed);
}

// Work for receives is done within enter() only, so it is enough not to enter.
void UringTransport::rest(TransportHandler& handler, Millis timeout) {
  submit();
  is_knocked_ = false;
  reap(handler, Readers::kRest);
  if (is_knocked_) return;
  // The counter also holds knocks that were noticed before: then this rest is short.
  pollfd knock{.fd = knocker_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&knock, 1, static_cast<int>(timeout.count)) <= 0) return;
  std::uint64_t count;
  [[maybe_unused]] const ssize_t size = ::read(knocker_.get(), &count, sizeof count);
}

void UringTransport::knock() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(knocker_.get(), &one, sizeof one);
}

// ---- The completion ring

// Returns whether there is something to do before the next wait. Entries are copied and given back
// first: handling one may submit, and what that completes at once needs their room.
bool UringTransport::reap(TransportHandler& handler, Readers readers) {
  bool is_work_left = false;
  std::array<io_uring_cqe*, 64> some;
  std::array<io_uring_cqe, 64> copies;
  for (;;) {
    const unsigned count = ::io_uring_peek_batch_cqe(&ring_, some.data(), some.size());
    if (count == 0) break;
    for (unsigned i = 0; i < count; ++i) copies[i] = *some[i];
    ::io_uring_cq_advance(&ring_, count);
    for (unsigned i = 0; i < count; ++i) {
      const auto kind = static_cast<Kind>(copies[i].user_data & kKindMask);
      if (readers == Readers::kRest && (kind == Kind::kReceive || kind == Kind::kAccept)) {
        set_aside_.push_back(copies[i]);
      } else {
        is_work_left |= handle(copies[i], handler);
      }
    }
  }
  arm_greedy();
  return is_work_left;
}

// Those that took what the others then lacked come after them.
void UringTransport::arm_greedy() {
  ++round_;
  for (Peer* peer : greedy_) {
    if (!peer->is_receiving && !peer->is_paused && !peer->is_removed) arm(*peer);
  }
  greedy_.clear();
}

bool UringTransport::handle(const io_uring_cqe& completion, TransportHandler& handler) {
  Peer* const peer = reinterpret_cast<Peer*>(completion.user_data & ~kKindMask);
  switch (static_cast<Kind>(completion.user_data & kKindMask)) {
    case Kind::kReceive:
      handle_receive(*peer, completion, handler);
      break;
    case Kind::kSend:
      return handle_send(*peer, completion.res, handler);
    // What was just running is not found. It may have been its last time, and then it has ended by
    // now; or else it is taken back again.
    case Kind::kCancelReceive:
      --peer->operation_count;
      peer->is_cancelling = false;
      if (completion.res < 0 && (peer->is_paused || peer->is_removed)) cancel_receive(*peer);
      break;
    case Kind::kCancelSend:
      --peer->operation_count;
      if (completion.res < 0) cancel_send(*peer);
      break;
    case Kind::kAccept:
      handle_accept(static_cast<int>(completion.user_data >> 3U), completion, handler);
      break;
    case Kind::kKnock:
      is_knocked_ = true;
      if ((completion.flags & IORING_CQE_F_MORE) == 0) arm_knocker();
      break;
    case Kind::kOther:
      break;
  }
  return true;
}

void UringTransport::handle_receive(Peer& peer, const io_uring_cqe& completion,
                                    TransportHandler& handler) {
  if ((completion.flags & IORING_CQE_F_MORE) == 0) {
    peer.is_receiving = false;
    --peer.operation_count;
  }
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
    const unsigned index = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    if (completion.res > 0 && !peer.is_removed) {
      peer.fed_in_round = round_;
      deliver(peer, index, static_cast<std::size_t>(completion.res), handler);
    }
    offer(index);
  }
  if (peer.is_removed) return;
  switch (completion.res) {
    case 0:  // the end: nothing more to receive, unless the handler asks for it
      peer.is_paused = true;
      handler.received(peer, 0);
      break;
    case -ENOBUFS:
      REACHED("uring: all buffers were in use");
      if (peer.fed_in_round == round_) {
        greedy_.push_back(&peer);
        return;
      }
      break;
    case -ECANCELED:
    case -EAGAIN:
    case -EINTR:
      break;
    default:
      if (completion.res < 0) {
        handler.failed(peer);
        return;
      }
  }
  if (!peer.is_receiving && !peer.is_paused && !peer.is_removed) arm(peer);
}

void UringTransport::deliver(Peer& peer, unsigned index, std::size_t bytes,
                             TransportHandler& handler) {
  Buffer& buffer = buffers_[index];
  const std::size_t capacity = buffer.capacity();
  const bool welcomes_more = handler.delivered(peer, buffer, headroom_ + colour_of(index), bytes);
  ASSERT(buffer.capacity() == capacity);
#ifdef DISKDB_SLOW_ASSERTS
  std::memset(buffer.data(), 0xDD, capacity);  // whoever still looks at it shall not like it
#endif
  if (welcomes_more || peer.is_removed) return;
  peer.is_paused = true;
  cancel_receive(peer);
}

bool UringTransport::handle_send(Peer& peer, int result, TransportHandler& handler) {
  --peer.operation_count;
  peer.awaits_room = false;
  if (peer.is_removed) return true;
  if (result >= 0) return handler.sent(peer, static_cast<std::size_t>(result));
  if (result == -EAGAIN || result == -EINTR || result == -ENOBUFS || result == -ENOMEM) {
    return handler.sent(peer, 0);
  }
  handler.failed(peer);
  return true;
}

void UringTransport::handle_accept(int socket, const io_uring_cqe& completion,
                                   TransportHandler& handler) {
  const auto listener = std::find_if(listeners_.begin(), listeners_.end(),
                                     [&](const Listener& one) { return one.socket == socket; });
  ASSERT(listener != listeners_.end());
  if ((completion.flags & IORING_CQE_F_MORE) == 0) listener->is_armed = false;
  if (completion.res >= 0) {
    handler.accepted(completion.res);
  } else if (completion.res == -EMFILE || completion.res == -ENFILE || completion.res == -ENOBUFS ||
             completion.res == -ENOMEM) {
    REACHED("uring: no descriptor for a connection");
    handler.accept_failed(-completion.res);
  }
  if (!listener->is_armed && !listener->is_removed) arm(*listener);
}

}  // namespace diskdb::net
