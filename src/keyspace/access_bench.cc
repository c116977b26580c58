// keyspace/access_bench.cc — what the hot tier itself costs: a million keys of 16 bytes, values of
// 128, taken in groups of 16 as the dispatcher does, without parsing, replies and log.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "io/random.h"
#include "keyspace/access.h"
#include "keyspace/keyspace.h"

namespace diskdb::keyspace {
namespace {

constexpr std::size_t kKeyCount = 1'000'000;
constexpr std::size_t kGroup = 16;

std::string key_text(std::uint64_t i) {
  std::string text = "key:000000000000";
  for (std::size_t at = text.size() - 1; i > 0; --at, i /= 10) {
    text[at] = static_cast<char>('0' + i % 10);
  }
  return text;
}

struct Fixture {
  Fixture() : keyspace({.hash_seed = 7}, nullptr), access(keyspace), random(1) {
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
  }
  std::string value = std::string(128, 'v');
  Keyspace keyspace;
  Access access;
  io::Random random;
};

template <typename Run>
void run_groups(benchmark::State& state, Run run) {
  static Fixture fixture;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 64 * 1024; ++i) {
    texts.push_back(key_text(fixture.random.below(kKeyCount)));
  }
  std::size_t at = 0;
  Key keys[kGroup];
  for (auto _ : state) {
    fixture.access.begin(0, {1'000'000});
    for (Key& key : keys) {
      key = fixture.access.key(texts[at]);
      at = (at + 1) % texts.size();
      __builtin_prefetch(&fixture.keyspace.shard_of(key.slot));
    }
    for (const Key& key : keys) {
      Shard& shard = fixture.keyspace.shard_of(key.slot);
      fixture.access.try_hold(shard);
      fixture.access.table(shard, 0).prefetch_bucket(key);
    }
    for (const Key& key : keys) {
      fixture.access.table(fixture.keyspace.shard_of(key.slot), 0).prefetch_record(key, 128);
    }
    for (const Key& key : keys) {
      fixture.access.begin_command({}, {}, Logged::kVerbatim, true);
      run(fixture, key);
      fixture.access.end_command();
    }
    fixture.access.release();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kGroup));
}

void BM_Overwrite(benchmark::State& state) {
  run_groups(state, [](Fixture& f, const Key& key) { f.access.set_string(key, f.value); });
}
BENCHMARK(BM_Overwrite);

void BM_Find(benchmark::State& state) {
  std::string copy(128, ' ');
  run_groups(state, [&](Fixture& f, const Key& key) {
    const Record* record = f.access.find(key);
    copy.assign(record->value_bytes());
    benchmark::DoNotOptimize(copy.data());
  });
}
BENCHMARK(BM_Find);

}  // namespace
}  // namespace diskdb::keyspace
