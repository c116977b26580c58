// The model checker of the two tiers. A server on a simulated disk lives through random commands,
// checkpoints, evictions, loads, expiry, restarts, kills, power losses and failing calls; beside it
// the memory engine runs the same commands under the same clock, and is the model: every reply
// must be its reply, and after every crash the server must be where the model was after some
// prefix of the history that holds all that was acknowledged. Room is made as the server makes it,
// for a tier of any size, in some lives under a policy that deletes keys: what it may delete is for
// the model to check, and what it has deleted for the model to learn.
//
// In some lives the disk is full for a while, again and again. Then writes may be refused and
// checkpoints fail, and nothing else: reads are answered as ever, the process lives, and once there
// is room again, all that waited for it is written and acknowledged at once.
//
// What happens is drawn from the seed. Commands also run in the midst of checkpoints, between any
// two entries that one writes (HookedStore). A failure names its seed; to see that life step by
// step:
//     DISKDB_TIER_FROM=SEED DISKDB_TIER_SEEDS=1 DISKDB_TIER_TRACE=1
//     server_test --gtest_filter=TierModel.*
// DISKDB_TIER_SEEDS also makes the run longer; of the dearer kinds of lives there are fewer. With
// the fake store a seed repeats call by call.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "base/number.h"
#include "command/generic_commands.h"
#include "keyspace/access.h"
#include "keyspace/evictor.h"
#include "keyspace/fake_store_test.h"
#include "keyspace/image.h"
#include "keyspace/string_text.h"
#include "keyspace/warmer.h"
#include "resp/bulk_strings_test.h"
#include "server/random_commands_test.h"
#include "server/sim_server_test.h"

namespace diskdb::server {
namespace {

std::uint64_t knob(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<std::uint64_t>(parse_integer(text).value_or(1));
}

/// Of lives so many times as dear as those with the fake store.
std::uint64_t seed_count(std::uint64_t cost) {
  return std::max<std::uint64_t>(knob("DISKDB_TIER_SEEDS", 200) / cost, 1);
}

// A failed ASSERT of the server ends the process: then, too, the seed must be known.
std::atomic<std::uint64_t> seed_at_work{0};

void name_the_seed(int) {
  char text[64];
  const int size = std::snprintf(text, sizeof text, "tier model: seed %llu\n",
                                 static_cast<unsigned long long>(seed_at_work.load()));
  (void)!::write(STDERR_FILENO, text, static_cast<std::size_t>(size));
}

/// What a key holds, as far as clients can tell, and whether it has expired or not.
struct Held {
  std::string text;
  std::string encoding;
  std::optional<std::int64_t> expiry;
  friend bool operator==(const Held&, const Held&) = default;
};
using Contents = std::map<std::pair<std::uint32_t, std::string>, Held>;

[[maybe_unused]] void PrintTo(const Held& held, std::ostream* out) {
  *out << held.encoding << " of " << held.text.size() << " bytes '" << held.text.substr(0, 30)
       << "'";
  if (held.expiry) *out << " until " << *held.expiry;
}

/// Reads pages of objects that no table has.
class StoredPages final : public value::PageSource {
 public:
  explicit StoredPages(keyspace::Keyspace& keyspace) : keyspace_(keyspace) {}
  void load(value::Object& object, const value::MissingPage& missing) override {
    std::string key;
    std::string page;
    store::encode_page_key(object.generation(), keyspace::packed_id(object.id()), missing.id, &key);
    const auto found = keyspace_.store()->get(key, store::Reach::kDisk, &page);
    ASSERT_TRUE(found.ok() && found.value() == store::Presence::kFound);
    const auto installed =
        object.tree_of(missing.id).install(missing, SharedBytes::copy_of(page), 1);
    ASSERT_TRUE(installed.ok() && installed.value());
  }
  value::ObjectId next_id() override { return {}; }

