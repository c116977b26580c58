#include "command/residency.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "base/reached.h"
#include "command/command_table.h"
#include "keyspace/footprint.h"
#include "keyspace/page_fetch.h"
#include "keyspace/place.h"

namespace diskdb::command {
namespace {

// Of one command's keys, so many at most are looked up in the block cache while its shards are
// held; the others are left to the loader, known or not.
constexpr std::size_t kCacheLookupsMax = 128;
// Pages of one value that a command waits for at a time.
constexpr std::size_t kPagesMax = 256;
// A command that has waited for pages so often reads the others in place: those that came first may
// have left memory again.
constexpr std::size_t kFetchesMax = 32;

}  // namespace

void Residency::begin() {
  unknown_.clear();
  page_keys_.clear();
}

Result<bool> Residency::settle(Session& session, const Row& row, std::span<const Bytes> words,
                               const keyspace::Key& key) {
  TRY_LET(const bool is_known, settle_key(session, key));
  if (is_known && unknown_.empty()) return settle_pages(session, row, words, key);
  if (!is_known && page_keys_.empty()) unknown_.push_back(key);
  return false;
}

Result<bool> Residency::settle_all(Session& session, const Row& row, std::span<const Bytes> words,
                                   std::span<const keyspace::Key> keys) {
  begin();
  std::size_t lookup_count = 0;
  for (const keyspace::Key& key : keys) {
    if (access_.is_known(session.db, key)) continue;
    if (++lookup_count > kCacheLookupsMax && may_wait(session) && !session.footprint.has_loads()) {
      unknown_.push_back(key);
      continue;
    }
    TRY_LET(const bool is_known, settle_key(session, key));
    if (!is_known) unknown_.push_back(key);
  }
  if (!unknown_.empty()) return false;
  for (const keyspace::Key& key : keys) TRY(settle_pages(session, row, words, key));
  return page_keys_.empty();
}

bool Residency::fetch(Session& session) {
  ASSERT_SLOW(unknown_.empty() != page_keys_.empty());
  if (page_keys_.empty()) return fetch_keys(session);
  fetch_pages(session);
  return true;
}

bool Residency::may_wait(const Session& session) const {
  return services_.loader != nullptr && session.reload_count < kReloadsMax;
}

// ---- Keys

Result<bool> Residency::settle_key(Session& session, const keyspace::Key& key) {
  if (access_.is_known(session.db, key)) return true;
  if (session.footprint.has_loads()) {
    const keyspace::Shard& shard = services_.keyspace.shard_of(key.slot);
    TRY(session.footprint.failure_of(*shard.tables[session.db], key.bytes));
  }
  if (!may_wait(session)) return access_.load(session.db, key, store::Reach::kDisk);
  if (!odds_.is_worth_a_look()) return false;
  TRY_LET(const bool is_loaded, access_.load(session.db, key, store::Reach::kMemory));
  odds_.note(is_loaded);
  return is_loaded;
}

bool Residency::fetch_keys(Session& session) {
  keyspace::Footprint& footprint = session.footprint;
  if (footprint.has_loads() || footprint.fetched() != nullptr) {
    REACHED("residency: keys left memory again before their command had run");
    if (!footprint.was_deferred()) ++session.reload_count;
    access_.release();
    footprint.release();
    return false;
  }
  if (footprint.is_empty() &&
      !services_.loader->admission().admit(footprint.claim(), unknown_.size())) {
    access_.release();
    return true;
  }
  loads_.clear();
  footprint.begin();
  for (const keyspace::Key& key : unknown_) add_load(session, key);
  access_.release();
  services_.loader->submit(std::move(loads_));
  loads_ = {};
  footprint.end();
  return true;
}

// Requires: the key's shard is held.
void Residency::add_load(Session& session, const keyspace::Key& key) {
  keyspace::Shard& shard = services_.keyspace.shard_of(key.slot);
  const std::shared_ptr<keyspace::Table>& table = shard.tables[session.db];
  const std::uint64_t ticket =
      session.footprint.add(shard, table, key.bytes, services_.keyspace.next_ticket());
  if (ticket != 0) loads_.push_back({&shard, table, std::string(key.bytes), ticket});
}

// ---- Pages of keys that are in memory

// Requires: the key is known.
Result<bool> Residency::settle_pages(Session& session, const Row& row, std::span<const Bytes> words,
                                     const keyspace::Key& key) {
  if (!row.elements.are_foreseen()) return true;
  const keyspace::Shard& shard = services_.keyspace.shard_of(key.slot);
  if (!shard.tables[session.db]->may_have_cold_pages()) [[likely]]
    return true;
  const keyspace::Record* record = access_.peek_expired(session.db, key);
  const bool is_large = record != nullptr && record->encoding() == keyspace::Encoding::kObject &&
                        !record->object().is_small();
  if (!is_large) return true;
  value::Object& object = record->object();
  const std::size_t lacking_before = page_keys_.size();
  for (bool is_new = true; is_new;) {  // below a page that has come there may be others
    page_keys_.resize(lacking_before);
    missing_.clear();
    row.elements.find_missing(words, object, kPagesMax, &missing_);
    is_new = false;
    for (const value::MissingPage& missing : missing_) {
      if (object.tree_of(missing.id).is_resident(missing.id)) continue;  // named twice
      TRY_LET(const bool is_loaded, settle_page(session, object, missing));
      is_new = is_new || is_loaded;
    }
  }
  return page_keys_.size() == lacking_before;
}

// Is the page in memory now?
Result<bool> Residency::settle_page(Session& session, value::Object& object,
                                    const value::MissingPage& missing) {
  std::string key = keyspace::stored_page_key(object, missing.id);
  if (const keyspace::PageFetch* fetch = session.footprint.fetched(); fetch != nullptr) {
    if (const auto page = fetch->find(key, services_.keyspace.ingested_epoch())) {
      TRY(access_.install_page(object, missing, *page));
      return true;
    }
    if (fetch->has_asked_for(key)) {
      TRY(fetch->failure());
      REACHED("residency: a page was fetched in vain");
      session.reload_count = kReloadsMax;
    }
  }
  const bool waits = may_wait(session) && session.footprint.fetch_count() < kFetchesMax;
  TRY_LET(const bool is_loaded,
          access_.load_page(object, missing, waits ? store::Reach::kMemory : store::Reach::kDisk));
  if (!is_loaded) page_keys_.push_back(std::move(key));
  return is_loaded;
}

void Residency::fetch_pages(Session& session) {
  REACHED("residency: parked for pages");
  std::ranges::sort(page_keys_);
  page_keys_.erase(std::ranges::unique(page_keys_).begin(), page_keys_.end());
  session.footprint.begin();
  auto fetch = session.footprint.add_pages(std::exchange(page_keys_, {}),
                                           services_.keyspace.ingested_epoch());
  access_.release();
  services_.loader->submit(std::move(fetch));
  session.footprint.end();
}

// ---- Replay

Result<std::size_t> Residency::read_ahead(Session& session, std::span<const resp::Request> requests,
                                          Millis now) {
  if (services_.keyspace.store() == nullptr) return requests.size();
  loads_.clear();
  access_.begin(session.db, now);
  session.footprint.begin();
  std::size_t count = 0;
  while (count < requests.size()) {
    const std::span<const Bytes> words = requests[count++].words;
    const Row* row = services_.table.resolve(words);
    if (row == nullptr || !row->words.admits(words.size())) break;  // whoever runs it says so
    if (row->keys.empty() || row->has(Flag::kAllShards)) break;     // SELECT, FLUSHALL, SWAPDB
    key_indices_.clear();
    find_key_indices(*row, words, &key_indices_);
    for (const std::size_t index : key_indices_) {
      const keyspace::Key key = access_.key(words[index]);
      keyspace::Shard& shard = services_.keyspace.shard_of(key.slot);
      access_.hold(shard);
      if (!access_.is_known(session.db, key)) add_load(session, key);
      access_.let_go(shard);
    }
  }
  Status status;
  if (!loads_.empty()) {
    if (!reader_) reader_.emplace(services_.keyspace);
    status = reader_->serve(loads_, now);
  }
  access_.release();
  session.footprint.end();
  if (status.ok()) return count;
  session.footprint.release();
  return status;
}

}  // namespace diskdb::command
