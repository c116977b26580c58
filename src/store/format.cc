#include "store/format.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/crc.h"

namespace diskdb::store {
namespace {

// What a key begins with. Persisted: append only, never renumber (docs/format/store.md).
constexpr char kMarkerKind = 0x00;
constexpr char kRecordKind = 0x01;
constexpr char kExpiryKind = 0x02;
constexpr char kPageKind = 0x03;

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::uint8_t kLongStringVersion = 2;  ///< of a record that is a string and an object
constexpr std::uint8_t kStreamVersion = 3;      ///< of a record that is a stream
constexpr std::uint8_t kExpiryVersion = 1;
constexpr char kOfField = 1;
constexpr std::uint8_t kMarkerVersion = 1;

constexpr std::uint8_t kHasExpiry = 1;
constexpr std::uint8_t kIsRaw = 2;
constexpr std::uint8_t kKnownFlags = kHasExpiry | kIsRaw;

constexpr std::uint8_t kStringType = 0;
constexpr std::uint8_t kStreamType = 6;
constexpr std::uint8_t kIntegerEncoding = 1;
constexpr std::uint8_t kObjectEncoding = 3;

constexpr std::size_t kCrcBytes = 4;
constexpr std::uint64_t kSignBit = 1ULL << 63U;

std::uint8_t version_of(const StoredRecord& record) {
  if (record.type == kStreamType) return kStreamVersion;
  const bool is_long_string = record.type == kStringType && record.encoding == kObjectEncoding;
  return is_long_string ? kLongStringVersion : kRecordVersion;
}

/// The lowest `bytes` bytes of `number`, the highest first, so that they sort as the number does.
void append_big_endian(std::uint64_t number, unsigned bytes, std::string* out) {
  char text[sizeof number];
  for (unsigned i = 0; i < bytes; ++i) text[i] = static_cast<char>(number >> (8 * (bytes - 1 - i)));
  out->append(text, bytes);
}

void append_little_endian(std::uint64_t number, unsigned bytes, std::string* out) {
  char text[sizeof number];
  for (unsigned i = 0; i < bytes; ++i) text[i] = static_cast<char>(number >> (8 * i));
  out->append(text, bytes);
}

/// Seven bits a byte, the lowest first; all but the last have the top bit set.
void append_varint(std::uint64_t number, std::string* out) {
  while (number >= 0x80) {
    out->push_back(static_cast<char>(number | 0x80U));
    number >>= 7U;
  }
  out->push_back(static_cast<char>(number));
}

/// An instant as a number that sorts like it, instants before 1970 too.
std::uint64_t sortable(Millis when) { return static_cast<std::uint64_t>(when.count) ^ kSignBit; }

/// Takes numbers off the front of bytes. Asked for more than there is, it gives 0 and has failed.
class Reader {
 public:
  explicit Reader(Bytes bytes) : left_(bytes) {}

  bool has_failed() const { return has_failed_; }
  Bytes rest() const { return left_; }

  std::uint8_t byte() { return static_cast<std::uint8_t>(little_endian(1)); }
  std::uint64_t big_endian(unsigned bytes) {
    std::uint64_t number = 0;
    for (const char c : take(bytes)) number = number << 8U | static_cast<unsigned char>(c);
    return number;
  }
  std::uint64_t little_endian(unsigned bytes) {
    std::uint64_t number = 0;
    unsigned shift = 0;
    for (const char c : take(bytes)) {
      number |= static_cast<std::uint64_t>(static_cast<unsigned char>(c)) << shift;
      shift += 8;
    }
    return number;
  }
  /// Fails, too, at a number that could be written shorter or is above `max`.
  std::uint64_t varint(std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t group = byte();
      const std::uint64_t low = group & 0x7FU;
      if (has_failed_ || low << shift >> shift != low) break;  // bits beyond the 64th
      number |= low << shift;
      if (group >= 0x80) continue;
      if ((group == 0 && shift > 0) || number > max) break;
      return number;
    }
    has_failed_ = true;
    return 0;
  }

