// base/assert.h — our own mistakes stop the process, in every build.
// ASSERT guards facts whose violation would corrupt data; ASSERT_SLOW the same where the check
// costs more than the work, so it runs in test builds only. Neither is for bad input or a failing
// world: see result.h.
#pragma once

namespace diskdb {

/// Prints the broken fact and where it stands to stderr, and aborts.
[[noreturn]] void assertion_failed(const char* fact, const char* file, int line);

}  // namespace diskdb

#define ASSERT(fact)                                         \
  do {                                                       \
    if (!(fact)) [[unlikely]]                                \
      ::diskdb::assertion_failed(#fact, __FILE__, __LINE__); \
  } while (false)

#ifdef DISKDB_SLOW_ASSERTS
#define ASSERT_SLOW(fact) ASSERT(fact)
#else
#define ASSERT_SLOW(fact) \
  do {                    \
  } while (false)
#endif
