#include "io/allocator.h"

#include <malloc.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>

// jemalloc's, if the program is linked with it.
extern "C" int mallctl(const char* name, void* old_value, std::size_t* old_size, void* new_value,
                       std::size_t new_size) __attribute__((weak));
extern "C" void malloc_stats_print(void (*write)(void*, const char*), void* to, const char* options)
    __attribute__((weak));

namespace diskdb::io {
namespace {

std::uint64_t figure(const char* name) {
  std::size_t value = 0;
  std::size_t size = sizeof value;
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

struct Free {
  void operator()(char* text) const { std::free(text); }
};

}  // namespace

AllocatorFigures allocator_figures() {
  if (mallctl != nullptr) {
    std::uint64_t epoch = 1;
    std::size_t size = sizeof epoch;
    mallctl("epoch", &epoch, &size, &epoch, size);  // renews the figures
    return {.allocated = figure("stats.allocated"),
            .active = figure("stats.active"),
            .resident = figure("stats.resident")};
  }
  const struct mallinfo2 info = ::mallinfo2();
  return {.allocated = info.uordblks + info.hblkhd,
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
  // 4096: MALLCTL_ARENAS_ALL.
  mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
}

}  // namespace diskdb::io