 private:
  Bytes take(std::size_t bytes) {
    if (left_.size() < bytes || has_failed_) {
      has_failed_ = true;
      return {};
    }
    const Bytes taken = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return taken;
  }

  Bytes left_;
  bool has_failed_ = false;
};

Error corrupt(const char* what) { return {Code::kCorrupt, std::string("stored ") + what}; }

Error unknown_version(const char* what, std::uint8_t version) {
  return {Code::kCorrupt, std::string("stored ") + what + " of version " + std::to_string(version) +
                              ", which this DiskDB does not know"};
}

void append_generation_prefix(char kind, Generation generation, std::string* out) {
  out->push_back(kind);
  append_big_endian(generation, 8, out);
}

KeyRange range_of(char kind, Generation generation) {
  KeyRange range;
  append_generation_prefix(kind, generation, &range.from);
  if (generation == std::numeric_limits<Generation>::max()) {
    range.to.push_back(static_cast<char>(kind + 1));
  } else {
    append_generation_prefix(kind, generation + 1, &range.to);
  }
  return range;
}

}  // namespace

void encode_record_bound(const Place& place, std::string* out) {
  ASSERT(place.slot <= kSlotCount);
  ASSERT(place.position <= kPositionEnd);
  out->clear();
  append_generation_prefix(kRecordKind, place.generation, out);
  append_big_endian(place.slot, 2, out);
  append_big_endian(place.position, 5, out);
}

void encode_record_key(const Place& place, Bytes key, std::string* out) {
  ASSERT(place.slot < kSlotCount);
  ASSERT(place.position < kPositionEnd);
  encode_record_bound(place, out);
  out->append(key);
}

Result<RecordKey> decode_record_key(Bytes encoded) {
  Reader reader(encoded);
  const auto kind = static_cast<char>(reader.byte());
  RecordKey found;
  found.place.generation = reader.big_endian(8);
  found.place.slot = static_cast<std::uint32_t>(reader.big_endian(2));
  found.place.position = reader.big_endian(5);
  found.key = reader.rest();
  if (reader.has_failed() || kind != kRecordKind) return corrupt("key is none of a record");
  if (found.place.slot >= kSlotCount || found.place.position >= kPositionEnd) {
    return corrupt("record key lies in no slot");
  }
  return found;
}

void encode_expiry_bound(Generation generation, Millis when, std::string* out) {
  out->clear();
  append_generation_prefix(kExpiryKind, generation, out);
  append_big_endian(sortable(when), 8, out);
}

void encode_expiry_key(Generation generation, Millis when, std::uint32_t slot, Bytes key,
                       std::string* out) {
  ASSERT(slot < kSlotCount);
  encode_expiry_bound(generation, when, out);
  append_big_endian(slot, 2, out);
  out->append(key);
}

Result<ExpiryKey> decode_expiry_key(Bytes encoded) {
  Reader reader(encoded);
  const auto kind = static_cast<char>(reader.byte());
  ExpiryKey found;
  found.generation = reader.big_endian(8);
  found.when.count = static_cast<std::int64_t>(reader.big_endian(8) ^ kSignBit);
  found.slot = static_cast<std::uint32_t>(reader.big_endian(2));
  found.key = reader.rest();
  if (reader.has_failed() || kind != kExpiryKind) return corrupt("key is none of an expiry");
  if (found.slot >= kSlotCount) return corrupt("expiry key lies in no slot");
  return found;
}

bool is_looked_up(Bytes key) { return !key.empty() && key[0] != kExpiryKind; }

KeyRange record_range(Generation generation) { return range_of(kRecordKind, generation); }
KeyRange expiry_range(Generation generation) { return range_of(kExpiryKind, generation); }

KeyRange page_range(Generation generation) { return range_of(kPageKind, generation); }

namespace {

void encode_object_prefix(Generation generation, PackedObjectId object, std::string* out) {
  out->clear();
  append_generation_prefix(kPageKind, generation, out);
  append_big_endian(object % kSlotCount, 2, out);
  append_big_endian(object / kSlotCount, 8, out);
}

}  // namespace

