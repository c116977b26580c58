// store/format.h — the bytes of what RocksDB holds: keys, records, expiry entries, the marker.
// Normative: docs/format/store.md. Nothing here knows RocksDB, nor what a type means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"

namespace diskdb::store {

/// Of the tables of one database since its last FLUSHDB; never used twice. 0 is none.
using Generation = std::uint64_t;

constexpr std::uint32_t kSlotCount = 16384;  ///< of a database: Redis Cluster's

/// An object's number, times kSlotCount, plus the slot it was born in; 0: none. Never used twice.
using PackedObjectId = std::uint64_t;

constexpr std::uint64_t kPositionEnd = 1ULL << 39U;  ///< positions are below

/// Where a key stands: stored records are ordered by (generation, slot, position, key), which is
/// the order of SCAN.
struct Place {
  Generation generation = 0;
  std::uint32_t slot = 0;      ///< cluster slot, below kSlotCount
  std::uint64_t position = 0;  ///< in SCAN order inside the slot, below kPositionEnd
};

/// What a record says beside its key.
struct StoredRecord {
  std::uint8_t type = 0;  ///< the numbers of keyspace::Type
  /// 0: `value` is the value's bytes; 1: a 64-bit integer; 2: `value` is traits and a page; 3: it
  /// is traits and the roots of `object`, of a string with its size.
  std::uint8_t encoding = 0;
  bool is_raw = false;  ///< Redis's encoding "raw": edited in place once
  std::optional<Millis> expiry;
  std::int64_t integer = 0;   ///< encoding 1
  Bytes value = {};           ///< encodings 0, 2 and 3
  PackedObjectId object = 0;  ///< encoding 3
};

// ---- Keys. Each function replaces `*out`.

/// May it be looked up by itself? Expiry entries are only ever found by their order.
bool is_looked_up(Bytes key);

void encode_record_key(const Place& place, Bytes key, std::string* out);
/// The smallest key of a record at or behind `place`, whose slot or position may also be one past
/// the last.
void encode_record_bound(const Place& place, std::string* out);
struct RecordKey {
  Place place;
  Bytes key;
};
/// Borrows from `encoded`. Errors: kCorrupt.
Result<RecordKey> decode_record_key(Bytes encoded);

void encode_expiry_key(Generation generation, Millis when, std::uint32_t slot, Bytes key,
                       std::string* out);
/// The smallest key of an expiry entry at or behind `when`.
void encode_expiry_bound(Generation generation, Millis when, std::string* out);
struct ExpiryKey {
  Generation generation = 0;
  Millis when;
  std::uint32_t slot = 0;
  Bytes key;
};
/// Borrows from `encoded`. Errors: kCorrupt.
Result<ExpiryKey> decode_expiry_key(Bytes encoded);

/// The half-open ranges of keys that belong to `generation`: records, and expiry entries.
struct KeyRange {
  std::string from;
  std::string to;
};
KeyRange record_range(Generation generation);
KeyRange expiry_range(Generation generation);

/// A page of an object, which was made in a table of `generation`. Pages of an object are one
/// range.
void encode_page_key(Generation generation, PackedObjectId object, std::uint64_t page,
                     std::string* out);
KeyRange object_range(Generation generation, PackedObjectId object);
KeyRange page_range(Generation generation);

/// The one key of the marker. It sorts before all others.
Bytes marker_key();

// ---- Values. Each begins with a version byte.

/// The bytes before the value itself, so that large values need not be copied to be encoded.
void append_record_header(const StoredRecord& record, std::string* out);
/// Appends header and value.
void append_record(const StoredRecord& record, std::string* out);
/// Borrows from `encoded`. Errors: kCorrupt, also for a version this reader does not know.
Result<StoredRecord> decode_record(Bytes encoded);

/// The value of an expiry entry.
struct ExpiryValue {
  PackedObjectId object = 0;  ///< that the key holds, 0 for none
  bool is_of_field = false;   ///< the key stays, a field of the hash expires
  friend bool operator==(const ExpiryValue&, const ExpiryValue&) = default;
};
void append_expiry_value(const ExpiryValue& value, std::string* out);
Result<ExpiryValue> decode_expiry_value(Bytes encoded);

/// How many keys a cluster slot of a database has.
struct SlotCount {
  std::uint32_t slot = 0;
  std::uint32_t keys = 0;
  std::uint32_t expiring = 0;  ///< of them, with an expiry
};

/// Everything that is not in a key, as of the checkpoint's cut.
struct Marker {
  std::uint64_t offset = 0;        ///< C: the log goes on from here
  std::uint32_t selected_db = 0;   ///< at C, in the log
  Millis clock;                    ///< the wall clock at C
  std::uint64_t hash_seed = 0;     ///< of positions
  Generation next_generation = 1;  ///< all smaller ones are or were in use
  std::uint64_t next_object = 1;
  struct Database {
    std::uint32_t db = 0;
    Generation generation = 0;
    std::vector<SlotCount> slots;  ///< ascending, those with keys only
  };
  std::vector<Database> databases;  ///< ascending, those with keys only
};

/// Requires: slots and databases ascend strictly; no slot without keys; generations of databases
/// are neither 0 nor at or above the next.
void append_marker(const Marker& marker, std::string* out);
/// Errors: kCorrupt, also for a version this reader does not know.
Result<Marker> decode_marker(Bytes encoded);

}  // namespace diskdb::store
