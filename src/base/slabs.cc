#include "base/slabs.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

#include "base/assert.h"

namespace diskdb::slabs {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kIsInUse = false;  // every block by itself, so that the sanitizer sees its end
#else
constexpr bool kIsInUse = true;
#endif

constexpr std::size_t kSlabBytes = 32 * 1024;
constexpr std::size_t kNarrowSizeCount = (kSizeMax - kSizeMin) / 16 + 1;
constexpr std::size_t kSizeCount =
    kNarrowSizeCount + std::countr_zero(kWideSizeMax / kWideSizeMin) + 1;

/// How many blocks a thread fetches or gives back at once; it keeps at most twice as many.
constexpr std::uint32_t batch_of(std::size_t size) { return size <= kSizeMax ? 32 : 4; }

constexpr std::size_t index_of(std::size_t size) {
  return size <= kSizeMax ? (size - kSizeMin) / 16
                          : kNarrowSizeCount + std::countr_zero(size / kWideSizeMin);
}
constexpr std::size_t size_at(std::size_t index) {
  return index < kNarrowSizeCount ? kSizeMin + 16 * index
                                  : kWideSizeMin << (index - kNarrowSizeCount);
}
static_assert(index_of(kWideSizeMax) == kSizeCount - 1 && size_at(kSizeCount - 1) == kWideSizeMax);

/// A free block.
struct Free {
  Free* next;
};

/// At the beginning of its memory; the blocks follow.
struct Slab {
  Slab* previous;  ///< of those with free blocks
  Slab* next;
  Free* free;
  std::uint32_t used_count;
  std::uint32_t fresh_offset;  ///< from here on nothing has ever been handed out
};
constexpr std::size_t kHeaderBytes = 64;
static_assert(sizeof(Slab) <= kHeaderBytes);

Slab* slab_of(Free* block) {
  return reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(block) & ~(kSlabBytes - 1));
}

std::atomic<std::size_t> total_bytes{0};

/// The slabs of one size.
///
/// Threads: thread-safe.
/// Invariants:
///   I1  The slabs in the list are those with free blocks.
///   I2  At most one of them has no other.
class Depot {
 public:
  /// A list of batch_of(size) blocks of `size` bytes.
  Free* fetch(std::size_t size) {
    const std::lock_guard lock(m_);
    Free* batch = nullptr;
    for (std::uint32_t i = 0; i < batch_of(size); ++i) {
      if (first_ == nullptr) link(create());
      Free* block = take(*first_, size);
      block->next = batch;
      batch = block;
    }
    return batch;
  }

  /// Takes `count` blocks of the list back; returns the others.
  Free* give_back(Free* batch, std::uint32_t count, std::size_t size) {
    const std::lock_guard lock(m_);
    for (; count > 0; --count) {
      Free* block = batch;
      batch = block->next;
      Slab& slab = *slab_of(block);
      if (is_full(slab, size)) link(&slab);
      block->next = slab.free;
      slab.free = block;
      if (--slab.used_count > 0) continue;
      unlink(slab);
      if (spare_ != nullptr) destroy(spare_);
      spare_ = &slab;
    }
    return batch;
  }

 private:
  // Require m_ held.

  static bool is_full(const Slab& slab, std::size_t size) {
    return slab.free == nullptr && slab.fresh_offset + size > kSlabBytes;
  }

  Free* take(Slab& slab, std::size_t size) {
    Free* block = slab.free;
    if (block != nullptr) {
      slab.free = block->next;
    } else {
      block = reinterpret_cast<Free*>(reinterpret_cast<char*>(&slab) + slab.fresh_offset);
      slab.fresh_offset += static_cast<std::uint32_t>(size);
    }
    ++slab.used_count;
    if (is_full(slab, size)) unlink(slab);
    return block;
  }

  Slab* create() {
    if (spare_ != nullptr) {
      Slab* slab = spare_;
      spare_ = nullptr;
      return slab;
    }
    void* memory = std::aligned_alloc(kSlabBytes, kSlabBytes);
    ASSERT(memory != nullptr);
    total_bytes.fetch_add(kSlabBytes, std::memory_order_relaxed);
    return new (memory) Slab{nullptr, nullptr, nullptr, 0, kHeaderBytes};
  }

  static void destroy(Slab* slab) {
    total_bytes.fetch_sub(kSlabBytes, std::memory_order_relaxed);
    std::free(slab);
  }

  void link(Slab* slab) {
    slab->previous = nullptr;
    slab->next = first_;
    if (first_ != nullptr) first_->previous = slab;
    first_ = slab;
  }

  void unlink(Slab& slab) {
    (slab.previous != nullptr ? slab.previous->next : first_) = slab.next;
    if (slab.next != nullptr) slab.next->previous = slab.previous;
  }

  std::mutex m_;
  // guarded by m_
  Slab* first_ = nullptr;
  Slab* spare_ = nullptr;  ///< a wholly free one
};

/// By size. As malloc's, this state belongs to the process; it is never destroyed, since threads
/// may end after main().
std::array<Depot, kSizeCount>& depots() {
  static auto& all = *new std::array<Depot, kSizeCount>();  // tidy: allow ban: as malloc's
  return all;
}

/// What a thread keeps.
class Magazines {
 public:
  Magazines() = default;
  Magazines(const Magazines&) = delete;
  Magazines& operator=(const Magazines&) = delete;
  ~Magazines() {
    for (std::size_t i = 0; i < kSizeCount; ++i) {
      depots()[i].give_back(magazines_[i].first, magazines_[i].count, size_at(i));
    }
  }

  void* allocate(std::size_t size) {
    Magazine& magazine = magazines_[index_of(size)];
    if (magazine.first == nullptr) [[unlikely]]
      fill(magazine, size);
    Free* block = magazine.first;
    magazine.first = block->next;
    --magazine.count;
    return block;
  }

  void release(void* memory, std::size_t size) {
    Magazine& magazine = magazines_[index_of(size)];
    auto* block = new (memory) Free{magazine.first};
    magazine.first = block;
    if (++magazine.count > 2 * batch_of(size)) [[unlikely]]
      empty(magazine, size);
  }

 private:
  struct Magazine {
    Free* first = nullptr;
    std::uint32_t count = 0;
  };

  // Out of line, so that the usual way needs no stack.

  [[gnu::noinline]] static void fill(Magazine& magazine, std::size_t size) {
    magazine.first = depots()[index_of(size)].fetch(size);
    magazine.count = batch_of(size);
  }

  [[gnu::noinline]] static void empty(Magazine& magazine, std::size_t size) {
    magazine.first = depots()[index_of(size)].give_back(magazine.first, batch_of(size), size);
    magazine.count -= batch_of(size);
  }

  std::array<Magazine, kSizeCount> magazines_{};
};

thread_local Magazines magazines;  // tidy: allow ban: as malloc's

bool is_of_slabs(std::size_t size) {
  if (!kIsInUse) return false;
  return size <= kSizeMax ? size % 16 == 8
                          : size % kWideSizeMin == 0 && size <= kWideSizeMax &&
                                std::has_single_bit(size / kWideSizeMin);
}

}  // namespace

void* allocate(std::size_t size) {
  if (is_of_slabs(size)) return magazines.allocate(size);
  void* block = std::malloc(size);
  ASSERT(block != nullptr);
  return block;
}

void release(void* block, std::size_t size) {
  if (is_of_slabs(size)) return magazines.release(block, size);
  std::free(block);
}

std::size_t slab_bytes() { return total_bytes.load(std::memory_order_relaxed); }

}  // namespace diskdb::slabs
