// Pins the examples of docs/format/store.md, byte for byte, written and read; and what the page
// says of order, versions and the unknown.
#include "store/format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/crc.h"
#include "io/random.h"

namespace diskdb::store {
namespace {

std::string from_hex(const char* hex) {
  std::string bytes;
  for (const char* p = hex; *p != '\0'; p += p[2] == '\0' ? 2 : 3) {
    bytes += static_cast<char>(std::stoi(std::string(p, 2), nullptr, 16));
  }
  return bytes;
}

std::string record_key(const Place& place, Bytes key) {
  std::string out = "replaced";
  encode_record_key(place, key, &out);
  return out;
}

std::string record_bound(const Place& place) {
  std::string out = "replaced";
  encode_record_bound(place, &out);
  return out;
}

std::string expiry_key(Generation generation, Millis when, std::uint32_t slot, Bytes key) {
  std::string out = "replaced";
  encode_expiry_key(generation, when, slot, key, &out);
  return out;
}

std::string record(const StoredRecord& stored) {
  std::string out;
  append_record(stored, &out);
  return out;
}

std::string encoded(const Marker& marker) {
  std::string out;
  append_marker(marker, &out);
  return out;
}

/// `body` with the checksum that makes it a marker.
std::string sealed(std::string body) {
  const std::uint32_t crc = crc32c(body);
  for (unsigned i = 0; i < 4; ++i) body.push_back(static_cast<char>(crc >> (8 * i)));
  return body;
}

const std::string kRecordKey = from_hex("01 00 00 00 00 00 00 00 03 30 39 12 34 56 78 9a 66 6f 6f");
const std::string kExpiryKey =
    from_hex("02 00 00 00 00 00 00 00 03 80 00 01 8b cf e5 68 00 30 39 66 6f 6f");
const std::string kText = from_hex("01 00 03 00 00 68 e5 cf 8b 01 00 00 00 62 61 72");
const std::string kNumber = from_hex("01 00 00 01 00 fe ff ff ff ff ff ff ff");
const std::string kObject = from_hex("01 04 00 03 b9 e0 05 00 02 aa bb");
const std::string kLongString =
    from_hex("02 00 00 03 b9 e0 05 00 06 01 00 02 12 03 14 70 11 01 00 00 00 00 00 de 0f");
const std::string kStream = from_hex("03 06 00 03 b9 e0 05 00 02 aa bb");
const std::string kLongStringValue = kLongString.substr(7);
const std::string kPageKey =
    from_hex("03 00 00 00 00 00 00 00 03 30 39 00 00 00 00 00 00 00 05 00 00 00 00 00 07");
const std::string kMarker = from_hex(
    "01 ac 02 00 00 68 e5 cf 8b 01 00 00 11 22 33 44 55 66 77 88 04 01 02 "
    "00 03 02 07 02 01 b0 60 01 00 01 01 00 bf 10 1a 1f");

Marker example_marker() {
  Marker marker;
  marker.offset = 300;
  marker.clock = {1'700'000'000'000};
  marker.hash_seed = 0x8877665544332211;
  marker.next_generation = 4;
  marker.next_object = 1;
  marker.databases = {{0, 3, {{7, 2, 1}, {12344, 1, 0}}}, {2, 1, {}}};
  return marker;
}

TEST(StoreFormat, WritesTheExamples) {
  EXPECT_EQ(record_key({3, 12345, 0x123456789A}, "foo"), kRecordKey);
  EXPECT_EQ(expiry_key(3, {1'700'000'000'000}, 12345, "foo"), kExpiryKey);
  StoredRecord text;
  text.is_raw = true;
  text.expiry = Millis{1'700'000'000'000};
  text.value = "bar";
  EXPECT_EQ(record(text), kText);
  StoredRecord number;
  number.encoding = 1;
  number.integer = -2;
  EXPECT_EQ(record(number), kNumber);
  EXPECT_EQ(record({.type = 4,
                    .encoding = 3,
                    .expiry = {},
                    .value = Bytes("\x00\x02\xaa\xbb", 4),
                    .object = 94265}),
            kObject);
  EXPECT_EQ(
      record({.type = 0, .encoding = 3, .expiry = {}, .value = kLongStringValue, .object = 94265}),
      kLongString);
  EXPECT_EQ(record({.type = 6,
                    .encoding = 3,
                    .expiry = {},
                    .value = Bytes("\x00\x02\xaa\xbb", 4),
                    .object = 94265}),
            kStream);
  std::string page;
  encode_page_key(3, 94265, 7, &page);
  EXPECT_EQ(page, kPageKey);
  const KeyRange pages = object_range(3, 94265);
  EXPECT_TRUE(pages.from < page && page < pages.to);
  EXPECT_FALSE(object_range(3, 94265 - kSlotCount).to > page);
  EXPECT_TRUE(page_range(3).from <= pages.from && pages.to <= page_range(3).to);
  std::string object;
  append_expiry_value({}, &object);
  EXPECT_EQ(object, std::string("\x01\0", 2));
  object.clear();
  append_expiry_value({.object = 94265, .is_of_field = true}, &object);
  EXPECT_EQ(object, from_hex("01 b9 e0 05 01"));
  EXPECT_EQ(marker_key(), Bytes("\0", 1));
  EXPECT_EQ(encoded(example_marker()), kMarker);
}

TEST(StoreFormat, ReadsTheExamples) {
  auto key = decode_record_key(kRecordKey);
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->place.generation, 3U);
  EXPECT_EQ(key->place.slot, 12345U);
  EXPECT_EQ(key->place.position, 0x123456789AU);
  EXPECT_EQ(key->key, "foo");
  auto expiry = decode_expiry_key(kExpiryKey);
  ASSERT_TRUE(expiry.ok());
  EXPECT_EQ(expiry->generation, 3U);
  EXPECT_EQ(expiry->when, Millis{1'700'000'000'000});
  EXPECT_EQ(expiry->slot, 12345U);
  EXPECT_EQ(expiry->key, "foo");
  auto text = decode_record(kText);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->type, 0);
  EXPECT_TRUE(text->is_raw);
  EXPECT_EQ(text->expiry, Millis{1'700'000'000'000});
  EXPECT_EQ(text->value, "bar");
  auto number = decode_record(kNumber);
  ASSERT_TRUE(number.ok());
  EXPECT_FALSE(number->is_raw);
  EXPECT_FALSE(number->expiry.has_value());
  EXPECT_EQ(number->integer, -2);
  auto object = decode_record(kObject);
  ASSERT_TRUE(object.ok());
  EXPECT_EQ(object->type, 4);
  EXPECT_EQ(object->object, 94265U);
  EXPECT_EQ(object->value, Bytes("\x00\x02\xaa\xbb", 4));
  auto string = decode_record(kLongString);
  ASSERT_TRUE(string.ok());
  EXPECT_EQ(string->type, 0);
  EXPECT_EQ(string->object, 94265U);
  EXPECT_EQ(string->value, kLongStringValue);
  auto stream = decode_record(kStream);
  ASSERT_TRUE(stream.ok());
  EXPECT_EQ(stream->type, 6);
  EXPECT_EQ(stream->object, 94265U);
  std::string other_version(kStream);
  other_version[0] = 1;
  EXPECT_FALSE(decode_record(other_version).ok());
  other_version = kLongString;
  other_version[0] = 1;
  EXPECT_FALSE(decode_record(other_version).ok());
  other_version = kObject;
  other_version[0] = 2;
  EXPECT_FALSE(decode_record(other_version).ok());
  auto marker = decode_marker(kMarker);
  ASSERT_TRUE(marker.ok()) << marker.error().message;
  EXPECT_EQ(marker->offset, 300U);
  EXPECT_EQ(marker->selected_db, 0U);
  EXPECT_EQ(marker->clock, Millis{1'700'000'000'000});
  EXPECT_EQ(marker->hash_seed, 0x8877665544332211U);
  EXPECT_EQ(marker->next_generation, 4U);
  EXPECT_EQ(marker->next_object, 1U);
  ASSERT_EQ(marker->databases.size(), 2U);
  EXPECT_EQ(marker->databases[0].slots.at(1).slot, 12344U);
  EXPECT_EQ(marker->databases[0].slots.at(0).expiring, 1U);
  EXPECT_EQ(marker->databases[1].db, 2U);
  EXPECT_TRUE(marker->databases[1].slots.empty());
}

