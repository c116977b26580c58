// keyspace/fake_store_test.h — for tests: a store without RocksDB, and a store that lets a test act
// in the midst of a checkpoint.
//
// FakeStore keeps every ingested state as a map, in the machine's memory, under a number; the disk
// holds but a file that names the current one. It is replaced as RocksDB replaces CURRENT: written
// anew, synced, renamed, its folder synced. So whatever fails or is lost on the simulated disk, an
// ingest has happened, has not, or is in doubt until the store is opened again: the contract of
// store/store.h, at a hundredth of RocksDB's cost, and with the same disk calls every time. As
// there, a ballast makes room for that file where the disk is full.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/result.h"
#include "io/random.h"
#include "io/sim_disk.h"
#include "store/store.h"

namespace diskdb::keyspace {

/// All states that fake stores on one disk ever had, by number. They outlive every crash.
struct FakeStates {
  using Contents = std::map<std::string, std::shared_ptr<const std::string>, std::less<>>;
  std::vector<Contents> all{{}};
};

/// Threads: one at a time.
class FakeStore final : public store::Store {
 public:
  /// Of so many ingests in a hundred it says that they failed, though they happened. Borrows disk
  /// and states for its life.
  static Result<std::unique_ptr<Store>> open(io::SimDisk& disk, FakeStates& states,
                                             std::uint64_t seed, std::uint64_t doubt_percent = 0) {
    auto store = std::unique_ptr<FakeStore>(new FakeStore(disk, states, seed));
    store->doubt_percent_ = doubt_percent;
    TRY(disk.make_folder(kFolder));
    TRY(store->open_current());
    return std::unique_ptr<Store>(std::move(store));
  }

  Result<store::Presence> get(Bytes key, store::Reach reach, std::string* value) override {
    // Who reads a page in place cannot go on without it, and a test not end the process.
    if (key[0] == '\x03') return find(states_.all[last_], key, value);
    if (reach == store::Reach::kMemory) {
      if (current_ == kNone || random_.chance_percent(50)) return store::Presence::kUnknown;
    } else {
      TRY(read());
    }
    return find(contents(), key, value);
  }
  Status get_many(const std::vector<Bytes>& keys,
                  const std::function<void(std::size_t, Bytes)>& visit) override {
    TRY(read());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (const auto at = contents().find(keys[i]); at != contents().end()) visit(i, *at->second);
    }
    return {};
  }
  Status scan(Bytes from, Bytes to, const std::function<bool(Bytes, Bytes)>& visit) override {
    TRY(read());
    for (auto at = contents().lower_bound(from); at != contents().end() && at->first < to; ++at) {
      if (!visit(at->first, *at->second)) break;
    }
    return {};
  }
  Result<std::optional<store::Marker>> marker() override {
    TRY(read());
    const auto at = contents().find(store::marker_key());
    if (at == contents().end()) return std::optional<store::Marker>();
    TRY_LET(store::Marker decoded, store::decode_marker(*at->second));
    return std::optional(std::move(decoded));
  }