 private:
  keyspace::Keyspace& keyspace_;
};

/// The elements, those without an order sorted.
std::string text_of_elements(const keyspace::Record& record, const value::ObjectUse& use) {
  std::vector<std::string> elements;
  const value::ObjectHandle handle(record.object(), use);
  for (value::ElementCursor c = handle.at(0); !c.is_at_end(); c.next()) {
    elements.emplace_back(c.entry());
    if (record.type() == keyspace::Type::kSortedSet) elements.back() += std::to_string(c.score());
  }
  if (record.type() == keyspace::Type::kSet || record.type() == keyspace::Type::kHash) {
    std::ranges::sort(elements);
  }
  std::string text;
  for (const std::string& element : elements) text += std::to_string(element.size()) + element;
  return text;
}

Held held_in(const keyspace::Record& record, const value::ObjectUse& use) {
  keyspace::StringScratch scratch;
  Held held;
  if (record.type() != keyspace::Type::kString) {
    held.text = text_of_elements(record, use);
    held.encoding =
        record.type() == keyspace::Type::kModule ? Bytes("json") : command::encoding_name(record);
    if (record.has_expiry()) held.expiry = record.expiry().count;
    return held;
  }
  held.text = keyspace::text_of(record, use, scratch);
  held.encoding = record.encoding() == keyspace::Encoding::kInteger ? "int"
                  : record.is_raw()                                 ? "raw"
                                                                    : "text";
  if (record.has_expiry()) held.expiry = record.expiry().count;
  return held;
}

Held held_in(keyspace::Keyspace& keyspace, std::uint32_t db, const keyspace::Key& key,
             Bytes stored) {
  const store::StoredRecord record = store::decode_record(stored).value();
  Held held;
  if (record.encoding >= 2) {
    StoredPages pages(keyspace);
    const value::ObjectUse use{.source = &pages, .edit = {}};
    keyspace::Record* made = keyspace::record_of(key, stored, 1).value();
    made->object().set_generation(keyspace.generation(db));
    held = held_in(*made, use);
    keyspace::Record::destroy(made);
    return held;
  }
  held.text = record.encoding == 1 ? std::to_string(record.integer) : std::string(record.value);
  held.encoding = record.encoding == 1 ? "int" : record.is_raw ? "raw" : "text";
  if (record.expiry) held.expiry = record.expiry->count;
  return held;
}

/// Of both tiers. Nothing if the store cannot be read now.
std::optional<Contents> contents_of(keyspace::Keyspace& keyspace) {
  Contents contents;
  keyspace::Access access(keyspace);
  for (std::uint32_t db = 0; db < keyspace.database_count(); ++db) {
    for (keyspace::Shard& shard : keyspace.shards()) {
      shard.tables[db]->for_each([&](const keyspace::Record* record) {
        contents.emplace(std::pair(db, std::string(record->key())),
                         held_in(*record, access.reading()));
      });
    }
    if (keyspace.store() == nullptr) continue;
    const store::KeyRange range = store::record_range(keyspace.generation(db));
    const Status status = keyspace.store()->scan(range.from, range.to, [&](Bytes key, Bytes value) {
      const auto decoded_key = store::decode_record_key(key);
      const auto decoded = store::decode_record(value);
      EXPECT_TRUE(decoded_key.ok() && decoded.ok());
      const keyspace::Key at = keyspace::make_key(decoded_key.value().key, keyspace.hash_seed());
      EXPECT_EQ(at.slot, decoded_key.value().place.slot);
      if (keyspace.shard_of(at.slot).tables[db]->find_slot(at) == nullptr) {
        contents.emplace(std::pair(db, std::string(at.bytes)), held_in(keyspace, db, at, value));
      }
      return true;
    });
    if (!status.ok()) return std::nullopt;
  }
  return contents;
}

/// Drops from memory what may go.
std::size_t evict_all(SimServer& server) {
  keyspace::Access access(server.keyspace());
  access.begin(0, {});
  access.hold_all();
  std::size_t count = 0;
  for (std::uint32_t db = 0; db < server.keyspace().database_count(); ++db) {
    for (keyspace::Shard& shard : server.keyspace().shards()) {
      std::vector<std::string> names;
      shard.tables[db]->for_each(
          [&](const keyspace::Record* record) { names.emplace_back(record->key()); });
      for (const std::string& name : names) count += access.evict(shard, db, access.key(name));
    }
  }
  access.release();
  return count;
}

enum class Fault { kNone, kFails, kPowerOff };

/// How one life of a server goes; drawn from the seed.
struct Plan {
  /// `survives_pages`: reading a page of an object never fails.
  Plan(std::uint64_t seed, bool survives_pages) : random(seed * 7919 + 1) {
    options.keyspace.shard_count = 1U << random.below(7);
    options.keyspace.database_count = 4;
    options.keyspace.hash_seed = seed + 1;
    options.fsync = static_cast<log::Fsync>(random.below(3));
    options.segment_bytes = random.chance_percent(50) ? 64_KiB : 1_MiB;
    if (random.chance_percent(50) && survives_pages) {  // strings in pages
      options.keyspace.flat_string_bytes_max = 45 + random.below(1000);
      options.keyspace.string_chunk_bytes = static_cast<std::uint32_t>(1 + random.below(1000));
    }
    options.seed = seed + 1;
    commands.database_count = options.keyspace.database_count;
    commands.key_count = 8 + random.below(random.chance_percent(20) ? 200 : 40);
    commands.value_bytes_max = random.chance_percent(30) ? 20'000 : 2000;
    commands.flush_permille = random.below(20);
    options.has_loader = random.chance_percent(80);
    if (random.chance_percent(50)) options.admission_bytes = random.below(20'000);
    if (random.chance_percent(60)) options.checkpoints.bytes_at_once = 1 + random.below(500);
    client_count = 1 + random.below(4);
    checkpoints_in_replay = random.chance_percent(30);
    group_max = random.chance_percent(50) ? 1 : 1 + random.below(16);
    hook_percent = random.below(40);
    evict_percent = random.below(3) == 0 ? 60 : random.below(20);
    checkpoint_percent = 2 + random.below(10);
    has_faults = random.chance_percent(70);
    steps = 150 + random.below(150);
    room_percent = random.chance_percent(60) ? random.below(30) : 0;
    warm_percent = random.chance_percent(60) ? random.below(30) : 0;
    if (random.chance_percent(40)) policy = static_cast<keyspace::Policy>(random.below(7));
    if (random.chance_percent(60) && survives_pages) commands.elements_percent = random.below(60);
    if (random.chance_percent(50) && survives_pages) commands.json_percent = random.below(60);
    if (random.chance_percent(50)) {
      full_permille = 1 + random.below(40);
      options.segment_bytes = 4_KiB << random.below(5);  // soon there is none left
    }
    relief_permille = 2 + random.below(20);
  }

  io::Random random;
  SimServer::Options options;
  RandomCommands::Options commands;
  bool checkpoints_in_replay;
  std::size_t client_count;
  std::size_t group_max;
  std::uint64_t hook_percent;
  std::uint64_t evict_percent;
  std::uint64_t checkpoint_percent;
  bool has_faults;
  std::uint64_t steps;
  std::uint64_t room_percent;
  std::uint64_t warm_percent;
  keyspace::Policy policy = keyspace::Policy::kNoEviction;
  std::uint64_t full_permille = 0;  ///< how often the disk gets full
  std::uint64_t relief_permille;    ///< and how often it gets room again
};

/// What happened once, with what it takes to let it happen to the model again.
struct Event {
  std::vector<Words> requests;  ///< of one group; none: keys were deleted
  std::uint32_t db = 0;
  std::vector<std::string> expired = {};  ///< deleted because their time had come
  Millis now = {};
  log::Offset end = 0;                    ///< of the log behind it
  std::vector<std::string> deleted = {};  ///< by the policy
  bool rests = false;                     ///< expiry
};

class Life {
 public:
  static constexpr int kDepthMax = 3;

  enum class Behind { kFakeStore, kRocksDb };

  Life(std::uint64_t seed, Behind behind)
      : plan_(seed, behind == Behind::kFakeStore),
        behind_(behind),
        disk_(seed),
        random_(plan_.random),
        commands_(plan_.commands, random_) {
    start_model();
  }

  void live() {
    recover(0, 0);
    for (std::uint64_t i = 0; i < plan_.steps && !has_failed(); ++i) {
      step();
      if (is_dead()) crash();
    }
    if (has_failed()) return;
    disk_.heal();
    fault_ = Fault::kNone;
    plan_.full_permille = 0;
    empty_disk();
    recover_from_full();
    finish();
  }

 private:
  static bool has_failed() { return ::testing::Test::HasFailure(); }
  void start_model() {
    SimServer::Options options = plan_.options;
    options.keyspace.flat_string_bytes_max = 1_GiB;  // each string in one run
    model_ = std::make_unique<SimServer>(options, clock_);
  }
  static bool traces() { return knob("DISKDB_TIER_TRACE", 0) != 0; }
  template <typename... Parts>
  void trace(const char* format, Parts... parts) {
    if (!traces()) return;
    std::fprintf(stderr, "%6llu ", static_cast<unsigned long long>(disk_.call_count()));
    std::fprintf(stderr, format, parts...);
    std::fputc('\n', stderr);
  }

  /// Is the process to end here?
  bool is_dead() const {
    return !server_->death().ok() || (fault_ == Fault::kPowerOff && disk_.has_failed());
  }

  // ---- What happens

  void step() {
    const std::uint64_t draw = random_.below(100);
    if (may_be_full_ && !is_full_ && fault_ == Fault::kNone && random_.chance_percent(30)) {
      recover_from_full();
    }
    if (plan_.has_faults && fault_ == Fault::kNone && random_.chance_percent(5)) arm(400);
    if (draw < plan_.checkpoint_percent) {
      (void)checkpoint();
    } else if (draw < 94) {
      small_step();
    } else if (draw < 95) {
      restart();
    } else if (draw < 97) {
      crash();
    } else {
      verify();
    }
  }
  /// What may also happen in the midst of a checkpoint.
  void small_step() {
    change_disk();
    if (random_.chance_percent(30)) note_room();
    if (random_.chance_percent(plan_.evict_percent)) evict();
    if (random_.chance_percent(plan_.room_percent) && !is_silent_) make_room();
    if (random_.chance_percent(plan_.warm_percent)) warm_up();
    if (server_->loader() != nullptr && random_.chance_percent(40)) server_->loader()->work_once();
    switch (random_.below(14)) {
      case 0:
        load();
        break;
      case 1:
        if (is_silent_) break;
        clock_.advance({static_cast<std::int64_t>(random_.below(8000))});
        trace("clock %lld", static_cast<long long>(clock_.wall().count));
        note_change();
        break;
      case 2:
        if (!is_silent_) expire_some();
        break;
      case 3:
        server_->log().sync_step();
        note_promises();
        break;
      case 4:
        (void)server_->keyspace().free_detached();
        break;
      case 5:
        if (!is_silent_) expire_cold();
        break;
      case 6:
        if (!is_silent_) run_walk();
        break;
      default:
        if (!is_silent_) run_commands();
        break;
    }
    verify_tables();
  }
  /// In the midst of something that holds no lock.
  void in_the_midst() {
    if (is_quiet_ || depth_ >= kDepthMax || is_dead() || has_failed() || is_any_held()) return;
    ++depth_;
    while (!is_dead() && !has_failed() && random_.chance_percent(plan_.hook_percent)) {
      if (!is_checkpointing_ && random_.chance_percent(plan_.checkpoint_percent)) {
        (void)checkpoint();
      } else {
        small_step();
      }
    }
    --depth_;
  }
  bool is_any_held() {
    for (keyspace::Shard& shard : server_->keyspace().shards()) {
      if (!shard.lock.try_lock()) return true;
      shard.lock.unlock();
    }
    return false;
  }

