// SCAN, KEYS and RANDOMKEY: which keys there are, in memory or in the store only. They hold one
// shard at a time, and none while they read the store; so expired keys they meet are deleted at the
// end, when nothing is to be read any more. (Within a transaction they would have to hold all.)
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "command/generic_commands.h"
#include "command/key_walk.h"
#include "command/scan_options.h"
#include "keyspace/sighting.h"

namespace diskdb::command {
namespace {

/// How many buckets a step of SCAN visits at most, beside some for each key it was asked for. Only
/// a slot that shares its shard with a much larger one (a hash tag with millions of keys) ever gets
/// there.
constexpr std::uint64_t kBucketsPerStep = 10'000;
constexpr std::uint64_t kBucketsPerKey = 16;
constexpr std::uint64_t kCountBounded = 1ULL << 40;  // so that the product fits
/// RANDOMKEY meets so many expired keys on its way before it looks at all keys once.
constexpr int kRandomTries = 100;
/// And chooses among so many neighbours, where their places are all it can be random about.
constexpr std::size_t kRandomNeighbours = 8;
constexpr std::uint64_t kRandomEffortMax = 10'000;

Outcome refuse_unreadable(CommandContext& cx, const Status& status) {
  return cx.refuse("ERR cannot read the store: " + status.error().message);
}

bool is_expired(const CommandContext& cx, const KeyWalk::Found& found) {
  return found.expiry && cx.keyspace.is_expired(*found.expiry);
}

/// Expired keys that a command has met.
class ExpiredKeys {
 public:
  /// `sighting`: as of which state of the store it was found, if it is cold.
  void add(const KeyWalk::Found& found, const keyspace::Sighting& sighting) {
    keys_.push_back({std::string(found.key), keyspace::slot_of(found.key), *found.expiry,
                     found.record == nullptr, found.object, sighting});
  }
  /// Deletes those that are still there and may go. Requires: no shard is held.
  void erase_all(CommandContext& cx);

 private:
  struct Expired {
    std::string key;
    std::uint32_t slot;
    Millis expiry;
    bool is_cold;
    store::PackedObjectId object;
    keyspace::Sighting sighting;
  };
  std::vector<Expired> keys_;
};

void ExpiredKeys::erase_all(CommandContext& cx) {
  keyspace::Keyspace& keyspace = cx.keyspace.keyspace();
  if (keyspace.is_expiry_resting.load(std::memory_order_relaxed)) return;
  std::ranges::sort(keys_, {}, &Expired::slot);  // shards are held in ascending order
  for (const Expired& expired : keys_) {
    const keyspace::Key key = cx.keyspace.key(expired.key);
    keyspace::Shard& shard = keyspace.shard_of(key.slot);
    cx.keyspace.hold(shard);
    const keyspace::Table& table = cx.keyspace.table(shard, cx.keyspace.db());
    if (table.find_slot(key) != nullptr) {
      cx.keyspace.find(key);  // deletes it, if it still has expired
    } else if (expired.is_cold && expired.sighting.holds(keyspace, table)) {
      cx.keyspace.expire_cold(cx.keyspace.db(), key, expired.expiry, expired.object);
    }
  }
}

bool is_wanted(const ScanOptions& options, const KeyWalk::Found& found) {
  return !options.type || equals_ignoring_case(*options.type, type_name(found.type));
}

/// What one step of SCAN has found.
struct ScanStep {
  std::uint64_t next = 0;  ///< the cursor
  std::vector<std::string> wanted;
  ExpiredKeys expired;
};

/// COUNT keys are looked at, wanted or not, and those at the same place as the last; the next
/// cursor is the place of the first key not looked at, so that an iteration does not end with an
/// empty step.
ScanStep scan_keys(CommandContext& cx, KeyWalk& walk, const ScanOptions& options) {
  ScanStep step;
  const std::uint64_t effort_max =
      kBucketsPerStep + kBucketsPerKey * std::min(options.count, kCountBounded);
  std::uint64_t seen_count = 0;
  ScanPlace last;
  while (walk.step()) {
    for (const KeyWalk::Found& found : walk.found()) {
      const ScanPlace place = walk.place_of(found);
      if (seen_count >= options.count && place != last) {
        step.next = place.cursor();
        return step;
      }
      ++seen_count;
      last = place;
      if (!options.matches(found.key)) continue;
      if (is_expired(cx, found)) {
        step.expired.add(found, walk.sighting());
      } else if (is_wanted(options, found)) {
        step.wanted.emplace_back(found.key);
      }
    }
    if (walk.effort() > effort_max) {
      const ScanPlace next = walk.place();
      if (next.slot < keyspace::kSlotCount) step.next = next.cursor();
      return step;
    }
  }
  return step;
}

// ---- RANDOMKEY

/// Keeps one of the live keys it is shown, each with the same chance, and the expired ones.
class RandomChoice {
 public:
  explicit RandomChoice(CommandContext& cx) : cx_(cx) {}

