// server/sim_server_test.h — for tests: a whole server without sockets and threads, on a simulated
// disk and a clock that stands still. It recovers as server/server.cc does, and dies as a process
// does: nothing it still does reaches the disk.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "command/command_table.h"
#include "command/config.h"
#include "command/dispatcher.h"
#include "command/services.h"
#include "command/session.h"
#include "command/statistics.h"
#include "io/clock.h"
#include "io/sim_disk.h"
#include "keyspace/checkpointer.h"
#include "keyspace/cold_expiry.h"
#include "keyspace/keyspace.h"
#include "keyspace/loader.h"
#include "keyspace/warmer.h"
#include "log/log.h"
#include "resp/output.h"
#include "server/replayer.h"
#include "store/store.h"

namespace diskdb::server {

using Words = std::vector<std::string>;

/// Threads: one at a time.
class SimServer final : private command::Lifecycle {
 public:
  using OpenStore = std::function<Result<std::unique_ptr<store::Store>>()>;

  struct Options {
    keyspace::Options keyspace;
    log::Fsync fsync = log::Fsync::kEverysec;
    std::uint64_t segment_bytes = 64_KiB;
    std::uint64_t seed = 1;  ///< of the log's salts
    bool has_loader = true;  ///< else cold keys are loaded in place
    std::uint64_t admission_bytes = keyspace::Admission::kBudgetDefault;
    keyspace::CheckpointSettings checkpoints;
  };

  /// The memory engine.
  SimServer(const Options& options, io::Clock& clock) : SimServer(options, clock, nullptr) {
    keyspace_ = std::make_unique<keyspace::Keyspace>(options_.keyspace, nullptr);
    serve();
  }
  /// The disk engine: start() it. Borrows both for its life.
  SimServer(const Options& options, io::Clock& clock, io::SimDisk& disk)
      : SimServer(options, clock, &disk) {}
  SimServer(const SimServer&) = delete;
  SimServer& operator=(const SimServer&) = delete;

  /// Recovers. `checkpoints_in_replay`, if given, is asked between batches of the log. Errors: as
  /// the store's and the log's, and whatever would have ended the process.
  Status start(const OpenStore& open_store, std::function<bool()> checkpoints_in_replay = nullptr) {
    checkpoints_in_replay_ = std::move(checkpoints_in_replay);
    TRY(recover(open_store));
    if (!death_.ok()) return death_;
    serve();
    return {};
  }

  /// A connection, with a dispatcher of its own as if it had a thread to itself: its commands may
  /// run in the midst of another's.
  class Client final : public command::Session {
   public:
    /// Borrows `server` for its life.
    explicit Client(SimServer& server) : dispatcher_(*server.services_, server.options_.seed) {}
    ~Client() override { unpark(); }

    void wake() override { is_awake_ = true; }

    /// Sends requests. Requires: is_idle().
    void send(std::vector<Words> requests) {
      ASSERT(is_idle());
      requests_ = std::move(requests);
      views_.clear();
      raws_.clear();
      group_.clear();
      for (const Words& words : requests_) {
        views_.emplace_back(words.begin(), words.end());
        std::string& raw = raws_.emplace_back("*" + std::to_string(words.size()) + "\r\n");
        for (const std::string& word : words) {
          raw.append("$").append(std::to_string(word.size())).append("\r\n");
          raw.append(word).append("\r\n");
        }
      }
      for (std::size_t i = 0; i < requests_.size(); ++i) group_.push_back({views_[i], raws_[i]});
      done_count_ = 0;
    }
    bool is_idle() const { return done_count_ == requests_.size(); }
    bool is_parked() const { return is_parked_; }
    bool may_run() const { return !is_running_ && !is_idle() && (!is_parked_ || is_awake_); }
    bool is_running() const { return is_running_; }

    struct Done {
      std::vector<Words> requests;
      std::vector<std::string> replies;
    };
    /// Runs what has been sent, until something has to wait. Returns what was done.
    Done advance(Millis now) {
      resp::StringOutput output;
      resp::Reply reply(output, dialect);
      is_awake_ = false;
      is_running_ = true;
      const auto progress =
          dispatcher_.run(*this, std::span(group_).subspan(done_count_), reply, now);
      is_running_ = false;
      is_parked_ = progress.is_parked;
      const auto begin = requests_.begin() + static_cast<std::ptrdiff_t>(done_count_);
      done_count_ += progress.done;
      Done done{{begin, requests_.begin() + static_cast<std::ptrdiff_t>(done_count_)},
                split(output.view())};
      ASSERT(done.replies.size() == done.requests.size());
      return done;
    }

   private:
    command::Dispatcher dispatcher_;
    std::vector<Words> requests_;
    std::vector<std::vector<Bytes>> views_;
    std::vector<std::string> raws_;
    std::vector<resp::Request> group_;
    std::size_t done_count_ = 0;
    bool is_parked_ = false;
    bool is_awake_ = false;
    bool is_running_ = false;
  };

  /// Runs `requests` on a connection of the server's own, on database `db`. Returns the replies.
  /// Requires: nothing has to wait: the memory engine.
  std::vector<std::string> run(const std::vector<Words>& requests, std::uint32_t db, Millis now) {
    if (own_ == nullptr) own_ = std::make_unique<Client>(*this);
    own_->db = db;
    own_->send(requests);
    auto done = own_->advance(now);
    ASSERT(own_->is_idle());
    return std::move(done.replies);
  }

  bool is_write(const Words& request) const {
    const std::vector<Bytes> words(request.begin(), request.end());
    const command::Row* row = table_.resolve(words);
    return row != nullptr && row->has(command::Flag::kWrite);
  }

  /// The database that run() left selected.
  std::uint32_t own_db() const { return own_->db; }

