// server/server.h — builds the objects, recovers, serves, and ends in good order.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "command/clients.h"
#include "command/command_table.h"
#include "command/config.h"
#include "command/services.h"
#include "command/statistics.h"
#include "io/clock.h"
#include "io/file.h"
#include "keyspace/checkpointer.h"
#include "keyspace/keyspace.h"
#include "log/log.h"
#include "net/network.h"
#include "net/socket.h"
#include "server/background.h"
#include "server/metrics_endpoint.h"
#include "server/replayer.h"
#include "server/server_log.h"
#include "store/store.h"

namespace diskdb::server {

constexpr Bytes kVersion = "0.1.0";

/// Threads: one at a time, but for the Lifecycle's calls.
class Server final : public command::Lifecycle {
 public:
  /// Borrows everything for its life. `config_file`: empty if there is none.
  Server(command::Config& config, io::Disk& disk, io::Clock& clock, ServerLog& server_log,
         std::string config_file);
  ~Server() override;

  /// Takes the port, replays the log, then listens: nobody is served before everything is there.
  /// Errors: kInvalid, kBusy (port or folder), kCorrupt, kIo, kNoSpace.
  Status start();
  /// Serves until a signal or SHUTDOWN, then ends in good order. Requires: start(), and SIGTERM and
  /// SIGINT blocked in all threads. Errors: as the log's; what was acknowledged before is safe
  /// anyway.
  Status run();

  void request_shutdown(bool skips_checkpoint) override;
  Status reload(keyspace::Access& access) override;
  CheckpointStart start_checkpoint(bool may_queue) override;
  Status checkpoint() override;

 private:
  Status take_ports();
  Result<std::vector<net::Socket>> bind_all(std::uint16_t port);
  Status prepare_folder();
  Status recover();
  Status replay_into(keyspace::Keyspace& keyspace, const std::optional<store::Marker>& marker,
                     const std::function<Status(log::Replay&)>& read, const Replayer::Pause& pause);
  Status listen();
  void run_cron(const std::stop_token& stop);
  void raise_descriptor_limit();
  void follow_settings();
  std::uint64_t default_memory_limit() const;
  std::uint64_t memory_limit() const;
  bool uses_huge_pages();
  keyspace::CheckpointSettings checkpoint_settings() const;
  void write_pid_file();
  command::Services services_with(keyspace::Keyspace& keyspace);

  command::Config& config_;
  io::Disk& disk_;
  io::Clock& clock_;
  ServerLog& server_log_;
  command::CommandTable table_;
  command::ClientRegistry clients_;
  command::Statistics statistics_;
  command::ServerFacts facts_;
  keyspace::Options keyspace_options_;
  std::atomic<bool> is_shutdown_requested_{false};
  std::atomic<bool> skips_last_checkpoint_{false};
  net::Socket signals_;  ///< a signalfd
  std::vector<net::Socket> bound_;
  std::unique_ptr<log::Log> log_;        ///< null for the memory engine
  std::unique_ptr<store::Store> store_;  ///< likewise
  std::unique_ptr<keyspace::Keyspace> keyspace_;
  std::unique_ptr<keyspace::Checkpointer> checkpointer_;  ///< likewise
  std::unique_ptr<keyspace::Loader> loader_;              ///< likewise
  std::unique_ptr<command::Services> services_;
  std::unique_ptr<Background> background_;
  std::unique_ptr<net::Network> network_;
  std::string pid_file_;
  std::unique_ptr<MetricsEndpoint> metrics_;  ///< null without a metrics-port
};

}  // namespace diskdb::server
