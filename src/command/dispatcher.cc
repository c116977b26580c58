#include "command/dispatcher.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "base/assert.h"
#include "base/reached.h"
#include "command/arguments.h"
#include "command/config.h"
#include "command/gates.h"
#include "keyspace/place.h"

namespace diskdb::command {
namespace {

// A command of several shards that was parked this often waits for them instead: it must get its
// turn.
constexpr int kParkedMax = 3;
// Commands of a log whose cold keys are read together.
constexpr std::size_t kReadAheadMax = 256;
// Bytes of a record that are prefetched: for a reader; at most, for a command that writes it.
constexpr std::size_t kReaderPrefetchBytes = 128;
constexpr std::size_t kWriterPrefetchBytesMax = 256;

/// Would the reply depend on nothing but the keys' shards and the connection? Otherwise it must
/// wait for all that is in the log so far.
bool reads_server_state(const Row& row) {
  return row.keys.empty() && row.group != Group::kConnection;
}

std::size_t words_of_name(const Row& row) { return row.name.find(' ') == Bytes::npos ? 1 : 2; }

/// What a refusal says: the command's own words, or its row's. Borrows `cx`.
Bytes error_text(const CommandContext& cx, Outcome outcome) {
  return outcome.refusal() == Refusal::kWritten ? Bytes(cx.refusal_text)
                                                : refusal_text(outcome.refusal());
}

/// Two keys: those that differ do so in their last bytes, mostly.
bool are_same(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  std::uint64_t end_of_a = 0;
  std::uint64_t end_of_b = 0;
  if (a.size() >= sizeof end_of_a) {
    std::memcpy(&end_of_a, a.data() + a.size() - sizeof end_of_a, sizeof end_of_a);
    std::memcpy(&end_of_b, b.data() + b.size() - sizeof end_of_b, sizeof end_of_b);
  }
  return end_of_a == end_of_b && a == b;
}

bool may_write(const Row& row) { return row.has(Flag::kWrite) || row.has(Flag::kMayReplicate); }

}  // namespace

Dispatcher::Progress Dispatcher::run(Session& session, std::span<const resp::Request> requests,
                                     resp::Reply& reply, Millis now) {
  Progress progress;
  visible_after_ = 0;
  timer_.renew();
  while (progress.done < requests.size() && !session.closes_after_reply &&
         !session.is_killed.load(std::memory_order_relaxed)) {
    if (session.footprint.is_waiting()) [[unlikely]] {  // woken for another reason
      progress.is_parked = true;
      break;
    }
    if (session.blocked.is_active()) [[unlikely]] {
      if (!end_wait(session, reply)) {
        progress.is_parked = true;
        break;
      }
      ++progress.done;
      continue;
    }
    access_.begin(session.db, now);
    const auto left = requests.subspan(progress.done);
    std::size_t done = 1;
    Attempt attempt = run_group(session, left, reply, &done);
    if (attempt == Attempt::kAlone) attempt = run_one(session, left.front(), reply);
    if (attempt == Attempt::kParked) {
      progress.is_parked = true;
      break;
    }
    if (attempt == Attempt::kAgain) continue;
    progress.done += done;
    session.park_count = 0;
    session.reload_count = 0;
    if (!session.footprint.is_empty()) [[unlikely]]
      session.footprint.release();
  }
  flush_counts();
  progress.visible_after = visible_after_;
  return progress;
}

CommandContext Dispatcher::context(Session& session, const Row& row, std::span<const Bytes> words,
                                   resp::Reply& reply) {
  return {.keyspace = access_,
          .keys = {},
          .words = words,
          .row = row,
          .session = session,
          .reply = reply,
          .services = services_,
          .random = random_,
          .json_paths = json_paths_};
}

// ---- Groups of plain commands

// How many requests from the first on are plain: one key at a fixed place. They are left in group_.
std::size_t Dispatcher::find_group(std::span<const resp::Request> requests) {
  const std::size_t count_max = std::min(requests.size(), kGroupMax);
  std::size_t count = 0;
  for (; count < count_max; ++count) {
    const std::span<const Bytes> words = requests[count].words;
    const Row*& row = rows_[count];
    if (count > 0 && words[0] == requests[count - 1].words[0]) {
      row = rows_[count - 1];
    } else {
      row = services_.table.find(words[0]);
    }
    if (row == nullptr) break;
    const std::size_t key_index = row->single_key_index();
    if (key_index == 0) break;
    if (row->has(Flag::kContainer | Flag::kBlocking | Flag::kAllShards)) break;
    if (!row->words.admits(words.size())) break;
    if (requests[count].raw.size() > kFrameBytesReserved) break;
    Plain& plain = group_[count];
    if (count > 0 && are_same(words[key_index], group_[count - 1].key.bytes)) {
      plain = group_[count - 1];
      plain.is_repeated = true;
      continue;
    }
    plain.is_repeated = false;
    plain.key = access_.key(words[key_index]);
    plain.shard = &services_.keyspace.shard_of(plain.key.slot);
    __builtin_prefetch(plain.shard);
  }
  return count;
}

// Holds the group's shards as far as they are free or held here, and prefetches its records: of how
// many requests.
std::size_t Dispatcher::hold_group(Session& session, std::span<const resp::Request> requests) {
  std::size_t count = 0;
  while (count < requests.size() &&
         (group_[count].is_repeated || access_.try_hold(*group_[count].shard))) {
    ++count;
  }
  // No lock in between, which the processor's loads would wait for.
  for (const Plain& plain : std::span(group_).first(count)) {
    if (plain.is_repeated) continue;
    access_.table(*plain.shard, session.db).prefetch_bucket(plain.key);
  }
  bool has_elements = false;
  for (std::size_t i = 0; i < count; ++i) {
    Plain& plain = group_[i];
    has_elements = has_elements || rows_[i]->is_of_elements();
    if (plain.is_repeated) {
      plain.likely_record = group_[i - 1].likely_record;
      continue;
    }
    const keyspace::Table& table = access_.table(*plain.shard, session.db);
    std::size_t bytes = kReaderPrefetchBytes;
    if (may_write(*rows_[i])) {
      table.prefetch_counts();
      // What it writes is about as long as it is itself.
      bytes = std::clamp<std::size_t>(requests[i].raw.size(), 1, kWriterPrefetchBytesMax);
    }
    plain.likely_record = table.prefetch_record(plain.key, bytes);
  }
  if (has_elements && count > 1) prefetch_elements(requests.first(count));
  return count;
}

// Rehearses the look-ups of elements, all side by side.
void Dispatcher::prefetch_elements(std::span<const resp::Request> requests) {
  std::array<value::ElementPrefetch*, kGroupMax> going;
  std::size_t count = 0;
  const keyspace::Record* last = nullptr;  // that a rehearsal has begun with
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Row& row = *rows_[i];
    if (!row.is_of_elements()) continue;
    const keyspace::Record* record = group_[i].likely_record;
    if (record == nullptr || record->encoding() != keyspace::Encoding::kObject) continue;
    const Elements::Named one = row.elements.one_named(requests[i].words);
    value::ElementPrefetch& prefetch = prefetches_[i];
    going[count] = &prefetch;
    if (record == std::exchange(last, record)) {
      count +=
          prefetch.begin_beside(record->object(), one.name, one.score, &access_.fingers()) ? 1 : 0;
    } else {
      prefetch.begin(record->object(), one.name, one.score, &access_.fingers());
      ++count;
    }
  }
  while (count > 0) {
    for (std::size_t i = 0; i < count;) {
      if (going[i]->step()) {
        ++i;
      } else {
        going[i] = going[--count];
      }
    }
  }
}

