#include "net/network.h"

#include "net/epoll_transport.h"

namespace diskdb::net {

Result<std::unique_ptr<Network>> Network::create(command::Services& services,
                                                 const NetworkOptions& options,
                                                 std::function<void(const std::string&)> warn) {
  std::unique_ptr<Network> network(new Network(options, std::move(warn)));
  for (std::size_t i = 0; i < options.thread_count; ++i) {
    TRY_LET(std::unique_ptr<Transport> transport, EpollTransport::create());
    network->loops_.push_back(
        std::make_unique<Loop>(services, *network, options.loop, std::move(transport)));
  }
  return network;
}

Network::~Network() { stop(); }

Status Network::start(std::vector<Socket> sockets) {
  for (Socket& socket : sockets) {
    TRY(start_listening(socket, options_.backlog));
    loops_[0]->add_listener(socket.get());
    listeners_.push_back(std::move(socket));
  }
  for (const auto& loop : loops_) threads_.emplace_back([&loop] { loop->run(); });
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