std::string random_key(io::Random& random) {
  std::string key(random.below(4), '\0');
  const char letters[] = {'\0', 'a', '\x7f', '\xff'};
  for (char& c : key) c = letters[random.below(4)];
  return key;
}

/// Small, large or anything, so that ties and extremes are met.
std::uint64_t random_number(io::Random& random, std::uint64_t end) {
  switch (random.below(3)) {
    case 0:
      return random.below(3);
    case 1:
      return end - 1 - random.below(3);
    default:
      return random.next() % end;
  }
}

TEST(StoreFormat, KeysSortAsWhatTheySay) {
  io::Random random(1);
  using Record = std::tuple<Generation, std::uint32_t, std::uint64_t, std::string>;
  using Expiry = std::tuple<Generation, std::int64_t, std::uint32_t, std::string>;
  std::vector<std::pair<Record, std::string>> records;
  std::vector<std::pair<Expiry, std::string>> expiries;
  for (int i = 0; i < 500; ++i) {
    const Place place{random_number(random, std::numeric_limits<std::uint64_t>::max()),
                      static_cast<std::uint32_t>(random_number(random, kSlotCount)),
                      random_number(random, kPositionEnd)};
    const std::string key = random_key(random);
    records.push_back({{place.generation, place.slot, place.position, key}, {}});
    records.back().second = record_key(place, key);
    auto decoded = decode_record_key(records.back().second);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(record_key(decoded->place, decoded->key), records.back().second);
    const auto when =
        static_cast<std::int64_t>(random.chance_percent(50) ? random.next() : random.below(3) - 1);
    expiries.push_back({{place.generation, when, place.slot, key}, {}});
    expiries.back().second = expiry_key(place.generation, {when}, place.slot, key);
    auto entry = decode_expiry_key(expiries.back().second);
    ASSERT_TRUE(entry.ok());
    EXPECT_EQ(entry->when.count, when);
    EXPECT_EQ(expiry_key(entry->generation, entry->when, entry->slot, entry->key),
              expiries.back().second);
  }
  for (const auto& [a, a_bytes] : records) {
    for (const auto& [b, b_bytes] : records) ASSERT_EQ(a < b, a_bytes < b_bytes);
  }
  for (const auto& [a, a_bytes] : expiries) {
    for (const auto& [b, b_bytes] : expiries) ASSERT_EQ(a < b, a_bytes < b_bytes);
  }
}