Dispatcher::Attempt Dispatcher::run_group(Session& session, std::span<const resp::Request> requests,
                                          resp::Reply& reply, std::size_t* done) {
  if (session.reply_mode != ReplyMode::kOn || is_anything_restricted(services_) ||
      services_.clients.is_paused(true, access_.now())) {
    return Attempt::kAlone;
  }
  const std::size_t found_count = find_group(requests);
  if (found_count == 0) return Attempt::kAlone;
  if (!hold_or_park(session, *group_[0].shard)) return Attempt::kParked;
  const std::size_t held_count = hold_group(session, requests.first(found_count));
  const std::size_t count = settle_group(session, requests.first(held_count));
  if (count == 0) return fetch_group(session, requests.first(held_count), reply);
  run_held(session, requests.first(count), reply);
  *done = count;
  return Attempt::kDone;
}

// Requires: group_ holds what is to be known of the requests, their shards are held.
void Dispatcher::run_held(Session& session, std::span<const resp::Request> requests,
                          resp::Reply& reply) {
  std::array<std::uint64_t, kGroupMax + 1> readings;
  readings[0] = timer_.now();
  const std::span<const Row* const> rows = std::span(rows_).first(requests.size());
  const bool times_each = timer_.times_each(rows);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Row& row = *rows_[i];
    session.is_inline_request = requests[i].raw.empty();
    CommandContext cx = context(session, row, requests[i].words, reply);
    cx.keys = {&group_[i].key, 1};
    if (const Outcome outcome = call(cx, requests[i].raw, 1); !outcome.ok()) {
      answer_refusal(cx, outcome, &RowCounters::failed_calls);
    }
    if (access_.has_ready()) [[unlikely]]
      serve_ready(session);
    if (times_each) readings[i + 1] = timer_.now();
  }
  if (times_each) {
    timer_.note_each(session, rows, requests, readings.data());
  } else {
    timer_.note_as_one(session, rows, requests, readings[0], timer_.now());
  }
  counted_commands_ += requests.size();
  session.last_row.store(rows.back(), std::memory_order_relaxed);
  access_.release();
  visible_after_ = std::max(visible_after_, access_.visible_after());
  if (!handouts_.empty() || !later_.empty()) [[unlikely]] {
    hand_out();
    serve_later(session);
  }
}

