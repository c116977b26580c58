// server/metrics_endpoint.h — what the HTTP port answers: /metrics, /healthz, /readyz. It is there
// before the data is, so that whoever watches sees a start under way.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "command/metrics.h"
#include "command/services.h"
#include "io/clock.h"
#include "net/http_server.h"
#include "net/socket.h"

namespace diskdb::server {

/// Why writes are refused now, in words; empty: they are not.
std::string refusal_of_writes(const command::Services& services);

/// Threads: one at a time; its answers are given on the HTTP server's thread.
class MetricsEndpoint {
 public:
  explicit MetricsEndpoint(io::Clock& clock)
      : http_(clock, [this](Bytes path) { return respond(path); }) {}
  /// As stop().
  ~MetricsEndpoint() { stop(); }

  /// Serves on `sockets`, which are bound: alive, not ready. Errors: kIo, kBusy.
  Status start(std::vector<net::Socket> sockets) { return http_.start(std::move(sockets)); }
  /// Recovery is over. Borrows `services` until stop().
  void set_ready(command::Services& services);
  /// From now on not ready; /metrics goes on.
  void set_ending();
  void stop() { http_.stop(); }

 private:
  net::HttpResponse respond(Bytes path);
  net::HttpResponse respond_ready() const;  ///< Requires: m_ held.

  std::mutex m_;
  // guarded by m_
  command::Services* services_ = nullptr;  ///< null: the data is not there yet
  std::unique_ptr<command::MetricsReader> reader_;
  bool is_ending_ = false;
  net::HttpServer http_;  ///< the last member: its thread uses the others
};

}  // namespace diskdb::server
