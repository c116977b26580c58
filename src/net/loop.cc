#include "net/loop.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"
#include "base/reached.h"
#include "command/config.h"
#include "net/limits.h"

namespace diskdb::net {
namespace {

constexpr log::Offset kEverything = UINT64_MAX;
constexpr int kDrainsBeforeClose = 16;
constexpr Millis kShortRest{1};

Connection& connection_of(Peer& peer) { return static_cast<Connection&>(peer); }

void say_and_close(const Socket& socket, Bytes text) {
  [[maybe_unused]] const ssize_t sent =
      ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

Loop::Loop(command::Services& services, Reception& reception, const LoopOptions& options,
           std::unique_ptr<Transport> transport)
    : services_(services),
      reception_(reception),
      options_(options),
      pool_(options.keeps_buffers),
      transport_(std::move(transport)),
      dispatcher_(services),
      tools_{.services = services,
             .dispatcher = dispatcher_,
             .pool = pool_,
             .receive_buffer = &receive_buffer_,
             .parser_options = parser_options_,
             .wake_box = *this} {
  dispatcher_.defer_wakes();
  parser_options_.reads_as_options = options.reads_as_options;
  transport_->use_pool(pool_, options.receive_buffer_bytes);
}

Loop::~Loop() { ASSERT(connections_.empty() && closed_.empty()); }

void Loop::add_listener(int socket) {
  listeners_.push_back(socket);
  transport_->add_listener(socket);
}

void Loop::run() {
  receive_buffer_ = pool_.take(options_.receive_buffer_bytes);  // here: memory of this thread's
  while (!is_stopping_.load(std::memory_order_acquire)) {
    ++tools_.turn;
    renew_bounds();
    const bool is_congested = is_log_congested();
    const bool rests = is_congested || rests_from_reading();
    Millis timeout = kHousekeepingPeriod;
    if (rests) timeout = is_congested ? kCongestedWait : kShortRest;
    if (!runnable_.empty() && !is_congested) timeout = Millis{0};
    if (!blocked_.empty()) timeout = std::min(timeout, time_to_first_timeout());
    transport_->wait(*this, timeout,
                     rests ? Transport::Readers::kRest : Transport::Readers::kServed);
    open_mail();
    if (!blocked_.empty()) time_out_blocked();
    if (!is_congested) run_listed();
    dispatcher_.wake_parked();
    flush();
    keep_house();
    publish_counts();
    bury_closed();
    for (const Order& order : std::exchange(orders_, {})) carry_out(order);
  }
  finish();
}

void Loop::stop() {
  is_stopping_.store(true, std::memory_order_release);
  transport_->knock();
}

// Settings may change at any time; a turn goes by one reading of them.
void Loop::renew_bounds() {
  const command::Settings& settings = services_.config.settings();
  const auto value = [](const command::Settings::Value& setting) {
    return static_cast<std::uint64_t>(setting.load(std::memory_order_relaxed));
  };
  parser_options_.bulk_bytes_max = value(settings.proto_max_bulk_bytes);
  parser_options_.inline_replies_resp = value(settings.inline_replies) == 1;
  tools_.batch_max = value(settings.pipeline_max_batch);
  tools_.query_bytes_max = value(settings.client_query_buffer_bytes_max);
  const std::uint64_t memory_max = services_.keyspace.budget.limit();
  const std::uint64_t budget = memory_max > 0 ? memory_max / 8 : kBufferBudgetBytes;
  const std::uint64_t used =
      services_.statistics.client_buffer_bytes.load(std::memory_order_relaxed);
  tools_.output_bytes_max = used < budget ? kOutputBytesGenerous : kOutputBytesTight;
}

bool Loop::is_log_congested() const {
  return services_.log != nullptr && services_.log->pending_bytes() > kLogPendingBytesMax;
}

// Writers that make more dirty than checkpoints store, or fill memory faster than values leave it,
// are slowed by not being read. With pressure p a loop rests so long between its turns that it
// works 1 - p of the time; at 1 it looks again every millisecond. What was read already goes on,
// and so does who waits for a load: they may hold what must leave.
bool Loop::rests_from_reading() {
  const double pressure = services_.keyspace.budget.write_pressure.load(std::memory_order_relaxed);
  if (pressure <= 0) [[likely]] {
    owed_rest_micros_ = 0;
    turn_began_ = Micros{};
    return false;
  }
  if (pressure >= 1) {
    REACHED("loop: nobody is read");
    turn_began_ = Micros{};
    return true;
  }
  const Micros now = services_.clock.monotonic();
  if (now < rests_until_) return true;
  // Time since the last turn began was work, or waiting for work, of which little counts.
  const Micros began = std::exchange(turn_began_, now);
  if (began.count == 0) return false;
  const std::int64_t worked = std::min((now - began).count, kRestMicrosMax);
  owed_rest_micros_ +=
      static_cast<std::int64_t>(static_cast<double>(worked) * pressure / (1 - pressure));
  if (owed_rest_micros_ < kRestMicrosMin) return false;
  REACHED("loop: a rest from reading");
  rests_until_ = now + Micros{std::min(std::exchange(owed_rest_micros_, 0), kRestMicrosMax)};
  turn_began_ = rests_until_;
  return true;
}

// ---- Connections come and go

void Loop::accepted(int descriptor) {
  Socket socket(descriptor);
  const command::Settings& settings = services_.config.settings();
  command::Statistics& statistics = services_.statistics;
  const auto limit = static_cast<std::size_t>(settings.maxclients.load(std::memory_order_relaxed));
  if (reception_.connection_count.load(std::memory_order_relaxed) >= limit) {
    statistics.connections_rejected.fetch_add(1, std::memory_order_relaxed);
    say_and_close(socket, "-ERR max number of clients reached\r\n");
    return;
  }
  if (settings.protected_mode.load(std::memory_order_relaxed) != 0 &&
      !is_from_loopback(descriptor)) {
    statistics.connections_rejected.fetch_add(1, std::memory_order_relaxed);
    say_and_close(
        socket,
        "-DENIED DiskDB is in protected mode: without passwords it serves this machine only. To "
        "serve "
        "others, give it a network that keeps strangers out and set protected-mode to no.\r\n");
    return;
  }
  statistics.connections_received.fetch_add(1, std::memory_order_relaxed);
  reception_.connection_count.fetch_add(1, std::memory_order_relaxed);
  reception_.receive(std::move(socket));
}

// Accepting goes on with the next housekeeping: an event loop that tries again at once would do
// nothing else.
void Loop::accept_failed(int error_number) {
  reception_.warn(std::string("Accepting a client connection failed: ") +
                  std::strerror(error_number));
  for (const int listener : listeners_) transport_->remove_listener(listener);
  do_listeners_rest_ = true;
}

void Loop::post_socket(Socket socket) {
  {
    const std::lock_guard lock(mailbox_.mutex);
    mailbox_.mail.sockets.push_back(std::move(socket));
  }
  knock_for_mail();
}

void Loop::post_wake(Connection& connection) {
  {
    const std::lock_guard lock(mailbox_.mutex);
    mailbox_.mail.woken.push_back(&connection);
  }
  knock_for_mail();
}

void Loop::post_transfer(Loop& to, std::size_t connection_count, Which which) {
  {
    const std::lock_guard lock(mailbox_.mutex);
    mailbox_.mail.orders.push_back({&to, connection_count, which});
  }
  knock_for_mail();
}

void Loop::knock_for_mail() {
  if (!has_mail_.exchange(true, std::memory_order_acq_rel)) transport_->knock();
}

void Loop::log_advanced() {
  has_log_advanced_.store(true, std::memory_order_release);
  transport_->knock();
}

void Loop::open_mail() {
  if (has_log_advanced_.exchange(false, std::memory_order_acquire)) is_awaiting_log_ = false;
  if (!has_mail_.exchange(false, std::memory_order_acq_rel)) return;
  Mail mail;
  {
    const std::lock_guard lock(mailbox_.mutex);
    std::swap(mail, mailbox_.mail);
  }
  for (Socket& socket : mail.sockets) welcome(std::move(socket));
  // Before the wake-ups, which may be for them.
  for (auto& connection : mail.connections) adopt(std::move(connection));
  for (Connection* connection : mail.woken) {
    connection->is_wake_posted.store(false, std::memory_order_release);
    if (connection->is_killed.load(std::memory_order_relaxed)) {
      close(*connection);
      continue;
    }
    connection->unpark_requests();
    list_runnable(*connection);
  }
  orders_ = std::move(mail.orders);
}

void Loop::welcome(Socket socket) {
  const command::Settings& settings = services_.config.settings();
  apply(socket.get(), {.no_delay = settings.tcp_nodelay.load(std::memory_order_relaxed) != 0,
                       .keepalive_seconds = static_cast<int>(
                           settings.tcp_keepalive_seconds.load(std::memory_order_relaxed)),
                       .send_buffer_bytes = options_.socket_send_bytes,
                       .receive_buffer_bytes = options_.socket_receive_bytes});
  adopt(std::make_unique<Connection>(tools_, socket.release()));
}

void Loop::adopt(std::unique_ptr<Connection> connection) {
  connection->index = connections_.size();
  connections_.push_back(std::move(connection));
  connection_count_.store(connections_.size(), std::memory_order_relaxed);
  if (const Status status = transport_->add(*connections_.back()); !status.ok()) {
    reception_.warn(status.error().message);
    close(*connections_.back());
  }
}

std::unique_ptr<Connection> Loop::take_out(Connection& connection) {
  const std::size_t index = connection.index;
  std::unique_ptr<Connection> taken = std::move(connections_[index]);
  if (index + 1 != connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
  connection_count_.store(connections_.size(), std::memory_order_relaxed);
  return taken;
}

// ---- Connections go from loop to loop

// At the end of a turn nothing but the transport and the lists of what is to be done knows a
// connection.
void Loop::carry_out(const Order& order) {
  const std::uint32_t period = period_.load(std::memory_order_relaxed);
  std::size_t left = order.connection_count;
  for (std::size_t i = connections_.size(); i-- > 0 && left > 0;) {  // as close() moves them
    Connection& connection = *connections_[i];
    const bool was_served_lately =
        connection.served_period != 0 && period - connection.served_period <= 1;
    if (order.which == Which::kServedLately && !was_served_lately) continue;
    if (connection.is_output_listed || connection.is_runnable_listed ||
        connection.listed_until.count != 0 || !connection.is_between_requests()) {
      continue;
    }
    if (hand_over(connection, *order.to)) --left;
  }
}

bool Loop::hand_over(Connection& connection, Loop& to) {
  connection.unpark();  // so only who finds it in the registry may wake it
  {
    const std::lock_guard registry_lock(services_.clients.mutex());
    const std::lock_guard mailbox_lock(to.mailbox_.mutex);
    if (to.mailbox_.is_closed || connection.is_wake_posted.load(std::memory_order_acquire)) {
      return false;
    }
    REACHED("loop: a connection went to another loop");
    transport_->remove(connection);
    connection.go_to(to.tools_);
    to.mailbox_.mail.connections.push_back(take_out(connection));
  }
  to.knock_for_mail();
  return true;
}

void Loop::note_served(Connection& connection, std::uint64_t began_ticks) {
  if (services_.statistics.ticks.nanos(began_ticks, now_ticks()) >= kHoldupNanos &&
      connections_.size() > 1) [[unlikely]] {
    held_others_up_.store(true, std::memory_order_relaxed);
  }
  const std::uint32_t period = period_.load(std::memory_order_relaxed);
  if (connection.served_period == period) return;
  connection.served_period = period;
  served_count_.fetch_add(1, std::memory_order_relaxed);
}

Loop::Account Loop::take_account() {
  period_.fetch_add(1, std::memory_order_relaxed);
  return {.served_count = served_count_.exchange(0, std::memory_order_relaxed),
          .connection_count = connection_count_.load(std::memory_order_relaxed),
          .held_others_up = held_others_up_.exchange(false, std::memory_order_relaxed)};
}

// The object stays until the end of the turn, whose lists may still name it, and as long as the
// transport works for it.
void Loop::close(Connection& connection) {
  if (connection.is_closed) return;
  connection.is_closed = true;
  if (connection.listed_until.count != 0) blocked_.erase({connection.listed_until, &connection});
  transport_->remove(connection);
  connection.leave();
  {
    const std::lock_guard lock(mailbox_.mutex);
    std::erase(mailbox_.mail.woken, &connection);
  }
  // Closing with unread input would make the kernel take back what was sent last: an error's text,
  // say.
  std::array<char, 4096> ignored;
  for (int i = 0; i < kDrainsBeforeClose; ++i) {
    if (::recv(connection.socket, ignored.data(), ignored.size(), MSG_DONTWAIT) <= 0) break;
  }
  Socket(std::exchange(connection.socket, -1)).reset();
  reception_.connection_count.fetch_sub(1, std::memory_order_relaxed);
  closed_.push_back(take_out(connection));
}

void Loop::bury_closed() {
  if (closed_.empty()) return;
  // One whose sending failed in this turn may be due in the next.
  const auto is_closed = [](const Connection* connection) { return connection->is_closed; };
  std::erase_if(runnable_, is_closed);
  std::erase_if(with_output_, is_closed);
  std::erase_if(closed_, [](const auto& connection) { return connection->operation_count == 0; });
}

// ---- Input

std::span<char> Loop::receive_room(Peer& peer) { return connection_of(peer).receive_room(); }

void Loop::received(Peer& peer, std::size_t bytes) {
  Connection& connection = connection_of(peer);
  received_bytes_ += bytes;
  const std::uint64_t began = now_ticks();
  connection.take_received(bytes);
  after_run(connection, began);
}

bool Loop::delivered(Peer& peer, Buffer& buffer, std::size_t offset, std::size_t bytes) {
  Connection& connection = connection_of(peer);
  received_bytes_ += bytes;
  tools_.receive_buffer = &buffer;
  const std::uint64_t began = now_ticks();
  const bool welcomes_more = connection.take_delivered(offset, bytes);
  tools_.receive_buffer = &receive_buffer_;
  after_run(connection, began);
  return welcomes_more;
}

void Loop::after_run(Connection& connection, std::uint64_t began_ticks) {
  has_run_ = true;
  note_served(connection, began_ticks);
  if (connection.is_out_of_turn()) list_runnable(connection);
  list_output(connection);  // flush() also closes those that are finished
  if (connection.blocked_until() != connection.listed_until) [[unlikely]]
    list_blocked(connection);
}

void Loop::list_blocked(Connection& connection) {
  if (connection.listed_until.count != 0) blocked_.erase({connection.listed_until, &connection});
  connection.listed_until = connection.blocked_until();
  if (connection.listed_until.count != 0) blocked_.insert({connection.listed_until, &connection});
}

Millis Loop::time_to_first_timeout() const {
  const Millis left = blocked_.begin()->first - services_.clock.wall();
  return std::max(left, Millis{0});
}

void Loop::time_out_blocked() {
  const Millis now = services_.clock.wall();
  while (!blocked_.empty() && blocked_.begin()->first <= now) {
    Connection& connection = *blocked_.begin()->second;
    blocked_.erase(blocked_.begin());
    connection.listed_until = {};
    if (connection.time_out()) list_runnable(connection);
  }
}

void Loop::list_runnable(Connection& connection) {
  if (!connection.is_runnable_listed) runnable_.push_back(&connection);
  connection.is_runnable_listed = true;
}

void Loop::list_output(Connection& connection) {
  if (!connection.is_output_listed) with_output_.push_back(&connection);
  connection.is_output_listed = true;
}

void Loop::run_listed() {
  scratch_.clear();
  scratch_.swap(runnable_);
  for (Connection* connection : scratch_) {
    connection->is_runnable_listed = false;
    if (connection->is_closed) continue;
    const std::uint64_t began = now_ticks();
    connection->run();
    if (connection->welcomes_input()) transport_->resume(*connection);
    after_run(*connection, began);
  }
}

// ---- Output

void Loop::flush() {
  log::Offset acknowledgeable = kEverything;
  if (services_.log != nullptr && (has_run_ || !with_output_.empty())) {
    services_.log->write_pending();
    acknowledgeable = services_.log->acknowledgeable();
  }
  has_run_ = false;
  log::Offset smallest_held = kEverything;
  is_flushing_ = true;
  scratch_.clear();
  scratch_.swap(with_output_);
  for (Connection* connection : scratch_) {
    connection->is_output_listed = false;
    if (connection->is_closed) continue;
    connection->release(acknowledgeable);
    send_from(*connection);
    if (connection->is_closed) continue;
    if (connection->is_finished()) {
      close(*connection);
    } else if (connection->is_held()) {
      smallest_held = std::min(smallest_held, connection->held_for());
      list_output(*connection);
    }
  }
  is_flushing_ = false;
  if (smallest_held != kEverything) await_log(smallest_held);
}

void Loop::send_from(Connection& connection) {
  std::array<iovec, kSendPartsMax> parts;
  while (!connection.is_closed && !connection.is_sending && connection.has_sendable()) {
    const std::size_t count = connection.gather_sendable(parts);
    connection.is_sending = true;
    transport_->send(connection, {parts.data(), count}, *this);
  }
}

bool Loop::sent(Peer& peer, std::size_t bytes) {
  Connection& connection = connection_of(peer);
  sent_bytes_ += bytes;
  connection.is_sending = false;
  connection.note_sent(bytes);
  if (connection.is_out_of_turn()) list_runnable(connection);
  if (connection.wants_input()) transport_->resume(connection);
  if (!is_flushing_ && (connection.pending_output_bytes() > 0 || connection.is_finished())) {
    list_output(connection);
  }
  return connection.is_output_listed || connection.is_runnable_listed;
}

void Loop::failed(Peer& peer) { close(connection_of(peer)); }

void Loop::await_log(log::Offset smallest_held) {
  if (is_awaiting_log_ && awaited_ <= smallest_held) return;
  if (is_awaiting_log_) services_.log->forget(*this);
  is_awaiting_log_ = true;
  awaited_ = smallest_held;
  services_.log->await(*this, smallest_held);
}

// ---- Now and then

void Loop::keep_house() {
  const Micros now = services_.clock.monotonic();
  reception_.balance(now);
  if (now < next_housekeeping_) return;
  next_housekeeping_ = now + Micros{kHousekeepingPeriod.count * 1000};
  publish_buffer_figures();
  if (do_listeners_rest_) {
    do_listeners_rest_ = false;
    for (const int listener : listeners_) transport_->add_listener(listener);
  }
  const std::int64_t timeout_ms =
      1000 * services_.config.settings().timeout_seconds.load(std::memory_order_relaxed);
  const Millis wall = services_.clock.wall();
  for (std::size_t i = connections_.size(); i-- > 0;) {  // close() moves the last one into the gap
    Connection& connection = *connections_[i];
    if (!connection.is_idle()) continue;
    const std::int64_t silent_ms =
        wall.count - connection.last_active_ms.load(std::memory_order_relaxed);
    if (timeout_ms > 0 && silent_ms > timeout_ms) {
      close(connection);
    } else if (!connection.is_shrunk && silent_ms > kSilenceBeforeShrinking.count) {
      connection.shrink();
    }
  }
}

void Loop::publish_counts() {
  command::Statistics& statistics = services_.statistics;
  if (received_bytes_ > 0) {
    statistics.net_input_bytes.fetch_add(std::exchange(received_bytes_, 0),
                                         std::memory_order_relaxed);
  }
  if (sent_bytes_ > 0) {
    statistics.net_output_bytes.fetch_add(std::exchange(sent_bytes_, 0), std::memory_order_relaxed);
  }
  const std::uint64_t used = pool_.used_bytes();
  if (used != published_buffer_bytes_) {
    statistics.client_buffer_bytes.fetch_add(used - published_buffer_bytes_,
                                             std::memory_order_relaxed);
    published_buffer_bytes_ = used;
  }
}

// A counter of all threads moves by what ours has moved since the last time.
void Loop::publish_buffer_figures() {
  const BufferPool::Figures figures = pool_.figures();
  for (std::size_t i = 0; i < figures.size(); ++i) {
    command::BufferCounters& counters = services_.statistics.buffers[i];
    const auto& last = published_figures_[i];
    const auto publish = [](std::atomic<std::uint64_t>& counter, std::uint64_t now,
                            std::uint64_t before) {
      if (now != before) counter.fetch_add(now - before, std::memory_order_relaxed);
    };
    publish(counters.taken, figures[i].taken_count, last.taken_count);
    publish(counters.from_heap, figures[i].heap_count, last.heap_count);
    publish(counters.kept, figures[i].kept_count, last.kept_count);
  }
  published_figures_ = figures;
}

void Loop::finish() {
  for (const int listener : listeners_) transport_->remove_listener(listener);
  if (services_.log != nullptr) {
    services_.log->forget(*this);
    is_awaiting_log_ = false;
    // If this fails, on_fatal has spoken and nothing more is acknowledgeable: flush() holds it
    // back.
    if (services_.log->sync_all().ok()) send_the_last();
  } else {
    send_the_last();
  }
  if (services_.log != nullptr) services_.log->forget(*this);
  {
    const std::lock_guard lock(mailbox_.mutex);
    mailbox_.is_closed = true;
  }
  has_mail_.store(true, std::memory_order_release);  // who posts last may not have said so yet
  open_mail();
  while (!connections_.empty()) close(*connections_.back());
  for (bury_closed(); !closed_.empty(); bury_closed()) {
    transport_->wait(*this, kShortRest, Transport::Readers::kServed);
  }
  publish_counts();
}

// As far as clients take it at once.
void Loop::send_the_last() {
  std::uint64_t sent_before;
  do {
    sent_before = sent_bytes_;
    flush();
    transport_->wait(*this, Millis{0}, Transport::Readers::kRest);
  } while (sent_bytes_ != sent_before);
}

}  // namespace diskdb::net
