// net/net_testing.h — a server in the process, a log that acknowledges when told, and a client on
// loopback. For tests.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "command/command_table.h"
#include "command/config.h"
#include "command/services.h"
#include "command/statistics.h"
#include "net/network.h"

namespace diskdb::net {

/// Stands still until told; may be told while others read.
class TestClock final : public io::Clock {
 public:
  Millis wall() override { return {now_micros_.load() / 1000}; }
  Micros wall_micros() override { return {now_micros_.load()}; }
  Micros monotonic() override { return {now_micros_.load()}; }
  void advance(Millis by) { now_micros_.fetch_add(by.count * 1000); }

 private:
  std::atomic<std::int64_t> now_micros_{1'700'000'000'000'000};
};

/// Remembers no frame, and acknowledges what it is told to.
class TestLog final : public log::Log {
 public:
  log::Offset append(std::uint32_t, std::span<const Bytes> parts) override {
    std::uint64_t bytes = 0;
    for (const Bytes part : parts) bytes += part.size();
    return appended_.fetch_add(bytes) + bytes;
  }
  void write_pending() override {}
  log::Offset acknowledgeable() const override { return acknowledged_.load(); }
  void await(log::Listener& listener, log::Offset offset) override {
    const std::lock_guard lock(mutex_);
    if (acknowledged_.load() >= offset) {
      listener.log_advanced();
    } else {
      waiting_.push_back({&listener, offset});
    }
  }
  void forget(log::Listener& listener) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](const Waiting& one) { return one.listener == &listener; });
  }
  void acknowledge(log::Offset offset) {
    const std::lock_guard lock(mutex_);
    acknowledged_ = offset;
    std::erase_if(waiting_, [&](const Waiting& one) {
      if (one.offset <= offset) one.listener->log_advanced();
      return one.offset <= offset;
    });
  }
  void set_pending_bytes(std::uint64_t bytes) { pending_bytes_ = bytes; }

  log::Offset appended() const override { return appended_.load(); }
  log::Position position() const override { return {.offset = appended(), .db = 0}; }
  std::uint64_t pending_bytes() const override { return pending_bytes_; }
  bool has_room() const override { return true; }
  bool reserve(std::uint64_t) override { return true; }
  Status sync_all() override {
    acknowledge(appended());
    return {};
  }
  Status read(log::Offset, log::Replay&) override { return {}; }
  Status release_below(log::Offset) override { return {}; }
  Status close() override { return {}; }
  void set_fsync(log::Fsync, Millis) override {}
  log::Stats stats() const override { return {}; }
  void sync_step() override {}

 private:
  struct Waiting {
    log::Listener* listener;
    log::Offset offset;
  };
  std::atomic<log::Offset> appended_{0};
  std::atomic<log::Offset> acknowledged_{0};
  std::atomic<std::uint64_t> pending_bytes_{0};
  std::mutex mutex_;
  std::vector<Waiting> waiting_;  // guarded by mutex_
};

class TestServer final : public command::Lifecycle {
 public:
  enum class Engine : bool { kMemory, kLogged };

  explicit TestServer(Engine engine = Engine::kMemory, std::size_t threads = 1,
                      IoBackend backend = IoBackend::kAuto, Spread spread = Spread::kAsNeeded)
      : keyspace_({.shard_count = 16, .database_count = 16, .hash_seed = 1},
                  engine == Engine::kLogged ? &log : nullptr),
        table_(command::all_families()),
        statistics(table_.rows().size()),
        services{.keyspace = keyspace_,
                 .log = keyspace_.log(),
                 .clock = clock,
                 .table = table_,
                 .clients = clients,
                 .config = config,
                 .statistics = statistics,
                 .lifecycle = *this,
                 .facts = facts_,
                 .checkpointer = nullptr} {
    NetworkOptions options;
    options.thread_count = threads;
    options.backend = backend;
    options.spread = spread;
    auto created = Network::create(services, options,
                                   [this](const std::string& line) { warnings.push_back(line); });
    network = std::move(*created);
    auto bound = bind_to("127.0.0.1", 0);
    port = port_of(*bound);
    std::vector<Socket> sockets;
    sockets.push_back(std::move(*bound));
    EXPECT_TRUE(network->start(std::move(sockets)).ok());
  }

  void set(Bytes name, Bytes value) {
    const command::Config::Change change{name, value};
    EXPECT_EQ(config.set_live({&change, 1}), std::nullopt);
  }
  keyspace::Keyspace& keyspace() { return keyspace_; }

  void request_shutdown(bool) override {}
  Status reload(keyspace::Access&) override { return {}; }
  CheckpointStart start_checkpoint(bool) override { return CheckpointStart::kStarted; }
  Status checkpoint() override { return {}; }

  TestLog log;
  TestClock clock;
  command::Config config;
  command::ClientRegistry clients;

 private:
  keyspace::Keyspace keyspace_;
  command::CommandTable table_;
  command::ServerFacts facts_;

 public:
  command::Statistics statistics;
  command::Services services;
  std::vector<std::string> warnings;  ///< of the start
  std::unique_ptr<Network> network;
  std::uint16_t port = 0;
};

/// Blocks, for ten seconds at most.
class TestClient {
 public:
  explicit TestClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    set_timeout(10'000);
  }

  void set_timeout(int millis) {
    const timeval timeout{.tv_sec = millis / 1000, .tv_usec = millis % 1000 * 1000};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  void send(Bytes bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = patiently(
          [&] { return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void end_input() { ::shutdown(socket_.get(), SHUT_WR); }
  /// Up to `size` bytes; fewer at the end of the stream or after the timeout.
  std::string read(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got =
          patiently([&] { return ::recv(socket_.get(), bytes.data() + done, size - done, 0); });
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
  }
  std::string read_to_end() { return read(1 << 20); }
  /// Sends `request` and expects `reply`.
  void expect(Bytes request, Bytes reply) {
    send(request);
    EXPECT_EQ(read(reply.size()), reply);
  }
  /// Is nothing there to read for a moment?
  bool hears_nothing(int millis = 100) {
    set_timeout(millis);
    char byte;
    const ssize_t got = patiently([&] { return ::recv(socket_.get(), &byte, 1, MSG_PEEK); });
    set_timeout(10'000);
    return got < 0;
  }
  void close() { socket_.reset(); }
  /// Closes so that whatever the server still sends fails.
  void reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket_.reset();
  }

 private:
  // The kernel interrupts the thread that made an io_uring when it takes the ring down, which it
  // does some time after the last server has gone.
  template <typename Call>
  static ssize_t patiently(Call call) {
    ssize_t result;
    do {
      result = call();
    } while (result < 0 && errno == EINTR);
    return result;
  }

  Socket socket_;
};

/// RESP of a request.
inline std::string request(std::initializer_list<Bytes> words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const Bytes word : words) {
    text += "$" + std::to_string(word.size()) + "\r\n" + std::string(word) + "\r\n";
  }
  return text;
}

}  // namespace diskdb::net
