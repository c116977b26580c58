#include "io/allocator.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace diskdb::io {
namespace {

constexpr std::size_t kBlockBytes = 5120;  // four to a slab
constexpr std::size_t kBlockCount = 8192;  // 40 MB
constexpr std::uint64_t kSlack = 4 << 20;

bool is_jemalloc() { return allocator_name() != "libc"; }

class Blocks {
 public:
  ~Blocks() {
    for (void* block : blocks_) std::free(block);
  }
  void add(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) blocks_.push_back(std::malloc(kBlockBytes));
  }
  /// Frees all but each fourth.
  void thin_out() {
    std::vector<void*> kept;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      if (i % 4 == 0) {
        kept.push_back(blocks_[i]);
      } else {
        std::free(blocks_[i]);
      }
    }
    blocks_ = kept;
  }

 private:
  std::vector<void*> blocks_;
};

void on_another_thread(const std::function<void()>& work) { std::thread(work).join(); }

TEST(Allocator, ThreadsOfAnArenaFillEachOthersHoles) {
  if (!is_jemalloc()) GTEST_SKIP() << "the C library's allocator is told nothing";
  Blocks blocks;
  on_another_thread([&] {
    allocate_from_arena(1);
    blocks.add(kBlockCount);
    blocks.thin_out();
  });
  const std::uint64_t before = allocator_figures().active;
  on_another_thread([&] {
    allocate_from_arena(1);
    blocks.add(kBlockCount / 2);
  });
  EXPECT_LT(allocator_figures().active, before + kSlack);
}

TEST(Allocator, GivesBackWhatIsNotInUse) {
  if (!is_jemalloc()) GTEST_SKIP() << "the C library keeps what is below memory in use";
  const std::uint64_t before = allocator_figures().resident;
  {
    Blocks blocks;
    blocks.add(kBlockCount);
    EXPECT_GT(allocator_figures().resident, before + kBlockCount * kBlockBytes - kSlack);
  }
  release_unused_memory();
  EXPECT_LT(allocator_figures().resident, before + kSlack);
}

TEST(Allocator, WhatThreadsCacheIsNotAllocated) {
  if (!is_jemalloc()) GTEST_SKIP() << "the C library does not tell";
  std::free(std::malloc(kBlockBytes));
  const AllocatorFigures figures = allocator_figures();
  EXPECT_GE(figures.cached, kBlockBytes);
  EXPECT_GT(figures.allocated, 0U);
  EXPECT_GT(figures.active, figures.allocated);
}

}  // namespace
}  // namespace diskdb::io