  void arm(std::uint64_t calls) {
    fault_ = random_.chance_percent(50) ? Fault::kPowerOff : Fault::kFails;
    const std::uint64_t nth = random_.below(calls);
    trace("%s at call +%llu", fault_ == Fault::kPowerOff ? "power off" : "failure",
          static_cast<unsigned long long>(nth));
    if (fault_ == Fault::kPowerOff) disk_.power_off_at(nth);
    if (fault_ == Fault::kFails) disk_.fail_at(nth);
  }

  // ---- A disk that is full for a while

  void change_disk() {
    const std::uint64_t draw = random_.below(1000);
    if (is_full_ && draw < plan_.relief_permille) {
      empty_disk();
    } else if (draw < plan_.full_permille) {
      fill_disk();
    }
  }
  void fill_disk() {
    const std::uint64_t segment = plan_.options.segment_bytes;
    const std::uint64_t bounds[] = {1, 100, segment, 2 * segment, 6 * segment};
    const std::uint64_t left = random_.below(bounds[random_.below(std::size(bounds))]);
    trace("the disk has %llu bytes left", static_cast<unsigned long long>(left));
    disk_.set_free_bytes(left);
    is_full_ = may_be_full_ = true;
  }
  void empty_disk() {
    if (!is_full_) return;
    trace("the disk has room");
    disk_.set_free_bytes(kRoomBytes);
    is_full_ = false;
  }
  /// Of the disk, again: what waited for it happens, without anybody's help.
  /// Requires: nothing is armed, and nothing goes on.
  void recover_from_full() {
    if (!may_be_full_ || is_dead() || has_failed()) return;
    log::Log& log = server_->log();
    // One round makes the spare that the writer waits for, and the next one the spare behind it.
    const std::uint64_t rounds = 2 + 2 * log.pending_bytes() / plan_.options.segment_bytes;
    for (std::uint64_t i = 0; i < rounds; ++i) {
      log.write_pending();
      log.sync_step();
    }
    EXPECT_TRUE(log.has_room());
    EXPECT_EQ(log.acknowledgeable(), log.appended()) << "somebody waits for ever";
    note_promises();
    note_room();
    is_quiet_ = true;  // the disk stays as it is
    Status status = checkpoint();
    // RocksDB may notice only then that compactions had found no room, each by itself.
    for (int i = 0; i < 5 && behind_ == Behind::kRocksDb && !status.ok(); ++i)
      status = checkpoint();
    for (int i = 0; i < 20 && is_in_doubt(status); ++i) status = checkpoint();
    is_quiet_ = false;
    EXPECT_TRUE(status.ok()) << status.error().message;
    may_be_full_ = false;
    verify();
  }
  static bool is_in_doubt(const Status& status) {
    return !status.ok() && status.error().message == "nobody knows";
  }
  /// As the server notes, ten times a second, whether expiry rests.
  void note_room() { rest(!server_->log().has_room()); }
  void rest(bool rests) {
    server_->keyspace().is_expiry_resting = rests;
    model_->keyspace().is_expiry_resting = rests;
  }
  bool is_resting() const { return server_->keyspace().is_expiry_resting; }

  void run_commands() {
    if (!is_full_ || random_.chance_percent(20)) {
      for (int i = 0; i < 2 && !server_->log().has_room(); ++i) server_->log().sync_step();
      EXPECT_TRUE(is_full_ || is_dead() || server_->log().has_room());
    }
    if (is_dead()) return;
    SimServer::Client& client = *clients_[random_.below(clients_.size())];
    if (client.is_running()) return;
    if (client.is_idle()) client.send(random_group());
    if (client.may_run()) advance(client);
  }
  std::vector<Words> random_group() {
    std::vector<Words> group;
    const std::size_t count = 1 + random_.below(plan_.group_max);
    while (group.size() < count) {
      group.push_back(commands_.next(clock_.wall()));
      std::size_t bytes = 0;
      for (const std::string& word : group.back()) bytes += word.size();
      if (bytes <= 2000) continue;
      if (group.size() > 1) group.pop_back();
      break;
    }
    return group;
  }

  void advance(SimServer::Client& client) {
    const Millis now = clock_.wall();
    const std::uint32_t db = client.db;
    auto [requests, replies] = client.advance(now);
    for (std::size_t i = 0; traces() && i < requests.size(); ++i) {
      trace("[%u] %s-> %s", db, text_of(requests[i]).c_str(),
            replies[i].substr(0, std::min<std::size_t>(replies[i].find('\r'), 30)).c_str());
    }
    if (traces() && client.is_parked()) trace("parked");
    if (has_unreadable_ended()) return;  // before anything of this was done
    drop_refused(&requests, &replies);
    if (requests.empty()) return;
    const auto expected = model_->run(requests, db, now);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(replies[i], expected[i]) << text_of(requests[i]) << " on database " << db;
    }
    events_.push_back(
        {std::move(requests), db, {}, now, server_->log().appended(), {}, is_resting()});
    note_change();
    if (random_.chance_percent(80)) server_->log().write_pending();
    if (random_.chance_percent(20)) server_->log().sync_step();
    note_promises();
  }
  bool has_unreadable_ended() { return !server_->death().ok() && server_->is_unreadable(); }

  // ---- Walks over all keys: their order, and what expires on the way, are the server's own.

