// log/waiters.h — who waits for which offset to become acknowledgeable.
#pragma once

#include <algorithm>
#include <mutex>
#include <vector>

#include "log/log.h"

namespace diskdb::log {

/// Threads: thread-safe. A listener is called with the lock held, so that after forget() no call is
/// under way.
class Waiters {
 public:
  /// Registers `listener` for `offset`, once: of two offsets the lower one counts. Then looks with
  /// `is_due(offset)`, under the lock, whether to call it at once; so an advance that is published
  /// before wake() is called is never missed.
  template <typename IsDue>
  void add(Listener& listener, Offset offset, IsDue is_due) {
    const std::lock_guard guard(m_);
    auto entry = find(listener);
    if (entry == entries_.end()) entry = entries_.insert(entry, {&listener, offset});
    entry->offset = std::min(entry->offset, offset);
    if (!is_due(entry->offset)) return;
    entries_.erase(entry);
    listener.log_advanced();
  }

  void forget(Listener& listener) {
    const std::lock_guard guard(m_);
    const auto entry = find(listener);
    if (entry != entries_.end()) entries_.erase(entry);
  }

  /// Calls and drops every listener whose offset `is_due`; returns how many.
  template <typename IsDue>
  std::size_t wake(IsDue is_due) {
    const std::lock_guard guard(m_);
    return std::erase_if(entries_, [&](const Entry& entry) {
      if (!is_due(entry.offset)) return false;
      entry.listener->log_advanced();
      return true;
    });
  }

 private:
  struct Entry {
    Listener* listener;
    Offset offset;
  };
  std::vector<Entry>::iterator find(Listener& listener) {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const Entry& entry) { return entry.listener == &listener; });
  }

  std::mutex m_;
  std::vector<Entry> entries_;  // guarded by m_; one per network thread, so short
};

}  // namespace diskdb::log
