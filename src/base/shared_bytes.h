// base/shared_bytes.h — bytes on the heap with a count of their holders.
// Large values live in one: a reply, a log frame or a checkpoint that needs the bytes after the
// shard's lock is gone holds them by reference, and whoever wants to change them while others hold
// them copies first.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/bytes.h"

namespace diskdb {

/// A reference to counted bytes, or none.
///
/// Threads: the count is thread-safe; the bytes may be written only by a holder that is_unique().
class SharedBytes {
 public:
  SharedBytes() = default;
  /// `size` bytes, undefined, with room for at least `capacity`: as much as the allocator hands
  /// out.
  static SharedBytes allocate(std::size_t size, std::size_t capacity);
  static SharedBytes copy_of(Bytes bytes);

  SharedBytes(const SharedBytes& other) : block_(other.block_) {
    if (block_ != nullptr) block_->holders.fetch_add(1, std::memory_order_relaxed);
  }
  SharedBytes(SharedBytes&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBytes() { reset(); }

  explicit operator bool() const { return block_ != nullptr; }
  Bytes view() const { return {data(), size()}; }
  std::size_t size() const { return block_->size; }
  std::size_t capacity() const { return block_->capacity; }
  /// What the allocation costs, in bytes.
  std::size_t allocated_bytes() const;
  bool is_unique() const { return block_->holders.load(std::memory_order_acquire) == 1; }

  const char* data() const { return reinterpret_cast<const char*>(block_ + 1); }
  /// Requires: is_unique().
  char* writable() { return reinterpret_cast<char*>(block_ + 1); }
  /// Requires: is_unique(), size <= capacity(). Bytes beyond the old size are undefined.
  void set_size(std::size_t size) { block_->size = size; }

  void reset();
  /// Hands the reference over as one word, for packed structures; `from_word` takes it back.
  std::uintptr_t release_word() {
    return reinterpret_cast<std::uintptr_t>(std::exchange(block_, nullptr));
  }
  static SharedBytes from_word(std::uintptr_t word) {
    SharedBytes bytes;
    bytes.block_ = reinterpret_cast<Block*>(word);
    return bytes;
  }

 private:
  struct Block {
    std::atomic<std::uint32_t> holders;
    std::size_t size;
    std::size_t capacity;
  };
  Block* block_ = nullptr;
};

}  // namespace diskdb
