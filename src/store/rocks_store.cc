#include "store/rocks_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/reached.h"
#include "store/rocks_options.h"
#include "store/status.h"

namespace diskdb::store {
namespace {

constexpr std::size_t kKeysOfOneRead = 64;

rocksdb::Slice slice(Bytes bytes) { return {bytes.data(), bytes.size()}; }
Bytes bytes_of(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

Error closed() { return {Code::kIo, "the sorted files are closed after a failure"}; }

std::uint64_t property(rocksdb::DB& db, const rocksdb::Slice& name) {
  std::uint64_t value = 0;
  return db.GetIntProperty(name, &value) ? value : 0;
}

std::uint64_t files_at_level(rocksdb::DB& db, int level) {
  std::string text;
  std::uint64_t count = 0;
  if (!db.GetProperty(rocksdb::DB::Properties::kNumFilesAtLevelPrefix + std::to_string(level),
                      &text)) {
    return 0;
  }
  for (const char digit : text) count = count * 10 + static_cast<std::uint64_t>(digit - '0');
  return count;
}

/// Reads the first and the last entry of a file, so that they are remembered.
rocksdb::Status read_ends(const std::string& path, const rocksdb::Options& options,
                          StagedReads& reads) {
  reads.enter(StagedReads::Phase::kHandsOut);  // what opening reads is not needed again
  rocksdb::SstFileReader reader(options);
  if (auto status = reader.Open(path); !status.ok()) return status;
  reads.enter(StagedReads::Phase::kRemembers);
  rocksdb::ReadOptions how;
  how.max_skippable_internal_keys = 1;  // it would pass over erasures
  how.total_order_seek = true;
  for (const bool is_first : {true, false}) {
    const std::unique_ptr<rocksdb::Iterator> entry(reader.NewIterator(how));
    if (is_first) {
      entry->SeekToFirst();
    } else {
      entry->SeekToLast();
    }
    if (!entry->status().ok() && !entry->status().IsIncomplete()) return entry->status();
  }
  return rocksdb::Status::OK();
}

/// 0 up to `soft`, 1 from `hard` on, and a straight line between.
double share_of(double value, double soft, double hard) {
  return std::clamp((value - soft) / (hard - soft), 0.0, 1.0);
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(io::Disk& disk, const Options& options) {
  auto store = std::make_unique<RocksStore>(disk, options);
  TRY(store->start());
  return std::unique_ptr<Store>(std::move(store));
}

// ---- Watcher

void Watcher::note_failure() {
  const std::lock_guard guard(m_);
  has_failed_ = true;
  changed_.notify_all();
}

void Watcher::wait_a_little() {
  std::unique_lock guard(m_);
  changed_.wait_for(guard, std::chrono::milliseconds(5));
}

void Watcher::OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status*) {
  REACHED("store: a background error");
  note_failure();
}

void Watcher::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                                   bool* auto_recovery) {
  *auto_recovery = false;
}

void Watcher::OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) {
  const std::lock_guard guard(m_);
  changed_.notify_all();
}

// ---- The handle's life

RocksStore::RocksStore(io::Disk& disk, Options options)
    : disk_(disk),
      options_(std::move(options)),
      staging_(options_.folder + "/staging"),
      ballast_(options_.folder + "/ballast"),
      file_system_(std::make_shared<FileSystem>(disk, staging_)),
      env_(rocksdb::NewCompositeEnv(file_system_)),
      watcher_(std::make_shared<Watcher>()) {
  env_->SetBackgroundThreads(options_.background_threads, rocksdb::Env::LOW);
  // Whether that succeeds is for the kernel to decide, and nothing depends on it.
  (void)env_->LowerThreadPoolCPUPriority(rocksdb::Env::LOW, rocksdb::CpuPriority::kLow);
}

RocksStore::~RocksStore() = default;

Status RocksStore::start() {
  TRY(disk_.make_folder(options_.folder));
  TRY(disk_.make_folder(staging_));
  const std::lock_guard guard(handle_);
  TRY(open_handle());
  return empty_folder(disk_, staging_);  // only now is it certain that nobody else uses the folder
}

Status RocksStore::reopen() {
  const std::lock_guard turnstile(turnstile_);
  is_retiring_ = true;
  const std::lock_guard guard(handle_);
  watcher_->note_failure();  // until it has succeeded
  db_.reset();
  Status status = open_handle();
  if (status.ok()) ++reopen_count_;
  is_retiring_ = false;
  return status;
}

Status RocksStore::open_handle() {
  TRY(check_folder());
  give_up_ballast();  // opening writes, too
  watcher_->forget_failure();
  file_system_->forget_missing_tables();
  if (const rocksdb::Status opened = open_database(/*salvages=*/false); !opened.ok()) {
    const bool misses_tables = file_system_->misses_tables();
    Status status = misses_tables ? salvage() : Status(translate(opened));
    if (!status.ok()) {
      db_.reset();
      watcher_->note_failure();
      return status.because("opening " + options_.folder);
    }
  }
  std::string value;
  has_marker_ = has_marker_ || db_->Get(rocksdb::ReadOptions(), slice(marker_key()), &value).ok();
  restore_ballast();
  return Status::okay();
}

// RocksDB makes a new, empty store where it finds no CURRENT, and removes the tables of the old.
Status RocksStore::check_folder() {
  TRY_LET(const std::vector<std::string> names, disk_.list(options_.folder));
  const bool has_tables = std::any_of(
      names.begin(), names.end(), [](const std::string& name) { return name.ends_with(".sst"); });
  if (has_tables && std::find(names.begin(), names.end(), "CURRENT") == names.end()) {
    return Error{Code::kCorrupt, options_.folder + " has tables, but no file CURRENT"};
  }
  return Status::okay();
}

rocksdb::Status RocksStore::open_database(bool salvages) {
  rocks_options_ = store_options(options_, env_.get());
  rocks_options_.listeners.push_back(watcher_);
  rocks_options_.best_efforts_recovery = salvages;
  block_cache_ =
      rocks_options_.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>()->block_cache;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(rocks_options_, options_.folder, &db);
  db_.reset(db);
  return status;
}

// A failed ingest has removed its tables, though the MANIFEST may name them.
Status RocksStore::salvage() {
  REACHED("store: tables are missing");
  if (const rocksdb::Status opened = open_database(/*salvages=*/true); !opened.ok()) {
    return translate(opened);
  }
  std::string value;
  const rocksdb::Status found = db_->Get(rocksdb::ReadOptions(), slice(marker_key()), &value);
  // The first checkpoint of all may be the one that failed: then there was none before it, and the
  // log, which nobody has cut, holds everything. If it does not, its recovery refuses.
  if (found.IsNotFound() && ingest_count_ == 0 && !has_marker_) return Status::okay();
  if (found.IsNotFound()) {
    return Error{Code::kCorrupt, "tables are missing, and no checkpoint is left without them"};
  }
  return found.ok() ? Status::okay() : Status(translate(found));
}

RocksStore::Shared RocksStore::share_handle() const {
  if (is_retiring_) const std::lock_guard wait(turnstile_);  // I2
  return Shared(handle_);
}

RocksStore::Shared RocksStore::try_share_handle() const {
  if (is_retiring_) return Shared(handle_, std::defer_lock);
  return Shared(handle_, std::try_to_lock);
}

// ---- Reading

Result<Presence> RocksStore::get(Bytes key, Reach reach, std::string* value) {
  rocksdb::ReadOptions how;
  const bool is_memory = reach == Reach::kMemory;
  if (is_memory) how.read_tier = rocksdb::kBlockCacheTier;
  const Shared shared = is_memory ? try_share_handle() : share_handle();
  if (is_memory && (!shared.owns_lock() || db_ == nullptr)) return Presence::kUnknown;
  if (db_ == nullptr) return closed();
  const rocksdb::Status found = db_->Get(how, slice(key), value);
  if (found.ok()) return Presence::kFound;
  if (found.IsNotFound()) return Presence::kAbsent;
  if (found.IsIncomplete()) return Presence::kUnknown;
  return translate(found);
}

Status RocksStore::get_many(const std::vector<Bytes>& keys,
                            const std::function<void(std::size_t, Bytes)>& visit) {
  ASSERT_SLOW(std::is_sorted(keys.begin(), keys.end()));
  const Shared shared = share_handle();
  if (db_ == nullptr) return closed();
  rocksdb::Slice slices[kKeysOfOneRead];
  rocksdb::PinnableSlice values[kKeysOfOneRead];
  rocksdb::Status statuses[kKeysOfOneRead];
  for (std::size_t begin = 0; begin < keys.size(); begin += kKeysOfOneRead) {
    const std::size_t count = std::min(kKeysOfOneRead, keys.size() - begin);
    for (std::size_t i = 0; i < count; ++i) slices[i] = slice(keys[begin + i]);
    db_->MultiGet(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), count, slices, values,
                  statuses, /*sorted_input=*/true);
    for (std::size_t i = 0; i < count; ++i) {
      if (statuses[i].ok()) {
        visit(begin + i, bytes_of(values[i]));
      } else if (!statuses[i].IsNotFound()) {
        return translate(statuses[i]);
      }
      values[i].Reset();
    }
  }
  return Status::okay();
}

