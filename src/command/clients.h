// command/clients.h — all sessions of the server, for CLIENT LIST, KILL, PAUSE and INFO.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "base/units.h"
#include "command/session.h"

namespace diskdb::command {

/// Threads: thread-safe. A session is in it from accept to close; its connection removes it before
/// it goes.
class ClientRegistry {
 public:
  std::uint64_t next_id() { return next_id_.fetch_add(1, std::memory_order_relaxed); }
  void add(Session& session);
  /// Afterwards nobody but its own connection refers to `session`, parked wake-ups excepted.
  void remove(Session& session);
  std::size_t count() const { return count_.load(std::memory_order_relaxed); }

  /// Calls visit(session) for each session, by id, under the registry's lock: it must not block.
  template <typename Visit>
  void for_each(Visit visit) {
    const std::lock_guard lock(mutex_);
    for (auto& [id, session] : sessions_) visit(*session);
  }
  /// Guards the names in sessions.
  std::mutex& mutex() { return mutex_; }

  /// CLIENT PAUSE: until the instant, all commands or only those that may write wait. While another
  /// pause runs, the later end and the stricter kind count.
  void pause(Millis until, bool writes_only, Millis now);
  void unpause();
  /// Is a session with such a command held back now? Cost: one load while nothing is paused.
  bool is_paused(bool may_write, Millis now) const;
  /// The session is woken when the pause ends (unpause, or wake_if_over called by the cron).
  void park_paused(Session& session);
  void wake_if_over(Millis now);
  /// How many sessions the pause holds back at this moment.
  std::size_t paused_count();
  /// Sessions that a blocking command holds.
  std::atomic<std::size_t> blocked_count{0};

 private:
  void wake_all_paused();  ///< Requires: mutex_ held.

  std::atomic<std::uint64_t> next_id_{1};
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::map<std::uint64_t, Session*> sessions_;  // guarded by mutex_
  std::vector<Session*> paused_;                // guarded by mutex_
  std::atomic<std::int64_t> paused_until_ms_{0};
  std::atomic<bool> is_writes_only_{false};
};

}  // namespace diskdb::command
