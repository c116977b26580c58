#include "io/random.h"

#include <sys/random.h>

#include <cerrno>

namespace diskdb::io {

std::uint64_t entropy() {
  std::uint64_t bits = 0;
  ssize_t got = 0;
  do {
    got = ::getrandom(&bits, sizeof(bits), 0);
  } while (got < 0 && errno == EINTR);
  ASSERT(got == sizeof(bits));  // so few bytes are never cut short
  return bits;
}

}  // namespace diskdb::io
