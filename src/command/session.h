// command/session.h — what a conversation is to the commands: identity, selected database, modes.
// It knows no socket: the connection owns it and tells it what CLIENT LIST shows.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "command/blocked.h"
#include "keyspace/footprint.h"
#include "keyspace/shard.h"
#include "resp/reply.h"

namespace diskdb::command {

struct Row;

enum class ReplyMode : std::uint8_t { kOn, kOff, kSkipNext, kSkipThis };

/// Threads: its connection's thread, but for the atomics and what ClientRegistry's lock guards
/// (name, lib_name, lib_version). `wake` may be called on any thread.
class Session : public keyspace::Waker {
 public:
  /// Its connection calls this before it goes: no wake() is under way or comes afterwards.
  void unpark() {
    blocked.abandon();
    leave_shard();
    footprint.release();
  }
  /// It waits for no shard any more.
  void leave_shard() {
    if (parked_on != nullptr) std::exchange(parked_on, nullptr)->forget(*this);
  }

  // The dispatcher's.
  keyspace::ShardLock* parked_on = nullptr;
  int park_count = 0;                    ///< how often the next request has met a held shard so far
  int reload_count = 0;                  ///< how often it has waited for keys in vain
  keyspace::Footprint footprint{*this};  ///< of the next requests
  Blocked blocked{*this};                ///< by the next request

  std::uint64_t id = 0;
  std::string address;        ///< "ip:port", immutable
  std::string local_address;  ///< immutable
  int fd = -1;                ///< for CLIENT LIST only
  Millis created_at{};

  std::uint32_t db = 0;
  resp::Dialect dialect = resp::Dialect::kResp2;
  ReplyMode reply_mode = ReplyMode::kOn;
  bool closes_after_reply = false;
  bool is_inline_request = false;  ///< the request at hand came as a line
  bool touches_keys = true;        ///< CLIENT NO-TOUCH off
  bool is_evictable = true;        ///< CLIENT NO-EVICT off
  bool is_pausable = true;
  std::map<std::string, std::vector<std::string>, std::less<>> fieldsets;  ///< of HIMPORT

  // Guarded by the ClientRegistry's lock when written, since CLIENT LIST reads them from other
  // threads.
  std::string name;
  std::string lib_name;
  std::string lib_version;

  // For CLIENT LIST on other threads.
  std::atomic<std::int64_t> last_active_ms{0};
  std::atomic<const Row*> last_row{nullptr};
  std::atomic<std::uint64_t> command_count{0};
  std::atomic<std::uint64_t> input_bytes{0};   ///< waiting to be parsed
  std::atomic<std::uint64_t> output_bytes{0};  ///< waiting to be sent
  std::atomic<std::uint64_t> received_bytes{0};
  std::atomic<std::uint64_t> sent_bytes{0};
  std::atomic<std::uint32_t> listed_db{0};
  std::atomic<bool> listed_resp3{false};
  std::atomic<bool> is_no_evict{false};
  std::atomic<bool> is_no_touch{false};

  /// CLIENT KILL: the connection closes as soon as its thread gets to it (wake() follows).
  std::atomic<bool> is_killed{false};
};

}  // namespace diskdb::command
