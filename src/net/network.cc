#include "net/network.h"

#include "io/process.h"
#include "net/epoll_transport.h"
#include "net/uring_transport.h"

namespace diskdb::net {
namespace {

using Transports = std::vector<std::unique_ptr<Transport>>;

Result<Transports> create_of(IoBackend backend, std::size_t count) {
  Transports transports;
  for (std::size_t i = 0; i < count; ++i) {
    TRY_LET(std::unique_ptr<Transport> transport,
            backend == IoBackend::kUring ? UringTransport::create() : EpollTransport::create());
    transports.push_back(std::move(transport));
  }
  return transports;
}

}  // namespace

Result<std::unique_ptr<Network>> Network::create(command::Services& services,
                                                 const NetworkOptions& options,
                                                 std::function<void(const std::string&)> warn) {
  std::unique_ptr<Network> network(new Network(options, std::move(warn)));
  TRY_LET(Transports transports, network->create_transports());
  for (std::unique_ptr<Transport>& transport : transports) {
    network->loops_.push_back(
        std::make_unique<Loop>(services, *network, options.loop, std::move(transport)));
  }
  return network;
}

Result<Transports> Network::create_transports() {
  if (options_.backend == IoBackend::kUring) {
    Result<Transports> transports = create_of(IoBackend::kUring, options_.thread_count);
    if (transports.ok()) {
      options_.backend = IoBackend::kUring;
      return transports;
    }
    warn_("io_uring is not to be had, so epoll serves: " + transports.error().message);
  }
  options_.backend = IoBackend::kEpoll;
  return create_of(IoBackend::kEpoll, options_.thread_count);
}

Network::~Network() { stop(); }

Status Network::start(std::vector<Socket> sockets) {
  for (Socket& socket : sockets) {
    TRY(start_listening(socket, options_.backlog));
    loops_[0]->add_listener(socket.get());
    listeners_.push_back(std::move(socket));
  }
  for (const auto& loop : loops_) {
    threads_.emplace_back([&loop] {
      io::introduce_thread("network", io::Work::kForClients);
      loop->run();
    });
  }
  return {};
}

void Network::stop() {
  for (const auto& loop : loops_) loop->stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  listeners_.clear();
}

void Network::receive(Socket socket) {
  loops_[next_loop_]->post_socket(std::move(socket));
  next_loop_ = (next_loop_ + 1) % loops_.size();
}

}  // namespace diskdb::net
