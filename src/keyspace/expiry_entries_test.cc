// The list of expiry entries of a checkpoint: in order, accounted, empty after clear().
#include "keyspace/expiry_entries.h"

#include <gtest/gtest.h>

#include <string>

namespace diskdb::keyspace {
namespace {

TEST(ExpiryEntries, AreSortedByKeyAndKeepTheirOwnBytes) {
  ExpiryEntries entries;
  for (int i = 999; i >= 0; --i) {
    const std::string key = std::to_string(1000 + i);
    entries.add(key, i % 3 == 0);
  }
  entries.sort();
  int next = 0;
  for (const ExpiryEntries::Entry& entry : entries.all()) {
    EXPECT_EQ(entry.key(), std::to_string(1000 + next));
    EXPECT_EQ(entry.is_there, next % 3 == 0);
    ++next;
  }
  EXPECT_EQ(next, 1000);
}

TEST(ExpiryEntries, AccountWhatTheyCostUntilTheyAreCleared) {
  ExpiryEntries entries;
  EXPECT_EQ(entries.bytes(), 0U);
  entries.add("a key", true);
  entries.add("another key", false);
  EXPECT_EQ(entries.bytes(), 5 + 11 + 2 * sizeof(ExpiryEntries::Entry));
  entries.clear();
  EXPECT_EQ(entries.bytes(), 0U);
  EXPECT_TRUE(entries.all().empty());
  entries.add("again", true);
  EXPECT_EQ(entries.all().front().key(), "again");
}

}  // namespace
}  // namespace diskdb::keyspace
