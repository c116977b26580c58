// log/frame_queue.h — appended frames in memory, on their way to the writer.
//
// Frames of all threads are copied one behind the other into chunks, under one lock held for some
// tens of nanoseconds; the writer takes all chunks at once and gives them back empty. A frame never
// crosses a chunk, so whoever batches whole chunks never cuts a frame. A large frame is copied into
// a chunk of its own before the lock is taken (its bytes are stable: the caller holds the shards),
// and only linked in under it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "log/limits.h"
#include "log/log.h"
#include "log/spin_lock.h"

namespace diskdb::log {

/// Whole frames, one behind the other; its bytes follow it in memory.
struct Chunk {
  Chunk* next = nullptr;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t capacity = 0;

  char* data() { return reinterpret_cast<char*>(this + 1); }
  std::size_t bytes() const { return end - begin; }
  std::size_t room() const { return capacity - end; }
  Bytes frames() { return {data() + begin, bytes()}; }
};

/// Chunks in order. Threads: none.
class ChunkList {
 public:
  bool empty() const { return head_ == nullptr; }
  Chunk* front() const { return head_; }
  Chunk* back() const { return tail_; }
  void push_back(Chunk* chunk);
  void push_front(Chunk* chunk);
  Chunk* pop_front();
  /// All of them; this list is empty then.
  ChunkList take();

 private:
  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
};

/// Threads: thread-safe.
/// Invariants:
///   I1  The chunks taken, in order, and those still here are the log's payload without gap.
///   I2  The log's bytes change the database by SELECT wherever two frames next to each other
///   differ in it.
class FrameQueue {
 public:
  /// `chunk_bytes`: of a chunk of small frames.
  FrameQueue(Offset begin, std::size_t chunk_bytes);
  ~FrameQueue();
  FrameQueue(const FrameQueue&) = delete;
  FrameQueue& operator=(const FrameQueue&) = delete;

  /// As Log::append.
  Offset append(std::uint32_t db, std::span<const Bytes> parts);
  /// All frames appended so far; the caller owns the chunks until it gives them back.
  ChunkList take();
  void give_back(ChunkList chunks);

  /// As Log::position.
  Position position() const;
  /// The offset behind the last frame.
  Offset end() const { return end_.load(std::memory_order_acquire); }

 private:
  Offset append_large(std::uint32_t db, std::span<const Bytes> parts, std::size_t bytes);
  /// Puts a chunk with `bytes` of room at the back. Requires: lock_ held; it may be released
  /// meanwhile.
  void make_room(std::size_t bytes);
  /// Counts `bytes` more. Requires: lock_ held.
  Offset advance(std::size_t bytes);

  const std::size_t chunk_bytes_;
  const std::size_t large_bytes_;

  alignas(64) mutable SpinLock lock_;
  // guarded by lock_, but end_ may be read without
  std::uint32_t db_;
  std::size_t free_count_ = 0;
  ChunkList pending_;
  ChunkList free_;
  std::atomic<Offset> end_;
};

}  // namespace diskdb::log
