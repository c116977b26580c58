// store/store_testing.h — what the store's tests share: a store on a simulated disk beside a model
// of what it should hold, one model for each checkpoint, by the offset in its marker.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "io/sim_disk.h"
#include "store/store.h"

namespace diskdb::store::testing {

using Contents = std::map<std::string, std::string>;

inline std::string record_key(Generation generation, int i) {
  std::string key;
  encode_record_key({generation, static_cast<std::uint32_t>(i) % 16, static_cast<std::uint64_t>(i)},
                    "key" + std::to_string(i), &key);
  return key;
}

inline Marker marker_at(std::uint64_t offset) {
  Marker marker;
  marker.offset = offset;
  return marker;
}

/// All there is, but the marker. A failed read fails the test.
inline Contents contents_of(Store& store) {
  Contents found;
  const Status status = store.scan("\x01", "\xff", [&](Bytes key, Bytes value) {
    found.emplace(key, value);
    return true;
  });
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
  return found;
}

/// A store, and what it should hold.
struct Rig {
  explicit Rig(std::uint64_t seed, bool opens = true) : disk(seed), random(seed) {
    options.folder = "/db";
    options.block_cache_bytes = 1U << 20U;
    options.file_bytes_max = 4000;
    options.ballast_bytes = 20'000;
    options.level0_files_for_compaction = 3;
    options.target_file_bytes = 8000;
    if (opens) restart();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  void restart() {
    store.reset();
    auto opened = Store::open(disk, options);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store = std::move(*opened);
  }

  /// Writes and ingests a checkpoint of random changes, about `changes` of them. Its state is in
  /// `states` before it is tried. The files are gone when it returns.
  Status try_checkpoint(std::uint64_t changes) {
    Contents next = states.at(offset);
    std::map<std::string, std::optional<std::string>> points;
    Generation dropped = 0;
    if (random.chance_percent(20)) dropped = 1 + random.below(4);
    for (std::uint64_t i = 0; i < changes; ++i) {
      const Generation generation = 1 + random.below(4);
      if (generation == dropped) continue;
      std::optional<std::string> value;
      if (random.chance_percent(70))
        value = std::string(random.below(200), 'v') + std::to_string(i);
      points[record_key(generation, static_cast<int>(random.below(100)))] = value;
    }
    if (dropped != 0) {
      const KeyRange range = record_range(dropped);
      next.erase(next.lower_bound(range.from), next.lower_bound(range.to));
    }
    for (const auto& [key, value] : points) {
      if (value.has_value()) {
        next[key] = *value;
      } else {
        next.erase(key);
      }
    }
    const std::uint64_t next_offset = ++last_offset;
    states[next_offset] = next;

    TRY_LET(auto files, store->begin_files());
    std::string marker;
    append_marker(marker_at(next_offset), &marker);
    TRY(files->put(marker_key(), marker));
    bool has_dropped = dropped == 0;
    const KeyRange range = record_range(dropped);
    for (const auto& [key, value] : points) {
      if (!has_dropped && range.from < key) {
        TRY(files->erase_range(range));
        has_dropped = true;
      }
      TRY(value.has_value() ? files->put(key, *value) : files->erase(key));
    }
    if (!has_dropped) TRY(files->erase_range(range));
    TRY(files->finish());
    TRY(store->ingest(*files));
    offset = next_offset;
    return Status::okay();
  }
  bool checkpoint(std::uint64_t changes) {
    const Status status = try_checkpoint(changes);
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
    return status.ok();
  }

  /// The store holds exactly the last ingested checkpoint.
  void check() {
    auto marker = store->marker();
    ASSERT_TRUE(marker.ok()) << marker.error().message;
    EXPECT_EQ(marker->has_value() ? (*marker)->offset : 0, offset);
    EXPECT_EQ(contents_of(*store), states.at(offset));
  }

  /// After a failure: the store holds exactly the state that its marker names, which is the last
  /// one known to be ingested or the one that was being ingested. Goes on from there.
  void check_either() {
    auto marker = store->marker();
    ASSERT_TRUE(marker.ok()) << marker.error().message;
    const std::uint64_t found = marker->has_value() ? (*marker)->offset : 0;
    EXPECT_TRUE(found == offset || found == last_offset)
        << found << " is neither " << offset << " nor " << last_offset;
    ASSERT_TRUE(states.count(found) == 1);
    EXPECT_EQ(contents_of(*store), states.at(found)) << "state " << found;
    offset = found;
  }

  io::SimDisk disk;
  io::Random random;
  Options options;
  std::unique_ptr<Store> store;
  std::map<std::uint64_t, Contents> states{{0, {}}};
  std::uint64_t offset = 0;       // of the last checkpoint ingested
  std::uint64_t last_offset = 0;  // of the last one tried
};

}  // namespace diskdb::store::testing
