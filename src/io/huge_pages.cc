#include "io/huge_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string>

#include "base/bytes.h"

namespace diskdb::io {
namespace {

#ifndef MADV_COLLAPSE
constexpr int MADV_COLLAPSE = 25;  // newer than glibc's headers
#endif

// Under the address and thread sanitizers most mappings are their own, many terabytes of them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsInUse = false;
#else
constexpr bool kIsInUse = true;
#endif

constexpr std::size_t kSmallPages = HugePages::kBytes / HugePages::kSmallPageBytes;
constexpr std::size_t kLooksPerStep = 1000;

/// How many of its small pages are.
std::size_t resident_pages(std::uintptr_t range) {
  std::array<unsigned char, kSmallPages> pages;
  if (::mincore(reinterpret_cast<void*>(range), HugePages::kBytes, pages.data()) != 0) return 0;
  const auto is_resident = [](unsigned char page) { return (page & 1) != 0; };
  return static_cast<std::size_t>(std::ranges::count_if(pages, is_resident));
}

/// 0, or an errno.
int collapse(std::uintptr_t range) {
  return ::madvise(reinterpret_cast<void*>(range), HugePages::kBytes, MADV_COLLAPSE) == 0 ? 0
                                                                                          : errno;
}

bool is_allowed() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  return std::getline(file, line) && line.find("[never]") == std::string::npos;
}

}  // namespace

bool HugePages::are_available() {
  if (!kIsInUse || !is_allowed()) return false;
  constexpr std::size_t kSize = 2 * kBytes;
  void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  const std::uintptr_t range =
      (reinterpret_cast<std::uintptr_t>(memory) + kBytes - 1) & ~(kBytes - 1);
  std::memset(reinterpret_cast<void*>(range), 1, kBytes);
  const int error = collapse(range);
  ::munmap(memory, kSize);
  return error != EINVAL;  // any other one may pass
}

// Lines of /proc/self/maps: "begin-end rw-p offset device inode   name".
void HugePages::read_mappings() {
  mappings_.clear();
  next_ = 0;
  position_ = 0;
  std::ifstream file("/proc/self/maps");
  for (std::string line; std::getline(file, line);) {
    const char* const end = line.data() + line.size();
    Mapping mapping{};
    const auto first = std::from_chars(line.data(), end, mapping.begin, 16);
    if (first.ptr == end || *first.ptr != '-') continue;
    const auto second = std::from_chars(first.ptr + 1, end, mapping.end, 16);
    const Bytes rest(second.ptr, static_cast<std::size_t>(end - second.ptr));
    const bool has_name = rest.find('/') != Bytes::npos || rest.find("[stack") != Bytes::npos;
    if (!rest.starts_with(" rw-p ") || has_name) continue;
    mapping.begin = (mapping.begin + kBytes - 1) & ~(kBytes - 1);
    mapping.end &= ~(kBytes - 1);
    if (mapping.begin < mapping.end) mappings_.push_back(mapping);
  }
}

bool HugePages::step() {
  if (next_ == mappings_.size()) read_mappings();
  for (std::size_t looks = 0; looks < kLooksPerStep && next_ < mappings_.size(); ++looks) {
    const Mapping& mapping = mappings_[next_];
    const std::uintptr_t range = std::max(position_, mapping.begin);
    position_ = range + kBytes;
    if (position_ >= mapping.end) {
      ++next_;
      position_ = 0;
    }
    const std::size_t resident = resident_pages(range);
    if (resident + kHolesMax < kSmallPages) {
      seen_.erase(range);
      continue;
    }
    Seen& seen = seen_[range];
    if (seen.resident_pages != resident) {
      seen = {resident, false};
      continue;
    }
    if (seen.was_asked_for) continue;
    const int error = collapse(range);
    if (error == ENOMEM) return false;  // no huge page is free; later there may be one
    seen.was_asked_for = true;
    if (error != 0) continue;  // pinned by a device, say
    seen.resident_pages = kSmallPages;
    ++gathered_count_;
    return true;
  }
  return false;
}

}  // namespace diskdb::io
