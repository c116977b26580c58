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

/// For whom a thread works.
enum class Work : std::uint8_t {
  kForClients,
  kInBackground,  ///< takes a smaller share of a processor that others want, too
};
/// What the operating system is to know of the calling thread. `name`: at most 15 characters.
void introduce_thread(const char* name, Work work);

/// For how long processors had nothing to do, all together, since the machine started; in steps of
/// ten milliseconds. 0 where the system does not tell. Cost: three system calls.
Micros machine_idle_time();

std::int64_t process_id();
/// As uname tells: "Linux 6.1.0-18-amd64 x86_64".
std::string machine_name();
std::uint64_t machine_memory_bytes();

}  // namespace diskdb::io
