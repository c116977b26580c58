// net/buffer_pool.h — memory for bytes on their way in and out: three sizes kept for reuse, larger
// ones from the heap. An idle connection holds none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace diskdb::net {

class BufferPool;

/// Some memory of a pool, given back when it goes.
///
/// Threads: its pool's.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : pool_(other.pool_),
        data_(std::exchange(other.data_, nullptr)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~Buffer() { reset(); }

  explicit operator bool() const { return data_ != nullptr; }
  char* data() const { return data_; }
  std::size_t capacity() const { return capacity_; }
  void reset();
  /// Room for `bytes`, the first `used` bytes staying. Requires: taken from a pool.
  void grow(std::size_t bytes, std::size_t used);

 private:
  friend class BufferPool;
  Buffer(BufferPool* pool, char* data, std::size_t capacity)
      : pool_(pool), data_(data), capacity_(capacity) {}

  BufferPool* pool_ = nullptr;
  char* data_ = nullptr;
  std::size_t capacity_ = 0;
};

/// Threads: one at a time, a pool a network thread.
class BufferPool {
 public:
  static constexpr std::array<std::size_t, 3> kSizes = {512, 4096, 64 * 1024};

  /// `keeps`: without it every buffer comes from the heap and returns there.
  explicit BufferPool(bool keeps) : keeps_(keeps) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  /// Requires: all buffers were given back.
  ~BufferPool();

  /// At least `bytes`: the smallest of the sizes that suffices, or more precisely as much as was
  /// asked for.
  Buffer take(std::size_t bytes);

  /// Bytes that are in pending output by reference, which count as if they were in buffers.
  void note_referenced(std::int64_t bytes) { referenced_bytes_ += bytes; }

  /// Buffers of so many bytes serve no connection in particular, and do not count.
  void note_standing(std::size_t bytes) { referenced_bytes_ -= static_cast<std::int64_t>(bytes); }

  struct ClassFigures {
    std::size_t bytes = 0;          ///< of one buffer
    std::uint64_t taken_count = 0;  ///< how often one was asked for
    std::uint64_t heap_count = 0;   ///< how often none was kept
    std::uint64_t kept_count = 0;   ///< now
  };
  /// By size; the last one is of the larger ones.
  using Figures = std::array<ClassFigures, kSizes.size() + 1>;
  Figures figures() const;
  /// Held by connections, references included.
  std::uint64_t used_bytes() const {
    return static_cast<std::uint64_t>(used_bytes_ + referenced_bytes_);
  }

 private:
  friend class Buffer;

  struct Class {
    std::vector<char*> kept;
    std::uint64_t taken_count = 0;
    std::uint64_t heap_count = 0;
  };
  void give_back(char* data, std::size_t capacity);
  static std::size_t class_of(std::size_t bytes);

  bool keeps_;
  std::array<Class, kSizes.size() + 1> classes_;
  std::int64_t used_bytes_ = 0;
  std::int64_t referenced_bytes_ = 0;
};

}  // namespace diskdb::net
