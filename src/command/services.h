// command/services.h — what server commands reach beyond keys: a few interfaces that server/ fills
// in.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "command/clients.h"
#include "io/clock.h"
#include "keyspace/access.h"
#include "keyspace/checkpointer.h"
#include "keyspace/keyspace.h"
#include "keyspace/loader.h"
#include "log/log.h"

namespace diskdb::command {

class CommandTable;
class Config;
struct Statistics;

/// Starting and ending, done by server/.
class Lifecycle {
 public:
  virtual ~Lifecycle() = default;
  /// Asks the server to stop in good order: everything acknowledged and synced, and a last
  /// checkpoint unless `skips_checkpoint`. Returns at once; the caller's connection gets no reply.
  virtual void request_shutdown(bool skips_checkpoint) = 0;
  /// Rebuilds the keyspace from store and log, as a restart does, and exchanges it for the one in
  /// use (DEBUG LOADAOF, RELOAD). Requires: `access` holds all shards; it lets go of them
  /// meanwhile. Errors: as the log's; the keyspace is as it was. Cost: a restart's.
  virtual Status reload(keyspace::Access& access) = 0;
  enum class CheckpointStart : std::uint8_t { kStarted, kQueued, kRefused };
  /// Starts a checkpoint in the background (BGSAVE). While one is running it is queued behind that
  /// if `may_queue`, else refused. Requires: the disk engine.
  virtual CheckpointStart start_checkpoint(bool may_queue) = 0;
  /// A checkpoint of all that has changed so far; blocks until it is in the store (SAVE). Requires:
  /// the disk engine, and no shard is held. Errors: as the checkpoint's.
  virtual Status checkpoint() = 0;
};

/// Facts fixed at start, for INFO.
struct ServerFacts {
  std::string version;
  std::string run_id;  ///< 40 hex digits, new at each start
  std::string executable;
  std::string config_file;
  std::string engine;                ///< "disk" or "memory"
  std::string io_backend = "epoll";  ///< or "io_uring"
  int tcp_port = 0;
  int thread_count = 0;
  Millis started_at{};
};

/// Threads: immutable references to things that are thread-safe.
struct Services {
  keyspace::Keyspace& keyspace;
  log::Log* log;  ///< null for the memory engine
  io::Clock& clock;
  const CommandTable& table;
  ClientRegistry& clients;
  Config& config;
  Statistics& statistics;
  Lifecycle& lifecycle;
  const ServerFacts& facts;
  const keyspace::Checkpointer* checkpointer = nullptr;  ///< null for the memory engine
  /// Null for the memory engine, and where cold keys are loaded in place.
  keyspace::Loader* loader = nullptr;
};

}  // namespace diskdb::command
