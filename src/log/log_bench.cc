// What the log costs: appending a frame, writing it, and reading it back at a start. On the
// machine's disk, in a temporary folder; fsyncs are the syncer's and not in these figures.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "io/real_disk.h"
#include "log/log.h"

namespace diskdb::log {
namespace {

class Ignore final : public Replay {
 public:
  Status replay(Bytes payload, Offset) override {
    benchmark::DoNotOptimize(payload.data());
    bytes += payload.size();
    return Status::okay();
  }
  std::uint64_t bytes = 0;
};

/// A log in a folder of its own, gone with the object.
class BenchLog {
 public:
  explicit BenchLog(std::uint64_t segment_bytes = 64_MiB) {
    folder_ = std::filesystem::temp_directory_path() / "diskdb-log-bench-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    options_.folder = folder_ + "/log";
    options_.segment_bytes = segment_bytes;
    reopen();
  }
  ~BenchLog() {
    log_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::uint64_t reopen() {
    log_.reset();
    Ignore replay;
    auto opened = Log::open(disk_, clock_, options_, replay);
    if (!opened.ok()) std::abort();
    log_ = std::move(opened.value());
    return replay.bytes;
  }
  Log& operator*() { return *log_; }
  Log* operator->() { return log_.get(); }

 private:
  std::string folder_;
  io::RealDisk disk_;
  io::RealClock clock_;
  Options options_;
  std::unique_ptr<Log> log_;
};

std::string frame_of(std::int64_t bytes) {
  return std::string(static_cast<std::size_t>(bytes), 'x');
}

/// Keeps the disk out of it: what is written is released, and its files are used again.
void write_and_release(BenchLog& log) {
  log->write_pending();
  if (log->stats().segment_count > 4 && !log->release_below(log->stats().synced).ok()) std::abort();
}

/// Frames of range(0) bytes, in as many parts as a SET has, range(1) of them to a write.
void append_and_write(benchmark::State& state) {
  BenchLog log;
  const std::string frame = frame_of(state.range(0));
  const Bytes whole(frame);
  const Bytes parts[] = {whole.substr(0, 20), whole.substr(20)};
  std::int64_t count = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(log->append(0, parts));
    if (++count % state.range(1) == 0) write_and_release(log);
  }
  state.SetBytesProcessed(count * state.range(0));
  state.SetItemsProcessed(count);
}
BENCHMARK(append_and_write)->Args({170, 1})->Args({170, 16})->Args({170, 400})->Args({100'000, 1});

/// Appending alone: the write happens while the clock stands.
void append_only(benchmark::State& state) {
  BenchLog log;
  const std::string frame = frame_of(state.range(0));
  const Bytes parts[] = {frame};
  std::int64_t count = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(log->append(0, parts));
    if (++count % 400 == 0) {
      state.PauseTiming();
      write_and_release(log);
      state.ResumeTiming();
    }
  }
  state.SetItemsProcessed(count);
}
BENCHMARK(append_only)->Arg(40)->Arg(170)->Arg(1000);

void acknowledgeable(benchmark::State& state) {
  BenchLog log;
  for (auto _ : state) benchmark::DoNotOptimize(log->acknowledgeable());
}
BENCHMARK(acknowledgeable);

/// A start over 128 MB of frames of 170 bytes, range(0) to a batch: validation and the walk over
/// the payload.
void start_over_the_log(benchmark::State& state) {
  BenchLog log;
  const std::string frame = frame_of(170);
  const Bytes parts[] = {frame};
  for (int i = 0; i < 800'000; ++i) {
    log->append(0, parts);
    if (i % state.range(0) == 0) log->write_pending();
  }
  if (!log->sync_all().ok()) std::abort();
  std::uint64_t bytes = 0;
  for (auto _ : state) bytes += log.reopen();
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(bytes / 170));
}
BENCHMARK(start_over_the_log)->Arg(1)->Arg(100)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace diskdb::log
