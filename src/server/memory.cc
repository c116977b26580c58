#include "server/memory.h"

#include <malloc.h>
#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <forward_list>
#include <string>
#include <vector>

#include "base/number.h"
#include "io/process.h"
#include "resp/words.h"
#include "server/config_load.h"

// jemalloc's, if the program is linked with it.
extern "C" int mallctl(const char* name, void* old_value, std::size_t* old_size, void* new_value,
                       std::size_t new_size) __attribute__((weak));

namespace diskdb::server {
namespace {

constexpr ssize_t kDirtyPagesMillis = 1000;  // jemalloc's default is ten seconds

std::vector<std::string> words_of_file(const char* path) {
  const auto text = read_file(path);
  if (!text.ok()) return {};
  std::vector<Bytes> words;
  std::forward_list<std::string> storage;
  if (!resp::split_words(text.value(), words, storage)) return {};
  return {words.begin(), words.end()};
}

// The number at `index` in the file; 0 if there is none ("max").
std::uint64_t number_in_file(const char* path, std::size_t index) {
  const std::vector<std::string> words = words_of_file(path);
  if (index >= words.size()) return 0;
  const auto number = parse_integer(words[index]);
  return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

}  // namespace

void configure_allocator() {
  if (mallctl == nullptr) return;
  // Arenas to come, and those that are there already (4096: MALLCTL_ARENAS_ALL). A thread of the
  // allocator's own purges what idle threads leave behind.
  ssize_t dirty_ms = kDirtyPagesMillis;
  ssize_t muzzy_ms = 0;
  bool is_on = true;
  mallctl("arenas.dirty_decay_ms", nullptr, nullptr, &dirty_ms, sizeof dirty_ms);
  mallctl("arenas.muzzy_decay_ms", nullptr, nullptr, &muzzy_ms, sizeof muzzy_ms);
  mallctl("arena.4096.dirty_decay_ms", nullptr, nullptr, &dirty_ms, sizeof dirty_ms);
  mallctl("arena.4096.muzzy_decay_ms", nullptr, nullptr, &muzzy_ms, sizeof muzzy_ms);
  mallctl("background_thread", nullptr, nullptr, &is_on, sizeof is_on);
}

AllocatedMemory allocated_memory() {
  if (mallctl != nullptr) {
    std::uint64_t epoch = 1;
    std::size_t size = sizeof epoch;
    mallctl("epoch", &epoch, &size, &epoch, size);  // renews the figures
    std::size_t allocated = 0;
    std::size_t kept = 0;
    size = sizeof allocated;
    if (mallctl("stats.allocated", &allocated, &size, nullptr, 0) == 0 &&
        mallctl("stats.arenas.4096.tcache_bytes", &kept, &size, nullptr, 0) == 0) {
      kept = std::min(kept, allocated);  // counted as given out
      return {.used = allocated - kept, .kept = kept};
    }
  }
  const struct mallinfo2 info = ::mallinfo2();
  const std::uint64_t allocated = info.uordblks + info.hblkhd;
  // Allocators that tell nothing (those of sanitizers): what they occupy is the next best.
  return {.used = allocated > 0 ? allocated : io::process_usage().resident_bytes, .kept = 0};
}

std::uint64_t available_memory() {
  std::uint64_t least = io::machine_memory_bytes();
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    if (const std::uint64_t limit = number_in_file(path, 0); limit > 0) {
      least = std::min(least, limit);
    }
  }
  return least;
}

}  // namespace diskdb::server
