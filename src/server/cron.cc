#include "server/cron.h"

#include <algorithm>

#include "command/config.h"
#include "command/statistics.h"
#include "io/allocator.h"
#include "io/process.h"

namespace diskdb::server {
namespace {

constexpr Millis kPeriod{100};
constexpr Millis kBusyPeriod{2};
// Buckets looked at while a shard is held: some ten microseconds, or a hundred if all have expired.
constexpr std::size_t kBucketsPerHold = 32;
// Of each kBusyPeriod while there are expired keys, at the least active-expire-effort and for every
// further degree: as in Redis a quarter of a processor, and some 2 % more each. In small portions:
// a network thread that wants the same processor waits for the end of one.
constexpr std::int64_t kExpiryMicros = 500;
constexpr std::int64_t kExpiryMicrosPerEffort = 50;
// Looking at every table costs a cache miss each; a key may stay some steps longer than it should.
constexpr std::size_t kStepsPerCircle = 3;
constexpr std::int64_t kMeasureMicros = 100'000;

// Where that is too much, what is free is given back first: making room for it would free more
// pages, of which the allocator keeps the latest for a while, and so be too much again.
std::uint64_t resident_bytes(const keyspace::MemoryBudget& budget) {
  const std::uint64_t resident = io::process_usage().resident_bytes;
  if (budget.resident_excess(resident) == 0) return resident;
  io::release_unused_memory();
  return io::process_usage().resident_bytes;
}

}  // namespace

Cron::Cron(command::Services& services)
    : services_(services),
      access_(services.keyspace),
      cold_expiry_(services.keyspace, services.clock),
      cursors_(services.keyspace.database_count()),
      measured_at_(services.clock.monotonic()) {}

Millis Cron::step() {
  const Micros now = services_.clock.monotonic();
  services_.clients.wake_if_over(services_.clock.wall());
  measure(now);
  // Deletions are logged: they rest while writes are refused for want of room, and while clients
  // are paused.
  services_.keyspace.is_expiry_resting.store(
      (services_.log != nullptr && !services_.log->has_room()) ||
          services_.clients.is_paused(true, services_.clock.wall()),
      std::memory_order_relaxed);
  const std::int64_t effort =
      services_.config.settings().active_expire_effort.load(std::memory_order_relaxed);
  const Micros budget{kExpiryMicros + kExpiryMicrosPerEffort * (effort - 1)};
  const Micros expiry_began = services_.clock.monotonic();
  const bool has_more_cold = expire_cold(now + Micros{budget.count / 2});
  const bool has_more_expired = expire(now + budget);
  note_latency("expire-cycle", (services_.clock.monotonic() - expiry_began).count);
  return has_more_expired || has_more_cold ? kBusyPeriod : kPeriod;
}

// Keys that are in the store only. True if time ran out.
bool Cron::expire_cold(Micros until) {
  const Result<bool> has_more = cold_expiry_.step(until);
  // A store that cannot be read now is read again in the next round: nobody sees the keys
  // meanwhile.
  return has_more.ok() && has_more.value();
}

// Walks the shards in a circle: a part of it, or all of it once something has expired. True if time
// ran out.
bool Cron::expire(Micros until) {
  keyspace::Keyspace& keyspace = services_.keyspace;
  if (!keyspace.is_active_expiry_on.load(std::memory_order_relaxed) ||
      keyspace.is_expiry_resting.load(std::memory_order_relaxed)) {
    return false;
  }
  const std::span<keyspace::Shard> shards = keyspace.shards();
  const auto expired_count = [&] {
    return keyspace.expired_key_count.load(std::memory_order_relaxed) +
           keyspace.expired_field_count.load(std::memory_order_relaxed);
  };
  const std::uint64_t expired_before = expired_count();
  bool is_done = true;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const bool has_found = expired_count() != expired_before;
    if (!has_found && i >= shards.size() / kStepsPerCircle + 1) break;
    is_done = expire_in(shards[next_shard_], until);
    if (!is_done) break;
    next_shard_ = (next_shard_ + 1) % shards.size();
    std::ranges::fill(cursors_, 0);
  }
  if (services_.log != nullptr) services_.log->write_pending();
  return !is_done;
}

// False if time ran out; the cursors know where to go on. Only work that was done counts: looking
// at a shard without expired keys is a lock and a few comparisons.
bool Cron::expire_in(keyspace::Shard& shard, Micros until) {
  for (;;) {
    const Millis wall = services_.clock.wall();
    access_.begin(0, wall);
    if (!access_.spin_hold(shard)) {  // busy: whoever holds it expires what he meets
      access_.release();
      return true;
    }
    std::uint32_t db = 0;
    while (db < cursors_.size() && !access_.table(shard, db).is_due(wall)) ++db;
    const bool is_clean = db == cursors_.size();
    if (!is_clean) access_.expire_some(shard, db, &cursors_[db], kBucketsPerHold);
    access_.release();
    if (is_clean) return true;
    if (services_.clock.monotonic() >= until) return false;
  }
}

void Cron::measure(Micros now) {
  const std::int64_t micros = now.count - measured_at_.count;
  if (micros < kMeasureMicros) return;
  command::Statistics& statistics = services_.statistics;
  keyspace::Keyspace& keyspace = services_.keyspace;
  const io::AllocatorFigures allocator = io::allocator_figures();
  const std::uint64_t used = allocator.allocated;
  // Keys that were flushed are freed in a moment. The memory engine does not refuse writes for
  // that; the disk engine, which refuses none anyway, keeps the fewer in memory meanwhile.
  const std::uint64_t leaving = keyspace.budget.is_tiered() ? 0 : keyspace.detached_bytes();
  keyspace.budget.note_used(used + allocator.cached, resident_bytes(keyspace.budget),
                            keyspace.allocated_bytes() + leaving);
  statistics.used_memory_bytes.store(used, std::memory_order_relaxed);
  if (statistics.startup_memory_bytes.load(std::memory_order_relaxed) == 0) {
    const std::uint64_t keys = std::min(used, keyspace.allocated_bytes());
    statistics.startup_memory_bytes.store(used - keys, std::memory_order_relaxed);
  }
  if (used > statistics.peak_memory_bytes.load(std::memory_order_relaxed)) {
    statistics.peak_memory_bytes.store(used, std::memory_order_relaxed);
  }
  const std::uint64_t commands = statistics.commands_processed.load(std::memory_order_relaxed);
  const std::uint64_t done = commands >= commands_at_ ? commands - commands_at_ : commands;
  statistics.instantaneous_ops_per_sec.store(static_cast<std::int64_t>(done) * 1'000'000 / micros,
                                             std::memory_order_relaxed);
  commands_at_ = commands;
  measured_at_ = now;
  if (services_.log == nullptr) return;
  const log::Stats stats = services_.log->stats();
  if (stats.sync_count != syncs_at_) note_latency("log-fsync", stats.last_sync_micros);
  syncs_at_ = stats.sync_count;
}

// For LATENCY, if it took as long as its threshold.
void Cron::note_latency(Bytes event, std::int64_t micros) {
  const std::int64_t threshold_ms =
      services_.config.settings().latency_monitor_ms.load(std::memory_order_relaxed);
  if (threshold_ms == 0 || micros / 1000 < threshold_ms) return;
  services_.statistics.latency_monitor.add(event, services_.clock.wall().count / 1000,
                                           micros / 1000);
}

}  // namespace diskdb::server
