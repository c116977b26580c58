// command/residency.h — brings what commands look at into memory, without their knowing.
//
// Before a function runs, all that is to be known of its keys is in memory, and of their large
// values the pages that its row foresees (command/elements.h). What lies in the store's block cache
// is fetched at once, while much does. What needs I/O is noted; then all of it is asked for
// together, everything is let go, and the session parks until the last has arrived
// (keyspace/footprint.h); then the command starts afresh. What came stays in memory until it has
// run. First come keys, then pages: those of a key that is not there are not known.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "command/row.h"
#include "command/services.h"
#include "command/session.h"
#include "keyspace/access.h"
#include "keyspace/loader.h"
#include "resp/request.h"

namespace diskdb::command {

/// How often the store can tell of a key without I/O: it is in the block cache, or a filter says
/// that it is absent. A look there costs a network thread about a third of what the loader's
/// reading costs: where few are answered, it is left to the loader, but for a sample.
class BlockCacheOdds {
 public:
  /// Shall this key be looked for there? Counts those that are not.
  bool is_worth_a_look() {
    return share_ >= kWorthShare || ++unlooked_count_ % kUnlookedPerSample == 0;
  }
  /// What came of the look.
  void note(bool was_there) { share_ += ((was_there ? kAll : 0) - share_) / kMemory; }

 private:
  static constexpr int kAll = 1 << 16;
  static constexpr int kWorthShare = kAll / 4;
  static constexpr int kMemory = 64;  ///< looks that count, about
  static constexpr unsigned kUnlookedPerSample = 16;

  int share_ = kAll;  ///< that were there
  unsigned unlooked_count_ = 0;
};

/// Threads: its dispatcher's.
class Residency {
 public:
  /// A session whose keys were brought in this often, and were gone again when its command came to
  /// run, has them read in place.
  static constexpr int kReloadsMax = 3;

  /// Borrows both for its life.
  Residency(Services& services, keyspace::Access& access) : services_(services), access_(access) {}

  /// Forgets what was noted as lacking.
  void begin();
  /// Is all in memory that a command looks at of this key? What is not is noted; once a key or a
  /// page is, the other kind is not looked for, and the answer is no. Reads from the disk at once
  /// if the session has waited in vain often enough. Requires: the key's shard is held. Errors: the
  /// store's.
  Result<bool> settle(Session& session, const Row& row, std::span<const Bytes> words,
                      const keyspace::Key& key);
  /// The same for all keys of one command.
  Result<bool> settle_all(Session& session, const Row& row, std::span<const Bytes> words,
                          std::span<const keyspace::Key> keys);
  /// Asks for what was noted, and lets go of everything. False: what the session had waited for
  /// came in vain; it is to try again at once. Otherwise it is parked. Requires: something was.
  bool fetch(Session& session);

  /// For replay, where nobody else is there: brings the cold keys of the next commands into memory,
  /// and blocks. Returns how many commands those are: up to the next that selects or changes
  /// databases. Errors: the store's.
  Result<std::size_t> read_ahead(Session& session, std::span<const resp::Request> requests,
                                 Millis now);

 private:
  Result<bool> settle_key(Session& session, const keyspace::Key& key);
  Result<bool> settle_pages(Session& session, const Row& row, std::span<const Bytes> words,
                            const keyspace::Key& key);
  Result<bool> settle_page(Session& session, value::Object& object,
                           const value::MissingPage& missing);
  bool fetch_keys(Session& session);
  void fetch_pages(Session& session);
  void add_load(Session& session, const keyspace::Key& key);
  bool may_wait(const Session& session) const;

  Services& services_;
  keyspace::Access& access_;
  BlockCacheOdds odds_;
  std::vector<keyspace::Key> unknown_;       ///< keys that need I/O
  std::vector<std::string> page_keys_;       ///< of the store: pages that need I/O
  std::vector<value::MissingPage> missing_;  ///< scratch of settle_pages()
  std::vector<std::size_t> key_indices_;     ///< scratch of read_ahead()
  std::vector<keyspace::LoadRequest> loads_;
  std::optional<keyspace::LoadReader> reader_;  ///< for replay
};

}  // namespace diskdb::command
