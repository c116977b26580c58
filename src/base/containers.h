// base/containers.h — what standard containers lack.
#pragma once

namespace diskdb {

/// Empties the container and frees its memory, which clear() and `= {}` keep.
template <typename Container>
void free_container(Container& container) {
  Container().swap(container);
}

}  // namespace diskdb
