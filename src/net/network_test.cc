// Conversations over real sockets with real commands: how bytes arrive and leave, and what must not
// happen.
#include "net/network.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "keyspace/access.h"
#include "net/limits.h"
#include "net/net_testing.h"
#include "net/uring_transport.h"

namespace diskdb::network_test {  // the tests' Network is not the class of that name
namespace {

using namespace net;

using Engine = TestServer::Engine;

/// Each test serves by one kernel interface and by the other.
class Network : public testing::TestWithParam<IoBackend> {
 protected:
  void SetUp() override {
    if (GetParam() == IoBackend::kEpoll) return;
    if (const auto made = UringTransport::create(); !made.ok()) {
      GTEST_SKIP() << "no io_uring: " << made.error().message;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, Network, testing::Values(IoBackend::kEpoll, IoBackend::kUring),
                         [](const auto& tested) {
                           return tested.param == IoBackend::kEpoll ? "Epoll" : "Uring";
                         });

/// Polls until `fact` holds, ten seconds at most.
template <typename Fact>
bool soon(Fact fact) {
  for (int i = 0; i < 2000; ++i) {
    if (fact()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

TEST_P(Network, AnswersRequestsThatArriveInPieces) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  const std::string text = request({"SET", "k", std::string(300, 'v')}) + request({"GET", "k"});
  for (const char byte : text) client.send({&byte, 1});
  const std::string expected = "+OK\r\n$300\r\n" + std::string(300, 'v') + "\r\n";
  EXPECT_EQ(client.read(expected.size()), expected);
}

TEST_P(Network, TakesAPipelineOfAnyDepth) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  constexpr int kCount = 100'000;
  std::string text;
  for (int i = 0; i < kCount; ++i) text += request({"INCR", "n"});
  // Not a byte is read before all is sent.
  client.send(text);
  std::string expected;
  for (int i = 1; i <= kCount; ++i) expected += ":" + std::to_string(i) + "\r\n";
  EXPECT_EQ(client.read(expected.size()), expected);
  EXPECT_EQ(server.statistics.commands_processed.load(), static_cast<std::uint64_t>(kCount));
  EXPECT_TRUE(soon([&] { return server.statistics.net_input_bytes.load() == text.size(); }));
}

TEST_P(Network, AnswersPlainTextAndAHalfClosedClient) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  client.send("SET mykey \"Hello DiskDB\"\nGET mykey\nGET none\nGET unfinished");
  client.end_input();
  EXPECT_EQ(client.read_to_end(), "OK\nHello DiskDB\n(nil)\n");
}

TEST_P(Network, RepliesInRespToLinesIfToldSo) {
  TestServer server(Engine::kMemory, 1, GetParam());
  server.set("inline-replies", "resp");
  TestClient client(server.port);
  client.expect("SET a b\r\nGET a\r\n", "+OK\r\n$1\r\nb\r\n");
}

TEST_P(Network, AnswersWhatCameBeforeAProtocolError) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  client.send(request({"SET", "a", "1"}) + request({"GET", "a"}) + "*1\r\nx\r\n" +
              std::string(100'000, 'x'));
  EXPECT_EQ(client.read_to_end(),
            "+OK\r\n$1\r\n1\r\n-ERR Protocol error: expected '$', got 'x'\r\n");
}

TEST_P(Network, ClosesAfterQuitWithoutRunningWhatFollows) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  client.send(request({"QUIT"}) + request({"SET", "a", "1"}));
  EXPECT_EQ(client.read_to_end(), "+OK\r\n");
  TestClient other(server.port);
  other.expect(request({"EXISTS", "a"}), ":0\r\n");
}

TEST_P(Network, RefusesOneConnectionTooMany) {
  TestServer server(Engine::kMemory, 1, GetParam());
  server.set("maxclients", "2");
  TestClient first(server.port);
  TestClient second(server.port);
  first.expect(request({"ECHO", "1"}), "$1\r\n1\r\n");
  second.expect(request({"ECHO", "2"}), "$1\r\n2\r\n");
  TestClient third(server.port);
  EXPECT_EQ(third.read_to_end(), "-ERR max number of clients reached\r\n");
  EXPECT_EQ(server.statistics.connections_rejected.load(), 1U);
  first.close();
  EXPECT_TRUE(soon([&] { return server.clients.count() == 1; }));
  TestClient fourth(server.port);
  fourth.expect(request({"ECHO", "4"}), "$1\r\n4\r\n");
}

TEST_P(Network, ClosesIdleConnections) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient idle(server.port);
  idle.expect(request({"ECHO", "1"}), "$1\r\n1\r\n");
  server.set("timeout", "10");
  server.clock.advance(Millis{9'000});
  TestClient busy(server.port);
  busy.expect(request({"ECHO", "2"}), "$1\r\n2\r\n");
  server.clock.advance(Millis{2'000});
  EXPECT_EQ(idle.read_to_end(), "");
  busy.expect(request({"ECHO", "2"}), "$1\r\n2\r\n");
}

TEST_P(Network, GivesMemoryBackAfterASilenceAndGoesOn) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  client.expect(request({"SET", "k", "1"}), "+OK\r\n");
  client.send("*2\r\n$3\r\nGET\r\n$1");  // half a request
  EXPECT_TRUE(soon([&] {
    server.clock.advance(Millis{3'000});  // housekeeping comes by at the end of a turn
    TestClient(server.port).expect(request({"ECHO", "x"}), "$1\r\nx\r\n");
    return server.statistics.buffers[0].taken.load() > 10;
  }));
  client.expect("\r\nk\r\n" + request({"GET", "k"}), "$1\r\n1\r\n$1\r\n1\r\n");
}

TEST_P(Network, CarriesLargeValues) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  std::string value;
  for (int i = 0; value.size() < 64_MiB; ++i) value += std::to_string(i) + std::string(100, 'x');
  std::thread sender([&] {
    client.send(request({"SET", "big", value}) + request({"GET", "big"}));
  });
  const std::string head = "+OK\r\n$" + std::to_string(value.size()) + "\r\n";
  client.set_timeout(60'000);
  EXPECT_EQ(client.read(head.size()), head);
  EXPECT_TRUE(client.read(value.size()) == value);
  EXPECT_EQ(client.read(2), "\r\n");
  sender.join();
  // What it took to get there is given back.
  EXPECT_TRUE(soon([&] { return server.statistics.client_buffer_bytes.load() <= 64 * 1024; }));
}

TEST_P(Network, DeclaredLengthsCostNothing) {
  TestServer server(Engine::kMemory, 1, GetParam());
  constexpr std::size_t kCount = 50;
  const std::string begin = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc";
  std::vector<std::unique_ptr<TestClient>> clients;
  for (std::size_t i = 0; i < kCount; ++i) {
    clients.push_back(std::make_unique<TestClient>(server.port));
    clients.back()->send(begin);
  }
  const auto has_received = [&](std::size_t bytes) {
    return server.statistics.net_input_bytes.load() == bytes;
  };
  EXPECT_TRUE(soon([&] { return has_received(kCount * begin.size()); }));
  EXPECT_LT(server.statistics.client_buffer_bytes.load(), 256_KiB);
  for (const auto& client : clients) client->send("def");
  EXPECT_TRUE(soon([&] { return has_received(kCount * (begin.size() + 3)); }));
  EXPECT_LE(server.statistics.client_buffer_bytes.load(), (kCount + 1) * 64_KiB);
}

TEST_P(Network, ClosesWhoSendsMoreThanARequestMayHave) {
  TestServer server(Engine::kMemory, 1, GetParam());
  server.set("client-query-buffer-limit", "1mb");
  TestClient client(server.port);
  client.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8000000\r\n" + std::string(3 << 20, 'x'));
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_P(Network, ASlowReaderIsBoundedAndHoldsNobodyUp) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient slow(server.port);
  const std::string value(256 << 10, 'v');
  slow.expect(request({"SET", "k", value}), "+OK\r\n");
  constexpr std::size_t kCount = 1000;  // a quarter of a gigabyte
  std::string text;
  for (std::size_t i = 0; i < kCount; ++i) text += request({"GET", "k"});
  slow.send(text);
  EXPECT_TRUE(soon([&] { return server.statistics.client_buffer_bytes.load() > 32_MiB; }));
  for (int i = 0; i < 20; ++i) {
    TestClient other(server.port);
    other.expect(request({"STRLEN", "k"}), ":262144\r\n");
    // One batch of requests may go over the bound, no more.
    EXPECT_LT(server.statistics.client_buffer_bytes.load(),
              kOutputBytesGenerous + 128 * value.size() + 1_MiB);
  }
  const std::string reply = "$262144\r\n" + value + "\r\n";
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_TRUE(slow.read(reply.size()) == reply) << i;
}

TEST_P(Network, HoldsRepliesUntilTheLogAllowsThem) {
  TestServer server(Engine::kLogged, 2, GetParam(), Spread::kAlways);
  TestClient writer(server.port);
  TestClient reader(server.port);
  reader.expect(request({"GET", "other"}), "$-1\r\n");
  writer.send(request({"SET", "k", "1"}));
  EXPECT_TRUE(soon([&] { return server.log.appended() > 0; }));
  // Nobody may see it, not even by reading.
  reader.send(request({"GET", "k"}));
  EXPECT_TRUE(writer.hears_nothing());
  EXPECT_TRUE(reader.hears_nothing());
  const log::Offset first = server.log.appended();
  // What follows on the same connection waits behind it.
  writer.send(request({"SET", "l", "2"}));
  EXPECT_TRUE(soon([&] { return server.log.appended() > first; }));
  server.log.acknowledge(first - 1);
  EXPECT_TRUE(writer.hears_nothing());
  server.log.acknowledge(first);
  EXPECT_EQ(writer.read(5), "+OK\r\n");
  EXPECT_EQ(reader.read(7), "$1\r\n1\r\n");
  EXPECT_TRUE(writer.hears_nothing());
  server.log.acknowledge(server.log.appended());
  EXPECT_EQ(writer.read(5), "+OK\r\n");
}

TEST_P(Network, ReadsNobodyWhileTheLogIsCongested) {
  TestServer server(Engine::kLogged, 1, GetParam());
  TestClient client(server.port);
  client.expect(request({"ECHO", "1"}), "$1\r\n1\r\n");
  server.log.set_pending_bytes(kLogPendingBytesMax + 1);
  // The wait that had begun may still take one request.
  client.send(request({"ECHO", "2"}));
  if (!client.hears_nothing(200)) {
    EXPECT_EQ(client.read(7), "$1\r\n2\r\n");
    client.send(request({"ECHO", "2"}));
    EXPECT_TRUE(client.hears_nothing(200));
  }
  server.log.set_pending_bytes(0);
  EXPECT_EQ(client.read(7), "$1\r\n2\r\n");
}

TEST_P(Network, ParksARequestWhoseShardIsHeld) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  client.expect(request({"SET", "k", "1"}) + request({"SET", "j", "2"}), "+OK\r\n+OK\r\n");
  keyspace::Access access(server.keyspace());
  access.begin(0, server.clock.wall());
  const keyspace::Key key = access.key("k");
  access.hold(server.keyspace().shard_of(key.slot));
  client.send(request({"GET", "k"}) + request({"GET", "k"}) + request({"ECHO", "x"}));
  EXPECT_TRUE(client.hears_nothing());
  TestClient other(server.port);  // on the same thread, which does not wait
  other.expect(request({"ECHO", "y"}), "$1\r\ny\r\n");
  access.release();
  EXPECT_EQ(client.read(21), "$1\r\n1\r\n$1\r\n1\r\n$1\r\nx\r\n");
}

TEST_P(Network, AParkedClientMayGo) {
  TestServer server(Engine::kMemory, 1, GetParam());
  keyspace::Access access(server.keyspace());
  access.begin(0, server.clock.wall());
  access.hold(server.keyspace().shard_of(access.key("k").slot));
  TestClient client(server.port);
  client.send(request({"GET", "k"}));
  EXPECT_TRUE(client.hears_nothing());
  TestClient other(server.port);
  other.expect(request({"CLIENT", "KILL", "ID", "1"}), ":1\r\n");
  EXPECT_EQ(client.read_to_end(), "");
  access.release();  // would wake it, were it still known
  other.expect(request({"GET", "k"}), "$-1\r\n");
}

TEST_P(Network, CountsExactlyFromManyThreads) {
  TestServer server(Engine::kMemory, 2, GetParam(), Spread::kAlways);
  constexpr int kClients = 8;
  constexpr int kRounds = 200;
  std::vector<std::thread> threads;
  for (int c = 0; c < kClients; ++c) {
    threads.emplace_back([&] {
      TestClient client(server.port);
      std::string batch;
      for (int i = 0; i < 20; ++i)
        batch += request({"INCR", "n"}) + request({"MSET", "a", "1", "b", "2"});
      for (int round = 0; round < kRounds; ++round) {
        client.send(batch);
        for (int lines = 0; lines < 40;) {
          const std::string byte = client.read(1);
          ASSERT_FALSE(byte.empty());
          if (byte == "\n") ++lines;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  TestClient client(server.port);
  const std::string total = std::to_string(kClients * kRounds * 20);
  client.expect(request({"GET", "n"}),
                "$" + std::to_string(total.size()) + "\r\n" + total + "\r\n");
}

TEST_P(Network, ServesMoreAtOnceThanThereAreBuffers) {
  TestServer server(Engine::kLogged, 1, GetParam());
  std::vector<std::unique_ptr<TestClient>> clients;
  for (unsigned i = 0; i < 5 * kUringBuffers; ++i) {
    clients.push_back(std::make_unique<TestClient>(server.port));
    clients.back()->expect(request({"ECHO", "1"}), "$1\r\n1\r\n");
  }
  server.log.set_pending_bytes(kLogPendingBytesMax + 1);  // so that requests gather
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const std::string name = std::to_string(i);
    // Each more than a buffer holds, but the first.
    const std::string load(i == 0 ? 1 : 100'000, 'x');
    clients[i]->send(request({"ECHO", load}) + request({"ECHO", name}));
  }
  server.log.set_pending_bytes(0);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const std::string name = std::to_string(i);
    const std::string load(i == 0 ? 1 : 100'000, 'x');
    const std::string expected = "$" + std::to_string(load.size()) + "\r\n" + load + "\r\n$" +
                                 std::to_string(name.size()) + "\r\n" + name + "\r\n";
    ASSERT_TRUE(clients[i]->read(expected.size()) == expected) << i;
  }
}

TEST_P(Network, WhatComesWhileARequestWaitsIsBoundedAndKeepsItsOrder) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  client.expect(request({"SET", "k", "1"}), "+OK\r\n");
  keyspace::Access access(server.keyspace());
  access.begin(0, server.clock.wall());
  access.hold(server.keyspace().shard_of(access.key("k").slot));
  client.send(request({"GET", "k"}));
  EXPECT_TRUE(client.hears_nothing());
  constexpr int kCount = 1'000'000;
  std::string text;
  std::string expected = "$1\r\n1\r\n";
  for (int i = 0; i < kCount; ++i) {
    const std::string number = std::to_string(i);
    text += request({"ECHO", number});
    expected += "$" + std::to_string(number.size()) + "\r\n" + number + "\r\n";
  }
  std::thread sender([&] { client.send(text); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  TestClient other(server.port);
  other.expect(request({"ECHO", "y"}), "$1\r\ny\r\n");
  EXPECT_LT(server.statistics.client_buffer_bytes.load(), 8_MiB);
  access.release();
  EXPECT_TRUE(client.read(expected.size()) == expected);
  sender.join();
  EXPECT_TRUE(soon([&] { return server.statistics.client_buffer_bytes.load() <= 64 * 1024; }));
}

TEST_P(Network, WhoGoesWhileASendIsUnderWayIsForgotten) {
  TestServer server(Engine::kMemory, 1, GetParam());
  const std::string value(4 << 20, 'v');
  TestClient(server.port).expect(request({"SET", "k", value}), "+OK\r\n");
  TestClient other(server.port);
  for (int round = 0; round < 5; ++round) {
    TestClient slow(server.port);
    std::string text;
    for (int i = 0; i < 16; ++i) text += request({"GET", "k"});
    slow.send(text);
    EXPECT_TRUE(soon([&] { return server.statistics.client_buffer_bytes.load() > 16_MiB; }));
    if (round % 2 == 0) {
      slow.close();
    } else {
      const std::string killed = request({"CLIENT", "KILL", "SKIPME", "yes"});
      other.expect(killed, ":1\r\n");
    }
    EXPECT_TRUE(soon([&] { return server.statistics.client_buffer_bytes.load() <= 64 * 1024; }));
    EXPECT_TRUE(soon([&] { return server.clients.count() == 1; }));
  }
}

// Its turn comes again after the others', and by then its replies could not be sent.
TEST_P(Network, WhoGoesBetweenItsTurnsIsForgotten) {
  TestServer server(Engine::kMemory, 1, GetParam());
  std::string text;
  for (std::size_t i = 0; i < 8 * kRequestsPerTurn; ++i) text += "PING\r\n";
  TestClient other(server.port);
  for (int round = 0; round < 40; ++round) {  // one of them meets the time between run and send
    TestClient client(server.port);
    client.send(text);
    std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
    client.reset();
    other.expect(request({"ECHO", "y"}), "$1\r\ny\r\n");
  }
  EXPECT_TRUE(soon([&] { return server.clients.count() == 1; }));
}

// A number of a socket that was closed soon names another one; nobody may get what was meant for
// somebody else.
TEST_P(Network, RepliesReachNobodyElseWhileConnectionsComeAndGo) {
  TestServer server(Engine::kMemory, 2, GetParam(), Spread::kAlways);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&server, t] {
      for (int i = 0; i < 400; ++i) {
        const std::string name = std::to_string(t) + "." + std::to_string(i);
        const std::string reply = "$" + std::to_string(name.size()) + "\r\n" + name + "\r\n";
        TestClient client(server.port);
        client.send(request({"ECHO", name}));
        if (i % 3 == 0) continue;  // gone before the reply
        ASSERT_EQ(client.read(reply.size()), reply);
        client.send(request({"ECHO", name}) + request({"QUIT"}) + request({"ECHO", "never"}));
        if (i % 3 == 1) continue;
        ASSERT_EQ(client.read_to_end(), reply + "+OK\r\n");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(soon([&] { return server.clients.count() == 0; }));
  EXPECT_TRUE(soon([&] { return server.statistics.client_buffer_bytes.load() <= 128 * 1024; }));
}

TEST_P(Network, LargeRequestsInPiecesOfAnySize) {
  TestServer server(Engine::kMemory, 1, GetParam());
  TestClient client(server.port);
  for (const std::size_t size : {1UL, 500UL, 16'000UL, 17'000UL, 60'000UL, 70'000UL, 300'000UL}) {
    const std::string value(size, static_cast<char>('a' + size % 26));
    const std::string text = request({"SET", "k", value}) + request({"GET", "k"});
    const std::string reply = "+OK\r\n$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    for (const std::size_t piece : {11'000UL, 48'000UL, 49'152UL, 65'536UL, 200'000UL}) {
      for (std::size_t at = 0; at < text.size(); at += piece) {
        client.send(Bytes(text).substr(at, piece));
        std::this_thread::yield();
      }
      ASSERT_TRUE(client.read(reply.size()) == reply) << size << " " << piece;
    }
  }
}

// A process that may not use io_uring: here one thread, and those that it starts.
TEST(NetworkWithoutUring, FallsBackToEpollWithOneLine) {
  std::thread forbidden([] {
    std::array<sock_filter, 4> program = {{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    const sock_fprog filter{.len = program.size(), .filter = program.data()};
    ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
    TestServer server(Engine::kMemory, 2, IoBackend::kUring);
    EXPECT_EQ(server.network->backend(), IoBackend::kEpoll);
    ASSERT_EQ(server.warnings.size(), 1U);
    EXPECT_EQ(
        server.warnings[0],
        "io_uring is not to be had, so epoll serves: io_uring_setup: Operation not permitted");
    TestClient client(server.port);
    client.expect(request({"ECHO", "1"}), "$1\r\n1\r\n");
  });
  forbidden.join();
}

// Decision 029.
TEST(NetworkUnasked, IsServedByEpoll) {
  TestServer server;
  EXPECT_EQ(server.network->backend(), IoBackend::kEpoll);
  EXPECT_TRUE(server.warnings.empty());
  TestClient(server.port).expect(request({"ECHO", "1"}), "$1\r\n1\r\n");
}

TEST_P(Network, StopsInGoodOrder) {
  TestServer server(Engine::kLogged, 2, GetParam(), Spread::kAlways);
  TestClient writer(server.port);
  writer.send(request({"SET", "k", "1"}));
  EXPECT_TRUE(soon([&] { return server.log.appended() > 0; }));
  TestClient idle(server.port);
  EXPECT_TRUE(soon([&] { return server.clients.count() == 2; }));
  server.network->stop();
  EXPECT_EQ(writer.read_to_end(), "+OK\r\n");  // synced, so it may be told
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_EQ(server.clients.count(), 0U);
}

TEST_P(Network, KeepsNoBufferForIdleConnections) {
  TestServer server(Engine::kMemory, 1, GetParam());
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<TestClient>(server.port));
    clients.back()->expect(request({"ECHO", "x"}), "$1\r\nx\r\n");
  }
  EXPECT_TRUE(soon([&] { return server.statistics.client_buffer_bytes.load() <= 64 * 1024; }));
}

}  // namespace
}  // namespace diskdb::network_test
