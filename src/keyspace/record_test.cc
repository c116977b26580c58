// Every edit of a record, in random order, against a model of plain strings. Most worth under the
// address sanitizer: records move, shrink and share.
#include "keyspace/record.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/number.h"
#include "io/random.h"

namespace diskdb::keyspace {
namespace {

struct Model {
  std::string key;
  std::string value = {};
  bool is_integer = false;
  bool is_raw = false;
  std::optional<Millis> expiry = {};
  std::uint32_t epoch = 0;
  std::uint32_t accessed_at = 0;
};

std::string random_bytes(io::Random& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.next());
  return bytes;
}

/// Sizes at both sides of every bound that matters.
std::size_t random_size(io::Random& random) {
  constexpr std::size_t kSizes[] = {0,   1,   7,   8,    9,    16,   43,   44,   45,    100,
                                    127, 128, 129, 1000, 4095, 4096, 4097, 5000, 70000, 200000};
  return kSizes[random.below(std::size(kSizes))];
}

void expect_equal(const Record& record, const Model& model) {
  ASSERT_EQ(record.key(), model.key);
  ASSERT_TRUE(record.has_key(model.key));
  ASSERT_FALSE(record.has_key(model.key + "x"));
  ASSERT_EQ(record.type(), Type::kString);
  ASSERT_EQ(record.encoding() == Encoding::kInteger, model.is_integer);
  IntegerText text;
  ASSERT_EQ(text_of(record.string(), text), model.value);
  ASSERT_EQ(record.string_length(), model.value.size());
  ASSERT_EQ(record.has_expiry(), model.expiry.has_value());
  if (model.expiry) {
    ASSERT_EQ(record.expiry(), *model.expiry);
  }
  ASSERT_EQ(record.is_raw(), model.is_raw);
  ASSERT_EQ(record.epoch(), model.epoch);
  ASSERT_EQ(record.accessed_at(), model.accessed_at);
  const std::size_t value_bytes = model.is_integer ? 8 : model.value.size();
  ASSERT_GE(record.allocated_bytes(), sizeof(Record) + model.key.size() + value_bytes);
}

Record* random_edit(io::Random& random, Record* record, Model& model) {
  switch (random.below(6)) {
    case 0:
      model.value = random_bytes(random, random_size(random));
      model.is_integer = false;
      return Record::with_string(record, model.value);
    case 1: {
      const auto value = static_cast<std::int64_t>(random.next());
      model.value = format_integer(value);
      model.is_integer = true;
      return Record::with_integer(record, value);
    }
    case 2:
      model.value = random_bytes(random, random_size(random));
      model.is_integer = false;
      return Record::with_shared(record, SharedBytes::copy_of(model.value));
    case 3:
      model.expiry.reset();
      if (random.chance_percent(70))
        model.expiry = Millis{static_cast<std::int64_t>(random.next())};
      return Record::with_expiry(record, model.expiry);
    case 4: {
      const std::size_t size = random_size(random);
      char* bytes = nullptr;
      record = Record::with_writable(record, size, &bytes);
      model.value.resize(size, '\0');
      model.is_integer = false;
      model.is_raw = true;
      if (size == 0) return record;
      const std::size_t at = random.below(size);
      bytes[at] = model.value[at] = static_cast<char>(random.next());
      return record;
    }
    default:
      model.is_raw = random.chance_percent(50);
      model.epoch = static_cast<std::uint32_t>(random.next());
      model.accessed_at = static_cast<std::uint32_t>(random.next()) & 0xFFFFFF;
      record->set_raw(model.is_raw);
      record->set_epoch(model.epoch);
      record->set_accessed_at(model.accessed_at);
      return record;
  }
}

TEST(Record, HoldsWhatEditsSaid) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    io::Random random(seed);
    constexpr std::size_t kKeySizes[] = {0, 1, 8, 40, 4096, 4097, 100'000};
    Model model;
    model.key = random_bytes(random, kKeySizes[seed % std::size(kKeySizes)]);
    Record* record = Record::create(make_key(model.key, 7), {});
    for (int i = 0; i < 300; ++i) {
      record = random_edit(random, record, model);
      ASSERT_NO_FATAL_FAILURE(expect_equal(*record, model)) << "edit " << i;
    }
    Record::destroy(record);
  }
}

// A reply or a checkpoint may hold a value by reference while the record goes on changing.
TEST(Record, LeavesWhatOthersHold) {
  struct Held {
    SharedBytes bytes;
    std::string expected;
  };
  io::Random random(1);
  Model model{.key = "key"};
  Record* record = Record::create(make_key(model.key, 7), {});
  std::vector<Held> held;
  for (int i = 0; i < 2000; ++i) {
    record = random_edit(random, record, model);
    if (record->encoding() == Encoding::kShared && random.chance_percent(50)) {
      held.push_back({record->shared(), model.value});
    }
    if (held.size() > 5) held.erase(held.begin());
    for (const Held& one : held) ASSERT_EQ(one.bytes.view(), one.expected) << "edit " << i;
  }
  Record::destroy(record);
}

TEST(Record, CopiesHaveTheirOwnLife) {
  io::Random random(2);
  for (int round = 0; round < 200; ++round) {
    Model model{.key = random_bytes(random, random_size(random))};
    Record* record = Record::create(make_key(model.key, 7), {});
    for (int i = 0; i < 3; ++i) record = random_edit(random, record, model);

    Model copied = model;
    copied.key = random_bytes(random, random_size(random));
    Record* copy = Record::copy_as(make_key(copied.key, 7), *record);
    ASSERT_NO_FATAL_FAILURE(expect_equal(*copy, copied));
    for (int i = 0; i < 3; ++i) {
      record = random_edit(random, record, model);
      copy = random_edit(random, copy, copied);
    }
    ASSERT_NO_FATAL_FAILURE(expect_equal(*record, model));
    Record::destroy(record);
    ASSERT_NO_FATAL_FAILURE(expect_equal(*copy, copied));
    Record::destroy(copy);
  }
}

TEST(Record, GivesRoomBackWhenItsValueShrinks) {
  const std::string large(4000, 'x');
  Record* record = Record::create(make_key("key", 7), large);
  ASSERT_GT(record->allocated_bytes(), 4000U);
  record = Record::with_string(record, "small");
  EXPECT_LT(record->allocated_bytes(), 100U);
  Record::destroy(record);
}

}  // namespace
}  // namespace diskdb::keyspace
