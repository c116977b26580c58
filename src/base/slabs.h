// base/slabs.h — memory for small blocks whose sizes an allocator would round up.
//
// Problem: jemalloc's classes up to 128 are 16 bytes apart, so that every second record of a small
// key wastes 8 of some 80 bytes, those of keys with an expiry among them, usually.
//
// Idea: blocks of the sizes in between, 40, 56, ... 120, lie in slabs of 32 KB, each of one size; a
// block's slab is found by its address. A thread keeps a few free blocks of each size; it fetches
// them from, and gives them back to, the slabs in batches, under one lock a size. A slab that is
// wholly free goes back to the allocator, but one. Everything else is malloc's.
//
// Source: Bonwick, The Slab Allocator, USENIX 1994; Bonwick and Adams, Magazines and Vmem, 2001.
#pragma once

#include <cstddef>

#include "base/size_class.h"

namespace diskdb::slabs {

/// Slabs have blocks of these sizes, 16 apart.
constexpr std::size_t kSizeMin = 40;
constexpr std::size_t kSizeMax = 120;

/// What a request takes.
constexpr std::size_t block_size(std::size_t bytes) {
  const std::size_t odd = ((bytes + 7) & ~std::size_t{15}) + 8;  // the least that is 8 beyond 16s
  return odd >= bytes && odd < size_class(bytes) && odd >= kSizeMin && odd <= kSizeMax
             ? odd
             : size_class(bytes);
}

/// A block of `size` bytes, aligned to 8. Requires: size is a block_size(). Ends the program if
/// there is no memory. Threads: any. Cost: as malloc; the first and each 32nd of a size take a
/// lock.
void* allocate(std::size_t size);
/// Requires: `block` came from allocate(size), on whatever thread.
void release(void* block, std::size_t size);
/// Memory in slabs: of blocks in use, and of free ones, which threads keep until they end.
std::size_t slab_bytes();

}  // namespace diskdb::slabs
