// Objects through checkpoints, eviction, failed ingests and restarts: random edits of lists, sets,
// hashes, sorted sets and strings in pages beside a simple model, in the midst of checkpoints too.
// After a restart the keyspace must be what the model was at the cut that the store holds, and in
// the end the store must have exactly the pages that live objects have.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "io/random.h"
#include "keyspace/checkpointer.h"
#include "keyspace/client_test.h"
#include "keyspace/cold_expiry.h"
#include "keyspace/fake_store_test.h"
#include "keyspace/string_text.h"

namespace diskdb::keyspace {
namespace {

constexpr std::uint32_t kDatabases = 3;

/// What a key holds: entries in their order, for those types that have one.
struct Elements {
  Type type = Type::kString;
  std::string text;
  std::vector<std::string> list;
  std::map<std::string, std::string> named;  ///< members, with values or scores
  friend bool operator==(const Elements&, const Elements&) = default;
  bool is_empty() const { return type != Type::kString && list.empty() && named.empty(); }
};
using Model = std::map<std::pair<std::uint32_t, std::string>, Elements>;

/// Of its ingests some fail, and have not happened.
class FailingStore final : public store::Store {
 public:
  FailingStore(std::unique_ptr<store::Store> inner, io::Random& random, std::uint64_t percent)
      : inner_(std::move(inner)), random_(random), percent_(percent) {}

  Result<store::Presence> get(Bytes key, store::Reach, std::string* value) override {
    return inner_->get(key, store::Reach::kDisk, value);
  }
  Status get_many(const std::vector<Bytes>& keys,
                  const std::function<void(std::size_t, Bytes)>& visit) override {
    return inner_->get_many(keys, visit);
  }
  Status scan(Bytes from, Bytes to, const std::function<bool(Bytes, Bytes)>& visit) override {
    return inner_->scan(from, to, visit);
  }
  Result<std::optional<store::Marker>> marker() override { return inner_->marker(); }
  Result<std::unique_ptr<store::CheckpointFiles>> begin_files() override {
    return inner_->begin_files();
  }
  Status ingest(store::CheckpointFiles& files) override {
    if (!random_.chance_percent(percent_)) return inner_->ingest(files);
    needs_reopen_ = true;
    return {Code::kIo, "as asked for"};
  }
  bool needs_reopen() const override { return needs_reopen_ || inner_->needs_reopen(); }
  Status reopen() override {
    needs_reopen_ = false;
    return inner_->reopen();
  }
  store::Stats stats() const override { return {}; }
  double pressure() const override { return 0; }
  Status settle() override { return {}; }

 private:
  std::unique_ptr<store::Store> inner_;
  io::Random& random_;
  std::uint64_t percent_;
  bool needs_reopen_ = false;
};

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed), disk_(seed) {
    key_count_ = 2 + random_.below(8);
    member_count_ = random_.chance_percent(50) ? 40 : 3000;
    batch_max_ = member_count_ / 2;
    hook_percent_ = random_.below(30);
    text_max_ = random_.chance_percent(50) ? 3000 : 60'000;
    flat_max_ = random_.below(text_max_);
    chunk_bytes_ =
        static_cast<std::uint32_t>(1 + random_.below(random_.below(2) == 0 ? 100 : 4000));
    auto fake = FakeStore::open(disk_, states_, seed, 20);
    store_ = std::make_unique<HookedStore>(
        std::make_unique<FailingStore>(std::move(fake.value()), random_, 20),
        [this] { in_the_midst(); });
    start();
  }
  ~Life() {
    cold_expiry_.reset();
    access_.reset();
    checkpointer_.reset();
    if (keyspace_) {
      while (keyspace_->free_detached()) {
      }
    }
  }

