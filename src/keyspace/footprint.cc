#include "keyspace/footprint.h"

#include <algorithm>

#include "base/reached.h"

namespace diskdb::keyspace {
namespace {

void finish(Load& load, std::size_t bytes) {
  load.failure = {};  // the key is known by now, whatever happened before
  if (load.is_done) return;
  load.is_done = true;
  for (Footprint* holder : load.holders) holder->arrived(bytes);
}

Load* find_waited_for(Table& table, Bytes key, std::uint64_t ticket) {
  const auto at = table.loads().find(key);
  const bool is_it =
      at != table.loads().end() && at->second.ticket == ticket && !at->second.is_done;
  return is_it ? &at->second : nullptr;
}

}  // namespace

std::uint64_t Footprint::add(Shard& shard, const std::shared_ptr<Table>& table, Bytes key,
                             std::uint64_t fresh_ticket) {
  const auto [at, is_new] = table->loads().try_emplace(std::string(key));
  Load& load = at->second;
  const bool is_again = !load.failure.ok();
  if (is_again) load = Load{};  // those who waited for it have their answer
  if (is_new || is_again) load.ticket = fresh_ticket;
  // Nobody else came in between: the shard is held.
  if (!load.holders.empty() && load.holders.back() == this) return 0;
  load.holders.push_back(this);
  pins_.push_back({&shard, table, at->first});
  if (!load.is_done) missing_.fetch_add(1, std::memory_order_relaxed);
  return is_new || is_again ? load.ticket : 0;
}

std::shared_ptr<PageFetch> Footprint::add_pages(std::vector<std::string> keys,
                                                std::uint32_t ingested_epoch) {
  ++fetch_count_;
  fetch_ = std::make_shared<PageFetch>(std::move(keys), ingested_epoch, *this);
  missing_.fetch_add(1, std::memory_order_relaxed);
  return fetch_;
}

Status Footprint::failure_of(const Table& table, Bytes key) const {
  const auto at = table.loads().find(key);
  if (at == table.loads().end() || at->second.failure.ok()) return {};
  return std::ranges::find(at->second.holders, this) == at->second.holders.end()
             ? Status::okay()
             : at->second.failure;
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
  if (fetch_ != nullptr) {
    fetch_->forget();
    fetch_.reset();
    fetch_count_ = 0;
  }
  missing_.store(0, std::memory_order_relaxed);
  was_deferred_.store(false, std::memory_order_relaxed);
  if (claim_.admission != nullptr) claim_.admission->leave(claim_);
}

void finish_load(Table& table, Bytes key, std::size_t bytes) {
  if (table.loads().empty()) return;
  if (const auto at = table.loads().find(key); at != table.loads().end()) {
    finish(at->second, bytes);
  }
}

void finish_all_loads(Table& table) {
  for (auto& [key, load] : table.loads()) finish(load, 0);
}

void fail_load(Table& table, Bytes key, std::uint64_t ticket, const Status& failure) {
  Load* load = find_waited_for(table, key, ticket);
  if (load == nullptr) return;
  REACHED("footprint: a load failed");
  load->is_done = true;
  load->failure = failure;
  for (Footprint* holder : load->holders) holder->arrived(0);
}

bool defer_load(Table& table, Bytes key, std::uint64_t ticket, const Admission& admission) {
  Load* load = find_waited_for(table, key, ticket);
  if (load == nullptr) return true;
  for (const Footprint* holder : load->holders) {
    if (admission.is_eldest(holder->claim())) return false;
  }
  REACHED("footprint: a load was put off");
  const std::vector<Footprint*> holders = std::move(load->holders);
  table.loads().erase(table.loads().find(key));
  for (Footprint* holder : holders) holder->defer();
  return true;
}

}  // namespace diskdb::keyspace
