#include "command/dispatcher.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/reached.h"
#include "command/arguments.h"
#include "command/gates.h"

namespace diskdb::command {
namespace {

// A command of several shards that was parked this often waits for them instead: it must get its
// turn.
constexpr int kParkedMax = 3;

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

bool may_write(const Row& row) { return row.has(Flag::kWrite) || row.has(Flag::kMayReplicate); }

}  // namespace

Dispatcher::Progress Dispatcher::run(Session& session, std::span<const resp::Request> requests,
                                     resp::Reply& reply, Millis now) {
  Progress progress;
  visible_after_ = 0;
  while (progress.done < requests.size() && !session.closes_after_reply &&
         !session.is_killed.load(std::memory_order_relaxed)) {
    access_.begin(session.db, now);
    const auto left = requests.subspan(progress.done);
    if (const std::size_t count = run_group(session, left, reply); count > 0) {
      progress.done += count;
    } else if (run_one(session, left.front(), reply)) {
      ++progress.done;
    } else {
      progress.is_parked = true;
      break;
    }
    session.park_count = 0;
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
          .random = random_};
}

// ---- Groups of plain commands

// How many requests from the first on are plain: one key at a fixed place. They are left in group_.
std::size_t Dispatcher::find_group(std::span<const resp::Request> requests) {
  const std::size_t count_max = std::min(requests.size(), kGroupMax);
  std::size_t count = 0;
  for (; count < count_max; ++count) {
    const std::span<const Bytes> words = requests[count].words;
    Plain& plain = group_[count];
    if (count > 0 && words[0] == requests[count - 1].words[0]) {
      plain.row = group_[count - 1].row;
    } else {
      plain.row = services_.table.find(words[0]);
    }
    if (plain.row == nullptr) break;
    const std::size_t key_index = plain.row->single_key_index();
    if (key_index == 0 || plain.row->has(Flag::kContainer)) break;
    if (!plain.row->words.admits(words.size())) break;
    if (requests[count].raw.size() > kFrameBytesReserved) break;
    plain.key = access_.key(words[key_index]);
    plain.shard = &services_.keyspace.shard_of(plain.key.slot);
    __builtin_prefetch(plain.shard);
  }
  return count;
}

// Finds a group, holds its shards as far as they are free, and prefetches its records.
std::size_t Dispatcher::hold_group(Session& session, std::span<const resp::Request> requests) {
  const std::size_t found = find_group(requests);
  std::size_t count = 0;
  while (count < found && access_.try_hold(*group_[count].shard)) {
    const Plain& plain = group_[count++];
    access_.table(*plain.shard, session.db).prefetch_bucket(plain.key);
  }
  for (std::size_t i = 0; i < count; ++i) {
    access_.table(*group_[i].shard, session.db).prefetch_record(group_[i].key);
  }
  return count;
}

std::size_t Dispatcher::run_group(Session& session, std::span<const resp::Request> requests,
                                  resp::Reply& reply) {
  if (session.reply_mode != ReplyMode::kOn || is_anything_restricted(services_) ||
      services_.clients.is_paused(true, access_.now())) {
    return 0;
  }
  const std::size_t count = hold_group(session, requests);
  for (std::size_t i = 0; i < count; ++i) {
    const Row& row = *group_[i].row;
    session.is_inline_request = requests[i].raw.empty();
    CommandContext cx = context(session, row, requests[i].words, reply);
    cx.keys = {&group_[i].key, 1};
    if (const Outcome outcome = call(cx, requests[i].raw, 1); !outcome.ok()) {
      answer_refusal(cx, outcome, &RowCounters::failed_calls);
    }
    count_call(row);
  }
  if (count > 0) session.last_row.store(group_[count - 1].row, std::memory_order_relaxed);
  access_.release();
  visible_after_ = std::max(visible_after_, access_.visible_after());
  return count;
}

// ---- One command alone

// False: it waits.
bool Dispatcher::run_one(Session& session, const resp::Request& request, resp::Reply& reply) {
  const std::span<const Bytes> words = request.words;
  const Row* row = services_.table.resolve(words);
  if (row == nullptr) {
    refuse_unknown(words, reply);
    return true;
  }
  if (!row->has(Flag::kAllowPaused) &&
      services_.clients.is_paused(may_write(*row), access_.now())) {
    services_.clients.park_paused(session);
    return false;
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
    if (hold_keys(session, *row, words) == Held::kParked) return false;
    cx.keys = keys_;
    run_alone(cx, request.raw);
    count_call(*row);
  } else {
    answer_refusal(cx, verdict, &RowCounters::rejected_calls);
  }
  session.last_row.store(row, std::memory_order_relaxed);
  if (mode != ReplyMode::kOn) {
    silenced_.clear();
    if (session.reply_mode == ReplyMode::kOn) reply.ok();  // CLIENT REPLY ON answers for itself
    if (session.reply_mode == ReplyMode::kSkipThis) session.reply_mode = ReplyMode::kOn;
  }
  return true;
}

// Requires: its keys are held.
void Dispatcher::run_alone(CommandContext& cx, Bytes raw) {
  const Outcome outcome = call(cx, raw, words_of_name(cx.row));
  access_.release();
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

// Finds the request's keys and holds their shards, in ascending order.
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
    if (session.park_count >= kParkedMax) {
      access_.hold(*shard);
    } else if (!access_.spin_hold(*shard)) {
      access_.release();
      park_on(session, *shard);
      return Held::kParked;
    }
  }
  return Held::kAll;
}

