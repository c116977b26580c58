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

// ---- Streams

// XADD s 1-1 a 1 b xyz, 1-2 a 2 b -300 (deleted), 5-0 c 70000; group g, its consumer al has 1-1.
const std::string kNode =
    "01 10 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 01 40 44 44 00 00 00 19 00 02 01 01 01 02 "
    "01 81 61 02 81 62 02 00 01 02 01 00 01 00 01 01 01 83 78 79 7a 04 05 01 03 01 00 01 01 01 02 "
    "01 de d4 02 05 01 00 01 04 01 df ff 02 01 01 81 63 02 f2 70 11 01 04 06 01 ff ";
const std::string kLength = "02 05 00 ";
const std::string kCounts = "01 01 01 02 03 ";
const std::string kGroup = "01 01 67 01 01 ";
const std::string kReadCount = "81 ff ff ff ff ff ff ff ff ";
const std::string kPending =
    "01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 01 00 68 e5 cf 8b 01 00 00 03 ";
const std::string kConsumer = "01 02 61 6c 98 bf 4b 00 a2 01 00 00 ";
const std::string kActive = "99 bf 4b 00 a2 01 00 00 ";
const std::string kOwned = "01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 01";

Elements fields_of(const RdbStream::Entry& entry) {
  const std::vector<Bytes> fields = entry.fields();
  return {fields.begin(), fields.end()};
}

void expect_stream(const RdbValue& value) {
  EXPECT_EQ(value.type, Type::kStream);
  const RdbStream& stream = value.stream;
  ASSERT_EQ(stream.entries.size(), 2U);
  EXPECT_EQ(stream.entries[0].id, (value::StreamId{1, 1}));
  EXPECT_EQ(fields_of(stream.entries[0]), (Elements{"a", "1", "b", "xyz"}));
  EXPECT_EQ(stream.entries[1].id, (value::StreamId{5, 0}));
  EXPECT_EQ(fields_of(stream.entries[1]), (Elements{"c", "70000"}));
  EXPECT_EQ(stream.extent.last_id, (value::StreamId{5, 0}));
  ASSERT_EQ(stream.groups.size(), 1U);
  const RdbStream::Group& group = stream.groups[0];
  EXPECT_EQ(group.name, "g");
  EXPECT_EQ(group.state.last_id, (value::StreamId{1, 1}));
  EXPECT_EQ(group.state.read_count, value::kUnknownReadCount);
  ASSERT_EQ(group.pending.size(), 1U);
  EXPECT_EQ(group.pending[0].delivered.count, 1'700'000'000'000);
  EXPECT_EQ(group.pending[0].delivery_count, 3U);
  ASSERT_EQ(group.consumers.size(), 1U);
  EXPECT_EQ(group.consumers[0].name, "al");
  EXPECT_EQ(group.consumers[0].times.seen.count, 1'795'301'293'976);
  EXPECT_EQ(group.consumers[0].pending.size(), 1U);
}

TEST(Rdb, ReadsStreamsOfAllVersions) {
  const std::string second =
      kNode + kLength + kCounts + kGroup + kReadCount + kPending + kConsumer + kOwned;
  const RdbValue value = parsed("13 " + second);
  expect_stream(value);
  EXPECT_EQ(value.stream.extent.added_count, 3U);
  EXPECT_EQ(value.stream.extent.max_deleted_id, (value::StreamId{1, 2}));
  EXPECT_EQ(value.stream.groups[0].consumers[0].times.active, Millis{1'795'301'293'976});

  const RdbValue first = parsed("0f " + kNode + kLength + kGroup + kPending + kConsumer + kOwned);
  expect_stream(first);
  EXPECT_EQ(first.stream.extent.added_count, 2U);

  const RdbValue third = parsed("15 " + kNode + kLength + kCounts + kGroup + kReadCount + kPending +
                                kConsumer + kActive + kOwned);
  expect_stream(third);
  EXPECT_EQ(third.stream.groups[0].consumers[0].times.active, Millis{1'795'301'293'977});

  EXPECT_TRUE(is_refused("13 " + second + " 00"));
  EXPECT_TRUE(is_refused("13 " + kNode + "03 05 00 " + kCounts + "00")) << "another length";
  EXPECT_TRUE(is_refused("13 " + kNode + "02 04 00 " + kCounts + "00")) << "a last id too small";
  EXPECT_TRUE(is_refused("13 " + kNode + kLength + kCounts + kGroup + kReadCount + "00 " +
                         kConsumer + kOwned))
      << "owned, but not pending";
  EXPECT_FALSE(is_refused("13 00 00 05 00 00 00 01 02 03 00")) << "without entries";
}

struct NoPages final : value::PageSource {
  void load(value::Object&, const value::MissingPage&) override { FAIL(); }
  value::ObjectId next_id() override { return {.birth_slot = 1, .number = 1}; }
};

TEST(Rdb, AStreamIsReadAsItWasWritten) {
  NoPages pages;
  const value::ObjectUse use{.source = &pages, .edit = {}};
  const value::ObjectRef object(value::Object::create_stream(pages.next_id(), use.edit));
  value::Stream stream(*object, use);
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    const std::string text(i % 97 == 0 ? 5000 : i % 70, 'x');
    const std::string number =
        std::to_string(static_cast<std::int64_t>(i * i * i) * (i % 2 ? 1 : -1));
    const Bytes fields[] = {"number", number, i % 5 == 0 ? "other" : "text", text};
    stream.append({i / 3, i}, fields);
  }
  stream.erase(17, 40);
  const std::uint64_t group = stream.add_group("group", {3, 12}, 9).number;
  const std::uint64_t consumer = stream.add_consumer(group, "consumer", Millis{77}).number;
  stream.add_consumer(group, "idle", Millis{78});
  for (std::uint64_t i = 1; i <= 40; ++i) {
    stream.put_pending(group, {i / 3, i},
                       {.consumer = consumer, .delivered = Millis{5}, .delivery_count = i});
  }
  std::string written;
  append_stream(stream, &written);
  Reader reader(written);
  RdbStream parts;
  read_stream(reader, 2, &parts);
  ASSERT_FALSE(reader.has_failed());
  EXPECT_EQ(reader.left(), 0U);
  ASSERT_TRUE(check_stream(parts).ok());
  ASSERT_EQ(parts.entries.size(), stream.length());
  value::StreamEntries e = stream.entry_at(0);
  for (const RdbStream::Entry& entry : parts.entries) {
    EXPECT_EQ(entry.id, e.id());
    const auto fields = e.fields();
    EXPECT_EQ(fields_of(entry), Elements(fields.begin(), fields.end()));
    e.next();
  }
  const value::ObjectRef again_object(value::Object::create_stream(pages.next_id(), use.edit));
  value::Stream again(*again_object, use);
  fill_stream(parts, again);
  again.verify_invariants();
  std::string written_again;
  append_stream(again, &written_again);
  EXPECT_EQ(written_again, written);
}

}  // namespace
}  // namespace diskdb::types
