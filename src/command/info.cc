#include "command/info.h"

#include <fmt/format.h>

#include <algorithm>
#include <forward_list>
#include <iterator>
#include <numeric>

#include "base/number.h"
#include "command/command_table.h"
#include "command/config.h"
#include "command/services.h"
#include "command/statistics.h"
#include "command/version.h"
#include "io/process.h"
#include "resp/words.h"

namespace diskdb::command {
namespace {

/// Collects lines.
class Lines {
 public:
  template <typename T>
  void add(Bytes name, const T& value) {
    fmt::format_to(std::back_inserter(text_), "{}:{}\r\n", name, value);
  }
  void add(Bytes name, const std::atomic<std::uint64_t>& value) {
    add(name, value.load(std::memory_order_relaxed));
  }
  /// As "12.34M".
  void add_human(Bytes name, std::uint64_t bytes);
  void begin_section(Bytes title) {
    if (!text_.empty()) text_ += "\r\n";
    fmt::format_to(std::back_inserter(text_), "# {}\r\n", title);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void Lines::add_human(Bytes name, std::uint64_t bytes) {
  constexpr Bytes kUnits[] = {"K", "M", "G", "T", "P", "E"};
  if (bytes < 1024) return add(name, fmt::format("{}B", bytes));
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  add(name, fmt::format("{:.2f}{}", value, kUnits[unit]));
}

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// ---- The sections.

void server(CommandContext& cx, Lines& lines) {
  const ServerFacts& facts = cx.services.facts;
  const std::int64_t uptime_seconds = (cx.now().count - facts.started_at.count) / 1000;
  lines.add("redis_version", kRedisVersion);
  lines.add("redis_git_sha1", "00000000");
  lines.add("redis_git_dirty", 0);
  lines.add("redis_build_id", "0");
  lines.add("redis_mode", "standalone");
  lines.add("server_name", "diskdb");
  lines.add("diskdb_version", facts.version);
  lines.add("engine", facts.engine);
  lines.add("os", io::machine_name());
  lines.add("arch_bits", 64);
  lines.add("monotonic_clock",
            cx.services.statistics.ticks.uses_counter() ? "X86 TSC" : "POSIX clock_gettime");
  lines.add("multiplexing_api", facts.io_backend);
  lines.add("gcc_version", fmt::format("{}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__));
  lines.add("process_id", io::process_id());
  lines.add("process_supervised", "no");
  lines.add("run_id", facts.run_id);
  lines.add("tcp_port", facts.tcp_port);
  lines.add("server_time_usec", cx.services.clock.wall_micros().count);
  lines.add("uptime_in_seconds", uptime_seconds);
  lines.add("uptime_in_days", uptime_seconds / 86400);
  lines.add("lru_clock", (cx.now().count / 1000) & 0xFFFFFF);
  lines.add("executable", facts.executable);
  lines.add("config_file", facts.config_file);
  lines.add("io_threads_active", facts.thread_count > 1 ? 1 : 0);
  lines.add("network_threads", facts.thread_count);
  lines.add("network_threads_active",
            cx.services.statistics.active_network_threads.load(std::memory_order_relaxed));
}

void clients(CommandContext& cx, Lines& lines) {
  std::uint64_t input_max = 0;
  std::uint64_t output_max = 0;
  cx.services.clients.for_each([&](const Session& session) {
    input_max = std::max(input_max, session.input_bytes.load(std::memory_order_relaxed));
    output_max = std::max(output_max, session.output_bytes.load(std::memory_order_relaxed));
  });
  lines.add("connected_clients", cx.services.clients.count());
  lines.add("cluster_connections", 0);
  lines.add("maxclients", cx.services.config.settings().maxclients.load());
  lines.add("client_recent_max_input_buffer", input_max);
  lines.add("client_recent_max_output_buffer", output_max);
  lines.add("blocked_clients",
            cx.services.clients.paused_count() + cx.services.clients.blocked_count.load());
  lines.add("tracking_clients", 0);
  lines.add("clients_in_timeout_table", 0);
}

void memory(CommandContext& cx, Lines& lines) {
  const Statistics& statistics = cx.services.statistics;
  const std::uint64_t dataset = cx.services.keyspace.allocated_bytes();
  // The cron renews the figure; right after the start there is none yet.
  const std::uint64_t used = std::max(statistics.used_memory_bytes.load(), dataset);
  const std::uint64_t peak = std::max(statistics.peak_memory_bytes.load(), used);
  const std::uint64_t resident = io::process_usage().resident_bytes;
  const std::uint64_t limit = cx.services.keyspace.budget.limit();
  lines.add("used_memory", used);
  lines.add_human("used_memory_human", used);
  lines.add("used_memory_rss", resident);
  lines.add_human("used_memory_rss_human", resident);
  lines.add("used_memory_peak", peak);
  lines.add_human("used_memory_peak_human", peak);
  lines.add("used_memory_peak_perc", fmt::format("{:.2f}%", ratio(used, peak) * 100));
  lines.add("used_memory_overhead", used - dataset);
  lines.add("used_memory_dataset", dataset);
  lines.add("used_memory_dataset_perc", fmt::format("{:.2f}%", ratio(dataset, used) * 100));
  lines.add("total_system_memory", io::machine_memory_bytes());
  lines.add_human("total_system_memory_human", io::machine_memory_bytes());
  lines.add("used_memory_lua", 0);
  lines.add("used_memory_scripts", 0);
  lines.add("number_of_cached_scripts", 0);
  lines.add("number_of_functions", 0);
  lines.add("number_of_libraries", 0);
  lines.add("maxmemory", limit);
  lines.add_human("maxmemory_human", limit);
  lines.add("maxmemory_policy", cx.services.config.text("maxmemory-policy"));
  lines.add("mem_fragmentation_ratio", fmt::format("{:.2f}", ratio(resident, used)));
  lines.add("mem_clients_normal", statistics.client_buffer_bytes);
  lines.add("mem_aof_buffer", cx.services.log == nullptr ? 0 : cx.services.log->pending_bytes());
  lines.add("mem_allocator", "malloc");
  lines.add("mem_huge_pages_gathered", statistics.huge_page_count.load());
  lines.add("active_defrag_running", 0);
  lines.add("lazyfree_pending_objects", 0);
}

void add_log(const log::Stats& stats, Lines& lines) {
  lines.add("log_offset", stats.appended);
  lines.add("log_written_offset", stats.written);
  lines.add("log_synced_offset", stats.synced);
  lines.add("log_segments", stats.segment_count);
  lines.add("log_file_bytes", stats.file_bytes);
  lines.add("log_writes", stats.write_count);
  lines.add("log_syncs", stats.sync_count);
  lines.add("log_last_sync_usec", stats.last_sync_micros);
  lines.add("log_replayed_bytes", stats.replayed_bytes);
  lines.add("log_cut_bytes", stats.cut_bytes);
  lines.add("log_has_room", stats.has_room ? 1 : 0);
}

void add_checkpoints(const keyspace::CheckpointStats& stats, Lines& lines) {
  lines.add("checkpoints_completed", stats.completed_count);
  lines.add("checkpoints_failed", stats.failed_count);
  lines.add("checkpoint_last_offset", stats.last_offset);
  lines.add("checkpoint_last_entries", stats.entry_count);
  lines.add("checkpoint_last_usec", stats.last_micros);
  lines.add("checkpoint_cut_usec_max", stats.cut_micros_max);
  lines.add("checkpoint_written_bytes", stats.written_bytes);
}

void add_store(const store::Stats& stats, Lines& lines) {
  lines.add("store_file_bytes", stats.file_bytes);
  lines.add("store_files", stats.file_count);
  lines.add("store_level0_files", stats.level0_file_count);
  lines.add("store_pending_compaction_bytes", stats.pending_compaction_bytes);
  lines.add("store_compaction_read_bytes", stats.compaction_read_bytes);
  lines.add("store_compaction_written_bytes", stats.compaction_written_bytes);
  lines.add("store_block_cache_bytes", stats.block_cache_bytes);
  lines.add("store_block_cache_hits", stats.block_cache_hits);
  lines.add("store_block_cache_misses", stats.block_cache_misses);
  lines.add("store_table_reader_bytes", stats.table_reader_bytes);
  lines.add("store_ingests", stats.ingest_count);
  lines.add("store_reopens", stats.reopen_count);
}

/// What of the keyspace is in memory, and what moves. Requires: all shards held.
void add_tier(CommandContext& cx, Lines& lines) {
  keyspace::Keyspace& keyspace = cx.services.keyspace;
  std::size_t resident = 0;
  std::size_t cold = 0;
  std::size_t gone = 0;
  for (keyspace::Shard& shard : keyspace.shards()) {
    for (const auto& table : shard.tables) {
      resident += table->count();
      cold += table->cold_count();
      gone += table->gone_count();
    }
  }
  lines.add("resident_keys", resident);
  lines.add("cold_keys", cold);
  lines.add("tombstones", gone);
  lines.add("dirty_bytes", keyspace.dirty_bytes());
  lines.add("unsettled_bytes", keyspace.unsettled_bytes());
  lines.add("tier_loads", keyspace.load_count);
  lines.add("tier_evictions", keyspace.eviction_count);
}

/// Redis's names: its snapshot is a checkpoint here, its append-only file the log.
void persistence(CommandContext& cx, Lines& lines) {
  const Statistics& statistics = cx.services.statistics;
  const bool has_log = cx.services.log != nullptr;
  const log::Stats stats = has_log ? cx.services.log->stats() : log::Stats{};
  lines.add("loading", cx.services.keyspace.is_replaying.load() ? 1 : 0);
  lines.add("async_loading", 0);
  lines.add("rdb_changes_since_last_save", statistics.changes_since_save());
  const keyspace::Checkpointer* checkpointer = cx.services.checkpointer;
  const keyspace::CheckpointStats checkpoints =
      checkpointer == nullptr ? keyspace::CheckpointStats{} : checkpointer->stats();
  const bool has_ended = checkpoints.completed_count + checkpoints.failed_count > 0;
  lines.add("rdb_bgsave_in_progress", checkpoints.is_running ? 1 : 0);
  lines.add("rdb_last_save_time", last_save_seconds(cx.services));
  lines.add("rdb_last_bgsave_status", checkpoints.has_failed ? "err" : "ok");
  lines.add("rdb_last_bgsave_time_sec", has_ended ? checkpoints.last_micros / 1'000'000 : -1);
  lines.add("rdb_current_bgsave_time_sec", -1);
  lines.add("rdb_last_cow_size", 0);
  lines.add("aof_enabled", has_log ? 1 : 0);
  lines.add("aof_rewrite_in_progress", 0);
  lines.add("aof_rewrite_scheduled", 0);
  lines.add("aof_last_rewrite_time_sec", -1);
  lines.add("aof_current_rewrite_time_sec", -1);
  lines.add("aof_last_bgrewrite_status", "ok");
  lines.add("aof_last_write_status", stats.has_room ? "ok" : "err");
  if (!has_log) return;
  lines.add("aof_current_size", stats.file_bytes);
  lines.add("aof_pending_bio_fsync", stats.synced < stats.written ? 1 : 0);
  lines.add("aof_delayed_fsync", stats.delayed_sync_count);
  add_log(stats, lines);
  add_checkpoints(checkpoints, lines);
  if (cx.services.keyspace.store() != nullptr) {
    add_store(cx.services.keyspace.store()->stats(), lines);
    add_tier(cx, lines);
  }
}

void stats(CommandContext& cx, Lines& lines) {
  const Statistics& statistics = cx.services.statistics;
  const keyspace::Keyspace& keyspace = cx.services.keyspace;
  lines.add("total_connections_received", statistics.connections_received);
  lines.add("total_commands_processed", statistics.commands_processed);
  lines.add("instantaneous_ops_per_sec", statistics.instantaneous_ops_per_sec.load());
  lines.add("total_net_input_bytes", statistics.net_input_bytes);
  lines.add("total_net_output_bytes", statistics.net_output_bytes);
  lines.add("rejected_connections", statistics.connections_rejected);
  lines.add("sync_full", 0);
  lines.add("sync_partial_ok", 0);
  lines.add("sync_partial_err", 0);
  lines.add("expired_subkeys", keyspace.expired_field_count);
  lines.add("expired_keys", keyspace.expired_key_count);
  lines.add("evicted_keys", keyspace.policy_deletion_count);
  lines.add("evicted_clients", 0);
  lines.add("keyspace_hits", keyspace.hit_count);
  lines.add("keyspace_misses", keyspace.miss_count);
  lines.add("pubsub_channels", 0);
  lines.add("pubsub_patterns", 0);
  lines.add("latest_fork_usec", 0);
  lines.add("total_forks", 0);
  lines.add("unexpected_error_replies", 0);
  lines.add("total_error_replies", statistics.error_count());
  constexpr Bytes kBufferNames[] = {"buffer_pool_512b", "buffer_pool_4kb", "buffer_pool_64kb",
                                    "buffer_pool_larger"};
  for (std::size_t i = 0; i < statistics.buffers.size(); ++i) {
    const BufferCounters& counters = statistics.buffers[i];
    lines.add(kBufferNames[i], fmt::format("taken={},from_heap={},kept={}", counters.taken.load(),
                                           counters.from_heap.load(), counters.kept.load()));
  }
}

void replication(CommandContext& cx, Lines& lines) {
  const log::Offset offset = cx.services.keyspace.log_end();
  lines.add("role", "master");
  lines.add("connected_slaves", 0);
  lines.add("master_failover_state", "no-failover");
  lines.add("master_replid", cx.services.facts.run_id);
  lines.add("master_replid2", std::string(40, '0'));
  lines.add("master_repl_offset", offset);
  lines.add("second_repl_offset", -1);
  lines.add("repl_backlog_active", 0);
  lines.add("repl_backlog_size", 0);
  lines.add("repl_backlog_first_byte_offset", 0);
  lines.add("repl_backlog_histlen", 0);
}

void cpu(CommandContext&, Lines& lines) {
  const io::ProcessUsage usage = io::process_usage();
  const auto add = [&](Bytes name, Micros time) {
    lines.add(name, fmt::format("{}.{:06}", time.count / 1'000'000, time.count % 1'000'000));
  };
  add("used_cpu_sys", usage.system);
  add("used_cpu_user", usage.user);
  add("used_cpu_sys_children", usage.children_system);
  add("used_cpu_user_children", usage.children_user);
  add("used_cpu_sys_main_thread", usage.thread_system);
  add("used_cpu_user_main_thread", usage.thread_user);
}

void modules(CommandContext&, Lines&) {}

void command_stats(CommandContext& cx, Lines& lines) {
  for (const Row* row : cx.services.table.rows()) {
    const std::size_t index = cx.services.table.index_of(*row);
    const RowCounters& counters = cx.services.statistics.rows[index];
    const RowTotals totals =
        cx.services.statistics.times.totals(index, CommandTimes::Since::kReset);
    const std::uint64_t micros = totals.nanos / 1000;
    const std::uint64_t rejected = counters.rejected_calls.load(std::memory_order_relaxed);
    const std::uint64_t failed = counters.failed_calls.load(std::memory_order_relaxed);
    if (totals.calls + rejected + failed == 0) continue;
    lines.add("cmdstat_" + full_name(*row),
              fmt::format("calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}",
                          totals.calls, micros, ratio(micros, totals.calls), rejected, failed));
  }
}

void error_stats(CommandContext& cx, Lines& lines) {
  for (const auto& [code, count] : cx.services.statistics.errors()) {
    lines.add("errorstat_" + code, fmt::format("count={}", count));
  }
}

void latency_stats(CommandContext& cx, Lines& lines) {
  const std::string setting = cx.services.config.text("latency-tracking-info-percentiles");
  std::vector<Bytes> percentiles;
  std::forward_list<std::string> storage;
  resp::split_words(setting, percentiles, storage);
  for (const Row* row : cx.services.table.rows()) {
    const std::size_t index = cx.services.table.index_of(*row);
    const RowTotals totals =
        cx.services.statistics.times.totals(index, CommandTimes::Since::kReset);
    if (totals.latencies.total() == 0) continue;
    std::string text;
    for (const Bytes percentile : percentiles) {
      const std::uint64_t nanos = totals.latencies.percentile(parse_double(percentile).value_or(0));
      fmt::format_to(std::back_inserter(text), "{}p{}={:.3f}", text.empty() ? "" : ",", percentile,
                     static_cast<double>(nanos) / 1000);
    }
    lines.add("latency_percentiles_usec_" + full_name(*row), text);
  }
}

void cluster(CommandContext&, Lines& lines) { lines.add("cluster_enabled", 0); }

/// How long keys with an expiry have left on average, estimated from a sample.
std::int64_t average_ttl_ms(CommandContext& cx, std::uint32_t db) {
  constexpr std::int64_t kSampledMax = 64;
  constexpr int kTriesPerTable = 4;
  std::int64_t sampled_count = 0;
  std::int64_t sum_ms = 0;
  for (keyspace::Shard& shard : cx.services.keyspace.shards()) {
    const keyspace::Table& table = cx.keyspace.table(shard, db);
    for (int i = 0; i < kTriesPerTable && table.expiring_count() > 0; ++i) {
      const keyspace::Record* record = table.random_record(cx.random.next());
      if (!record->has_expiry()) continue;
      sum_ms += std::max<std::int64_t>(record->expiry().count - cx.now().count, 0);
      if (++sampled_count == kSampledMax) return sum_ms / sampled_count;
    }
  }
  return sampled_count == 0 ? 0 : sum_ms / sampled_count;
}

void keyspaces(CommandContext& cx, Lines& lines) {
  for (std::uint32_t db = 0; db < cx.services.keyspace.database_count(); ++db) {
    const keyspace::DatabaseStats stats = cx.keyspace.database_stats(db);
    if (stats.keys == 0) continue;
    const std::int64_t ttl_ms = stats.expiring == 0 ? 0 : average_ttl_ms(cx, db);
    lines.add(fmt::format("db{}", db),
              fmt::format("keys={},expires={},avg_ttl={}", stats.keys, stats.expiring, ttl_ms));
  }
}

struct Section {
  Bytes name;
  Bytes title;
  void (*write)(CommandContext& cx, Lines& lines);
  bool is_default;
};

constexpr Section kSections[] = {
    {"server", "Server", server, true},
    {"clients", "Clients", clients, true},
    {"memory", "Memory", memory, true},
    {"persistence", "Persistence", persistence, true},
    {"stats", "Stats", stats, true},
    {"replication", "Replication", replication, true},
    {"cpu", "CPU", cpu, true},
    {"modules", "Modules", modules, true},
    {"commandstats", "Commandstats", command_stats, false},
    {"errorstats", "Errorstats", error_stats, true},
    {"latencystats", "Latencystats", latency_stats, false},
    {"cluster", "Cluster", cluster, true},
    {"keyspace", "Keyspace", keyspaces, true},
};

bool is_wanted(const Section& section, std::span<const Bytes> wanted) {
  if (wanted.empty()) return section.is_default;
  return std::ranges::any_of(wanted, [&](Bytes name) {
    return equals_ignoring_case(name, section.name) || equals_ignoring_case(name, "all") ||
           equals_ignoring_case(name, "everything") ||
           (section.is_default && equals_ignoring_case(name, "default"));
  });
}

}  // namespace

std::int64_t last_save_seconds(const Services& services) {
  return std::max(services.statistics.last_save_seconds.load(std::memory_order_relaxed),
                  services.facts.started_at.count / 1000);
}

std::string info_text(CommandContext& cx, std::span<const Bytes> sections) {
  Lines lines;
  for (const Section& section : kSections) {
    if (!is_wanted(section, sections)) continue;
    lines.begin_section(section.title);
    section.write(cx, lines);
  }
  return lines.take();
}

}  // namespace diskdb::command
