#include "base/shared_bytes.h"

#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/slabs.h"

namespace diskdb {

SharedBytes SharedBytes::allocate(std::size_t size, std::size_t capacity) {
  ASSERT(size <= capacity);
  const std::size_t total = slabs::block_size(sizeof(Block) + capacity);
  void* memory = slabs::allocate(total);
  SharedBytes bytes;
  bytes.block_ = new (memory) Block{.holders = 1, .size = size, .capacity = total - sizeof(Block)};
  return bytes;
}

SharedBytes SharedBytes::copy_of(Bytes source) {
  SharedBytes bytes = allocate(source.size(), source.size());
  std::memcpy(bytes.writable(), source.data(), source.size());
  return bytes;
}

std::size_t SharedBytes::allocated_bytes() const { return sizeof(Block) + block_->capacity; }

void SharedBytes::reset() {
  if (block_ == nullptr) return;
  if (block_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    const std::size_t total = allocated_bytes();
    block_->~Block();
    slabs::release(block_, total);
  }
  block_ = nullptr;
}

}  // namespace diskdb
