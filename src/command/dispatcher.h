// command/dispatcher.h — runs requests: finds the row, asks the gates, holds the shards, calls the
// function.
//
// A run of plain commands with one key each is taken in groups of up to 16: all keys are hashed and
// their buckets prefetched, all shards are held (tried, never waited for out of order), the records
// prefetched, then the functions run in order and their frames reach the log in one append.
// Everything else runs alone.
//
// Before a function runs, what it looks at is in memory (command/residency.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "command/call_timer.h"
#include "command/command_table.h"
#include "command/context.h"
#include "command/residency.h"
#include "command/services.h"
#include "command/statistics.h"
#include "io/random.h"
#include "keyspace/access.h"
#include "resp/request.h"
#include "types/json_path.h"
#include "value/element_prefetch.h"

namespace diskdb::command {

/// Threads: one per network thread (and one for replay).
/// Invariant: between calls nothing is held.
class Dispatcher {
 public:
  /// Borrows `services` for its life. `seed`: of what commands leave to chance.
  explicit Dispatcher(Services& services, std::uint64_t seed = io::entropy())
      : services_(services),
        access_(services.keyspace),
        residency_(services, access_),
        timer_(services),
        random_(seed) {}

  /// Sessions of other dispatchers that are parked on shards used here wait until wake_parked(),
  /// or for some more groups of commands. For loops: so a shard goes from thread to thread by
  /// turns.
  void defer_wakes() { access_.defer_wakes(); }
  void wake_parked() { access_.wake_parked(); }

  struct Progress {
    std::size_t done = 0;    ///< requests that have their reply
    bool is_parked = false;  ///< the next one waits: run again after Session::wake()
    log::Offset visible_after =
        0;  ///< replies may leave when the log is acknowledgeable up to here
  };
  /// Runs `requests` in order, all at the instant `now`. Stops early when one must wait, or when
  /// the session closes. Borrows everything for the call.
  Progress run(Session& session, std::span<const resp::Request> requests, resp::Reply& reply,
               Millis now);

  /// Runs commands read from the log: no gates, no expiry, nothing logged again. `reply` is written
  /// and of no interest. Cold keys of some hundred commands are read together, ahead of them.
  /// Errors: kCorrupt if a command is unknown here or refused, and the store's; those before it are
  /// done.
  Status replay(Session& session, std::span<const resp::Request> requests, resp::Reply& reply,
                Millis now);

 private:
  static constexpr std::size_t kGroupMax = 16;

  /// The key of a plain command of a group, hashed.
  struct Plain {
    keyspace::Key key;
    keyspace::Shard* shard;
    bool is_repeated;                       ///< the command before has the same key
    const keyspace::Record* likely_record;  ///< see Table::prefetch_record()
  };
  /// What became of an attempt to run something.
  enum class Attempt : std::uint8_t {
    kDone,
    kAlone,   ///< it is no group
    kParked,  ///< it waits
    kAgain,   ///< nothing has run, but something has changed: try again
  };
  enum class Held : std::uint8_t { kAll, kParked, kAgain, kUnreadable };

  CommandContext context(Session& session, const Row& row, std::span<const Bytes> words,
                         resp::Reply& reply);
  Attempt run_group(Session& session, std::span<const resp::Request> requests, resp::Reply& reply,
                    std::size_t* done);
  void run_held(Session& session, std::span<const resp::Request> requests, resp::Reply& reply);
  std::size_t find_group(std::span<const resp::Request> requests);
  std::size_t hold_group(Session& session, std::span<const resp::Request> requests);
  void prefetch_elements(std::span<const resp::Request> requests);
  Status replay_alone(Session& session, std::span<const Bytes> words, resp::Reply& reply,
                      Millis now);
  Status replay_one(CommandContext& cx);
  Status replay_all(Session& session, std::span<const resp::Request> requests, resp::Reply& reply,
                    Millis now);
  bool is_group_known(const Session& session, std::size_t count) const;
  Attempt run_one(Session& session, const resp::Request& request, resp::Reply& reply);
  void run_alone(CommandContext& cx, Bytes raw);
  Held hold_keys(Session& session, const Row& row, std::span<const Bytes> words);
  std::size_t settle_group(Session& session, std::span<const resp::Request> requests);
  Attempt fetch_group(Session& session, std::span<const resp::Request> requests,
                      resp::Reply& reply);
  Outcome call(CommandContext& cx, Bytes raw, std::size_t words_of_name);
  void begin_wait(CommandContext& cx);
  bool end_wait(Session& session, resp::Reply& reply);
  void serve_ready(Session& session);
  void serve_key(Session& session, std::uint32_t db, Bytes key);
  enum class Served : std::uint8_t { kYes, kStillWaits, kLater };
  Served serve(Session& session, Blocked& blocked, const keyspace::Key& key);
  void hand_out();
  void serve_later(Session& session);
  using RowCounter = std::atomic<std::uint64_t> RowCounters::*;
  void answer_refusal(CommandContext& cx, Outcome outcome, RowCounter counter);
  void refuse_unreadable(CommandContext& cx);
  void refuse_unknown(std::span<const Bytes> words, resp::Reply& reply);
  bool hold_or_park(Session& session, keyspace::Shard& shard);
  void park_on(Session& session, keyspace::Shard& shard);
  void flush_counts();

  Services& services_;
  keyspace::Access access_;
  Residency residency_;
  CallTimer timer_;
  io::Random random_;
  types::JsonPaths json_paths_;
  std::array<const Row*, kGroupMax> rows_{};  ///< of a group
  std::array<Plain, kGroupMax> group_{};
  std::array<value::ElementPrefetch, kGroupMax> prefetches_;
  std::vector<keyspace::Key> keys_;
  std::vector<std::size_t> key_indices_;
  std::vector<keyspace::Shard*> shards_;
  Status unreadable_;  ///< why a key's value could not be read
  struct Handout {
    Blocked* blocked;
    std::string reply;
  };
  std::vector<Handout> handouts_;  ///< to blocked clients, once everything is let go
  /// Whoever is first in the queue of the first key needs the others too, and they were not free.
  struct Later {
    std::uint32_t db;
    std::vector<std::string> keys;
  };
  std::vector<Later> later_;
  resp::StringOutput silenced_;  ///< replies that CLIENT REPLY keeps back
  log::Offset visible_after_ = 0;
  std::uint64_t counted_commands_ = 0;  ///< not yet in the statistics
  keyspace::EditCounts counted_edits_;  ///< of access_, in the statistics
};

}  // namespace diskdb::command
