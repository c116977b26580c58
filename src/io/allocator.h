// io/allocator.h — what the memory allocator knows of itself, for MEMORY: jemalloc's figures if the
// program is linked with it, else those of the C library.
#pragma once

#include <cstdint>
#include <string>

namespace diskdb::io {

struct AllocatorFigures {
  std::uint64_t allocated = 0;  ///< given out
  std::uint64_t active = 0;     ///< pages that hold any of it
  std::uint64_t resident = 0;   ///< pages kept from the system
};

/// Cost: some microseconds.
AllocatorFigures allocator_figures();
/// "jemalloc-5.3.0", or "libc".
std::string allocator_name();
/// The allocator's own report, as text.
std::string allocator_report();
/// Gives back to the system what is not in use. Cost: milliseconds.
void release_unused_memory();

}  // namespace diskdb::io
