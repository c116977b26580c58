// What is gathered into huge pages, and what that must not change.
#include "io/huge_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <span>
#include <string>

namespace diskdb::io {
namespace {

constexpr std::size_t kSmallPageBytes = HugePages::kSmallPageBytes;
constexpr std::size_t kTooManyHoles = HugePages::kHolesMax + 1;

/// Two huge pages' worth of memory, a mapping of its own between pages that cannot be touched.
class Memory {
 public:
  static constexpr std::size_t kBytes = 2 * HugePages::kBytes;

  explicit Memory(char with) {
    mapped_ = ::mmap(nullptr, kMappedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const auto behind = reinterpret_cast<std::uintptr_t>(mapped_) + kSmallPageBytes;
    begin_ = reinterpret_cast<char*>((behind + HugePages::kBytes - 1) & ~(HugePages::kBytes - 1));
    EXPECT_EQ(::mprotect(begin_, kBytes, PROT_READ | PROT_WRITE), 0);
    std::memset(begin_, with, kBytes);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::munmap(mapped_, kMappedBytes); }

  std::span<char> page(std::size_t index) {
    return {begin_ + index * kSmallPageBytes, kSmallPageBytes};
  }
  void give_back(std::size_t index, std::size_t count = 1) {
    ::madvise(page(index).data(), count * kSmallPageBytes, MADV_DONTNEED);
  }
  /// What /proc/self/smaps says of it, in bytes.
  std::size_t kernel_knows(const std::string& field) const {
    char first[32];
    std::snprintf(first, sizeof first, "%zx-", reinterpret_cast<std::size_t>(begin_));
    std::ifstream file("/proc/self/smaps");
    bool is_ours = false;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(first)) is_ours = true;
      if (is_ours && line.starts_with(field + ":")) {
        return std::stoul(line.substr(field.size() + 1)) * 1024;
      }
    }
    return 0;
  }

 private:
  static constexpr std::size_t kMappedBytes = 4 * HugePages::kBytes;

  void* mapped_;
  char* begin_;
};

/// Once through all that there is.
void go_round(HugePages& huge_pages) {
  while (huge_pages.step()) {
  }
}

/// As often as it takes for what is calm.
void gather(HugePages& huge_pages) {
  for (int i = 0; i < 3; ++i) go_round(huge_pages);
}

TEST(HugePages, AreMadeOfWhatIsResidentButForAFewHoles) {
  if (!HugePages::are_available()) GTEST_SKIP() << "not here";
  constexpr std::size_t kPages = Memory::kBytes / kSmallPageBytes;
  constexpr std::size_t kFewHoles = 3;
  Memory memory('x');
  memory.give_back(3, kTooManyHoles);
  memory.give_back(kPages - kFewHoles, kFewHoles);
  HugePages huge_pages;
  gather(huge_pages);
  EXPECT_EQ(memory.kernel_knows("AnonHugePages"), HugePages::kBytes) << "the second alone";
  EXPECT_EQ(memory.kernel_knows("Rss"), Memory::kBytes - kTooManyHoles * kSmallPageBytes);
  EXPECT_GE(huge_pages.gathered_count(), 1U);
  for (std::size_t i = 0; i < kPages; ++i) {
    const bool was_given_back = (i >= 3 && i < 3 + kTooManyHoles) || i >= kPages - kFewHoles;
    const char expected = was_given_back ? '\0' : 'x';
    EXPECT_TRUE(std::ranges::all_of(memory.page(i), [&](char c) { return c == expected; })) << i;
  }
}

TEST(HugePages, AreNotMadeOfWhatChangesFromRoundToRound) {
  if (!HugePages::are_available()) GTEST_SKIP() << "not here";
  Memory memory('x');
  HugePages huge_pages;
  for (std::size_t i = 0; i < HugePages::kHolesMax; ++i) {
    memory.give_back(i);
    go_round(huge_pages);
    ASSERT_LE(memory.kernel_knows("AnonHugePages"), HugePages::kBytes) << "not the first: " << i;
  }
  go_round(huge_pages);
  EXPECT_EQ(memory.kernel_knows("AnonHugePages"), Memory::kBytes);
}

TEST(HugePages, AreSplitByGivingBackAndMadeAgain) {
  if (!HugePages::are_available()) GTEST_SKIP() << "not here";
  Memory memory('x');
  HugePages huge_pages;
  gather(huge_pages);
  ASSERT_EQ(memory.kernel_knows("AnonHugePages"), Memory::kBytes);
  memory.give_back(3, kTooManyHoles);
  gather(huge_pages);
  EXPECT_EQ(memory.kernel_knows("AnonHugePages"), HugePages::kBytes);
  EXPECT_EQ(memory.kernel_knows("Rss"), Memory::kBytes - kTooManyHoles * kSmallPageBytes);
  memory.page(3).front() = 'y';
  gather(huge_pages);
  EXPECT_EQ(memory.kernel_knows("AnonHugePages"), Memory::kBytes);
  EXPECT_EQ(memory.page(3).front(), 'y');
  EXPECT_EQ(memory.page(2).front(), 'x');
}

}  // namespace
}  // namespace diskdb::io
