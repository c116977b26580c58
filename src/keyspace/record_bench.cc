// keyspace/record_bench.cc — what a record's memory costs: allocating, filling and freeing records
// of keys of 16 bytes, as SET of a new key and DEL do under the shard's lock. An item is a whole
// life, from allocating to freeing.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "io/random.h"
#include "keyspace/record.h"

namespace diskdb::keyspace {
namespace {

constexpr std::uint64_t kSeed = 7;

// A key that comes and goes at once, as in a queue.
void BM_CreateDestroy(benchmark::State& state) {
  const std::string name = "key:000000012345";
  const std::string value(static_cast<std::size_t>(state.range(0)), 'v');
  const Key key = make_key(name, kSeed);
  for (auto _ : state) {
    Record* record = Record::create(key, value);
    benchmark::DoNotOptimize(record);
    Record::destroy(record);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_CreateDestroy)->Arg(8)->Arg(32)->Arg(128)->Arg(1024);

// As many as fit into the nearer caches, made and then freed in another order: what a loop's turn
// of many clients does.
void BM_CreateManyDestroyMany(benchmark::State& state) {
  constexpr std::size_t kMany = 1000;
  const std::string name = "key:000000012345";
  const std::string value(static_cast<std::size_t>(state.range(0)), 'v');
  const Key key = make_key(name, kSeed);
  std::vector<Record*> records(kMany);
  std::vector<std::uint32_t> order(kMany);
  io::Random random(1);
  for (std::size_t i = 0; i < kMany; ++i) {
    const std::size_t other = random.below(i + 1);
    order[i] = order[other];
    order[other] = static_cast<std::uint32_t>(i);
  }
  for (auto _ : state) {
    for (Record*& record : records) record = Record::create(key, value);
    for (const std::uint32_t i : order) Record::destroy(records[i]);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kMany));
}
BENCHMARK(BM_CreateManyDestroyMany)->Arg(32)->Arg(128);

// Values that outgrow their record and shrink again.
void BM_Reshape(benchmark::State& state) {
  const std::string name = "key:000000012345";
  const std::string small(32, 'v');
  const std::string large(300, 'v');
  Record* record = Record::create(make_key(name, kSeed), small);
  for (auto _ : state) {
    record = Record::with_string(record, large);
    record = Record::with_string(record, small);
  }
  Record::destroy(record);
  state.SetItemsProcessed(state.iterations() * 2);
}
BENCHMARK(BM_Reshape);

}  // namespace
}  // namespace diskdb::keyspace
