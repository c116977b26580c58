// bench/bare_loop.cc — the ceiling of the wire: a server that answers +OK to every request and does
// nothing else. What it costs is what the kernel's network and an event loop cost; what DiskDB
// costs more is ours to cut. It counts a request for each '*' that arrives, so it is right for
// redis-benchmark's SET, GET and INCR, and for nothing else.
//
//   bare_loop PORT [epoll|io_uring] [yield]
//
// One thread. `yield`: let others run before waiting (docs/decisions/024-yield-before-waiting.md).
// Nothing of src/ is used.
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr int kDescriptorsMax = 4096;

[[noreturn]] void die(const char* doing) {
  std::perror(doing);
  std::exit(1);
}

int listen_on(int port, int flags) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | flags, 0);
  const int one = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
  if (::listen(listener, 511) != 0) die("listen");
  return listener;
}

void send_at_once(int socket) {
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

const std::string& replies(std::size_t count) {
  static std::string text;
  while (text.size() < count * 5) text += "+OK\r\n";
  return text;
}

std::size_t requests_in(std::string_view bytes) {
  return static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '*'));
}

[[noreturn]] void serve_by_epoll(int port, bool yields) {
  const int listener = listen_on(port, SOCK_NONBLOCK);
  const int epoll = ::epoll_create1(0);
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  std::array<epoll_event, 256> events;
  std::vector<char> buffer(kBufferBytes);
  std::vector<std::pair<int, std::size_t>> answers;
  for (;;) {
    if (yields) ::sched_yield();
    const int count = ::epoll_wait(epoll, events.data(), events.size(), -1);
    answers.clear();
    for (int i = 0; i < count; ++i) {
      const int socket = events[static_cast<std::size_t>(i)].data.fd;
      if (socket == listener) {
        const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (accepted < 0) continue;
        send_at_once(accepted);
        event = {.events = EPOLLIN, .data = {.fd = accepted}};
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &event);
        continue;
      }
      const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        ::close(socket);
        continue;
      }
      answers.emplace_back(socket, requests_in({buffer.data(), static_cast<std::size_t>(got)}));
    }
    for (const auto& [socket, requests] : answers) {
      if (requests == 0) continue;
      [[maybe_unused]] const ssize_t sent =
          ::send(socket, replies(requests).data(), requests * 5, MSG_NOSIGNAL);
    }
  }
}

// ---- io_uring: receives stay armed and fill buffers that the kernel picks; sends of a turn go in
// with the next wait.

enum : std::uint64_t { kAccept = 1, kReceive = 2, kSend = 3 };

std::uint64_t word(std::uint64_t kind, int socket) {
  return kind << 32U | static_cast<std::uint32_t>(socket);
}

class Uring {
 public:
  static constexpr unsigned kBuffers = 64;

  explicit Uring(int port, bool yields) : listener_(listen_on(port, 0)), yields_(yields) {
    io_uring_params parameters{};
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    parameters.cq_entries = 4096;
    if (::io_uring_queue_init_params(1024, &ring_, &parameters) != 0) die("io_uring");
    void* memory = nullptr;
    if (::posix_memalign(&memory, 4096, kBuffers * sizeof(io_uring_buf)) != 0) die("memory");
    buffers_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(buffers_);
    registration.ring_entries = kBuffers;
    if (::io_uring_register_buf_ring(&ring_, &registration, 0) != 0) die("buffers");
    ::io_uring_buf_ring_init(buffers_);
    memory_.resize(kBuffers * kBufferBytes);
    for (unsigned i = 0; i < kBuffers; ++i) offer(i);
    io_uring_sqe* sqe = entry();
    ::io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, 0);
    sqe->user_data = word(kAccept, listener_);
  }

  [[noreturn]] void serve() {
    for (;;) {
      if (yields_) {
        ::io_uring_submit(&ring_);
        ::sched_yield();
      }
      ::io_uring_submit_and_wait(&ring_, 1);
      io_uring_cqe* cqe = nullptr;
      unsigned head = 0;
      unsigned seen = 0;
      io_uring_for_each_cqe(&ring_, head, cqe) {
        ++seen;
        handle(*cqe);
      }
      ::io_uring_cq_advance(&ring_, seen);
    }
  }

 private:
  io_uring_sqe* entry() {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
      ::io_uring_submit(&ring_);
      sqe = ::io_uring_get_sqe(&ring_);
    }
    return sqe;
  }

  void offer(unsigned index) {
    ::io_uring_buf_ring_add(buffers_, memory_.data() + index * kBufferBytes, kBufferBytes,
                            static_cast<unsigned short>(index), ::io_uring_buf_ring_mask(kBuffers),
                            0);
    ::io_uring_buf_ring_advance(buffers_, 1);
  }

  void arm(int socket) {
    io_uring_sqe* sqe = entry();
    ::io_uring_prep_recv_multishot(sqe, socket, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    sqe->user_data = word(kReceive, socket);
  }

  void handle(const io_uring_cqe& cqe) {
    const int socket = static_cast<int>(cqe.user_data & 0xFFFFFFFFU);
    const std::uint64_t kind = cqe.user_data >> 32U;
    if (kind == kAccept && cqe.res >= 0) {
      send_at_once(cqe.res);
      arm(cqe.res);
    }
    if (kind != kReceive) return;
    if (cqe.res > 0) {
      const unsigned index = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
      const std::size_t requests =
          requests_in({memory_.data() + index * kBufferBytes, static_cast<std::size_t>(cqe.res)});
      offer(index);
      if (requests > 0) {
        io_uring_sqe* sqe = entry();
        ::io_uring_prep_send(sqe, socket, replies(requests).data(), requests * 5, MSG_NOSIGNAL);
        sqe->user_data = word(kSend, socket);
      }
    }
    if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
    if (cqe.res > 0 || cqe.res == -ENOBUFS) {
      arm(socket);
    } else {
      ::close(socket);
    }
  }

  int listener_;
  bool yields_;
  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  std::vector<char> memory_;
};

}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s PORT [epoll|io_uring] [yield]\n", words[0]);
    return 2;
  }
  const int port = std::atoi(words[1]);
  replies(64 * 1024);  // never moves afterwards: sends borrow it
  bool by_uring = false;
  bool yields = false;
  for (int i = 2; i < count; ++i) {
    by_uring |= std::string_view(words[i]) == "io_uring";
    yields |= std::string_view(words[i]) == "yield";
  }
  if (by_uring) Uring(port, yields).serve();
  serve_by_epoll(port, yields);
}
