#include "command/metrics.h"

#include <fmt/format.h>

#include <iterator>

#include "command/command_table.h"
#include "command/config.h"
#include "command/gates.h"
#include "command/info.h"
#include "command/statistics.h"
#include "command/version.h"
#include "io/process.h"

namespace diskdb::command {
namespace {

// Bounds of the histograms: powers of two of nanoseconds from a microsecond to eight seconds.
constexpr unsigned kFirstBound = 10;
constexpr unsigned kLastBound = 33;

std::uint64_t value_of(const std::atomic<std::uint64_t>& counter) {
  return counter.load(std::memory_order_relaxed);
}
double seconds_of(Micros time) { return static_cast<double>(time.count) / 1e6; }
double nanos_to_seconds(std::uint64_t nanos) { return static_cast<double>(nanos) / 1e9; }

}  // namespace

// ---- The format

void MetricsText::family(Bytes name, Kind kind, Bytes help) {
  constexpr Bytes kKinds[] = {"counter", "gauge", "histogram"};
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                 kKinds[static_cast<std::size_t>(kind)]);
}

void MetricsText::begin_line(Bytes suffix, Bytes labels) {
  text_.append(name_).append(suffix);
  if (!labels.empty()) text_.append("{").append(labels).append("}");
  text_ += ' ';
}

