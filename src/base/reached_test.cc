#include "base/reached.h"

#include <gtest/gtest.h>

#include <string>

namespace diskdb {
namespace {

#ifdef DISKDB_SLOW_ASSERTS

void branch(bool taken) {
  if (taken) REACHED("test: taken");
  if (!taken) REACHED("test: not taken");
}

bool is_reached(const std::string& name) {
  for (const ReachedMark* mark : reached_marks()) {
    if (name == mark->name) return mark->is_reached;
  }
  ADD_FAILURE() << name << " is no mark";
  return false;
}

TEST(Reached, MarksAreKnownBeforeTheyAreReached) {
  EXPECT_FALSE(is_reached("test: taken"));
  EXPECT_FALSE(is_reached("test: not taken"));
  branch(true);
  EXPECT_TRUE(is_reached("test: taken"));
  EXPECT_FALSE(is_reached("test: not taken"));
  branch(false);  // else ./test would report it
  EXPECT_TRUE(is_reached("test: not taken"));
}

#endif

}  // namespace
}  // namespace diskdb
