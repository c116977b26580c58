// What transcripts cannot say of sorted sets: scans of large ones, draws by chance, and that large
// ones answer as a model does.
#include "command/sorted_set_commands.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/number.h"
#include "command/test_server.h"
#include "io/random.h"
#include "resp/bulk_strings_test.h"

namespace diskdb::command {
namespace {

using resp::bulk_strings;

std::string member_of(std::uint64_t number) { return "member:" + std::to_string(number); }

/// How scores are spread over members.
using ScoreOf = std::function<std::uint64_t(io::Random&)>;
const std::pair<const char*, ScoreOf> kSpreads[] = {
    {"all differ", [](io::Random& random) { return random.below(1U << 30U); }},
    {"ties", [](io::Random& random) { return random.below(20); }},
    {"all the same", [](io::Random&) { return std::uint64_t{0}; }},
};

TEST(SortedSets, AScanReturnsWhatStaysExactlyOnceThoughScoresChange) {
  for (const auto& [name, score_of] : kSpreads) {
    for (const std::uint64_t size : {5U, 600U, 5000U}) {
      SCOPED_TRACE(std::string(name) + ", " + std::to_string(size));
      io::Random random(size);
      TestServer server;
      std::set<std::string> stays;
      for (std::uint64_t i = 0; i < size; ++i) {
        stays.insert(member_of(i));
        server.run({"ZADD", "z", std::to_string(score_of(random)), member_of(i)});
      }
      std::map<std::string, int> seen;
      std::string cursor = "0";
      std::size_t step_count = 0;
      do {
        const auto reply = bulk_strings(server.run({"ZSCAN", "z", cursor, "COUNT", "7"}));
        cursor = reply.at(0);
        EXPECT_LT(*parse_integer(cursor), std::int64_t{1} << 53);
        for (std::size_t i = 1; i < reply.size(); i += 2) ++seen[reply[i]];
        ++step_count;
        for (int i = 0; i < 5; ++i) {
          const std::string moved = member_of(random.below(size));
          server.run({"ZADD", "z", std::to_string(score_of(random)), moved});
          server.run({"ZADD", "z", "5", "passing:" + std::to_string(random.below(300))});
          server.run({"ZREM", "z", "passing:" + std::to_string(random.below(300))});
        }
      } while (cursor != "0" && step_count < 10'000);
      EXPECT_EQ(cursor, "0");
      for (const std::string& member : stays) EXPECT_EQ(seen[member], 1) << member;
      if (size == 5000) {
        EXPECT_GT(step_count, 10U);
      }
    }
  }
}

TEST(SortedSets, LargeOnesAnswerAsAModelDoes) {
  for (const auto& [name, score_of] : kSpreads) {
    SCOPED_TRACE(name);
    io::Random random(7);
    TestServer server;
    std::map<std::string, std::uint64_t> scores;
    const auto order = [&] {
      std::set<std::pair<std::uint64_t, std::string>> sorted;
      for (const auto& [member, score] : scores) sorted.insert({score, member});
      std::vector<std::string> members;
      for (const auto& [score, member] : sorted) members.push_back(member);
      return members;
    };
    for (int i = 0; i < 4000; ++i) {
      const std::string member = member_of(random.below(2000));
      if (random.chance_percent(80)) {
        scores[member] = score_of(random);
        server.run({"ZADD", "z", std::to_string(scores[member]), member});
      } else {
        scores.erase(member);
        server.run({"ZREM", "z", member});
      }
      if (i % 500 != 499) continue;
      const std::vector<std::string> members = order();
      EXPECT_EQ(bulk_strings(server.run({"ZRANGE", "z", "0", "-1"})), members);
      const std::vector<std::string> downwards(members.rbegin(), members.rend());
      EXPECT_EQ(bulk_strings(server.run({"ZREVRANGE", "z", "0", "-1"})), downwards);
      const std::size_t rank = random.below(members.size());
      EXPECT_EQ(server.run({"ZRANK", "z", members[rank]}), ":" + std::to_string(rank) + "\r\n");
    }
    std::vector<std::string> members = order();
    const auto popped = bulk_strings(server.run({"ZPOPMAX", "z", "100"}));
    for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(popped[2 * i], members[members.size() - 1 - i]);
    server.run({"ZREMRANGEBYRANK", "z", "10", "-11"});
    members.resize(members.size() - 100);
    members.erase(members.begin() + 10, members.end() - 10);
    EXPECT_EQ(bulk_strings(server.run({"ZRANGE", "z", "0", "-1"})), members);
  }
}

TEST(SortedSets, DrawsAreOfMembersAndDifferWhereTheyMust) {
  TestServer server;
  std::set<std::string> members;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    members.insert(member_of(i));
    server.run({"ZADD", "z", std::to_string(i), member_of(i)});
  }
  std::map<std::string, int> drawn;
  for (int i = 0; i < 200; ++i) {
    const auto some = bulk_strings(server.run({"ZRANDMEMBER", "z", "50"}));
    EXPECT_EQ(std::set<std::string>(some.begin(), some.end()).size(), 50U);
    for (const std::string& member : some) ++drawn[member];
  }
  for (const auto& [member, count] : drawn) EXPECT_TRUE(members.contains(member)) << member;
  // A member is missed by 200 draws of 50 out of 1000 with 3.5e-5; five of them with 4e-10.
  EXPECT_GE(drawn.size() + 4, members.size());
  EXPECT_EQ(bulk_strings(server.run({"ZRANDMEMBER", "z", "-3000"})).size(), 3000U);
  EXPECT_EQ(bulk_strings(server.run({"ZRANDMEMBER", "z", "3000"})).size(), 1000U);
  EXPECT_EQ(server.run({"ZRANDMEMBER", "z", "-9000000000000000000"}),
            "-ERR value is out of range\r\n");
}

std::string popped(const std::string& key, const std::string& member, const std::string& score) {
  std::string reply = "*3\r\n";
  for (const std::string& word : {key, member, score}) {
    reply += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return reply;
}

TEST(SortedSets, WhateverLetsMembersAppearWakesWhoWaitsForThem) {
  TestServer server;
  server.run({"ZADD", "other", "5", "x"});
  server.run({"GEOADD", "places", "0", "0", "x"});
  const std::vector<std::string> waits{"BZPOPMIN", "none", "z", "0"};
  const std::vector<std::vector<std::string>> makers = {
      {"ZADD", "z", "5", "x"},
      {"ZINCRBY", "z", "5", "x"},
      {"ZUNIONSTORE", "z", "1", "other"},
      {"ZRANGESTORE", "z", "other", "0", "-1"},
      {"COPY", "other", "z"},
      {"RENAME", "other", "z"},
  };
  for (const auto& maker : makers) {
    EXPECT_EQ(server.run(waits, "a"), "") << maker[0];
    server.run(maker);
    EXPECT_EQ(server.run({"EXISTS", "z"}), ":0\r\n") << maker[0];
    EXPECT_EQ(server.run(waits, "a"), popped("z", "x", "5")) << maker[0];
  }
  EXPECT_EQ(server.run(waits, "a"), "");
  server.run({"GEOSEARCHSTORE", "z", "places", "FROMMEMBER", "x", "BYRADIUS", "1", "m"});
  EXPECT_EQ(bulk_strings(server.run(waits, "a")).at(1), "x");
}

TEST(SortedSets, WhoWaitsIsServedInOrderAndTakesWhatWasAskedFor) {
  TestServer server;
  const std::vector<std::string> several{"BZMPOP", "0", "1", "z", "MAX", "COUNT", "2"};
  const std::vector<std::string> one{"BZPOPMIN", "z", "0"};
  EXPECT_EQ(server.run(several, "a"), "");
  EXPECT_EQ(server.run(one, "b"), "");
  EXPECT_EQ(server.run({"BLPOP", "z", "0"}, "c"), "");  // of another type: stays behind
  server.run({"ZADD", "z", "1", "v", "2", "w", "3", "x", "4", "y"});
  const std::vector<std::string> two{"z", "y", "4", "x", "3"};
  EXPECT_EQ(bulk_strings(server.run(several, "a")), two);
  EXPECT_EQ(server.run(one, "b"), popped("z", "v", "1"));
  EXPECT_EQ(bulk_strings(server.run({"ZRANGE", "z", "0", "-1"})), std::vector<std::string>{"w"});
  server.run({"DEL", "z"});
  EXPECT_EQ(server.run(one, "b"), "");
  server.run({"RPUSH", "z", "for c", "not for b"});
  server.run({"DEL", "z"});
  server.run({"ZADD", "z", "7", "x"});
  EXPECT_EQ(server.run(one, "b"), popped("z", "x", "7"));
}

TEST(SortedSets, UnionsTakePlainSetsWithTheScoreOne) {
  TestServer server;
  if (server.run({"SADD", "s", "a", "b"}) != ":2\r\n") GTEST_SKIP() << "no sets yet";
  server.run({"ZADD", "z", "5", "b", "7", "c"});
  const std::vector<std::string> united{"a", "1", "b", "6", "c", "7"};
  EXPECT_EQ(bulk_strings(server.run({"ZUNION", "2", "s", "z", "WITHSCORES"})), united);
  const std::vector<std::string> common{"b", "6"};
  EXPECT_EQ(bulk_strings(server.run({"ZINTER", "2", "s", "z", "WITHSCORES"})), common);
  EXPECT_EQ(bulk_strings(server.run({"ZDIFF", "2", "s", "z"})), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace diskdb::command
