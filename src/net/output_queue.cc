#include "net/output_queue.h"

#include <algorithm>

#include "base/assert.h"
#include "base/containers.h"

namespace diskdb::net {
namespace {

constexpr std::size_t kPiecesKeptMax =
    8;  // the room for more is given back when the queue is empty

}  // namespace

OutputQueue::~OutputQueue() {
  while (first_ < pieces_.size()) drop_front();
}

void OutputQueue::use(BufferPool& pool) {
  ASSERT(pending_bytes() == 0);
  pool_ = &pool;
}

// Chunks grow with the burst, and begin as large as the last burst was: a reply of a few bytes must
// not cost 64 KB on each of ten thousand connections, a pipeline must not be chopped into 512-byte
// parts.
void OutputQueue::grow(std::size_t bytes) {
  const bool is_first = pieces_.size() == first_;
  close_piece();
  if (!is_first) {
    next_chunk_bytes_ = std::min(BufferPool::kSizes.back(), next_chunk_bytes_ * 8);
  }
  Piece piece;
  piece.buffer = pool_->take(std::max({bytes, next_chunk_bytes_, BufferPool::kSizes.front()}));
  piece.begin = piece.buffer.data();
  open_begin_ = piece.begin;
  end_ = piece.buffer.data();
  limit_ = end_ + piece.buffer.capacity();
  pieces_.push_back(std::move(piece));
}

void OutputQueue::close_piece() {
  if (open_begin_ == nullptr) return;
  Piece& last = pieces_.back();
  last.size = static_cast<std::size_t>(end_ - last.begin);
  open_position_ = end();
  open_begin_ = end_ = limit_ = nullptr;
}

void OutputQueue::append_shared(const SharedBytes& block, Bytes bytes) {
  close_piece();
  pool_->note_referenced(static_cast<std::int64_t>(block.size()));
  open_position_ += bytes.size();
  Piece piece;
  piece.shared = block;
  piece.begin = bytes.data();
  piece.size = bytes.size();
  pieces_.push_back(std::move(piece));
  next_chunk_bytes_ = BufferPool::kSizes.front();  // what comes between values is short
}

std::size_t OutputQueue::size_of(std::size_t index) const {
  const Piece& piece = pieces_[index];
  const bool is_open = open_begin_ != nullptr && index + 1 == pieces_.size();
  return is_open ? static_cast<std::size_t>(end_ - piece.begin) : piece.size;
}

std::size_t OutputQueue::gather(std::uint64_t limit, std::span<iovec> parts) const {
  ASSERT(limit <= end());
  std::uint64_t left = limit - sent_;
  std::size_t count = 0;
  for (std::size_t i = first_; i < pieces_.size() && left > 0 && count < parts.size(); ++i) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, size_of(i)));
    if (size == 0) continue;
    parts[count++] = {.iov_base = const_cast<char*>(pieces_[i].begin), .iov_len = size};
    left -= size;
  }
  return count;
}

void OutputQueue::note_sent(std::size_t bytes) {
  ASSERT(sent_ + bytes <= end());
  sent_ += bytes;
  while (bytes > 0) {
    const std::size_t size = std::min(bytes, size_of(first_));
    Piece& piece = pieces_[first_];
    piece.begin += size;
    const bool is_open = open_begin_ != nullptr && first_ + 1 == pieces_.size();
    if (!is_open) piece.size -= size;
    bytes -= size;
    if (!is_open && piece.size == 0) drop_front();
  }
  if (sent_ != end()) return;
  close_piece();
  while (first_ < pieces_.size()) drop_front();
  pieces_.clear();
  first_ = 0;
  if (pieces_.capacity() > kPiecesKeptMax) free_container(pieces_);
  next_chunk_bytes_ = static_cast<std::size_t>(
      std::min<std::uint64_t>(BufferPool::kSizes.back(), sent_ - burst_begin_));
  burst_begin_ = sent_;
}

void OutputQueue::drop_front() {
  Piece& piece = pieces_[first_];
  if (piece.shared) pool_->note_referenced(-static_cast<std::int64_t>(piece.shared.size()));
  piece = Piece();
  ++first_;
  if (first_ >= 64 && first_ * 2 >= pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

}  // namespace diskdb::net
