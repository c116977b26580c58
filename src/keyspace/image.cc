#include "keyspace/image.h"

namespace diskdb::keyspace {
namespace {

// The numbers that docs/format/store.md gives to encodings.
constexpr std::uint8_t kStoredBytes = 0;
constexpr std::uint8_t kStoredInteger = 1;

}  // namespace

Image image_of(const Record& record, bool is_gone) {
  Image image;
  image.key = record.key();
  image.is_gone = is_gone;
  image.stored_expiries = record.stored_expiries();
  if (is_gone) return image;
  if (record.has_expiry()) image.expiry = record.expiry();
  store::StoredRecord stored{.type = static_cast<std::uint8_t>(record.type()),
                             .encoding = kStoredBytes,
                             .is_raw = record.is_raw(),
                             .expiry = image.expiry,
                             .integer = 0,
                             .value = {}};
  switch (record.encoding()) {
    case Encoding::kInteger:
      stored.encoding = kStoredInteger;
      stored.integer = record.integer();
      break;
    case Encoding::kInline:
      stored.value = record.value_bytes();
      break;
    case Encoding::kShared:
      image.large = record.shared();
      store::append_record_header(stored, &image.record);
      return image;
  }
  store::append_record(stored, &image.record);
  return image;
}

Result<Record*> record_of(const Key& key, Bytes encoded, std::uint32_t epoch) {
  TRY_LET(const store::StoredRecord stored, store::decode_record(encoded));
  if (stored.type != static_cast<std::uint8_t>(Type::kString) || stored.encoding > kStoredInteger) {
    return {Code::kCorrupt, "the store holds a record of an unknown type or encoding"};
  }
  Record* record = stored.encoding == kStoredInteger ? Record::create_integer(key, stored.integer)
                                                     : Record::create(key, stored.value);
  if (stored.expiry) record = Record::with_expiry(record, *stored.expiry);
  record->set_raw(stored.is_raw);
  record->set_stored(true);
  record->set_epoch(epoch);
  return record;
}

}  // namespace diskdb::keyspace
