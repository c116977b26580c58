#include "keyspace/evictor.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/assert.h"
#include "base/reached.h"

namespace diskdb::keyspace {
namespace {

constexpr std::size_t kWindowEntries = 64;
// Looked at while a shard is held, if most of what is there is dirty: some ten microseconds.
constexpr std::size_t kBucketsPerStep = 4;
constexpr std::size_t kBucketsPerHold = 256;
constexpr std::size_t kPagesWorthALook = 16;  // of an object that has changed
constexpr double kShare = 0.2;                // of clean entries, leaves in a circle
constexpr double kAllowanceMax = 32;     // evictions that windows without old entries leave behind
constexpr std::size_t kFewEntries = 16;  // below which a window is no sample of its own

// After a circle in vain: at least this, and a multiple of what the circle took.
constexpr std::int64_t kRestMicrosMin = 10'000;
constexpr std::int64_t kRestPerWork = 10;

constexpr std::size_t kSampleRounds = 3;
constexpr std::size_t kBucketsPerSample = 4096;
// Who has searched everything in vain does not search again at once for each refused command.
constexpr std::int64_t kFruitlessMicros = 10'000;

/// Idle for longest first; of those idle for equally long, the least used.
std::uint64_t idle_score(const Record& record, Millis now) {
  return (static_cast<std::uint64_t>(idle_seconds(record, now)) << 8) | (255U - record.frequency());
}

}  // namespace

Evictor::Evictor(Keyspace& keyspace, io::Clock& clock)
    : keyspace_(keyspace),
      clock_(clock),
      access_(keyspace),
      random_(keyspace.hash_seed() ^ static_cast<std::uint64_t>(clock.monotonic().count)) {}

bool Evictor::has_enough() const {
  return keyspace_.allocated_bytes() <= keyspace_.budget.keys_max();
}

Evictor::Room Evictor::step(Micros work_max) {
  if (has_enough()) return Room::kEnough;
  Room room = Room::kNothing;
  if (deletes_keys(keyspace_.budget.policy())) {
    room = delete_keys(work_max);
  }
  if (room == Room::kNothing && keyspace_.store() != nullptr) {
    room = move_out(clock_.monotonic() + work_max);
  }
  if (keyspace_.log() != nullptr) keyspace_.log()->write_pending();
  return room;
}

// ---- Moving out

Evictor::Room Evictor::move_out(Micros until) {
  Micros now = clock_.monotonic();
  if (now < rests_until_ && rests_at_epoch_ == keyspace_.ingested_epoch()) return Room::kNothing;
  Micros begin = now;
  const std::size_t shard_count = keyspace_.shards().size();
  while (!has_enough()) {
    visit_window();
    now = clock_.monotonic();
    if (shards_passed_ >= shard_count) {
      circle_micros_ += (now - begin).count;
      begin = now;
      if (!end_circle()) return rest(now);
    }
    if (now >= until) {
      circle_micros_ += (now - begin).count;
      return Room::kMore;
    }
  }
  circle_micros_ += (now - begin).count;
  return Room::kEnough;
}

// False: it met nothing that may leave. One in which entries were spared is followed by one in
// which the oldest is not.
bool Evictor::end_circle() {
  shards_passed_ = 0;
  const bool was_spared = std::exchange(is_sparing_, true);
  const bool has_met = std::exchange(has_met_clean_, false);
  if (std::exchange(has_moved_, false)) {
    circle_micros_ = 0;
    return true;
  }
  if (!has_met || !was_spared) return false;
  is_sparing_ = false;
  recent_seen_ = 0;
  allowance_ = std::max(allowance_, 1.0);
  return true;
}

Evictor::Room Evictor::rest(Micros now) {
  REACHED("evictor: nothing is clean");
  const std::int64_t worked = std::exchange(circle_micros_, 0);
  rests_until_ = now + Micros{std::max(kRestMicrosMin, worked * kRestPerWork)};
  rests_at_epoch_ = keyspace_.ingested_epoch();
  return Room::kNothing;
}

void Evictor::next_shard() {
  shard_at_ = (shard_at_ + 1) % keyspace_.shards().size();
  db_at_ = 0;
  bucket_at_ = 0;
  ++shards_passed_;
}

// The next table of the shard, from where the walk is, that has anything clean.
bool Evictor::find_table(const Shard& shard) {
  for (; db_at_ < shard.tables.size(); ++db_at_) {
    const Table& table = *shard.tables[db_at_];
    if (table.count() != 0 && table.clean_bytes() != 0) return true;
    bucket_at_ = 0;
  }
  return false;
}

// False: the shard is busy, or there is nothing in it.
bool Evictor::visit_window() {
  Shard& shard = keyspace_.shards()[shard_at_];
  access_.begin(0, clock_.wall());
  if (!access_.spin_hold(shard)) {
    access_.release();
    next_shard();
    has_met_clean_ = true;  // for all we know
    return false;
  }
  const bool has_table = find_table(shard);
  if (has_table) {
    collect(*shard.tables[db_at_]);
    leave(shard);
    if (bucket_at_ == 0) ++db_at_;
  }
  access_.release();
  if (!has_table || db_at_ >= shard.tables.size()) next_shard();
  return has_table;
}

// Fills candidates_ and expired_ from a window of the table; bucket_at_ is 0 again at its end.
void Evictor::collect(const Table& table) {
  candidates_.clear();
  expired_.clear();
  const std::uint32_t ingested = keyspace_.ingested_epoch();
  const bool expires = !keyspace_.is_expiry_resting.load(std::memory_order_relaxed);
  bool has_more = true;
  for (std::size_t i = 0; i < kBucketsPerHold && has_more && candidates_.size() < kWindowEntries;
       i += kBucketsPerStep) {
    has_more = table.for_buckets(&bucket_at_, kBucketsPerStep, [&](const Table::Slot slot) {
      if (Table::is_gone(slot)) return;
      const Record* record = Table::record_in(slot);
      if (Table::is_dirty(slot) || record->epoch() > ingested) {
        // Of a large object pages may be clean all the same.
        if (record->encoding() != Encoding::kObject || record->object().is_small() ||
            record->object().resident_page_count() < kPagesWorthALook) {
          return;
        }
      }
      if (expires && Table::is_expiring(slot) && access_.is_expired(*record)) {
        expired_.emplace_back(record->key());
        return;
      }
      candidates_.push_back({idle_score(*record, access_.now()), record});
    });
  }
  if (!has_more) bucket_at_ = 0;
  if (!candidates_.empty() || !expired_.empty()) has_met_clean_ = true;
}

// Requires: nothing has changed in the shard since collect().
void Evictor::leave(Shard& shard) {
  for (const Candidate& candidate : candidates_) {
    recent_[recent_seen_++ % kRecentCount] = candidate.score;
  }
  evict_oldest(shard);
  if (expired_.empty()) return;
  REACHED("evictor: what has expired is deleted");
  access_.begin_command({}, {}, Logged::kByEffect, false, false);
  for (const std::string& key : expired_) access_.find(db_at_, access_.key(key));
  access_.end_command();
  has_moved_ = true;
}

void Evictor::evict_oldest(Shard& shard) {
  allowance_ =
      std::min(allowance_ + kShare * static_cast<double>(candidates_.size()), kAllowanceMax);
  const std::size_t count = std::min(static_cast<std::size_t>(allowance_), candidates_.size());
  if (count == 0) return;
  const auto middle = candidates_.begin() + static_cast<std::ptrdiff_t>(count);
  std::ranges::nth_element(candidates_, middle - 1, std::greater{}, &Candidate::score);
  const std::uint64_t least = candidates_.size() < kFewEntries ? oldest_fifth() : 0;
  for (auto at = candidates_.begin(); at != middle && !has_enough(); ++at) {
    if (at->score < least) continue;
    const Key key = access_.key(at->record->key());
    if (!access_.evict(shard, db_at_, key)) continue;  // somebody waits for it
    has_moved_ = true;
    allowance_ -= 1;
  }
}

// The least score of the highest fifth of those seen lately.
std::uint64_t Evictor::oldest_fifth() {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(recent_seen_, kRecentCount));
  if (count < kFewEntries) return 0;
  std::array<std::uint64_t, kRecentCount> scores = recent_;
  const auto end = scores.begin() + static_cast<std::ptrdiff_t>(count);
  const auto at =
      scores.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(count) * (1 - kShare));
  std::nth_element(scores.begin(), at, end);
  return *at;
}

