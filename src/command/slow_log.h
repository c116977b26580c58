// command/slow_log.h — the commands that took longest: what SLOWLOG shows.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/units.h"

namespace diskdb::command {

struct Row;

/// Threads: thread-safe. Only commands over the threshold come here.
class SlowLog {
 public:
  struct Entry {
    std::uint64_t id = 0;
    std::int64_t seconds = 0;  ///< since the Unix epoch
    std::int64_t micros = 0;   ///< how long it ran
    std::vector<std::string> words = {};
    std::string address = {};
    std::string client_name = {};
  };

  /// Gives the entry its id and keeps it, and of all the newest `size_max`.
  void add(Entry entry, std::size_t size_max);
  /// The newest `count_max`, newest first.
  std::vector<Entry> newest(std::size_t count_max) const;
  std::size_t size() const;
  /// How many there have ever been.
  std::uint64_t added_count() const;
  void clear();

 private:
  mutable std::mutex m_;
  // guarded by m_
  std::deque<Entry> entries_;  ///< newest first
  std::uint64_t next_id_ = 0;
};

/// What the slow log keeps of a request: 32 words at most, 128 bytes of each, and no secrets.
std::vector<std::string> slow_log_words(const Row& row, std::span<const Bytes> words);

}  // namespace diskdb::command
