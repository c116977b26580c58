#include "command/key_walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/glob.h"
#include "io/random.h"
#include "keyspace/keyspace.h"

namespace diskdb::command {
namespace {

using keyspace::kSlotCount;
using keyspace::slot_of;

void insert(keyspace::Access& access, Bytes text) {
  const keyspace::Key key = access.key(text);
  access.begin(0, {1000});
  access.hold(access.keyspace().shard_of(key.slot));
  access.begin_command({}, {}, keyspace::Logged::kByEffect, false);
  access.set_string(key, "value");
  access.end_command();
  access.release();
}

/// Every key that a walk finds, in its order.
std::vector<std::string> walk_keys(keyspace::Access& access, KeyWalk::Holding holding,
                                   ScanPlace from, std::optional<std::uint32_t> only_slot) {
  access.begin(0, {1000});
  if (holding == KeyWalk::Holding::kAll) access.hold_all();
  KeyWalk walk(access, holding, from, only_slot);
  std::vector<std::string> keys;
  ScanPlace last;
  while (walk.step()) {
    for (const KeyWalk::Found& found : walk.found()) {
      keys.emplace_back(found.key);
      EXPECT_GE(walk.place_of(found).cursor(), last.cursor());
      last = walk.place_of(found);
      EXPECT_EQ(last.slot, slot_of(keys.back()));
    }
  }
  access.release();
  return keys;
}

std::vector<std::string> random_keys(std::size_t count) {
  io::Random random(1);
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back("key" + std::to_string(random.next()));
  for (std::size_t i = 0; i < count; ++i) keys.push_back("{tag}" + std::to_string(i));
  return keys;
}

TEST(KeyWalk, OrderDoesNotDependOnTheNumberOfShards) {
  const std::vector<std::string> keys = random_keys(1000);
  std::vector<std::string> expected;
  for (const std::uint32_t shard_count : {1U, 16U, 1024U, kSlotCount}) {
    keyspace::Keyspace keyspace({.shard_count = shard_count, .database_count = 1, .hash_seed = 9},
                                nullptr);
    keyspace::Access access(keyspace);
    for (const std::string& key : keys) insert(access, key);
    for (const auto holding : {KeyWalk::Holding::kAll, KeyWalk::Holding::kAsItGoes}) {
      const auto found = walk_keys(access, holding, {}, std::nullopt);
      ASSERT_EQ(found.size(), keys.size());
      if (expected.empty()) expected = found;
      ASSERT_EQ(found, expected) << shard_count;
    }
  }
}

TEST(KeyWalk, StaysInItsSlot) {
  keyspace::Keyspace keyspace({.shard_count = 16, .database_count = 1, .hash_seed = 9}, nullptr);
  keyspace::Access access(keyspace);
  for (const std::string& key : random_keys(300)) insert(access, key);
  const std::uint32_t slot = slot_of("tag");
  const auto walk = [&](ScanPlace from) {
    return walk_keys(access, KeyWalk::Holding::kAsItGoes, from, slot).size();
  };
  EXPECT_GE(walk({}), 300U);
  EXPECT_EQ(walk({slot, 0}), walk({}));
  EXPECT_GT(walk({slot, keyspace::Table::kScanEnd / 2}), 100U);
  EXPECT_LT(walk({slot, keyspace::Table::kScanEnd / 2}), 200U);
  EXPECT_EQ(walk({slot + 1, 0}), 0U);
  EXPECT_EQ(walk({kSlotCount, 0}), 0U);
}

TEST(ScanPlace, IsACursorBelowTwoToThe53) {
  const ScanPlace last{kSlotCount - 1, keyspace::Table::kScanEnd - 1};
  EXPECT_EQ(last.cursor(), (1ULL << 53) - 1);
  EXPECT_EQ(ScanPlace::of_cursor(last.cursor()), last);
  EXPECT_EQ(ScanPlace::of_cursor(0), ScanPlace{});
  EXPECT_EQ(ScanPlace::of_cursor(1ULL << 53).slot, kSlotCount);
  EXPECT_EQ(ScanPlace::of_cursor(~0ULL).slot, kSlotCount);
}

// A key in another slot that matched would be missed.
TEST(SlotOfPattern, IsTheSlotOfAllThatMatches) {
  const std::string pieces[] = {"{", "}", "a", "b", "*", "?", "[ab]", "\\{", "\\a", "[", "]"};
  const std::string texts[] = {"{", "}", "a", "b"};
  io::Random random(1);
  int pinned_count = 0;
  int match_count = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string pattern;
    for (std::uint64_t n = random.below(7); n > 0; --n) {
      pattern += pieces[random.below(std::size(pieces))];
    }
    const auto slot = slot_of_pattern(pattern);
    if (!slot) continue;
    ++pinned_count;
    for (int n = 0; n < 20; ++n) {
      std::string key;
      for (std::uint64_t left = random.below(7); left > 0; --left) {
        key += texts[random.below(std::size(texts))];
      }
      if (!glob_matches(pattern, key)) continue;
      ++match_count;
      ASSERT_EQ(slot_of(key), *slot) << pattern << " " << key;
    }
  }
  EXPECT_GT(pinned_count, 1000);
  EXPECT_GT(match_count, 1000);
  EXPECT_EQ(slot_of_pattern("user:{1}:*"), slot_of("1"));
  EXPECT_EQ(slot_of_pattern("user"), slot_of("user"));
  EXPECT_EQ(slot_of_pattern("user*"), std::nullopt);
  EXPECT_EQ(slot_of_pattern("{}*"), std::nullopt);
  EXPECT_EQ(slot_of_pattern("{1*}"), std::nullopt);
  EXPECT_EQ(slot_of_pattern("*{1}"), std::nullopt);
}

}  // namespace
}  // namespace diskdb::command