// ---- Deleting

Evictor::Room Evictor::delete_keys(Micros work_max) {
  if (has_enough()) return Room::kEnough;
  MemoryBudget& budget = keyspace_.budget;
  if (!deletes_keys(budget.policy())) return Room::kNothing;
  // Deletions are logged: they rest while there is no room for that, or clients are paused. During
  // replay the log decides what is deleted.
  if (keyspace_.is_expiry_resting.load(std::memory_order_relaxed) ||
      keyspace_.is_replaying.load(std::memory_order_relaxed)) {
    return Room::kNothing;
  }
  const Micros begin = clock_.monotonic();
  const std::int64_t fruitless_at = budget.fruitless_at.load(std::memory_order_relaxed);
  if (fruitless_at != 0 && begin.count - fruitless_at < kFruitlessMicros) return Room::kNothing;
  budget.fruitless_at.store(0, std::memory_order_relaxed);
  while (!has_enough()) {
    if (delete_one() == Found::kNone) {
      REACHED("evictor: nothing may be deleted");
      budget.fruitless_at.store(std::max<std::int64_t>(begin.count, 1), std::memory_order_relaxed);
      return Room::kNothing;
    }
    if (clock_.monotonic() >= begin + work_max) return has_enough() ? Room::kEnough : Room::kMore;
  }
  return Room::kEnough;
}

Evictor::Found Evictor::delete_one() {
  Victim victim;
  const Found found = sample(&victim);
  if (found == Found::kKey) remove(victim);
  return found;
}

