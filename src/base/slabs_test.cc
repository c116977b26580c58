#include "base/slabs.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace diskdb::slabs {
namespace {

struct Block {
  void* memory;
  std::size_t size;
  unsigned char fill;
};

Block make(std::size_t bytes, unsigned char fill) {
  const std::size_t size = block_size(bytes);
  void* memory = allocate(size);
  std::memset(memory, fill, size);
  return {memory, size, fill};
}

bool is_untouched(const Block& block) {
  const auto* bytes = static_cast<const unsigned char*>(block.memory);
  for (std::size_t i = 0; i < block.size; ++i) {
    if (bytes[i] != block.fill) return false;
  }
  return true;
}

TEST(Slabs, SomeSizesAreJustBeyondAPowerOfTwo) {
  for (std::size_t bytes = 129; bytes <= 20'000; ++bytes) {
    std::size_t expected = size_class(bytes);
    for (const std::size_t power : {1024U, 2048U, 4096U}) {
      if (bytes > power && bytes <= power + power / 8) expected = power + power / 8;
    }
    ASSERT_EQ(block_size(bytes), expected) << bytes;
    ASSERT_EQ(block_size(expected), expected);
  }
}

TEST(Slabs, SizesAreEightApartAsFarAsSlabsGo) {
  for (std::size_t bytes = 1; bytes <= 300; ++bytes) {
    const std::size_t size = block_size(bytes);
    EXPECT_GE(size, bytes);
    const bool has_slabs = bytes > 32 && bytes <= 128;
    EXPECT_EQ(size, has_slabs ? (bytes + 7) / 8 * 8 : size_class(bytes)) << bytes;
    EXPECT_EQ(block_size(size), size) << "a block's size asks for no more";
  }
}

/// On a thread of its own, which keeps nothing when it has ended.
void on_a_thread(const std::function<void()>& work) { std::thread(work).join(); }

void check_blocks() {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < 20'000; ++i) {
    const std::size_t bytes = i % 40 == 0 ? 1025 + i % 4096 : 1 + i % 200;
    blocks.push_back(make(bytes, static_cast<unsigned char>(i)));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back().memory) % 8, 0U);
  }
  for (const Block& block : blocks) {
    ASSERT_TRUE(is_untouched(block));
    release(block.memory, block.size);
  }
}

TEST(Slabs, BlocksAreApartAndComeBack) {
  const std::size_t before = slab_bytes();
  on_a_thread(check_blocks);
  const std::size_t spares = 9 * 32 * 1024;  // one a size
  EXPECT_LE(slab_bytes(), before + spares);
}

TEST(Slabs, HoldNoMoreThanTheirBlocksNeed) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "blocks are malloc's";
#endif
  on_a_thread([] {
    for (const std::size_t size : {72U, 1152U, 2304U, 4608U}) {
      const std::size_t before = slab_bytes();
      constexpr std::size_t kCount = 20'000;
      std::vector<void*> blocks;
      for (std::size_t i = 0; i < kCount; ++i) blocks.push_back(allocate(size));
      EXPECT_LE((slab_bytes() - before) / kCount, size + size / 50) << "headers and ends";
      for (void* block : blocks) release(block, size);
    }
  });
}

// Blocks change hands: what one thread allocates another releases.
TEST(Slabs, AreForManyThreads) {
  constexpr int kThreads = 4;
  std::mutex m;
  std::deque<Block> shared;  // guarded by m
  const auto work = [&](int number) {
    std::uint32_t random = static_cast<std::uint32_t>(number) * 2654435761U + 1;
    for (int i = 0; i < 20'000; ++i) {
      random = random * 1664525U + 1013904223U;
      const Block made = make(random % 8 == 0 ? 1100 : 33 + (random >> 8) % 90,
                              static_cast<unsigned char>(random >> 16));
      Block taken{};
      {
        const std::lock_guard lock(m);
        shared.push_back(made);
        if (shared.size() > 500) {
          taken = shared.front();
          shared.pop_front();
        }
      }
      if (taken.memory == nullptr) continue;
      ASSERT_TRUE(is_untouched(taken));
      release(taken.memory, taken.size);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  for (const Block& block : shared) {
    EXPECT_TRUE(is_untouched(block));
    release(block.memory, block.size);
  }
}

}  // namespace
}  // namespace diskdb::slabs
