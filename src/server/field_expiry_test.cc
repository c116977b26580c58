// Fields that expire, through checkpoints, eviction and restarts: random commands beside a map.
// What is read must never show an expired field, whether or not it has been deleted yet; once
// expiry has had its time none is there any more, in memory or not; and a replay, however late,
// decides nothing by its own clock.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/random.h"
#include "keyspace/fake_store_test.h"
#include "server/sim_server_test.h"

namespace diskdb::server {
namespace {

struct Value {
  std::string text;
  std::int64_t expiry = 0;  ///< 0: none
};
/// By key and field.
using Model = std::map<std::string, std::map<std::string, Value>>;

std::string bulk(const std::string& text) {
  return '$' + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed), disk_(seed), seed_(seed) {
    options_.keyspace.shard_count = 4;
    options_.keyspace.database_count = 2;
    options_.keyspace.hash_seed = 7;
    options_.has_loader = false;
    field_count_ = random_.chance_percent(50) ? 20 : 900;
    start();
  }
  ~Life() { client_.reset(); }

  /// Some ingests are in doubt: whether they have happened is known to the next.
  void checkpoint() {
    for (int i = 0; !server_->checkpointer().run().ok(); ++i) ASSERT_LT(i, 20);
  }

  void live(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      const std::uint64_t draw = random_.below(60);
      if (draw == 0) {
        restart();
      } else if (draw < 3) {
        checkpoint();
      } else if (draw < 5) {
        evict();
      } else if (draw < 8) {
        clock_.advance(Millis{static_cast<std::int64_t>(random_.below(150))});
        purge();
      } else if (draw < 10) {
        expire_all();
      } else if (draw < 40) {
        write();
      } else {
        read();
      }
    }
    expire_all();
  }

 private:
  void start() {
    server_ = std::make_unique<SimServer>(options_, clock_, disk_);
    const Status status =
        server_->start([this] { return keyspace::FakeStore::open(disk_, states_, seed_, 20); });
    ASSERT_TRUE(status.ok()) << status.error().message;
    client_ = std::make_unique<SimServer::Client>(*server_);
  }
  // The process is killed, or goes in an orderly way; it is a while until it is back.
  void restart() {
    client_.reset();
    if (random_.chance_percent(50)) {
      ASSERT_TRUE(server_->log().close().ok());
      server_.reset();
    } else {
      ASSERT_TRUE(server_->log().sync_all().ok());
      disk_.power_off();
      server_.reset();
      disk_.lose_unsynced();
    }
    clock_.advance(Millis{static_cast<std::int64_t>(random_.below(100))});
    start();
    verify_held();
    purge();
  }
  std::string run(const Words& words) {
    client_->send({words});
    const auto done = client_->advance(clock_.wall());
    EXPECT_TRUE(client_->is_idle());
    return done.replies.empty() ? std::string() : done.replies[0];
  }

  // What has expired is gone for who reads.
  void purge() {
    for (auto key = model_.begin(); key != model_.end();) {
      std::erase_if(key->second, [&](const auto& field) {
        return field.second.expiry != 0 && field.second.expiry <= clock_.wall().count;
      });
      key = key->second.empty() ? model_.erase(key) : std::next(key);
    }
  }
  void expire_all() {
    ASSERT_TRUE(server_->cold_expiry().step({INT64_MAX}).ok());
    keyspace::Access access(server_->keyspace());
    for (keyspace::Shard& shard : server_->keyspace().shards()) {
      access.begin(0, clock_.wall());
      access.hold(shard);
      std::size_t cursor = 0;
      while (cursor != 0 || access.table(shard, 0).is_due(clock_.wall())) {
        access.expire_some(shard, 0, &cursor, 4);
      }
      access.release();
    }
    EXPECT_EQ(run({"DBSIZE"}), ':' + std::to_string(model_.size()) + "\r\n");
    for (const auto& [key, fields] : model_) {
      EXPECT_EQ(run({"HLEN", key}), ':' + std::to_string(fields.size()) + "\r\n") << key;
    }
  }
  void evict() {
    keyspace::Access access(server_->keyspace());
    access.begin(0, clock_.wall());
    access.hold_all();
    for (keyspace::Shard& shard : server_->keyspace().shards()) {
      std::vector<std::string> names;
      shard.tables[0]->for_each(
          [&](const keyspace::Record* record) { names.emplace_back(record->key()); });
      for (const std::string& name : names) {
        while (random_.chance_percent(80) && access.evict(shard, 0, access.key(name))) {
        }
      }
    }
    access.release();
  }
  // A replay has deleted nothing of its own: each field that there should be is there, and each
  // that is not in the model had expired.
  void verify_held() {
    for (const auto& [key, fields] : model_) {
      const std::string reply = run({"HLEN", key});
      EXPECT_GE(std::stoll(reply.substr(1)), static_cast<long long>(fields.size())) << key;
    }
  }