  Result<std::unique_ptr<store::CheckpointFiles>> begin_files() override {
    ASSERT(!needs_reopen_);
    TRY(remove_if_there(path("staging")));
    TRY_LET(auto file, disk_.open(path("staging"), io::OpenMode::kCreate));
    return std::unique_ptr<store::CheckpointFiles>(
        std::make_unique<Files>(std::move(file), contents()));
  }
  Status ingest(store::CheckpointFiles& files) override {
    auto& mine = static_cast<Files&>(files);
    ASSERT(!needs_reopen_ && mine.is_finished);
    states_.all.push_back(mine.next);
    needs_reopen_ = true;
    TRY(make_current(states_.all.size() - 1));
    current_ = last_ = states_.all.size() - 1;
    if (random_.chance_percent(doubt_percent_)) return {Code::kIo, "nobody knows"};
    needs_reopen_ = false;
    return {};
  }
  bool needs_reopen() const override { return needs_reopen_; }
  Status reopen() override {
    current_ = kNone;
    TRY(open_current());
    needs_reopen_ = false;
    return {};
  }
  store::Stats stats() const override { return {}; }
  double pressure() const override { return 0; }
  Status settle() override { return {}; }

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};
  static constexpr const char* kFolder = "/db/store";

  /// The rules of store::CheckpointFiles, asserted.
  class Files final : public store::CheckpointFiles {
   public:
    Files(std::unique_ptr<io::File> file, FakeStates::Contents contents)
        : next(std::move(contents)), file_(std::move(file)) {}
    Status put(Bytes key, Bytes value) override {
      TRY(take(key));
      next[std::string(key)] = std::make_shared<const std::string>(value);
      written_ += key.size() + value.size();
      return {};
    }
    Status erase(Bytes key) override {
      TRY(take(key));
      next.erase(std::string(key));
      return {};
    }
    Status erase_range(const store::KeyRange& range) override {
      ASSERT(range.from < range.to);
      TRY(take(range.from));
      last_ = range.to;
      may_equal_last_ = true;
      next.erase(next.lower_bound(range.from), next.lower_bound(range.to));
      return {};
    }
    Status finish() override {
      ASSERT(!is_finished);
      is_finished = true;
      return file_->sync();
    }
    std::uint64_t written_bytes() const override { return written_; }
    std::uint64_t entry_count() const override { return count_; }

    FakeStates::Contents next;
    bool is_finished = false;

   private:
    static constexpr std::uint64_t kEntriesPerWrite = 8;

    Status take(Bytes key) {
      ASSERT(!is_finished && (may_equal_last_ ? last_ <= key : last_ < key));
      last_ = key;
      may_equal_last_ = false;
      if (count_++ % kEntriesPerWrite != 0) return {};
      const Bytes entry = "entry";
      return file_->write_at(count_ * entry.size(), {&entry, 1});
    }

    std::unique_ptr<io::File> file_;
    std::string last_;
    bool may_equal_last_ = true;
    std::uint64_t count_ = 0;
    std::uint64_t written_ = 0;
  };

  FakeStore(io::SimDisk& disk, FakeStates& states, std::uint64_t seed)
      : disk_(disk), states_(states), random_(seed) {}

  static std::string path(const std::string& name) { return std::string(kFolder) + "/" + name; }
  const FakeStates::Contents& contents() const { return states_.all[current_]; }

  static store::Presence find(const FakeStates::Contents& contents, Bytes key, std::string* value) {
    const auto at = contents.find(key);
    if (at == contents.end()) return store::Presence::kAbsent;
    *value = *at->second;
    return store::Presence::kFound;
  }

  /// What any read costs: one call, which may fail.
  Status read() {
    if (current_ == kNone) return {Code::kIo, "the store is closed"};
    TRY(disk_.file_size(path("CURRENT")));
    return {};
  }
  Status remove_if_there(const std::string& name) {
    const Status removed = disk_.remove(name);
    return removed.ok() || removed.error().code == Code::kNotFound ? Status() : removed;
  }
  Status open_current() {
    TRY(remove_if_there(path("staging")));
    const auto file = disk_.open(path("CURRENT"), io::OpenMode::kRead);
    if (!file.ok() && file.error().code != Code::kNotFound) return file.status();
    std::size_t number = 0;
    if (file.ok()) {
      char bytes[sizeof number];
      TRY_LET(const std::size_t count, file.value()->read_at(0, bytes));
      if (count != sizeof number) return {Code::kCorrupt, "CURRENT is cut off"};
      std::copy_n(bytes, sizeof number, reinterpret_cast<char*>(&number));
    }
    // What is read from now on stays, even if its name was not durable yet.
    TRY(make_current(number));
    current_ = last_ = number;
    return {};
  }
  Status make_current(std::size_t number) {
    TRY(remove_if_there(path("fresh")));
    TRY(remove_if_there(path("ballast")));
    {
      TRY_LET(const auto file, disk_.open(path("fresh"), io::OpenMode::kCreate));
      const Bytes bytes(reinterpret_cast<const char*>(&number), sizeof number);
      TRY(file->write_at(0, {&bytes, 1}));
      TRY(file->sync());
    }
    TRY(disk_.rename(path("fresh"), path("CURRENT")));
    TRY(disk_.sync_folder(kFolder));
    restore_ballast();
    return {};
  }
  void restore_ballast() {
    constexpr std::uint64_t kBytes = 64;
    const auto file = disk_.open(path("ballast"), io::OpenMode::kCreate);
    if (file.ok() && file.value()->allocate(kBytes).ok()) return;
    (void)disk_.remove(path("ballast"));
  }

  io::SimDisk& disk_;
  FakeStates& states_;
  io::Random random_;
  std::size_t current_ = kNone;
  std::size_t last_ = 0;  ///< the last that was current
  bool needs_reopen_ = false;
  std::uint64_t doubt_percent_ = 0;
};