  void show(const KeyWalk::Found& found, const keyspace::Sighting& sighting = {}) {
    if (is_expired(cx_, found)) {
      expired_.add(found, sighting);
    } else if (cx_.random.below(++live_count_) == 0) {
      // Replacing the choice with chance 1 / n at the nth gives each the same chance in the end.
      key_ = found.key;
    }
  }
  std::uint64_t live_count() const { return live_count_; }
  const std::string& key() const { return key_; }
  ExpiredKeys& expired() { return expired_; }

 private:
  CommandContext& cx_;
  std::uint64_t live_count_ = 0;
  std::string key_;
  ExpiredKeys expired_;
};

KeyWalk::Found found_record(const keyspace::Record* record) {
  std::optional<Millis> expiry;
  if (record->has_expiry()) expiry = record->expiry();
  return {.position = 0,
          .key = record->key(),
          .type = record->type(),
          .expiry = expiry,
          .record = record,
          .object = 0};
}

/// How many keys of the database there are before each shard, and in all.
std::vector<std::uint64_t> count_keys_before_shards(CommandContext& cx) {
  std::vector<std::uint64_t> before{0};
  for (keyspace::Shard& shard : cx.keyspace.keyspace().shards()) {
    cx.keyspace.hold(shard);
    before.push_back(before.back() + cx.keyspace.table(shard, cx.keyspace.db()).key_count());
    cx.keyspace.let_go(shard);
  }
  return before;
}

/// The slot of a key that is any of the shard's keys with the same chance. Requires: it is held and
/// has keys.
std::uint32_t random_slot(CommandContext& cx, const keyspace::Shard& shard,
                          const keyspace::Table& table) {
  std::uint64_t nth = cx.random.below(table.key_count());
  std::uint32_t slot = shard.index * cx.keyspace.keyspace().slots_per_shard();
  for (; nth >= table.count_of_slot(slot); ++slot) nth -= table.count_of_slot(slot);
  return slot;
}

/// Shows keys of the slot from `from` on until `*left` of them have been seen, but none at or
/// behind `end`.
Status show_some(CommandContext& cx, ScanPlace from, std::uint64_t end, std::size_t* left,
                 RandomChoice* choice) {
  KeyWalk walk(cx.keyspace, KeyWalk::Holding::kAsItGoes, from, from.slot, kRandomNeighbours);
  const auto is_over = [&] {
    return *left == 0 || walk.effort() > kRandomEffortMax || walk.place().slot != from.slot ||
           walk.place().position >= end;
  };
  while (!is_over() && walk.step()) {
    for (const KeyWalk::Found& found : walk.found()) {
      if (*left == 0 || found.position >= end) break;
      choice->show(found, walk.sighting());
      --*left;
    }
  }
  walk.leave();
  return walk.status();
}

/// Shows neighbours of a place in the slot where no key need be; behind the last is the first.
Status show_neighbours(CommandContext& cx, std::uint32_t slot, RandomChoice* choice) {
  const std::uint64_t middle = cx.random.below(keyspace::Table::kScanEnd);
  std::size_t left = kRandomNeighbours;
  TRY(show_some(cx, {slot, middle}, keyspace::Table::kScanEnd, &left, choice));
  return show_some(cx, {slot, 0}, middle, &left, choice);
}

/// A try to choose among all keys; expired ones, and a key or two that moved meanwhile, make it
/// fail.
Status try_random_key(CommandContext& cx, std::span<const std::uint64_t> before,
                      RandomChoice* choice) {
  const std::uint64_t nth = cx.random.below(before.back());
  const auto above = std::ranges::upper_bound(before, nth);
  const auto index = static_cast<std::size_t>(above - before.begin()) - 1;
  keyspace::Shard& shard = cx.keyspace.keyspace().shards()[index];
  cx.keyspace.hold(shard);
  const keyspace::Table& table = cx.keyspace.table(shard, cx.keyspace.db());
  std::optional<std::uint32_t> slot;
  if (table.cold_count() != 0) {
    slot = random_slot(cx, shard, table);
  } else if (table.count() != 0) {
    choice->show(found_record(table.random_record(cx.random.next())));
  }
  cx.keyspace.let_go(shard);
  if (slot) TRY(show_neighbours(cx, *slot, choice));
  return {};
}

Status show_all(CommandContext& cx, RandomChoice* choice) {
  KeyWalk walk(cx.keyspace, KeyWalk::Holding::kAsItGoes, {}, std::nullopt);
  while (walk.step()) {
    for (const KeyWalk::Found& found : walk.found()) choice->show(found, walk.sighting());
  }
  walk.leave();
  return walk.status();
}

/// Nothing is chosen only if there is nothing.
Status choose_random_key(CommandContext& cx, RandomChoice* choice) {
  const std::vector<std::uint64_t> before = count_keys_before_shards(cx);
  for (int i = 0; i < kRandomTries && before.back() != 0; ++i) {
    TRY(try_random_key(cx, before, choice));
    if (choice->live_count() != 0) return {};
  }
  if (before.back() == 0) return {};
  return show_all(cx, choice);
}

}  // namespace

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
Outcome scan(CommandContext& cx, Arguments args) {
  TRY_LET(const std::uint64_t cursor, parse_cursor(args.next()));
  ScanOptions options;
  TRY(read_scan_options(cx, args, ScanOf::kKeys, &options));

  KeyWalk walk(cx.keyspace, KeyWalk::Holding::kAsItGoes, ScanPlace::of_cursor(cursor),
               slot_of_pattern(options.pattern), options.count);
  ScanStep step = scan_keys(cx, walk, options);
  walk.leave();
  if (!walk.status().ok()) return refuse_unreadable(cx, walk.status());
  step.expired.erase_all(cx);
  cx.reply.array(2);
  cx.reply.bulk_integer(static_cast<std::int64_t>(step.next));
  cx.reply.array(step.wanted.size());
  for (const std::string& key : step.wanted) cx.reply.bulk(key);
  return Outcome::done();
}

/// KEYS pattern — every key that is there from beginning to end, whatever comes and goes meanwhile.
Outcome keys(CommandContext& cx, Arguments args) {
  ScanOptions options;
  options.pattern = args.next();
  KeyWalk walk(cx.keyspace, KeyWalk::Holding::kAsItGoes, {}, slot_of_pattern(options.pattern));
  std::vector<std::string> matching;
  while (walk.step()) {
    for (const KeyWalk::Found& found : walk.found()) {
      if (options.matches(found.key) && !is_expired(cx, found)) matching.emplace_back(found.key);
    }
  }
  walk.leave();
  if (!walk.status().ok()) return refuse_unreadable(cx, walk.status());
  cx.reply.array(matching.size());
  for (const std::string& key : matching) cx.reply.bulk(key);
  return Outcome::done();
}

/// RANDOMKEY — null if there is no key. Expired keys it happens on are deleted; where very many
/// have expired, it gives up chance and looks at all.
Outcome randomkey(CommandContext& cx, Arguments) {
  RandomChoice choice(cx);
  const Status status = choose_random_key(cx, &choice);
  if (!status.ok()) return refuse_unreadable(cx, status);
  choice.expired().erase_all(cx);
  if (choice.live_count() == 0) {
    cx.reply.null();
  } else {
    cx.reply.bulk(choice.key());
  }
  return Outcome::done();
}

}  // namespace diskdb::command
