// What finding requests costs: deep pipelines of small commands, one command a call, lines, and
// large requests.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/number.h"
#include "resp/request.h"

namespace diskdb::resp {
namespace {

std::string resp(const std::vector<std::string>& words) {
  std::string text = "*" + format_integer(static_cast<std::int64_t>(words.size())) + "\r\n";
  for (const std::string& word : words) {
    text += "$" + format_integer(static_cast<std::int64_t>(word.size())) + "\r\n" + word + "\r\n";
  }
  return text;
}

// Parses `count` copies of `request`, in batches of 16 as the dispatcher takes them.
void run(benchmark::State& state, const std::string& request, std::size_t count) {
  std::string input;
  for (std::size_t i = 0; i < count; ++i) input += request;
  const ParserOptions options{.inline_replies_resp = true};
  RequestParser parser(options);
  for (auto _ : state) {
    Bytes rest = input;
    while (parser.parse(rest, 16) == ParseStatus::kRequests) {
      benchmark::DoNotOptimize(parser.requests().data());
      rest.remove_prefix(parser.consumed());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
}

void BM_SetPipelined(benchmark::State& state) {
  run(state, resp({"SET", "key:000000012345", "xxx"}), 100);
}
BENCHMARK(BM_SetPipelined);

void BM_Set128Pipelined(benchmark::State& state) {
  run(state, resp({"SET", "key:000000012345", std::string(128, 'x')}), 100);
}
BENCHMARK(BM_Set128Pipelined);

void BM_GetPipelined(benchmark::State& state) {
  run(state, resp({"GET", "key:000000012345"}), 100);
}
BENCHMARK(BM_GetPipelined);

void BM_GetAlone(benchmark::State& state) { run(state, resp({"GET", "key:000000012345"}), 1); }
BENCHMARK(BM_GetAlone);

void BM_PingInline(benchmark::State& state) { run(state, "PING\r\n", 100); }
BENCHMARK(BM_PingInline);

void BM_MsetOf200Words(benchmark::State& state) {
  run(state, resp(std::vector<std::string>(201, "key:000000012345")), 1);
}
BENCHMARK(BM_MsetOf200Words);

// The resumable reader: a million words that arrive in pieces of 16 KB.
void BM_MillionWordsInPieces(benchmark::State& state) {
  const std::string input = resp(std::vector<std::string>(1'000'000, "word"));
  const ParserOptions options;
  for (auto _ : state) {
    RequestParser parser(options);
    std::size_t end = 0;
    while (parser.parse(Bytes(input).substr(0, end), 16) == ParseStatus::kMore) end += 16 * 1024;
    benchmark::DoNotOptimize(parser.requests().data());
  }
  state.SetItemsProcessed(state.iterations() * 1'000'000);
}
BENCHMARK(BM_MillionWordsInPieces)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace diskdb::resp
