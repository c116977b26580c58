// keyspace/contention_bench.cc — threads on one keyspace and one log: groups of 16 SETs, as the
// dispatcher takes them, without sockets, parsing and replies, so that shards and log are as
// contended as they can be. bench/contention_model.py is fed by these figures at one thread, and
// held against those at two. `cut_short`: how often a group found a shard taken, by group.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/random.h"
#include "io/real_disk.h"
#include "keyspace/access.h"
#include "keyspace/keyspace.h"

namespace diskdb::keyspace {
namespace {

constexpr std::size_t kKeyCount = 1'000'000;
constexpr std::size_t kGroup = 16;
constexpr std::size_t kDrawn = 1 << 18;  // keys that a thread goes through, again and again
constexpr std::size_t kWarmGroups = 1000;
constexpr std::size_t kValueBytes = 128;
constexpr double kTheta = 0.99;
constexpr std::size_t kSegmentsKept = 4;
constexpr std::uint64_t kGroupsToAWrite = 8;  // about what a loop's turn has

std::string key_text(std::uint64_t i) {
  std::string text = "key:000000000000";
  for (std::size_t at = text.size() - 1; i > 0; --at, i /= 10) {
    text[at] = static_cast<char>('0' + i % 10);
  }
  return text;
}

class Ignore final : public log::Replay {
 public:
  Status replay(Bytes, log::Offset) override { return {}; }
};

/// A log in a folder of its own, gone with the object. Nothing is fsynced unless files are short.
class ScratchLog {
 public:
  ScratchLog() {
    folder_ = std::filesystem::temp_directory_path() / "diskdb-contention-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    Ignore replay;
    log::Options options;
    options.folder = folder_;
    options.fsync = log::Fsync::kNo;
    auto opened = log::Log::open(disk_, clock_, options, replay);
    if (!opened.ok()) std::abort();
    log_ = std::move(opened.value());
  }
  ScratchLog(const ScratchLog&) = delete;
  ScratchLog& operator=(const ScratchLog&) = delete;
  ~ScratchLog() {
    log_.reset();
    std::filesystem::remove_all(folder_);
  }
  log::Log* get() { return log_.get(); }
  void write() { log_->write_pending(); }
  /// Keeps the disk out of it: files written are used again. By one thread only.
  void recycle() {
    if (log_->stats().segment_count <= kSegmentsKept) return;
    if (!log_->sync_all().ok() || !log_->release_below(log_->stats().synced).ok()) std::abort();
  }

 private:
  std::string folder_;
  io::RealDisk disk_;
  io::RealClock clock_;
  std::unique_ptr<log::Log> log_;
};

struct Server {
  Server() : keyspace({.hash_seed = 7}, nullptr) {
    Access access(keyspace);
    const std::string value(kValueBytes, 'v');
    for (std::size_t i = 0; i < kKeyCount; ++i) {
      const std::string text = key_text(i);
      const Key key = access.key(text);
      access.begin(0, {1'000'000});
      access.hold(keyspace.shard_of(key.slot));
      access.begin_command({}, {}, Logged::kVerbatim, false);
      access.set_string(key, value);
      access.end_command();
      access.release();
    }
    keyspace.attach_log(*log.get());
  }
  ScratchLog log;
  Keyspace keyspace;
};

/// Keys in the order in which one thread uses them.
std::vector<std::string> draw_keys(bool is_zipfian, std::uint64_t seed) {
  io::Random random(seed);
  std::vector<std::string> keys;
  std::vector<double> sums;
  double sum = 0;
  for (std::size_t i = 1; is_zipfian && i <= kKeyCount; ++i) {
    sums.push_back(sum += std::pow(static_cast<double>(i), -kTheta));
  }
  for (std::size_t i = 0; i < kDrawn; ++i) {
    std::size_t rank = random.below(kKeyCount);
    if (is_zipfian) {
      const double at = sum * static_cast<double>(random.below(1ULL << 53)) * 0x1.0p-53;
      rank = static_cast<std::size_t>(std::ranges::lower_bound(sums, at) - sums.begin());
    }
    keys.push_back(key_text(std::min(rank, kKeyCount - 1)));
  }
  return keys;
}

/// One thread's part: groups of SETs, each as many commands as find their shards free.
class Setter {
 public:
  Setter(Server& server, std::vector<std::string> texts)
      : server_(server), access_(server.keyspace), texts_(std::move(texts)) {}

  void run_group() {
    for (Key& key : keys_) {
      key = access_.key(texts_[next_++ % texts_.size()]);
      __builtin_prefetch(&shard_of(key));
    }
    const std::span<const Key> keys(keys_);
    for (std::size_t done = 0; done < kGroup;) done += run_some(keys.subspan(done));
    if (++groups_ % kGroupsToAWrite == 0) server_.log.write();
  }
  std::uint64_t cut_short() const { return cut_short_; }

 private:
  Shard& shard_of(const Key& key) { return server_.keyspace.shard_of(key.slot); }

  std::size_t run_some(std::span<const Key> keys) {
    access_.begin(0, {1'000'000});
    std::size_t count = 0;
    while (count < keys.size() && access_.try_hold(shard_of(keys[count]))) {
      access_.table(shard_of(keys[count]), 0).prefetch_bucket(keys[count]);
      ++count;
    }
    if (count < keys.size()) ++cut_short_;
    if (count == 0) {
      access_.hold(shard_of(keys[0]));
      count = 1;
    }
    for (const Key& key : keys.first(count))
      access_.table(shard_of(key), 0).prefetch_record(key, 128);
    for (const Key& key : keys.first(count)) {
      access_.begin_command({}, frame_, Logged::kVerbatim, false);
      access_.set_string(key, value_);
      access_.end_command();
    }
    access_.release();
    return count;
  }

  Server& server_;
  Access access_;
  std::vector<std::string> texts_;
  std::string value_ = std::string(kValueBytes, 'v');
  std::string frame_ = std::string(170, 'x');
  std::array<Key, kGroup> keys_;
  std::size_t next_ = 0;
  std::uint64_t groups_ = 0;
  std::uint64_t cut_short_ = 0;
};

void BM_SetGroups(benchmark::State& state) {
  static Server server;
  const auto number = static_cast<std::uint64_t>(state.thread_index());
  Setter setter(server, draw_keys(state.range(0) != 0, number + 1));
  if (number == 0) server.log.recycle();
  for (std::size_t i = 0; i < kWarmGroups; ++i) setter.run_group();
  for (auto _ : state) setter.run_group();
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kGroup));
  const double groups = static_cast<double>(state.iterations());
  state.counters["cut_short"] = benchmark::Counter(static_cast<double>(setter.cut_short()) / groups,
                                                   benchmark::Counter::kAvgThreads);
}
BENCHMARK(BM_SetGroups)->ArgName("zipfian")->Arg(0)->Arg(1)->ThreadRange(1, 2)->UseRealTime();

}  // namespace
}  // namespace diskdb::keyspace
