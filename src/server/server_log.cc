#include "server/server_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

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
  const std::string line = fmt::format("{}:M {} {} {}\n", ::getpid(), date_of(clock_.wall()),
                                       kLevelMarks[static_cast<std::size_t>(level)], text);
  const std::lock_guard lock(mutex_);
  std::FILE* file = file_ == nullptr ? stdout : file_.get();
  std::fwrite(line.data(), 1, line.size(), file);
  std::fflush(file);
}

}  // namespace diskdb::server