void MetricsText::sample(Bytes suffix, Bytes labels, double value) {
  begin_line(suffix, labels);
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void MetricsText::sample(Bytes suffix, Bytes labels, std::uint64_t value) {
  begin_line(suffix, labels);
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void MetricsText::counter(Bytes name, Bytes help, std::uint64_t value) {
  family(name, Kind::kCounter, help);
  sample({}, value);
}
void MetricsText::counter(Bytes name, Bytes help, double value) {
  family(name, Kind::kCounter, help);
  sample({}, value);
}
void MetricsText::gauge(Bytes name, Bytes help, std::uint64_t value) {
  family(name, Kind::kGauge, help);
  sample({}, value);
}
void MetricsText::gauge(Bytes name, Bytes help, double value) {
  family(name, Kind::kGauge, help);
  sample({}, value);
}

std::string MetricsText::label(Bytes name, Bytes value) {
  std::string text(name);
  text += "=\"";
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text += '\\';
    text += c;
  }
  text += '"';
  return text;
}

// ---- The figures

MetricsReader::MetricsReader(Services& services)
    : services_(services),
      access_(services.keyspace),
      tables_(services.keyspace.shards().size() * services.keyspace.database_count()) {}

std::string MetricsReader::text() {
  read_tables();
  MetricsText text;
  add_server(text);
  add_commands(text);
  add_clients(text);
  add_memory(text);
  add_keys(text);
  if (services_.log != nullptr) add_log(text);
  if (services_.checkpointer != nullptr) add_checkpoints(text);
  if (services_.keyspace.store() != nullptr) {
    add_tier(text);
    add_store(text);
  }
  return text.take();
}

void MetricsReader::read_tables() {
  keyspace::Keyspace& keyspace = services_.keyspace;
  TableFigures* figures = tables_.data();
  for (keyspace::Shard& shard : keyspace.shards()) {
    access_.begin(0, services_.clock.wall());
    if (access_.spin_hold(shard)) {
      for (std::uint32_t db = 0; db < keyspace.database_count(); ++db) {
        const keyspace::Table& table = access_.table(shard, db);
        figures[db] = {.keys = table.key_count(),
                       .expiring = table.expiring_key_count(),
                       .cold = table.cold_count(),
                       .tombstones = table.gone_count()};
      }
    }
    access_.release();
    figures += keyspace.database_count();
  }
}

void MetricsReader::add_server(MetricsText& text) const {
  const ServerFacts& facts = services_.facts;
  text.family("diskdb_build_info", MetricsText::Kind::kGauge,
              "Always 1; its labels tell version and engine.");
  text.sample(MetricsText::label("version", facts.version) + "," +
                  MetricsText::label("redis_version", kRedisVersion) + "," +
                  MetricsText::label("engine", facts.engine),
              std::uint64_t{1});
  text.gauge("diskdb_start_time_seconds", "When the server started, since the Unix epoch.",
             static_cast<double>(facts.started_at.count) / 1000);
  text.gauge("diskdb_network_threads", "Threads that run commands.",
             static_cast<std::uint64_t>(facts.thread_count));
  text.gauge("diskdb_active_network_threads", "Those that have connections.",
             services_.statistics.active_network_threads.load(std::memory_order_relaxed));
  text.gauge("diskdb_writes_accepted", "1, or 0 while writes are refused.",
             std::uint64_t{is_anything_restricted(services_) ? 0U : 1U});
  const io::ProcessUsage usage = io::process_usage();
  text.family("diskdb_cpu_seconds_total", MetricsText::Kind::kCounter,
              "Processor time of the process.");
  text.sample(MetricsText::label("mode", "user"), seconds_of(usage.user));
  text.sample(MetricsText::label("mode", "system"), seconds_of(usage.system));
}

void MetricsReader::add_commands(MetricsText& text) const {
  struct Called {
    std::string label;
    RowTotals totals;
    std::uint64_t rejected;
    std::uint64_t failed;
  };
  std::vector<Called> called;
  for (const Row* row : services_.table.rows()) {
    const std::size_t index = services_.table.index_of(*row);
    const RowCounters& counters = services_.statistics.rows[index];
    Called one{.label = MetricsText::label("cmd", full_name(*row)),
               .totals = services_.statistics.times.totals(index, CommandTimes::Since::kStart),
               .rejected = value_of(counters.rejected_calls),
               .failed = value_of(counters.failed_calls)};
    if (one.totals.calls + one.rejected + one.failed > 0) called.push_back(std::move(one));
  }
  using Kind = MetricsText::Kind;
  text.family("diskdb_commands_total", Kind::kCounter, "Commands that were run.");
  for (const Called& one : called) text.sample(one.label, one.totals.calls);
  text.family("diskdb_commands_failed_total", Kind::kCounter, "Of them, those that got an error.");
  for (const Called& one : called) text.sample(one.label, one.failed);
  text.family("diskdb_commands_rejected_total", Kind::kCounter,
              "Commands that were refused before they ran.");
  for (const Called& one : called) text.sample(one.label, one.rejected);
  text.family("diskdb_command_duration_seconds", Kind::kHistogram,
              "How long commands ran, without waiting, sending and receiving.");
  for (const Called& one : called) {
    // Cut from one set of counts, so that the buckets agree with each other.
    const LatencyCounts& latencies = one.totals.latencies;
    const std::uint64_t count = latencies.total();
    if (count == 0) continue;
    for (unsigned bound = kFirstBound; bound <= kLastBound; ++bound) {
      const std::uint64_t nanos = 1ULL << bound;
      const std::string le =
          MetricsText::label("le", fmt::format("{:.9f}", nanos_to_seconds(nanos)));
      text.sample("_bucket", one.label + "," + le, latencies.count_up_to(nanos));
    }
    text.sample("_bucket", one.label + "," + MetricsText::label("le", "+Inf"), count);
    text.sample("_sum", one.label, nanos_to_seconds(one.totals.nanos));
    text.sample("_count", one.label, count);
  }
  text.family("diskdb_errors_total", Kind::kCounter, "Error replies, by their code.");
  for (const auto& [code, count] : services_.statistics.errors()) {
    text.sample(MetricsText::label("code", code), count);
  }
  text.counter("diskdb_slow_commands_total", "Commands that were slow enough for SLOWLOG.",
               services_.statistics.slow_log.added_count());
}

void MetricsReader::add_clients(MetricsText& text) const {
  const Statistics& statistics = services_.statistics;
  text.gauge("diskdb_connections", "Clients connected.",
             static_cast<std::uint64_t>(services_.clients.count()));
  text.gauge("diskdb_connections_max", "How many may be (maxclients).",
             static_cast<std::uint64_t>(services_.config.settings().maxclients.load()));
  text.gauge("diskdb_clients_paused", "Clients that a CLIENT PAUSE holds back.",
             static_cast<std::uint64_t>(services_.clients.paused_count()));
  text.counter("diskdb_connections_received_total", "Connections accepted.",
               value_of(statistics.connections_received));
  text.counter("diskdb_connections_rejected_total", "Connections refused.",
               value_of(statistics.connections_rejected));
  text.counter("diskdb_network_received_bytes_total", "Bytes from clients.",
               value_of(statistics.net_input_bytes));
  text.counter("diskdb_network_sent_bytes_total", "Bytes to clients.",
               value_of(statistics.net_output_bytes));
  text.gauge("diskdb_client_buffer_bytes", "Memory of clients' buffers.",
             value_of(statistics.client_buffer_bytes));
}

void MetricsReader::add_memory(MetricsText& text) const {
  const Statistics& statistics = services_.statistics;
  const keyspace::Keyspace& keyspace = services_.keyspace;
  text.gauge("diskdb_memory_used_bytes", "What the allocator has given out.",
             value_of(statistics.used_memory_bytes));
  text.gauge("diskdb_memory_peak_bytes", "The most of it there ever was.",
             value_of(statistics.peak_memory_bytes));
  text.gauge("diskdb_memory_resident_bytes", "What the system says the process occupies.",
             io::process_usage().resident_bytes);
  text.gauge("diskdb_memory_limit_bytes", "maxmemory; 0 is none.", keyspace.budget.limit());
  text.gauge("diskdb_memory_keys_bytes", "What keys and values in memory cost.",
             keyspace.allocated_bytes());
  text.gauge("diskdb_write_pressure_ratio",
             "How much writers are slowed, 0 to 1, since checkpoints or eviction lag behind.",
             keyspace.budget.write_pressure.load(std::memory_order_relaxed));
}

void MetricsReader::add_keys(MetricsText& text) const {
  const keyspace::Keyspace& keyspace = services_.keyspace;
  const std::uint32_t database_count = keyspace.database_count();
  std::vector<TableFigures> databases(database_count);
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    databases[i % database_count].keys += tables_[i].keys;
    databases[i % database_count].expiring += tables_[i].expiring;
  }
  const auto label = [](std::size_t db) { return MetricsText::label("db", std::to_string(db)); };
  // The first database is always told, so that dashboards have something to show.
  const auto is_told = [&](std::size_t db) { return db == 0 || databases[db].keys > 0; };
  text.family("diskdb_keys", MetricsText::Kind::kGauge, "Keys by database.");
  for (std::size_t db = 0; db < database_count; ++db) {
    if (is_told(db)) text.sample(label(db), databases[db].keys);
  }
  text.family("diskdb_keys_expiring", MetricsText::Kind::kGauge, "Of them, those with an expiry.");
  for (std::size_t db = 0; db < database_count; ++db) {
    if (is_told(db)) text.sample(label(db), databases[db].expiring);
  }
  text.counter("diskdb_keyspace_hits_total", "Keys that were looked for and found.",
               value_of(keyspace.hit_count));
  text.counter("diskdb_keyspace_misses_total", "Keys that were looked for and are absent.",
               value_of(keyspace.miss_count));
  text.counter("diskdb_keys_expired_total", "Keys whose time was over.",
               value_of(keyspace.expired_key_count));
  text.counter("diskdb_keys_evicted_total", "Keys that maxmemory-policy deleted.",
               value_of(keyspace.policy_deletion_count));
  text.counter("diskdb_key_changes_total", "Changes of keys.",
               value_of(services_.statistics.edits));
}

