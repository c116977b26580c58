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
// A command whose keys were brought in this often, and were gone again when it came to run, loads
// them in place.
constexpr int kReloadsMax = 3;
// Of one command's keys, so many at most are looked up in the block cache while its shards are
// held; the others are left to the loader, known or not.
constexpr std::size_t kCacheLookupsMax = 128;
// Commands of a log whose cold keys are read together.
constexpr std::size_t kReadAheadMax = 256;

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
    if (session.footprint.is_waiting()) [[unlikely]] {  // woken for another reason
      progress.is_parked = true;
      break;
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

Dispatcher::Attempt Dispatcher::run_group(Session& session, std::span<const resp::Request> requests,
                                          resp::Reply& reply, std::size_t* done) {
  if (session.reply_mode != ReplyMode::kOn || is_anything_restricted(services_) ||
      services_.clients.is_paused(true, access_.now())) {
    return Attempt::kAlone;
  }
  const std::size_t held_count = hold_group(session, requests);
  if (held_count == 0) {
    access_.release();
    return Attempt::kAlone;
  }
  const std::size_t count = settle_group(session, held_count);
  if (count == 0) return fetch_group(session, held_count, requests.front(), reply);
  run_held(session, requests.first(count), reply);
  *done = count;
  return Attempt::kDone;
}

// Requires: group_ holds what is to be known of the requests, their shards are held.
void Dispatcher::run_held(Session& session, std::span<const resp::Request> requests,
                          resp::Reply& reply) {
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Row& row = *group_[i].row;
    session.is_inline_request = requests[i].raw.empty();
    CommandContext cx = context(session, row, requests[i].words, reply);
    cx.keys = {&group_[i].key, 1};
    if (const Outcome outcome = call(cx, requests[i].raw, 1); !outcome.ok()) {
      answer_refusal(cx, outcome, &RowCounters::failed_calls);
    }
    count_call(row);
  }
  session.last_row.store(group_[requests.size() - 1].row, std::memory_order_relaxed);
  access_.release();
  visible_after_ = std::max(visible_after_, access_.visible_after());
}

// How many of the group's first `count` commands find their keys in memory, or known to be absent.
// If the first does not because its value cannot be read, unreadable_ says why.
std::size_t Dispatcher::settle_group(Session& session, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const Plain& plain = group_[i];
    if (access_.table(*plain.shard, session.db).cold_count() == 0) [[likely]]
      continue;
    const Result<bool> is_settled = settle(session, plain.key);
    if (is_settled.ok() && is_settled.value()) continue;
    if (i == 0) unreadable_ = is_settled.status();
    return i;
  }
  return count;
}

// The first command's key is not in memory: it gets its error, or waits, and with it all of the
// group's cold keys are asked for. Nothing is held afterwards.
Dispatcher::Attempt Dispatcher::fetch_group(Session& session, std::size_t count,
                                            const resp::Request& first, resp::Reply& reply) {
  if (!unreadable_.ok()) {
    access_.release();
    CommandContext cx = context(session, *group_[0].row, first.words, reply);
    refuse_unreadable(cx);
    session.last_row.store(group_[0].row, std::memory_order_relaxed);
    return Attempt::kDone;
  }
  unknown_.clear();
  unknown_.push_back(group_[0].key);
  for (std::size_t i = 1; i < count; ++i) {
    const Result<bool> is_settled = settle(session, group_[i].key);
    if (is_settled.ok() && !is_settled.value()) unknown_.push_back(group_[i].key);
  }
  return fetch(session) == Held::kParked ? Attempt::kParked : Attempt::kAgain;
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
        count_call(*row);
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
    if (session.park_count >= kParkedMax) {
      access_.hold(*shard);
    } else if (!access_.spin_hold(*shard)) {
      access_.release();
      park_on(session, *shard);
      return Held::kParked;
    }
  }
  return services_.keyspace.store() == nullptr ? Held::kAll : settle_keys(session);
}

// ---- Cold keys

// Is all that is to be known of the key in memory? Looks into the block cache if need be, and on
// the disk only if the session has waited in vain often enough. Requires: its shard is held.
// Errors: the store's.
Result<bool> Dispatcher::settle(Session& session, const keyspace::Key& key) {
  if (access_.is_known(session.db, key)) return true;
  const bool waits = services_.loader != nullptr && session.reload_count < kReloadsMax;
  if (session.footprint.has_loads()) {
    const keyspace::Shard& shard = services_.keyspace.shard_of(key.slot);
    TRY(session.footprint.failure_of(*shard.tables[session.db], key.bytes));
  }
  return access_.load(session.db, key, waits ? store::Reach::kMemory : store::Reach::kDisk);
}

