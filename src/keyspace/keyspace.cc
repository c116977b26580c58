#include "keyspace/keyspace.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.h"
#include "keyspace/footprint.h"

namespace diskdb::keyspace {
namespace {

// A tenth of a millisecond's worth: who waits for the processor meanwhile does not notice.
constexpr std::size_t kFreedRecordsPerStep = 1024;
constexpr std::size_t kFreedPagesPerStep = 512;

}  // namespace

Keyspace::Keyspace(const Options& options, log::Log* log, store::Store* store)
    : options_(options),
      log_(log),
      store_(store),
      shard_shift_(static_cast<unsigned>(std::countr_zero(kSlotCount / options.shard_count))),
      shards_(std::make_unique<Shard[]>(options.shard_count)) {
  ASSERT(std::has_single_bit(options.shard_count) && options.shard_count <= kSlotCount);
  ASSERT(options.database_count > 0);
  budget.set_tiered(store != nullptr);
  for (std::uint32_t db = 0; db < options.database_count; ++db) {
    generations_.push_back(next_generation_++);
  }
  for (std::uint32_t i = 0; i < options.shard_count; ++i) {
    shards_[i].index = i;
    for (const store::Generation generation : generations_) {
      shards_[i].tables.push_back(make_table(generation));
    }
  }
}

Keyspace::~Keyspace() = default;

std::shared_ptr<Table> Keyspace::make_table(store::Generation generation) const {
  return std::make_shared<Table>(options_.hash_seed, slots_per_shard(), generation);
}

void Keyspace::detach(std::shared_ptr<Table> table) {
  const std::size_t bytes =
      table->allocated_bytes() + static_cast<std::size_t>(table->pages().bytes);
  detached_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  const std::lock_guard lock(detached_mutex_);
  detached_.push_back({std::move(table), bytes});
}

void Keyspace::bury(value::ObjectRef object) {
  const std::lock_guard lock(detached_mutex_);
  buried_.push_back(std::move(object));
}

// True if some are left. What a checkpoint still holds waits for it.
bool Keyspace::free_buried() {
  value::ObjectRef object;
  {
    const std::lock_guard lock(detached_mutex_);
    const auto free = std::ranges::find_if(
        buried_, [](const value::ObjectRef& buried) { return buried->is_held_once(); });
    if (free == buried_.end()) return false;
    object = std::move(*free);
    *free = std::move(buried_.back());
    buried_.pop_back();
  }
  if (!object->free_some(kFreedPagesPerStep)) bury(std::move(object));
  return true;
}

// Likewise. One table after the other, from the last: what is left of one goes back there.
bool Keyspace::free_tables() {
  std::size_t count = kFreedRecordsPerStep;
  while (count > 0) {
    Detached gone{};  // freed with the lock released
    {
      const std::lock_guard lock(detached_mutex_);
      const auto free =
          std::find_if(detached_.rbegin(), detached_.rend(),
                       [](const Detached& waits) { return waits.table.use_count() == 1; });
      if (free == detached_.rend()) return false;
      gone = std::move(*free);
      *free = std::move(detached_.back());
      detached_.pop_back();
    }
    // What the checkpoint did to it happened before: use_count() does not say so, dropping does.
    std::shared_ptr<Table>(gone.table).reset();
    if (gone.table->free_some(&count)) {
      detached_bytes_.fetch_sub(gone.bytes, std::memory_order_relaxed);
      if (count > 0) --count;  // a table without records is not free either
    } else {
      const std::lock_guard lock(detached_mutex_);
      detached_.push_back(std::move(gone));
    }
  }
  return true;
}

bool Keyspace::free_detached() { return free_buried() || free_tables(); }

// ---- Checkpoints

Cut Keyspace::cut(const log::Position& position, Millis clock) {
  ASSERT(cut_epoch() == 0);
  Cut cut;
  cut.epoch = epoch_++;
  ASSERT(epoch_ != 0);
  cut.marker = {.offset = position.offset,
                .selected_db = position.db,
                .clock = clock,
                .hash_seed = options_.hash_seed,
                .next_generation = next_generation_,
                .next_object = next_object_.load(std::memory_order_relaxed),
                .databases = {}};
  std::vector<std::uint32_t> dbs(options_.database_count);
  for (std::uint32_t db = 0; db < dbs.size(); ++db) dbs[db] = db;
  std::ranges::sort(dbs, {}, [this](std::uint32_t db) { return generations_[db]; });
  for (const std::uint32_t db : dbs) {
    store::Marker::Database database{.db = db, .generation = generations_[db], .slots = {}};
    for (Shard& shard : shards()) {
      const std::shared_ptr<Table>& table = shard.tables[db];
      if (table->dirty_bytes() != 0) cut.parts.push_back({&shard, table});
      if (table->key_count() == 0) continue;
      const std::uint32_t first = shard.index * slots_per_shard();
      for (std::uint32_t slot = first; slot < first + slots_per_shard(); ++slot) {
        const auto keys = static_cast<std::uint32_t>(table->count_of_slot(slot));
        const auto expiring = static_cast<std::uint32_t>(table->expiring_count_of_slot(slot));
        if (keys != 0) database.slots.push_back({slot, keys, expiring});
      }
    }
    if (!cut.parts.empty() && cut.parts.back().table->generation() == database.generation) {
      stored_.insert(database.generation);
      cut.taken.push_back(database.generation);
    }
    if (!database.slots.empty()) cut.marker.databases.push_back(std::move(database));
  }
  std::ranges::sort(cut.marker.databases, {}, &store::Marker::Database::db);
  cut.dropped.assign(dropped_.begin(), dropped_.end());
  cut_epoch_.store(cut.epoch, std::memory_order_relaxed);
  return cut;
}

bool Keyspace::is_dropped(const Cut& cut) const {
  return !cut.taken.empty() && std::ranges::none_of(cut.taken, [this](store::Generation taken) {
    return std::ranges::find(generations_, taken) != generations_.end();
  });
}

void Keyspace::settle(const Cut& cut) {
  ingested_epoch_.store(cut.epoch, std::memory_order_release);
  pages.settle(cut.epoch);
  for (Shard& shard : shards()) shard.lock.lock();
  for (const store::Generation generation : cut.dropped) {
    dropped_.erase(generation);
    stored_.erase(generation);
  }
  for (Shard& shard : shards()) shard.lock.unlock();
}

void Keyspace::restore(const store::Marker& marker) {
  ASSERT(marker.hash_seed == options_.hash_seed);
  next_generation_ = marker.next_generation;
  next_object_.store(marker.next_object, std::memory_order_relaxed);
  for (std::uint32_t db = 0; db < options_.database_count; ++db) {
    const auto known = std::ranges::find(marker.databases, db, &store::Marker::Database::db);
    const bool is_stored = known != marker.databases.end();
    const store::Generation generation = is_stored ? known->generation : next_generation_++;
    generations_[db] = generation;
    for (Shard& shard : shards()) shard.tables[db] = make_table(generation);
    if (!is_stored) continue;
    stored_.insert(generation);
    for (const store::SlotCount& count : known->slots) {
      shard_of(count.slot).tables[db]->add_cold(count);
    }
  }
}

void Keyspace::continue_epochs_of(const Keyspace& other) {
  epoch_ = other.epoch_;
  ingested_epoch_.store(other.ingested_epoch(), std::memory_order_relaxed);
}

void Keyspace::drop_database(std::uint32_t db) {
  const bool is_empty = std::ranges::all_of(shards(), [db](const Shard& shard) {
    return shard.tables[db]->allocated_bytes() == 0 && shard.tables[db]->key_count() == 0;
  });
  if (is_empty) return;
  const store::Generation old = std::exchange(generations_[db], next_generation_++);
  if (stored_.contains(old)) dropped_.insert(old);
  for (Shard& shard : shards()) {
    std::shared_ptr<Table> table = std::exchange(shard.tables[db], make_table(generations_[db]));
    finish_all_loads(*table);
    account(-static_cast<std::int64_t>(table->allocated_bytes()));
    account_dirty(-static_cast<std::int64_t>(table->dirty_bytes()));
    if (const value::PageTotals totals = table->pages(); totals.bytes != 0) {
      account_pages({.bytes = -totals.bytes, .dirty_bytes = -totals.dirty_bytes});
      table->page_totals()->is_detached = true;
    }
    if (table->allocated_bytes() != 0) detach(std::move(table));
  }
}

void Keyspace::swap_databases(std::uint32_t a, std::uint32_t b) {
  for (Shard& shard : shards()) std::swap(shard.tables[a], shard.tables[b]);
  std::swap(generations_[a], generations_[b]);
}

void Keyspace::exchange(Keyspace& other) {
  ASSERT(other.options_.shard_count == options_.shard_count);
  ASSERT(other.options_.database_count == options_.database_count);
  ASSERT(other.epoch_ == epoch_ && cut_epoch() == 0);
  for (Shard& shard : shards()) {
    for (const auto& table : shard.tables) finish_all_loads(*table);
    std::swap(shard.tables, other.shards()[shard.index].tables);
  }
  std::swap(generations_, other.generations_);
  std::swap(stored_, other.stored_);
  std::swap(dropped_, other.dropped_);
  next_generation_ = std::max(next_generation_, other.next_generation_);
  pages.swap(other.pages);
  next_object_.store(std::max(next_object_.load(), other.next_object_.load()));
  const auto bytes = other.allocated_bytes_.exchange(allocated_bytes_.load());
  allocated_bytes_.store(bytes);
  const auto dirty = other.dirty_bytes_.exchange(dirty_bytes_.load());
  dirty_bytes_.store(dirty);
}

}  // namespace diskdb::keyspace
