#include "net/connection.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/containers.h"
#include "base/reached.h"
#include "net/limits.h"
#include "net/socket.h"

namespace diskdb::net {
namespace {

constexpr std::size_t kRoomMin = 16_KiB;  // to receive into
constexpr std::size_t kHoldsKeptMax = 16;
constexpr std::uint64_t kResumeDivisor = 2;  // reading goes on at half the bound

}  // namespace

Connection::Connection(LoopTools& tools, int socket_)
    : tools_(&tools),
      parser_(tools.parser_options),
      output_(tools.pool),
      reply_(output_, resp::Dialect::kResp2) {
  socket = socket_;
  fd = socket_;
  address = peer_address_of(socket_);
  local_address = local_address_of(socket_);
  created_at = tools.services.clock.wall();
  last_active_ms.store(created_at.count, std::memory_order_relaxed);
  id = tools.services.clients.next_id();
  tools.services.clients.add(*this);
}

void Connection::leave() {
  tools_->services.clients.remove(*this);
  unpark();
}

bool Connection::is_between_requests() const {
  return is_idle() && input_.empty() && !is_sending && !is_out_of_turn_ && !is_input_over_ &&
         !closes_after_reply && !is_closed && operation_count == 0 && !is_paused;
}

void Connection::go_to(LoopTools& tools) {
  ASSERT(is_between_requests() && !own_ && !stash_);
  tools_ = &tools;
  parser_.use(tools.parser_options);
  output_.use(tools.pool);
  turn_ = 0;
  served_period = 0;
}

void Connection::wake() {
  if (!is_wake_posted.exchange(true, std::memory_order_acq_rel)) tools_->wake_box.post_wake(*this);
}

void Connection::unpark_requests() { is_parked_ = false; }

// ---- Input

bool Connection::wants_input() const {
  return waiting_.empty() && stash_bytes_ == 0 && !is_parked_ && !is_output_full_ &&
         !is_out_of_turn_ && !is_input_over_ && !closes_after_reply;
}

bool Connection::stashes_input() const {
  return is_parked_ && blocked.is_waiting() && stash_bytes_ < kStashBytesBlocked &&
         !is_input_over_ && !closes_after_reply;
}

bool Connection::time_out() {
  if (!blocked.end_wait(command::Blocked::State::kTimedOut)) return false;
  is_parked_ = false;
  return true;
}

std::span<char> Connection::receive_room() {
  const Buffer& shared = *tools_->receive_buffer;
  if (stashes_input()) return {shared.data(), shared.capacity()};
  if (!wants_input()) return {};
  const std::size_t left = input_.size();
  const std::size_t wanted = left == 0 ? 0 : parser_.wanted_bytes();
  if (left <= kLeftoverBytesShared && wanted <= shared.capacity()) {
    if (left > 0) std::memcpy(shared.data(), input_.data(), left);
    return {shared.data() + left, shared.capacity() - left};
  }
  return room_of_own(left, wanted);
}

// Behind the input that it has, in a buffer of its own.
std::span<char> Connection::room_of_own(std::size_t left, std::size_t wanted) {
  if (input_.data() != own_.data()) {
    std::memmove(own_.data(), input_.data(), left);
    input_ = {own_.data(), left};
  }
  if (own_.capacity() < left + kRoomMin || own_.capacity() - left < left / 8) {
    // Twice as much, but not more than is known to come: memory follows what arrived, not what was
    // declared.
    const std::size_t doubled = std::max<std::size_t>(left * 2, 64_KiB);
    own_.grow(std::max(left + kRoomMin, wanted > left ? std::min(wanted, doubled) : doubled), left);
    input_ = {own_.data(), left};
  }
  return {own_.data() + left, own_.capacity() - left};
}

void Connection::take_received(std::size_t bytes) {
  if (bytes == 0) {
    is_input_over_ = true;
    return;
  }
  const std::size_t left = input_.size();
  const Buffer& shared = *tools_->receive_buffer;
  const std::size_t wanted = left == 0 ? 0 : parser_.wanted_bytes();
  note_received(bytes);
  if (!wants_input()) {
    stash(shared.data(), bytes);
    return;
  }
  if (left <= kLeftoverBytesShared && wanted <= shared.capacity()) {
    own_.reset();
    input_ = {shared.data(), left + bytes};
  } else {
    input_ = {own_.data(), left + bytes};
  }
  run();
}

bool Connection::take_delivered(std::size_t offset, std::size_t bytes) {
  ASSERT(bytes > 0);
  const char* data = tools_->receive_buffer->data() + offset;
  note_received(bytes);
  if (!wants_input()) {
    if (!is_input_over_ && !closes_after_reply) stash(data, bytes);
    return stashes_input();
  }
  const std::size_t left = input_.size();
  if (left <= offset) {
    char* begin = tools_->receive_buffer->data() + offset - left;
    if (left > 0) std::memcpy(begin, input_.data(), left);
    own_.reset();
    input_ = {begin, left + bytes};
  } else {
    for (std::size_t done = 0; done < bytes;) {
      const std::span<char> room = room_of_own(left + done, parser_.wanted_bytes());
      const std::size_t part = std::min(room.size(), bytes - done);
      std::memcpy(room.data(), data + done, part);
      done += part;
      input_ = {own_.data(), left + done};
    }
  }
  run();
  return true;
}

void Connection::note_received(std::size_t bytes) {
  if (!input_.empty()) {  // a long request is no silence
    last_active_ms.store(tools_->services.clock.wall().count, std::memory_order_relaxed);
  }
  received_bytes.store(received_bytes.load(std::memory_order_relaxed) + bytes,
                       std::memory_order_relaxed);
}

void Connection::stash(const char* data, std::size_t bytes) {
  REACHED("connection: input came while requests wait");
  const std::size_t wanted = stash_bytes_ + bytes;
  if (!stash_) {
    stash_ = tools_->pool.take(wanted);
  } else if (stash_.capacity() < wanted) {
    stash_.grow(std::max(wanted, 2 * stash_.capacity()), stash_bytes_);
  }
  std::memcpy(stash_.data() + stash_bytes_, data, bytes);
  stash_bytes_ = wanted;
}

// Behind the input that is left. Requires: no requests wait.
void Connection::take_stash() {
  const std::size_t left = input_.size();
  if (left == 0) {
    std::swap(own_, stash_);
  } else {
    Buffer both = tools_->pool.take(left + stash_bytes_);
    std::memcpy(both.data(), input_.data(), left);
    std::memcpy(both.data() + left, stash_.data(), stash_bytes_);
    std::swap(own_, both);
  }
  input_ = {own_.data(), left + std::exchange(stash_bytes_, 0)};
  stash_.reset();
}

void Connection::keep_input() {
  if (input_.empty() && waiting_.empty()) {
    own_.reset();
    input_ = {};
    return;
  }
  if (!waiting_.empty()) {
    if (!own_) {
      // The requests borrow the shared buffer; so it is no longer shared.
      REACHED("connection: took the receive buffer over");
      own_ = tools_->pool.take(tools_->receive_buffer->capacity());
      std::swap(own_, *tools_->receive_buffer);
    }
    return;
  }
  const bool is_oversized =
      own_ && own_.capacity() > BufferPool::kSizes.back() && input_.size() < own_.capacity() / 8;
  if (own_ && !is_oversized) return;
  Buffer fitting = tools_->pool.take(input_.size());
  std::memcpy(fitting.data(), input_.data(), input_.size());
  own_ = std::move(fitting);
  input_ = {own_.data(), input_.size()};
}

void Connection::drop_input() {
  waiting_ = {};
  input_ = {};
  stash_.reset();
  stash_bytes_ = 0;
}

// ---- Requests

bool Connection::can_run() const {
  return !is_parked_ && !is_output_full_ && !closes_after_reply &&
         (!waiting_.empty() || !input_.empty() || stash_bytes_ > 0);
}

void Connection::run() {
  if (turn_ != tools_->turn) turn_request_count_ = 0;
  turn_ = tools_->turn;
  is_shrunk = false;
  is_out_of_turn_ = false;
  while (can_run()) {
    if (output_.pending_bytes() > tools_->output_bytes_max) {
      REACHED("connection: a slow reader waits");
      is_output_full_ = true;
      footprint.release();  // others want the room
      break;
    }
    if (turn_request_count_ >= kRequestsPerTurn) {
      is_out_of_turn_ = true;
      break;
    }
    if (waiting_.empty() && !parse_more()) break;
    execute();
  }
  if (closes_after_reply || is_killed.load(std::memory_order_relaxed)) drop_input();
  keep_input();
  input_bytes.store(input_.size() + stash_bytes_, std::memory_order_relaxed);
  listed_db.store(db, std::memory_order_relaxed);
  listed_resp3.store(dialect == resp::Dialect::kResp3, std::memory_order_relaxed);
}

bool Connection::parse_more() {
  if (input_.empty() && stash_bytes_ > 0) take_stash();
  const auto status = parser_.parse(input_, tools_->batch_max);
  input_.remove_prefix(parser_.consumed());
  if (!is_stream_decided_ && parser_.stream() != resp::Stream::kUndecided) {
    is_stream_decided_ = true;
    if (parser_.stream() == resp::Stream::kPlain) {
      dialect = resp::Dialect::kPlain;
      reply_.set_dialect(dialect);
    }
  }
  switch (status) {
    case resp::ParseStatus::kRequests:
      waiting_ = parser_.requests();
      return true;
    case resp::ParseStatus::kMore:
      if (stash_bytes_ > 0) {
        take_stash();
        return parse_more();
      }
      if (input_.size() > tools_->query_bytes_max) {
        REACHED("connection: a request larger than client-query-buffer-limit");
        closes_after_reply = true;
      }
      return false;
    case resp::ParseStatus::kError:
      reply_.error(parser_.error());
      hold_output(0);
      closes_after_reply = true;
      return false;
  }
  return false;
}

void Connection::execute() {
  const Millis now = tools_->services.clock.wall();
  const auto progress = tools_->dispatcher.run(*this, waiting_, reply_, now);
  waiting_ = waiting_.subspan(progress.done);
  is_parked_ = progress.is_parked;
  turn_request_count_ += progress.done;
  last_active_ms.store(now.count, std::memory_order_relaxed);
  command_count.store(command_count.load(std::memory_order_relaxed) + progress.done,
                      std::memory_order_relaxed);
  hold_output(progress.visible_after);
  if (is_killed.load(std::memory_order_relaxed)) closes_after_reply = true;
}

void Connection::shrink() {
  parser_.shrink();
  is_shrunk = true;
}

// ---- Output

void Connection::hold_output(log::Offset offset) {
  const std::uint64_t end = output_.end();
  if (is_held()) {
    Hold& last = holds_.back();
    if (last.end == end) return;
    if (offset <= last.offset) {  // what comes later cannot leave earlier
      last.end = end;
      return;
    }
  } else if (visible_ == end) {
    return;
  }
  if (first_hold_ == holds_.size()) {
    holds_.clear();
    first_hold_ = 0;
  }
  holds_.push_back({end, offset});
}

void Connection::release(log::Offset acknowledgeable) {
  while (is_held() && held_for() <= acknowledgeable) {
    visible_ = holds_[first_hold_].end;
    ++first_hold_;
  }
  if (is_held()) return;
  holds_.clear();
  first_hold_ = 0;
  if (holds_.capacity() > kHoldsKeptMax) free_container(holds_);
}

void Connection::note_sent(std::size_t bytes) {
  output_.note_sent(bytes);
  ASSERT(output_.sent() <= visible_);  // I1
  sent_bytes.store(sent_bytes.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  const std::uint64_t pending = output_.pending_bytes();
  output_bytes.store(pending, std::memory_order_relaxed);
  if (is_output_full_ && pending <= tools_->output_bytes_max / kResumeDivisor) {
    is_output_full_ = false;
    is_out_of_turn_ = can_run();
  }
}

bool Connection::is_finished() const {
  if (is_sending || output_.pending_bytes() > 0) return false;
  if (closes_after_reply) return true;
  if (!is_input_over_ || is_out_of_turn_) return false;
  return blocked.is_waiting() || (waiting_.empty() && stash_bytes_ == 0 && !is_parked_);
}

}  // namespace diskdb::net