TEST(StoreFormat, BoundsAndRangesHoldWhatTheySay) {
  const std::string key = record_key({5, 9, 1}, "a");
  EXPECT_LE(record_bound({5, 9, 1}), key);
  EXPECT_GT(record_bound({5, 9, 2}), key);
  EXPECT_GT(record_bound({5, 9, kPositionEnd}), record_key({5, 9, kPositionEnd - 1}, "\xff\xff"));
  EXPECT_GT(record_bound({5, kSlotCount, 0}), record_key({5, kSlotCount - 1, 0}, "\xff"));
  std::string bound;
  encode_expiry_bound(5, {-1}, &bound);
  EXPECT_LE(bound, expiry_key(5, {-1}, 0, ""));
  EXPECT_GT(bound, expiry_key(5, {-2}, kSlotCount - 1, "\xff"));

  for (const Generation generation : {Generation{1}, Generation{255}, ~Generation{0}}) {
    const KeyRange records = record_range(generation);
    const KeyRange expiries = expiry_range(generation);
    const std::string last = record_key({generation, kSlotCount - 1, kPositionEnd - 1}, "\xff");
    EXPECT_LE(records.from, record_key({generation, 0, 0}, ""));
    EXPECT_GT(records.to, last);
    EXPECT_GT(records.from, record_key({generation - 1, kSlotCount - 1, kPositionEnd - 1}, "\xff"));
    EXPECT_LE(records.to, expiries.from);
    EXPECT_LE(expiries.from,
              expiry_key(generation, {std::numeric_limits<std::int64_t>::min()}, 0, ""));
    EXPECT_GT(expiries.to, expiry_key(generation, {std::numeric_limits<std::int64_t>::max()},
                                      kSlotCount - 1, "\xff"));
    EXPECT_LT(marker_key(), Bytes(records.from));
  }
  EXPECT_LE(record_range(1).to, record_key({2, 0, 0}, ""));
}