void MetricsReader::add_tier(MetricsText& text) const {
  const keyspace::Keyspace& keyspace = services_.keyspace;
  TableFigures sum;
  for (const TableFigures& one : tables_) {
    sum.keys += one.keys;
    sum.cold += one.cold;
    sum.tombstones += one.tombstones;
  }
  text.gauge("diskdb_resident_keys", "Keys in memory.", sum.keys - sum.cold);
  text.gauge("diskdb_cold_keys", "Keys in the store alone.", sum.cold);
  text.gauge("diskdb_tombstones", "Deleted keys that the store still has.", sum.tombstones);
  text.counter("diskdb_tier_loads_total", "Keys brought from the store into memory.",
               value_of(keyspace.load_count));
  text.counter("diskdb_tier_evictions_total", "Stored values that left memory.",
               value_of(keyspace.eviction_count));
  text.gauge("diskdb_dirty_bytes", "What has changed and no checkpoint has taken.",
             keyspace.dirty_bytes());
  text.gauge("diskdb_unsettled_bytes", "What a checkpoint has taken and not stored yet.",
             keyspace.unsettled_bytes());
  text.gauge("diskdb_loads_queued", "Loads that commands wait for.",
             static_cast<std::uint64_t>(
                 services_.loader == nullptr ? 0 : services_.loader->queued_count()));
}