Status RocksStore::scan(Bytes from, Bytes to, const std::function<bool(Bytes, Bytes)>& visit) {
  const Shared shared = share_handle();
  if (db_ == nullptr) return closed();
  const rocksdb::Slice end = slice(to);
  rocksdb::ReadOptions how;
  how.iterate_upper_bound = &end;
  how.total_order_seek = true;  // the filters know single keys, not ranges
  const std::unique_ptr<rocksdb::Iterator> entry(db_->NewIterator(how));
  for (entry->Seek(slice(from)); entry->Valid(); entry->Next()) {
    if (!visit(bytes_of(entry->key()), bytes_of(entry->value()))) return Status::okay();
  }
  if (!entry->status().ok()) return translate(entry->status());
  return Status::okay();
}

Result<std::optional<Marker>> RocksStore::marker() {
  std::string value;
  TRY_LET(const Presence presence, get(marker_key(), Reach::kDisk, &value));
  if (presence == Presence::kAbsent) return std::optional<Marker>();
  TRY_LET(Marker found, decode_marker(value));
  return std::optional<Marker>(std::move(found));
}

// ---- Writing

Result<std::unique_ptr<CheckpointFiles>> RocksStore::begin_files() {
  TRY(empty_folder(disk_, staging_));
  return std::unique_ptr<CheckpointFiles>(std::make_unique<StagedFiles>(
      disk_, staging_, writer_options(options_, env_.get()), options_.file_bytes_max));
}

