#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace diskdb {

void assertion_failed(const char* fact, const char* file, int line) {
  std::fprintf(stderr, "ASSERT failed: %s at %s:%d\n", fact, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace diskdb
