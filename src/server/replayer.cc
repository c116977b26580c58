#include "server/replayer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/number.h"

namespace diskdb::server {
namespace {

constexpr std::size_t kBatch = 256;
constexpr std::int64_t kReportMicros = 2'000'000;

}  // namespace

Replayer::Replayer(command::Services& services, std::uint32_t db,
                   std::function<void(const std::string&)> report, Pause pause)
    : services_(services),
      report_(std::move(report)),
      pause_(std::move(pause)),
      dispatcher_(services),
      reply_(output_) {
  // Whatever the settings are today, what was accepted once is accepted again.
  parser_options_.bulk_bytes_max = std::numeric_limits<std::int64_t>::max();
  session_.db = db;
  services_.keyspace.is_replaying.store(true);
  now_ = services_.clock.wall();
  next_report_ = services_.clock.monotonic() + Micros{kReportMicros};
}

Replayer::~Replayer() { services_.keyspace.is_replaying.store(false); }

Status Replayer::replay(Bytes payload, log::Offset at) {
  resp::RequestParser parser(parser_options_);
  Bytes left = payload;
  while (!left.empty()) {
    const auto status = parser.parse(left, kBatch);
    if (status != resp::ParseStatus::kRequests) {
      return {Code::kCorrupt,
              fmt::format("the log at offset {} holds what is no command: {}",
                          at + (payload.size() - left.size()),
                          status == resp::ParseStatus::kError ? parser.error() : "it is cut off")};
    }
    const Status done = run(parser.requests());
    if (!done.ok()) return done.because(fmt::format("replaying the log near offset {}", at));
    left.remove_prefix(parser.consumed());
  }
  byte_count_ += payload.size();
  if (pause_) TRY(pause_({.offset = at + payload.size(), .db = session_.db}));
  if (const Micros now = services_.clock.monotonic(); now >= next_report_) {
    next_report_ = now + Micros{kReportMicros};
    report_(fmt::format("Loading: {} commands, {} MB of the log so far", command_count_,
                        byte_count_ >> 20U));
  }
  return {};
}

// A transaction's frame is whole or absent: the words around it have done their work.
Status Replayer::run(std::span<const resp::Request> requests) {
  const auto is_frame_word = [](const resp::Request& request) {
    return request.words.size() == 1 && (equals_ignoring_case(request.words[0], "MULTI") ||
                                         equals_ignoring_case(request.words[0], "EXEC"));
  };
  while (!requests.empty()) {
    const auto end = std::ranges::find_if(requests, is_frame_word);
    const auto count = static_cast<std::size_t>(end - requests.begin());
    TRY(dispatcher_.replay(session_, requests.first(count), reply_, now_));
    output_.clear();
    command_count_ += count;
    requests = requests.subspan(std::min(count + 1, requests.size()));
  }
  return {};
}

}  // namespace diskdb::server
