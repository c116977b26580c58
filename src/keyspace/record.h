// keyspace/record.h — a resident key: header, expiry if any, key and small value in one allocation.
//
//     | header 16 B | expiry 8 B, if any | stored expiries 24 B, if any | key |
//     | value: 8-byte integer, bytes, a SharedBytes reference, or an Object's |
//
// A string has one of four forms: an integer, bytes in the record, bytes beside it, or, if it is
// long, an object of pages (value/long_string.h); keyspace/string_text.h reads them all.
//
// A tombstone is a record without value and expiry.
//
// Integers are kept as such, so that INCR changes eight bytes in place. Values above
// kInlineBytesMax, and keys above kInlineKeyBytesMax, live in SharedBytes of their own. A record is
// moved, never copied, when it outgrows its allocation; its table is told the new address by
// whoever asked (Table::replace).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/shared_bytes.h"
#include "base/units.h"
#include "keyspace/key.h"
#include "store/format.h"
#include "value/object.h"

namespace diskdb::keyspace {

/// Numbers are Redis's: DEBUG DIGEST hashes them.
enum class Type : std::uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kSortedSet = 3,
  kHash = 4,
  kModule = 5,  ///< a JSON document: tokens (types/json_token.h); Redis has it from a module
  kStream = 6,
};

enum class Encoding : std::uint8_t {
  kInteger,  ///< the value is an 8-byte signed integer
  kInline,   ///< the value's bytes follow the key
  kShared,   ///< the value is a SharedBytes
  kObject,   ///< the value is an Object: of all types but strings, and of long strings
};

/// How an object of this type is laid out.
value::Layout layout_of(Type type);

/// The id of an object as store/format.h has it.
inline store::PackedObjectId packed_id(value::ObjectId id) {
  return id.number * store::kSlotCount + id.birth_slot;
}
inline value::ObjectId object_id_of(store::PackedObjectId packed) {
  return {.birth_slot = static_cast<std::uint32_t>(packed % store::kSlotCount),
          .number = packed / store::kSlotCount};
}

constexpr std::size_t kInlineBytesMax = 4096;
constexpr std::size_t kInlineKeyBytesMax = 4096;
/// Where the counter of uses begins (keyspace/usage.h).
constexpr std::uint8_t kFrequencyInitial = 5;

/// A string value that is not in pages as its readers see it: an integer, or bytes.
struct StringView {
  bool is_integer = false;
  std::int64_t integer = 0;
  Bytes bytes;  ///< unless is_integer
};

/// Room to print an integer value into.
using IntegerText = char[24];

/// The text of `value`, in `scratch` if it is an integer.
Bytes text_of(const StringView& value, IntegerText& scratch);

/// The instants (Record::due) under which the store may have an entry for a key, since it changed:
/// in the last ingested checkpoint, and in one whose ingest has not been settled. The next
/// checkpoint deletes both entries.
struct StoredExpiries {
  std::optional<Millis> ingested;
  std::optional<Millis> unsettled;
  std::uint32_t unsettled_epoch = 0;  ///< of that checkpoint
};

/// Threads: shard-local.
class Record {
 public:
  /// A string record without expiry. `value` is stored as kInline or kShared by its size.
  static Record* create(const Key& key, Bytes value);
  static Record* create_integer(const Key& key, std::int64_t value);
  static Record* create_shared(const Key& key, SharedBytes value);
  /// What `source` holds, its expiry too, under another key; large values by reference. `object`:
  /// what it holds instead of the source's object. Requires: there is one if the source has one.
  static Record* copy_as(const Key& key, const Record& source, value::ObjectRef object = {});
  /// Does it own nothing outside of its allocation? So do small strings, and all tombstones of keys
  /// that are not long.
  bool is_plain() const { return encoding() <= Encoding::kInline && (flags_ & kLongKey) == 0; }
  /// The same once more. Requires: is_plain(). Cost: an allocation, and its bytes.
  static Record* copy_of(const Record& source);
  /// A value that is an object, without expiry.
  static Record* create_object(const Key& key, Type type, value::ObjectRef object);
  static void destroy(Record* record);

  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  Bytes key() const;
  bool has_key(Bytes key_bytes) const { return key() == key_bytes; }
  Type type() const { return static_cast<Type>(type_); }
  Encoding encoding() const { return static_cast<Encoding>(encoding_); }

  /// Is it a string in pages?
  bool is_paged() const { return encoding() == Encoding::kObject && type() == Type::kString; }
  /// Requires: a string, !is_paged().
  StringView string() const;
  /// Requires: a string.
  std::size_t string_length() const;
  std::int64_t integer() const;  ///< Requires: encoding() == kInteger.
  void set_integer(std::int64_t value);
  Bytes value_bytes() const;   ///< Requires: kInline or kShared.
  SharedBytes shared() const;  ///< One more holder of the value. Requires: kShared.

  /// Requires: kObject. Borrowed from the record, const or not.
  value::Object& object() const {
    ASSERT_SLOW(encoding() == Encoding::kObject);
    return *reinterpret_cast<value::Object*>(word_at(value_offset()));
  }

