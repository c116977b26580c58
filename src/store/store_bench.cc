// What the sorted files cost: writing a record of a checkpoint, ingesting, and looking up what is
// there and what is not. On the machine's disk, in a temporary folder.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "io/random.h"
#include "io/real_disk.h"
#include "store/store.h"

namespace diskdb::store {
namespace {

constexpr std::uint64_t kRecords = 400'000;

/// A store in a folder of its own, gone with the object.
class BenchStore {
 public:
  BenchStore() {
    folder_ = std::filesystem::temp_directory_path() / "diskdb-store-bench-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    Options options;
    options.folder = folder_ + "/db";
    options.block_cache_bytes = 256ULL << 20U;
    auto opened = Store::open(disk_, options);
    if (!opened.ok()) std::abort();
    store_ = std::move(opened.value());
  }
  ~BenchStore() {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  Store* operator->() { return store_.get(); }

  std::unique_ptr<CheckpointFiles> files() {
    auto begun = store_->begin_files();
    if (!begun.ok()) std::abort();
    return std::move(begun.value());
  }
  void ingest(CheckpointFiles& files) {
    if (!files.finish().ok() || !store_->ingest(files).ok()) std::abort();
  }

 private:
  std::string folder_;
  io::RealDisk disk_;
  std::unique_ptr<Store> store_;
};

/// The `i`th of the records' keys, in their order; in between lie keys that do not exist.
void key_of(std::uint64_t i, bool exists, std::string& out) {
  const std::uint64_t slot = i * kSlotCount / kRecords;
  encode_record_key({1, static_cast<std::uint32_t>(slot), 2 * i + (exists ? 0 : 1)}, "memtier-1234",
                    &out);
}

/// 128 bytes of which half compresses away.
std::string value_of(io::Random& random) {
  StoredRecord record;
  std::string value(128, 'x');
  for (std::size_t i = 0; i < 64; ++i) value[i] = static_cast<char>(random.next());
  record.value = value;
  std::string encoded;
  append_record(record, &encoded);
  return encoded;
}

void put_all(CheckpointFiles& files) {
  io::Random random(1);
  const std::string value = value_of(random);
  std::string key;
  for (std::uint64_t i = 0; i < kRecords; ++i) {
    key_of(i, true, key);
    if (!files.put(key, value).ok()) std::abort();
  }
}

void write_records(benchmark::State& state) {
  BenchStore store;
  for (auto _ : state) {
    auto files = store.files();
    put_all(*files);
    if (!files->finish().ok()) std::abort();
    state.PauseTiming();
    files.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRecords));
}
BENCHMARK(write_records)->Unit(benchmark::kMillisecond)->Iterations(5);

void ingest_records(benchmark::State& state) {
  BenchStore store;
  for (auto _ : state) {
    state.PauseTiming();
    auto files = store.files();
    put_all(*files);
    if (!files->finish().ok()) std::abort();
    state.ResumeTiming();
    if (!store->ingest(*files).ok()) std::abort();
  }
}
BENCHMARK(ingest_records)->Unit(benchmark::kMillisecond)->Iterations(3);

void look_up(benchmark::State& state, Reach reach, bool exists) {
  BenchStore store;
  auto files = store.files();
  put_all(*files);
  store.ingest(*files);
  if (!store->scan("\x01", "\x02", [](Bytes, Bytes) { return true; }).ok()) std::abort();
  io::Random random(2);
  std::string key;
  std::string value;
  for (auto _ : state) {
    key_of(random.below(kRecords), exists, key);
    benchmark::DoNotOptimize(store->get(key, reach, &value).ok());
  }
}
BENCHMARK_CAPTURE(look_up, found_in_block_cache, Reach::kDisk, true);
BENCHMARK_CAPTURE(look_up, absent, Reach::kMemory, false);

void look_up_many(benchmark::State& state) {
  BenchStore store;
  auto files = store.files();
  put_all(*files);
  store.ingest(*files);
  if (!store->scan("\x01", "\x02", [](Bytes, Bytes) { return true; }).ok()) std::abort();
  io::Random random(2);
  std::vector<std::string> keys(64);
  for (auto _ : state) {
    std::uint64_t i = random.below(kRecords / 128);
    for (std::string& key : keys) key_of(i += random.below(kRecords / 128) + 1, true, key);
    const std::vector<Bytes> views(keys.begin(), keys.end());
    if (!store->get_many(views, [](std::size_t, Bytes) {}).ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(look_up_many);

void scan_records(benchmark::State& state) {
  BenchStore store;
  auto files = store.files();
  put_all(*files);
  store.ingest(*files);
  for (auto _ : state) {
    if (!store->scan("\x01", "\x02", [](Bytes, Bytes) { return true; }).ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRecords));
}
BENCHMARK(scan_records)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace diskdb::store
