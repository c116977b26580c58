// keyspace/evictor.h — makes room: moves clean values out to the store, or, under one of Redis's
// deleting policies, deletes keys.
//
// Moving out. Values that the store has may leave memory at any time; which ones is a matter of
// speed alone. A cursor walks the tables, one shard held at a time, some 64 entries in a window,
// and a fifth of those that are clean leaves: the ones not used for longest. What has expired is
// deleted instead. An entry is thus judged once a circle, against its neighbours, who are a random
// sample since tables are hashed. Where a window holds few entries (many shards, large values) its
// share is carried over to the next windows, and an entry leaves only if it has been idle for as
// long as the oldest fifth of the entries seen lately, so that a busy key is not lost for being
// alone.
//
// If a whole circle meets nothing clean, everything is dirty, or taken by a checkpoint that is
// still under way, or pinned by who waits for it: the outcome is kNothing, and the search rests for
// a while, since another circle would find the same. Somebody must ask for a checkpoint.
//
// Deleting. As Redis samples: some keys at random places, and the worst of them goes, as DEL
// through the funnel. Where Redis keeps a pool of candidates between samples, three samples are
// taken instead: keys are where their hash says, so neighbours are as good as random ones, and
// where a shard holds too few for a sample the next ones add theirs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/clock.h"
#include "io/random.h"
#include "keyspace/access.h"
#include "keyspace/keyspace.h"

namespace diskdb::keyspace {

/// Threads: one at a time. Several evictors may work on one keyspace.
class Evictor {
 public:
  /// Borrows both for its life.
  Evictor(Keyspace& keyspace, io::Clock& clock);

  enum class Room : std::uint8_t {
    kEnough,   ///< keys cost no more than MemoryBudget::keys_max()
    kMore,     ///< they do; time was up
    kNothing,  ///< they do, and there is nothing more to do about it now
  };
  /// Makes room by the budget's policy, for about `work_max` at most. The deleting policies move
  /// values out when they find nothing to delete. Requires: no shard is held by the caller.
  Room step(Micros work_max);
  /// Deletes keys by the budget's policy, for about `work_max` if there is anything to delete.
  /// Requires: as step().
  Room delete_keys(Micros work_max);

 private:
  struct Candidate {
    std::uint64_t score;  ///< the highest leaves first
    const Record* record;
  };
  struct Victim {
    bool is_any = false;
    std::uint64_t score = 0;
    std::uint32_t db = 0;
    std::string key;
  };
  enum class Found : std::uint8_t { kKey, kNone, kUnknown };

  bool has_enough() const;
  Room move_out(Micros until);
  bool end_circle();
  Room rest(Micros now);
  bool visit_window();
  bool find_table(const Shard& shard);
  void collect(const Table& table);
  void leave(Shard& shard);
  void evict_oldest(Shard& shard);
  std::uint64_t oldest_fifth();
  void next_shard();

  Found delete_one();
  Found sample(Victim* victim);
  Found sample_shard(Shard& shard, std::size_t wanted, std::size_t* sampled, Victim* victim);
  Found sample_table(const Table& table, std::uint32_t db, std::size_t wanted, std::size_t* sampled,
                     Victim* victim);
  bool remove(const Victim& victim);
  std::uint64_t score_of(const Record& record);

  Keyspace& keyspace_;
  io::Clock& clock_;
  Access access_;
  io::Random random_;

  // Moving out: where the walk is.
  std::size_t shard_at_ = 0;
  std::uint32_t db_at_ = 0;
  std::size_t bucket_at_ = 0;
  std::size_t shards_passed_ = 0;  ///< in this circle
  bool has_met_clean_ = false;     ///< in this circle
  bool has_moved_ = false;         ///< in this circle
  bool is_sparing_ = true;         ///< in this circle, what is not old enough
  std::int64_t circle_micros_ = 0;
  Micros rests_until_{INT64_MIN};
  std::uint32_t rests_at_epoch_ = 0;  ///< ingested epoch when the rest began

  std::vector<Candidate> candidates_;
  std::vector<std::string> expired_;
  std::size_t looked_at_ = 0;  ///< buckets, for the sample at hand
  double allowance_ = 0;       ///< of evictions, carried over
  static constexpr std::size_t kRecentCount = 64;
  std::array<std::uint64_t, kRecentCount> recent_{};  ///< scores seen lately
  std::uint64_t recent_seen_ = 0;
};

}  // namespace diskdb::keyspace
