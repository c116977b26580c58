#include "keyspace/footprint.h"

#include <algorithm>

namespace diskdb::keyspace {
namespace {

void finish(Load& load) {
  if (load.is_done) return;
  load.is_done = true;
  for (Footprint* holder : load.holders) holder->arrived();
}

}  // namespace

std::uint64_t Footprint::add(Shard& shard, const std::shared_ptr<Table>& table, Bytes key,
                             std::uint64_t fresh_ticket) {
  const auto [at, is_new] = table->loads().try_emplace(std::string(key));
  Load& load = at->second;
  if (is_new) load.ticket = fresh_ticket;
  if (std::ranges::find(load.holders, this) != load.holders.end()) return 0;
  load.holders.push_back(this);
  pins_.push_back({&shard, table, at->first});
  if (!load.is_done) missing_.fetch_add(1, std::memory_order_relaxed);
  return is_new ? load.ticket : 0;
}

void Footprint::release() {
  for (const Pin& pin : pins_) {
    pin.shard->lock.lock();
    Loads& loads = pin.table->loads();
    if (const auto at = loads.find(pin.key); at != loads.end()) {
      std::erase(at->second.holders, this);
      if (at->second.holders.empty()) loads.erase(at);
    }
    pin.shard->lock.unlock();
  }
  pins_.clear();
}

void finish_load(Table& table, Bytes key) {
  if (table.loads().empty()) return;
  if (const auto at = table.loads().find(key); at != table.loads().end()) finish(at->second);
}

void finish_all_loads(Table& table) {
  for (auto& [key, load] : table.loads()) finish(load);
}

}  // namespace diskdb::keyspace