  void live(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      const std::uint64_t draw = random_.below(40);
      if (draw == 0) {
        restart();
      } else if (draw < 3) {
        checkpoint();
      } else if (draw == 3) {
        expire();
        verify();
      } else {
        small_step();
      }
      if (i % 50 == 49) verify();
    }
    if (::testing::Test::HasFailure()) return;
    hook_percent_ = 0;
    while (!checkpoint()) {
    }
    verify();
    verify_pages();
    verify_expiry_entries();
    restart();
    verify();
  }

 private:
  void start() {
    keyspace_ = std::make_unique<Keyspace>(Options{.shard_count = 4,
                                                   .database_count = kDatabases,
                                                   .hash_seed = 5,
                                                   .flat_string_bytes_max = flat_max_,
                                                   .string_chunk_bytes = chunk_bytes_},
                                           &log_, store_.get());
    keyspace_->on_unreadable = [](const Status& status) { FAIL() << status.error().message; };
    checkpointer_ = std::make_unique<Checkpointer>(*keyspace_, clock_);
    access_ = std::make_unique<Access>(*keyspace_);
    cold_expiry_ = std::make_unique<ColdExpiry>(*keyspace_, clock_);
  }

  // Power goes: what the store has counts.
  void restart() {
    hook_percent_ = std::exchange(silenced_percent_, hook_percent_);
    if (store_->needs_reopen()) {
      ASSERT_TRUE(store_->reopen().ok());
    }
    const auto marker = store_->marker();
    ASSERT_TRUE(marker.ok());
    cold_expiry_.reset();
    access_.reset();
    checkpointer_.reset();
    while (keyspace_->free_detached()) {
    }
    start();
    model_.clear();
    if (marker.value()) {
      keyspace_->restore(*marker.value());
      checkpointer_->start_from(*marker.value());
      ASSERT_TRUE(cuts_.contains(marker.value()->offset));
      model_ = cuts_[marker.value()->offset];
    }
    hook_percent_ = std::exchange(silenced_percent_, hook_percent_);
  }

  bool checkpoint() {
    cuts_[log_.appended()] = model_;
    epoch_before_ = keyspace_->epoch();
    return checkpointer_->run().ok();
  }

  // Not before the cut, of which checkpoint() has taken note already.
  void in_the_midst() {
    if (depth_ > 0 || keyspace_->epoch() == epoch_before_) return;
    ++depth_;
    while (random_.chance_percent(hook_percent_)) small_step();
    --depth_;
  }

  void small_step() {
    const std::uint64_t draw = random_.below(30);
    if (draw == 0) return evict();
    if (draw == 9) return expire();
    if (draw == 1) {
      keyspace_->free_detached();
      return;
    }
    begin();
    const Key key = random_key();
    const std::uint32_t db = access_->db();
    const auto at = std::pair(db, std::string(key.bytes));
    const bool is_there = model_.contains(at);
    if (draw == 2 && is_there) {
      access_->erase(key);
      model_.erase(at);
    } else if (draw == 3 && is_there) {
      const Key other = random_key();
      if (other.bytes != key.bytes) {
        access_->rename(key, other);
        model_[{db, std::string(other.bytes)}] = std::exchange(model_[at], {});
        model_.erase(at);
      }
    } else if (draw == 4 && is_there) {
      const Key other = random_key();
      const auto to_db = static_cast<std::uint32_t>(random_.below(kDatabases));
      if (other.bytes != key.bytes || to_db != db) {
        access_->copy(key, to_db, other);
        model_[{to_db, std::string(other.bytes)}] = Elements(model_[at]);
      }
    } else if (draw == 5 && is_there) {
      const std::uint32_t to_db = (db + 1) % kDatabases;
      if (!model_.contains({to_db, at.second})) {
        access_->move(key, to_db);
        model_[{to_db, at.second}] = std::exchange(model_[at], {});
        model_.erase(at);
      }
    } else if (draw == 6) {
      const std::string text = "t" + random_text(text_max_);
      // With an entry in the store, which whatever replaces it must remember.
      access_->set_string(
          key, text, random_.chance_percent(50) ? Expiry::at({INT64_MAX / 2}) : Expiry::none());
      model_[at] = {};
      model_[at].text = text;
    } else if (draw == 7 && random_.chance_percent(10)) {
      access_->flush(db);
      std::erase_if(model_, [db](const auto& entry) { return entry.first.first == db; });
    } else if (draw == 8 && random_.chance_percent(20)) {
      access_->swap(0, 1);
      Model swapped;
      for (auto& [place, held] : model_) {
        const std::uint32_t moved = place.first < 2 ? 1 - place.first : place.first;
        swapped[{moved, place.second}] = std::move(held);
      }
      model_ = std::move(swapped);
    } else {
      edit(key, at);
    }
    end();
  }

  void begin() {
    access_->begin(static_cast<std::uint32_t>(random_.below(kDatabases)), clock_.wall());
    access_->hold_all();
    access_->begin_command(words_, {}, Logged::kVerbatim, false);
  }
  void end() {
    access_->end_command();
    access_->release();
  }
  Key random_key() {
    name_ = name_ == &names_[0] ? &names_[1] : &names_[0];  // two may be in use
    *name_ = "key" + std::to_string(random_.below(key_count_));
    return access_->key(*name_);
  }
  std::string random_text(std::size_t large = 3000) {
    return std::string(random_.below(random_.chance_percent(large > 3000 ? 20 : 2) ? large : 30),
                       static_cast<char>('a' + random_.below(26)));
  }
  std::string random_member() { return "m" + std::to_string(random_.below(member_count_)); }

  void edit(const Key& key, const std::pair<std::uint32_t, std::string>& at) {
    constexpr Type kTypes[] = {Type::kList, Type::kSet, Type::kHash, Type::kSortedSet};
    const auto known = model_.find(at);
    if (known != model_.end() && known->second.type == Type::kString) {
      return edit_string(key, &known->second.text);
    }
    const Type type = known != model_.end() ? known->second.type : kTypes[random_.below(4)];
    Elements& expected = model_[at];
    expected.type = type;
    {
      ObjectEdit edit(*access_, key, type);
      const bool grows = random_.chance_percent(60);
      for (std::uint64_t n = 1 + random_.below(batch_max_); n > 0; --n) {
        if (type == Type::kList) {
          edit_list(edit, grows, &expected.list);
        } else {
          edit_named(edit, type, grows, &expected.named);
        }
      }
      edit.commit();
    }
    if (expected.is_empty()) model_.erase(at);
  }
  void edit_string(const Key& key, std::string* expected) {
    const Record* record = access_->find(key);
    ASSERT_EQ(record->string_length(), expected->size());
    const std::string part = random_text(text_max_ / 4);
    const std::uint64_t draw = random_.below(20);
    std::size_t offset = draw < 5 ? expected->size() : random_.below(expected->size());
    if (draw == 5) offset = random_.below(text_max_);
    if (draw == 6) {
      access_->edit_string(key, expected->size())[0] = 'e';
      expected->front() = 'e';
    } else {
      const std::size_t size = std::max(expected->size(), offset + part.size());
      if (size > text_max_) return access_->set_string(key, *expected);
      access_->write_string(key, record, size, offset, part);
      expected->resize(size);
      expected->replace(offset, part.size(), part);
    }
  }
  void edit_list(ObjectEdit& edit, bool grows, std::vector<std::string>* expected) {
    value::Sequence list(edit.object(), edit.use());
    const std::uint64_t at = random_.below(list.count() + 1);
    const auto place = expected->begin() + static_cast<std::ptrdiff_t>(at);
    if (grows) {
      const std::string entry = random_text();
      list.insert(at, entry);
      expected->insert(place, entry);
    } else if (at < list.count()) {
      const std::uint64_t last = std::min(list.count(), at + random_.below(10));
      list.erase(at, last);
      expected->erase(place, expected->begin() + static_cast<std::ptrdiff_t>(last));
    }
  }
  void edit_named(ObjectEdit& edit, Type type, bool grows,
                  std::map<std::string, std::string>* expected) {
    const std::string member = random_member();
    if (type == Type::kSortedSet) {
      value::ScoreSet zset(edit.object(), edit.use());
      const auto score = static_cast<double>(random_.below(100));
      if (grows) {
        const bool is_new = zset.put(member, score) == value::ScoreChange::kNew;
        ASSERT_EQ(is_new, !expected->contains(member));
        (*expected)[member] = std::to_string(score);
      } else {
        ASSERT_EQ(zset.erase(member), expected->erase(member) == 1);
      }
      return;
    }
    value::Dictionary table(edit.object(), edit.use());
    if (!grows) {
      ASSERT_EQ(table.erase(member), expected->erase(member) == 1);
    } else if (type == Type::kSet) {
      ASSERT_EQ(table.add(member), expected->emplace(member, "").second);
    } else {
      const std::string text = random_text();
      Millis expiry{};
      if (random_.chance_percent(30)) {
        expiry.count = clock_.wall().count + 1 + static_cast<std::int64_t>(random_.below(300));
      }
      const std::string value = text + value_suffix(expiry);
      ASSERT_EQ(table.put(member, text, expiry), expected->insert_or_assign(member, value).second);
    }
  }

  static std::string value_suffix(Millis expiry) {
    return expiry.count == 0 ? std::string() : '@' + std::to_string(expiry.count);
  }
  static bool has_expired(const std::string& value, Millis now) {
    const std::size_t at = value.find('@');
    return at != std::string::npos && std::stoll(value.substr(at + 1)) <= now.count;
  }
  // All that is due, in memory or not, goes.
  void expire() {
    const int depth = std::exchange(depth_, 1);
    clock_.advance(Millis{static_cast<std::int64_t>(random_.below(200))});
    ASSERT_TRUE(cold_expiry_->step({INT64_MAX}).ok());
    for (Shard& shard : keyspace_->shards()) {
      for (std::uint32_t db = 0; db < kDatabases; ++db) {
        access_->begin(db, clock_.wall());
        access_->hold(shard);
        std::size_t cursor = 0;
        while (cursor != 0 || access_->table(shard, db).is_due(clock_.wall())) {
          EXPECT_LE(access_->expire_some(shard, db, &cursor, 1 + random_.below(3)), 70U);
        }
        access_->release();
      }
    }
    for (auto at = model_.begin(); at != model_.end();) {
      if (at->second.type == Type::kHash) {
        std::erase_if(at->second.named,
                      [&](const auto& field) { return has_expired(field.second, clock_.wall()); });
      }
      at = at->second.is_empty() ? model_.erase(at) : std::next(at);
    }
    depth_ = depth;
  }

  void evict() {
    for (Shard& shard : keyspace_->shards()) {
      access_->begin(0, clock_.wall());
      access_->hold(shard);
      for (std::uint32_t db = 0; db < kDatabases; ++db) {
        for (std::uint64_t i = 0; i < key_count_; ++i) {
          const std::string name = "key" + std::to_string(i);
          const Key key = access_->key(name);
          if (&keyspace_->shard_of(key.slot) != &shard) continue;
          while (random_.chance_percent(70) && access_->evict(shard, db, key)) {
          }
        }
      }
      access_->release();
    }
  }

  Elements held_by(const Record& record) {
    Elements held{.type = record.type(), .text = {}, .list = {}, .named = {}};
    if (record.type() == Type::kString) {
      StringScratch scratch;
      held.text = text_of(record, access_->reading(), scratch);
      return held;
    }
    value::Object& object = record.object();
    const value::ObjectHandle handle(object, access_->reading());
    for (value::ElementCursor c = handle.at(0); !c.is_at_end(); c.next()) {
      switch (record.type()) {
        case Type::kList:
          held.list.emplace_back(c.entry());
          break;
        case Type::kHash:
          held.named.emplace(c.pair().key,
                             std::string(c.pair().value) + value_suffix(c.pair().expiry));
          break;
        case Type::kSortedSet:
          held.named.emplace(c.entry(), std::to_string(c.score()));
          break;
        default:
          held.named.emplace(c.entry(), "");
      }
    }
    if (record.type() == Type::kSortedSet) {
      for (const auto& [member, score] : held.named) {
        EXPECT_EQ(std::to_string(*value::ScoreSet(object, access_->reading()).score(member)),
                  score);
      }
    }
    if (record.type() == Type::kHash) {
      const value::Dictionary hash(object, access_->reading());  // brings its dates in as well
      const Millis never{INT64_MAX - 1};
      const std::vector<std::string> dated = hash.fields_expiring({INT64_MAX}, SIZE_MAX);
      EXPECT_EQ(dated.size(), hash.count_expiring(never));
      EXPECT_EQ(static_cast<std::ptrdiff_t>(dated.size()),
                std::ranges::count_if(held.named, [](const auto& field) {
                  return field.second.find('@') != std::string::npos;
                }));
    }
    EXPECT_EQ(object.count(), held.list.size() + held.named.size());
    return held;
  }

  void verify() {
    std::int64_t bytes = 0;
    std::int64_t dirty = 0;
    for (std::uint32_t db = 0; db < kDatabases; ++db) {
      access_->begin(db, clock_.wall());
      access_->hold_all();
      std::size_t count = 0;
      for (const auto& [at, expected] : model_) {
        if (at.first != db) continue;
        ++count;
        const Record* record = access_->find(access_->key(at.second));
        ASSERT_NE(record, nullptr) << at.second << " of " << db;
        EXPECT_TRUE(held_by(*record) == expected) << at.second << " of " << db;
      }
      EXPECT_EQ(access_->key_count(db), count);
      access_->release();
      for (Shard& shard : keyspace_->shards()) {
        Table& table = *shard.tables[db];
        table.verify_invariants();
        bytes += static_cast<std::int64_t>(table.allocated_bytes()) + table.pages().bytes;
        dirty += static_cast<std::int64_t>(table.dirty_bytes()) + table.pages().dirty_bytes;
      }
    }
    EXPECT_EQ(static_cast<std::int64_t>(keyspace_->allocated_bytes()), bytes);
    EXPECT_EQ(static_cast<std::int64_t>(keyspace_->dirty_bytes()), dirty);
  }

  std::size_t pages_with_entries(value::Object& object) {
    std::size_t count = object.resident_page_count();
    EXPECT_TRUE(
        store_
            ->scan("\x03", "\x04",
                   [&](Bytes key, Bytes page) {
                     std::string mine;
                     const value::PageId id = page_id_in(key);
                     store::encode_page_key(object.generation(), packed_id(object.id()), id, &mine);
                     const bool is_empty_one = mine == key && object.tree_of(id).is_resident(id) &&
                                               value::PageView(page).count() == 0;
                     if (is_empty_one) --count;
                     return true;
                   })
            .ok());
    return count;
  }
  static value::PageId page_id_in(Bytes key) {
    value::PageId id = 0;
    for (const char c : key.substr(key.size() - 6)) id = id << 8U | static_cast<unsigned char>(c);
    return id;
  }

  // Requires: all is stored, and in memory.
  void verify_pages() {
    std::size_t expected = 0;
    for (Shard& shard : keyspace_->shards()) {
      for (const auto& table : shard.tables) {
        table->for_each([&](const Record* record) {
          if (record->encoding() != Encoding::kObject || record->object().is_small()) return;
          record->object().verify_invariants();
          expected += pages_with_entries(record->object());
        });
      }
    }
    std::size_t found = 0;
    EXPECT_TRUE(store_
                    ->scan("\x03", "\x04",
                           [&](Bytes, Bytes page) {
                             // An empty leaf may stay, and no reader meets it.
                             if (value::PageView(page).count() > 0) ++found;
                             return true;
                           })
                    .ok());
    EXPECT_EQ(found, expected) << "pages in the store";
  }

  // Requires: all is stored, and in memory.
  void verify_expiry_entries() {
    std::map<std::string, bool> expected;  ///< is it of a field?
    for (Shard& shard : keyspace_->shards()) {
      for (const auto& table : shard.tables) {
        table->for_each([&](const Record* record) {
          if (!record->due()) return;
          std::string key;
          store::encode_expiry_key(table->generation(), *record->due(),
                                   access_->key(record->key()).slot, record->key(), &key);
          expected.emplace(key, !record->has_expiry());
        });
      }
    }
    std::map<std::string, bool> found;
    EXPECT_TRUE(store_
                    ->scan("\x02", "\x03",
                           [&](Bytes key, Bytes value) {
                             return found
                                 .emplace(key,
                                          store::decode_expiry_value(value).value().is_of_field)
                                 .second;
                           })
                    .ok());
    EXPECT_EQ(found, expected);
  }

  io::Random random_;
  io::SimDisk disk_;
  FakeStates states_;
  FrameRecorder log_;
  io::ManualClock clock_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Keyspace> keyspace_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<ColdExpiry> cold_expiry_;
  Model model_;
  std::map<log::Offset, Model> cuts_;  ///< what there was at each
  std::vector<Bytes> words_{"CHANGE"};
  std::string names_[2];
  std::string* name_ = &names_[0];
  std::uint64_t key_count_;
  std::uint64_t member_count_;
  std::uint64_t batch_max_;
  std::size_t text_max_;
  std::uint64_t flat_max_;
  std::uint32_t chunk_bytes_;
  std::uint64_t hook_percent_;
  std::uint64_t silenced_percent_ = 0;
  int depth_ = 0;
  std::uint32_t epoch_before_ = 0;  ///< the checkpoint under way
};

TEST(Objects, LiveThroughCheckpointsEvictionAndRestarts) {
  const char* wanted = std::getenv("DISKDB_OBJECT_SEEDS");
  const std::uint64_t count = wanted == nullptr ? 60 : std::strtoull(wanted, nullptr, 10);
  for (std::uint64_t seed = 0; seed < count && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life(seed).live(250);
  }
}

}  // namespace
}  // namespace diskdb::keyspace
