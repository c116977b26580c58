#include "keyspace/keyspace.h"

#include <bit>
#include <utility>

#include "base/assert.h"

namespace diskdb::keyspace {
namespace {

// About a millisecond's worth. A table, one database's part of a shard, is freed whole.
constexpr std::size_t kFreedRecordsPerStep = 8192;

}  // namespace

Keyspace::Keyspace(const Options& options, log::Log* log)
    : options_(options),
      log_(log),
      shard_shift_(static_cast<unsigned>(std::countr_zero(kSlotCount / options.shard_count))),
      shards_(std::make_unique<Shard[]>(options.shard_count)) {
  ASSERT(std::has_single_bit(options.shard_count) && options.shard_count <= kSlotCount);
  ASSERT(options.database_count > 0);
  for (std::uint32_t i = 0; i < options.shard_count; ++i) {
    shards_[i].index = i;
    for (std::uint32_t db = 0; db < options.database_count; ++db) {
      shards_[i].tables.push_back(make_table());
    }
  }
}

Keyspace::~Keyspace() = default;

std::unique_ptr<Table> Keyspace::make_table() const {
  return std::make_unique<Table>(options_.hash_seed, slots_per_shard());
}

void Keyspace::detach(std::unique_ptr<Table> table) {
  const std::lock_guard lock(detached_mutex_);
  detached_.push_back(std::move(table));
}

bool Keyspace::free_detached() {
  std::size_t freed_count = 0;
  while (freed_count < kFreedRecordsPerStep) {
    std::unique_ptr<Table> table;  // freed with the lock released
    {
      const std::lock_guard lock(detached_mutex_);
      if (detached_.empty()) return false;
      table = std::move(detached_.back());
      detached_.pop_back();
    }
    freed_count += table->count() + 1;
  }
  return true;
}

}  // namespace diskdb::keyspace
