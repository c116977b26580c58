// server/server_log.h — the server's own log, for people: lines as redis-server prints them, which
// tools and Redis's test suite read; or, for machines, JSON objects (`log-format json`). (The
// command log is log/log.h.)
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "command/config.h"
#include "io/clock.h"

namespace diskdb::server {

/// In the order of the setting `loglevel`.
enum class Level : std::uint8_t { kDebug, kVerbose, kNotice, kWarning };

/// Threads: thread-safe.
class ServerLog {
 public:
  /// Writes to standard output, or appends to `path` if it is not empty. Borrows both for its life.
  /// Errors: kIo.
  static Result<std::unique_ptr<ServerLog>> open(const std::string& path, io::Clock& clock,
                                                 const command::Settings& settings);

  /// One line: process, time, level and `text`, in the form that the setting `log-format` names.
  void write(Level level, Bytes text);
  void notice(Bytes text) { write(Level::kNotice, text); }
  void warning(Bytes text) { write(Level::kWarning, text); }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  ServerLog(io::Clock& clock, const command::Settings& settings)
      : clock_(clock), settings_(settings) {}

  io::Clock& clock_;
  const command::Settings& settings_;
  std::mutex mutex_;
  std::unique_ptr<std::FILE, Close> file_;  // guarded by mutex_; null: standard output
};

/// `text` as a JSON string, in its quotes. Bytes that are no UTF-8 become U+FFFD.
std::string json_text(Bytes text);

}  // namespace diskdb::server
