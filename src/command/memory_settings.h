// command/memory_settings.h — the settings about memory, told to the keyspace's budget, now and
// whenever CONFIG SET changes them.
#pragma once

#include <cstdint>

#include "command/config.h"
#include "keyspace/memory_budget.h"

namespace diskdb::command {

/// `default_limit` holds while maxmemory is 0; 0: no limit then. For the start. Borrows both for as
/// long as settings may be changed.
void follow_memory_settings(Config& config, keyspace::MemoryBudget& budget,
                            std::uint64_t default_limit);

}  // namespace diskdb::command
