#include "server/memory.h"

#include <algorithm>
#include <cstddef>
#include <forward_list>
#include <string>
#include <vector>

#include "base/number.h"
#include "io/process.h"
#include "resp/words.h"
#include "server/config_load.h"

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
