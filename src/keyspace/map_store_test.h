// keyspace/map_store_test.h — a store in memory, for tests: what was ingested is there, and a test
// may act in the instants that matter to whoever reads without a lock.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/store.h"

namespace diskdb::keyspace {

/// Threads: thread-safe, but for the hooks.
class MapStore final : public store::Store {
 public:
  /// Called once each, and forgotten before: when a scan has read all it will, but its reader does
  /// not know yet; and when a checkpoint shows, but nobody has counted it.
  std::function<void()> after_scan;
  std::function<void()> after_ingest;
  /// What the next scans answer.
  Status scan_status;

  std::uint64_t scan_count() const { return scan_count_; }
  /// All there is, but the marker.
  std::map<std::string, std::string> contents() const {
    const std::lock_guard lock(mutex_);
    auto all = entries_;
    all.erase(std::string(store::marker_key()));
    return all;
  }

  Result<store::Presence> get(Bytes key, store::Reach, std::string* value) override {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(std::string(key));
    if (at == entries_.end()) return store::Presence::kAbsent;
    *value = at->second;
    return store::Presence::kFound;
  }
  Status get_many(const std::vector<Bytes>& keys,
                  const std::function<void(std::size_t, Bytes)>& visit) override {
    std::string value;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      TRY_LET(const auto presence, get(keys[i], store::Reach::kDisk, &value));
      if (presence == store::Presence::kFound) visit(i, value);
    }
    return {};
  }
  Status scan(Bytes from, Bytes to, const std::function<bool(Bytes, Bytes)>& visit) override {
    {
      const std::lock_guard lock(mutex_);
      ++scan_count_;
      if (!scan_status.ok()) return scan_status;
      const auto end = entries_.lower_bound(std::string(to));
      for (auto at = entries_.lower_bound(std::string(from)); at != end; ++at) {
        if (!visit(at->first, at->second)) break;
      }
    }
    if (after_scan) std::exchange(after_scan, nullptr)();
    return {};
  }
  Result<std::optional<store::Marker>> marker() override {
    std::string value;
    TRY_LET(const auto presence, get(store::marker_key(), store::Reach::kDisk, &value));
    if (presence == store::Presence::kAbsent) return std::optional<store::Marker>();
    TRY_LET(store::Marker marker, store::decode_marker(value));
    return std::optional(std::move(marker));
  }
  Result<std::unique_ptr<store::CheckpointFiles>> begin_files() override {
    return std::unique_ptr<store::CheckpointFiles>(std::make_unique<Files>());
  }
  Status ingest(store::CheckpointFiles& files) override {
    {
      const std::lock_guard lock(mutex_);
      for (const auto& change : static_cast<Files&>(files).changes) change(entries_);
    }
    if (after_ingest) std::exchange(after_ingest, nullptr)();
    return {};
  }
  bool needs_reopen() const override { return false; }
  Status reopen() override { return {}; }
  store::Stats stats() const override { return {}; }
  double pressure() const override { return 0; }
  Status settle() override { return {}; }

 private:
  using Entries = std::map<std::string, std::string>;
  struct Files final : store::CheckpointFiles {
    Status put(Bytes key, Bytes value) override {
      written += key.size() + value.size();
      changes.push_back([key = std::string(key), value = std::string(value)](Entries& entries) {
        entries[key] = value;
      });
      return {};
    }
    Status erase(Bytes key) override {
      changes.push_back([key = std::string(key)](Entries& entries) { entries.erase(key); });
      return {};
    }
    Status erase_range(const store::KeyRange& range) override {
      changes.push_back([range](Entries& entries) {
        entries.erase(entries.lower_bound(range.from), entries.lower_bound(range.to));
      });
      return {};
    }
    Status finish() override { return {}; }
    std::uint64_t written_bytes() const override { return written; }
    std::uint64_t entry_count() const override { return changes.size(); }

    std::vector<std::function<void(Entries&)>> changes;
    std::uint64_t written = 0;
  };

  mutable std::mutex mutex_;
  // guarded by mutex_
  Entries entries_;
  std::uint64_t scan_count_ = 0;
};

}  // namespace diskdb::keyspace
