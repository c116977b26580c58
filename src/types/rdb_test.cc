// Payloads that redis-server 7.0 made, and hand-made ones of the encodings that it only reads.
#include "types/rdb.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/crc.h"
#include "types/hash.h"
#include "types/json_document.h"

namespace diskdb::types {
namespace {

using keyspace::Type;
using Elements = std::vector<std::string>;

std::string bytes_of_hex(Bytes text) {
  std::string bytes;
  unsigned high = 16;
  for (const char c : text) {
    if (c == ' ') continue;
    const auto digit = static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    if (high == 16) {
      high = digit;
    } else {
      bytes.push_back(static_cast<char>(high << 4U | digit));
      high = 16;
    }
  }
  return bytes;
}

/// With a footer that fits.
std::string payload(const std::string& hex, char version = 9) {
  std::string bytes = bytes_of_hex(hex);
  bytes.push_back(version);
  bytes.push_back('\0');
  const std::uint64_t crc = crc64(bytes);
  for (unsigned i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(crc >> 8 * i));
  return bytes;
}

RdbValue parsed(const std::string& hex) {
  const std::string bytes = payload(hex);
  EXPECT_TRUE(is_dump_intact(bytes));
  auto value = parse_dump(bytes);
  EXPECT_TRUE(value.ok()) << hex;
  return value.ok() ? value.value() : RdbValue{};
}

bool is_refused(const std::string& hex) { return !parse_dump(payload(hex)).ok(); }

TEST(Rdb, ReadsStrings) {
  EXPECT_EQ(parsed("00 03 62 61 72").text, "bar");
  EXPECT_EQ(parsed("00 c0 fe").text, "-2");
  EXPECT_EQ(parsed("00 c1 39 30").text, "12345");
  EXPECT_EQ(parsed("00 c2 15 cd 5b 07").text, "123456789");
  // LZF: "a", then a reference over one byte, nine more.
  EXPECT_EQ(parsed("00 c3 05 0a 00 61 e0 00 00").text, std::string(10, 'a'));
  EXPECT_EQ(parsed("00 40 03 62 61 72").text, "bar") << "a longer length than needed";
}

TEST(Rdb, ReadsLists) {
  EXPECT_EQ(parsed("01 02 01 61 01 62").elements, (Elements{"a", "b"}));
  const std::string listpack = "0c 00 00 00 02 00 81 61 02 05 01 ff";
  EXPECT_EQ(parsed("12 01 02 0c " + listpack).elements, (Elements{"a", "5"}));
  EXPECT_EQ(parsed("12 02 01 01 78 02 0c " + listpack).elements, (Elements{"x", "a", "5"}));
  const std::string ziplist = "10 00 00 00 0d 00 00 00 02 00 00 01 61 03 f6 ff";
  EXPECT_EQ(parsed("0a 10 " + ziplist).elements, (Elements{"a", "5"}));
  EXPECT_EQ(parsed("0e 01 10 " + ziplist).elements, (Elements{"a", "5"}));
}

TEST(Rdb, ReadsIntegersOfAllWidths) {
  EXPECT_EQ(parsed("0b 0e 02 00 00 00 03 00 00 00 ff ff 01 00 e8 03").elements,
            (Elements{"-1", "1", "1000"}));
  // Listpack: 13 bits below and above zero, 16, 24, 32 and 64 bits.
  EXPECT_EQ(parsed("12 01 02 26 26 00 00 00 06 00 df ff 02 c0 80 02 f1 00 80 03 f2 00 00 80 04 "
                   "f3 00 00 00 80 05 f4 00 00 00 00 00 00 00 80 09 ff")
                .elements,
            (Elements{"-1", "128", "-32768", "-8388608", "-2147483648", "-9223372036854775808"}));
}

TEST(Rdb, ReadsHashesAndSortedSets) {
  const RdbValue hash = parsed("04 01 01 66 01 76");
  EXPECT_EQ(hash.type, Type::kHash);
  EXPECT_EQ(hash.elements, (Elements{"f", "v"}));
  EXPECT_EQ(parsed("09 07 01 01 66 01 00 76 ff").elements, (Elements{"f", "v"})) << "zipmap";
  const RdbValue dated = parsed("18 e8 03 00 00 00 00 00 00 02 00 01 61 01 78 06 01 62 01 79");
  EXPECT_EQ(dated.elements, (Elements{"a", "x", "b", "y"}));
  EXPECT_EQ(dated.expiries, (std::vector<Millis>{{0}, {1005}}));
  const RdbValue text = parsed("03 03 01 61 03 31 2e 35 01 62 fe 01 63 ff");
  EXPECT_EQ(text.scores, (std::vector<double>{1.5, HUGE_VAL, -HUGE_VAL}));
  const RdbValue binary = parsed("05 01 01 61 00 00 00 00 00 00 f8 3f");
  EXPECT_EQ(binary.type, Type::kSortedSet);
  EXPECT_EQ(binary.scores, (std::vector<double>{1.5}));
  const RdbValue packed = parsed("11 0c 0c 00 00 00 02 00 81 61 02 05 01 ff");
  EXPECT_EQ(packed.elements, (Elements{"a"}));
  EXPECT_EQ(packed.scores, (std::vector<double>{5}));
}

// A module's value: its id, a string, the end.
TEST(Rdb, JsonDocumentsAreText) {
  const RdbValue json = parsed("07 81 45 e2 52 38 df 91 2c 03 05 03 5b 31 5d 00");
  EXPECT_EQ(json.type, Type::kModule);
  EXPECT_EQ(json.text, "[1]");
  EXPECT_TRUE(is_refused("07 81 45 e2 52 38 df 91 2c 04 05 03 5b 31 5d 00")) << "another version";
  EXPECT_TRUE(is_refused("07 81 45 e2 52 38 df 91 2c 03 05 03 5b 31 31 00")) << "no JSON";
  EXPECT_TRUE(is_refused("07 81 45 e2 52 38 df 91 2c 03 02 03 00")) << "a number";
  EXPECT_TRUE(is_refused("07 81 45 e2 52 38 df 91 2c 03 05 03 5b 31 5d")) << "no end";
}

TEST(Rdb, RefusesWhatIsNoValue) {
  EXPECT_TRUE(is_refused(""));
  EXPECT_TRUE(is_refused("63"));
  EXPECT_TRUE(is_refused("00 03 62 61")) << "cut";
  EXPECT_TRUE(is_refused("00 03 62 61 72 00")) << "something behind it";
  EXPECT_TRUE(is_refused("01 00")) << "no elements";
  EXPECT_TRUE(is_refused("01 80 ff ff ff ff 01 61")) << "a count that cannot be";
  EXPECT_TRUE(is_refused("02 02 01 61 01 61")) << "a member twice";
  EXPECT_TRUE(is_refused("05 01 01 61 00 00 00 00 00 00 f8 7f")) << "NaN";
  EXPECT_TRUE(is_refused("00 c3 05 0a 00 61 e0 00 01")) << "a reference before the beginning";
  EXPECT_TRUE(is_refused("00 c3 01 81 ff ff ff ff ff ff ff ff 00")) << "a size that cannot be";
  EXPECT_TRUE(is_refused("12 01 02 0c 0d 00 00 00 02 00 81 61 02 05 01 ff")) << "another size";
}

TEST(Rdb, TheFooterCounts) {
  std::string bytes = payload("00 03 62 61 72");
  EXPECT_TRUE(is_dump_intact(bytes));
  bytes[2] ^= 1;
  EXPECT_FALSE(is_dump_intact(bytes));
  EXPECT_FALSE(is_dump_intact(payload("00 03 62 61 72", 99))) << "from a later Redis";
  EXPECT_FALSE(is_dump_intact("short"));
}

TEST(Rdb, WhatIsDumpedIsReadBack) {
  const keyspace::Key key = keyspace::make_key("k", 1);
  value::ObjectUse use;
  value::ObjectRef object(value::Object::create(value::Layout::kScores));
  value::ScoreSet zset(*object, use);
  zset.put("a", 1.5);
  zset.put(std::string(300, 'b'), -HUGE_VAL);
  keyspace::Record* record = keyspace::Record::create_object(key, Type::kSortedSet, object);
  const std::string dumped = dump_value(*record, use);
  keyspace::Record::destroy(record);
  ASSERT_TRUE(is_dump_intact(dumped));
  auto value = parse_dump(dumped);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->elements, (Elements{std::string(300, 'b'), "a"}));
  EXPECT_EQ(value->scores, (std::vector<double>{-HUGE_VAL, 1.5}));

