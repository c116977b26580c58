// net/loop.h — one network thread: an event loop that receives, runs requests to completion, and
// sends.
//
// A turn: take what the transport has, running each connection's requests as they arrive; then
// write the log once for all of them; then one send for each connection whose output may leave.
// What may not leave yet stays, and the log is asked to call back. Nothing is handed to another
// thread but connections: new ones, and now and then some that are between two requests.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "command/dispatcher.h"
#include "command/statistics.h"
#include "log/log.h"
#include "net/buffer_pool.h"
#include "net/connection.h"
#include "net/socket.h"
#include "net/transport.h"

namespace diskdb::net {

/// What all loops share, and is fixed at start.
struct LoopOptions {
  std::size_t receive_buffer_bytes = 64 * 1024;
  int socket_send_bytes = 0;
  int socket_receive_bytes = 0;
  bool keeps_buffers = true;
  resp::ReadsAsOptions reads_as_options = nullptr;
};

/// New connections, shared by all loops: how many there are, and who takes the next.
class Reception {
 public:
  virtual ~Reception() = default;
  /// Hands a new connection to one of the loops. Owns `socket`.
  virtual void receive(Socket socket) = 0;
  /// Looks now and then whether connections should go from loop to loop. By all loops, once a turn.
  virtual void balance(Micros now) = 0;
  /// A line for the server's log, at level warning.
  virtual void warn(const std::string& text) = 0;
  std::atomic<std::size_t> connection_count{0};
};

/// Threads: run() on its own thread; post_*, take_account, stop and log_advanced on any.
class Loop final : public TransportHandler, public log::Listener, public WakeBox {
 public:
  /// Borrows everything for its life.
  Loop(command::Services& services, Reception& reception, const LoopOptions& options,
       std::unique_ptr<Transport> transport);
  ~Loop() override;

  /// Serves until stop(). Then what was executed is synced and sent, as far as clients take it at
  /// once, and all connections are closed.
  void run();
  void stop();

  /// Before run(). Borrowed.
  void add_listener(int socket);
  /// A connection for this loop.
  void post_socket(Socket socket);
  /// Some of its connections go to `to`, as soon as they are between two requests: the first
  /// `connection_count` that are at the end of a turn, of those that were served lately or of all.
  /// Requires: the transports are of the kind that lets them go, epoll. Borrowed.
  enum class Which : bool { kServedLately, kAny };
  void post_transfer(Loop& to, std::size_t connection_count, Which which);
  /// What happened since the last call.
  struct Account {
    std::size_t served_count = 0;      ///< connections of which something was received
    std::size_t connection_count = 0;  ///< now
    bool held_others_up = false;       ///< one's requests took long while the others waited
  };
  Account take_account();
  void post_wake(Connection& connection) override;
  void log_advanced() override;

  // TransportHandler: from within the transport's calls.
  void accepted(int socket) override;
  void accept_failed(int error_number) override;
  std::span<char> receive_room(Peer& peer) override;
  void received(Peer& peer, std::size_t bytes) override;
  bool delivered(Peer& peer, Buffer& buffer, std::size_t offset, std::size_t bytes) override;
  bool sent(Peer& peer, std::size_t bytes) override;
  void failed(Peer& peer) override;

 private:
  /// What post_transfer() asked for.
  struct Order {
    Loop* to;
    std::size_t connection_count;
    Which which;
  };
  struct Mail {
    std::vector<Socket> sockets;
    std::vector<std::unique_ptr<Connection>> connections;  ///< of other loops until now
    std::vector<Connection*> woken;
    std::vector<Order> orders;
  };
  struct Mailbox {
    std::mutex mutex;
    Mail mail;               // guarded by mutex
    bool is_closed = false;  // guarded by mutex; for connections: the loop ends
  };

  void renew_bounds();
  bool is_log_congested() const;
  bool rests_from_reading();
  void open_mail();
  void knock_for_mail();
  void welcome(Socket socket);
  void adopt(std::unique_ptr<Connection> connection);
  void carry_out(const Order& order);
  bool hand_over(Connection& connection, Loop& to);
  std::unique_ptr<Connection> take_out(Connection& connection);
  void note_served(Connection& connection, std::uint64_t began_ticks);
  void run_listed();
  void list_runnable(Connection& connection);
  void list_output(Connection& connection);
  void list_blocked(Connection& connection);
  Millis time_to_first_timeout() const;
  void time_out_blocked();
  std::uint64_t now_ticks() const { return services_.statistics.ticks.now(); }
  void after_run(Connection& connection, std::uint64_t began_ticks);
  void flush();
  void send_from(Connection& connection);
  void await_log(log::Offset smallest_held);
  void close(Connection& connection);
  void bury_closed();
  void keep_house();
  void publish_counts();
  void publish_buffer_figures();
  void finish();
  void send_the_last();

  command::Services& services_;
  Reception& reception_;
  const LoopOptions options_;
  BufferPool pool_;
  std::unique_ptr<Transport> transport_;
  Buffer receive_buffer_;
  command::Dispatcher dispatcher_;
  resp::ParserOptions parser_options_;
  LoopTools tools_;
  std::vector<int> listeners_;

  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> closed_;  ///< gone at the end of a turn
  std::vector<Connection*> runnable_;
  std::vector<Connection*> with_output_;
  std::vector<Connection*> scratch_;
  /// Those that a blocking command holds, not for ever, by the time at which that ends.
  std::set<std::pair<Millis, Connection*>> blocked_;

  Mailbox mailbox_;
  std::vector<Order> orders_;  ///< for the end of this turn
  std::atomic<bool> has_mail_{false};
  std::atomic<bool> is_stopping_{false};
  std::atomic<bool> has_log_advanced_{false};

  // Rests that slow writers down: see rests_from_reading().
  std::int64_t owed_rest_micros_ = 0;
  Micros turn_began_{};  ///< 0: not while nobody is slowed
  Micros rests_until_{};
  bool has_run_ = false;  ///< requests, in this turn
  bool is_flushing_ = false;
  bool is_awaiting_log_ = false;
  log::Offset awaited_ = 0;
  bool do_listeners_rest_ = false;
  Micros next_housekeeping_{};

  // For take_account().
  std::atomic<std::uint32_t> period_{1};
  std::atomic<std::size_t> served_count_{0};
  std::atomic<std::size_t> connection_count_{0};
  std::atomic<bool> held_others_up_{false};

  std::uint64_t received_bytes_ = 0;  ///< not yet in the statistics
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t published_buffer_bytes_ = 0;
  BufferPool::Figures published_figures_{};
};

}  // namespace diskdb::net
