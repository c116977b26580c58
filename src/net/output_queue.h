// net/output_queue.h — a connection's replies on their way out: a chain of pooled chunks, and large
// values by reference between them. It knows how far the stream has got, not whether it may leave:
// see connection.h.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/shared_bytes.h"
#include "net/buffer_pool.h"
#include "resp/output.h"

namespace diskdb::net {

/// Positions count the bytes of the connection's output since it began.
///
/// Threads: its connection's.
/// Invariant: sent() <= end(); without pending bytes it holds no memory of the pool.
class OutputQueue final : public resp::Output {
 public:
  /// Borrows `pool` for its life, or until use().
  explicit OutputQueue(BufferPool& pool) : pool_(&pool) {}
  OutputQueue(const OutputQueue&) = delete;
  OutputQueue& operator=(const OutputQueue&) = delete;
  ~OutputQueue() override;

  /// From now on memory comes from `pool`. Requires: nothing is pending.
  void use(BufferPool& pool);

  void append_shared(const SharedBytes& block, Bytes bytes) override;

  std::uint64_t end() const {
    return open_position_ + static_cast<std::uint64_t>(end_ - open_begin_);
  }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t pending_bytes() const { return end() - sent_; }

  /// Describes the bytes from sent() up to position `limit`, in as many parts as fit; returns how
  /// many parts. Borrowed until the next non-const call, but that bytes already described stay
  /// where they are while more is appended.
  std::size_t gather(std::uint64_t limit, std::span<iovec> parts) const;
  /// `bytes` more are gone.
  void note_sent(std::size_t bytes);

 private:
  struct Piece {
    Buffer buffer;       ///< owns the bytes, unless
    SharedBytes shared;  ///< this does, all of it counting as referenced
    const char* begin = nullptr;
    std::size_t size = 0;  ///< unless it is the last and open: then up to end_
  };

  void grow(std::size_t bytes) override;
  void close_piece();
  void drop_front();
  std::size_t size_of(std::size_t index) const;

  BufferPool* pool_;
  std::vector<Piece> pieces_;
  std::size_t first_ = 0;             ///< pieces before it are gone
  const char* open_begin_ = nullptr;  ///< of the open piece; null if none is open
  std::uint64_t open_position_ = 0;   ///< the position of open_begin_
  std::uint64_t sent_ = 0;
  std::size_t next_chunk_bytes_ = 0;
  std::uint64_t burst_begin_ = 0;  ///< where the bytes since the queue was last empty begin
};

}  // namespace diskdb::net
