#include "net/buffer_pool.h"

#include <gtest/gtest.h>

#include <cstring>

namespace diskdb::net {
namespace {

TEST(BufferPool, GivesTheSmallestSizeThatSuffices) {
  BufferPool pool(true);
  EXPECT_EQ(pool.take(1).capacity(), 512U);
  EXPECT_EQ(pool.take(512).capacity(), 512U);
  EXPECT_EQ(pool.take(513).capacity(), 4096U);
  EXPECT_EQ(pool.take(64 * 1024).capacity(), 64U * 1024);
  EXPECT_EQ(pool.take(64 * 1024 + 1).capacity(), 64U * 1024 + 1);
  EXPECT_EQ(pool.used_bytes(), 0U);
}

TEST(BufferPool, KeepsWhatIsGivenBack) {
  BufferPool pool(true);
  const char* first = pool.take(100).data();
  EXPECT_EQ(pool.take(200).data(), first);
  const auto figures = pool.figures();
  EXPECT_EQ(figures[0].taken_count, 2U);
  EXPECT_EQ(figures[0].heap_count, 1U);
  EXPECT_EQ(figures[0].kept_count, 1U);
  EXPECT_EQ(figures[3].kept_count, 0U);
}

TEST(BufferPool, KeepsNothingIfToldSo) {
  BufferPool pool(false);
  pool.take(100).reset();
  EXPECT_EQ(pool.figures()[0].kept_count, 0U);
}

TEST(BufferPool, KeepsABoundedAmount) {
  BufferPool pool(true);
  std::vector<Buffer> many(1000);
  for (Buffer& buffer : many) buffer = pool.take(64 * 1024);
  EXPECT_EQ(pool.used_bytes(), 1000U * 64 * 1024);
  many.clear();
  EXPECT_EQ(pool.used_bytes(), 0U);
  EXPECT_EQ(pool.figures()[2].kept_count, 64U);  // 4 MB
}

TEST(Buffer, GrowsWithItsBytes) {
  BufferPool pool(true);
  Buffer buffer = pool.take(10);
  std::size_t used = 0;
  for (const std::size_t size :
       {std::size_t{512}, std::size_t{5000}, std::size_t{300'000}, std::size_t{3'000'000}}) {
    buffer.grow(size, used);
    ASSERT_GE(buffer.capacity(), size);
    std::memset(buffer.data() + used, static_cast<int>('a' + size % 26), size - used);
    used = size;
    EXPECT_EQ(pool.used_bytes(), buffer.capacity());
  }
  EXPECT_EQ(buffer.data()[0], 'a' + 512 % 26);
  EXPECT_EQ(buffer.data()[600], 'a' + 5000 % 26);
  EXPECT_EQ(buffer.data()[5001], 'a' + 300'000 % 26);
}

}  // namespace
}  // namespace diskdb::net
