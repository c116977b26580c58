// Connections that go from one loop to another while they are used: nothing is lost, nothing comes
// twice, and who is to be woken, killed or closed is found where it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/epoll_transport.h"
#include "net/net_testing.h"

namespace diskdb::net {
namespace {

/// Three loops that are told at almost every turn to give some connections away.
class RestlessLoops final : public Reception {
 public:
  explicit RestlessLoops(TestServer& server) {
    for (std::size_t i = 0; i < kCount; ++i) {
      auto transport = EpollTransport::create();
      loops_.push_back(
          std::make_unique<Loop>(server.services, *this, LoopOptions{}, std::move(*transport)));
    }
    auto bound = bind_to("127.0.0.1", 0);
    listener_ = std::move(*bound);
    port = port_of(listener_);
    EXPECT_TRUE(start_listening(listener_, 511).ok());
    loops_[0]->add_listener(listener_.get());
    for (const auto& loop : loops_) threads_.emplace_back([&loop] { loop->run(); });
  }
  ~RestlessLoops() override {
    for (const auto& loop : loops_) loop->stop();
    for (std::thread& thread : threads_) thread.join();
  }

  void receive(Socket socket) override { loops_[0]->post_socket(std::move(socket)); }
  void warn(const std::string& text) override { ADD_FAILURE() << text; }
  void balance(Micros) override {
    const std::size_t i = call_count_.fetch_add(1);
    if (i % 4 != 0) return;
    const std::size_t from = i / 4 % kCount;
    const std::size_t to = (from + 1 + i / 12 % (kCount - 1)) % kCount;
    loops_[from]->post_transfer(*loops_[to], 1 + i % 5,
                                i % 16 == 0 ? Loop::Which::kAny : Loop::Which::kServedLately);
  }

  static constexpr std::size_t kCount = 3;
  std::uint16_t port = 0;

