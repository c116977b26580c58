#include "command/client_line.h"

#include <fmt/format.h>

#include <iterator>

#include "command/command_table.h"

namespace diskdb::command {
namespace {

template <typename T>
T relaxed(const std::atomic<T>& value) {
  return value.load(std::memory_order_relaxed);
}

std::string flags_of(const Session& session) {
  std::string flags;
  if (relaxed(session.is_killed)) flags += 'A';
  if (session.blocked.is_waiting()) flags += 'b';
  if (relaxed(session.is_no_evict)) flags += 'e';
  if (relaxed(session.is_no_touch)) flags += 'T';
  return flags.empty() ? "N" : flags;
}

/// How many bytes the request is in RESP.
std::size_t resp_bytes(std::span<const Bytes> request) {
  if (request.empty()) return 0;
  std::size_t bytes = fmt::formatted_size("*{}\r\n", request.size());
  for (const Bytes word : request) {
    bytes += fmt::formatted_size("${}\r\n", word.size()) + word.size() + 2;
  }
  return bytes;
}

}  // namespace

std::string describe_client(const Session& session, Millis now, std::span<const Bytes> request) {
  const Row* row = relaxed(session.last_row);
  const std::uint64_t input = relaxed(session.input_bytes) + resp_bytes(request);
  std::size_t request_bytes = 0;
  for (const Bytes word : request) request_bytes += word.size();
  const std::uint64_t output = relaxed(session.output_bytes);
  const std::int64_t age_ms = now.count - session.created_at.count;
  const std::int64_t idle_ms = now.count - relaxed(session.last_active_ms);

  std::string line;
  const auto out = std::back_inserter(line);
  fmt::format_to(out, "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={}",
                 session.id, session.address, session.local_address, session.fd, session.name,
                 age_ms / 1000, idle_ms / 1000, flags_of(session), relaxed(session.listed_db));
  fmt::format_to(out, " sub=0 psub=0 ssub=0 multi=-1 qbuf={} qbuf-free=0", input);
  fmt::format_to(out, " argv-mem={} multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={} tot-mem={}",
                 request_bytes, output, sizeof(Session) + input + output);
  fmt::format_to(out, " events={} cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={}",
                 output > 0 ? "rw" : "r", row == nullptr ? "NULL" : full_name(*row),
                 relaxed(session.listed_resp3) ? 3 : 2, session.lib_name, session.lib_version);
  fmt::format_to(out, " tot-net-in={} tot-net-out={} tot-cmds={}", relaxed(session.received_bytes),
                 relaxed(session.sent_bytes), relaxed(session.command_count));
  return line;
}

}  // namespace diskdb::command
