#include "keyspace/handed_over.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "keyspace/key.h"

namespace diskdb::keyspace {
namespace {

constexpr std::uint64_t kSeed = 7;

std::vector<std::string> take(HandedOver& handed, std::uint64_t order_end) {
  std::vector<std::string> names;
  for (const Image& image : handed.take(order_end)) names.push_back(image.key);
  return names;
}

TEST(HandedOver, GivesWhatTheWalkHasPassedInOrder) {
  HandedOver handed;
  for (const std::uint64_t order : {50, 10, 40, 20, 30, 60}) {
    const std::string name = std::to_string(order);
    Record* record = Record::create(make_key(name, kSeed), "value");
    handed.add(order, *record, false);
    Record::destroy(record);
  }
  EXPECT_GT(handed.allocated_bytes(), 0U);
  EXPECT_EQ(take(handed, 10), std::vector<std::string>{});
  EXPECT_EQ(take(handed, 31), (std::vector<std::string>{"10", "20", "30"}));
  EXPECT_EQ(take(handed, 31), std::vector<std::string>{});
  EXPECT_EQ(take(handed, ~std::uint64_t{0}), (std::vector<std::string>{"40", "50", "60"}));
  EXPECT_EQ(handed.allocated_bytes(), 0U);
}

// Copied now and encoded later, or encoded at once: the image is that of the entry as it was.
TEST(HandedOver, KeepsEntriesAsTheyWere) {
  const std::string long_name(kInlineKeyBytesMax + 1, 'n');
  const auto make = [&](int kind) -> Record* {
    const Key key = make_key(kind == 4 ? std::string_view(long_name) : "name", kSeed);
    switch (kind) {
      case 0:
        return Record::create(key, "small");
      case 1:
        return Record::create_integer(key, 42);
      case 2:
        return Record::create(key, std::string(kInlineBytesMax + 1, 'v'));
      case 3:
        return Record::with_stored_expiries(
            Record::with_expiry(Record::create(key, ""), Millis{5000}),
            {.ingested = Millis{4000}, .unsettled = Millis{4500}, .unsettled_epoch = 3});
      default:
        return Record::create(key, "of a long name");
    }
  };
  for (const bool is_gone : {false, true}) {
    for (int kind = 0; kind <= 4; ++kind) {
      Record* record = make(kind);
      const Image expected = image_of(*record, is_gone);
      HandedOver handed;
      handed.add(1, *record, is_gone);
      Record::destroy(Record::with_expiry(Record::with_integer(record, 1), std::nullopt));
      const std::vector<Image> taken = handed.take(2);
      ASSERT_EQ(taken.size(), 1U);
      EXPECT_EQ(taken[0].key, expected.key);
      EXPECT_EQ(taken[0].is_gone, is_gone);
      EXPECT_EQ(taken[0].record, expected.record) << kind;
      ASSERT_EQ(static_cast<bool>(taken[0].large), kind == 2 && !is_gone);
      if (taken[0].large) {
        EXPECT_EQ(taken[0].large.view(), expected.large.view());
      }
      EXPECT_EQ(taken[0].due, expected.due);
      EXPECT_EQ(taken[0].stored_expiries.ingested, expected.stored_expiries.ingested);
      EXPECT_EQ(taken[0].stored_expiries.unsettled, expected.stored_expiries.unsettled);
    }
  }
}

}  // namespace
}  // namespace diskdb::keyspace
