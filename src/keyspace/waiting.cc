#include "keyspace/waiting.h"

#include <sched.h>

#include <algorithm>

#include "base/assert.h"

namespace diskdb::keyspace {

bool KeyWaiter::end_wait(State how) {
  ASSERT(how == State::kTimedOut || how == State::kUnblocked);
  while (true) {
    State expected = State::kWaiting;
    if (state_.compare_exchange_strong(expected, how, std::memory_order_acq_rel)) return true;
    if (expected != State::kClaimed) return false;
    ::sched_yield();  // its server may find nothing for it (I2)
  }
}

void KeyWaiter::enqueue(Shard& shard, std::uint32_t db, Bytes key) {
  ASSERT(state() == State::kIdle);
  for (const Place& place : places_) {
    if (place.db == db && place.key == key) return;
  }
  if (shard.waiting == nullptr) shard.waiting = std::make_unique<WaitingKeys>();
  shard.waiting->add(db, key, *this);
  places_.push_back({&shard, db, std::string(key)});
}

KeyWaiter::State KeyWaiter::settled_state() const {
  State now = state();
  for (; now == State::kClaimed; now = state()) ::sched_yield();
  return now;
}

void KeyWaiter::leave() {
  ASSERT(state() != State::kWaiting && state() != State::kClaimed);
  for (const Place& place : places_) {
    place.shard->lock.lock();
    if (place.shard->waiting != nullptr) {
      place.shard->waiting->remove(place.db, place.key, *this);
      if (place.shard->waiting->is_empty()) place.shard->waiting = nullptr;
    }
    place.shard->lock.unlock();
  }
  places_.clear();
  state_.store(State::kIdle, std::memory_order_relaxed);
}

WaitingKeys::Queue* WaitingKeys::find(std::uint32_t db, Bytes key) {
  const auto at = queues_.find(NameView{db, key});
  return at == queues_.end() ? nullptr : &at->second;
}

void WaitingKeys::add(std::uint32_t db, Bytes key, KeyWaiter& waiter) {
  queues_[Name{db, std::string(key)}].push_back(&waiter);
}

void WaitingKeys::remove(std::uint32_t db, Bytes key, const KeyWaiter& waiter) {
  const auto at = queues_.find(NameView{db, key});
  if (at == queues_.end()) return;
  std::erase(at->second, &waiter);
  if (at->second.empty()) queues_.erase(at);
}

}  // namespace diskdb::keyspace
