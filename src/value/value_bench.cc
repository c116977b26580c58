// value/value_bench.cc — what the counted tree itself costs: elements of 20 bytes, keys at random,
// without keyspace, parsing, replies and log. The counter `bytes` is what the tree says it takes
// for each element.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "value/counted_tree.h"
#include "value/page_testing.h"
#include "value/sorted_set.h"

namespace diskdb::value {
namespace {

constexpr std::size_t kCount = 1'000'000;
constexpr std::size_t kTextBytes = 20;

std::string text_of(std::uint64_t i) {
  std::string text = "member:0000000000000";
  for (std::size_t at = kTextBytes - 1; i > 0; --at, i /= 10) {
    text[at] = static_cast<char>('0' + i % 10);
  }
  return text;
}

/// Stands in for the keyspace's hash.
std::uint64_t hash_of(std::uint64_t i) { return Numbers(i).next(); }

double score_of(std::uint64_t i) { return static_cast<double>(hash_of(i ^ 0x5555) >> 20U); }

void report(benchmark::State& state, std::size_t bytes, std::size_t count) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
  state.counters["bytes"] = static_cast<double>(bytes) / static_cast<double>(count);
}

/// Runs `insert(i)` for i below kCount into a fresh container, again and again.
template <typename Container, typename Make, typename Insert>
void run_inserts(benchmark::State& state, Make make, Insert insert) {
  std::unique_ptr<Container> container = make();
  std::size_t i = 0;
  std::size_t bytes = 0;
  for (auto _ : state) {
    insert(*container, i);
    if (++i < kCount) continue;
    state.PauseTiming();
    bytes = container->bytes();
    container = make();
    i = 0;
    state.ResumeTiming();
  }
  report(state, bytes, kCount);
}

constexpr PageShape kListShape{.key_bytes = 0};
constexpr PageShape kSetShape{.key_bytes = 8};
constexpr PageShape kHashShape{.key_bytes = 8, .is_pairs = true};

void BM_SetInsert(benchmark::State& state) {
  const auto page_bytes = static_cast<std::size_t>(state.range(0));
  run_inserts<CountedTree>(
      state, [&] { return std::make_unique<CountedTree>(kSetShape, page_bytes); },
      [](CountedTree& tree, std::size_t i) {
        tree.insert({hash_of(i), 0}, Entry::whole(text_of(i)), {});
      });
}
BENCHMARK(BM_SetInsert)->Arg(1024)->Arg(2048)->Arg(4096)->Iterations(kCount);

void BM_HashInsert(benchmark::State& state) {
  run_inserts<CountedTree>(
      state, [&] { return std::make_unique<CountedTree>(kHashShape); },
      [](CountedTree& tree, std::size_t i) {
        const std::string text = text_of(i);
        tree.put({hash_of(i), 0}, Entry::pair(text, text), {});
      });
}
BENCHMARK(BM_HashInsert)->Iterations(kCount);

void BM_SortedSetInsert(benchmark::State& state) {
  run_inserts<SortedSet>(
      state, [] { return std::make_unique<SortedSet>(); },
      [](SortedSet& set, std::size_t i) { set.put(hash_of(i), text_of(i), score_of(i), {}); });
}
BENCHMARK(BM_SortedSetInsert)->Iterations(kCount);

void BM_ListAppend(benchmark::State& state) {
  run_inserts<CountedTree>(
      state, [] { return std::make_unique<CountedTree>(kListShape); },
      [](CountedTree& tree, std::size_t i) {
        tree.insert_at(tree.count(), Entry::whole(text_of(i)), {});
      });
}
BENCHMARK(BM_ListAppend)->Iterations(kCount);

void BM_ListPrepend(benchmark::State& state) {
  run_inserts<CountedTree>(
      state, [] { return std::make_unique<CountedTree>(kListShape); },
      [](CountedTree& tree, std::size_t i) { tree.insert_at(0, Entry::whole(text_of(i)), {}); });
}
BENCHMARK(BM_ListPrepend)->Iterations(kCount);

/// Random members of a set of so many, through `use`.
template <typename Use>
void run_set(benchmark::State& state, Use use) {
  const auto count = static_cast<std::uint64_t>(state.range(0));
  CountedTree tree(kSetShape);
  for (std::uint64_t i = 0; i < count; ++i) {
    tree.insert({hash_of(i), 0}, Entry::whole(text_of(i)), {});
  }
  Numbers numbers(9);
  for (auto _ : state) use(tree, numbers.below(count));
  report(state, tree.bytes(), count);
}

void BM_SetFind(benchmark::State& state) {
  run_set(state, [](CountedTree& tree, std::uint64_t i) {
    benchmark::DoNotOptimize(tree.find({hash_of(i), 0}, text_of(i)).is_at_end());
  });
}
BENCHMARK(BM_SetFind)->Arg(1'000)->Arg(100'000)->Arg(1'000'000)->Arg(10'000'000);

void BM_Rank(benchmark::State& state) {
  run_set(state, [](CountedTree& tree, std::uint64_t i) {
    benchmark::DoNotOptimize(tree.rank({hash_of(i), 0}, text_of(i)));
  });
}
BENCHMARK(BM_Rank)->Arg(1'000)->Arg(100'000)->Arg(10'000'000);

void BM_EraseAndInsert(benchmark::State& state) {
  run_set(state, [](CountedTree& tree, std::uint64_t i) {
    const std::string text = text_of(i);
    tree.erase({hash_of(i), 0}, text, {});
    tree.insert({hash_of(i), 0}, Entry::whole(text), {});
  });
}
BENCHMARK(BM_EraseAndInsert)->Arg(1'000'000);

template <typename Use>
void run_list(benchmark::State& state, Use use) {
  const auto count = static_cast<std::uint64_t>(state.range(0));
  CountedTree tree(kListShape);
  for (std::uint64_t i = 0; i < count; ++i) tree.insert_at(i, Entry::whole(text_of(i)), {});
  Numbers numbers(9);
  for (auto _ : state) use(tree, numbers.below(count));
  report(state, tree.bytes(), count);
}

void BM_Index(benchmark::State& state) {
  run_list(state, [](CountedTree& tree, std::uint64_t i) {
    benchmark::DoNotOptimize(tree.at(i).entry().data());
  });
}
BENCHMARK(BM_Index)->Arg(1'000)->Arg(100'000)->Arg(10'000'000);

void BM_RangeOfTen(benchmark::State& state) {
  run_list(state, [](CountedTree& tree, std::uint64_t i) {
    std::size_t bytes = 0;
    CountedTree::Cursor cursor = tree.at(std::min(i, tree.count() - 10));
    for (int n = 0; n < 10; ++n, cursor.next()) bytes += cursor.entry().size();
    benchmark::DoNotOptimize(bytes);
  });
}
BENCHMARK(BM_RangeOfTen)->Arg(1'000)->Arg(100'000)->Arg(10'000'000);

void BM_SetInTheMiddle(benchmark::State& state) {
  const std::string text(kTextBytes, 'x');
  run_list(state,
           [&](CountedTree& tree, std::uint64_t i) { tree.replace_at(i, Entry::whole(text), {}); });
}
BENCHMARK(BM_SetInTheMiddle)->Arg(1'000'000);

template <typename Use>
void run_sorted_set(benchmark::State& state, Use use) {
  SortedSet set;
  for (std::uint64_t i = 0; i < kCount; ++i) set.put(hash_of(i), text_of(i), score_of(i), {});
  Numbers numbers(9);
  for (auto _ : state) use(set, numbers.below(kCount));
  report(state, set.bytes(), kCount);
}

void BM_Score(benchmark::State& state) {
  run_sorted_set(state, [](SortedSet& set, std::uint64_t i) {
    benchmark::DoNotOptimize(set.score(hash_of(i), text_of(i)));
  });
}
BENCHMARK(BM_Score);

void BM_Rescore(benchmark::State& state) {
  std::uint64_t n = 0;
  run_sorted_set(state, [&](SortedSet& set, std::uint64_t i) {
    set.put(hash_of(i), text_of(i), score_of(++n), {});
  });
}
BENCHMARK(BM_Rescore);

}  // namespace
}  // namespace diskdb::value
