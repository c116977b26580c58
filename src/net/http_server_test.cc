// The HTTP server: what it answers, and that nobody holds it up.
#include "net/http_server.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

namespace diskdb::net {
namespace {

HttpResponse echo(Bytes path) {
  if (path == "/missing") return {.status = 404, .body = "no\n"};
  if (path == "/large") return {.body = std::string(4'000'000, 'x')};
  return {.body = std::string(path)};
}

std::string status_of(Bytes input) {
  const std::string answer = http_answer(input, echo);
  return answer.substr(0, answer.find('\r'));
}

TEST(HttpAnswer, WaitsForTheEndOfTheHeaders) {
  EXPECT_EQ(http_answer("", echo), "");
  EXPECT_EQ(http_answer("GET / HTTP/1.1\r\nHost: a\r\n", echo), "");
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 200 OK");
  EXPECT_EQ(status_of("GET / HTTP/1.0\n\n"), "HTTP/1.1 200 OK");
}

TEST(HttpAnswer, GivesLengthAndType) {
  EXPECT_EQ(http_answer("GET /a?b=c HTTP/1.1\r\n\r\n", echo),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n/a");
  EXPECT_EQ(status_of("GET /missing HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
}

TEST(HttpAnswer, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
  EXPECT_NE(http_answer("HEAD / HTTP/1.1\r\n\r\n", echo).find("\r\nAllow: GET\r\n"),
            std::string::npos);
  for (const Bytes bad : {"GET /\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "\r\n\r\n", "nonsense\n\n",
                          "GET a HTTP/1.1\r\n\r\n", "GET / a HTTP/1.1\r\n\r\n",
                          "GET / HTTP/2.0\r\n\r\n", "*1\r\n$4\r\nPING\r\n\r\n"}) {
    EXPECT_EQ(status_of(bad), "HTTP/1.1 400 Bad Request") << bad;
  }
  const std::string just = "GET / HTTP/1.1\r\nA: " + std::string(HttpServer::kRequestBytesMax, 'a');
  EXPECT_EQ(http_answer(just.substr(0, HttpServer::kRequestBytesMax - 1), echo), "");
  EXPECT_EQ(status_of(just.substr(0, HttpServer::kRequestBytesMax)),
            "HTTP/1.1 431 Request Header Fields Too Large");
}

// ---- On loopback

Socket connect_to(std::uint16_t port) {
  Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  return socket;
}

void say(const Socket& socket, Bytes text) {
  EXPECT_EQ(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

std::string hear(const Socket& socket) {
  std::string heard;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (count <= 0) return heard;
    heard.append(buffer, static_cast<std::size_t>(count));
  }
}

struct Running {
  Running() {
    auto socket = bind_to("127.0.0.1", 0);
    EXPECT_TRUE(socket.ok());
    port = port_of(*socket);
    std::vector<Socket> sockets;
    sockets.push_back(std::move(*socket));
    EXPECT_TRUE(server.start(std::move(sockets)).ok());
  }
  std::string get(Bytes path) const {
    const Socket socket = connect_to(port);
    say(socket, "GET " + std::string(path) + " HTTP/1.1\r\nHost: here\r\n\r\n");
    return hear(socket);
  }
  io::RealClock clock;
  HttpServer server{clock, echo};
  std::uint16_t port = 0;
};

TEST(HttpServer, Answers) {
  const Running running;
  EXPECT_TRUE(running.get("/one").ends_with("\r\n\r\n/one"));
  EXPECT_GT(running.get("/large").size(), 4'000'000U);
  const Socket slow = connect_to(running.port);
  for (const char c : Bytes("GET /slow HTTP/1.1\r\n\r\n")) say(slow, Bytes(&c, 1));
  EXPECT_TRUE(hear(slow).ends_with("/slow"));
}

TEST(HttpServer, NobodyHoldsItUp) {
  const Running running;
  std::vector<Socket> silent;
  for (std::size_t i = 0; i < 2 * HttpServer::kConnectionsMax; ++i) {
    silent.push_back(connect_to(running.port));
    say(silent.back(), "GET / HT");
    EXPECT_TRUE(running.get("/still").ends_with("/still"));
  }
  EXPECT_EQ(hear(silent.front()), "") << "it made room";
  // Who asks and does not read is let go of in time: hear() ends, with or without all of it.
  const Socket deaf = connect_to(running.port);
  say(deaf, "GET /large HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(running.get("/still").ends_with("/still"));
  EXPECT_EQ(hear(silent.back()), "") << "its time is over";
}

TEST(HttpServer, RefusesALongRequest) {
  const Running running;
  const Socket socket = connect_to(running.port);
  say(socket, "GET / HTTP/1.1\r\nA: " + std::string(HttpServer::kRequestBytesMax, 'a'));
  EXPECT_TRUE(hear(socket).starts_with("HTTP/1.1 431 "));
}

TEST(HttpServer, StopsWithConnectionsOpen) {
  Socket socket;
  {
    const Running running;
    socket = connect_to(running.port);
    say(socket, "GET");
  }
  EXPECT_EQ(hear(socket), "");
}

}  // namespace
}  // namespace diskdb::net