  /// Has something happened that ends the process? Errors: what.
  const Status& death() const { return death_; }
  /// Was it the store, read in the midst of a command?
  bool is_unreadable() const { return is_unreadable_; }

  keyspace::Keyspace& keyspace() { return *keyspace_; }
  store::Store& store() { return *store_; }
  log::Log& log() { return *log_; }
  keyspace::Checkpointer& checkpointer() { return *checkpointer_; }
  /// Null if cold keys are loaded in place.
  keyspace::Loader* loader() { return loader_.get(); }
  keyspace::ColdExpiry& cold_expiry() { return *cold_expiry_; }

 private:
  SimServer(const Options& options, io::Clock& clock, io::SimDisk* disk)
      : options_(options), clock_(clock), disk_(disk) {}

  void die(const Status& status) {
    if (death_.ok()) death_ = status;
    disk_->power_off();
  }

  // As Server::recover().
  Status recover(const OpenStore& open_store) {
    log::Options options;
    options.folder = "/db/log";
    options.segment_bytes = options_.segment_bytes;
    options.fsync = options_.fsync;
    options.seed = options_.seed;
    options.start_syncer_thread = false;
    options.on_fatal = [this](const Status& status) { die(status); };
    TRY(disk_->make_folder("/db"));
    TRY_LET(store_, open_store());
    TRY_LET(const std::optional<store::Marker> marker, store_->marker());
    if (marker) {
      options_.keyspace.hash_seed = marker->hash_seed;
      options.checkpoint = marker->offset;
    }
    keyspace_ = std::make_unique<keyspace::Keyspace>(options_.keyspace, nullptr, store_.get());
    keyspace_->on_unreadable = [this](const Status& status) {
      is_unreadable_ = is_unreadable_ || death_.ok();
      die(status);
    };
    checkpointer_ = std::make_unique<keyspace::Checkpointer>(*keyspace_, clock_);
    checkpointer_->set(options_.checkpoints);
    if (marker) {
      keyspace_->restore(*marker);
      checkpointer_->start_from(*marker);
    }
    {
      command::Services services = services_with();
      keyspace::ReplayWarmer warmer(*keyspace_, clock_);
      const auto pause = [&](const log::Position& position) -> Status {
        warmer.step();
        if (!death_.ok()) return death_;
        if (!checkpoints_in_replay_ || !checkpoints_in_replay_()) return {};
        const Status status = checkpointer_->run(position);
        const bool lacks_room = !status.ok() && status.error().code == Code::kNoSpace;
        return lacks_room ? Status() : status;
      };
      Replayer replayer(
          services, marker ? marker->selected_db : 0, [](const std::string&) {}, pause);
      TRY_LET(log_, log::Log::open(*disk_, clock_, std::move(options), replayer));
    }
    keyspace_->attach_log(*log_);
    return {};
  }

  command::Services services_with() {
    return {.keyspace = *keyspace_,
            .log = keyspace_->log(),
            .clock = clock_,
            .table = table_,
            .clients = clients_,
            .config = config_,
            .statistics = statistics_,
            .lifecycle = *this,
            .facts = facts_,
            .checkpointer = checkpointer_.get(),
            .loader = loader_.get()};
  }
  void serve() {
    if (keyspace_->store() != nullptr) {
      if (options_.has_loader) {
        loader_ = std::make_unique<keyspace::Loader>(*keyspace_, clock_);
        loader_->admission().set_budget(options_.admission_bytes);
      }
      cold_expiry_ = std::make_unique<keyspace::ColdExpiry>(*keyspace_, clock_);
    }
    services_ = std::make_unique<command::Services>(services_with());
  }

  /// One reply after the other, of RESP2.
  static std::vector<std::string> split(Bytes replies) {
    std::vector<std::string> all;
    while (!replies.empty()) {
      const std::size_t size = reply_size(replies);
      all.emplace_back(replies.substr(0, size));
      replies.remove_prefix(size);
    }
    return all;
  }
  static std::size_t reply_size(Bytes replies) {
    const std::size_t line = replies.find("\r\n") + 2;
    ASSERT(line > 1);
    const bool is_bulk = replies[0] == '$';
    if (!is_bulk && replies[0] != '*') return line;
    long count = 0;
    const bool is_negative = replies[1] == '-';
    for (const char digit : replies.substr(1, line - 3)) {
      if (digit != '-') count = count * 10 + (digit - '0');
    }
    if (is_negative) return line;
    if (is_bulk) return line + static_cast<std::size_t>(count) + 2;
    std::size_t size = line;
    for (; count > 0; --count) size += reply_size(replies.substr(size));
    return size;
  }

  void request_shutdown(bool) override {}
  Status reload(keyspace::Access&) override { return {Code::kInvalid, "not in this test"}; }
  CheckpointStart start_checkpoint(bool) override { return CheckpointStart::kRefused; }
  Status checkpoint() override { return {Code::kInvalid, "not in this test"}; }

  Options options_;
  io::Clock& clock_;
  io::SimDisk* disk_;
  Status death_;
  bool is_unreadable_ = false;
  std::function<bool()> checkpoints_in_replay_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<keyspace::Keyspace> keyspace_;
  std::unique_ptr<keyspace::Checkpointer> checkpointer_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<keyspace::Loader> loader_;
  std::unique_ptr<keyspace::ColdExpiry> cold_expiry_;
  std::vector<std::span<const command::Row>> families_ = command::all_families();
  command::CommandTable table_{families_};
  command::ClientRegistry clients_;
  command::Config config_;
  command::Statistics statistics_{table_.rows().size()};
  command::ServerFacts facts_;
  std::unique_ptr<command::Services> services_;
  std::unique_ptr<Client> own_;
};

}  // namespace diskdb::server
