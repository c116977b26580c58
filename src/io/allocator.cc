#include "io/allocator.h"

#include <malloc.h>
#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "io/process.h"

// jemalloc's, if the program is linked with it.
extern "C" int mallctl(const char* name, void* old_value, std::size_t* old_size, void* new_value,
                       std::size_t new_size) __attribute__((weak));
extern "C" void malloc_stats_print(void (*write)(void*, const char*), void* to, const char* options)
    __attribute__((weak));

namespace diskdb::io {
namespace {

// In what jemalloc is asked and told, 4096 stands for all arenas (its MALLCTL_ARENAS_ALL).
constexpr ssize_t kDirtyPagesMillis = 1000;  // jemalloc's default is ten seconds

std::uint64_t figure(const char* name) {
  std::size_t value = 0;
  std::size_t size = sizeof value;
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

struct Free {
  void operator()(char* text) const { std::free(text); }
};

}  // namespace

void configure_allocator() {
  if (mallctl == nullptr) return;
  // Arenas to come, and those that are there already. A thread of the allocator's own purges what
  // idle threads leave behind.
  ssize_t dirty_ms = kDirtyPagesMillis;
  ssize_t muzzy_ms = 0;
  bool is_on = true;
  mallctl("arenas.dirty_decay_ms", nullptr, nullptr, &dirty_ms, sizeof dirty_ms);
  mallctl("arenas.muzzy_decay_ms", nullptr, nullptr, &muzzy_ms, sizeof muzzy_ms);
  mallctl("arena.4096.dirty_decay_ms", nullptr, nullptr, &dirty_ms, sizeof dirty_ms);
  mallctl("arena.4096.muzzy_decay_ms", nullptr, nullptr, &muzzy_ms, sizeof muzzy_ms);
  mallctl("background_thread", nullptr, nullptr, &is_on, sizeof is_on);
}

void allocate_from_arena(std::size_t arena) {
  if (mallctl == nullptr) return;
  unsigned count = 0;
  std::size_t size = sizeof count;
  if (mallctl("arenas.narenas", &count, &size, nullptr, 0) != 0 || count == 0) return;
  auto index = static_cast<unsigned>(arena % count);
  mallctl("thread.arena", nullptr, nullptr, &index, sizeof index);
}

AllocatorFigures allocator_figures() {
  if (mallctl != nullptr) {
    std::uint64_t epoch = 1;
    std::size_t size = sizeof epoch;
    mallctl("epoch", &epoch, &size, &epoch, size);  // renews the figures
    const std::uint64_t given_out = figure("stats.allocated");
    const std::uint64_t cached = std::min(figure("stats.arenas.4096.tcache_bytes"), given_out);
    return {.allocated = given_out - cached,
            .cached = cached,
            .active = figure("stats.active"),
            .resident = figure("stats.resident")};
  }
  const struct mallinfo2 info = ::mallinfo2();
  const std::uint64_t allocated = info.uordblks + info.hblkhd;
  // Allocators that tell nothing (those of sanitizers): what they occupy is the next best.
  return {.allocated = allocated > 0 ? allocated : process_usage().resident_bytes,
          .cached = 0,
          .active = info.arena + info.hblkhd - info.fordblks,
          .resident = info.arena + info.hblkhd};
}

std::string allocator_name() {
  if (mallctl == nullptr) return "libc";
  const char* version = nullptr;
  std::size_t size = sizeof version;
  if (mallctl("version", &version, &size, nullptr, 0) != 0) return "jemalloc";
  const std::string text = version;
  return "jemalloc-" + text.substr(0, text.find('-'));
}

std::string allocator_report() {
  if (mallctl != nullptr && malloc_stats_print != nullptr) {
    std::string text;
    malloc_stats_print([](void* to, const char* part) { *static_cast<std::string*>(to) += part; },
                       &text, nullptr);
    return text;
  }
  char* buffer = nullptr;
  std::size_t size = 0;
  std::FILE* file = ::open_memstream(&buffer, &size);
  if (file == nullptr) return {};
  ::malloc_info(0, file);
  std::fclose(file);
  const std::unique_ptr<char, Free> owned(buffer);
  return {buffer, size};
}

void release_unused_memory() {
  if (mallctl == nullptr) {
    ::malloc_trim(0);
    return;
  }
  mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
}

}  // namespace diskdb::io
