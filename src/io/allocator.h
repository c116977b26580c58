// io/allocator.h — the memory allocator: what it is told, and what it knows of itself. jemalloc if
// the program is linked with it, else the C library's, which is told nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace diskdb::io {

/// Makes the allocator give back to the system, within about a second, what is not in use: what is
/// resident should follow what is allocated. At the start.
void configure_allocator();
/// The calling thread allocates where all threads allocate that chose the same `arena`. Threads
/// that make the same kind of memory should: one fills the holes that another's left. They wait for
/// each other now and then, so a few to an arena. 0 is the first thread's. Any number will do.
void allocate_from_arena(std::size_t arena);

struct AllocatorFigures {
  std::uint64_t allocated = 0;  ///< given out, and not given back
  std::uint64_t cached = 0;     ///< given back, and kept by threads for their next requests
  std::uint64_t active = 0;     ///< pages that hold any of it
  std::uint64_t resident = 0;   ///< pages kept from the system
};

/// Cost: some microseconds.
AllocatorFigures allocator_figures();
/// "jemalloc-5.3.0", or "libc".
std::string allocator_name();
/// The allocator's own report, as text.
std::string allocator_report();
/// Gives back to the system what is not in use. Threads: any; others may allocate meanwhile. Cost:
/// about a quarter of a microsecond a page that is given back.
void release_unused_memory();

}  // namespace diskdb::io
