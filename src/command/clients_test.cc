// The registry: who is in it, and who is woken when a pause ends.
#include "command/clients.h"

#include <gtest/gtest.h>

#include <vector>

namespace diskdb::command {
namespace {

struct TestSession final : Session {
  explicit TestSession(ClientRegistry& registry) { id = registry.next_id(); }
  void wake() override { ++wake_count; }
  int wake_count = 0;
};

TEST(Clients, ListsThoseThatAreThereById) {
  ClientRegistry clients;
  TestSession a(clients);
  TestSession b(clients);
  clients.add(b);
  clients.add(a);
  std::vector<std::uint64_t> ids;
  clients.for_each([&](Session& session) { ids.push_back(session.id); });
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{a.id, b.id}));
  EXPECT_EQ(clients.count(), 2U);
  clients.remove(a);
  EXPECT_EQ(clients.count(), 1U);
}

TEST(Clients, PauseHoldsUntilItsInstant) {
  ClientRegistry clients;
  EXPECT_FALSE(clients.is_paused(true, {0}));
  clients.pause({100}, false, {0});
  EXPECT_TRUE(clients.is_paused(true, {99}));
  EXPECT_TRUE(clients.is_paused(false, {99}));
  EXPECT_FALSE(clients.is_paused(true, {100}));
}

TEST(Clients, PauseOfWritesLetsReadsThrough) {
  ClientRegistry clients;
  clients.pause({100}, true, {0});
  EXPECT_TRUE(clients.is_paused(true, {50}));
  EXPECT_FALSE(clients.is_paused(false, {50}));
}

TEST(Clients, TheLongerAndStricterPauseCounts) {
  ClientRegistry clients;
  clients.pause({100}, false, {0});
  clients.pause({50}, true, {10});
  EXPECT_TRUE(clients.is_paused(false, {99}));
  clients.pause({300}, true, {200});  // the first is over: only this one counts
  EXPECT_FALSE(clients.is_paused(false, {250}));
  EXPECT_TRUE(clients.is_paused(true, {250}));
}

TEST(Clients, ThePausedAreWokenOnce) {
  ClientRegistry clients;
  TestSession a(clients);
  TestSession b(clients);
  clients.add(a);
  clients.add(b);
  clients.pause({100}, false, {0});
  clients.park_paused(a);
  clients.park_paused(a);
  clients.park_paused(b);
  EXPECT_EQ(clients.paused_count(), 2U);
  clients.wake_if_over({99});
  EXPECT_EQ(a.wake_count, 0);
  clients.remove(b);
  clients.wake_if_over({100});
  clients.wake_if_over({101});
  EXPECT_EQ(a.wake_count, 1);
  EXPECT_EQ(b.wake_count, 0);
}

TEST(Clients, WhoParksTooLateIsWokenAtOnce) {
  ClientRegistry clients;
  TestSession a(clients);
  clients.add(a);
  clients.pause({100}, false, {0});
  clients.unpause();
  clients.park_paused(a);
  EXPECT_EQ(a.wake_count, 1);
}

}  // namespace
}  // namespace diskdb::command
