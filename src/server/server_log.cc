#include "server/server_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <iterator>

namespace diskdb::server {
namespace {

constexpr char kLevelMarks[] = ".-*#";

std::string date_of(Millis now) {
  const std::time_t seconds = now.count / 1000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%d %b %Y %H:%M:%S", &parts);
  return fmt::format("{}.{:03}", Bytes(text, size), now.count % 1000);
}

/// As RFC 3339 has it, in UTC.
std::string timestamp_of(Millis now) {
  const std::time_t seconds = now.count / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}Z", Bytes(text, size), now.count % 1000);
}

/// Is `text` from `at` on a whole character of UTF-8 beyond ASCII? How long it is; 0 if not.
std::size_t utf8_size(Bytes text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  std::size_t size = 0;
  if (first >= 0xC2 && first <= 0xDF) size = 2;
  if (first >= 0xE0 && first <= 0xEF) size = 3;
  if (first >= 0xF0 && first <= 0xF4) size = 4;
  if (size == 0 || text.size() - at < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool is_overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool is_surrogate = first == 0xED && byte(1) >= 0xA0;
  const bool is_too_large = first == 0xF4 && byte(1) >= 0x90;
  return is_overlong || is_surrogate || is_too_large ? 0 : size;
}

}  // namespace

std::string json_text(Bytes text) {
  std::string result = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (code < 0x20 || code == 0x7F) {
      fmt::format_to(std::back_inserter(result), "\\u{:04x}", code);
    } else if (code < 0x80) {
      result += c;
    } else if (const std::size_t size = utf8_size(text, i); size > 0) {
      result += text.substr(i, size);
      i += size - 1;
    } else {
      result += "\\ufffd";  // a path need not be UTF-8, JSON must
    }
  }
  return result + '"';
}

namespace {

std::string json_line(Millis now, Level level, Bytes text) {
  constexpr Bytes kLevels[] = {"debug", "verbose", "notice", "warning"};
  return fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"pid\":{},\"message\":{}}}\n",
                     timestamp_of(now), kLevels[static_cast<std::size_t>(level)], ::getpid(),
                     json_text(text));
}

}  // namespace

Result<std::unique_ptr<ServerLog>> ServerLog::open(const std::string& path, io::Clock& clock,
                                                   const command::Settings& settings) {
  std::unique_ptr<ServerLog> log(new ServerLog(clock, settings));
  if (path.empty()) return log;
  log->file_.reset(std::fopen(path.c_str(), "ae"));
  if (log->file_ == nullptr) {
    return {Code::kIo, fmt::format("can't open the log file {}: {}", path, std::strerror(errno))};
  }
  return log;
}

void ServerLog::write(Level level, Bytes text) {
  if (static_cast<std::int64_t>(level) < settings_.log_level.load(std::memory_order_relaxed))
    return;
  const bool is_json = settings_.log_format.load(std::memory_order_relaxed) == 1;
  const std::string line = is_json
                               ? json_line(clock_.wall(), level, text)
                               : fmt::format("{}:M {} {} {}\n", ::getpid(), date_of(clock_.wall()),
                                             kLevelMarks[static_cast<std::size_t>(level)], text);
  const std::lock_guard lock(mutex_);
  std::FILE* file = file_ == nullptr ? stdout : file_.get();
  std::fwrite(line.data(), 1, line.size(), file);
  std::fflush(file);
}

}  // namespace diskdb::server
