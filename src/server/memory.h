// server/memory.h — how much memory the process may use.
#pragma once

#include <cstdint>

namespace diskdb::server {

/// The machine's memory, or the control group's limit if that is less; 0 if unknown.
std::uint64_t available_memory();

}  // namespace diskdb::server