// How many of the group's first commands find what they look at in memory. If the first does not
// because something cannot be read, unreadable_ says why.
std::size_t Dispatcher::settle_group(Session& session, std::span<const resp::Request> requests) {
  residency_.begin();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Plain& plain = group_[i];
    const keyspace::Table& table = access_.table(*plain.shard, session.db);
    if (table.cold_count() == 0 && !table.may_have_cold_pages()) [[likely]]
      continue;
    const Result<bool> is_settled =
        residency_.settle(session, *rows_[i], requests[i].words, plain.key);
    if (is_settled.ok() && is_settled.value()) continue;
    if (i == 0) unreadable_ = is_settled.status();
    return i;
  }
  return requests.size();
}

// What the first command needs is not in memory: it gets its error, or waits, and with it what the
// others of the group lack is asked for. Nothing is held afterwards.
Dispatcher::Attempt Dispatcher::fetch_group(Session& session,
                                            std::span<const resp::Request> requests,
                                            resp::Reply& reply) {
  if (!unreadable_.ok()) {
    access_.release();
    CommandContext cx = context(session, *rows_[0], requests[0].words, reply);
    refuse_unreadable(cx);
    session.last_row.store(rows_[0], std::memory_order_relaxed);
    return Attempt::kDone;
  }
  for (std::size_t i = 1; i < requests.size(); ++i) {
    // Whether it can be read is asked when it is its turn.
    static_cast<void>(residency_.settle(session, *rows_[i], requests[i].words, group_[i].key).ok());
  }
  return residency_.fetch(session) ? Attempt::kParked : Attempt::kAgain;
}

// ---- One command alone