TEST(StoreFormat, RecordsReadBack) {
  io::Random random(2);
  for (int i = 0; i < 1000; ++i) {
    StoredRecord stored;
    const std::string value = random_key(random);
    stored.type = static_cast<std::uint8_t>(random.below(256));
    stored.encoding = static_cast<std::uint8_t>(random.below(2));
    stored.is_raw = random.chance_percent(50);
    if (random.chance_percent(50)) stored.expiry = Millis{static_cast<std::int64_t>(random.next())};
    if (stored.encoding == 1) stored.integer = static_cast<std::int64_t>(random.next());
    if (stored.encoding == 0) stored.value = value;
    const std::string bytes = record(stored);
    std::string header;
    append_record_header(stored, &header);
    EXPECT_EQ(bytes.substr(0, header.size()), header);
    auto found = decode_record(bytes);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->type, stored.type);
    EXPECT_EQ(found->encoding, stored.encoding);
    EXPECT_EQ(found->is_raw, stored.is_raw);
    EXPECT_EQ(found->expiry, stored.expiry);
    EXPECT_EQ(found->integer, stored.integer);
    EXPECT_EQ(found->value, stored.value);
  }
}

TEST(StoreFormat, ExpiryValuesReadBack) {
  for (const std::uint64_t object : {0ULL, 1ULL, 127ULL, 128ULL, ~0ULL, 1ULL << 63U}) {
    for (const bool is_of_field : {false, true}) {
      const ExpiryValue value{.object = object, .is_of_field = is_of_field};
      std::string bytes;
      append_expiry_value(value, &bytes);
      EXPECT_EQ(decode_expiry_value(bytes).value(), value);
      EXPECT_EQ(decode_expiry_value(bytes + '\0').error().code, Code::kCorrupt);
      bytes.pop_back();
      if (is_of_field) {
        EXPECT_EQ(decode_expiry_value(bytes).value().is_of_field, false);
      } else {
        EXPECT_EQ(decode_expiry_value(bytes).error().code, Code::kCorrupt);
      }
    }
  }
}

TEST(StoreFormat, MarkersReadBack) {
  io::Random random(3);
  for (int i = 0; i < 200; ++i) {
    Marker marker;
    marker.offset = random_number(random, 1ULL << 62U);
    marker.selected_db = static_cast<std::uint32_t>(random.next());
    marker.clock.count = static_cast<std::int64_t>(random.next());
    marker.hash_seed = random.next();
    marker.next_generation = 1000 + random_number(random, 1ULL << 62U);
    marker.next_object = random.next();
    for (std::uint32_t db = 0; db < 16; ++db) {
      if (random.chance_percent(60)) continue;
      Marker::Database database{db, 1 + db, {}};
      const std::uint64_t step = 1 + random.below(2000);
      for (std::uint64_t slot = random.below(step); slot < kSlotCount; slot += step) {
        const auto keys = static_cast<std::uint32_t>(1 + random_number(random, 0xFFFFFFFF));
        const auto expiring = static_cast<std::uint32_t>(random.below(keys + 1ULL));
        database.slots.push_back({static_cast<std::uint32_t>(slot), keys, expiring});
      }
      marker.databases.push_back(database);
    }
    const std::string bytes = encoded(marker);
    auto found = decode_marker(bytes);
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_EQ(found->databases.size(), marker.databases.size());
    EXPECT_EQ(found->next_object, marker.next_object);
    EXPECT_EQ(encoded(*found), bytes);
  }
}

// A whole marker of one database is small beside a checkpoint.
TEST(StoreFormat, AMarkerOfAllSlotsTakesThreeBytesASlot) {
  Marker marker;
  marker.next_generation = 2;
  marker.databases = {{0, 1, {}}};
  for (std::uint32_t slot = 0; slot < kSlotCount; ++slot)
    marker.databases[0].slots.push_back({slot, 60, 7});
  EXPECT_LT(encoded(marker).size(), 3 * kSlotCount + 64);
  EXPECT_EQ(decode_marker(encoded(marker))->databases[0].slots.size(), kSlotCount);
}

