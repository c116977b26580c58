// command/string_size.h — the gate for commands that make strings longer.
#pragma once

#include <cstdint>

#include "base/refusal.h"
#include "command/context.h"
#include "types/limits.h"

namespace diskdb::command {

/// Refuses a string of `size` bytes if it exceeds the limit. What the log says was allowed once.
inline Outcome check_string_size(const CommandContext& cx, std::uint64_t size) {
  if (size <= types::kStringBytesMax) [[likely]]
    return Outcome::done();
  if (cx.keyspace.keyspace().is_replaying.load(std::memory_order_relaxed)) return Outcome::done();
  return Refusal::kStringTooLong;
}

}  // namespace diskdb::command