  value::ObjectRef hash(value::Object::create(value::Layout::kPairs));
  Hash fields(*hash, use, Millis{0});
  fields.put("f", "v", {.fields_max = 10, .word_bytes_max = 10}, Millis{5000});
  fields.put("g", "w", {.fields_max = 10, .word_bytes_max = 10});
  record = keyspace::Record::create_object(key, Type::kHash, hash);
  auto dated = parse_dump(dump_value(*record, use));
  keyspace::Record::destroy(record);
  ASSERT_TRUE(dated.ok());
  EXPECT_EQ(dated->elements, (Elements{"f", "v", "g", "w"}));
  EXPECT_EQ(dated->expiries, (std::vector<Millis>{{5000}, {0}}));

  value::ObjectRef document(value::Object::create(value::Layout::kSequence));
  JsonTokens tokens;
  std::string error;
  ASSERT_TRUE(parse_json(R"({"a":[1,null,"x"]})", &tokens, &error));
  JsonEdit(*document, use).begin(tokens);
  record = keyspace::Record::create_object(key, Type::kModule, document);
  auto json = parse_dump(dump_value(*record, use));
  keyspace::Record::destroy(record);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->text, R"({"a":[1,null,"x"]})");

  record = keyspace::Record::create_integer(key, -7);
  auto number = parse_dump(dump_value(*record, use));
  keyspace::Record::destroy(record);
  ASSERT_TRUE(number.ok());
  EXPECT_EQ(number->text, "-7");
}

}  // namespace
}  // namespace diskdb::types