TEST(StoreFormat, RefusesWhatIsCutLongerOrChanged) {
  for (std::size_t bytes = 0; bytes < 16; ++bytes)
    EXPECT_EQ(decode_record_key(kRecordKey.substr(0, bytes)).error().code, Code::kCorrupt);
  for (std::size_t bytes = 0; bytes < 19; ++bytes)
    EXPECT_EQ(decode_expiry_key(kExpiryKey.substr(0, bytes)).error().code, Code::kCorrupt);
  for (std::size_t bytes = 0; bytes < 13; ++bytes) {
    EXPECT_EQ(decode_record(kText.substr(0, bytes)).error().code, Code::kCorrupt);
    EXPECT_EQ(decode_record(kNumber.substr(0, bytes)).error().code, Code::kCorrupt);
  }
  EXPECT_EQ(decode_record(kNumber + 'x').error().code, Code::kCorrupt);
  EXPECT_EQ(decode_record_key(kExpiryKey).error().code, Code::kCorrupt);
  EXPECT_EQ(decode_expiry_key(kRecordKey).error().code, Code::kCorrupt);
  for (std::size_t bytes = 0; bytes < kMarker.size(); ++bytes)
    EXPECT_EQ(decode_marker(kMarker.substr(0, bytes)).error().code, Code::kCorrupt);
  for (std::size_t bit = 0; bit < kMarker.size() * 8; ++bit) {
    std::string bytes = kMarker;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(decode_marker(bytes).error().code, Code::kCorrupt) << "bit " << bit;
  }
}

TEST(StoreFormat, RefusesTheUnknownEvenWhereItIsSound) {
  const auto changed = [](std::string bytes, std::size_t at, int to) {
    bytes[at] = static_cast<char>(to);
    return bytes;
  };
  EXPECT_NE(decode_record(changed(kText, 0, 4)).error().message.find("version 4"),
            std::string::npos);
  EXPECT_FALSE(decode_record(changed(kText, 2, 4)).ok()) << "flags";
  EXPECT_FALSE(decode_record(changed(kText, 3, 4)).ok()) << "encoding";
  EXPECT_FALSE(decode_record(changed(kText, 12, 1)).ok()) << "object";
  EXPECT_FALSE(decode_expiry_value(std::string("\x02\0", 2)).ok());
  EXPECT_FALSE(decode_expiry_value(std::string("\x01\x80\0", 3)).ok()) << "overlong";
  EXPECT_FALSE(decode_expiry_value("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02").ok());
  EXPECT_FALSE(decode_record_key(changed(kRecordKey, 9, 0x40)).ok()) << "slot 16384 and up";
  EXPECT_FALSE(decode_record_key(changed(kRecordKey, 11, 0x80)).ok()) << "position 2^39 and up";
  EXPECT_FALSE(decode_expiry_key(changed(kExpiryKey, 17, 0x40)).ok());

  const std::string body = kMarker.substr(0, kMarker.size() - 4);
  ASSERT_TRUE(decode_marker(sealed(body)).ok());
  EXPECT_NE(decode_marker(sealed(changed(body, 0, 2))).error().message.find("version 2"),
            std::string::npos);
  EXPECT_FALSE(decode_marker(sealed(body + '\0')).ok()) << "longer";
  EXPECT_FALSE(decode_marker(sealed(body.substr(0, body.size() - 1))).ok()) << "shorter";
  EXPECT_FALSE(decode_marker(sealed(changed(body, 24, 4))).ok()) << "generation not below the next";
  EXPECT_FALSE(decode_marker(sealed(changed(body, 24, 0))).ok()) << "generation 0";
  EXPECT_FALSE(decode_marker(sealed(changed(body, 27, 0))).ok()) << "a slot without keys";
  EXPECT_FALSE(decode_marker(sealed(changed(body, 28, 3))).ok()) << "more expiring than keys";
}

}  // namespace
}  // namespace diskdb::store