Dispatcher::Attempt Dispatcher::run_one(Session& session, const resp::Request& request,
                                        resp::Reply& reply) {
  const std::span<const Bytes> words = request.words;
  const Row* row = services_.table.resolve(words);
  if (row == nullptr) {
    refuse_unknown(words, reply);
    return Attempt::kDone;
  }
  if (!row->has(Flag::kAllowPaused) &&
      services_.clients.is_paused(may_write(*row), access_.now())) {
    session.footprint.release();  // a pause may be long
    services_.clients.park_paused(session);
    return Attempt::kParked;
  }
  if (session.reply_mode == ReplyMode::kSkipNext) session.reply_mode = ReplyMode::kSkipThis;
  const ReplyMode mode = session.reply_mode;
  resp::Reply silenced(silenced_, session.dialect);
  session.is_inline_request = request.raw.empty();
  CommandContext cx = context(session, *row, words, mode == ReplyMode::kOn ? reply : silenced);
  Outcome verdict;
  for (const Gate gate : gates()) {
    verdict = gate(cx);
    if (!verdict.ok()) break;
  }
  if (verdict.ok()) {
    switch (hold_keys(session, *row, words)) {
      case Held::kParked:
        return Attempt::kParked;
      case Held::kAgain:
        return Attempt::kAgain;
      case Held::kUnreadable:
        refuse_unreadable(cx);
        break;
      case Held::kAll:
        cx.keys = keys_;
        run_alone(cx, request.raw);
        if (cx.wait) {
          session.last_row.store(row, std::memory_order_relaxed);
          return Attempt::kParked;
        }
        break;
    }
  } else {
    answer_refusal(cx, verdict, &RowCounters::rejected_calls);
  }
  session.last_row.store(row, std::memory_order_relaxed);
  if (mode != ReplyMode::kOn) {
    silenced_.clear();
    if (session.reply_mode == ReplyMode::kOn) reply.ok();  // CLIENT REPLY ON answers for itself
    if (session.reply_mode == ReplyMode::kSkipThis) session.reply_mode = ReplyMode::kOn;
  }
  return Attempt::kDone;
}

// Requires: its keys are held.
void Dispatcher::run_alone(CommandContext& cx, Bytes raw) {
  const std::uint64_t began = timer_.now();
  const Outcome outcome = call(cx, raw, words_of_name(cx.row));
  if (access_.has_ready()) [[unlikely]]
    serve_ready(cx.session);
  if (cx.wait) begin_wait(cx);
  access_.release();
  if (!handouts_.empty() || !later_.empty()) [[unlikely]] {
    const log::Offset visible_after = access_.visible_after();
    hand_out();
    serve_later(cx.session);
    visible_after_ = std::max(visible_after_, visible_after);
  }
  timer_.renew();  // CONFIG SET counts for itself
  timer_.note(cx, began, timer_.now());
  ++counted_commands_;
  visible_after_ = std::max(visible_after_, access_.visible_after());
  if (reads_server_state(cx.row)) {
    visible_after_ = std::max(visible_after_, services_.keyspace.log_end());
  }
  if (!outcome.ok()) answer_refusal(cx, outcome, &RowCounters::failed_calls);
}

Outcome Dispatcher::call(CommandContext& cx, Bytes raw, std::size_t name_word_count) {
  access_.begin_command(cx.words, raw, cx.row.logged, cx.row.has(Flag::kReadonly),
                        cx.session.touches_keys);
  const Outcome outcome = cx.row.function(cx, Arguments(cx.words.subspan(name_word_count)));
  ASSERT_SLOW(outcome.ok() || !access_.has_edited());  // a refusal changes nothing
  access_.end_command();
  return outcome;
}

// ---- Blocking commands. The request of a client that waits stays the first one left; run() comes
// back to it when the wait is over.

// Requires: the keys' shards are held.
void Dispatcher::begin_wait(CommandContext& cx) {
  Blocked& blocked = cx.session.blocked;
  blocked.row = &cx.row;
  blocked.type = cx.wait->type;
  blocked.until = cx.wait->until;
  blocked.db = access_.db();
  blocked.dialect = cx.reply.dialect();
  blocked.sees_deletion = cx.wait->sees_deletion;
  if (cx.wait->words.empty()) {
    blocked.words.assign(cx.words.begin(), cx.words.end());
  } else {
    blocked.words = std::move(cx.wait->words);
  }
  for (const keyspace::Key& key : cx.keys) blocked.keys.emplace_back(key.bytes);
  blocked.waited_key_count = cx.wait->key_count;
  for (const keyspace::Key& key : cx.keys.first(cx.wait->key_count)) {
    keyspace::Shard& shard = services_.keyspace.shard_of(key.slot);
    blocked.enqueue(shard, access_.db(), key.bytes);
    blocked.seen_offset = std::max(blocked.seen_offset, shard.last_offset);
  }
  blocked.count_in(services_.clients.blocked_count);
  cx.session.park_count = 0;
  cx.session.reload_count = 0;
  blocked.begin();
}

