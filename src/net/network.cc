#include "net/network.h"

#include "io/allocator.h"
#include "io/process.h"
#include "net/epoll_transport.h"
#include "net/limits.h"
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

Network::Network(command::Services& services, NetworkOptions options,
                 std::function<void(const std::string&)> warn)
    : services_(services),
      options_(std::move(options)),
      warn_(std::move(warn)),
      active_(options_.thread_count) {}

Result<std::unique_ptr<Network>> Network::create(command::Services& services,
                                                 const NetworkOptions& options,
                                                 std::function<void(const std::string&)> warn) {
  std::unique_ptr<Network> network(new Network(services, options, std::move(warn)));
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
  set_active_count(is_balanced() ? active_.count() : loops_.size());
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    threads_.emplace_back([this, i] {
      io::introduce_thread("network", io::Work::kForClients);
      io::allocate_from_arena(i / kThreadsPerArena);
      loops_[i]->run();
    });
  }
  if (is_balanced()) {
    const std::lock_guard lock(balance_mutex_);
    for (std::thread& thread : threads_) thread_clocks_.emplace_back(thread);
    const Micros now = services_.clock.monotonic();
    measured_ = processor_times(now);
    next_balance_micros_ = (now + kBalancePeriod).count;
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
  next_loop_ = (next_loop_ + 1) % active_count_.load(std::memory_order_relaxed);
  loops_[next_loop_]->post_socket(std::move(socket));
}

// ---- Balance

// An io_uring belongs to its thread with all that it does for a connection.
bool Network::is_balanced() const {
  return options_.spread == Spread::kAsNeeded && options_.backend == IoBackend::kEpoll &&
         loops_.size() > 1;
}

Network::ProcessorTimes Network::processor_times(Micros now) const {
  ProcessorTimes times{.measured_at = now, .busy = {}, .idle = io::machine_idle_time()};
  for (const io::ThreadClock& clock : thread_clocks_) times.busy = times.busy + clock.time();
  return times;
}

void Network::set_active_count(std::size_t count) {
  active_count_.store(count, std::memory_order_relaxed);
  services_.statistics.active_network_threads.store(count, std::memory_order_relaxed);
}

void Network::balance(Micros now) {
  if (now.count < next_balance_micros_.load(std::memory_order_acquire)) [[likely]]
    return;
  const std::unique_lock lock(balance_mutex_, std::try_to_lock);
  if (!lock.owns_lock() || now.count < next_balance_micros_.load(std::memory_order_relaxed)) return;
  next_balance_micros_.store((now + kBalancePeriod).count, std::memory_order_release);

  const ProcessorTimes times = processor_times(now);
  const auto seconds = [](Micros span) { return static_cast<double>(span.count) / 1e6; };
  const double elapsed = seconds(now - measured_.measured_at);
  NetworkLoad load{.busy_processors = seconds(times.busy - measured_.busy) / elapsed,
                   .idle_processors = seconds(times.idle - measured_.idle) / elapsed};
  measured_ = times;

  std::vector<Loop::Account> accounts;
  std::vector<std::size_t> served_counts;
  for (const auto& loop : loops_) {
    accounts.push_back(loop->take_account());
    served_counts.push_back(accounts.back().served_count);
    load.held_others_up |= accounts.back().held_others_up;
  }
  active_.note(load, now);
  const std::size_t active_count = active_.count();
  set_active_count(active_count);
  for (std::size_t i = active_count; i < loops_.size(); ++i) {
    if (accounts[i].connection_count == 0) continue;
    loops_[i]->post_transfer(*loops_[i % active_count], kTransferMax, Loop::Which::kAny);
  }
  for (const Transfer& transfer : transfers_to_balance(served_counts, active_count)) {
    loops_[transfer.from]->post_transfer(*loops_[transfer.to], transfer.connection_count,
                                         Loop::Which::kServedLately);
  }
}

}  // namespace diskdb::net
