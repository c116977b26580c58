// Everything at once: clients that write and read, SCAN, keys that expire in
// both tiers, checkpoints, an evictor with too small a budget, loads, warming,
// FLUSHALL, FLUSHDB, SWAPDB and commands over several shards, each on threads
// of their own. Worth most under the thread sanitizer;
// DISKDB_CONTENTION_SECONDS makes it longer.
//
// What must hold although nobody knows what the others do:
//   - A client's reply is one that its own history allows. FLUSHALL and expiry
//   are beyond it: so it
//     keeps, for each of its keys, what the key may hold (Key), and each reply
//     narrows that down. FLUSHALLs are numbered as they begin and end, so
//     whoever sees none begin knows exactly.
//   - What a client has been told is there for all others: watchers find
//   nothing older than what
//     the writer had been told before they asked (Feed), and what one MSET
//     wrote over two shards they find whole.
//   - A scan returns each key at most once, and each that is there throughout
//   exactly once.
//   - At the end counts and accounts equal a recount, and the replay of the
//   whole log, and the
//     replay of its tail over the last checkpoint, come to the same contents.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/number.h"
#include "command/tiered_server.h"
#include "io/random.h"
#include "keyspace/cold_expiry.h"
#include "keyspace/evictor.h"
#include "keyspace/map_store_test.h"
#include "keyspace/warmer.h"

namespace diskdb::command {
namespace {

using Words = std::vector<std::string>;
using std::chrono::milliseconds;

constexpr unsigned kTalkerCount = 3;
constexpr unsigned kWatcherCount = 2;
constexpr unsigned kLoaderCount = 2;
constexpr int kKeysOfTalker = 40;
constexpr int kFixtureCount = 300;
constexpr std::size_t kFixtureBytes = 9000;  // more in all than the budget for keys
constexpr int kFixturesPerMset = 20;
constexpr std::uint32_t kDatabaseCount = 4;
constexpr milliseconds kBetweenFlushes{300};
constexpr std::chrono::seconds kPatience{120};

std::string bulk(Bytes text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}
const std::string kNil = "$-1\r\n";

/// Takes the first reply off `replies`.
std::string take_reply(Bytes& replies) {
  const std::size_t line = replies.find("\r\n") + 2;
  std::string reply(replies.substr(0, line));
  const char kind = replies[0];
  const std::int64_t count =
      kind == '$' || kind == '*' ? *parse_integer(replies.substr(1, line - 3)) : -1;
  replies.remove_prefix(line);
  if (count < 0) return reply;
  if (kind == '$') {
    reply += replies.substr(0, static_cast<std::size_t>(count) + 2);
    replies.remove_prefix(static_cast<std::size_t>(count) + 2);
  }
  for (std::int64_t i = 0; kind == '*' && i < count; ++i) reply += take_reply(replies);
  return reply;
}

/// The replies in an array, or in whatever is before it.
std::vector<std::string> elements(Bytes array) {
  std::vector<std::string> all;
  array.remove_prefix(array.find("\r\n") + 2);
  while (!array.empty()) all.push_back(take_reply(array));
  return all;
}

std::string text_of(Bytes reply) {
  if (reply[0] != '$' || reply == kNil) return {};
  reply.remove_prefix(reply.find("\r\n") + 2);
  return std::string(reply.substr(0, reply.size() - 2));
}

/// A connection on a thread of its own, which sleeps while it is parked.
class Connection {
 public:
  Connection(TieredServer& server, io::Clock& clock) : clock_(clock), client_(server) {
    client_.on_wake = [this] {
      const std::lock_guard lock(m_);
      is_awake_ = true;
      changed_.notify_one();
    };
  }
  ~Connection() { client_.unpark(); }  // no wake() comes afterwards

