#include "server/memory.h"

#include <malloc.h>

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

std::uint64_t allocated_memory() {
  if (mallctl != nullptr) {
    std::uint64_t epoch = 1;
    std::size_t size = sizeof epoch;
    mallctl("epoch", &epoch, &size, &epoch, size);  // renews the figures
    std::size_t allocated = 0;
    size = sizeof allocated;
    if (mallctl("stats.allocated", &allocated, &size, nullptr, 0) == 0) return allocated;
  }
  const struct mallinfo2 info = ::mallinfo2();
  const std::uint64_t allocated = info.uordblks + info.hblkhd;
  // Allocators that tell nothing (those of sanitizers): what they occupy is the next best.
  return allocated > 0 ? allocated : io::process_usage().resident_bytes;
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
