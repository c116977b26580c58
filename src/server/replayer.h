// server/replayer.h — runs what the log holds, before the server serves.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "command/dispatcher.h"
#include "command/session.h"
#include "log/log.h"
#include "resp/request.h"

namespace diskdb::server {

/// Threads: one at a time. While it lives the keyspace is in replay.
class Replayer final : public log::Replay {
 public:
  /// What there is to do between two batches of the log; the argument says where the next begins.
  using Pause = std::function<Status(const log::Position&)>;

  /// `db`: the database selected where the replay begins. `report` gets a line now and then;
  /// `pause`, if given, may change the keyspace only as evictions and checkpoints do. Borrows
  /// `services` for its life.
  Replayer(command::Services& services, std::uint32_t db,
           std::function<void(const std::string&)> report, Pause pause);
  ~Replayer() override;

  Status replay(Bytes payload, log::Offset at) override;

  std::uint64_t command_count() const { return command_count_; }
  std::uint64_t byte_count() const { return byte_count_; }

 private:
  class ReplaySession final : public command::Session {
    void wake() override {}  // nobody else runs
  };

  Status run(std::span<const resp::Request> requests);

  command::Services& services_;
  std::function<void(const std::string&)> report_;
  Pause pause_;
  command::Dispatcher dispatcher_;
  ReplaySession session_;
  resp::StringOutput output_;
  resp::Reply reply_;
  resp::ParserOptions parser_options_;
  Millis now_{};
  Micros next_report_{};
  std::uint64_t command_count_ = 0;
  std::uint64_t byte_count_ = 0;
};

}  // namespace diskdb::server
