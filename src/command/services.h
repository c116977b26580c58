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
#include "keyspace/keyspace.h"
#include "log/log.h"

namespace diskdb::command {

class CommandTable;
class Config;
struct Statistics;

/// Starting and ending, done by server/.
class Lifecycle {
 public:
  virtual ~Lifecycle() = default;
  /// Asks the server to stop in good order: everything acknowledged and synced. Returns at once;
  /// the caller's connection gets no reply.
  virtual void request_shutdown() = 0;
  /// Rebuilds the keyspace from the log alone, and exchanges it for the one in use (DEBUG LOADAOF,
  /// RELOAD). Requires: `access` holds all shards. Errors: as the log's; the keyspace is as it was.
  /// Cost: a restart's.
  virtual Status reload(keyspace::Access& access) = 0;
};

/// Facts fixed at start, for INFO.
struct ServerFacts {
  std::string version;
  std::string run_id;  ///< 40 hex digits, new at each start
  std::string executable;
  std::string config_file;
  std::string engine;  ///< "disk" or "memory"
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
};

}  // namespace diskdb::command