void Dispatcher::park_on(Session& session, keyspace::Shard& shard) {
  REACHED("dispatcher: parked on a shard");
  ++session.park_count;
  session.unpark();
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

// ---- Counting: one atomic addition for a run of the same command.

void Dispatcher::count_call(const Row& row) {
  if (&row != counted_row_) {
    flush_counts();
    counted_row_ = &row;
  }
  ++counted_calls_;
}

void Dispatcher::flush_counts() {
  if (const std::uint64_t edits = access_.edit_count(); edits != counted_edits_) {
    services_.statistics.edits.fetch_add(edits - std::exchange(counted_edits_, edits),
                                         std::memory_order_relaxed);
  }
  if (counted_row_ != nullptr) {
    services_.statistics.rows[services_.table.index_of(*counted_row_)].calls.fetch_add(
        counted_calls_, std::memory_order_relaxed);
    counted_commands_ += std::exchange(counted_calls_, 0);
    counted_row_ = nullptr;
  }
  if (counted_commands_ != 0) {
    services_.statistics.commands_processed.fetch_add(std::exchange(counted_commands_, 0),
                                                      std::memory_order_relaxed);
  }
}

// ---- Replay

Status Dispatcher::replay(Session& session, std::span<const resp::Request> requests,
                          resp::Reply& reply, Millis now) {
  while (!requests.empty()) {
    access_.begin(session.db, now);
    const std::size_t count = hold_group(session, requests);
    for (std::size_t i = 0; i < count; ++i) {
      CommandContext cx = context(session, *group_[i].row, requests[i].words, reply);
      cx.keys = {&group_[i].key, 1};
      TRY(replay_one(cx));
    }
    access_.release();
    requests = requests.subspan(count);
    if (count > 0) continue;
    TRY(replay_alone(session, requests.front().words, reply, now));
    requests = requests.subspan(1);
  }
  return Status::okay();
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
  hold_keys(session, *row, words);
  CommandContext cx = context(session, *row, words, reply);
  cx.keys = keys_;
  TRY(replay_one(cx));
  access_.release();
  return Status::okay();
}

// Requires: its keys are held; if it fails, everything is let go.
Status Dispatcher::replay_one(CommandContext& cx) {
  const Outcome outcome = call(cx, {}, words_of_name(cx.row));
  if (outcome.ok()) return Status::okay();
  const Bytes text = error_text(cx, outcome);
  access_.release();
  return {Code::kCorrupt, "the log holds a command that is refused: " + std::string(cx.row.name) +
                              ": " + std::string(text)};
}

}  // namespace diskdb::command
