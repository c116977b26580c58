// command/tiered_server.h — for tests: a server but for sockets, with a store on a simulated disk
// behind its keyspace, whose reads can be counted, held up and made to fail. What a loader does
// happens when the test says so, or on threads of the test's.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "command/command_table.h"
#include "command/config.h"
#include "command/dispatcher.h"
#include "command/services.h"
#include "command/session.h"
#include "command/statistics.h"
#include "io/clock.h"
#include "io/sim_disk.h"
#include "keyspace/checkpointer.h"
#include "keyspace/frame_recorder_test.h"
#include "keyspace/keyspace.h"
#include "keyspace/loader.h"
#include "resp/output.h"
#include "resp/reply.h"
#include "store/store.h"

namespace diskdb::command {

/// Another store, whose look-ups the test watches.
///
/// Threads: thread-safe.
class WatchedStore final : public store::Store {
 public:
  explicit WatchedStore(std::unique_ptr<store::Store> store) : store_(std::move(store)) {}

  /// Look-ups in memory find nothing unless this is set.
  std::atomic<bool> has_cache{false};
  /// Called before a read of several keys, and when a read of one has its answer.
  std::function<void()> before_many;
  std::function<void()> after_read;
  std::atomic<int> disk_reads{0};
  /// Reads of keys that end so fail.
  void fail_reads_of(const std::string& key_end) {
    const std::lock_guard lock(mutex_);
    failing_.insert(key_end);
  }
  void heal() {
    const std::lock_guard lock(mutex_);
    failing_.clear();
  }

  Result<store::Presence> get(Bytes key, store::Reach reach, std::string* value) override {
    if (reach == store::Reach::kMemory) {
      if (!has_cache) return store::Presence::kUnknown;
    } else {
      TRY(note_read(key));
    }
    const auto answer = store_->get(key, store::Reach::kDisk, value);
    if (reach == store::Reach::kDisk && after_read) after_read();
    return answer;
  }
  Status get_many(const std::vector<Bytes>& keys,
                  const std::function<void(std::size_t, Bytes)>& visit) override {
    if (before_many) before_many();
    for (std::size_t i = 1; i < keys.size(); ++i) EXPECT_LT(keys[i - 1], keys[i]);
    for (const Bytes key : keys) TRY(note_read(key));
    return store_->get_many(keys, visit);
  }
  Status scan(Bytes from, Bytes to, const std::function<bool(Bytes, Bytes)>& visit) override {
    return store_->scan(from, to, visit);
  }
  Result<std::optional<store::Marker>> marker() override { return store_->marker(); }
  Result<std::unique_ptr<store::CheckpointFiles>> begin_files() override {
    return store_->begin_files();
  }
  Status ingest(store::CheckpointFiles& files) override { return store_->ingest(files); }
  bool needs_reopen() const override { return store_->needs_reopen(); }
  Status reopen() override { return store_->reopen(); }
  store::Stats stats() const override { return store_->stats(); }
  double pressure() const override { return store_->pressure(); }
  Status settle() override { return store_->settle(); }

 private:
  Status note_read(Bytes key) {
    ++disk_reads;
    const std::lock_guard lock(mutex_);
    for (const std::string& end : failing_) {
      if (key.ends_with(end)) return {Code::kIo, "a sector is gone"};
    }
    return {};
  }

  std::unique_ptr<store::Store> store_;
  std::mutex mutex_;
  std::set<std::string> failing_;  // guarded by mutex_
};

/// Threads: what is called on it, by one at a time; its parts as they say.
class TieredServer {
 public:
  class Client final : public Session {
   public:
    explicit Client(TieredServer& server) : dispatcher_(server.services) {}
    ~Client() override { unpark(); }

    /// The replies of a pipeline, or what there is of them when it has to wait: then the next call
    /// without words goes on.
    std::string run(std::vector<std::vector<std::string>> pipeline = {}) {
      if (!pipeline.empty()) {
        pipeline_ = std::move(pipeline);
        words_.clear();
        requests_.clear();
        for (const auto& words : pipeline_) words_.emplace_back(words.begin(), words.end());
        for (const auto& words : words_) requests_.push_back({.words = words, .raw = {}});
        left_ = requests_;
      }
      resp::StringOutput output;
      resp::Reply reply(output, dialect);
      const auto progress = dispatcher_.run(*this, left_, reply, now);
      left_ = left_.subspan(progress.done);
      is_parked = progress.is_parked;
      return std::string(output.view());
    }
    /// The same, until it is done; `server`'s loads are served here.
    std::string run_to_end(TieredServer& server, std::vector<std::vector<std::string>> pipeline) {
      std::string replies = run(std::move(pipeline));
      while (is_parked) {
        while (server.loader.work_once()) {
        }
        EXPECT_GT(wake_count.exchange(0), 0) << "parked, and nobody wakes it";
        replies += run();
      }
      return replies;
    }

