#include "keyspace/handed_over.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "keyspace/key.h"

namespace diskdb::keyspace {
namespace {

constexpr std::uint64_t kSeed = 7;

void add(HandedOver& handed, std::uint64_t order) {
  Record* record = Record::create(make_key(std::to_string(order), kSeed), "value");
  handed.add(order, *record, false);
  Record::destroy(record);
}

/// The orders of what is taken, sorted. Each image is that of the key so named.
std::vector<std::uint64_t> take(HandedOver& handed, std::uint64_t order_end) {
  std::vector<OrderedImage> images;
  handed.take(order_end, &images);
  std::vector<std::uint64_t> orders;
  for (const OrderedImage& taken : images) {
    EXPECT_EQ(taken.image.key, std::to_string(taken.order));
    orders.push_back(taken.order);
  }
  std::ranges::sort(orders);
  return orders;
}

using Orders = std::vector<std::uint64_t>;

TEST(HandedOver, GivesWhatTheWalkHasPassed) {
  HandedOver handed;
  for (const std::uint64_t order : {50, 10, 40, 20, 30, 60}) add(handed, order);
  EXPECT_GT(handed.allocated_bytes(), 0U);
  EXPECT_EQ(take(handed, 10), Orders{});
  EXPECT_EQ(take(handed, 31), (Orders{10, 20, 30}));
  EXPECT_EQ(take(handed, 31), Orders{});
  for (const std::uint64_t order : {45, 70, 35}) add(handed, order);  // behind the walk
  EXPECT_EQ(take(handed, 46), (Orders{35, 40, 45}));
  EXPECT_EQ(take(handed, ~std::uint64_t{0}), (Orders{50, 60, 70}));
  EXPECT_EQ(handed.allocated_bytes(), 0U);
  EXPECT_EQ(take(handed, ~std::uint64_t{0}), Orders{});
}

// The next walk begins where the last one began, with keys that are before those of the last.
TEST(HandedOver, BeginsAfresh) {
  HandedOver handed;
  add(handed, 90);
  EXPECT_EQ(take(handed, 50), Orders{});
  EXPECT_EQ(take(handed, 91), Orders{90});
  for (const std::uint64_t order : {30, 20, 10}) add(handed, order);
  EXPECT_EQ(take(handed, 25), (Orders{10, 20}));
  EXPECT_EQ(take(handed, 31), Orders{30});
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
      std::vector<OrderedImage> images;
      handed.take(2, &images);
      ASSERT_EQ(images.size(), 1U);
      EXPECT_EQ(images[0].order, 1U);
      const Image& taken = images[0].image;
      EXPECT_EQ(taken.key, expected.key);
      EXPECT_EQ(taken.is_gone, is_gone);
      EXPECT_EQ(taken.record, expected.record) << kind;
      ASSERT_EQ(static_cast<bool>(taken.large), kind == 2 && !is_gone);
      if (taken.large) {
        EXPECT_EQ(taken.large.view(), expected.large.view());
      }
      EXPECT_EQ(taken.due, expected.due);
      EXPECT_EQ(taken.stored_expiries.ingested, expected.stored_expiries.ingested);
      EXPECT_EQ(taken.stored_expiries.unsettled, expected.stored_expiries.unsettled);
    }
  }
}

}  // namespace
}  // namespace diskdb::keyspace
