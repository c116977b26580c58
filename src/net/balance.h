// net/balance.h — how many network threads have connections, and how many of them each.
//
// Every turn of a thread has system calls of its own: a wait that mostly puts it to sleep, a write
// of the log. One busy thread shares them among more requests than two half idle ones, so
// connections are with as few threads as the load needs (docs/decisions/042-few-busy-threads.md).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/units.h"

namespace diskdb::net {

/// What was measured for some time.
struct NetworkLoad {
  double busy_processors = 0;   ///< what all network threads took
  double idle_processors = 0;   ///< what nobody on the machine took
  bool held_others_up = false;  ///< a turn was so long that who shares its thread felt it
};

/// Of so many threads, the first count() are to have connections.
///
/// Threads: one at a time.
class ActiveThreads {
 public:
  explicit ActiveThreads(std::size_t thread_count) : thread_count_(thread_count) {}
  std::size_t count() const { return count_; }
  /// More threads at once where those are busy and a processor is idle; fewer when fewer have
  /// sufficed for a while; all of them, for a while, when one thread's clients waited for another
  /// client's command.
  void note(const NetworkLoad& load, Micros now);

 private:
  std::size_t thread_count_;
  std::size_t count_ = 1;
  Micros all_needed_at_{};  ///< when count_ threads were last needed
  Micros spread_until_{};
};

/// From one thread to another, by their numbers.
struct Transfer {
  std::size_t from;
  std::size_t to;
  std::size_t connection_count;
};

/// What leaves each of the first `active_count` threads about as many connections that were served
/// lately, `served_counts` being how many were. Small differences stay.
std::vector<Transfer> transfers_to_balance(std::span<const std::size_t> served_counts,
                                           std::size_t active_count);

}  // namespace diskdb::net