    void wake() override {
      wake_count.fetch_add(1);
      if (on_wake) on_wake();
    }

    bool is_parked = false;
    std::atomic<int> wake_count{0};
    std::function<void()> on_wake;
    Millis now{1'700'000'000'000};

   private:
    Dispatcher dispatcher_;
    std::vector<std::vector<std::string>> pipeline_;
    std::vector<std::vector<Bytes>> words_;
    std::vector<resp::Request> requests_;
    std::span<const resp::Request> left_;
  };

  /// On RocksDB, where `other` is null. By `clock`, unless `other_clock` is given: borrowed for its
  /// life.
  explicit TieredServer(std::unique_ptr<store::Store> other = nullptr,
                        io::Clock* other_clock = nullptr)
      : time_(other_clock != nullptr ? *other_clock : clock),
        store(other != nullptr ? std::move(other) : open_store(disk)) {}
  TieredServer(const TieredServer&) = delete;
  TieredServer& operator=(const TieredServer&) = delete;

  std::unique_ptr<Client> client() { return std::make_unique<Client>(*this); }

  /// All that is in memory is in the store then, and may be evicted.
  void checkpoint() {
    const Status status = checkpointer.run();
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
  }
  bool evict(const std::string& key, std::uint32_t db = 0) {
    keyspace::Access access(keyspace);
    access.begin(db, {});
    const keyspace::Key hashed = access.key(key);
    keyspace::Shard& shard = keyspace.shard_of(hashed.slot);
    access.hold(shard);
    const bool is_evicted = access.evict(shard, db, hashed);
    access.release();
    return is_evicted;
  }
  /// Sets keys "0" to "count - 1" to values with `value` in front, and has them in the store only.
  void fill(int count, const std::string& value = "v") {
    auto writer = client();
    for (int i = 0; i < count; ++i) {
      writer->run({{"SET", std::to_string(i), value + std::to_string(i)}});
    }
    checkpoint();
    for (int i = 0; i < count; ++i) EXPECT_TRUE(evict(std::to_string(i)));
  }
  std::size_t load_count() {
    std::size_t count = 0;
    for (keyspace::Shard& shard : keyspace.shards()) {
      for (const auto& table : shard.tables) count += table->loads().size();
    }
    return count;
  }

  struct NoLifecycle final : Lifecycle {
    void request_shutdown(bool) override {}
    Status reload(keyspace::Access&) override { return {Code::kInvalid, "there is no log"}; }
    CheckpointStart start_checkpoint(bool) override { return CheckpointStart::kStarted; }
    Status checkpoint() override { return {}; }
  };

  io::ManualClock clock;

 private:
  io::Clock& time_;

 public:
  io::SimDisk disk{1};
  WatchedStore store;
  keyspace::FrameRecorder log;
  keyspace::Keyspace keyspace{
      {.shard_count = 16, .database_count = 4, .hash_seed = 1}, &log, &store};
  keyspace::Checkpointer checkpointer{keyspace, time_};
  keyspace::Loader loader{keyspace, time_};
  std::vector<std::span<const Row>> families = all_families();
  CommandTable commands{families};
  ClientRegistry registry;
  Config config;
  Statistics statistics{commands.rows().size()};
  NoLifecycle lifecycle;
  ServerFacts facts;
  Services services{.keyspace = keyspace,
                    .log = &log,
                    .clock = time_,
                    .table = commands,
                    .clients = registry,
                    .config = config,
                    .statistics = statistics,
                    .lifecycle = lifecycle,
                    .facts = facts,
                    .checkpointer = &checkpointer,
                    .loader = &loader};

 private:
  static std::unique_ptr<store::Store> open_store(io::SimDisk& disk) {
    auto opened = store::Store::open(
        disk, {.folder = "/db", .block_cache_bytes = 1 << 20, .ballast_bytes = 0});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return std::move(*opened);
  }
};

}  // namespace diskdb::command