  /// The keys of a database while a walk goes on.
  struct Watch {
    std::uint32_t db = 0;
    std::set<std::string> throughout;  ///< that have been there all the time: they must be found
    std::set<std::string> ever;        ///< that were there once: others must not be found
  };
  std::set<std::string> live_keys(std::uint32_t db) {
    std::set<std::string> keys;
    for (keyspace::Shard& shard : model_->keyspace().shards()) {
      shard.tables[db]->for_each([&](const keyspace::Record* record) {
        if (!record->has_expiry() || record->expiry() > clock_.wall()) keys.emplace(record->key());
      });
    }
    return keys;
  }
  void run_walk() {
    SimServer::Client& client = *walker_;
    if (client.is_running()) return;
    if (client.is_idle()) {
      if (!scan_) client.db = static_cast<std::uint32_t>(random_.below(4));
      client.send({walk_command()});
    }
    if (!client.may_run()) return;
    watches_[kWalk] = watch(client.db);
    const auto [requests, replies] = client.advance(clock_.wall());
    const Watch walk = std::move(watches_[kWalk]);
    watches_.erase(kWalk);
    if (has_unreadable_ended()) must_follow_ = true;  // something may have expired on its way
    if (has_unreadable_ended() || requests.empty()) return;
    trace("[%u] %s-> %s", client.db, text_of(requests[0]).c_str(),
          replies[0].substr(0, std::min<std::size_t>(replies[0].find('\r'), 30)).c_str());
    if (replies[0].starts_with("-")) {
      EXPECT_TRUE(plan_.has_faults) << replies[0];
      return;
    }
    check_walk(requests[0], replies[0], walk);
    follow_expiries(server_->log().appended());
    note_promises();
  }
  Words walk_command() {
    const std::string count = std::to_string(1 + random_.below(30));
    if (scan_ && random_.chance_percent(80)) return {"SCAN", scan_->cursor, "COUNT", count};
    switch (random_.below(4)) {
      case 0:
        return {"KEYS", random_.chance_percent(50) ? "*" : "key:1*"};
      case 1:
        return {"RANDOMKEY"};
      default:
        return {"SCAN", "0", "COUNT", count};
    }
  }
  void check_walk(const Words& words, const std::string& reply, const Watch& walk) {
    const std::vector<std::string> strings = resp::bulk_strings(reply);
    const std::set<std::string> found(strings.begin(), strings.end());
    if (words[0] == "SCAN") {
      if (words[1] == "0") {
        watches_[kScan] = walk;
        scan_ = Scan{walk.db, {}, {}};
      }
      scan_->cursor = strings.at(0);
      scan_->seen.insert(strings.begin() + 1, strings.end());
      if (scan_->cursor != "0") return;
      expect_seen(scan_->seen, watches_[kScan]);
      end_scan();
    } else if (words[0] == "KEYS") {
      Watch wanted = walk;
      for (std::set<std::string>* keys : {&wanted.throughout, &wanted.ever}) {
        if (words[1] != "*") {
          std::erase_if(*keys, [](const std::string& key) { return !key.starts_with("key:1"); });
        }
      }
      expect_seen(found, wanted);
    } else {
      EXPECT_TRUE(!found.empty() || walk.throughout.empty()) << "there are keys";
      EXPECT_TRUE(std::ranges::includes(walk.ever, found)) << "a random key that never was";
    }
  }
  static void expect_seen(const std::set<std::string>& seen, const Watch& watch) {
    for (const std::string& key : watch.throughout) {
      EXPECT_TRUE(seen.contains(key)) << "missed " << key;
    }
    for (const std::string& key : seen) {
      EXPECT_TRUE(watch.ever.contains(key)) << "found what never was: " << key;
    }
  }
  void end_scan() {
    scan_.reset();
    watches_.erase(kScan);
  }
  Watch watch(std::uint32_t db) {
    const std::set<std::string> live = live_keys(db);
    return {.db = db, .throughout = live, .ever = live};
  }
  /// Something may have come or gone.
  void note_change() {
    for (auto& [number, watch] : watches_) {
      const std::set<std::string> live = live_keys(watch.db);
      std::erase_if(watch.throughout, [&](const std::string& key) { return !live.contains(key); });
      watch.ever.insert(live.begin(), live.end());
    }
  }
  /// Commands that a fault of the disk, and not the keyspace, has answered: they have done nothing.
  void drop_refused(std::vector<Words>* group, std::vector<std::string>* replies) {
    for (std::size_t i = group->size(); i-- > 0;) {
      const std::string& reply = (*replies)[i];
      if (reply.starts_with("-MISCONF")) {
        EXPECT_TRUE(may_be_full_ || is_dead()) << reply;
        EXPECT_TRUE(server_->is_write((*group)[i])) << text_of((*group)[i]);
      } else if (reply.starts_with("-ERR the stored value cannot be read")) {
        EXPECT_TRUE(plan_.has_faults) << reply;
      } else {
        continue;
      }
      group->erase(group->begin() + static_cast<std::ptrdiff_t>(i));
      replies->erase(replies->begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  static std::string text_of(const Words& words) {
    std::string text;
    for (const std::string& word : words) {
      text += word.substr(0, 30) + (word.size() > 30 ? "... " : " ");
    }
    return text;
  }
  void note_promises() {
    if (!is_dead()) acknowledged_ = std::max(acknowledged_, server_->log().acknowledgeable());
  }

  /// Evicts one key, or all that may go.
  void evict() {
    if (random_.chance_percent(30)) {
      trace("evicted %zu", evict_all(*server_));
      return;
    }
    keyspace::Access access(server_->keyspace());
    access.begin(0, clock_.wall());
    access.hold_all();
    const keyspace::Key key = access.key(commands_.keys()[random_.below(commands_.keys().size())]);
    for (std::uint32_t db = 0; db < server_->keyspace().database_count(); ++db) {
      access.evict(server_->keyspace().shard_of(key.slot), db, key);
    }
    access.release();
  }
  /// Some of what the server does after a start. In its midst, between reading and installing,
  /// other things happen.
  void warm_up() {
    if (is_warming_) return;
    if (warmer_ == nullptr) {
      warmer_ = std::make_unique<keyspace::Warmer>(server_->keyspace(), clock_);
    }
    const std::uint64_t loads = server_->keyspace().load_count;
    is_warming_ = true;
    Result<bool> has_more = true;
    for (std::uint64_t n = 1 + random_.below(30);
         n > 0 && has_more.ok() && has_more.value() && !is_dead(); --n) {
      has_more = warmer_->step();
    }
    is_warming_ = false;
    trace("warmed up: %llu keys came",
          static_cast<unsigned long long>(server_->keyspace().load_count - loads));
    EXPECT_TRUE(has_more.ok() || plan_.has_faults) << has_more.error().message;
    // It will find what has left memory meanwhile.
    if (has_more.ok() && !has_more.value()) warmer_.reset();
  }
  /// As the server does it, for a tier of some size.
  void make_room() {
    keyspace::Keyspace& keyspace = server_->keyspace();
    const std::uint64_t used = std::max<std::uint64_t>(keyspace.allocated_bytes(), 1);
    std::uint64_t most = 1;
    if (keyspace::deletes_keys(plan_.policy) && random_.chance_percent(90)) {
      most = used - std::min(used - 1, random_.below(3000));
    } else if (random_.chance_percent(70)) {
      most = 1 + random_.below(used + used / 4 + 1);
    }
    const auto residents = residents_of(keyspace);
    const std::uint64_t deleted_before = keyspace.policy_deletion_count;
    const log::Offset begin = server_->log().appended();
    keyspace::MemoryBudget& budget = keyspace.budget;
    budget.set_policy(plan_.policy);
    // The limit is taken literally, as without a store: with one, some megabytes are for keys.
    budget.set_tiered(false);
    budget.set_limit(most);
    evictor_->step(Micros{static_cast<std::int64_t>(random_.below(2))});
    budget.set_limit(0);
    budget.set_tiered(true);
    trace("room: %llu bytes of %llu", static_cast<unsigned long long>(keyspace.allocated_bytes()),
          static_cast<unsigned long long>(most));
    const std::uint64_t deleted = keyspace.policy_deletion_count - deleted_before;
    EXPECT_EQ(learn_deletions(residents, begin), deleted);
    note_promises();
  }
  /// What is in memory, and may not be moved out.
  using Residents = std::map<std::pair<std::uint32_t, std::string>, bool>;
  static Residents residents_of(keyspace::Keyspace& keyspace) {
    Residents residents;
    for (std::uint32_t db = 0; db < keyspace.database_count(); ++db) {
      for (keyspace::Shard& shard : keyspace.shards()) {
        std::size_t bucket = 0;
        const keyspace::Table& table = *shard.tables[db];
        table.for_buckets(&bucket, table.bucket_count(), [&](keyspace::Table::Slot slot) {
          if (keyspace::Table::is_gone(slot)) return;
          residents.emplace(std::pair(db, keyspace::Table::record_in(slot)->key()),
                            keyspace::Table::is_dirty(slot));
        });
      }
    }
    return residents;
  }
  /// Compares with what was in memory when the log ended at `begin`. Returns how many keys have
  /// been deleted that had not expired.
  std::size_t learn_deletions(const Residents& residents, log::Offset begin) {
    keyspace::Keyspace& keyspace = server_->keyspace();
    const auto expected = contents_of(model_->keyspace());
    std::map<std::uint32_t, Event> events;
    std::size_t count = 0;
    for (const auto& [at, was_dirty] : residents) {
      const keyspace::Key key = keyspace::make_key(at.second, keyspace.hash_seed());
      const auto* slot = keyspace.shard_of(key.slot).tables[at.first]->find_slot(key);
      const bool is_gone = slot == nullptr ? was_dirty : keyspace::Table::is_gone(*slot);
      if (!is_gone) continue;
      Event& event = events[at.first];
      const auto held = expected->find(at);
      if (held == expected->end()) {
        ADD_FAILURE() << "deleted what there is not: " << at.second.substr(0, 30);
        continue;
      }
      const std::optional<std::int64_t> expiry = held->second.expiry;
      if (expiry && *expiry <= clock_.wall().count) {
        event.expired.push_back(at.second);
        continue;
      }
      EXPECT_TRUE(keyspace::deletes_keys(plan_.policy) && !is_resting());
      EXPECT_TRUE(expiry || !keyspace::is_volatile(plan_.policy)) << "it does not expire";
      event.deleted.push_back(at.second);
      ++count;
    }
    EXPECT_EQ(events.empty(), server_->log().appended() == begin);
    for (auto& [db, event] : events) {
      event.db = db;
      event.now = clock_.wall();
      event.end = server_->log().appended();
      trace("[%u] the policy deleted %zu, %zu had expired", db, event.deleted.size(),
            event.expired.size());
      apply_deletions(event);
      events_.push_back(std::move(event));
    }
    note_change();
    return count;
  }
  void apply_deletions(const Event& event) {
    apply_expiry(event);
    keyspace::Access access(model_->keyspace());
    access.begin(event.db, event.now);
    access.hold_all();
    access.begin_command({}, {}, keyspace::Logged::kByEffect, false);
    for (const std::string& name : event.deleted) {
      EXPECT_TRUE(access.erase(event.db, access.key(name))) << "deleted what there is not";
    }
    access.end_command();
    access.release();
  }
  void load() {
    keyspace::Access access(server_->keyspace());
    access.begin(0, clock_.wall());
    access.hold_all();
    for (int i = 0; i < 5; ++i) {
      const auto db = static_cast<std::uint32_t>(random_.below(4));
      const keyspace::Key key =
          access.key(commands_.keys()[random_.below(commands_.keys().size())]);
      const auto reach = random_.chance_percent(50) ? store::Reach::kMemory : store::Reach::kDisk;
      (void)access.load(db, key, reach);
    }
    access.release();
  }

  /// One shard of one database.
  void expire_some() {
    keyspace::Keyspace& keyspace = server_->keyspace();
    if (is_resting()) return;
    const auto db = static_cast<std::uint32_t>(random_.below(keyspace.database_count()));
    Event event{{}, db, {}, clock_.wall(), 0};
    keyspace::Access access(keyspace);
    access.begin(db, event.now);
    keyspace::Shard& shard = keyspace.shards()[random_.below(keyspace.shards().size())];
    access.hold(shard);
    access.table(shard, db).for_each([&](const keyspace::Record* record) {
      if (access.is_expired(*record)) event.expired.emplace_back(record->key());
    });
    std::size_t cursor = 0;
    access.expire_some(shard, db, &cursor, ~std::size_t{0});
    access.release();
    if (event.expired.empty()) return;
    trace("expired %zu of database %u", event.expired.size(), db);
    event.end = server_->log().appended();
    apply_expiry(event);
    events_.push_back(std::move(event));
  }
  /// What has expired in the store. Meanwhile nothing happens that the log would tell of.
  void expire_cold() {
    const log::Offset begin = server_->log().appended();
    is_silent_ = true;
    (void)server_->cold_expiry().step(clock_.monotonic() + Micros{1});
    is_silent_ = false;
    if (server_->log().appended() == begin || is_dead()) return;
    trace("expired what is cold");
    follow_expiries(server_->log().appended());
  }
  void apply_expiry(const Event& event) {
    model_->keyspace().is_expiry_resting = false;
    keyspace::Access access(model_->keyspace());
    access.begin(event.db, event.now);
    access.hold_all();
    for (const std::string& name : event.expired) {
      const keyspace::Key key = access.key(name);
      EXPECT_TRUE(access.peek_expired(event.db, key) != nullptr) << "expired what there is not";
      EXPECT_TRUE(access.find(event.db, key) == nullptr) << "expired before its time";
    }
    access.release();
    model_->keyspace().is_expiry_resting = is_resting();
  }

  Status checkpoint() {
    trace("checkpoint");
    is_checkpointing_ = true;
    const Status status = server_->checkpointer().run();
    is_checkpointing_ = false;
    trace("checkpoint: %s", status.ok() ? "done" : status.error().message.c_str());
    EXPECT_TRUE(status.ok() || plan_.has_faults || may_be_full_) << status.error().message;
    if (status.ok()) stored_ = std::max(stored_, server_->checkpointer().stats().last_offset);
    note_promises();
    if (!is_dead()) {
      verify_tables();
      verify_totals();
    }
    if (depth_ == 0 && fault_ == Fault::kFails && disk_.has_failed()) disarm();
    return status;
  }
  void disarm() {
    disk_.heal();
    fault_ = Fault::kNone;
  }

  // ---- Ends and beginnings

  void restart() {
    trace("restart");
    if (random_.chance_percent(50)) (void)checkpoint();
    if (is_dead()) return;
    const Status closed = server_->log().close();
    const bool lacks_room = !closed.ok() && closed.error().code == Code::kNoSpace;
    EXPECT_TRUE(closed.ok() || disk_.has_failed() || (is_full_ && lacks_room));
    if (is_dead() || !closed.ok()) return crash();
    const log::Offset end = server_->log().appended();
    end_server();
    recover(end, end);
  }
  /// A kill, or a loss of power.
  void crash() {
    if (const Status& death = server_->death(); !death.ok()) {
      EXPECT_TRUE(plan_.has_faults && death.error().code != Code::kNoSpace)
          << death.error().message;
    }
    log::Offset durable = acknowledged_;
    if (plan_.options.fsync != log::Fsync::kAlways) {
      durable = std::min(durable, std::max(stored_, server_->log().stats().synced));
    }
    trace("the log ends at %llu, %llu acknowledged, %llu durable",
          static_cast<unsigned long long>(server_->log().appended()),
          static_cast<unsigned long long>(acknowledged_), static_cast<unsigned long long>(durable));
    const bool loses_power = random_.chance_percent(50);
    end_process(loses_power);
    recover(loses_power ? durable : acknowledged_, durable);
  }
  void end_process(bool loses_power) {
    trace("%s", loses_power ? "power lost" : "killed");
    // In the midst of a call, or between two.
    if (random_.chance_percent(50)) {
      disk_.power_off_at(0);
    } else {
      disk_.power_off();
    }
    end_server();
    fault_ = Fault::kNone;
    if (loses_power) {
      disk_.lose_unsynced();
    } else {
      disk_.heal();
    }
  }

  void end_server() {
    evictor_.reset();
    warmer_.reset();
    clients_.clear();
    walker_.reset();
    end_scan();
    is_quiet_ = true;
    server_.reset();
    is_quiet_ = false;
  }

  /// Starts until it succeeds. Afterwards at least the log up to `kept` must be there, up to
  /// `durable` if the power goes meanwhile.
  void recover(log::Offset kept, log::Offset durable) {
    for (int attempt = 0;; ++attempt) {
      if (random_.chance_percent(50)) empty_disk();
      if (attempt > 3) {
        disarm();
      } else if (plan_.has_faults && fault_ == Fault::kNone && random_.chance_percent(30)) {
        arm(150);
      }
      server_ = std::make_unique<SimServer>(plan_.options, clock_, disk_);
      const std::uint64_t percent = plan_.checkpoints_in_replay ? random_.below(30) : 0;
      const auto checkpoints = [this, percent] {
        return server_ != nullptr && random_.chance_percent(percent);
      };
      is_quiet_ = true;  // nobody is served yet
      const Status status = server_->start([this] { return open_store(); }, checkpoints);
      is_quiet_ = false;
      if (status.ok() && !is_dead()) break;
      trace("start: %s", status.ok() ? "dead" : status.error().message.c_str());
      const bool lacks_room = !status.ok() && status.error().code == Code::kNoSpace;
      EXPECT_TRUE(disk_.has_failed() || is_in_doubt(status) || (is_full_ && lacks_room))
          << status.error().message;
      EXPECT_FALSE(lacks_room && status.error().message.find("/staging") != std::string::npos)
          << "it starts without that checkpoint";
      if (has_failed()) return;
      if (lacks_room) empty_disk();
      const bool loses_power = fault_ == Fault::kPowerOff && random_.chance_percent(50);
      if (loses_power) kept = durable;
      end_process(loses_power);
    }
    if (fault_ == Fault::kFails && disk_.has_failed()) disarm();
    const log::Offset end = server_->log().appended();
    trace("started at %llu", static_cast<unsigned long long>(end));
    EXPECT_GE(end, kept) << "lost what was acknowledged";
    acknowledged_ = stored_ = end;
    may_be_full_ = is_full_;
    rest(false);
    while (clients_.size() < plan_.client_count) {
      clients_.push_back(std::make_unique<SimServer::Client>(*server_));
    }
    walker_ = std::make_unique<SimServer::Client>(*server_);
    evictor_ = std::make_unique<keyspace::Evictor>(server_->keyspace(), clock_);
    return_to(end);
    verify();
    if (random_.chance_percent(plan_.warm_percent * 3) && !is_dead() && !has_failed()) warm_up();
  }
  Result<std::unique_ptr<store::Store>> open_store() {
    store::Options options;
    options.folder = "/db/store";
    options.block_cache_bytes = 1_MiB;
    options.ballast_bytes = 20'000;
    options.file_bytes_max = 4000;
    options.level0_files_for_compaction = 2;
    options.target_file_bytes = 8000;
    TRY_LET(auto store, behind_ == Behind::kRocksDb
                            ? store::Store::open(disk_, options)
                            : keyspace::FakeStore::open(disk_, states_, random_.next(),
                                                        plan_.has_faults ? 10 : 0));
    return std::unique_ptr<store::Store>(
        std::make_unique<keyspace::HookedStore>(std::move(store), [this] { in_the_midst(); }));
  }

  /// Makes the model what it was when the log ended at `end`.
  void return_to(log::Offset end) {
    const std::size_t had = events_.size();
    Event lost;
    while (!events_.empty() && events_.back().end > end) {
      // Of what was deleted together, some may have survived.
      lost = std::move(events_.back());
      if (lost.end != halfway_.first) halfway_ = {lost.end, {}};
      for (const std::string& name : lost.deleted) halfway_.second.emplace(lost.db, name);
      events_.pop_back();
    }
    if (events_.size() < had) {
      trace("%zu events lost", had - events_.size());
      start_model();
      for (const Event& event : events_) {
        if (event.requests.empty()) {
          apply_deletions(event);
        } else {
          model_->keyspace().is_expiry_resting = event.rests;
          (void)model_->run(event.requests, event.db, event.now);
        }
      }
      model_->keyspace().is_expiry_resting = is_resting();
    }
    // What happened at once may have made several frames: requests, and keys that were deleted.
    const bool has_more = end > (events_.empty() ? 0 : events_.back().end);
    if (has_more) follow_requests(lost, end);
    if (has_more || must_follow_) follow_expiries(end);
    halfway_ = {};
  }
  /// Of `lost`, the server has done the first requests.
  void follow_requests(Event& lost, log::Offset end) {
    if (lost.requests.empty()) return;
    const auto found = contents_at_last();
    if (!found) return;
    std::uint32_t db = lost.db;
    std::size_t count = 0;
    for (; !is_same_but_expired(*found, *contents_of(model_->keyspace())); ++count) {
      if (count == lost.requests.size()) {
        ADD_FAILURE() << "no part of a group leads here";
        return;
      }
      model_->keyspace().is_expiry_resting = lost.rests;
      (void)model_->run({lost.requests[count]}, db, lost.now);
      model_->keyspace().is_expiry_resting = is_resting();
      db = model_->own_db();
    }
    if (count == 0) return;
    trace("%zu of a group of %zu are there", count, lost.requests.size());
    lost.requests.resize(count);
    lost.end = end;
    events_.push_back(std::move(lost));
  }
  /// May `found` lack some that had expired, and be `expected` otherwise?
  bool is_same_but_expired(const Contents& found, Contents expected) {
    std::erase_if(expected, [&](const auto& entry) {
      const std::optional<std::int64_t> expiry = entry.second.expiry;
      return expiry && *expiry <= clock_.wall().count && !found.contains(entry.first);
    });
    return found == expected;
  }
  /// The server has deleted keys because they had expired, or was halfway with some, and has done
  /// nothing else since.
  void follow_expiries(log::Offset end) {
    const auto found = contents_at_last();
    must_follow_ = !found;
    if (!found) return;
    const auto expected = contents_of(model_->keyspace());
    for (std::uint32_t db = 0; db < server_->keyspace().database_count(); ++db) {
      Event event{{}, db, {}, clock_.wall(), end};
      for (const auto& [at, held] : *expected) {
        if (at.first != db || found->contains(at)) continue;
        const bool has_expired = held.expiry && *held.expiry <= clock_.wall().count;
        if (!has_expired && halfway_.second.contains(at)) {
          event.deleted.push_back(at.second);
        } else if (held.expiry) {
          event.expired.push_back(at.second);
        }
      }
      if (event.expired.empty() && event.deleted.empty()) continue;
      trace("%zu had expired, %zu were deleted", event.expired.size(), event.deleted.size());
      apply_deletions(event);
      events_.push_back(std::move(event));
    }
  }

  // ---- What must be so

  std::optional<Contents> server_contents() {
    is_quiet_ = true;
    auto contents = contents_of(server_->keyspace());
    is_quiet_ = false;
    return contents;
  }
  /// One call may fail, not two; after a reopen() that failed, all do until one succeeds.
  std::optional<Contents> contents_at_last() {
    auto contents = server_contents();
    if (!contents) contents = server_contents();
    if (contents || is_dead()) return contents;
    is_quiet_ = true;
    (void)server_->store().reopen();
    is_quiet_ = false;
    return server_contents();
  }
  void verify_tables() {
    for (keyspace::Shard& shard : server_->keyspace().shards()) {
      for (const auto& table : shard.tables) table->verify_invariants();
    }
  }
  /// Requires: no checkpoint is walking.
  void verify_totals() {
    keyspace::Keyspace& keyspace = server_->keyspace();
    std::size_t bytes = 0;
    std::size_t dirty = 0;
    for (keyspace::Shard& shard : keyspace.shards()) {
      for (const auto& table : shard.tables) {
        bytes += table->allocated_bytes() + static_cast<std::size_t>(table->pages().bytes);
        dirty += table->dirty_bytes() + static_cast<std::size_t>(table->pages().dirty_bytes);
      }
    }
    EXPECT_EQ(keyspace.allocated_bytes(), bytes);
    EXPECT_EQ(keyspace.dirty_bytes(), dirty);
    EXPECT_EQ(keyspace.unsettled_bytes(), 0U);
  }
  void verify() {
    if (server_ == nullptr || is_dead() || has_failed()) return;
    verify_tables();
    if (!is_checkpointing_) verify_totals();
    const auto found = server_contents();
    if (!found) return;
    const auto expected = contents_of(model_->keyspace());
    expect_same(*found, *expected);
    for (std::uint32_t db = 0; db < server_->keyspace().database_count(); ++db) {
      expect_same_counts(db);
    }
  }
  static void expect_same(const Contents& found, const Contents& expected) {
    if (found == expected) return;
    for (const auto& [at, held] : expected) {
      const std::string name =
          "database " + std::to_string(at.first) + ", key " + at.second.substr(0, 30);
      if (!found.contains(at)) {
        ADD_FAILURE() << name << " is missing: " << ::testing::PrintToString(held);
      } else {
        EXPECT_EQ(found.at(at), held) << name;
      }
    }
    for (const auto& [at, held] : found) {
      if (expected.contains(at)) continue;
      ADD_FAILURE() << "database " << at.first << ", key " << at.second.substr(0, 30)
                    << " should not be: " << ::testing::PrintToString(held);
    }
  }
  void expect_same_counts(std::uint32_t db) {
    keyspace::Keyspace& keyspace = server_->keyspace();
    keyspace::Keyspace& model = model_->keyspace();
    for (std::uint32_t slot = 0; slot < keyspace::kSlotCount; ++slot) {
      const keyspace::Table& table = *keyspace.shard_of(slot).tables[db];
      const keyspace::Table& expected = *model.shard_of(slot).tables[db];
      if (table.count_of_slot(slot) == expected.count_of_slot(slot) &&
          table.expiring_count_of_slot(slot) == expected.expiring_count_of_slot(slot)) {
        continue;
      }
      EXPECT_EQ(table.count_of_slot(slot), expected.count_of_slot(slot)) << "slot " << slot;
      EXPECT_EQ(table.expiring_count_of_slot(slot), expected.expiring_count_of_slot(slot))
          << "slot " << slot;
    }
  }

  /// The store after a checkpoint holds the model's keys and nothing else.
  void finish() {
    drain();
    verify();
    while (!has_failed() && !checkpoint().ok()) {
    }
    // In the midst of that one things went on.
    plan_.hook_percent = 0;
    drain();
    for (int i = 0; !checkpoint().ok(); ++i) ASSERT_LT(i, 20) << "no checkpoint without faults";
    verify();
    verify_store();
    const log::Offset end = server_->log().appended();
    EXPECT_TRUE(server_->log().close().ok());
    end_server();
    plan_.has_faults = false;
    recover(end, end);
  }
  /// Whoever waits gets what he waits for.
  void drain() {
    for (auto& client : clients_) {
      for (int rounds = 0; !client->is_idle() && !has_failed(); ++rounds) {
        ASSERT_LT(rounds, 1000) << "waits for ever";
        while (server_->loader() != nullptr && server_->loader()->work_once()) {
        }
        for (int i = 0; i < 2 && !server_->log().has_room(); ++i) server_->log().sync_step();
        for (auto& other : clients_) {
          if (other->may_run()) advance(*other);
        }
      }
    }
  }
  void verify_store() {
    keyspace::Keyspace& keyspace = server_->keyspace();
    std::map<std::string, std::string> found;
    const Status status = server_->store().scan("\x01", "\x03", [&](Bytes key, Bytes value) {
      found.emplace(key, value);
      return true;
    });
    EXPECT_TRUE(status.ok());
    std::map<std::string, std::string> expected;
    const auto contents = contents_of(model_->keyspace());
    for (const auto& [at, held] : *contents) {
      const keyspace::Key key = keyspace::make_key(at.second, keyspace.hash_seed());
      const store::Generation generation = keyspace.generation(at.first);
      std::string stored_key;
      store::encode_record_key({generation, key.slot, keyspace::scan_position(key.hash)}, key.bytes,
                               &stored_key);
      const auto there = found.find(stored_key);
      const bool is_object =
          there != found.end() && store::decode_record(there->second).value().object != 0;
      if (is_object || !is_of_strings(held)) {
        expect_object(at.first, key, held, found, stored_key, &expected);
        continue;
      }
      store::StoredRecord record;
      record.is_raw = held.encoding == "raw";
      if (held.encoding == "int") {
        record.encoding = 1;
        record.integer = parse_integer(held.text).value();
      } else {
        record.value = held.text;
      }
      if (held.expiry) record.expiry = Millis{*held.expiry};
      store::append_record(record, &expected[stored_key]);
      if (!held.expiry) continue;
      store::encode_expiry_key(generation, {*held.expiry}, key.slot, key.bytes, &stored_key);
      store::append_expiry_value({}, &expected[stored_key]);
    }
    EXPECT_TRUE(found == expected) << found.size() << " entries instead of " << expected.size();
    verify_marker(*contents);
    EXPECT_EQ(keyspace.dirty_bytes(), 0U);
    for (keyspace::Shard& shard : keyspace.shards()) {
      for (const auto& table : shard.tables) EXPECT_EQ(table->gone_count(), 0U);
    }
  }
  static bool is_of_strings(const Held& held) {
    return held.encoding == "int" || held.encoding == "raw" || held.encoding == "text";
  }
  /// An object's bytes depend on its history: what is there must hold the same elements, or text.
  void expect_object(std::uint32_t db, const keyspace::Key& key, const Held& held,
                     const std::map<std::string, std::string>& found, const std::string& stored_key,
                     std::map<std::string, std::string>* expected) {
    keyspace::Keyspace& keyspace = server_->keyspace();
    const auto record = found.find(stored_key);
    ASSERT_NE(record, found.end()) << "key " << key.bytes.substr(0, 30);
    EXPECT_EQ(held_in(keyspace, db, key, record->second), held);
    expected->insert(*record);
    keyspace::Record* made = keyspace::record_of(key, record->second, 1).value();
    const std::optional<Millis> due = made->due();
    keyspace::Record::destroy(made);
    if (!due) return;
    std::string expiry_key;
    store::encode_expiry_key(keyspace.generation(db), *due, key.slot, key.bytes, &expiry_key);
    store::append_expiry_value({.object = store::decode_record(record->second).value().object,
                                .is_of_field = !held.expiry || due->count != *held.expiry},
                               &(*expected)[expiry_key]);
  }
  void verify_marker(const Contents& contents) {
    const auto marker = server_->store().marker();
    ASSERT_TRUE(marker.ok() && marker.value().has_value());
    EXPECT_EQ((*marker.value()).offset, server_->log().appended());
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::pair<std::uint32_t, std::uint32_t>>
        expected;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::pair<std::uint32_t, std::uint32_t>>
        found;
    for (const auto& [at, held] : contents) {
      auto& [keys, expiring] = expected[{at.first, keyspace::slot_of(at.second)}];
      ++keys;
      if (held.expiry) ++expiring;
    }
    for (const store::Marker::Database& database : (*marker.value()).databases) {
      EXPECT_EQ(database.generation, server_->keyspace().generation(database.db));
      for (const store::SlotCount& count : database.slots) {
        found[{database.db, count.slot}] = {count.keys, count.expiring};
      }
    }
    EXPECT_TRUE(found == expected) << "the marker's counts";
  }

  Plan plan_;
  Behind behind_;
  io::SimDisk disk_;
  io::ManualClock clock_;
  keyspace::FakeStates states_;
  io::Random& random_;
  RandomCommands commands_;
  std::unique_ptr<SimServer> model_;
  std::unique_ptr<SimServer> server_;
  std::vector<Event> events_;
  std::vector<std::unique_ptr<SimServer::Client>> clients_;
  std::unique_ptr<SimServer::Client> walker_;
  std::unique_ptr<keyspace::Evictor> evictor_;
  std::unique_ptr<keyspace::Warmer> warmer_;
  /// Where the log would have ended, and keys: those that were deleted by steps of which the log
  /// may have lost some.
  std::pair<log::Offset, std::set<std::pair<std::uint32_t, std::string>>> halfway_;
  /// A SCAN that goes on.
  struct Scan {
    std::uint32_t db = 0;
    std::string cursor;
    std::set<std::string> seen;
  };
  enum : int { kScan, kWalk };
  std::map<int, Watch> watches_;
  std::optional<Scan> scan_;
  log::Offset acknowledged_ = 0;
  log::Offset stored_ = 0;  ///< of the last checkpoint that is known to be in the store
  Fault fault_ = Fault::kNone;
  static constexpr std::uint64_t kRoomBytes = std::uint64_t{1} << 40U;
  bool is_full_ = false;
  bool must_follow_ = false;  ///< what has expired could not be read
  bool may_be_full_ = false;  ///< or has been since the server was seen to have recovered from it
  // What goes on further out.
  int depth_ = 0;
  bool is_quiet_ = false;   ///< nothing is to happen in the midst
  bool is_silent_ = false;  ///< nothing that the log would tell of
  bool is_checkpointing_ = false;
  bool is_warming_ = false;
};

// ---- STYLE 5.10: the tier is a cache, never a meaning.

/// How a server is run that should make no difference.
struct Manner {
  std::uint32_t shard_count = 16;
  std::size_t group = 1;             ///< requests sent at once
  std::size_t checkpoint_every = 0;  ///< groups
  bool evicts = false;               ///< all that may go, after each group: a tier of 0 bytes
  std::size_t restart_every = 0;
  bool has_loader = true;
};

constexpr std::size_t kRequestsPerInstant = 16;

/// Replies to `commands`, of which so many each have the same instant.
std::string replies_of(const std::vector<Words>& commands, const Manner& manner) {
  SimServer::Options options;
  options.keyspace = {.shard_count = manner.shard_count, .database_count = 4, .hash_seed = 9};
  options.has_loader = manner.has_loader;
  io::ManualClock clock;
  io::SimDisk disk(1);
  keyspace::FakeStates states;
  std::unique_ptr<SimServer> server;
  std::unique_ptr<SimServer::Client> client;
  const auto start = [&] {
    const std::uint32_t db = client == nullptr ? 0 : client->db;
    client.reset();
    const bool is_closed = server == nullptr || server->log().close().ok();
    EXPECT_TRUE(is_closed);
    server.reset();
    server = std::make_unique<SimServer>(options, clock, disk);
    const Status status = server->start([&] { return keyspace::FakeStore::open(disk, states, 1); });
    EXPECT_TRUE(status.ok());
    client = std::make_unique<SimServer::Client>(*server);
    client->db = db;
  };
  start();
  std::string replies;
  for (std::size_t i = 0, groups = 0; i < commands.size(); i += manner.group) {
    if (i % kRequestsPerInstant == 0) clock.advance({500});
    const auto begin = commands.begin() + static_cast<std::ptrdiff_t>(i);
    client->send({begin, begin + static_cast<std::ptrdiff_t>(manner.group)});
    while (!client->is_idle()) {
      while (client->is_parked() && server->loader()->work_once()) {
      }
      for (const std::string& reply : client->advance(clock.wall()).replies) replies += reply;
    }
    server->log().sync_step();
    ++groups;
    if (manner.checkpoint_every != 0 && groups % manner.checkpoint_every == 0) {
      EXPECT_TRUE(server->checkpointer().run().ok());
    }
    if (manner.evicts) evict_all(*server);
    if (manner.restart_every != 0 && groups % manner.restart_every == 0) start();
  }
  return replies;
}

std::string replies_of_memory_engine(const std::vector<Words>& commands) {
  io::ManualClock clock;
  SimServer::Options options;
  options.keyspace.database_count = 4;
  SimServer server(options, clock);
  std::string replies;
  std::uint32_t db = 0;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (i % kRequestsPerInstant == 0) clock.advance({500});
    for (const std::string& reply : server.run({commands[i]}, db, clock.wall())) replies += reply;
    db = server.own_db();
  }
  return replies;
}

TEST(TierModel, RepliesDoNotDependOnTierShardsBatchesOrRestarts) {
  for (std::uint64_t seed = 0; seed < seed_count(50); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    io::Random random(seed);
    RandomCommands source({.flush_permille = 3}, random);
    io::ManualClock clock;
    std::vector<Words> commands;
    while (commands.size() < 40 * kRequestsPerInstant) {
      if (commands.size() % kRequestsPerInstant == 0) clock.advance({500});
      commands.push_back(source.next(clock.wall()));
    }
    const std::string expected = replies_of_memory_engine(commands);
    for (const std::uint32_t shards : {1U, 16U, 1024U}) {
      for (const std::size_t group : {std::size_t{1}, kRequestsPerInstant}) {
        SCOPED_TRACE(std::to_string(shards) + " shards, groups of " + std::to_string(group));
        const Manner plain{.shard_count = shards, .group = group};
        EXPECT_TRUE(replies_of(commands, plain) == expected) << "all in memory";
        Manner manner = plain;
        manner.restart_every = 17;
        EXPECT_TRUE(replies_of(commands, manner) == expected) << "restarts";
        manner.checkpoint_every = 16 / group;
        manner.evicts = true;
        EXPECT_TRUE(replies_of(commands, manner) == expected) << "nothing in memory, restarts";
        manner.restart_every = 0;
        EXPECT_TRUE(replies_of(commands, manner) == expected) << "nothing in memory";
        manner.has_loader = false;
        EXPECT_TRUE(replies_of(commands, manner) == expected) << "nothing in memory, no loader";
      }
    }
    if (HasFailure()) break;
  }
}

void live_through(std::uint64_t count, Life::Behind behind) {
  const auto former = std::signal(SIGABRT, name_the_seed);
  const std::uint64_t from = knob("DISKDB_TIER_FROM", 0);
  for (std::uint64_t seed = from; seed < from + count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    seed_at_work = seed;
    Life(seed, behind).live();
    if (::testing::Test::HasFailure()) break;
  }
  std::signal(SIGABRT, former);
}

TEST(TierModel, RepliesAndRecoveriesAreThoseOfTheMemoryEngine) {
  live_through(seed_count(1), Life::Behind::kFakeStore);
}

TEST(TierModel, TheSameOnRocksDb) { live_through(seed_count(20), Life::Behind::kRocksDb); }

}  // namespace
}  // namespace diskdb::server
