// command/memory_commands.cc — MEMORY's subcommands about the whole process: STATS, DOCTOR,
// MALLOC-STATS, PURGE. (MEMORY USAGE, about one key, is in server_commands.cc.)
//
// MEMORY STATS has Redis's fields. `total.allocated` is what the allocator has given out;
// `dataset.bytes` what keys and values are accounted to cost, their tables' buckets included;
// everything else is overhead: buffers, the store's cache, the program itself.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "command/arguments.h"
#include "command/command_table.h"
#include "command/context.h"
#include "command/services.h"
#include "command/statistics.h"
#include "io/allocator.h"
#include "io/process.h"

namespace diskdb::command {
namespace {

constexpr std::uint64_t kBucketBytes = 64;  // keyspace/table.h: a bucket is one cache line

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}
std::int64_t difference(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::int64_t>(a) - static_cast<std::int64_t>(b);
}

struct Figures {
  io::AllocatorFigures allocator;
  std::uint64_t used = 0;
  std::uint64_t peak = 0;
  std::uint64_t startup = 0;
  std::uint64_t dataset = 0;
  std::uint64_t resident = 0;
  std::uint64_t log_buffer = 0;
  std::uint64_t clients = 0;
};

Figures figures_of(const Services& services) {
  const Statistics& statistics = services.statistics;
  Figures figures;
  figures.allocator = io::allocator_figures();
  figures.resident = io::process_usage().resident_bytes;
  figures.dataset = services.keyspace.allocated_bytes();
  figures.used = std::max(figures.allocator.allocated, figures.dataset);
  figures.peak = std::max(statistics.peak_memory_bytes.load(), figures.used);
  figures.startup = std::min(statistics.startup_memory_bytes.load(), figures.used);
  figures.log_buffer = services.log == nullptr ? 0 : services.log->pending_bytes();
  figures.clients = statistics.client_buffer_bytes.load();
  return figures;
}

// ---- STATS

/// Fields of the reply, in order.
class Fields {
 public:
  explicit Fields(resp::Reply& reply) : reply_(reply) {}
  void add(Bytes name, std::uint64_t value) { add(name, static_cast<std::int64_t>(value)); }
  void add(Bytes name, std::int64_t value) {
    reply_.bulk(name);
    reply_.integer(value);
  }
  void add(Bytes name, double value) {
    reply_.bulk(name);
    reply_.real(value);
  }