  std::string run(std::vector<Words> pipeline) {
    client_.now = clock_.wall();
    std::string replies = client_.run(std::move(pipeline));
    while (client_.is_parked) {
      std::unique_lock lock(m_);
      if (!changed_.wait_for(lock, kPatience, [this] { return is_awake_; })) {
        ADD_FAILURE() << "nobody woke it";
        std::abort();  // nothing else could be relied upon
      }
      is_awake_ = false;
      lock.unlock();
      client_.now = clock_.wall();
      replies += client_.run();
    }
    return replies;
  }
  std::string ask(Words words) { return run({std::move(words)}); }
  void select(std::uint32_t db) { client_.db = db; }

 private:
  io::Clock& clock_;
  TieredServer::Client client_;
  std::mutex m_;
  std::condition_variable changed_;
  bool is_awake_ = false;  // guarded by m_
};

/// FLUSHALLs, by number. What was written after `ended` was read, and found
/// missing before `begun` is, was flushed only if `begun` is the greater.
struct Flushes {
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> ended{0};
};

/// A key that one client writes and others watch: the numbers it is set to
/// grow. A second key in another shard is always set with it.
struct Feed {
  std::string first;
  std::string second;
  std::atomic<std::uint64_t> asked{0};
  std::atomic<std::uint64_t> told{0};
  std::atomic<std::uint64_t> safe_since{0};  ///< Flushes::ended before what was told last
};

/// What all threads share.
struct Arena {
  explicit Arena(std::unique_ptr<store::Store> store) : server(std::move(store), &clock) {
    keyspace::MemoryBudget& budget = server.keyspace.budget;
    budget.set_limit(16_MiB);
    budget.note_used(1_GiB, 0, 0);  // so much else is in memory that little is left for keys
    EXPECT_EQ(budget.keys_max(), 2_MiB);
    server.loader.admission().set_budget(50'000);
    for (unsigned i = 0; i < kTalkerCount; ++i) {
      feeds[i].first = "feed" + std::to_string(i);
      feeds[i].second = "deef" + std::to_string(i);
    }
  }

  /// Is so much else in memory that little is left for keys?
  void narrow(bool is_narrow) { server.keyspace.budget.note_used(is_narrow ? 1_GiB : 8_MiB, 0, 0); }

  io::RealClock clock;
  TieredServer server;
  std::atomic<bool> is_over{false};
  Flushes flushes;
  Feed feeds[kTalkerCount];
  std::atomic<std::uint64_t> fixtures_safe_since{0};
  std::atomic<bool> has_fixtures{false};
  std::atomic<std::uint64_t> exact_scans{0};
  std::atomic<std::uint64_t> cold_expired{0};
  std::atomic<std::uint64_t> warm_steps{0};
};

std::string fixture(std::uint64_t i) { return "fixture" + std::to_string(i); }
std::string fixture_value(std::uint64_t i) {
  return std::string(kFixtureBytes, static_cast<char>('a' + i % 26));
}

/// Writes and reads keys of its own.
class Talker {
 public:
  Talker(Arena& arena, unsigned number)
      : arena_(arena),
        connection_(arena.server, arena.clock),
        feed_(arena.feeds[number]),
        prefix_("k" + std::to_string(number) + "."),
        random_(number + 1) {}

  void talk() {
    while (!arena_.is_over && !::testing::Test::HasFailure()) {
      if (random_.chance_percent(10)) {
        feed();
      } else {
        say();
      }
    }
  }

 private:
  /// What a key holds: nothing, or a value until an instant.
  struct State {
    std::optional<std::string> value;
    std::int64_t expiry = INT64_MAX;
    auto operator<=>(const State&) const = default;
  };
  struct Key {
    std::set<State> possible{State{}};
    std::uint64_t safe_since = 0;  ///< a FLUSHALL with a higher number may have taken it
  };
  struct Outcome {
    std::string reply;
    State after;
  };
  using Rule = std::function<Outcome(const State&)>;
  /// Of one command: what its reply tells.
  using Check = std::function<void(Bytes reply)>;

  void feed() {
    const std::uint64_t number = feed_.told.load() + 1;
    const std::string text = std::to_string(number);
    const std::uint64_t ended = arena_.flushes.ended.load();
    feed_.asked.store(number);
    EXPECT_EQ(connection_.ask({"MSET", feed_.first, text, feed_.second, text}), "+OK\r\n");
    feed_.safe_since.store(ended);
    feed_.told.store(number);
  }

