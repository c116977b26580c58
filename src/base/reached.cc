#include "base/reached.h"

#ifdef DISKDB_SLOW_ASSERTS

// The linker defines these two at the ends of the section; weak, because a program may have no
// mark.
extern "C" {
[[gnu::weak]] extern diskdb::ReachedMark* const __start_diskdb_reached;
[[gnu::weak]] extern diskdb::ReachedMark* const __stop_diskdb_reached;
}

namespace diskdb {

std::span<ReachedMark* const> reached_marks() {
  return {&__start_diskdb_reached, &__stop_diskdb_reached};
}

}  // namespace diskdb

#endif