void MetricsReader::add_log(MetricsText& text) const {
  const log::Stats stats = services_.log->stats();
  text.counter("diskdb_log_appended_bytes_total", "Bytes of commands appended to the log ever.",
               stats.appended);
  text.gauge("diskdb_log_unwritten_bytes", "Of them, those not yet given to the system.",
             stats.appended - stats.written);
  text.gauge("diskdb_log_unsynced_bytes", "Of them, those that power loss would take.",
             stats.appended - stats.synced);
  text.gauge("diskdb_log_file_bytes", "Size of the log's files, the spare one included.",
             stats.file_bytes);
  text.gauge("diskdb_log_segments", "How many there are.", stats.segment_count);
  text.counter("diskdb_log_writes_total", "Writes of the log.", stats.write_count);
  text.counter("diskdb_log_fsyncs_total", "Syncs of the log.", stats.sync_count);
  text.counter("diskdb_log_fsync_seconds_total", "How long they took together.",
               seconds_of({stats.sync_micros}));
  text.gauge("diskdb_log_fsync_last_seconds", "How long the last one took.",
             seconds_of({stats.last_sync_micros}));
  text.counter("diskdb_log_fsyncs_delayed_total", "Syncs that ended later than they should.",
               stats.delayed_sync_count);
  text.gauge("diskdb_log_has_room", "1, or 0 while writes are refused for want of room.",
             std::uint64_t{stats.has_room ? 1U : 0U});
}

void MetricsReader::add_checkpoints(MetricsText& text) const {
  const keyspace::CheckpointStats stats = services_.checkpointer->stats();
  text.family("diskdb_checkpoints_total", MetricsText::Kind::kCounter, "Checkpoints that ended.");
  text.sample(MetricsText::label("result", "ok"), stats.completed_count);
  text.sample(MetricsText::label("result", "failed"), stats.failed_count);
  text.gauge("diskdb_checkpoint_running", "1 while one is under way.",
             std::uint64_t{stats.is_running ? 1U : 0U});
  text.gauge("diskdb_checkpoint_last_failed", "1 if the last one failed.",
             std::uint64_t{stats.has_failed ? 1U : 0U});
  text.gauge("diskdb_checkpoint_last_success_timestamp_seconds",
             "When one last succeeded, or the start.",
             static_cast<double>(last_save_seconds(services_)));
  text.gauge("diskdb_checkpoint_last_duration_seconds", "How long the last one took.",
             seconds_of({stats.last_micros}));
  text.gauge("diskdb_checkpoint_last_entries", "How many entries it wrote.", stats.entry_count);
  text.gauge("diskdb_checkpoint_cut_max_seconds", "How long a cut held all shards, at most.",
             seconds_of({stats.cut_micros_max}));
  text.counter("diskdb_checkpoint_written_bytes_total", "Bytes that checkpoints have written.",
               stats.written_bytes);
}

void MetricsReader::add_store(MetricsText& text) const {
  const store::Stats stats = services_.keyspace.store()->stats();
  text.gauge("diskdb_store_file_bytes", "Size of the store's files.", stats.file_bytes);
  text.gauge("diskdb_store_files", "How many there are.", stats.file_count);
  text.gauge("diskdb_store_level0_files", "Of them, those that are not merged yet.",
             stats.level0_file_count);
  text.gauge("diskdb_store_pending_compaction_bytes", "What compaction has before it.",
             stats.pending_compaction_bytes);
  text.counter("diskdb_store_compaction_read_bytes_total", "Bytes that compaction has read.",
               stats.compaction_read_bytes);
  text.counter("diskdb_store_compaction_written_bytes_total", "Bytes that it has written.",
               stats.compaction_written_bytes);
  text.gauge("diskdb_store_block_cache_bytes", "Memory of the block cache.",
             stats.block_cache_bytes);
  text.counter("diskdb_store_block_cache_hits_total", "Blocks found there.",
               stats.block_cache_hits);
  text.counter("diskdb_store_block_cache_misses_total", "Blocks read from disk.",
               stats.block_cache_misses);
  text.gauge("diskdb_store_table_reader_bytes", "Memory of filters and indexes.",
             stats.table_reader_bytes);
  text.counter("diskdb_store_reopens_total", "How often the store had to be opened anew.",
               stats.reopen_count);
}

}  // namespace diskdb::command