  void say() {
    std::vector<Words> pipeline;
    std::vector<Check> checks;
    for (std::uint64_t n = 1 + random_.below(6); n > 0; --n) add(&pipeline, &checks);
    const std::vector<Words> said = pipeline;
    ended_ = arena_.flushes.ended.load();
    begin_ = arena_.clock.wall().count;
    const std::string replies = connection_.run(std::move(pipeline));
    end_ = arena_.clock.wall().count;
    begun_ = arena_.flushes.begun.load();
    Bytes left = replies;
    for (std::size_t i = 0; i < checks.size(); ++i) {
      ASSERT_FALSE(left.empty());
      const std::string reply = take_reply(left);
      SCOPED_TRACE(said[i][0] + " " + said[i][1] + " -> " + reply.substr(0, 50));
      checks[i](reply);
    }
    EXPECT_TRUE(left.empty());
  }

  /// All that the key may have held when the command at hand ran.
  std::set<State> before(const Key& key) const {
    std::set<State> states = key.possible;
    bool may_be_gone = begun_ > key.safe_since;
    std::erase_if(states, [&](const State& state) {
      if (state.value && end_ >= state.expiry) may_be_gone = true;
      return state.value && begin_ >= state.expiry;
    });
    if (may_be_gone) states.insert(State{});
    return states;
  }
  void learn(const std::string& name, Bytes reply, const Rule& rule) {
    Key& key = keys_[name];
    std::set<State> after;
    for (const State& state : before(key)) {
      Outcome outcome = rule(state);
      if (outcome.reply == reply) after.insert(std::move(outcome.after));
    }
    EXPECT_FALSE(after.empty()) << name << " cannot answer that";
    key = {std::move(after), ended_};
  }
  void learn_value(const std::string& name, Bytes reply) {
    learn(name, reply, [](const State& state) -> Outcome {
      return {state.value ? bulk(*state.value) : kNil, state};
    });
  }
  void set(const std::string& name, State state) { keys_[name] = {{std::move(state)}, ended_}; }

  std::string random_key() { return prefix_ + std::to_string(random_.below(kKeysOfTalker)); }
  std::string random_value() {
    return std::string(1 + random_.below(300), static_cast<char>('a' + random_.below(26)));
  }

