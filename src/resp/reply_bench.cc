// What writing replies costs, into one buffer that is emptied every 1000.
#include <benchmark/benchmark.h>

#include <string>

#include "resp/reply.h"

namespace diskdb::resp {
namespace {

template <typename Write>
void run(benchmark::State& state, Dialect dialect, Write write) {
  constexpr int kReplies = 1000;
  StringOutput output;
  Reply reply(output, dialect);
  for (auto _ : state) {
    output.clear();
    for (int i = 0; i < kReplies; ++i) write(reply, i);
    benchmark::DoNotOptimize(output.view().data());
  }
  state.SetItemsProcessed(state.iterations() * kReplies);
}

void BM_Ok(benchmark::State& state) {
  run(state, Dialect::kResp2, [](Reply& reply, int) { reply.ok(); });
}
BENCHMARK(BM_Ok);

void BM_Bulk(benchmark::State& state) {
  const std::string value(static_cast<std::size_t>(state.range(0)), 'x');
  run(state, Dialect::kResp2, [&](Reply& reply, int) { reply.bulk(Bytes(value)); });
}
BENCHMARK(BM_Bulk)->Arg(3)->Arg(128)->Arg(4096);

void BM_Integer(benchmark::State& state) {
  run(state, Dialect::kResp2, [](Reply& reply, int i) { reply.integer(i * 7919); });
}
BENCHMARK(BM_Integer);

void BM_Null(benchmark::State& state) {
  run(state, Dialect::kResp2, [](Reply& reply, int) { reply.null(); });
}
BENCHMARK(BM_Null);

void BM_Double(benchmark::State& state) {
  run(state, Dialect::kResp3, [](Reply& reply, int i) { reply.real(i * 0.37); });
}
BENCHMARK(BM_Double);

void BM_PlainBulk(benchmark::State& state) {
  run(state, Dialect::kPlain, [](Reply& reply, int) { reply.bulk("value"); });
}
BENCHMARK(BM_PlainBulk);

}  // namespace
}  // namespace diskdb::resp
