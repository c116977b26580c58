// keyspace/footprint.h — what a parked command waits for, and keeps in memory until it has run.
//
// Its life: admitted (keyspace/admission.h), so that all that waits together has its bounds; then
// its loads are added and asked for; when the last has arrived the command's session is woken and
// the command starts afresh, finding everything in memory; then release().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "keyspace/admission.h"
#include "keyspace/page_fetch.h"
#include "keyspace/shard.h"

namespace diskdb::keyspace {

/// Holds loads (keyspace/load.h) for one command, or for a group of them.
///
/// Threads: its owner's; arrived() and defer() on any thread.
class Footprint {
 public:
  /// `waker` is woken when room was granted that it waited for, and once all that was missing has
  /// arrived. Borrows it for its life.
  explicit Footprint(Waker& waker) : waker_(waker) {}
  Footprint(const Footprint&) = delete;
  Footprint& operator=(const Footprint&) = delete;
  /// As release().
  ~Footprint() { release(); }

  /// Holds no load, no pages, and no room either.
  bool is_empty() const {
    return pins_.empty() && fetch_ == nullptr && claim_.admission == nullptr;
  }
  bool has_loads() const { return !pins_.empty(); }
  /// Pages that have come. Requires: !is_waiting().
  const PageFetch* fetched() const { return fetch_.get(); }
  /// How often it has waited for pages.
  std::size_t fetch_count() const { return fetch_count_; }
  /// A wake() is to come.
  bool is_waiting() const {
    return missing_.load(std::memory_order_acquire) != 0 ||
           claim_.is_queued.load(std::memory_order_acquire);
  }
  /// A load was put off because too much is in memory already: asking again is no failure.
  bool was_deferred() const { return was_deferred_.load(std::memory_order_relaxed); }

  /// Between begin() and end() loads are added; the waker is not called before end().
  void begin() { missing_.store(1, std::memory_order_relaxed); }
  void end() { arrived(); }
  /// Joins the load of `key`, or starts one, whose ticket it returns: the caller gives it to a
  /// loader. Requires: `shard`, in which `table` is, is held since begin(); there is no entry for
  /// the key. Returns 0 if the load is known to somebody already.
  std::uint64_t add(Shard& shard, const std::shared_ptr<Table>& table, Bytes key,
                    std::uint64_t fresh_ticket);
  /// Waits for pages of the store, too, in the stead of those that came before: the caller gives
  /// the result to a loader. `keys`: see PageFetch.
  std::shared_ptr<PageFetch> add_pages(std::vector<std::string> keys, std::uint32_t ingested_epoch);
  void pages_arrived() { arrived(); }
  /// Why a load that this waited for told nothing. Requires: the table's shard is held.
  Status failure_of(const Table& table, Bytes key) const;
  /// One of its loads is done, or put off: its value takes so many bytes. Requires: the load's
  /// shard is held.
  void arrived(std::size_t bytes) {
    if (claim_.admission != nullptr) claim_.admission->note(claim_, bytes);
    arrived();
  }
  void defer() {
    was_deferred_.store(true, std::memory_order_relaxed);
    arrived();
  }
  /// Lets go of all loads: their keys may leave memory again. No wake() comes afterwards.
  /// Requires: no shard is held. Cost: a shard's lock each.
  void release();

  /// What it reserved (Admission).
  Claim& claim() { return claim_; }
  const Claim& claim() const { return claim_; }
  Waker& waker() { return waker_; }

 private:
  struct Pin {
    Shard* shard;
    std::shared_ptr<Table> table;
    std::string key;
  };
  void arrived() {
    if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) waker_.wake();
  }

  Waker& waker_;
  std::atomic<std::uint32_t> missing_{0};
  std::atomic<bool> was_deferred_{false};
  std::vector<Pin> pins_;
  std::shared_ptr<PageFetch> fetch_;
  std::size_t fetch_count_ = 0;
  Claim claim_{waker_};
};

// What becomes of a load. Requires: the table's shard is held.

/// The load of `key` is done, however it came about: whoever waits is told. `bytes`: what the value
/// takes in memory, 0 if there is none.
void finish_load(Table& table, Bytes key, std::size_t bytes);
/// All of them: the table leaves the keyspace.
void finish_all_loads(Table& table);
/// The load with `ticket`, if it is still under way, has failed.
void fail_load(Table& table, Bytes key, std::uint64_t ticket, const Status& failure);
/// The load with `ticket`, if it is still under way, is forgotten: those who wait for it are woken
/// and ask again, admitted anew. Not if one of them is the eldest of `admission`, whose turn it is:
/// then false.
bool defer_load(Table& table, Bytes key, std::uint64_t ticket, const Admission& admission);

}  // namespace diskdb::keyspace