  void add(std::vector<Words>* pipeline, std::vector<Check>* checks) {
    const std::string key = random_key();
    const std::string value = random_value();
    const auto say = [&](Words words, Check check) {
      pipeline->push_back(std::move(words));
      checks->push_back(std::move(check));
    };
    const auto is_ok = [](Bytes reply) { EXPECT_EQ(reply, "+OK\r\n"); };
    switch (random_.below(24)) {
      case 0:
      case 1:
        say({"SET", key, value}, [=, this](Bytes reply) {
          is_ok(reply);
          set(key, {value, INT64_MAX});
        });
        break;
      case 2:
      case 3: {
        const std::int64_t when =
            arena_.clock.wall().count + 5 + static_cast<std::int64_t>(random_.below(200));
        say({"SET", key, value, "PXAT", std::to_string(when)}, [=, this](Bytes reply) {
          is_ok(reply);
          set(key, {value, when});
        });
        break;
      }
      case 4:
        say({"SET", key, value, "NX"}, [=, this](Bytes reply) {
          learn(key, reply, [&](const State& state) -> Outcome {
            if (state.value) return {kNil, state};
            return {"+OK\r\n", {value, INT64_MAX}};
          });
        });
        break;
      case 5:
        say({"DEL", key}, [=, this](Bytes reply) {
          learn(key, reply, [](const State& state) -> Outcome {
            return {state.value ? ":1\r\n" : ":0\r\n", State{}};
          });
        });
        break;
      case 6:
      case 7:
        say({"APPEND", key, "x"}, [=, this](Bytes reply) {
          learn(key, reply, [](const State& state) -> Outcome {
            State after = state;
            if (!after.value) after = {std::string(), INT64_MAX};
            *after.value += "x";
            return {":" + std::to_string(after.value->size()) + "\r\n", after};
          });
        });
        break;
      case 8: {
        const std::string second = random_key();
        say({"MSET", key, value, second, value}, [=, this](Bytes reply) {
          is_ok(reply);
          set(key, {value, INT64_MAX});
          set(second, {value, INT64_MAX});
        });
        break;
      }
      case 9:
      case 10: {
        const std::string second = random_key();
        say({"MGET", key, second, "nobodys"}, [=, this](Bytes reply) {
          const std::vector<std::string> values = elements(reply);
          ASSERT_EQ(values.size(), 3U);
          learn_value(key, values[0]);
          learn_value(second, values[1]);
          EXPECT_EQ(values[2], kNil);
        });
        break;
      }
      case 11:
        say_rename(key, random_key(), say);
        break;
      case 12:
        // Into databases that are flushed and exchanged all the time.
        say({"COPY", key, key, "DB", std::to_string(1 + random_.below(3)), "REPLACE"},
            [=, this](Bytes reply) {
              learn(key, reply, [](const State& state) -> Outcome {
                return {state.value ? ":1\r\n" : ":0\r\n", state};
              });
            });
        break;
      default:
        say({"GET", key}, [=, this](Bytes reply) { learn_value(key, reply); });
        break;
    }
  }
  template <typename Say>
  void say_rename(const std::string& from, const std::string& to, Say say) {
    if (from == to) return;
    say({"RENAME", from, to}, [=, this](Bytes reply) {
      std::set<State> moved = before(keys_[from]);
      if (reply == "-ERR no such key\r\n") {
        EXPECT_TRUE(moved.contains(State{})) << from << " is there";
        keys_[from] = {{State{}}, ended_};
        return;
      }
      EXPECT_EQ(reply, "+OK\r\n");
      moved.erase(State{});
      EXPECT_FALSE(moved.empty()) << from << " is not there";
      keys_[to] = {std::move(moved), ended_};
      keys_[from] = {{State{}}, ended_};
    });
  }

  Arena& arena_;
  Connection connection_;
  Feed& feed_;
  std::string prefix_;
  io::Random random_;
  std::map<std::string, Key> keys_;
  // Around the pipeline at hand.
  std::uint64_t ended_ = 0;
  std::uint64_t begun_ = 0;
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
};

/// Reads what others write.
void watch(Arena& arena, unsigned number) {
  Connection connection(arena.server, arena.clock);
  io::Random random(100 + number);
  while (!arena.is_over && !::testing::Test::HasFailure()) {
    if (random.chance_percent(40) && arena.has_fixtures) {
      const std::uint64_t i = random.below(kFixtureCount);
      const std::uint64_t safe_since = arena.fixtures_safe_since.load();
      const std::string reply = connection.ask({"GET", fixture(i)});
      if (reply == kNil) {
        EXPECT_GT(arena.flushes.begun.load(), safe_since) << fixture(i);
      } else {
        EXPECT_TRUE(reply == bulk(fixture_value(i))) << fixture(i);
      }
      continue;
    }
    Feed& feed = arena.feeds[random.below(kTalkerCount)];
    const std::uint64_t told = feed.told.load();
    const std::uint64_t safe_since = feed.safe_since.load();
    const auto found = elements(connection.ask({"MGET", feed.first, feed.second}));
    const std::uint64_t asked = feed.asked.load();
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0], found[1]) << "half of an MSET";
    if (found[0] == kNil) {
      EXPECT_TRUE(told == 0 || arena.flushes.begun.load() > safe_since);
      continue;
    }
    const auto value = static_cast<std::uint64_t>(*parse_integer(text_of(found[0])));
    EXPECT_GE(value, told);
    EXPECT_LE(value, asked);
  }
}

/// Sees to it that the fixtures are there, and scans.
class Scanner {
 public:
  explicit Scanner(Arena& arena) : arena_(arena), connection_(arena.server, arena.clock) {}

