// server/memory.h — how much memory the process uses and may use. (What the system says it
// occupies: io/process.h.)
#pragma once

#include <cstdint>

namespace diskdb::server {

/// Makes the allocator give back to the system, within about a second, what is not in use: what is
/// resident should follow what is allocated. At the start.
void configure_allocator();
struct AllocatedMemory {
  std::uint64_t used = 0;  ///< given out, and not given back
  std::uint64_t kept = 0;  ///< given back, and kept by threads for their next requests
};

/// What the allocator has given out. Cost: some microseconds.
AllocatedMemory allocated_memory();
/// The machine's memory, or the control group's limit if that is less; 0 if unknown.
std::uint64_t available_memory();

}  // namespace diskdb::server
