// Pins the example of docs/format/log.md, byte for byte, written and read.
#include "log/format.h"

#include <gtest/gtest.h>

#include "io/sim_disk.h"
#include "log/segment_reader.h"

namespace diskdb::log {
namespace {

constexpr const char* kExample =
    "44 49 53 4b 44 4c 4f 47 01 00 00 00 00 00 00 00 "
    "11 22 33 44 55 66 77 88 07 00 00 00 00 00 00 00 "
    "e8 03 00 00 00 00 00 00 e8 03 00 00 00 00 00 00 "
    "00 68 e5 cf 8b 01 00 00 00 00 00 00 89 82 0a 79 "
    "6f 25 d4 b4 00 00 00 00 2c 00 00 00 00 00 00 00 "
    "11 22 33 44 55 66 77 88 e8 03 00 00 00 00 00 00 "
    "01 68 e5 cf 8b 01 00 00 e8 03 00 00 00 00 00 00 "
    "2a 32 0d 0a 24 36 0d 0a 53 45 4c 45 43 54 0d 0a "
    "24 31 0d 0a 30 0d 0a 2a 32 0d 0a 24 34 0d 0a 49 "
    "4e 43 52 0d 0a 24 31 0d 0a 61 0d 0a aa f1 cd b2 "
    "00 00 00 00 00 00 00 00 00 00 00 00 11 22 33 44 "
    "55 66 77 88 14 04 00 00 00 00 00 00 02 68 e5 cf "
    "8b 01 00 00 14 04 00 00 00 00 00 00 ";
constexpr Bytes kPayload = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n";

std::string example() {
  std::string bytes;
  for (const char* p = kExample; *p != '\0'; p += 3) {
    bytes += static_cast<char>(std::stoi(std::string(p, 2), nullptr, 16));
  }
  return bytes;
}

TEST(LogFormat, WritesTheExample) {
  SegmentHeader header;
  header.salt = 0x8877665544332211;
  header.sequence = 7;
  header.first_offset = 1000;
  header.attested = 1000;
  header.created_ms = 1'700'000'000'000;
  seal(header);
  BatchHeader batch{.payload_bytes = kPayload.size(),
                    .salt = header.salt,
                    .offset = 1000,
                    .time_ms = 1'700'000'000'001,
                    .attested = 1000};
  const Bytes parts[] = {kPayload.substr(0, 10), kPayload.substr(10)};
  seal(batch, parts);
  BatchHeader last{.salt = header.salt,
                   .offset = batch.end(),
                   .time_ms = 1'700'000'000'002,
                   .attested = batch.end()};
  seal(last, {});
  std::string bytes;
  for (const Bytes part : {bytes_of(header), bytes_of(batch), kPayload, bytes_of(last)})
    bytes += part;
  EXPECT_EQ(bytes, example());
}

TEST(LogFormat, ReadsTheExample) {
  io::SimDisk disk(1);
  disk.put("/d/f", example() + std::string(100, '\0'));
  auto file = disk.open("/d/f", io::OpenMode::kRead);
  auto reader = SegmentReader::open(**file, "/d/f");
  ASSERT_TRUE(reader.ok());
  ASSERT_EQ(reader->header_state(), HeaderState::kGood);
  EXPECT_EQ(reader->header().salt, 0x8877665544332211U);
  EXPECT_EQ(reader->header().sequence, 7U);
  EXPECT_EQ(reader->header().first_offset, 1000U);
  EXPECT_EQ(reader->header().attested, 1000U);
  EXPECT_EQ(reader->header().created_ms, 1'700'000'000'000);

  auto batch = reader->next();
  ASSERT_TRUE(batch->has_value());
  EXPECT_EQ((*batch)->payload, kPayload);
  EXPECT_EQ((*batch)->header.offset, 1000U);
  EXPECT_EQ((*batch)->header.time_ms, 1'700'000'000'001);
  EXPECT_EQ((*batch)->header.attested, 1000U);
  EXPECT_EQ((*batch)->position, 0x40U);
  auto last = reader->next();
  ASSERT_TRUE(last->has_value());
  EXPECT_TRUE((*last)->payload.empty());
  EXPECT_EQ((*last)->header.attested, 1044U);
  EXPECT_EQ((*last)->position, 0x9CU);
  EXPECT_FALSE(reader->next()->has_value());
}

TEST(LogFormat, ABitOfAHeaderOrBatchThatChangesIsNoticed) {
  const std::string good = example();
  for (std::size_t bit = 0; bit < 0x9C * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    io::SimDisk disk(1);
    disk.put("/d/f", bytes);
    auto file = disk.open("/d/f", io::OpenMode::kRead);
    auto reader = SegmentReader::open(**file, "/d/f");
    const bool is_good =
        reader->header_state() == HeaderState::kGood && reader->next()->has_value();
    EXPECT_FALSE(is_good) << "bit " << bit;
  }
}

TEST(LogFormat, SegmentNamesSortAndReadBack) {
  EXPECT_EQ(segment_name(7), "00000000000000000007.log");
  for (const std::uint64_t sequence :
       {0ULL, 1ULL, 9'999'999'999ULL, 4'611'686'018'427'387'904ULL}) {
    EXPECT_EQ(segment_sequence(segment_name(sequence)), sequence);
  }
  for (const char* name : {"7.log", "0000000000000000000x.log", "00000000000000000007.tmp", "lock",
                           "", "99999999999999999999.log", "00000000000000000007.log.cut"}) {
    EXPECT_FALSE(segment_sequence(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace diskdb::log
