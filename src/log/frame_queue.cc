#include "log/frame_queue.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "base/assert.h"

namespace diskdb::log {
namespace {

constexpr std::uint32_t kNoDb = ~std::uint32_t{0};
constexpr std::size_t kSelectBytesMax = 40;

Chunk* allocate(std::size_t capacity) {
  void* memory = std::malloc(sizeof(Chunk) + capacity);
  ASSERT(memory != nullptr);
  Chunk* chunk = new (memory) Chunk;
  chunk->capacity = capacity;
  return chunk;
}

void release(ChunkList chunks) {
  while (!chunks.empty()) std::free(chunks.pop_front());
}

/// Writes the command that selects `db`; returns its end.
char* put_select(char* to, std::uint32_t db) {
  char digits[16];
  const char* digits_end = std::to_chars(digits, digits + sizeof(digits), db).ptr;
  const auto put = [&to](Bytes bytes) {
    std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
  };
  put("*2\r\n$6\r\nSELECT\r\n$");
  to = std::to_chars(to, to + 2, digits_end - digits).ptr;
  put("\r\n");
  put({digits, static_cast<std::size_t>(digits_end - digits)});
  put("\r\n");
  return to;
}

char* put_parts(char* to, std::span<const Bytes> parts) {
  for (const Bytes part : parts) {
    std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  return to;
}

}  // namespace

void ChunkList::push_back(Chunk* chunk) {
  chunk->next = nullptr;
  (tail_ == nullptr ? head_ : tail_->next) = chunk;
  tail_ = chunk;
}

void ChunkList::push_front(Chunk* chunk) {
  chunk->next = head_;
  head_ = chunk;
  if (tail_ == nullptr) tail_ = chunk;
}

Chunk* ChunkList::pop_front() {
  Chunk* chunk = head_;
  head_ = chunk->next;
  if (head_ == nullptr) tail_ = nullptr;
  return chunk;
}

ChunkList ChunkList::take() { return std::exchange(*this, ChunkList()); }

FrameQueue::FrameQueue(Offset begin, std::size_t chunk_bytes)
    : chunk_bytes_(chunk_bytes),
      large_bytes_(std::min<std::size_t>(kLargeFrameBytes, chunk_bytes / 2)),
      db_(kNoDb),
      end_(begin) {
  ASSERT(large_bytes_ > kSelectBytesMax);
}

FrameQueue::~FrameQueue() {
  release(pending_.take());
  release(free_.take());
}

Offset FrameQueue::append(std::uint32_t db, std::span<const Bytes> parts) {
  ASSERT(db != kNoDb);
  std::size_t bytes = 0;
  for (const Bytes part : parts) bytes += part.size();
  if (bytes + kSelectBytesMax > large_bytes_) [[unlikely]]
    return append_large(db, parts, bytes);

  const std::lock_guard guard(lock_);
  const std::size_t need = bytes + kSelectBytesMax;
  if (pending_.empty() || pending_.back()->room() < need) [[unlikely]]
    make_room(need);
  Chunk* chunk = pending_.back();
  char* const begin = chunk->data() + chunk->end;
  char* end = begin;
  if (db != db_) [[unlikely]] {
    end = put_select(end, db);
    db_ = db;
  }
  end = put_parts(end, parts);
  const auto appended = static_cast<std::size_t>(end - begin);
  chunk->end += appended;
  ASSERT_SLOW(chunk->end <= chunk->capacity);
  return advance(appended);
}

Offset FrameQueue::append_large(std::uint32_t db, std::span<const Bytes> parts, std::size_t bytes) {
  Chunk* chunk = allocate(kSelectBytesMax + bytes);
  chunk->begin = kSelectBytesMax;
  chunk->end = kSelectBytesMax + bytes;
  put_parts(chunk->data() + chunk->begin, parts);

  const std::lock_guard guard(lock_);
  if (db != db_) {
    char select[kSelectBytesMax];
    const auto select_bytes = static_cast<std::size_t>(put_select(select, db) - select);
    chunk->begin -= select_bytes;
    std::memcpy(chunk->data() + chunk->begin, select, select_bytes);
    db_ = db;
  }
  pending_.push_back(chunk);
  return advance(chunk->bytes());
}

Offset FrameQueue::advance(std::size_t bytes) {
  const Offset end = end_.load(std::memory_order_relaxed) + bytes;
  end_.store(end, std::memory_order_release);
  return end;
}

void FrameQueue::make_room(std::size_t bytes) {
  ASSERT(bytes <= chunk_bytes_);
  while (pending_.empty() || pending_.back()->room() < bytes) {
    if (!free_.empty()) {
      pending_.push_back(free_.pop_front());
      --free_count_;
      continue;
    }
    // Memory may come from a system call, so not under the lock; others may append meanwhile.
    lock_.unlock();
    Chunk* chunk = allocate(chunk_bytes_);
    lock_.lock();
    free_.push_back(chunk);
    ++free_count_;
  }
}

Position FrameQueue::position() const {
  const std::lock_guard lock(lock_);
  // Before the first frame none is selected: it will say its own.
  return {.offset = end_.load(std::memory_order_relaxed), .db = db_ == kNoDb ? 0 : db_};
}

ChunkList FrameQueue::take() {
  const std::lock_guard guard(lock_);
  return pending_.take();
}

void FrameQueue::give_back(ChunkList chunks) {
  ChunkList surplus;
  {
    const std::lock_guard guard(lock_);
    while (!chunks.empty()) {
      Chunk* chunk = chunks.pop_front();
      const bool is_wanted = chunk->capacity == chunk_bytes_ && free_count_ < kFreeChunksMax;
      chunk->begin = chunk->end = 0;
      (is_wanted ? free_ : surplus).push_front(chunk);  // the one just used is still in the cache
      if (is_wanted) ++free_count_;
    }
  }
  release(surplus);
}

}  // namespace diskdb::log