 private:
  Socket listener_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::thread> threads_;
  std::atomic<std::size_t> call_count_{0};
};

/// Without its end; "?" if there is none.
std::string read_line(TestClient& client) {
  std::string line;
  for (std::string next = client.read(1); next != "\n"; next = client.read(1)) {
    if (next.empty()) return "?";
    line += next;
  }
  line.pop_back();
  return line;
}

TEST(Transfer, EveryRequestIsAnsweredOnceAndInOrder) {
  TestServer server(TestServer::Engine::kMemory);
  RestlessLoops loops(server);
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&loops, t] {
      TestClient client(loops.port);
      const std::string key = "counter" + std::to_string(t);
      int counted = 0;
      for (int round = 0; round < 200; ++round) {
        std::string text;
        std::string expected;
        for (int i = 0; i < 1 + round % 20; ++i) {
          text += request({"INCR", key});
          expected += ":" + std::to_string(++counted) + "\r\n";
        }
        // Every other time in two pieces: a request that is half there stays where it is.
        const std::size_t cut = round % 2 == 0 ? text.size() : text.size() / 2 + 3;
        client.send(Bytes(text).substr(0, cut));
        client.send(Bytes(text).substr(std::min(cut, text.size())));
        ASSERT_EQ(client.read(expected.size()), expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Transfer, WhatAConnectionHasSetGoesWithIt) {
  TestServer server(TestServer::Engine::kMemory);
  RestlessLoops loops(server);
  TestClient client(loops.port);
  client.expect(request({"SELECT", "5"}) + request({"CLIENT", "SETNAME", "walker"}),
                "+OK\r\n+OK\r\n");
  for (int i = 0; i < 200; ++i) {
    client.expect(request({"CLIENT", "GETNAME"}), "$6\r\nwalker\r\n");
    client.expect(request({"APPEND", "k", "x"}), ":" + std::to_string(i + 1) + "\r\n");
  }
  client.expect(request({"SELECT", "0"}) + request({"EXISTS", "k"}), "+OK\r\n:0\r\n");
}

TEST(Transfer, WhoBlocksIsServedWhereItIs) {
  TestServer server(TestServer::Engine::kMemory);
  RestlessLoops loops(server);
  std::vector<std::thread> takers;
  constexpr int kTakers = 4;
  constexpr int kEach = 100;
  std::atomic<int> sum{0};
  for (int t = 0; t < kTakers; ++t) {
    takers.emplace_back([&] {
      TestClient client(loops.port);
      for (int i = 0; i < kEach; ++i) {
        client.send(request({"BLPOP", "queue", "0"}));
        for (int line = 0; line < 4; ++line) read_line(client);
        sum += std::stoi(read_line(client));
      }
    });
  }
  TestClient giver(loops.port);
  int expected = 0;
  for (int i = 0; i < kTakers * kEach; ++i) {
    giver.send(request({"RPUSH", "queue", std::to_string(1000 + i)}));
    EXPECT_EQ(read_line(giver).front(), ':');
    expected += 1000 + i;
    if (i % 10 == 0) giver.expect(request({"ECHO", "x"}), "$1\r\nx\r\n");
  }
  for (std::thread& taker : takers) taker.join();
  EXPECT_EQ(sum.load(), expected);
}

TEST(Transfer, WhoIsKilledIsFound) {
  TestServer server(TestServer::Engine::kMemory);
  RestlessLoops loops(server);
  TestClient killer(loops.port);
  for (int round = 0; round < 100; ++round) {
    TestClient victim(loops.port);
    victim.send(request({"CLIENT", "ID"}));
    const std::string id = read_line(victim).substr(1);
    std::thread busy([&victim] {  // until it hears no more
      while (!victim.read(1).empty()) victim.send(request({"PING"}));
    });
    victim.send(request({"PING"}));
    killer.expect(request({"CLIENT", "KILL", "ID", id}), ":1\r\n");
    busy.join();
  }
  EXPECT_EQ(server.clients.count(), 1U);
}

TEST(Transfer, TheLoopsMayEndWhileConnectionsAreOnTheirWay) {
  for (int round = 0; round < 20; ++round) {
    TestServer server(TestServer::Engine::kMemory);
    std::vector<std::unique_ptr<TestClient>> clients;
    {
      RestlessLoops loops(server);
      for (int i = 0; i < 30; ++i) {
        clients.push_back(std::make_unique<TestClient>(loops.port));
        clients.back()->expect(request({"ECHO", "x"}), "$1\r\nx\r\n");
      }
      for (const auto& client : clients) client->send(request({"ECHO", "y"}));
    }
    EXPECT_EQ(server.clients.count(), 0U);
  }
}

// One command that takes long, and its thread's other clients wait; so they go to the other thread.
TEST(Transfer, ConnectionsArePackedAndSpread) {
  TestServer server(TestServer::Engine::kMemory, 2, IoBackend::kEpoll);
  const auto active = [&] { return server.statistics.active_network_threads.load(); };
  EXPECT_EQ(active(), 1U);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<TestClient>(server.port));
  const auto use_all = [&] {
    for (const auto& client : clients) client->expect(request({"ECHO", "x"}), "$1\r\nx\r\n");
  };
  use_all();
  clients[0]->expect(request({"DEBUG", "SLEEP", "0.02"}), "+OK\r\n");
  server.clock.advance(Millis{300});
  use_all();
  EXPECT_EQ(active(), 2U);
  for (int i = 0; i < 300; ++i) {
    server.clock.advance(Millis{250});
    use_all();
  }
  EXPECT_EQ(active(), 1U);
}

TEST(Transfer, SpreadAlwaysIsOverAllThreads) {
  TestServer server(TestServer::Engine::kMemory, 2, IoBackend::kEpoll, Spread::kAlways);
  EXPECT_EQ(server.statistics.active_network_threads.load(), 2U);
  TestClient client(server.port);
  for (int i = 0; i < 20; ++i) {
    server.clock.advance(Millis{1000});
    client.expect(request({"ECHO", "x"}), "$1\r\nx\r\n");
  }
  EXPECT_EQ(server.statistics.active_network_threads.load(), 2U);
}

}  // namespace
}  // namespace diskdb::net
