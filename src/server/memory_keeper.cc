#include "server/memory_keeper.h"

#include <algorithm>

namespace diskdb::server {
namespace {

using Room = keyspace::Evictor::Room;

constexpr Micros kWorkMax{1000};
constexpr Millis kPeriod{10};
constexpr Millis kBusyPeriod{1};
constexpr std::uint64_t kNearShare = 16;  // busy from this part below what keys may cost

}  // namespace

MemoryKeeper::MemoryKeeper(keyspace::Keyspace& keyspace, const keyspace::Checkpointer* checkpointer,
                           io::Clock& clock)
    : keyspace_(keyspace), checkpointer_(checkpointer), evictor_(keyspace, clock) {}

Millis MemoryKeeper::step() {
  const Room room = evictor_.step(kWorkMax);
  publish(room);
  if (room == Room::kMore) return Millis{0};
  const std::uint64_t most = keyspace_.budget.keys_max();
  const bool is_near = keyspace_.allocated_bytes() > most - most / kNearShare;
  const bool is_slowing = keyspace_.budget.write_pressure.load(std::memory_order_relaxed) > 0;
  return is_near || is_slowing ? kBusyPeriod : kPeriod;
}

void MemoryKeeper::publish(Room room) {
  keyspace::MemoryBudget& budget = keyspace_.budget;
  const std::uint64_t unstored = keyspace_.dirty_bytes() + keyspace_.unsettled_bytes();
  budget.wants_checkpoint.store(room == Room::kNothing && budget.is_tiered() && unstored != 0,
                                std::memory_order_relaxed);
  if (checkpointer_ == nullptr) return;
  const double dirty = checkpointer_->pressure();
  // If checkpoints fail, slowness would never end: writes are refused instead, which takes reading.
  const bool has_failed = checkpointer_->stats().has_failed;
  budget.is_dirty_stuck.store(has_failed && dirty >= 1, std::memory_order_relaxed);
  const std::uint64_t keys = keyspace_.allocated_bytes();
  const std::uint64_t reducible = room == Room::kNothing ? unstored : keys;
  const double pressure = std::max(dirty, budget.excess_pressure(keys, reducible));
  budget.write_pressure.store(has_failed ? 0 : pressure, std::memory_order_relaxed);
}

}  // namespace diskdb::server
