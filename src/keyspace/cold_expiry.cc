#include "keyspace/cold_expiry.h"

#include <algorithm>

#include "base/reached.h"
#include "keyspace/place.h"
#include "store/format.h"

namespace diskdb::keyspace {
namespace {

// Read at once, and deleted before time is asked for: some hundred microseconds.
constexpr std::size_t kKeysPerBatch = 128;
// Of a hash that has just come in; it may have few due, and is then done with.
constexpr std::size_t kFieldsAtOnce = 16;

}  // namespace

ColdExpiry::ColdExpiry(Keyspace& keyspace, io::Clock& clock)
    : keyspace_(keyspace), clock_(clock), access_(keyspace), cursors_(keyspace.database_count()) {}

bool ColdExpiry::is_resting() const {
  return !keyspace_.is_active_expiry_on.load(std::memory_order_relaxed) ||
         keyspace_.is_expiry_resting.load(std::memory_order_relaxed) ||
         keyspace_.is_replaying.load(std::memory_order_relaxed);
}

Result<bool> ColdExpiry::step(Micros until) {
  if (keyspace_.store() == nullptr || is_resting()) return false;
  for (std::size_t i = 0; i < cursors_.size(); ++i) {
    TRY_LET(const bool is_done, work_off(next_db_, until));
    // Whoever ran out of time is not the first in line again.
    next_db_ = (next_db_ + 1) % keyspace_.database_count();
    if (!is_done) return true;
  }
  return false;
}

// False if time ran out.
Result<bool> ColdExpiry::work_off(std::uint32_t db, Micros until) {
  Cursor& cursor = cursors_[db];
  for (;;) {
    const Millis now = clock_.wall();
    Shard& any = keyspace_.shards().front();
    any.lock.lock();
    const Table& table = *any.tables[db];
    if (!cursor.sighting.holds(keyspace_, table)) {
      cursor = {.sighting = Sighting::begin(keyspace_, table), .next = {}, .due = {}};
    }
    any.lock.unlock();
    if (now < cursor.due) return true;
    std::string begin = cursor.next;
    TRY(read_batch(cursor, now));
    if (batch_.empty()) return true;
    TRY(read_hashes(cursor.sighting));
    TRY_LET(const bool is_whole, erase_batch(db, cursor.sighting, now));
    if (!is_whole) {
      // The next step reads the batch again; those of it that are deleted have tombstones by then.
      cursor.next = std::move(begin);
      cursor.due = {};
      return true;
    }
    if (is_resting()) return true;
    if (clock_.monotonic() >= until) return false;
  }
}

// Reads on from the cursor, and moves it behind what it has read.
Status ColdExpiry::read_batch(Cursor& cursor, Millis now) {
  batch_.clear();
  const store::KeyRange range = store::expiry_range(cursor.sighting.generation);
  std::string next = cursor.next.empty() ? range.from : cursor.next;
  Millis due{INT64_MAX};
  Status status;
  TRY(keyspace_.store()->scan(next, range.to, [&](Bytes encoded, Bytes value) {
    const Result<store::ExpiryKey> entry = store::decode_expiry_key(encoded);
    const Result<store::ExpiryValue> expiry = store::decode_expiry_value(value);
    status = entry.ok() ? expiry.status() : entry.status();
    if (!status.ok()) return false;
    if (entry.value().when > now || batch_.size() == kKeysPerBatch) {
      due = entry.value().when;
      return false;
    }
    batch_.push_back({std::string(entry.value().key),
                      entry.value().slot,
                      entry.value().when,
                      expiry.value(),
                      {}});
    next.assign(encoded).push_back('\0');  // the smallest key behind it
    return true;
  }));
  TRY(status);
  cursor.next = std::move(next);
  cursor.due = due;
  return {};
}

// With no shard held, so some are in memory already.
Status ColdExpiry::read_hashes(const Sighting& sighting) {
  std::string stored_key;
  for (Due& due : batch_) {
    if (!due.value.is_of_field) continue;
    const Key key = access_.key(due.key);
    store::encode_record_key(place_of(sighting.generation, key), key.bytes, &stored_key);
    TRY(keyspace_.store()->get(stored_key, store::Reach::kDisk, &due.record));
  }
  return {};
}

Status ColdExpiry::expire(std::uint32_t db, const Due& due) {
  const Key key = access_.key(due.key);
  if (due.value.is_of_field) return access_.expire_cold_fields(db, key, due.record, kFieldsAtOnce);
  access_.expire_cold(db, key, due.when, due.value.object);
  return {};
}

// False if a shard was busy: its keys are left.
Result<bool> ColdExpiry::erase_batch(std::uint32_t db, const Sighting& sighting, Millis now) {
  std::ranges::sort(batch_, {}, &Due::slot);
  bool is_whole = true;
  Status status;
  for (auto due = batch_.begin(); due != batch_.end();) {
    Shard& shard = keyspace_.shard_of(due->slot);
    const auto others = std::find_if(due, batch_.end(), [&](const Due& other) {
      return &keyspace_.shard_of(other.slot) != &shard;
    });
    access_.begin(db, now);
    if (access_.spin_hold(shard)) {
      const Table& table = access_.table(shard, db);
      for (; due != others && status.ok() && sighting.holds(keyspace_, table); ++due) {
        status = expire(db, *due);
      }
    } else {
      REACHED("cold expiry: a shard is busy");
      is_whole = false;
    }
    access_.release();
    TRY(status);
    due = others;
  }
  return is_whole;
}

}  // namespace diskdb::keyspace