// Replies, if the wait is over.
bool Dispatcher::end_wait(Session& session, resp::Reply& reply) {
  Blocked& blocked = session.blocked;
  const Blocked::State how = blocked.settled_state();
  if (how == Blocked::State::kWaiting) return false;
  session.footprint.release();
  if (session.reply_mode != ReplyMode::kOn) {
    if (session.reply_mode == ReplyMode::kSkipThis) session.reply_mode = ReplyMode::kOn;
  } else if (how == Blocked::State::kServed) {
    reply.output().append(blocked.reply);
    visible_after_ = std::max(visible_after_, blocked.visible_after);
  } else if (how == Blocked::State::kTimedOut) {
    reply.null_array();
    visible_after_ = std::max(visible_after_, blocked.seen_offset);
  } else {
    constexpr Bytes kText = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
    services_.statistics.count_error(kText);
    reply.error(kText);
  }
  blocked.finish();
  return true;
}

// A command has let elements appear at keys that others wait for: they get them now, before anybody
// else sees them, in order of arrival. Serving may let elements appear at further keys. Requires:
// the keys' shards are held.
void Dispatcher::serve_ready(Session& session) {
  const std::uint32_t db = access_.db();
  while (access_.has_ready()) {
    for (const auto& ready : access_.take_ready()) serve_key(session, ready.db, ready.key);
  }
  access_.select(db);
}

void Dispatcher::serve_key(Session& session, std::uint32_t db, Bytes name) {
  access_.select(db);
  const keyspace::Key key = access_.key(name);
  keyspace::Shard& shard = services_.keyspace.shard_of(key.slot);
  for (std::size_t i = 0;;) {
    keyspace::WaitingKeys::Queue* queue =
        shard.waiting == nullptr ? nullptr : shard.waiting->find(db, name);
    if (queue == nullptr || i >= queue->size()) return;
    auto& blocked = static_cast<Blocked&>(*(*queue)[i]);
    const keyspace::Record* record = access_.peek_expired(db, key);
    const bool is_there = record != nullptr && !access_.is_expired(*record);
    // Whoever is claimed already, or not waiting any more, is about to leave by itself.
    if (blocked.state() == Blocked::State::kWaiting &&
        (blocked.sees_deletion || (is_there && record->type() == blocked.type)) &&
        blocked.claim()) {
      switch (serve(session, blocked, key)) {
        case Served::kYes:
          shard.waiting->remove(db, name, blocked);
          continue;
        case Served::kStillWaits:
          blocked.unclaim();
          break;
        case Served::kLater:
          blocked.unclaim();
          return;  // nobody overtakes it
      }
    }
    ++i;
  }
}

// Runs the command of a client that this thread has claimed. `key` is one of those it waits for.
Dispatcher::Served Dispatcher::serve(Session& session, Blocked& blocked, const keyspace::Key& key) {
  std::vector<keyspace::Key> keys = {key};
  bool has_all = true;
  for (std::size_t i = blocked.waited_key_count; i < blocked.keys.size(); ++i) {
    keys.push_back(access_.key(blocked.keys[i]));
    has_all = has_all && access_.try_hold(services_.keyspace.shard_of(keys.back().slot)) &&
              access_.is_known(blocked.db, keys.back());
  }
  if (!has_all) {
    REACHED("dispatcher: a blocked client's other keys are not free");
    Later& later = later_.emplace_back(Later{.db = blocked.db, .keys = {}});
    for (const keyspace::Key& each : keys) later.keys.emplace_back(each.bytes);
    return Served::kLater;
  }
  const std::vector<Bytes> words(blocked.words.begin(), blocked.words.end());
  resp::StringOutput output;
  resp::Reply reply(output, blocked.dialect);
  CommandContext cx = context(session, *blocked.row, words, reply);
  cx.keys = keys;
  const Outcome outcome = call(cx, {}, words_of_name(*blocked.row));
  if (cx.wait) return Served::kStillWaits;
  if (!outcome.ok()) answer_refusal(cx, outcome, &RowCounters::failed_calls);
  handouts_.push_back({&blocked, std::string(output.view())});
  return Served::kYes;
}

