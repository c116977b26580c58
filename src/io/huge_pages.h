// io/huge_pages.h — memory that is resident anyway, gathered into huge pages.
//
// Problem: a look-up among millions of keys misses the processor's table of address translations
// at each step; one of a huge page (2 MB) covers 512. But huge pages that the kernel hands out by
// itself also fill what the allocator has given back, so that memory once used would never shrink.
//
// Idea: the kernel is asked for single ranges that are resident but for a few small pages (an
// allocator has such holes everywhere): so little more is occupied afterwards. And only for those
// that are calm, as many pages of which were resident a round ago: when the allocator gives back a
// part of one, the kernel splits it again, and the work was for nothing.
//
// Source: madvise(2), MADV_COLLAPSE (Linux 6.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace diskdb::io {

/// Threads: one at a time. Others may do with the process's memory what they like meanwhile.
class HugePages {
 public:
  static constexpr std::size_t kBytes = std::size_t{2} << 20;
  static constexpr std::size_t kSmallPageBytes = 4096;
  /// So many small pages of a range may be missing, and are filled: 3 %.
  static constexpr std::size_t kHolesMax = 16;

  /// Has the kernel what is needed, and does its administrator allow it
  /// (/sys/kernel/mm/transparent_hugepage/enabled)? Cost: about a millisecond.
  static bool are_available();

  /// Goes on through the process's anonymous memory, to the next range that can be gathered and has
  /// not changed since it was there last, and gathers it; false if a thousand looked at, or those
  /// until the end, were none. Cost: up to 3 ms; some 0.3 ms of them, while a range is copied, page
  /// faults of all threads wait.
  bool step();
  /// How many ranges have been gathered, those split since among them.
  std::uint64_t gathered_count() const { return gathered_count_; }

 private:
  struct Mapping {
    std::uintptr_t begin;  ///< multiples of kBytes
    std::uintptr_t end;
  };
  struct Seen {
    std::size_t resident_pages = 0;
    bool was_asked_for = false;  ///< and has not changed since
  };
  void read_mappings();

  std::vector<Mapping> mappings_;
  std::size_t next_ = 0;                           ///< of mappings_
  std::uintptr_t position_{0};                     ///< in that one
  std::unordered_map<std::uintptr_t, Seen> seen_;  ///< ranges with few holes, at the last look
  std::uint64_t gathered_count_ = 0;
};

}  // namespace diskdb::io
