#include "command/clients.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace diskdb::command {

void ClientRegistry::add(Session& session) {
  const std::lock_guard lock(mutex_);
  const bool is_new = sessions_.emplace(session.id, &session).second;
  ASSERT(is_new);
  count_.store(sessions_.size(), std::memory_order_relaxed);
}

void ClientRegistry::remove(Session& session) {
  const std::lock_guard lock(mutex_);
  const bool was_there = sessions_.erase(session.id) == 1;
  ASSERT(was_there);
  std::erase(paused_, &session);
  count_.store(sessions_.size(), std::memory_order_relaxed);
}

void ClientRegistry::pause(Millis until, bool writes_only, Millis now) {
  const std::lock_guard lock(mutex_);
  const std::int64_t running_until = paused_until_ms_.load(std::memory_order_relaxed);
  if (running_until > now.count) {  // the longer and the stricter of the two counts
    writes_only = writes_only && is_writes_only_.load(std::memory_order_relaxed);
    until.count = std::max(until.count, running_until);
  }
  is_writes_only_.store(writes_only, std::memory_order_relaxed);
  paused_until_ms_.store(until.count, std::memory_order_release);
}

void ClientRegistry::unpause() {
  const std::lock_guard lock(mutex_);
  paused_until_ms_.store(0, std::memory_order_relaxed);
  wake_all_paused();
}

bool ClientRegistry::is_paused(bool may_write, Millis now) const {
  if (paused_until_ms_.load(std::memory_order_acquire) <= now.count) [[likely]]
    return false;
  return may_write || !is_writes_only_.load(std::memory_order_relaxed);
}

void ClientRegistry::park_paused(Session& session) {
  const std::lock_guard lock(mutex_);
  // The pause may have ended since the session asked; nobody would wake it then.
  if (paused_until_ms_.load(std::memory_order_relaxed) == 0) {
    session.wake();
    return;
  }
  if (std::ranges::find(paused_, &session) == paused_.end()) paused_.push_back(&session);
}

void ClientRegistry::wake_if_over(Millis now) {
  const std::int64_t until = paused_until_ms_.load(std::memory_order_relaxed);
  if (until == 0 || until > now.count) [[likely]]
    return;
  const std::lock_guard lock(mutex_);
  if (paused_until_ms_.load(std::memory_order_relaxed) != until) return;  // paused anew
  paused_until_ms_.store(0, std::memory_order_relaxed);
  wake_all_paused();
}

std::size_t ClientRegistry::paused_count() {
  const std::lock_guard lock(mutex_);
  return paused_.size();
}

void ClientRegistry::wake_all_paused() {
  for (Session* session : std::exchange(paused_, {})) session->wake();
}

}  // namespace diskdb::command