  bool has_expiry() const { return (flags_ & kHasExpiry) != 0; }
  /// Milliseconds since the epoch. Requires: has_expiry().
  Millis expiry() const;
  /// A hash of which a field may have an expiry?
  bool has_field_expiry() const {
    return encoding() == Encoding::kObject && object().field_expiry() != value::kNoFieldExpiry;
  }
  /// Before then neither the key nor a field of it expires. The store has an entry for that
  /// instant.
  std::optional<Millis> due() const;

  /// Redis's "raw" as opposed to "embstr": the value was edited in place once.
  bool is_raw() const { return (flags_ & kRaw) != 0; }
  void set_raw(bool raw) { set_flag(kRaw, raw); }

  /// May the store, or the checkpoint under way, have this key? Then its deletion must be stored.
  bool is_stored() const { return (flags_ & kStored) != 0; }
  void set_stored(bool stored) { set_flag(kStored, stored); }
  bool has_stored_expiries() const { return (flags_ & kHasStoredExpiries) != 0; }
  /// Empty ones if there are none.
  StoredExpiries stored_expiries() const;

  std::uint32_t epoch() const { return epoch_; }
  void set_epoch(std::uint32_t epoch) { epoch_ = epoch; }
  /// Seconds of the access clock, modulo 2^24.
  std::uint32_t accessed_at() const { return access_; }
  void set_accessed_at(std::uint32_t seconds) { access_ = seconds & 0xFFFFFF; }

  /// How often it is used, as Redis's LFU counts: see keyspace/usage.h.
  std::uint8_t frequency() const { return frequency_; }
  void set_frequency(std::uint8_t frequency) { frequency_ = frequency; }

  /// What this record costs, its SharedBytes or small Object included; a large one is accounted for
  /// by page (value::PageTotals).
  std::size_t allocated_bytes() const;

  // Edits that may move the record: the result is the record from now on, `record` is gone.
  // `value` must not lie in the record itself.
  static Record* with_string(Record* record, Bytes value);
  static Record* with_integer(Record* record, std::int64_t value);
  static Record* with_shared(Record* record, SharedBytes value);
  static Record* with_object(Record* record, Type type, value::ObjectRef object);
  static Record* with_expiry(Record* record, std::optional<Millis> expiry);
  static Record* with_stored_expiries(Record* record, const StoredExpiries& expiries);
  /// Takes its object away: it is an empty string then.
  static Record* without_object(Record* record, value::ObjectRef* object);
  /// What is left of it as a tombstone: no value, no expiry.
  static Record* with_nothing(Record* record);
  /// What `before`, a record of the same key, says of the store: is_stored(), stored_expiries().
  static Record* with_memory_of(Record* record, const Record& before);
  /// The value as `size` writable bytes, unshared: an integer becomes text, new bytes are zero.
  /// Requires: a string, !is_paged().
  static Record* with_writable(Record* record, std::size_t size, char** bytes);

 private:
  enum Flag : std::uint8_t {
    kHasExpiry = 1,
    kRaw = 2,
    kLongKey = 4,
    kStored = 8,
    kHasStoredExpiries = 16,
  };
  static constexpr std::size_t kStoredExpiriesBytes = 24;

  explicit Record(std::uint16_t capacity) : capacity_(capacity) {}
  ~Record() = default;

  static Record* create_bare(const Key& key, Encoding encoding, std::size_t value_size);
  static Record* allocate(std::size_t body_bytes);
  static void deallocate(Record* record);
  void take_header(const Record& other);
  static Record* reshape(Record* record, bool has_expiry, bool has_stored_expiries,
                         std::size_t value_size);
  static Record* resize(Record* record, std::size_t value_size) {
    return reshape(record, record->has_expiry(), record->has_stored_expiries(), value_size);
  }
  void set_flag(Flag flag, bool on) {
    flags_ = static_cast<std::uint8_t>(on ? flags_ | flag : flags_ & ~flag);
  }
  char* body() { return reinterpret_cast<char*>(this + 1); }
  const char* body() const { return reinterpret_cast<const char*>(this + 1); }
  std::size_t stored_expiries_offset() const { return has_expiry() ? 8 : 0; }
  std::size_t key_offset() const {
    return stored_expiries_offset() + (has_stored_expiries() ? kStoredExpiriesBytes : 0);
  }
  std::size_t value_offset() const { return key_offset() + key_size_; }
  char* value_place() { return body() + value_offset(); }
  std::uintptr_t word_at(std::size_t offset) const;
  void set_word_at(std::size_t offset, std::uintptr_t word);
  void drop_value();

  std::uint32_t epoch_ = 0;
  std::uint32_t access_ : 24 = 0;
  std::uint32_t flags_ : 8 = 0;
  std::uint16_t key_size_ = 0;    ///< bytes in the body: 8 if kLongKey
  std::uint16_t value_size_ = 0;  ///< bytes in the body
  std::uint16_t capacity_;        ///< of the body
  std::uint8_t type_ : 4 = 0;
  std::uint8_t encoding_ : 4 = 0;
  std::uint8_t frequency_ = kFrequencyInitial;
};
static_assert(sizeof(Record) == 16);

}  // namespace diskdb::keyspace