void encode_page_key(Generation generation, PackedObjectId object, std::uint64_t page,
                     std::string* out) {
  encode_object_prefix(generation, object, out);
  append_big_endian(page, 6, out);
}

KeyRange object_range(Generation generation, PackedObjectId object) {
  KeyRange range;
  encode_object_prefix(generation, object, &range.from);
  // The next number of the same slot: no page lies between.
  encode_object_prefix(generation, object + kSlotCount, &range.to);
  return range;
}

Bytes marker_key() { return {&kMarkerKind, 1}; }

void append_record_header(const StoredRecord& record, std::string* out) {
  ASSERT(record.encoding <= kObjectEncoding);
  ASSERT((record.encoding == kObjectEncoding) == (record.object != 0));
  std::uint8_t flags = 0;
  if (record.expiry.has_value()) flags |= kHasExpiry;
  if (record.is_raw) flags |= kIsRaw;
  const char head[] = {static_cast<char>(version_of(record)), static_cast<char>(record.type),
                       static_cast<char>(flags), static_cast<char>(record.encoding)};
  out->append(head, sizeof head);
  if (record.expiry.has_value()) {
    append_little_endian(static_cast<std::uint64_t>(record.expiry->count), 8, out);
  }
  append_varint(record.object, out);
}

void append_record(const StoredRecord& record, std::string* out) {
  append_record_header(record, out);
  if (record.encoding == kIntegerEncoding) {
    append_little_endian(static_cast<std::uint64_t>(record.integer), 8, out);
  } else {
    out->append(record.value);
  }
}

Result<StoredRecord> decode_record(Bytes encoded) {
  Reader reader(encoded);
  const std::uint8_t version = reader.byte();
  if (reader.has_failed()) return corrupt("record is empty");
  if (version < kRecordVersion || version > kStreamVersion) {
    return unknown_version("record", version);
  }
  StoredRecord record;
  record.type = reader.byte();
  const std::uint8_t flags = reader.byte();
  record.encoding = reader.byte();
  if ((flags & ~kKnownFlags) != 0) return corrupt("record has unknown flags");
  record.is_raw = (flags & kIsRaw) != 0;
  if ((flags & kHasExpiry) != 0) {
    record.expiry = Millis{static_cast<std::int64_t>(reader.little_endian(8))};
  }
  record.object = reader.varint();
  if (record.encoding == kIntegerEncoding) {
    record.integer = static_cast<std::int64_t>(reader.little_endian(8));
    if (!reader.rest().empty()) return corrupt("record is too long");
  } else if (record.encoding <= kObjectEncoding) {
    record.value = reader.rest();
  } else {
    return corrupt("record has an unknown encoding");
  }
  if (reader.has_failed()) return corrupt("record is too short");
  if ((record.encoding == kObjectEncoding) != (record.object != 0)) {
    return corrupt("record is at odds with its object");
  }
  if (version_of(record) != version) {
    return corrupt("record is of another version than its value");
  }
  return record;
}

void append_expiry_value(const ExpiryValue& value, std::string* out) {
  out->push_back(static_cast<char>(kExpiryVersion));
  append_varint(value.object, out);
  if (value.is_of_field) out->push_back(kOfField);
}

Result<ExpiryValue> decode_expiry_value(Bytes encoded) {
  Reader reader(encoded);
  const std::uint8_t version = reader.byte();
  if (!reader.has_failed() && version != kExpiryVersion) return unknown_version("expiry", version);
  const PackedObjectId object = reader.varint();
  if (reader.has_failed()) return corrupt("expiry has the wrong length");
  const bool is_of_field = !reader.rest().empty();
  if (is_of_field && reader.rest() != Bytes(&kOfField, 1))
    return corrupt("expiry of an unknown kind");
  return ExpiryValue{.object = object, .is_of_field = is_of_field};
}

// ---- The marker.