  void run() {
    bool is_complete = false;
    std::uint64_t safe_since = 0;
    while (!arena_.is_over && !::testing::Test::HasFailure()) {
      if (!is_complete || arena_.flushes.begun.load() > safe_since) {
        safe_since = arena_.flushes.ended.load();
        for (std::uint64_t i = 0; i < kFixtureCount; i += kFixturesPerMset) restore(i);
        arena_.fixtures_safe_since.store(safe_since);
        arena_.has_fixtures = is_complete = true;
      }
      restore(random_.below(kFixtureCount));  // some are dirty again
      const std::map<std::string, int> visits = scan();
      const bool is_exact = arena_.flushes.begun.load() == safe_since;
      for (const auto& [name, count] : visits) EXPECT_EQ(count, 1) << name;
      for (std::uint64_t i = 0; is_exact && i < kFixtureCount; ++i) {
        EXPECT_EQ(visits.count(fixture(i)), 1U) << fixture(i);
      }
      if (is_exact) ++arena_.exact_scans;
      look_around(safe_since);
    }
  }

 private:
  void restore(std::uint64_t from) {
    Words words{"MSET"};
    for (std::uint64_t i = from;
         i < std::min<std::uint64_t>(from + kFixturesPerMset, kFixtureCount); ++i) {
      words.push_back(fixture(i));
      words.push_back(fixture_value(i));
    }
    EXPECT_EQ(connection_.ask(std::move(words)), "+OK\r\n");
  }
  std::map<std::string, int> scan() {
    std::map<std::string, int> visits;
    std::string cursor = "0";
    do {
      const auto answer = elements(
          connection_.ask({"SCAN", cursor, "COUNT", std::to_string(1 + random_.below(60))}));
      if (answer.size() != 2) {
        ADD_FAILURE() << "no answer to SCAN";
        return visits;
      }
      cursor = text_of(answer[0]);
      for (const std::string& name : elements(answer[1])) ++visits[text_of(name)];
    } while (cursor != "0");
    return visits;
  }
  /// Other commands on all shards.
  void look_around(std::uint64_t safe_since) {
    const auto names = elements(connection_.ask({"KEYS", "fixture*"}));
    const std::string count = connection_.ask({"DBSIZE"});
    const std::string any = connection_.ask({"RANDOMKEY"});
    if (arena_.flushes.begun.load() != safe_since) return;
    EXPECT_EQ(names.size(), static_cast<std::size_t>(kFixtureCount));
    EXPECT_GE(*parse_integer(Bytes(count).substr(1, count.size() - 3)), kFixtureCount);
    EXPECT_NE(any, kNil);
  }

