// net/connection.h — one conversation: bytes in, requests, replies, bytes out.
//
// Input lies in one of two places. What was just received lies in the receive buffer that all
// connections of a loop share; almost always it is used up at once, and the connection keeps
// nothing. What cannot be used yet (half a request) is copied into a small buffer of its own, and
// copied back in front of the next bytes; a large request grows a large buffer of its own and is
// received straight into it. If requests are parsed and must wait (a parked command, a slow
// reader), their bytes must not move, so the connection takes the whole shared buffer over and the
// loop gets another one. A transport that has received before it is told to stop delivers while
// requests wait: that goes into a stash, which becomes input when they are done.
//
// Output obeys the rule that nothing becomes visible before it is durable enough (DESIGN D3): each
// turn's replies carry the log offset that they wait for, and a queue says which part of the stream
// waits for what.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "command/dispatcher.h"
#include "command/session.h"
#include "net/buffer_pool.h"
#include "net/output_queue.h"
#include "net/transport.h"
#include "resp/reply.h"
#include "resp/request.h"

namespace diskdb::net {

/// Where a connection's woken sessions knock.
class WakeBox {
 public:
  virtual ~WakeBox() = default;
  /// Any thread.
  virtual void post_wake(class Connection& connection) = 0;
};

/// What a loop lends its connections.
struct LoopTools {
  command::Services& services;
  command::Dispatcher& dispatcher;
  BufferPool& pool;
  Buffer* receive_buffer;  ///< holds what was just received
  const resp::ParserOptions& parser_options;
  WakeBox& wake_box;
  std::uint64_t turn = 0;
  /// Bounds, renewed every turn.
  std::uint64_t output_bytes_max = 0;
  std::size_t batch_max = 0;
  std::size_t query_bytes_max = 0;
};

/// Threads: its loop's, but for wake().
/// Invariants:
///   I1  Output up to visible_ may leave; each hold's end is above the one before, its offset too.
///   I2  Without unfinished input, parsed requests or pending output it holds no buffer.
class Connection final : public Peer, public command::Session {
 public:
  /// Borrows `tools` for its life, or until go_to().
  Connection(LoopTools& tools, int socket);
  /// Does it wait for nothing but its client's next request, of which nothing has come yet?
  bool is_between_requests() const;
  /// Another loop serves it from now on. Requires: is_between_requests(), no transport knows it,
  /// no wake() is under way or can come, but for who holds the ClientRegistry's lock, as the caller
  /// does.
  void go_to(LoopTools& tools);
  /// Afterwards nobody calls wake(). The last thing before it goes.
  void leave();

  /// As TransportHandler::receive_room.
  std::span<char> receive_room();
  /// So many bytes were received there; 0 is the end of the input.
  void take_received(std::size_t bytes);
  /// As TransportHandler::delivered; `offset` of tools.receive_buffer.
  bool take_delivered(std::size_t offset, std::size_t bytes);
  /// Runs requests as far as input, the others' turn and the bound on output allow.
  void run();

  /// Is it of any use to receive more now?
  bool wants_input() const;
  /// Or at least to hear whether more comes, or the end: a client that blocks may go away.
  bool welcomes_input() const { return wants_input() || stashes_input(); }
  /// A parked request may go on.
  void unpark_requests();
  /// Until when a blocking command holds it; 0: none does, or for ever.
  Millis blocked_until() const { return blocked.until; }
  /// A blocking command's time is over. False if it was served before.
  bool time_out();
  void wake() override;

  /// Lets out what was held back for offsets up to `acknowledgeable`.
  void release(log::Offset acknowledgeable);
  /// Does output wait for the log? For which offset, at least?
  bool is_held() const { return first_hold_ < holds_.size(); }
  log::Offset held_for() const { return holds_[first_hold_].offset; }
  std::size_t gather_sendable(std::span<iovec> parts) const {
    return output_.gather(visible_, parts);
  }
  bool has_sendable() const { return visible_ > output_.sent(); }
  void note_sent(std::size_t bytes);
  std::uint64_t pending_output_bytes() const { return output_.pending_bytes(); }

  /// All is said: no request will be run any more, and all output is gone.
  bool is_finished() const;
  /// Is there more to do that waits for nothing but its turn?
  bool is_out_of_turn() const { return is_out_of_turn_; }
  bool is_idle() const {
    return !is_parked_ && waiting_.empty() && stash_bytes_ == 0 && output_.pending_bytes() == 0;
  }

  /// Gives back what it kept for speed. Requires: is_idle().
  void shrink();

  // The loop's bookkeeping.
  std::size_t index = 0;            ///< among the loop's connections
  bool is_output_listed = false;    ///< in its list of connections with output
  bool is_runnable_listed = false;  ///< in its list of connections to run
  bool is_sending = false;          ///< a send is under way
  bool is_closed = false;
  bool is_shrunk = true;            ///< since the last request
  Millis listed_until{};            ///< in its list of blocked connections; 0: not there
  std::uint32_t served_period = 0;  ///< the last in which it was served; 0: none of this loop's
  std::atomic<bool> is_wake_posted{false};

 private:
  struct Hold {
    std::uint64_t end;
    log::Offset offset;
  };

  bool can_run() const;
  bool stashes_input() const;
  std::span<char> room_of_own(std::size_t left, std::size_t wanted);
  void note_received(std::size_t bytes);
  void stash(const char* data, std::size_t bytes);
  void take_stash();
  bool parse_more();
  void execute();
  void keep_input();
  void drop_input();
  void hold_output(log::Offset offset);

  LoopTools* tools_;  ///< changed under the ClientRegistry's lock, since wake() looks
  resp::RequestParser parser_;
  Bytes input_;  ///< not yet parsed
  Buffer own_;   ///< holds input_, or the requests that wait, if it is there
  std::span<const resp::Request> waiting_;  ///< parsed, not yet run
  Buffer stash_;                            ///< what came while they waited
  std::size_t stash_bytes_ = 0;
  OutputQueue output_;
  resp::Reply reply_;
  std::vector<Hold> holds_;
  std::size_t first_hold_ = 0;
  std::uint64_t visible_ = 0;
  std::size_t turn_request_count_ = 0;
  std::uint64_t turn_ = 0;  ///< of the last requests
  bool is_parked_ = false;
  bool is_output_full_ = false;
  bool is_out_of_turn_ = false;
  bool is_input_over_ = false;
  bool is_stream_decided_ = false;
};

}  // namespace diskdb::net