 private:
  resp::Reply& reply_;
};

struct DatabaseFigures {
  std::uint32_t db;
  std::uint64_t key_count;
  std::uint64_t resident_count;
  std::uint64_t bucket_bytes;
};

/// Of the databases that hold keys. Requires: all shards held.
std::vector<DatabaseFigures> databases_of(CommandContext& cx) {
  std::vector<DatabaseFigures> databases;
  for (std::uint32_t db = 0; db < cx.services.keyspace.database_count(); ++db) {
    DatabaseFigures figures{.db = db, .key_count = 0, .resident_count = 0, .bucket_bytes = 0};
    for (keyspace::Shard& shard : cx.services.keyspace.shards()) {
      const keyspace::Table& table = cx.keyspace.table(shard, db);
      figures.key_count += table.key_count();
      figures.resident_count += table.count();
      figures.bucket_bytes += table.bucket_count() * kBucketBytes;
    }
    if (figures.key_count > 0) databases.push_back(figures);
  }
  return databases;
}

/// MEMORY STATS
Outcome memory_stats(CommandContext& cx, Arguments) {
  const Figures figures = figures_of(cx.services);
  const io::AllocatorFigures& allocator = figures.allocator;
  const std::vector<DatabaseFigures> databases = databases_of(cx);
  std::uint64_t key_count = 0;
  std::uint64_t resident_count = 0;
  for (const DatabaseFigures& database : databases) {
    key_count += database.key_count;
    resident_count += database.resident_count;
  }
  const std::uint64_t net = figures.used - figures.startup;

  constexpr std::size_t kFixedFields = 27;
  cx.reply.map(kFixedFields + databases.size());
  Fields fields(cx.reply);
  fields.add("peak.allocated", figures.peak);
  fields.add("total.allocated", figures.used);
  fields.add("startup.allocated", figures.startup);
  fields.add("replication.backlog", std::uint64_t{0});
  fields.add("clients.slaves", std::uint64_t{0});
  fields.add("clients.normal", figures.clients);
  fields.add("cluster.links", std::uint64_t{0});
  fields.add("aof.buffer", figures.log_buffer);
  fields.add("lua.caches", std::uint64_t{0});
  fields.add("functions.caches", std::uint64_t{0});
  for (const DatabaseFigures& database : databases) {
    cx.reply.bulk(Bytes(fmt::format("db.{}", database.db)));
    cx.reply.map(3);
    fields.add("overhead.hashtable.main", database.bucket_bytes);
    fields.add("overhead.hashtable.expires", std::uint64_t{0});
    fields.add("overhead.hashtable.slot-to-keys", std::uint64_t{0});
  }
  fields.add("overhead.total", figures.used - figures.dataset);
  fields.add("keys.count", key_count);
  fields.add("keys.bytes-per-key", resident_count == 0 ? 0 : figures.dataset / resident_count);
  fields.add("dataset.bytes", figures.dataset);
  fields.add("dataset.percentage", std::min(ratio(figures.dataset, net), 1.0) * 100);
  fields.add("peak.percentage", ratio(figures.used, figures.peak) * 100);
  fields.add("allocator.allocated", allocator.allocated);
  fields.add("allocator.active", allocator.active);
  fields.add("allocator.resident", allocator.resident);
  fields.add("allocator-fragmentation.ratio", ratio(allocator.active, allocator.allocated));
  fields.add("allocator-fragmentation.bytes", difference(allocator.active, allocator.allocated));
  fields.add("allocator-rss.ratio", ratio(allocator.resident, allocator.active));
  fields.add("allocator-rss.bytes", difference(allocator.resident, allocator.active));
  fields.add("rss-overhead.ratio", ratio(figures.resident, allocator.resident));
  fields.add("rss-overhead.bytes", difference(figures.resident, allocator.resident));
  fields.add("fragmentation", ratio(figures.resident, figures.used));
  fields.add("fragmentation.bytes", difference(figures.resident, figures.used));
  return Outcome::done();
}

// ---- DOCTOR

/// MEMORY DOCTOR: what looks wrong with memory, and what may help, in words.
Outcome memory_doctor(CommandContext& cx, Arguments) {
  constexpr std::uint64_t kTooLittle = 5 * 1024 * 1024;
  constexpr std::uint64_t kNoticeable = 10 * 1024 * 1024;
  constexpr double kFragmented = 1.4;
  const Figures figures = figures_of(cx.services);
  const keyspace::MemoryBudget& budget = cx.services.keyspace.budget;
  if (figures.dataset < kTooLittle) {
    cx.reply.verbatim("txt", "There are hardly any keys in memory: nothing can be said yet.\n");
    return Outcome::done();
  }
  std::string text;
  const auto add = [&](Bytes line) { text.append("- ").append(line).append("\n"); };
  if (figures.peak > figures.used + figures.used / 2) {
    add("Much more was used once than now (peak.allocated): what is resident may take a while to "
        "follow. MEMORY PURGE helps.");
  }
  const io::AllocatorFigures& allocator = figures.allocator;
  if (ratio(allocator.active, allocator.allocated) > 1.1 &&
      allocator.active > allocator.allocated + kNoticeable) {
    add("Pages are only partly in use (allocator-fragmentation): values of one size have made room "
        "for values of another. A restart packs them anew.");
  }
  if (ratio(figures.resident, figures.used) > kFragmented &&
      figures.resident > figures.used + kNoticeable) {
    add("More is resident than in use (fragmentation). MEMORY PURGE gives back what can be given.");
  }
  if (figures.clients > figures.dataset / 4 && figures.clients > kNoticeable) {
    add("Buffers of clients take much memory (clients.normal): look in CLIENT LIST for those that "
        "send faster than they read.");
  }
  if (budget.limit() > 0 && budget.is_tiered() && budget.other_bytes() > budget.limit() / 2) {
    add("Less than half of maxmemory is left for keys; the rest goes to buffers and the store's "
        "cache. A higher maxmemory would keep more keys in memory.");
  }
  if (budget.is_dirty_stuck.load()) {
    add("What has changed cannot be stored, for checkpoints fail: the server's log says why. Until "
        "then writes are refused.");
  }
  if (text.empty()) text = "Nothing looks wrong with memory.\n";
  cx.reply.verbatim("txt", text);
  return Outcome::done();
}

// ---- The allocator

Outcome memory_malloc_stats(CommandContext& cx, Arguments) {
  cx.reply.verbatim("txt", io::allocator_report());
  return Outcome::done();
}

Outcome memory_purge(CommandContext& cx, Arguments) {
  io::release_unused_memory();
  cx.reply.ok();
  return Outcome::done();
}

constexpr Bytes kTips = "nondeterministic_output,request_policy:all_shards,response_policy:special";

constexpr auto kRows = std::to_array<Row>({
    {
        .name = "MEMORY DOCTOR",
        .words = Words::exactly(2),
        .function = memory_doctor,
        .group = Group::kServer,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Tells in words what looks wrong with memory.",
        .tips = kTips,
    },
    {
        .name = "MEMORY MALLOC-STATS",
        .words = Words::exactly(2),
        .function = memory_malloc_stats,
        .group = Group::kServer,
        .since = "4.0.0",
        .complexity = "Depends on how much memory is allocated; some milliseconds",
        .summary = "Shows the allocator's own report.",
        .tips = kTips,
    },
    {
        .name = "MEMORY PURGE",
        .words = Words::exactly(2),
        .function = memory_purge,
        .group = Group::kServer,
        .since = "4.0.0",
        .complexity = "Depends on how much memory is allocated; some milliseconds",
        .summary = "Gives memory that is not in use back to the system.",
        .tips = "request_policy:all_shards,response_policy:all_succeeded",
    },
    {
        .name = "MEMORY STATS",
        .words = Words::exactly(2),
        .flags = Flag::kAllShards,
        .function = memory_stats,
        .group = Group::kServer,
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Tells what memory is used for.",
        .tips = kTips,
    },
});
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> memory_rows() { return kRows; }

}  // namespace diskdb::command