// The same for keys_. What is not in memory is asked for.
Dispatcher::Held Dispatcher::settle_keys(Session& session) {
  unknown_.clear();
  std::size_t lookup_count = 0;
  for (const keyspace::Key& key : keys_) {
    if (access_.is_known(session.db, key)) continue;
    if (services_.loader != nullptr && ++lookup_count > kCacheLookupsMax &&
        session.reload_count < kReloadsMax && !session.footprint.has_loads()) {
      unknown_.push_back(key);
      continue;
    }
    const Result<bool> is_settled = settle(session, key);
    if (!is_settled.ok()) {
      access_.release();
      unreadable_ = is_settled.status();
      return Held::kUnreadable;
    }
    if (!is_settled.value()) unknown_.push_back(key);
  }
  return unknown_.empty() ? Held::kAll : fetch(session);
}

// Asks for loads of unknown_, whose shards are held, and lets go of everything: kParked, or kAgain
// if what the session had waited for was in vain.
Dispatcher::Held Dispatcher::fetch(Session& session) {
  keyspace::Footprint& footprint = session.footprint;
  if (footprint.has_loads()) {
    REACHED("dispatcher: keys left memory again before their command had run");
    if (!footprint.was_deferred()) ++session.reload_count;
    access_.release();
    footprint.release();
    return Held::kAgain;
  }
  if (footprint.is_empty() &&
      !services_.loader->admission().admit(footprint.claim(), unknown_.size())) {
    access_.release();
    return Held::kParked;
  }
  loads_.clear();
  footprint.begin();
  for (const keyspace::Key& key : unknown_) add_load(session, key);
  access_.release();
  services_.loader->submit(std::move(loads_));
  loads_ = {};
  footprint.end();
  return Held::kParked;
}

// Requires: the key's shard is held.
void Dispatcher::add_load(Session& session, const keyspace::Key& key) {
  keyspace::Shard& shard = services_.keyspace.shard_of(key.slot);
  const std::shared_ptr<keyspace::Table>& table = shard.tables[session.db];
  const std::uint64_t ticket =
      session.footprint.add(shard, table, key.bytes, services_.keyspace.next_ticket());
  if (ticket != 0) loads_.push_back({&shard, table, std::string(key.bytes), ticket});
}

void Dispatcher::refuse_unreadable(CommandContext& cx) {
  REACHED("dispatcher: a value could not be read");
  const Outcome refused =
      cx.refuse("ERR the stored value cannot be read: " + unreadable_.error().message);
  unreadable_ = {};
  answer_refusal(cx, refused, &RowCounters::failed_calls);
  count_call(cx.row);
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
  const std::size_t count_max =
      services_.keyspace.store() == nullptr ? requests.size() : kReadAheadMax;
  while (!requests.empty()) {
    auto some = requests.first(std::min(requests.size(), count_max));
    TRY_LET(const std::size_t count, read_ahead(session, some, now));
    const Status done = replay_some(session, some.first(count), reply, now);
    session.footprint.release();
    TRY(done);
    requests = requests.subspan(count);
  }
  return Status::okay();
}

// Brings the cold keys of the next commands into memory. Returns how many commands those are: up to
// the next that selects or changes databases.
Result<std::size_t> Dispatcher::read_ahead(Session& session,
                                           std::span<const resp::Request> requests, Millis now) {
  if (services_.keyspace.store() == nullptr) return requests.size();
  loads_.clear();
  access_.begin(session.db, now);
  session.footprint.begin();
  std::size_t count = 0;
  while (count < requests.size()) {
    const std::span<const Bytes> words = requests[count++].words;
    const Row* row = services_.table.resolve(words);
    if (row == nullptr || !row->words.admits(words.size())) break;  // whoever runs it says so
    if (row->keys.empty() || row->has(Flag::kAllShards)) break;     // SELECT, FLUSHALL, SWAPDB
    key_indices_.clear();
    find_key_indices(*row, words, &key_indices_);
    for (const std::size_t index : key_indices_) {
      const keyspace::Key key = access_.key(words[index]);
      keyspace::Shard& shard = services_.keyspace.shard_of(key.slot);
      access_.hold(shard);
      if (!access_.is_known(session.db, key)) add_load(session, key);
      access_.let_go(shard);
    }
  }
  Status status;
  if (!loads_.empty()) {
    if (!reader_) reader_.emplace(services_.keyspace);
    status = reader_->serve(loads_, now);
  }
  access_.release();
  session.footprint.end();
  if (status.ok()) return count;
  session.footprint.release();
  return status;
}

Status Dispatcher::replay_some(Session& session, std::span<const resp::Request> requests,
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
  session.reload_count = kReloadsMax;
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
  const Outcome outcome = call(cx, {}, words_of_name(cx.row));
  if (outcome.ok()) return Status::okay();
  const Bytes text = error_text(cx, outcome);
  access_.release();
  return {Code::kCorrupt, "the log holds a command that is refused: " + std::string(cx.row.name) +
                              ": " + std::string(text)};
}

}  // namespace diskdb::command
