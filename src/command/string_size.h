// command/string_size.h — the gate for commands that make strings longer.
#pragma once

#include <cstdint>

#include "base/refusal.h"
#include "command/config.h"
#include "command/context.h"
#include "command/services.h"

namespace diskdb::command {

/// The longest string that a command may make: proto-max-bulk-len.
inline std::uint64_t string_bytes_max(const CommandContext& cx) {
  return static_cast<std::uint64_t>(
      cx.services.config.settings().proto_max_bulk_bytes.load(std::memory_order_relaxed));
}

/// Refuses a string of `size` bytes if it exceeds the limit. What the log says was allowed once.
inline Outcome check_string_size(const CommandContext& cx, std::uint64_t size) {
  if (size <= string_bytes_max(cx)) [[likely]]
    return Outcome::done();
  if (cx.keyspace.keyspace().is_replaying.load(std::memory_order_relaxed)) return Outcome::done();
  return Refusal::kStringTooLong;
}

}  // namespace diskdb::command
