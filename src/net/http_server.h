// net/http_server.h — a small HTTP/1.1 server for whoever watches the process: metrics, health.
//
// One thread, apart from those that serve clients; GET only; one request a connection. Nobody can
// hold it up: a request has a bounded length, a connection a bounded life, and while all places are
// taken the oldest makes room for the newest. It is no web server: no body is read, nothing is kept
// alive, and what it answers must be short and quickly made.
#pragma once

#include <poll.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "io/clock.h"
#include "net/socket.h"

namespace diskdb::net {

struct HttpResponse {
  int status = 200;  ///< 200, 404 or 503
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// Threads: start() and stop() by one at a time; the handler is called on the thread it owns.
class HttpServer {
 public:
  static constexpr std::size_t kConnectionsMax = 32;
  static constexpr std::size_t kRequestBytesMax = 8 * 1024;
  static constexpr Millis kLifeMax{5000};

  /// The answer to a GET of `path`, which has no query any more.
  using Handler = std::function<HttpResponse(Bytes path)>;
  /// Borrows `clock` for its life.
  HttpServer(io::Clock& clock, Handler handler) : clock_(clock), handler_(std::move(handler)) {}
  /// As stop().
  ~HttpServer() { stop(); }

  /// Listens on `sockets`, which are bound, and starts to serve. Errors: kIo, kBusy.
  Status start(std::vector<Socket> sockets);
  /// Closes all connections and waits for the thread.
  void stop();

 private:
  struct Connection {
    Socket socket;
    Micros ends_at;
    std::string input;
    std::string output;  ///< not empty: the request is answered
    std::size_t sent = 0;
  };

  void run();
  std::vector<pollfd> what_to_wait_for() const;
  void accept_from(const Socket& listener);
  bool serve(Connection& connection, short events);
  bool receive(Connection& connection);
  bool send(Connection& connection);
  void close_old();
  static void close(Connection& connection);

  io::Clock& clock_;
  Handler handler_;
  Socket stop_event_;
  std::vector<Socket> listeners_;
  std::vector<Connection> connections_;  ///< oldest first
  Micros listeners_rest_until_{};
  std::thread thread_;
};

/// The whole answer to what a client sent, or nothing as long as its request is not complete: then
/// `input` is below HttpServer::kRequestBytesMax. A pure function, for tests.
std::string http_answer(Bytes input, const HttpServer::Handler& handler);

}  // namespace diskdb::net