Status RocksStore::ingest(CheckpointFiles& files) {
  auto& staged = static_cast<StagedFiles&>(files);  // there is no other kind
  const Shared shared = share_handle();
  if (db_ == nullptr || needs_reopen()) return closed();
  if (staged.paths().empty()) return Status::okay();
  give_up_ballast();
  const rocksdb::Status status = ingest_files(staged.paths());
  file_system_->staged_reads().enter(StagedReads::Phase::kIdle);
  if (!status.ok()) {
    REACHED("store: an ingest failed");
    watcher_->note_failure();
    return Status(translate(status)).because("ingesting a checkpoint");
  }
  staged.release();
  ++ingest_count_;
  restore_ballast();
  return Status::okay();
}

rocksdb::Status RocksStore::ingest_files(const std::vector<std::string>& paths) {
  StagedReads& reads = file_system_->staged_reads();
  for (const std::string& path : paths) {
    if (auto status = read_ends(path, writer_options(options_, env_.get()), reads); !status.ok()) {
      return status;
    }
  }
  reads.enter(StagedReads::Phase::kHandsOut);
  rocksdb::IngestExternalFileOptions how;
  how.move_files = true;
  how.failed_move_fall_back_to_copy = false;
  how.write_global_seqno = false;  // the files stay as they were written
  how.allow_blocking_flush = false;
  return db_->IngestExternalFile(paths, how);
}

void RocksStore::give_up_ballast() {
  if (options_.ballast_bytes == 0) return;
  if (!disk_.remove(ballast_).ok()) REACHED("store: there was no ballast");
}

void RocksStore::restore_ballast() {
  if (options_.ballast_bytes == 0) return;
  auto file = disk_.open(ballast_, io::OpenMode::kCreate);
  if (file.ok() && (*file)->allocate(options_.ballast_bytes).ok()) return;
  REACHED("store: no room for the ballast");
  (void)disk_.remove(ballast_);  // half of one is in the way, and it need not exist
}

// ---- What is going on

Stats RocksStore::stats() const {
  Stats stats;
  stats.ingest_count = ingest_count_;
  stats.reopen_count = reopen_count_;
  const Shared shared = try_share_handle();
  if (!shared.owns_lock() || db_ == nullptr) return stats;
  using Properties = rocksdb::DB::Properties;
  stats.file_bytes = property(*db_, Properties::kLiveSstFilesSize);
  for (int level = 0; level < db_->NumberLevels(); ++level) {
    stats.file_count += files_at_level(*db_, level);
  }
  stats.level0_file_count = files_at_level(*db_, 0);
  stats.pending_compaction_bytes = property(*db_, Properties::kEstimatePendingCompactionBytes);
  stats.table_reader_bytes = property(*db_, Properties::kEstimateTableReadersMem);
  stats.block_cache_bytes = block_cache_->GetUsage();
  rocksdb::Statistics& counted = *rocks_options_.statistics;
  stats.block_cache_hits = counted.getTickerCount(rocksdb::BLOCK_CACHE_HIT);
  stats.block_cache_misses = counted.getTickerCount(rocksdb::BLOCK_CACHE_MISS);
  stats.compaction_read_bytes = counted.getTickerCount(rocksdb::COMPACT_READ_BYTES);
  stats.compaction_written_bytes = counted.getTickerCount(rocksdb::COMPACT_WRITE_BYTES);
  return stats;
}

// Level 0 grows by an ingest at a time, and every file of it is one more to look into. Due work is
// counted in sizes of the level that takes from it.
double RocksStore::pressure() const {
  const Shared shared = try_share_handle();
  if (!shared.owns_lock() || db_ == nullptr) return 1;
  const double trigger = options_.level0_files_for_compaction;
  const auto base = static_cast<double>(base_level_bytes(options_));
  const auto files = static_cast<double>(files_at_level(*db_, 0));
  const auto due =
      static_cast<double>(property(*db_, rocksdb::DB::Properties::kEstimatePendingCompactionBytes));
  return std::max(share_of(files, 2 * trigger, 8 * trigger), share_of(due, 4 * base, 64 * base));
}

Status RocksStore::settle() {
  using Properties = rocksdb::DB::Properties;
  while (true) {
    {
      const Shared shared = share_handle();
      if (db_ == nullptr || needs_reopen()) return closed();
      if (property(*db_, Properties::kCompactionPending) == 0 &&
          property(*db_, Properties::kNumRunningCompactions) == 0) {
        return Status::okay();
      }
    }
    watcher_->wait_a_little();
  }
}

}  // namespace diskdb::store