  std::string any_key() { return "hash" + std::to_string(random_.below(5)); }
  std::string any_field() { return "f" + std::to_string(random_.below(field_count_)); }

  void write() {
    const std::string key = any_key();
    const std::uint64_t draw = random_.below(10);
    if (draw < 2) return set(key, 0);
    if (draw < 6) return set(key, clock_.wall().count + 1 + static_cast<long>(random_.below(400)));
    const std::string field = any_field();
    const auto hash = model_.find(key);
    Value* value = nullptr;
    if (hash != model_.end()) {
      const auto found = hash->second.find(field);
      if (found != hash->second.end()) value = &found->second;
    }
    if (draw == 6) {
      EXPECT_EQ(run({"HDEL", key, field}), value == nullptr ? ":0\r\n" : ":1\r\n");
      if (value != nullptr) hash->second.erase(field);
      if (value != nullptr && hash->second.empty()) model_.erase(hash);
    } else if (draw == 7) {
      const char* answer = value == nullptr ? "-2" : value->expiry == 0 ? "-1" : "1";
      EXPECT_EQ(run({"HPERSIST", key, "FIELDS", "1", field}),
                std::string("*1\r\n:") + answer + "\r\n");
      if (value != nullptr) value->expiry = 0;
    } else if (draw == 8) {
      EXPECT_EQ(run({"HSETNX", key, field, "new"}), value == nullptr ? ":1\r\n" : ":0\r\n");
      if (value == nullptr) model_[key][field] = {"new", 0};
    } else {
      const std::int64_t when = clock_.wall().count + 1 + static_cast<long>(random_.below(400));
      const std::string text = std::to_string(when);
      EXPECT_EQ(run({"HPEXPIREAT", key, text, "FIELDS", "1", field}),
                value == nullptr ? "*1\r\n:-2\r\n" : "*1\r\n:1\r\n");
      if (value != nullptr) value->expiry = when;
    }
  }
  void set(const std::string& key, std::int64_t expiry) {
    const std::uint64_t count = 1 + random_.below(random_.chance_percent(30) ? 300 : 3);
    Words words{"HSETEX", key};
    if (expiry != 0) words.insert(words.end(), {"PXAT", std::to_string(expiry)});
    words.insert(words.end(), {"FIELDS", std::to_string(count)});
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string field = any_field();
      const std::string value(random_.below(40), 'v');
      words.insert(words.end(), {field, value});
      model_[key][field] = {value, expiry};
    }
    EXPECT_EQ(run(words), ":1\r\n");
  }

  void read() {
    const std::string key = any_key();
    const auto hash = model_.find(key);
    const std::map<std::string, Value> fields =
        hash == model_.end() ? std::map<std::string, Value>() : hash->second;
    if (random_.chance_percent(70)) {
      const std::string field = any_field();
      const auto found = fields.find(field);
      EXPECT_EQ(run({"HGET", key, field}),
                found == fields.end() ? "$-1\r\n" : bulk(found->second.text));
      return;
    }
    const std::string reply = run({"HGETALL", key});
    std::size_t size = reply.find("\r\n") + 2;
    EXPECT_EQ(reply.substr(0, size), '*' + std::to_string(fields.size() * 2) + "\r\n");
    for (const auto& [field, value] : fields) {
      const std::string pair = bulk(field) + bulk(value.text);
      EXPECT_NE(reply.find(pair), std::string::npos) << key << ' ' << field;
      size += pair.size();
    }
    EXPECT_EQ(reply.size(), size);
  }

  io::Random random_;
  io::ManualClock clock_;
  io::SimDisk disk_;
  keyspace::FakeStates states_;
  std::uint64_t seed_;
  SimServer::Options options_;
  std::uint64_t field_count_;
  std::unique_ptr<SimServer> server_;
  std::unique_ptr<SimServer::Client> client_;
  Model model_;
};

TEST(FieldExpiry, AgreesWithAMapThroughRestarts) {
  for (std::uint64_t seed = 0; seed < 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life(seed).live(400);
  }
}

}  // namespace
}  // namespace diskdb::server
