#include "command/memory_settings.h"

#include <algorithm>

namespace diskdb::command {
namespace {

void apply(const Settings& settings, keyspace::MemoryBudget& budget, std::uint64_t default_limit) {
  const auto value = [](const Settings::Value& setting) {
    return static_cast<std::uint64_t>(
        std::max<std::int64_t>(setting.load(std::memory_order_relaxed), 0));
  };
  const std::uint64_t limit = value(settings.maxmemory_bytes);
  budget.set_limit(limit != 0 ? limit : default_limit);
  budget.set_policy(static_cast<keyspace::Policy>(value(settings.maxmemory_policy)));
  budget.set_sample_count(static_cast<std::uint32_t>(value(settings.maxmemory_samples)));
  budget.set_frequency_rule(
      {.log_factor = static_cast<std::uint32_t>(value(settings.lfu_log_factor)),
       .decay_minutes = static_cast<std::uint32_t>(value(settings.lfu_decay_minutes))});
  budget.fruitless_at.store(0, std::memory_order_relaxed);
}

}  // namespace

void follow_memory_settings(Config& config, keyspace::MemoryBudget& budget,
                            std::uint64_t default_limit) {
  const auto follow = [&config, &budget, default_limit] {
    apply(config.settings(), budget, default_limit);
  };
  for (const Bytes name :
       {"maxmemory", "maxmemory-policy", "maxmemory-samples", "lfu-log-factor", "lfu-decay-time"}) {
    config.observe(name, follow);
  }
  follow();
}

}  // namespace diskdb::command
