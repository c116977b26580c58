#include "io/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/number.h"

namespace diskdb::io {
namespace {

/// A tenth of a processor that a thread of the usual priority wants, too. Less would be too little:
/// who waits for a lock of a background thread waits for its share.
constexpr int kBackgroundNice = 10;

Micros micros(const timeval& time) { return {time.tv_sec * 1'000'000 + time.tv_usec}; }

/// The second of the numbers in a small file of /proc; 0 if there is none.
double second_number_of(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char buffer[128];
  const ssize_t size = ::read(fd, buffer, sizeof(buffer));
  ::close(fd);
  const Bytes text(buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  const std::size_t blank = text.find(' ');
  if (blank == Bytes::npos) return 0;
  const Bytes rest = text.substr(blank + 1);
  return parse_double(rest.substr(0, rest.find_first_of(" \n"))).value_or(0);
}

std::uint64_t resident_pages() {
  return static_cast<std::uint64_t>(second_number_of("/proc/self/statm"));
}

std::uint64_t page_bytes() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

ProcessUsage process_usage() {
  rusage self{};
  rusage children{};
  rusage thread{};
  ::getrusage(RUSAGE_SELF, &self);
  ::getrusage(RUSAGE_CHILDREN, &children);
  ::getrusage(RUSAGE_THREAD, &thread);
  return {
      .user = micros(self.ru_utime),
      .system = micros(self.ru_stime),
      .children_user = micros(children.ru_utime),
      .children_system = micros(children.ru_stime),
      .thread_user = micros(thread.ru_utime),
      .thread_system = micros(thread.ru_stime),
      .resident_bytes = resident_pages() * page_bytes(),
  };
}

void introduce_thread(const char* name, Work work) {
  ASSERT(std::strlen(name) < 16);
  ::pthread_setname_np(::pthread_self(), name);
  // On Linux this is the calling thread's alone. A container may forbid it: then all are equal.
  if (work == Work::kInBackground) {
    ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + kBackgroundNice);
  }
}

Micros machine_idle_time() {
  return {static_cast<std::int64_t>(second_number_of("/proc/uptime") * 1e6)};
}

std::int64_t process_id() { return ::getpid(); }

std::string machine_name() {
  utsname name{};
  if (::uname(&name) != 0) return "unknown";
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

std::uint64_t machine_memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  return pages < 0 ? 0 : static_cast<std::uint64_t>(pages) * page_bytes();
}

}  // namespace diskdb::io