// Blocked clients that were served go on. Requires: nothing is held since they were.
void Dispatcher::hand_out() {
  for (Handout& handout : handouts_) {
    handout.blocked->reply = std::move(handout.reply);
    handout.blocked->visible_after = access_.visible_after();
    handout.blocked->waker().wake();  // its own thread waits for note_served() if it is faster
    handout.blocked->note_served();
  }
  handouts_.clear();
}

// Those whose other keys were not free, or not in memory: now their shards are waited for, in
// ascending order, and what is cold is loaded in place. Requires: nothing is held.
void Dispatcher::serve_later(Session& session) {
  while (!later_.empty()) {
    const Later later = std::move(later_.front());
    later_.erase(later_.begin());
    access_.begin(later.db, access_.now());
    std::vector<keyspace::Shard*> shards;
    for (const std::string& key : later.keys) {
      shards.push_back(&services_.keyspace.shard_of(access_.key(key).slot));
    }
    std::ranges::sort(shards);
    for (keyspace::Shard* shard : shards) access_.hold(*shard);
    bool is_known = true;
    for (const std::string& key : later.keys) {
      const Result<bool> loaded = access_.load(later.db, access_.key(key), store::Reach::kDisk);
      is_known = is_known && loaded.ok();  // if not it waits on, and the next one tries
    }
    if (is_known) {
      serve_key(session, later.db, later.keys.front());
      serve_ready(session);
    }
    access_.release();
    hand_out();
  }
}

// Finds the request's keys, holds their shards, in ascending order, and sees to it that nothing of
// them is cold. Unless it is kAll nothing is held afterwards.
Dispatcher::Held Dispatcher::hold_keys(Session& session, const Row& row,
                                       std::span<const Bytes> words) {
  keys_.clear();
  key_indices_.clear();
  shards_.clear();
  if (row.has(Flag::kAllShards)) {
    access_.hold_all();
    return Held::kAll;
  }
  if (row.keys.empty()) return Held::kAll;
  find_key_indices(row, words, &key_indices_);
  for (const std::size_t index : key_indices_) {
    keys_.push_back(access_.key(words[index]));
    shards_.push_back(&services_.keyspace.shard_of(keys_.back().slot));
  }
  std::ranges::sort(shards_);  // one array holds all shards: by address is by index
  for (keyspace::Shard* shard : shards_) {
    if (!hold_or_park(session, *shard)) return Held::kParked;
  }
  if (services_.keyspace.store() == nullptr) return Held::kAll;
  const Result<bool> is_settled = residency_.settle_all(session, row, words, keys_);
  if (!is_settled.ok()) {
    access_.release();
    unreadable_ = is_settled.status();
    return Held::kUnreadable;
  }
  if (is_settled.value()) return Held::kAll;
  return residency_.fetch(session) ? Held::kParked : Held::kAgain;
}

void Dispatcher::refuse_unreadable(CommandContext& cx) {
  REACHED("dispatcher: a value could not be read");
  const Outcome refused =
      cx.refuse("ERR the stored value cannot be read: " + unreadable_.error().message);
  unreadable_ = {};
  answer_refusal(cx, refused, &RowCounters::failed_calls);
  timer_.note_untimed(cx);
  ++counted_commands_;
}

// False if the session is parked, and nothing is held. Requires: as Access::hold().
bool Dispatcher::hold_or_park(Session& session, keyspace::Shard& shard) {
  if (access_.try_hold(shard)) return true;
  if (session.park_count >= kParkedMax) {
    access_.hold(shard);
    return true;
  }
  // Where others are parked already the holder has more to do.
  if (!shard.lock.has_parked() && access_.spin_hold(shard)) return true;
  access_.release();
  park_on(session, shard);
  return false;
}

void Dispatcher::park_on(Session& session, keyspace::Shard& shard) {
  REACHED("dispatcher: parked on a shard");
  ++session.park_count;
  session.leave_shard();
  if (shard.lock.park(session)) {
    session.parked_on = &shard.lock;
  } else {
    session.wake();  // it is free by now
  }
}

void Dispatcher::answer_refusal(CommandContext& cx, Outcome outcome, RowCounter counter) {
  RowCounters& counters = services_.statistics.rows[services_.table.index_of(cx.row)];
  (counters.*counter).fetch_add(1, std::memory_order_relaxed);
  const Bytes text = error_text(cx, outcome);
  services_.statistics.count_error(text);
  cx.reply.error(text);
}

