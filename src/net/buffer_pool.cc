#include "net/buffer_pool.h"

#include <cstdlib>
#include <cstring>

#include "base/assert.h"

namespace diskdb::net {
namespace {

constexpr std::size_t kKeptBytesMax = 4 * 1024 * 1024;  // of one size

}  // namespace

void Buffer::reset() {
  if (data_ == nullptr) return;
  pool_->give_back(std::exchange(data_, nullptr), std::exchange(capacity_, 0));
}

void Buffer::grow(std::size_t bytes, std::size_t used) {
  ASSERT(data_ != nullptr && used <= capacity_);
  if (bytes <= capacity_) return;
  if (capacity_ > BufferPool::kSizes.back()) {
    // The heap may move large blocks without copying.
    char* moved = static_cast<char*>(std::realloc(data_, bytes));
    ASSERT(moved != nullptr);
    pool_->used_bytes_ += static_cast<std::int64_t>(bytes - capacity_);
    data_ = moved;
    capacity_ = bytes;
    return;
  }
  Buffer larger = pool_->take(bytes);
  std::memcpy(larger.data(), data_, used);
  std::swap(*this, larger);
}

BufferPool::~BufferPool() {
  ASSERT(used_bytes_ == 0);
  for (Class& one : classes_) {
    for (char* data : one.kept) std::free(data);
  }
}

std::size_t BufferPool::class_of(std::size_t bytes) {
  std::size_t index = 0;
  while (index < kSizes.size() && kSizes[index] < bytes) ++index;
  return index;
}

Buffer BufferPool::take(std::size_t bytes) {
  const std::size_t index = class_of(bytes);
  const std::size_t capacity = index < kSizes.size() ? kSizes[index] : bytes;
  Class& one = classes_[index];
  ++one.taken_count;
  used_bytes_ += static_cast<std::int64_t>(capacity);
  if (!one.kept.empty()) {
    char* data = one.kept.back();
    one.kept.pop_back();
    return {this, data, capacity};
  }
  ++one.heap_count;
  char* data = static_cast<char*>(std::malloc(capacity));
  ASSERT(data != nullptr);
  return {this, data, capacity};
}

void BufferPool::give_back(char* data, std::size_t capacity) {
  used_bytes_ -= static_cast<std::int64_t>(capacity);
  const std::size_t index = class_of(capacity);
  Class& one = classes_[index];
  if (!keeps_ || index == kSizes.size() || one.kept.size() * capacity >= kKeptBytesMax) {
    std::free(data);
    return;
  }
  one.kept.push_back(data);
}

BufferPool::Figures BufferPool::figures() const {
  Figures all;
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = {.bytes = i < kSizes.size() ? kSizes[i] : 0,
              .taken_count = classes_[i].taken_count,
              .heap_count = classes_[i].heap_count,
              .kept_count = classes_[i].kept.size()};
  }
  return all;
}

}  // namespace diskdb::net
