// base/slabs.h — memory for blocks whose sizes an allocator would round up.
//
// Problem: jemalloc's classes up to 128 are 16 bytes apart, so that every second record of a small
// key wastes 8 of some 80 bytes, those of keys with an expiry among them, usually. And behind each
// power of two its classes double their distance: a value of 1, 2 or 4 KB, which is common, wastes
// a fifth because of its header.
//
// Idea: blocks of the sizes in between, 40, 56, ... 120, and of an eighth more than a power of two
// lie in slabs of 32 KB, each of one size; a block's slab is found by its address. A thread keeps a
// few free blocks of each size; it fetches them from, and gives them back to, the slabs in batches,
// under one lock a size. A slab that is wholly free goes back to the allocator, but one. Everything
// else is malloc's.
//
// Source: Bonwick, The Slab Allocator, USENIX 1994; Bonwick and Adams, Magazines and Vmem, 2001.
#pragma once

#include <bit>
#include <cstddef>

#include "base/size_class.h"

namespace diskdb::slabs {

/// Slabs have blocks of these sizes, 16 apart,
constexpr std::size_t kSizeMin = 40;
constexpr std::size_t kSizeMax = 120;
/// and of these, each twice the one before.
constexpr std::size_t kWideSizeMin = 1024 + 128;
constexpr std::size_t kWideSizeMax = 4096 + 512;

/// What a request takes.
constexpr std::size_t block_size(std::size_t bytes) {
  const std::size_t usual = size_class(bytes);
  if (bytes <= 128) {
    const std::size_t odd = ((bytes + 7) & ~std::size_t{15}) + 8;  // the least 8 beyond 16s
    return odd >= bytes && odd < usual && odd >= kSizeMin && odd <= kSizeMax ? odd : usual;
  }
  const std::size_t power = std::bit_floor(bytes - 1);
  const std::size_t wide = power + power / 8;
  return bytes <= wide && wide >= kWideSizeMin && wide <= kWideSizeMax ? wide : usual;
}

/// A block of `size` bytes, aligned to 8. Requires: size is a block_size(). Ends the program if
/// there is no memory. Threads: any. Cost: as malloc; the first and each 32nd of a size, of large
/// ones each fourth, take a lock.
void* allocate(std::size_t size);
/// Requires: `block` came from allocate(size), on whatever thread.
void release(void* block, std::size_t size);
/// Memory in slabs: of blocks in use, and of free ones, which threads keep until they end.
std::size_t slab_bytes();

}  // namespace diskdb::slabs
