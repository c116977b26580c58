// command/test_server.h — for tests: a whole server but for sockets and log. Commands go through
// the dispatcher as they would from a connection, and time passes only when told to.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "command/command_table.h"
#include "command/config.h"
#include "command/dispatcher.h"
#include "command/memory_settings.h"
#include "command/services.h"
#include "command/session.h"
#include "command/statistics.h"
#include "io/clock.h"
#include "keyspace/digest.h"
#include "keyspace/keyspace.h"
#include "resp/output.h"
#include "resp/reply.h"
#include "resp/request.h"

namespace diskdb::command {

/// Threads: one at a time.
class TestServer {
 public:
  /// Borrows `log` and `store` for its life; null for none.
  explicit TestServer(log::Log* log = nullptr, store::Store* store = nullptr,
                      const keyspace::Options& options = {.shard_count = 16, .hash_seed = 1})
      : log_(log), keyspace_(options, log, store) {
    follow_memory_settings(config_, keyspace_.budget, 0);
  }
  /// Options for a server that has most strings in pages of a few bytes each.
  static keyspace::Options strings_in_pages(std::uint64_t flat_bytes_max,
                                            std::uint32_t chunk_bytes) {
    return {.shard_count = 16,
            .hash_seed = 1,
            .flat_string_bytes_max = flat_bytes_max,
            .string_chunk_bytes = chunk_bytes};
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer() { close_all(); }

  /// The reply's bytes, on connection `name`, which is opened if there is none. Nothing if a key's
  /// shard is held: then the session is parked, and the same words may be run again.
  std::string run(const std::vector<std::string>& words, const std::string& name = "1") {
    const std::vector<Bytes> views(words.begin(), words.end());
    Client& client = this->client(name);
    resp::StringOutput output;
    resp::Reply reply(output, client.session.dialect);
    const resp::Request request{views, raw_of(views)};
    const auto progress = dispatcher_.run(client.session, {&request, 1}, reply, clock_.wall());
    ASSERT(progress.done == 1 || progress.is_parked);
    visible_after_ = progress.visible_after;
    if (client.session.closes_after_reply) close(name);
    return std::string(output.view());
  }

  /// The replies to requests as a socket gives them, whole ones, run together as a connection does.
  Bytes run_raw(Bytes input) {
    Client& client = this->client("1");
    raw_output_.clear();
    resp::Reply reply(raw_output_, client.session.dialect);
    while (!input.empty()) {
      const resp::ParseStatus status = parser_.parse(input, kRequestsPerRun);
      ASSERT(status == resp::ParseStatus::kRequests);
      dispatcher_.run(client.session, parser_.requests(), reply, clock_.wall());
      input.remove_prefix(parser_.consumed());
    }
    return raw_output_.view();
  }

  /// The offset of the log that the reply of the last run() must wait for.
  log::Offset visible_after() const { return visible_after_; }

  /// Runs a command from a log, see Dispatcher::replay.
  Status replay(std::span<const Bytes> words) {
    resp::StringOutput output;
    Client& client = this->client("replay");
    resp::Reply reply(output, client.session.dialect);
    const resp::Request request{.words = words, .raw = {}};
    return dispatcher_.replay(client.session, {&request, 1}, reply, clock_.wall());
  }

  /// DEBUG DIGEST.
  std::string digest() {
    keyspace::Access access(keyspace_);
    access.begin(0, clock_.wall());
    access.hold_all();
    const std::string text = keyspace::digest_text(*keyspace::digest_of_all(access));
    access.release();
    return text;
  }

  /// The connection ends.
  void close(const std::string& name) {
    const auto at = clients_.find(name);
    at->second->session.unpark();
    registry_.remove(at->second->session);
    clients_.erase(at);
  }
  void close_all() {
    while (!clients_.empty()) close(clients_.begin()->first);
  }

  io::ManualClock& clock() { return clock_; }
  keyspace::Keyspace& keyspace() { return keyspace_; }
  Config& config() { return config_; }
  Services& services() { return services_; }

 private:
  struct TestSession final : Session {
    void wake() override {}
  };
  struct Client {
    TestSession session;
  };
  struct NoLifecycle final : Lifecycle {
    void request_shutdown(bool) override {}
    Status reload(keyspace::Access&) override { return {Code::kInvalid, "there is no log"}; }
    CheckpointStart start_checkpoint(bool) override { return CheckpointStart::kStarted; }
    Status checkpoint() override { return {}; }
  };

  Client& client(const std::string& name) {
    auto& client = clients_[name];
    if (client == nullptr) {
      client = std::make_unique<Client>();
      client->session.id = registry_.next_id();
      client->session.address = "127.0.0.1:1";
      client->session.local_address = "127.0.0.1:7878";
      client->session.created_at = clock_.wall();
      registry_.add(client->session);
    }
    return *client;
  }

  Bytes raw_of(const std::vector<Bytes>& words) {
    raw_ = "*" + std::to_string(words.size()) + "\r\n";
    for (const Bytes word : words) {
      raw_.append("$").append(std::to_string(word.size())).append("\r\n");
      raw_.append(word).append("\r\n");
    }
    return raw_;
  }

  io::ManualClock clock_;
  log::Log* log_;
  keyspace::Keyspace keyspace_;
  std::vector<std::span<const Row>> families_ = all_families();
  CommandTable table_{families_};
  ClientRegistry registry_;
  Config config_;
  Statistics statistics_{table_.rows().size()};
  NoLifecycle lifecycle_;
  ServerFacts facts_;
  Services services_{.keyspace = keyspace_,
                     .log = log_,
                     .clock = clock_,
                     .table = table_,
                     .clients = registry_,
                     .config = config_,
                     .statistics = statistics_,
                     .lifecycle = lifecycle_,
                     .facts = facts_,
                     .checkpointer = nullptr};
  Dispatcher dispatcher_{services_};
  static constexpr std::size_t kRequestsPerRun = 64;

  std::map<std::string, std::unique_ptr<Client>> clients_;
  resp::ParserOptions parser_options_;
  resp::RequestParser parser_{parser_options_};
  resp::StringOutput raw_output_;
  std::string raw_;
  log::Offset visible_after_ = 0;
};

}  // namespace diskdb::command
