// bench/hot_path.cc — the path of a plain command without sockets: requests as received are parsed,
// executed, answered, and their frames written to a log. For counting instructions
// (bench/instructions.py), which are the same on every run.
//
//     hot_path LOAD PIPELINES [KEYS]
//
// LOAD: set, get, incr, mixed; lset (in the middle), hget, zscore, zadd (new members), zmove (new
// scores); xadd, xreadgroup (of one entry), xack (of the oldest); jget (the last member of a
// document of 1 KB).
// KEYS, or elements of one value: 20000.
// counted_part() is what is counted; what it is given is prepared before. It is timed as well.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/test_server.h"
#include "io/real_disk.h"
#include "log/log.h"
#include "resp/request.h"

namespace {

using namespace diskdb;

constexpr std::size_t kDepth = 16;
constexpr std::size_t kValueBytes = 128;

class Ignore final : public log::Replay {
 public:
  Status replay(Bytes, log::Offset) override { return {}; }
};

/// A log in a folder of its own, gone with the object. Nothing is fsynced.
class ScratchLog {
 public:
  ScratchLog() {
    folder_ = std::filesystem::temp_directory_path() / "diskdb-hot-path-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    Ignore replay;
    log::Options options;
    options.folder = folder_;
    options.fsync = log::Fsync::kNo;
    options.start_syncer_thread = false;
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

 private:
  std::string folder_;
  io::RealDisk disk_;
  io::RealClock clock_;
  std::unique_ptr<log::Log> log_;
};

void append_command(const std::vector<std::string>& words, std::string* out) {
  out->append(fmt::format("*{}\r\n", words.size()));
  for (const std::string& word : words) {
    out->append(fmt::format("${}\r\n{}\r\n", word.size(), word));
  }
}

/// `index`: how many commands were before.
std::vector<std::string> command_of(const std::string& load, std::uint64_t index,
                                    std::uint64_t keys, io::Random& random) {
  const std::string number = fmt::format("{:012}", random.below(keys));
  if (load == "lset") return {"LSET", "list", fmt::format("{}", keys / 2), "element:" + number};
  if (load == "hget") return {"HGET", "hash", "field:" + number};
  if (load == "zscore") return {"ZSCORE", "scores", "member:" + number};
  if (load == "xadd") return {"XADD", "stream", "*", "field", "value:" + number};
  if (load == "xreadgroup") {
    return {"XREADGROUP", "GROUP", "group", "one", "COUNT", "1", "STREAMS", "stream", ">"};
  }
  if (load == "xack") return {"XACK", "stream", "group", fmt::format("{}-0", index % keys + 1)};
  if (load == "jget") return {"JSON.GET", "json:" + number, "$.member40"};
  const std::string score = fmt::format("{}", random.below(1'000'000'000));
  if (load == "zadd") return {"ZADD", "scores", score, "new:" + score};
  if (load == "zmove") return {"ZADD", "scores", score, "member:" + number};
  const bool gets = load == "get" || (load == "mixed" && random.below(2) == 0);
  if (gets) return {"GET", "key:" + number};
  if (load == "incr") return {"INCR", "counter:" + number};
  return {"SET", "key:" + number, std::string(kValueBytes, 'v')};
}

/// What is counted: a pipeline as it came from a socket, its replies written, its frames logged.
[[gnu::noinline]] void counted_part(command::TestServer& server, log::Log& log, Bytes pipeline) {
  (void)server.run_raw(pipeline);
  log.write_pending();
}

/// What is there before the part that is counted.
std::vector<std::vector<std::string>> preparation(const std::string& load, std::uint64_t i,
                                                  std::uint64_t keys, io::Random& random) {
  if (load == "lset") return {{"RPUSH", "list", fmt::format("element:{:012}", i)}};
  if (load == "hget") return {{"HSET", "hash", fmt::format("field:{:012}", i), "some value"}};
  if (load == "jget") {
    std::string text = "{";
    for (std::uint64_t n = 0; n <= 40; ++n) {
      const std::uint64_t number = 1'000'000 + i * n;
      text += n % 2 == 0 ? fmt::format(R"("member{:02}":"some text {}",)", n, number)
                         : fmt::format(R"("member{:02}":{},)", n, number);
    }
    text.back() = '}';
    return {{"JSON.SET", fmt::format("json:{:012}", i), "$", text}};
  }
  if (load.starts_with("x")) {
    std::vector<std::vector<std::string>> commands = {
        {"XADD", "stream", fmt::format("{}-0", i + 1), "field", fmt::format("value:{:012}", i)}};
    if (i == 0) commands.push_back({"XGROUP", "CREATE", "stream", "group", "0"});
    if (load == "xack") commands.push_back(command_of("xreadgroup", 0, keys, random));
    return commands;
  }
  if (load.starts_with("z")) {
    const std::uint64_t score = i * 2'654'435'761 % 1'000'000'000;
    return {{"ZADD", "scores", std::to_string(score), fmt::format("member:{:012}", i)}};
  }
  return {{"SET", fmt::format("key:{:012}", i), std::string(kValueBytes, 'v')},
          {"INCR", fmt::format("counter:{:012}", i)}};
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

int run(const std::string& load, std::size_t pipeline_count, std::uint64_t keys) {
  ScratchLog log;
  command::TestServer server(log.get());
  io::Random random(1);
  std::string text;
  for (std::uint64_t i = 0; i < keys; ++i) {
    text.clear();
    for (const auto& words : preparation(load, i, keys, random)) append_command(words, &text);
    (void)server.run_raw(text);
    log.get()->write_pending();
  }
  // Prepared in portions: writing them down beside would disturb what is timed.
  constexpr std::size_t kPortion = 500;
  double seconds = 0;
  std::vector<std::string> pipelines(kPortion);
  for (std::size_t done = 0; done < pipeline_count; done += kPortion) {
    const std::size_t count = std::min(kPortion, pipeline_count - done);
    for (std::size_t i = 0; i < count; ++i) {
      pipelines[i].clear();
      for (std::size_t k = 0; k < kDepth; ++k) {
        append_command(command_of(load, (done + i) * kDepth + k, keys, random), &pipelines[i]);
      }
    }
    const double begin = cpu_seconds();
    for (std::size_t i = 0; i < count; ++i) counted_part(server, *log.get(), pipelines[i]);
    seconds += cpu_seconds() - begin;
  }
  const auto commands = static_cast<double>(pipeline_count * kDepth);
  fmt::print("{} commands, {:.0f} ns each\n", pipeline_count * kDepth, seconds * 1e9 / commands);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto count = argc >= 3 ? parse_integer(argv[2]) : std::nullopt;
  const auto keys = argc == 4 ? parse_integer(argv[3]) : 20'000;
  if (argc > 4 || !count || *count <= 0 || !keys || *keys <= 0) {
    fmt::print(stderr, "usage: hot_path LOAD PIPELINES [KEYS]\n");
    return 2;
  }
  return run(argv[1], static_cast<std::size_t>(*count), static_cast<std::uint64_t>(*keys));
}
