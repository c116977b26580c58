#include "store/rocks_options.h"

#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>

#include <limits>
#include <memory>

#include "base/bytes.h"
#include "store/file_system.h"
#include "store/format.h"

namespace diskdb::store {
namespace {

constexpr std::uint64_t kFilesOfBaseLevel = 4;

// Bounds that stall writers to the memtable; there are none. What bounds checkpoints is pressure().
constexpr int kNoFileBound = std::numeric_limits<int>::max() / 4;

/// Says which keys have a place in the filters. RocksDB asks for the part of a key that its filters
/// know, and whether it has any; here that is all of it, or none.
class LookedUpKeys final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "diskdb.looked-up"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return key; }
  bool InDomain(const rocksdb::Slice& key) const override {
    return is_looked_up(Bytes(key.data(), key.size()));
  }
};

rocksdb::BlockBasedTableOptions table_options(const Options& options) {
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(
      rocksdb::NewBloomFilterPolicy(static_cast<double>(options.bloom_bits_per_key)));
  table.whole_key_filtering = false;  // LookedUpKeys
  // Filters and indexes stay in memory for as long as a file is open, and all are: so a key that is
  // absent never costs I/O, but for the filter's false positives.
  table.cache_index_and_filter_blocks = false;
  return table;
}

}  // namespace

std::uint64_t base_level_bytes(const Options& options) {
  return kFilesOfBaseLevel * options.target_file_bytes;
}

rocksdb::Options writer_options(const Options& options, rocksdb::Env* env) {
  rocksdb::Options made;
  made.env = env;
  made.info_log = make_silent_logger();
  made.compression = options.compresses ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  // The same on all levels: with a stronger one at the bottom, checkpoints would write that one.
  made.bottommost_compression = rocksdb::kDisableCompressionOption;
  made.prefix_extractor = std::make_shared<LookedUpKeys>();
  made.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(options)));
  return made;
}

rocksdb::Options store_options(const Options& options, rocksdb::Env* env) {
  rocksdb::Options made = writer_options(options, env);
  rocksdb::BlockBasedTableOptions table = table_options(options);
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes, 4);
  made.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  made.create_if_missing = true;
  made.max_open_files = -1;
  made.max_file_opening_threads = 4;
  made.skip_stats_update_on_db_open = true;

  made.level_compaction_dynamic_level_bytes = true;
  made.level0_file_num_compaction_trigger = options.level0_files_for_compaction;
  made.level0_slowdown_writes_trigger = kNoFileBound;
  made.level0_stop_writes_trigger = kNoFileBound;
  made.soft_pending_compaction_bytes_limit = 0;
  made.hard_pending_compaction_bytes_limit = 0;
  made.target_file_size_base = options.target_file_bytes;
  made.max_bytes_for_level_base = base_level_bytes(options);
  made.max_background_compactions = options.background_threads;
  made.max_background_flushes = 1;
  made.bytes_per_sync = 1U << 20U;

  // No memtable and no log to speak of.
  made.write_buffer_size = 64U << 10U;
  made.avoid_flush_during_shutdown = true;
  made.avoid_flush_during_recovery = true;

  // After a failure the handle is retired, never resumed.
  made.max_bgerror_resume_count = 0;
  made.stats_dump_period_sec = 0;
  made.stats_persist_period_sec = 0;
  made.statistics = rocksdb::CreateDBStatistics();
  made.statistics->set_stats_level(rocksdb::kExceptHistogramOrTimers);
  return made;
}

}  // namespace diskdb::store