void Dispatcher::refuse_unknown(std::span<const Bytes> words, resp::Reply& reply) {
  const Row* container = services_.table.find(words[0]);
  const std::string text = container != nullptr ? unknown_subcommand_text(*container, words[1])
                                                : unknown_command_text(words);
  services_.statistics.count_error(text);
  reply.error(text);
  ++counted_commands_;
}

void Dispatcher::flush_counts() {
  if (const keyspace::EditCounts edits = access_.edit_counts(); edits.all != counted_edits_.all) {
    Statistics& statistics = services_.statistics;
    statistics.edits.fetch_add(edits.all - counted_edits_.all, std::memory_order_relaxed);
    statistics.element_edits.fetch_add(edits.of_elements - counted_edits_.of_elements,
                                       std::memory_order_relaxed);
    counted_edits_ = edits;
  }
  if (counted_commands_ != 0) {
    services_.statistics.commands_processed.fetch_add(std::exchange(counted_commands_, 0),
                                                      std::memory_order_relaxed);
  }
}

// ---- Replay

Status Dispatcher::replay(Session& session, std::span<const resp::Request> requests,
                          resp::Reply& reply, Millis now) {
  const Status done = replay_all(session, requests, reply, now);
  session.footprint.release();
  return done;
}

Status Dispatcher::replay_all(Session& session, std::span<const resp::Request> requests,
                              resp::Reply& reply, Millis now) {
  std::size_t ahead_count = 0;  // of the first requests: their keys have been looked for
  while (!requests.empty()) {
    access_.begin(session.db, now);
    const auto some = ahead_count == 0 ? requests : requests.first(ahead_count);
    std::size_t count = hold_group(session, some.first(find_group(some)));
    if (ahead_count == 0 && (count == 0 || !is_group_known(session, count))) {
      access_.release();
      session.footprint.release();
      const auto next = requests.first(std::min(requests.size(), kReadAheadMax));
      TRY_LET(ahead_count, residency_.read_ahead(session, next, now));
      continue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      CommandContext cx = context(session, *rows_[i], requests[i].words, reply);
      cx.keys = {&group_[i].key, 1};
      TRY(replay_one(cx));
    }
    access_.release();
    if (count == 0) {
      TRY(replay_alone(session, requests.front().words, reply, now));
      count = 1;
    }
    requests = requests.subspan(count);
    ahead_count -= std::min(ahead_count, count);
  }
  return Status::okay();
}

// Is it known of the keys of the group's first `count` commands whether they exist?
bool Dispatcher::is_group_known(const Session& session, std::size_t count) const {
  return std::ranges::all_of(std::span(group_).first(count), [&](const Plain& plain) {
    return access_.is_known(session.db, plain.key);
  });
}

Status Dispatcher::replay_alone(Session& session, std::span<const Bytes> words, resp::Reply& reply,
                                Millis now) {
  const Row* row = services_.table.resolve(words);
  if (row == nullptr || !row->words.admits(words.size())) {
    return {Code::kCorrupt, "the log holds a command this version does not know: " +
                                std::string(words[0].substr(0, 64))};
  }
  access_.begin(session.db, now);
  session.park_count = kParkedMax;  // nobody else is there: waiting is over at once
  session.reload_count = Residency::kReloadsMax;
  if (hold_keys(session, *row, words) == Held::kUnreadable) {
    return std::exchange(unreadable_, {});
  }
  CommandContext cx = context(session, *row, words, reply);
  cx.keys = keys_;
  TRY(replay_one(cx));
  access_.release();
  return Status::okay();
}

// Requires: its keys are held; if it fails, everything is let go.
Status Dispatcher::replay_one(CommandContext& cx) {
  cx.may_wait = false;
  const Outcome outcome = call(cx, {}, words_of_name(cx.row));
  if (outcome.ok()) return Status::okay();
  const Bytes text = error_text(cx, outcome);
  access_.release();
  return {Code::kCorrupt, "the log holds a command that is refused: " + std::string(cx.row.name) +
                              ": " + std::string(text)};
}

}  // namespace diskdb::command
