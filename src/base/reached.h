// base/reached.h — REACHED("...") marks a branch that ordinary runs do not take: a failed fsync, a
// lost race. A test that was meant to take it and no longer does would still pass; so test builds
// note which marks the run came by, and ./test prints those that no test reached. Release builds
// contain nothing of this.
//
// How: each mark is a constant of its function, and a pointer to it lies in a linker section of its
// own. The linker puts all of them side by side, so the list needs no registration and includes
// marks never run. For that a mark stands in a .cc file and in no template, where the section would
// be shared with inline code's (tools/tidy.py checks the former).
#pragma once

#ifdef DISKDB_SLOW_ASSERTS

#include <atomic>
#include <span>

namespace diskdb {

/// Threads: thread-safe.
struct ReachedMark {
  const char* name;
  std::atomic<bool> is_reached{false};
};

/// Every mark of the program, in no order; the same name may occur more than once.
std::span<ReachedMark* const> reached_marks();

}  // namespace diskdb

#define REACHED(name)                                                                    \
  do {                                                                                   \
    static ::diskdb::ReachedMark reached_mark_{name};                                    \
    [[gnu::section("diskdb_reached"),                                                    \
      gnu::used]] static ::diskdb::ReachedMark* const reached_pointer_ = &reached_mark_; \
    reached_mark_.is_reached.store(true, std::memory_order_relaxed);                     \
  } while (false)

#else

#define REACHED(name) \
  do {                \
  } while (false)

#endif
