#include "keyspace/warmer.h"

#include <algorithm>
#include <span>

#include "base/reached.h"
#include "keyspace/place.h"

namespace diskdb::keyspace {
namespace {

constexpr std::size_t kKeysPerPiece = 1024;
constexpr std::size_t kBytesPerPiece = 1 << 20;
// Installed while a shard is held: some ten microseconds.
constexpr std::size_t kKeysPerHold = 64;
// A look-up of one key, measured, beside reading one in order and installing it.
constexpr std::uint64_t kReadsPerLookUp = 10;
constexpr std::uint64_t kOrderEnd = static_cast<std::uint64_t>(kSlotCount) << kScanHashBits;

}  // namespace

Warmer::Warmer(Keyspace& keyspace, io::Clock& clock)
    : keyspace_(keyspace), clock_(clock), access_(keyspace) {}

bool Warmer::has_room() const {
  return keyspace_.budget.has_ample_room(keyspace_.allocated_bytes());
}

Result<bool> Warmer::step() {
  while (db_ < keyspace_.database_count()) {
    if (!has_room()) return false;
    if (find_cold_shard()) {
      TRY(read());
      TRY(install());
      return true;
    }
    ++db_;
    order_ = 0;
  }
  return false;
}

// Moves order_ on to a shard with cold keys of db_, and notes what its table is; false if there is
// none behind order_.
bool Warmer::find_cold_shard() {
  const std::uint32_t slots = keyspace_.slots_per_shard();
  while (order_ < kOrderEnd) {
    Shard& shard = keyspace_.shard_of(static_cast<std::uint32_t>(order_ >> kScanHashBits));
    shard.lock.lock();
    const Table& table = *shard.tables[db_];
    const bool is_cold = table.cold_count() != 0;
    sighting_ = Sighting::begin(keyspace_, table);
    shard.lock.unlock();
    if (is_cold) return true;
    order_ = static_cast<std::uint64_t>((shard.index + 1) * slots) << kScanHashBits;
  }
  return false;
}

Status Warmer::read() {
  const std::uint32_t slots = keyspace_.slots_per_shard();
  const auto shard_index = static_cast<std::uint32_t>(order_ >> kScanHashBits) / slots;
  const std::uint64_t shard_end = static_cast<std::uint64_t>((shard_index + 1) * slots)
                                  << kScanHashBits;
  std::string from;
  std::string to;
  store::encode_record_bound(place_of(sighting_.generation, order_), &from);
  store::encode_record_bound(place_of(sighting_.generation, shard_end), &to);
  piece_.clear();
  next_ = shard_end;
  std::size_t bytes = 0;
  Status status;
  const Status scanned = keyspace_.store()->scan(from, to, [&](Bytes key, Bytes record) {
    if (piece_.size() >= kKeysPerPiece || bytes >= kBytesPerPiece) {
      const auto decoded = store::decode_record_key(key);
      if (!decoded.ok()) {
        status = decoded.status();
        return false;
      }
      // What shares its place with the last one is read again: it is not cold then.
      next_ = order_of(decoded.value().place);
      if (next_ > order_) return false;
    }
    piece_.emplace_back(key, record);
    bytes += key.size() + record.size();
    return true;
  });
  return status.ok() ? scanned : status;
}

Status Warmer::install() {
  Shard& shard = keyspace_.shard_of(static_cast<std::uint32_t>(order_ >> kScanHashBits));
  for (std::size_t begin = 0; begin < piece_.size() && has_room(); begin += kKeysPerHold) {
    const std::size_t count = std::min(kKeysPerHold, piece_.size() - begin);
    access_.begin(db_, clock_.wall());
    access_.hold(shard);
    Status status;
    if (!sighting_.holds(keyspace_, *shard.tables[db_])) {
      REACHED("warmer: a checkpoint or a flush came between");
      access_.release();
      return {};  // order_ stays: the piece is read again
    }
    for (const auto& [key, record] : std::span(piece_).subspan(begin, count)) {
      const auto decoded = store::decode_record_key(key);
      status = decoded.ok() ? access_.warm(db_, access_.key(decoded.value().key), record)
                            : decoded.status();
      if (!status.ok()) break;
    }
    access_.release();
    TRY(std::move(status));
  }
  order_ = next_;
  return {};
}

// ---- During replay

void ReplayWarmer::step() {
  const std::uint64_t loads = keyspace_.load_count.load(std::memory_order_relaxed);
  if (has_warmed_ || loads < loads_at_next_look_) return;
  loads_at_next_look_ = loads + loads / 4 + 1;
  if (loads * kReadsPerLookUp < cold_count()) return;
  REACHED("warmer: the store is read in order during replay");
  has_warmed_ = true;
  Warmer warmer(keyspace_, clock_);
  Result<bool> has_more = true;
  while (has_more.ok() && has_more.value()) has_more = warmer.step();
}

std::uint64_t ReplayWarmer::cold_count() {
  std::uint64_t count = 0;
  for (Shard& shard : keyspace_.shards()) {
    shard.lock.lock();
    for (const auto& table : shard.tables) count += table->cold_count();
    shard.lock.unlock();
  }
  return count;
}

}  // namespace diskdb::keyspace