/// Hands everything on to another store, and calls a hook wherever nobody ought to hold a lock:
/// between any two entries that a checkpoint writes, around the steps at its end, and around reads
/// of several keys. What the hook does happens in the midst of the checkpoint, of a load or of a
/// walk over keys, at a place that repeats. A walk may hold shards, however: the hook must look.
///
/// Threads: as the other store's.
class HookedStore final : public store::Store {
 public:
  HookedStore(std::unique_ptr<store::Store> inner, std::function<void()> hook)
      : inner_(std::move(inner)), hook_(std::move(hook)) {}

  Result<store::Presence> get(Bytes key, store::Reach reach, std::string* value) override {
    return inner_->get(key, reach, value);
  }
  Status get_many(const std::vector<Bytes>& keys,
                  const std::function<void(std::size_t, Bytes)>& visit) override {
    hook_();
    const Status status = inner_->get_many(keys, visit);
    hook_();
    return status;
  }
  Status scan(Bytes from, Bytes to, const std::function<bool(Bytes, Bytes)>& visit) override {
    hook_();
    const Status status = inner_->scan(from, to, visit);
    hook_();
    return status;
  }
  Result<std::optional<store::Marker>> marker() override { return inner_->marker(); }
  Result<std::unique_ptr<store::CheckpointFiles>> begin_files() override {
    hook_();
    TRY_LET(auto files, inner_->begin_files());
    return std::unique_ptr<store::CheckpointFiles>(
        std::make_unique<Files>(std::move(files), hook_));
  }
  Status ingest(store::CheckpointFiles& files) override {
    hook_();
    const Status status = inner_->ingest(*static_cast<Files&>(files).inner);
    hook_();
    return status;
  }
  bool needs_reopen() const override { return inner_->needs_reopen(); }
  Status reopen() override {
    hook_();
    const Status status = inner_->reopen();
    hook_();
    return status;
  }
  store::Stats stats() const override { return inner_->stats(); }
  double pressure() const override { return inner_->pressure(); }
  Status settle() override { return inner_->settle(); }

 private:
  class Files final : public store::CheckpointFiles {
   public:
    Files(std::unique_ptr<store::CheckpointFiles> files, const std::function<void()>& hook)
        : inner(std::move(files)), hook_(hook) {}
    Status put(Bytes key, Bytes value) override {
      const Status status = inner->put(key, value);
      hook_();
      return status;
    }
    Status erase(Bytes key) override {
      const Status status = inner->erase(key);
      hook_();
      return status;
    }
    Status erase_range(const store::KeyRange& range) override {
      const Status status = inner->erase_range(range);
      hook_();
      return status;
    }
    Status finish() override {
      hook_();
      const Status status = inner->finish();
      hook_();
      return status;
    }
    std::uint64_t written_bytes() const override { return inner->written_bytes(); }
    std::uint64_t entry_count() const override { return inner->entry_count(); }

    std::unique_ptr<store::CheckpointFiles> inner;

   private:
    const std::function<void()>& hook_;
  };

  std::unique_ptr<store::Store> inner_;
  std::function<void()> hook_;
};

}  // namespace diskdb::keyspace
