#include "net/output_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "io/random.h"

namespace diskdb::net {
namespace {

std::string gathered(const OutputQueue& queue, std::uint64_t limit, std::size_t parts_max = 64) {
  std::vector<iovec> parts(parts_max);
  const std::size_t count = queue.gather(limit, parts);
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  }
  return text;
}

/// In the midst of a block.
void append_shared(OutputQueue& queue, const std::string& bytes) {
  const SharedBytes block = SharedBytes::copy_of("[" + bytes + "]");
  queue.append_shared(block, block.view().substr(1, bytes.size()));
}

TEST(OutputQueue, GivesBackWhatWasAppended) {
  BufferPool pool(true);
  OutputQueue queue(pool);
  queue.append("+OK\r\n");
  append_shared(queue, "large");
  queue.append("\r\n");
  EXPECT_EQ(queue.end(), 12U);
  EXPECT_EQ(gathered(queue, 12), "+OK\r\nlarge\r\n");
  EXPECT_EQ(gathered(queue, 7), "+OK\r\nla");
  queue.note_sent(7);
  EXPECT_EQ(gathered(queue, 12), "rge\r\n");
  queue.append("more");
  queue.note_sent(5);
  EXPECT_EQ(gathered(queue, 16), "more");
  queue.note_sent(4);
  EXPECT_EQ(queue.pending_bytes(), 0U);
  EXPECT_EQ(pool.used_bytes(), 0U);
}

TEST(OutputQueue, BytesDescribedStayWhereTheyAre) {
  BufferPool pool(true);
  OutputQueue queue(pool);
  queue.append("first");
  std::array<iovec, 1> part;
  ASSERT_EQ(queue.gather(5, part), 1U);
  const std::string more(200'000, 'x');
  queue.append(more);
  EXPECT_EQ(std::string(static_cast<const char*>(part[0].iov_base), part[0].iov_len), "first");
}

TEST(OutputQueue, ReferencesCountAsUsed) {
  BufferPool pool(true);
  {
    OutputQueue queue(pool);
    append_shared(queue, std::string(100'000, 'v'));
    EXPECT_EQ(pool.used_bytes(), 100'002U);  // the whole block
  }
  EXPECT_EQ(pool.used_bytes(), 0U);
}

// Random appends and partial sends, against a string.
TEST(OutputQueue, IsAStream) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    io::Random random(seed);
    BufferPool pool(true);
    OutputQueue queue(pool);
    std::string written;
    std::string sent;
    for (int step = 0; step < 300; ++step) {
      if (random.chance_percent(60)) {
        const std::size_t size = random.below(random.chance_percent(10) ? 30'000 : 300);
        const std::string bytes(size, static_cast<char>('a' + random.below(26)));
        if (random.chance_percent(20)) {
          append_shared(queue, bytes);
        } else {
          queue.append(bytes);
        }
        written += bytes;
      } else {
        const std::uint64_t limit = queue.sent() + random.below(queue.pending_bytes() + 1);
        const std::string out = gathered(queue, limit, 1 + random.below(8));
        const std::size_t taken = random.below(out.size() + 1);
        sent += out.substr(0, taken);
        queue.note_sent(taken);
      }
      ASSERT_EQ(queue.end(), written.size()) << "seed " << seed;
      ASSERT_EQ(queue.sent(), sent.size()) << "seed " << seed;
    }
    while (queue.pending_bytes() > 0) {
      const std::string out = gathered(queue, queue.end());
      sent += out;
      queue.note_sent(out.size());
    }
    EXPECT_EQ(sent, written) << "seed " << seed;
    EXPECT_EQ(pool.used_bytes(), 0U);
  }
}

}  // namespace
}  // namespace diskdb::net