// The worst of some keys at random places.
Evictor::Found Evictor::sample(Victim* victim) {
  const MemoryBudget& budget = keyspace_.budget;
  const Policy policy = budget.policy();
  const bool is_random = policy == Policy::kAllKeysRandom || policy == Policy::kVolatileRandom;
  const std::size_t wanted = is_random ? 1 : std::max<std::size_t>(budget.sample_count(), 1);
  const std::size_t rounds = is_random ? 1 : kSampleRounds;
  const std::span<Shard> shards = keyspace_.shards();
  Found found = Found::kNone;
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::size_t first = random_.below(shards.size());
    std::size_t sampled = 0;
    looked_at_ = 0;
    for (std::size_t i = 0; i < shards.size() && sampled < wanted; ++i) {
      const Found here =
          sample_shard(shards[(first + i) % shards.size()], wanted, &sampled, victim);
      if (here == Found::kKey || (here == Found::kUnknown && found == Found::kNone)) found = here;
      // A few keys in each shard make no sample; but few that may go, among many, must do.
      if (sampled > 0 && looked_at_ >= kBucketsPerSample) break;
    }
    if (sampled == 0) break;
  }
  return found;
}

Evictor::Found Evictor::sample_shard(Shard& shard, std::size_t wanted, std::size_t* sampled,
                                     Victim* victim) {
  access_.begin(0, clock_.wall());
  if (!access_.spin_hold(shard)) {
    access_.release();
    return Found::kUnknown;
  }
  const bool is_volatile_only = is_volatile(keyspace_.budget.policy());
  Found found = Found::kNone;
  const std::size_t count = shard.tables.size();
  const std::size_t first = random_.below(count);
  for (std::size_t i = 0; i < count && *sampled < wanted; ++i) {
    const auto db = static_cast<std::uint32_t>((first + i) % count);
    const Table& table = *shard.tables[db];
    if ((is_volatile_only ? table.expiring_count() : table.count()) == 0) continue;
    const Found here = sample_table(table, db, wanted, sampled, victim);
    if (here == Found::kKey || found == Found::kNone) found = here;
  }
  access_.release();
  return found;
}

Evictor::Found Evictor::sample_table(const Table& table, std::uint32_t db, std::size_t wanted,
                                     std::size_t* sampled, Victim* victim) {
  const bool is_volatile_only = is_volatile(keyspace_.budget.policy());
  const std::size_t bucket_count = table.bucket_count();
  std::size_t bucket = random_.below(bucket_count);
  const std::size_t looked_at = std::min(bucket_count, kBucketsPerSample);
  bool has_found = false;
  for (std::size_t i = 0; i < looked_at && *sampled < wanted; ++i) {
    if (bucket == bucket_count) bucket = 0;
    ++looked_at_;
    table.for_buckets(&bucket, 1, [&](const Table::Slot slot) {
      if (Table::is_gone(slot) || *sampled >= wanted) return;
      if (is_volatile_only && !Table::is_expiring(slot)) return;
      const Record* record = Table::record_in(slot);
      const std::uint64_t score = score_of(*record);
      ++*sampled;
      has_found = true;
      if (victim->is_any && score <= victim->score) return;
      victim->is_any = true;
      victim->score = score;
      victim->db = db;
      victim->key.assign(record->key());
    });
  }
  if (has_found) return Found::kKey;
  return looked_at < bucket_count ? Found::kUnknown : Found::kNone;
}

std::uint64_t Evictor::score_of(const Record& record) {
  const Millis now = access_.now();
  switch (keyspace_.budget.policy()) {
    case Policy::kVolatileLru:
    case Policy::kAllKeysLru:
      return idle_score(record, now);
    case Policy::kVolatileLfu:
    case Policy::kAllKeysLfu: {
      const std::uint8_t frequency = frequency_at(record, now, keyspace_.budget.frequency_rule());
      return (static_cast<std::uint64_t>(255U - frequency) << 24) | idle_seconds(record, now);
    }
    case Policy::kVolatileTtl:
      return record.has_expiry() ? ~static_cast<std::uint64_t>(record.expiry().count) : 0;
    case Policy::kVolatileRandom:
    case Policy::kAllKeysRandom:
    case Policy::kNoEviction:
      break;
  }
  return random_.next();
}

// False: it is gone already.
bool Evictor::remove(const Victim& victim) {
  access_.begin(victim.db, clock_.wall());
  const Key key = access_.key(victim.key);
  Shard& shard = keyspace_.shard_of(key.slot);
  if (!access_.spin_hold(shard)) {
    access_.release();
    return false;
  }
  // It may have changed since it was chosen: what must not be deleted now is not.
  const Record* record = access_.table(shard, victim.db).find(key);
  const bool is_fit =
      record != nullptr && (!is_volatile(keyspace_.budget.policy()) || record->has_expiry());
  if (is_fit) {
    access_.begin_command({}, {}, Logged::kByEffect, false, false);
    if (access_.erase(victim.db, key)) {
      keyspace_.policy_deletion_count.fetch_add(1, std::memory_order_relaxed);
    }
    access_.end_command();
  }
  access_.release();
  return is_fit;
}

}  // namespace diskdb::keyspace
