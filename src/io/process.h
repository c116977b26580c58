// io/process.h — what the operating system knows about this process and its machine, for INFO.
#pragma once

#include <cstdint>
#include <string>

#include "base/units.h"

namespace diskdb::io {

struct ProcessUsage {
  Micros user;
  Micros system;
  Micros children_user;
  Micros children_system;
  Micros thread_user;  ///< of the calling thread
  Micros thread_system;
  std::uint64_t resident_bytes = 0;
};

/// Cost: some system calls, about 10 us.
ProcessUsage process_usage();

std::int64_t process_id();
/// As uname tells: "Linux 6.1.0-18-amd64 x86_64".
std::string machine_name();
std::uint64_t machine_memory_bytes();

}  // namespace diskdb::io
