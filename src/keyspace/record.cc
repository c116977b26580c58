#include "keyspace/record.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/number.h"
#include "base/slabs.h"

namespace diskdb::keyspace {
namespace {

constexpr std::size_t kWordBytes = sizeof(std::uintptr_t);
constexpr std::size_t kGrowthBytesMax = 1024 * 1024;
constexpr std::int64_t kNoExpiry = INT64_MIN;

Bytes view_of_word(std::uintptr_t word) {
  SharedBytes bytes = SharedBytes::from_word(word);
  const Bytes view = bytes.view();
  bytes.release_word();
  return view;
}

std::size_t cost_of_word(std::uintptr_t word) {
  SharedBytes bytes = SharedBytes::from_word(word);
  const std::size_t cost = bytes.allocated_bytes();
  bytes.release_word();
  return cost;
}

}  // namespace

value::Layout layout_of(Type type) {
  switch (type) {
    case Type::kString:
      return value::Layout::kChunks;
    case Type::kSet:
      return value::Layout::kMembers;
    case Type::kHash:
      return value::Layout::kPairs;
    case Type::kSortedSet:
      return value::Layout::kScores;
    case Type::kStream:
      return value::Layout::kStream;
    default:
      ASSERT(type == Type::kList || type == Type::kModule);
      return value::Layout::kSequence;
  }
}

Bytes text_of(const StringView& value, IntegerText& scratch) {
  if (!value.is_integer) return value.bytes;
  return {scratch, format_integer(scratch, value.integer)};
}

void Record::take_header(const Record& other) {
  epoch_ = other.epoch_;
  access_ = other.access_;
  flags_ = other.flags_;
  type_ = other.type_;
  encoding_ = other.encoding_;
  frequency_ = other.frequency_;
}

// Inlined: the header is written at once then, from registers.
[[gnu::always_inline]] inline Record* Record::allocate(std::size_t body_bytes) {
  const std::size_t total = slabs::block_size(sizeof(Record) + body_bytes);
  ASSERT(total - sizeof(Record) <= UINT16_MAX);
  return new (slabs::allocate(total)) Record(static_cast<std::uint16_t>(total - sizeof(Record)));
}

[[gnu::always_inline]] inline Record* Record::create_bare(const Key& key, Encoding encoding,
                                                          std::size_t value_size) {
  const bool is_long = key.bytes.size() > kInlineKeyBytesMax;
  const std::size_t key_size = is_long ? kWordBytes : key.bytes.size();
  Record* record = allocate(key_size + value_size);
  record->key_size_ = static_cast<std::uint16_t>(key_size);
  record->value_size_ = static_cast<std::uint16_t>(value_size);
  record->encoding_ = static_cast<std::uint8_t>(encoding) & 15;
  if (is_long) [[unlikely]] {
    record->set_flag(kLongKey, true);
    record->set_word_at(0, SharedBytes::copy_of(key.bytes).release_word());
  } else {
    std::memcpy(record->body(), key.bytes.data(), key_size);
  }
  return record;
}

Record* Record::create(const Key& key, Bytes value) {
  if (value.size() > kInlineBytesMax) return create_shared(key, SharedBytes::copy_of(value));
  Record* record = create_bare(key, Encoding::kInline, value.size());
  if (!value.empty()) std::memcpy(record->value_place(), value.data(), value.size());
  return record;
}

Record* Record::create_integer(const Key& key, std::int64_t value) {
  Record* record = create_bare(key, Encoding::kInteger, sizeof value);
  record->set_integer(value);
  return record;
}

Record* Record::create_shared(const Key& key, SharedBytes value) {
  Record* record = create_bare(key, Encoding::kShared, kWordBytes);
  record->set_word_at(record->value_offset(), value.release_word());
  return record;
}

Record* Record::create_object(const Key& key, Type type, value::ObjectRef object) {
  Record* record = create_bare(key, Encoding::kObject, kWordBytes);
  record->type_ = static_cast<std::uint8_t>(type) & 15;
  record->set_word_at(record->value_offset(), reinterpret_cast<std::uintptr_t>(object.release()));
  return record;
}

Record* Record::copy_of(const Record& source) {
  ASSERT_SLOW(source.is_plain());
  const std::size_t body_bytes = source.value_offset() + source.value_size_;
  Record* copy = allocate(body_bytes);
  copy->take_header(source);
  copy->key_size_ = source.key_size_;
  copy->value_size_ = source.value_size_;
  std::memcpy(copy->body(), source.body(), body_bytes);
  return copy;
}

void Record::destroy(Record* record) {
  if (!record->is_plain()) [[unlikely]] {
    record->drop_value();
    if ((record->flags_ & kLongKey) != 0)
      SharedBytes::from_word(record->word_at(record->key_offset()));
  }
  deallocate(record);
}

void Record::deallocate(Record* record) {
  const std::size_t total = sizeof(Record) + record->capacity_;
  record->~Record();
  slabs::release(record, total);
}

std::uintptr_t Record::word_at(std::size_t offset) const {
  std::uintptr_t word;
  std::memcpy(&word, body() + offset, sizeof word);
  return word;
}

void Record::set_word_at(std::size_t offset, std::uintptr_t word) {
  std::memcpy(body() + offset, &word, sizeof word);
}

// What the value refers to; whoever calls this gives the record another value, or destroys it.
void Record::drop_value() {
  if (encoding() == Encoding::kShared) SharedBytes::from_word(word_at(value_offset()));
  if (encoding() == Encoding::kObject) [[unlikely]] {
    object().drop();
    type_ = static_cast<std::uint8_t>(Type::kString);
  }
}

Bytes Record::key() const {
  if ((flags_ & kLongKey) != 0) [[unlikely]]
    return view_of_word(word_at(key_offset()));
  return {body() + key_offset(), key_size_};
}

StringView Record::string() const {
  if (encoding() == Encoding::kInteger)
    return {.is_integer = true, .integer = integer(), .bytes = {}};
  return {.is_integer = false, .integer = 0, .bytes = value_bytes()};
}

std::size_t Record::string_length() const {
  if (is_paged()) [[unlikely]]
    return object().extent().bytes;
  if (encoding() != Encoding::kInteger) return value_bytes().size();
  char text[24];
  return format_integer(text, integer());
}

std::int64_t Record::integer() const {
  ASSERT_SLOW(encoding() == Encoding::kInteger);
  std::int64_t value;
  std::memcpy(&value, body() + value_offset(), sizeof value);
  return value;
}

void Record::set_integer(std::int64_t value) {
  ASSERT_SLOW(encoding() == Encoding::kInteger);
  std::memcpy(value_place(), &value, sizeof value);
}

Bytes Record::value_bytes() const {
  ASSERT_SLOW(encoding() == Encoding::kInline || encoding() == Encoding::kShared);
  if (encoding() == Encoding::kShared) return view_of_word(word_at(value_offset()));
  return {body() + value_offset(), value_size_};
}

SharedBytes Record::shared() const {
  ASSERT(encoding() == Encoding::kShared);
  SharedBytes held = SharedBytes::from_word(word_at(value_offset()));
  SharedBytes another = held;
  held.release_word();
  return another;
}

Millis Record::expiry() const {
  ASSERT_SLOW(has_expiry());
  std::int64_t when;
  std::memcpy(&when, body(), sizeof when);
  return {when};
}

std::optional<Millis> Record::due() const {
  std::optional<Millis> due;
  if (has_expiry()) due = expiry();
  if (!has_field_expiry()) [[likely]]
    return due;
  const Millis field = object().field_expiry();
  return due ? std::min(*due, field) : field;
}

std::size_t Record::allocated_bytes() const {
  std::size_t bytes = sizeof(Record) + capacity_;
  if (encoding() == Encoding::kShared) bytes += cost_of_word(word_at(value_offset()));
  if (encoding() == Encoding::kObject && object().is_small()) bytes += object().bytes();
  if ((flags_ & kLongKey) != 0) bytes += cost_of_word(word_at(key_offset()));
  return bytes;
}

// Whether the record stays or moves, key and value travel as one run; what stands before them is
// written anew. A record that would use less than half of its allocation moves to a smaller one.
Record* Record::reshape(Record* record, bool has_expiry, bool has_stored_expiries,
                        std::size_t value_size) {
  const std::size_t prefix =
      (has_expiry ? 8 : 0) + (has_stored_expiries ? kStoredExpiriesBytes : 0);
  const std::size_t body_bytes = prefix + record->key_size_ + value_size;
  const std::size_t run_bytes =
      record->key_size_ + std::min<std::size_t>(record->value_size_, value_size);
  const bool fits = body_bytes <= record->capacity_ &&
                    (sizeof(Record) + body_bytes) * 2 >= sizeof(Record) + record->capacity_;
  const bool has_same_prefix = prefix == record->key_offset();
  if (fits && has_same_prefix) {
    record->value_size_ = static_cast<std::uint16_t>(value_size);
    return record;
  }
  char before[8 + kStoredExpiriesBytes];  // the prefix as it was
  std::memcpy(before, record->body(), record->key_offset());
  const std::size_t stored_before = record->stored_expiries_offset();
  const bool keeps_expiry = has_expiry && record->has_expiry();
  const bool keeps_stored = has_stored_expiries && record->has_stored_expiries();
  Record* result = record;
  if (!fits) {
    result = allocate(body_bytes);
    result->take_header(*record);
    result->key_size_ = record->key_size_;
  }
  std::memmove(result->body() + prefix, record->body() + record->key_offset(), run_bytes);
  result->set_flag(kHasExpiry, has_expiry);
  result->set_flag(kHasStoredExpiries, has_stored_expiries);
  result->value_size_ = static_cast<std::uint16_t>(value_size);
  if (keeps_expiry) std::memcpy(result->body(), before, 8);
  if (keeps_stored) {
    std::memcpy(result->body() + result->stored_expiries_offset(), before + stored_before,
                kStoredExpiriesBytes);
  }
  if (result != record) deallocate(record);
  return result;
}

Record* Record::with_string(Record* record, Bytes value) {
  if (value.size() > kInlineBytesMax) return with_shared(record, SharedBytes::copy_of(value));
  record->drop_value();
  record->encoding_ = static_cast<std::uint8_t>(Encoding::kInline) & 15;
  record = resize(record, value.size());
  if (!value.empty()) std::memcpy(record->value_place(), value.data(), value.size());
  return record;
}

Record* Record::with_integer(Record* record, std::int64_t value) {
  if (record->encoding() != Encoding::kInteger) {
    record->drop_value();
    record->encoding_ = static_cast<std::uint8_t>(Encoding::kInteger) & 15;
    record = resize(record, sizeof value);
  }
  record->set_integer(value);
  return record;
}

Record* Record::with_shared(Record* record, SharedBytes value) {
  record->drop_value();
  record->encoding_ = static_cast<std::uint8_t>(Encoding::kShared) & 15;
  record = resize(record, kWordBytes);
  record->set_word_at(record->value_offset(), value.release_word());
  return record;
}

Record* Record::with_object(Record* record, Type type, value::ObjectRef object) {
  record->drop_value();
  record->encoding_ = static_cast<std::uint8_t>(Encoding::kObject) & 15;
  record->type_ = static_cast<std::uint8_t>(type) & 15;
  record = resize(record, kWordBytes);
  record->set_word_at(record->value_offset(), reinterpret_cast<std::uintptr_t>(object.release()));
  return record;
}

Record* Record::with_expiry(Record* record, std::optional<Millis> expiry) {
  if (expiry.has_value() != record->has_expiry()) {
    record =
        reshape(record, expiry.has_value(), record->has_stored_expiries(), record->value_size_);
  }
  if (expiry) std::memcpy(record->body(), &expiry->count, sizeof expiry->count);
  return record;
}

StoredExpiries Record::stored_expiries() const {
  StoredExpiries expiries;
  if (!has_stored_expiries()) return expiries;
  std::int64_t times[2];
  const char* at = body() + stored_expiries_offset();
  std::memcpy(times, at, sizeof times);
  std::memcpy(&expiries.unsettled_epoch, at + sizeof times, sizeof expiries.unsettled_epoch);
  if (times[0] != kNoExpiry) expiries.ingested = Millis{times[0]};
  if (times[1] != kNoExpiry) expiries.unsettled = Millis{times[1]};
  return expiries;
}

Record* Record::with_stored_expiries(Record* record, const StoredExpiries& expiries) {
  const bool has_any = expiries.ingested || expiries.unsettled;
  if (has_any != record->has_stored_expiries()) {
    record = reshape(record, record->has_expiry(), has_any, record->value_size_);
  }
  if (!has_any) return record;
  const std::int64_t times[] = {expiries.ingested ? expiries.ingested->count : kNoExpiry,
                                expiries.unsettled ? expiries.unsettled->count : kNoExpiry};
  char* at = record->body() + record->stored_expiries_offset();
  std::memcpy(at, times, sizeof times);
  std::memcpy(at + sizeof times, &expiries.unsettled_epoch, sizeof expiries.unsettled_epoch);
  return record;
}

Record* Record::without_object(Record* record, value::ObjectRef* object) {
  *object = value::ObjectRef::of(record->object());
  return with_string(record, {});
}

Record* Record::with_nothing(Record* record) {
  record = with_string(record, {});
  record->set_raw(false);
  record->set_frequency(kFrequencyInitial);
  return with_expiry(record, std::nullopt);
}

Record* Record::with_memory_of(Record* record, const Record& before) {
  record->set_stored(before.is_stored());
  return with_stored_expiries(record, before.stored_expiries());
}

Record* Record::copy_as(const Key& key, const Record& source, value::ObjectRef object) {
  ASSERT((source.encoding() == Encoding::kObject) == static_cast<bool>(object));
  const bool is_shared = source.encoding() == Encoding::kShared;
  Record* copy = create_bare(key, source.encoding(), source.value_size_);
  if (is_shared) {
    copy->set_word_at(copy->value_offset(), source.shared().release_word());
  } else if (object) {
    copy->set_word_at(copy->value_offset(), reinterpret_cast<std::uintptr_t>(object.release()));
  } else {
    std::memcpy(copy->value_place(), source.body() + source.value_offset(), source.value_size_);
  }
  const bool is_long = (copy->flags_ & kLongKey) != 0;
  copy->take_header(source);
  // Whatever the store knows, it knows of the other key.
  for (const Flag flag : {kHasExpiry, kStored, kHasStoredExpiries}) copy->set_flag(flag, false);
  copy->set_flag(kLongKey, is_long);
  return source.has_expiry() ? with_expiry(copy, source.expiry()) : copy;
}

Record* Record::with_writable(Record* record, std::size_t size, char** bytes) {
  if (record->encoding() == Encoding::kInteger) {
    IntegerText text;
    const std::size_t length = format_integer(text, record->integer());
    record = with_string(record, {text, length});
  }
  const Bytes before = record->value_bytes();
  const std::size_t kept = std::min(before.size(), size);
  record->set_raw(true);
  if (record->encoding() == Encoding::kInline && size <= kInlineBytesMax) {
    record = resize(record, size);
    *bytes = record->value_place();
  } else {
    SharedBytes value;
    if (record->encoding() == Encoding::kShared) {
      value = SharedBytes::from_word(record->word_at(record->value_offset()));
      record->set_word_at(record->value_offset(), 0);
    }
    if (!value || !value.is_unique() || value.capacity() < size) {
      // What grew once grows again: leave room, as much as there is, up to a bound.
      const std::size_t spare = kept > 0 && size > kept ? std::min(size, kGrowthBytesMax) : 0;
      SharedBytes larger = SharedBytes::allocate(size, size + spare);
      std::memcpy(larger.writable(), before.data(), kept);
      value = std::move(larger);
    }
    value.set_size(size);
    *bytes = value.writable();
    if (record->encoding() != Encoding::kShared) {
      record->encoding_ = static_cast<std::uint8_t>(Encoding::kShared) & 15;
      record = resize(record, kWordBytes);
    }
    record->set_word_at(record->value_offset(), value.release_word());
  }
  if (size > kept) std::memset(*bytes + kept, 0, size - kept);
  return record;
}

}  // namespace diskdb::keyspace