  Arena& arena_;
  Connection connection_;
  io::Random random_{200};
};

/// Empties and exchanges databases that others write to, and now and then
/// empties all.
void flush(Arena& arena) {
  Connection connection(arena.server, arena.clock);
  io::Random random(300);
  std::uint64_t scans_before = 0;
  auto flushed_at = std::chrono::steady_clock::now();
  while (!arena.is_over && !::testing::Test::HasFailure()) {
    connection.select(static_cast<std::uint32_t>(1 + random.below(3)));
    for (std::uint64_t n = random.below(30); n > 0; --n) {
      const std::string key = "visitor" + std::to_string(random.below(100));
      if (random.chance_percent(50)) {
        const std::string span = std::to_string(1 + random.below(100));
        EXPECT_EQ(connection.ask({"SET", key, key, "PX", span}), "+OK\r\n");
      } else {
        EXPECT_EQ(connection.ask({"SET", key, key}), "+OK\r\n");
        EXPECT_EQ(connection.ask({"GET", key}), bulk(key));
      }
    }
    if (random.chance_percent(50)) {
      EXPECT_EQ(connection.ask({"FLUSHDB"}), "+OK\r\n");
      EXPECT_EQ(elements(connection.ask({"SCAN", "0"})).size(), 2U);
    } else {
      EXPECT_EQ(connection.ask({"SWAPDB", std::to_string(1 + random.below(3)),
                                std::to_string(1 + random.below(3))}),
                "+OK\r\n");
    }
    // In between, scans are to find all fixtures, and the evictor is to have
    // something to do.
    const auto now = std::chrono::steady_clock::now();
    if (arena.exact_scans >= scans_before + 2 && now >= flushed_at + kBetweenFlushes) {
      ++arena.flushes.begun;
      EXPECT_EQ(connection.ask({"FLUSHALL"}), "+OK\r\n");
      ++arena.flushes.ended;
      scans_before = arena.exact_scans;
      flushed_at = now;
    }
    std::this_thread::sleep_for(milliseconds(1));
  }
}

/// As server/cron.cc: what has expired, in memory and in the store, and what
/// was flushed.
void expire(Arena& arena) {
  keyspace::Keyspace& keyspace = arena.server.keyspace;
  keyspace::Access access(keyspace);
  keyspace::ColdExpiry cold(keyspace, arena.clock);
  while (!arena.is_over) {
    for (keyspace::Shard& shard : keyspace.shards()) {
      for (std::uint32_t db = 0; db < keyspace.database_count(); ++db) {
        access.begin(db, arena.clock.wall());
        std::size_t cursor = 0;
        if (access.spin_hold(shard)) access.expire_some(shard, db, &cursor, 1000);
        access.release();
      }
    }
    const std::uint64_t before = keyspace.expired_key_count;
    EXPECT_TRUE(cold.step(arena.clock.monotonic() + Micros{500}).ok());
    arena.cold_expired += keyspace.expired_key_count > before ? 1 : 0;
    keyspace.free_detached();
    std::this_thread::sleep_for(milliseconds(2));
  }
}

void make_room(Arena& arena) {
  keyspace::Evictor evictor(arena.server.keyspace, arena.clock);
  for (int turn = 0; !arena.is_over; ++turn) {
    arena.narrow(turn % 64 < 48);  // else there is room to warm up
    evictor.step(Micros{500});
    std::this_thread::sleep_for(milliseconds(1));
  }
}

/// What the talkers are about to use leaves, too.
void evict(Arena& arena) {
  io::Random random(400);
  while (!arena.is_over) {
    arena.server.evict("k" + std::to_string(random.below(kTalkerCount)) + "." +
                       std::to_string(random.below(kKeysOfTalker)));
    arena.server.evict(fixture(random.below(kFixtureCount)));
    std::this_thread::yield();
  }
}

void take_checkpoints(Arena& arena) {
  while (!arena.is_over) {
    arena.server.checkpoint();
    // Its cut stops everybody: let them do something in between.
    std::this_thread::sleep_for(milliseconds(3));
  }
}

void warm_up(Arena& arena) {
  while (!arena.is_over) {
    keyspace::Warmer warmer(arena.server.keyspace, arena.clock);
    for (;;) {
      const Result<bool> has_more = warmer.step();
      EXPECT_TRUE(has_more.ok());
      if (!has_more.ok() || !has_more.value() || arena.is_over) break;
      ++arena.warm_steps;
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
}

// ---- What must be so in the end

struct Held {
  std::string text;
  std::optional<std::int64_t> expiry;
  friend bool operator==(const Held&, const Held&) = default;
};
using Contents = std::map<std::pair<std::uint32_t, std::string>, Held>;

/// Of both tiers. Requires: nobody else uses the keyspace.
Contents contents_of(keyspace::Keyspace& keyspace) {
  Contents contents;
  for (std::uint32_t db = 0; db < keyspace.database_count(); ++db) {
    for (const keyspace::Shard& shard : keyspace.shards()) {
      shard.tables[db]->for_each([&](const keyspace::Record* record) {
        keyspace::IntegerText scratch;
        Held held{std::string(keyspace::text_of(record->string(), scratch)), {}};
        if (record->has_expiry()) held.expiry = record->expiry().count;
        const bool is_new =
            contents.emplace(std::pair(db, std::string(record->key())), std::move(held)).second;
        EXPECT_TRUE(is_new) << record->key();
      });
    }
    if (keyspace.store() == nullptr) continue;
    const store::KeyRange range = store::record_range(keyspace.generation(db));
    const Status status = keyspace.store()->scan(range.from, range.to, [&](Bytes key, Bytes value) {
      const auto place = store::decode_record_key(key);
      const auto record = store::decode_record(value);
      EXPECT_TRUE(place.ok() && record.ok());
      const keyspace::Key at = keyspace::make_key(place.value().key, keyspace.hash_seed());
      if (keyspace.shard_of(at.slot).tables[db]->find_slot(at) != nullptr) return true;
      Held held{record.value().encoding == 1 ? std::to_string(record.value().integer)
                                             : std::string(record.value().value),
                {}};
      if (record.value().expiry) held.expiry = record.value().expiry->count;
      contents.emplace(std::pair(db, std::string(at.bytes)), std::move(held));
      return true;
    });
    EXPECT_TRUE(status.ok());
  }
  return contents;
}

/// Runs the log from `begin` on.
void replay(TieredServer& server, keyspace::Keyspace& keyspace, log::Offset begin) {
  Services services{.keyspace = keyspace,
                    .log = nullptr,
                    .clock = server.clock,
                    .table = server.commands,
                    .clients = server.registry,
                    .config = server.config,
                    .statistics = server.statistics,
                    .lifecycle = server.lifecycle,
                    .facts = server.facts,
                    .checkpointer = nullptr,
                    .loader = nullptr};
  Dispatcher dispatcher(services);
  TieredServer::Client session(server);
  keyspace.is_replaying = true;
  log::Offset at = 0;
  for (const keyspace::FrameRecorder::Frame& frame : server.log.frames()) {
    const log::Offset frame_begin = at;
    at += frame.bytes.size();
    if (frame_begin < begin) continue;
    const resp::ParserOptions options;
    resp::RequestParser parser(options);
    ASSERT_EQ(parser.parse(frame.bytes, 1000), resp::ParseStatus::kRequests);
    ASSERT_EQ(parser.consumed(), frame.bytes.size());
    session.db = frame.db;
    for (const resp::Request& request : parser.requests()) {
      if (request.words[0] == "MULTI" || request.words[0] == "EXEC") continue;
      resp::StringOutput output;
      resp::Reply reply(output, resp::Dialect::kResp2);
      const Status status = dispatcher.replay(session, {&request, 1}, reply, {});
      ASSERT_TRUE(status.ok()) << status.error().message;
    }
  }
  keyspace.is_replaying = false;
}

void expect_same(const Contents& found, const Contents& expected) {
  if (found == expected) return;
  EXPECT_EQ(found.size(), expected.size());
  for (const auto& [at, held] : expected) {
    const auto here = found.find(at);
    EXPECT_TRUE(here != found.end() && here->second == held)
        << "database " << at.first << ", key " << at.second;
  }
}

void verify_accounts(keyspace::Keyspace& keyspace) {
  std::size_t bytes = 0;
  std::size_t dirty = 0;
  for (keyspace::Shard& shard : keyspace.shards()) {
    EXPECT_FALSE(shard.is_edited);
    for (const auto& table : shard.tables) {
      table->verify_invariants();
      EXPECT_TRUE(table->loads().empty());
      bytes += table->allocated_bytes();
      dirty += table->dirty_bytes();
    }
  }
  EXPECT_EQ(keyspace.allocated_bytes(), bytes);
  EXPECT_EQ(keyspace.dirty_bytes(), dirty);
  EXPECT_EQ(keyspace.unsettled_bytes(), 0U);
}

void verify_counts(keyspace::Keyspace& keyspace, const Contents& contents) {
  std::vector<std::size_t> keys(keyspace.database_count());
  std::vector<std::size_t> expiring(keyspace.database_count());
  for (const auto& [at, held] : contents) {
    ++keys[at.first];
    if (held.expiry) ++expiring[at.first];
  }
  keyspace::Access access(keyspace);
  access.begin(0, {});
  access.hold_all();
  for (std::uint32_t db = 0; db < keyspace.database_count(); ++db) {
    EXPECT_EQ(access.key_count(db), keys[db]) << "database " << db;
    EXPECT_EQ(access.database_stats(db).expiring, expiring[db]) << "database " << db;
  }
  access.release();
}

void verify(Arena& arena) {
  TieredServer& server = arena.server;
  EXPECT_EQ(server.loader.admission().reserved_bytes(), 0U);
  verify_accounts(server.keyspace);
  const Contents contents = contents_of(server.keyspace);
  verify_counts(server.keyspace, contents);
  const keyspace::Options options{
      .shard_count = 4, .database_count = kDatabaseCount, .hash_seed = server.keyspace.hash_seed()};
  {
    keyspace::Keyspace copy(options, nullptr);
    replay(server, copy, 0);
    expect_same(contents_of(copy), contents);
  }
  {
    const auto marker = server.store.marker();
    ASSERT_TRUE(marker.ok() && marker.value().has_value());
    keyspace::Keyspace restarted(options, nullptr, &server.store);
    restarted.restore(*marker.value());
    replay(server, restarted, (*marker.value()).offset);
    expect_same(contents_of(restarted), contents);
    verify_counts(restarted, contents);
  }
  server.checkpoint();
  verify_accounts(server.keyspace);
  EXPECT_EQ(server.keyspace.dirty_bytes(), 0U);
  expect_same(contents_of(server.keyspace), contents);
}

/// Has everything happened that is to happen?
bool has_seen_all(Arena& arena) {
  keyspace::Keyspace& keyspace = arena.server.keyspace;
  return arena.exact_scans >= 3 && arena.flushes.ended >= 1 && arena.cold_expired >= 1 &&
         arena.warm_steps >= 1 && keyspace.load_count >= 50 && keyspace.eviction_count >= 50 &&
         keyspace.expired_key_count >= 20;
}

void run_all(Arena& arena, std::chrono::seconds duration) {
  std::vector<std::thread> threads;
  const auto add = [&](auto work) { threads.emplace_back(std::move(work)); };
  for (unsigned i = 0; i < kLoaderCount; ++i) add([&] { arena.server.loader.run(); });
  for (unsigned i = 0; i < kTalkerCount; ++i) add([&arena, i] { Talker(arena, i).talk(); });
  for (unsigned i = 0; i < kWatcherCount; ++i) add([&arena, i] { watch(arena, i); });
  add([&] { Scanner(arena).run(); });
  for (void (*work)(Arena&) : {flush, expire, make_room, evict, take_checkpoints, warm_up}) {
    add([&arena, work] { work(arena); });
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::steady_clock::now() - begin; };
  while (!::testing::Test::HasFailure() && passed() < duration + kPatience &&
         (passed() < duration || !has_seen_all(arena))) {
    std::this_thread::sleep_for(milliseconds(20));
  }
  arena.is_over = true;
  // The talkers may still need the loaders.
  for (std::size_t i = kLoaderCount; i < threads.size(); ++i) threads[i].join();
  arena.server.loader.stop();
  for (unsigned i = 0; i < kLoaderCount; ++i) threads[i].join();
  EXPECT_TRUE(has_seen_all(arena))
      << arena.exact_scans << " scans, " << arena.flushes.ended << " flushes, "
      << arena.cold_expired << " cold expiries, " << arena.warm_steps << " steps of warming, "
      << arena.server.keyspace.load_count << " loads, " << arena.server.keyspace.eviction_count
      << " evictions, " << arena.server.keyspace.expired_key_count << " expired";
  verify(arena);
}

std::chrono::seconds duration() {
  const char* text = std::getenv("DISKDB_CONTENTION_SECONDS");
  return std::chrono::seconds(text == nullptr ? 2 : parse_integer(text).value_or(2));
}

TEST(Contention, EverythingAtOnce) {
  Arena arena(std::make_unique<keyspace::MapStore>());
  run_all(arena, duration());
}

#if !defined(__SANITIZE_THREAD__)  // it does not see into the library
TEST(Contention, EverythingAtOnceOnRocksDb) {
  Arena arena(nullptr);
  run_all(arena, duration());
}
#endif

}  // namespace
}  // namespace diskdb::command
