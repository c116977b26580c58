#include "keyspace/image.h"

#include <cstring>

namespace diskdb::keyspace {
namespace {

// The numbers that docs/format/store.md gives to encodings.
constexpr std::uint8_t kStoredBytes = 0;
constexpr std::uint8_t kStoredInteger = 1;
constexpr std::uint8_t kStoredPage = 2;
constexpr std::uint8_t kStoredObject = 3;

/// Nothing if the type is unknown.
std::optional<value::Layout> layout_of(std::uint8_t type) {
  switch (static_cast<Type>(type)) {
    case Type::kString:
    case Type::kList:
    case Type::kSet:
    case Type::kHash:
    case Type::kSortedSet:
    case Type::kModule:
    case Type::kStream:
      return keyspace::layout_of(static_cast<Type>(type));
    default:
      return std::nullopt;
  }
}

Result<Record*> object_record_of(const Key& key, const store::StoredRecord& stored) {
  const auto layout = layout_of(stored.type);
  if (!layout || stored.value.empty()) {
    return {Code::kCorrupt, "the store holds an object of an unknown type"};
  }
  const auto traits = static_cast<std::uint8_t>(stored.value[0]);
  if ((traits & value::kRetiredTrait) != 0) {
    return {Code::kCorrupt, "the store holds an object of a format that is no longer read"};
  }
  Bytes body = stored.value.substr(1);
  Millis field_expiry = value::kNoFieldExpiry;
  if (*layout == value::Layout::kPairs && (traits & value::kFieldExpiryTrait) != 0) {
    if (body.size() < sizeof field_expiry.count) {
      return {Code::kCorrupt, "the store holds a hash without its earliest expiry"};
    }
    std::memcpy(&field_expiry.count, body.data(), sizeof field_expiry.count);
    body.remove_prefix(sizeof field_expiry.count);
  }
  const auto make = [&]() -> Result<value::Object*> {
    if (stored.encoding == kStoredPage) {
      return value::Object::create_small(*layout, traits, body);
    }
    TRY_LET(const value::ObjectRoot root,
            value::decode_object_root(*layout, object_id_of(stored.object), body));
    return value::Object::create_large(*layout, traits, root);
  };
  TRY_LET(value::Object * object, make());
  object->set_field_expiry(field_expiry);
  return Record::create_object(key, static_cast<Type>(stored.type), value::ObjectRef(object));
}

void set_object(value::Object& object, store::StoredRecord* stored, Image* image,
                std::string* scratch) {
  scratch->push_back(static_cast<char>(object.traits()));
  if (object.layout() == value::Layout::kPairs &&
      (object.traits() & value::kFieldExpiryTrait) != 0) {
    const std::int64_t earliest = object.field_expiry().count;
    scratch->append(reinterpret_cast<const char*>(&earliest), sizeof earliest);
  }
  if (object.is_small()) {
    stored->encoding = kStoredPage;
    image->large = object.page_block();
  } else {
    stored->encoding = kStoredObject;
    object.set_stored();  // or it will be, by the checkpoint that has the image
    stored->object = packed_id(object.id());
    value::append_object_root(object.root(), scratch);
  }
}

}  // namespace

Image image_of(const Record& record, bool is_gone) {
  Image image;
  image.key = record.key();
  image.is_gone = is_gone;
  image.stored_expiries = record.stored_expiries();
  if (is_gone) return image;
  image.due = record.due();
  image.is_due_of_field = image.due && !(record.has_expiry() && record.expiry() == *image.due);
  store::StoredRecord stored{.type = static_cast<std::uint8_t>(record.type()),
                             .encoding = kStoredBytes,
                             .is_raw = record.is_raw(),
                             .expiry = {},
                             .integer = 0,
                             .value = {}};
  if (record.has_expiry()) stored.expiry = record.expiry();
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
    case Encoding::kObject: {
      std::string head;
      set_object(record.object(), &stored, &image, &head);
      if (stored.object != 0) image.object = value::ObjectRef::of(record.object());
      store::append_record_header(stored, &image.record);
      image.record += head;
      return image;
    }
  }
  store::append_record(stored, &image.record);
  return image;
}

Result<Record*> record_of(const Key& key, Bytes encoded, std::uint32_t epoch) {
  TRY_LET(const store::StoredRecord stored, store::decode_record(encoded));
  Record* record = nullptr;
  if (stored.encoding >= kStoredPage) {
    TRY_LET(record, object_record_of(key, stored));
  } else if (stored.type != static_cast<std::uint8_t>(Type::kString)) {
    return {Code::kCorrupt, "the store holds a record of an unknown type or encoding"};
  } else {
    record = stored.encoding == kStoredInteger ? Record::create_integer(key, stored.integer)
                                               : Record::create(key, stored.value);
  }
  if (stored.expiry) record = Record::with_expiry(record, *stored.expiry);
  record->set_raw(stored.is_raw);
  record->set_stored(true);
  record->set_epoch(epoch);
  return record;
}

}  // namespace diskdb::keyspace