namespace {

constexpr std::uint64_t kNumberMax = std::numeric_limits<std::uint32_t>::max();

void append_slots(const std::vector<SlotCount>& slots, std::string* out) {
  append_varint(slots.size(), out);
  std::uint32_t next = 0;  // the lowest that may follow
  for (const SlotCount& count : slots) {
    ASSERT(count.slot >= next && count.slot < kSlotCount);
    ASSERT(count.keys > 0 && count.expiring <= count.keys);
    append_varint(count.slot - next, out);
    append_varint(count.keys, out);
    append_varint(count.expiring, out);
    next = count.slot + 1;
  }
}

bool read_slots(Reader& reader, std::vector<SlotCount>& slots) {
  const std::uint64_t slot_count = reader.varint(kSlotCount);
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < slot_count; ++i) {
    SlotCount count;
    const std::uint64_t slot = next + reader.varint(kSlotCount);
    count.slot = static_cast<std::uint32_t>(slot);
    count.keys = static_cast<std::uint32_t>(reader.varint(kNumberMax));
    count.expiring = static_cast<std::uint32_t>(reader.varint(kNumberMax));
    if (reader.has_failed() || slot >= kSlotCount) return false;
    if (count.keys == 0 || count.expiring > count.keys) return false;
    slots.push_back(count);
    next = slot + 1;
  }
  return !reader.has_failed();
}

bool read_databases(Reader& reader, Marker& marker) {
  const std::uint64_t database_count = reader.varint();
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < database_count; ++i) {
    const std::uint64_t db = next + reader.varint(kNumberMax);
    Marker::Database& database = marker.databases.emplace_back();
    database.db = static_cast<std::uint32_t>(db);
    database.generation = reader.varint();
    if (reader.has_failed() || db > kNumberMax) return false;
    if (database.generation == 0 || database.generation >= marker.next_generation) return false;
    if (!read_slots(reader, database.slots)) return false;
    next = db + 1;
  }
  return !reader.has_failed() && reader.rest().empty();
}

}  // namespace

void append_marker(const Marker& marker, std::string* out) {
  const std::size_t begin = out->size();
  out->push_back(static_cast<char>(kMarkerVersion));
  append_varint(marker.offset, out);
  append_varint(marker.selected_db, out);
  append_little_endian(static_cast<std::uint64_t>(marker.clock.count), 8, out);
  append_little_endian(marker.hash_seed, 8, out);
  append_varint(marker.next_generation, out);
  append_varint(marker.next_object, out);
  append_varint(marker.databases.size(), out);
  std::uint64_t next = 0;
  for (const Marker::Database& database : marker.databases) {
    ASSERT(database.db >= next);
    ASSERT(database.generation > 0 && database.generation < marker.next_generation);
    append_varint(database.db - next, out);
    append_varint(database.generation, out);
    append_slots(database.slots, out);
    next = database.db + 1ULL;
  }
  append_little_endian(crc32c(Bytes(*out).substr(begin)), kCrcBytes, out);
}

Result<Marker> decode_marker(Bytes encoded) {
  if (encoded.size() <= kCrcBytes) return corrupt("marker is too short");
  const Bytes body = encoded.substr(0, encoded.size() - kCrcBytes);
  const std::uint64_t crc = Reader(encoded.substr(body.size())).little_endian(kCrcBytes);
  if (crc32c(body) != crc) return corrupt("marker does not fit its checksum");
  Reader reader(body);
  const std::uint8_t version = reader.byte();
  if (version != kMarkerVersion) return unknown_version("marker", version);
  Marker marker;
  marker.offset = reader.varint();
  marker.selected_db = static_cast<std::uint32_t>(reader.varint(kNumberMax));
  marker.clock.count = static_cast<std::int64_t>(reader.little_endian(8));
  marker.hash_seed = reader.little_endian(8);
  marker.next_generation = reader.varint();
  marker.next_object = reader.varint();
  if (!read_databases(reader, marker)) return corrupt("marker contradicts itself");
  return marker;
}

}  // namespace diskdb::store
