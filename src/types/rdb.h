// types/rdb.h — a value as Redis's RDB files and DUMP payloads have it: a type byte and the value's
// bytes, and for DUMP behind them a version and a CRC-64.
//
// What Redis wrote in any version so far is read, its compact encodings (ziplists, listpacks,
// intsets, zipmaps, quicklists) taken apart into elements. What is written has the oldest form that
// Redis still reads without loss, so that a follower of any age understands it. Source of the
// format: Redis's rdb.h, ziplist.c, listpack.c and intset.c, as documented there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "keyspace/record.h"
#include "types/rdb_stream.h"

namespace diskdb::types {

/// A value taken apart.
struct RdbValue {
  keyspace::Type type = keyspace::Type::kString;
  std::string text;                   ///< of a string; of a JSON document: as JSON
  std::vector<std::string> elements;  ///< in order; of a hash: field, value, field, value, ...
  std::vector<double> scores;         ///< of a sorted set's elements
  std::vector<Millis> expiries;       ///< of a hash's fields, if any has one; 0: none
  RdbStream stream;
};

/// The newest version of RDB whose payloads are read: Redis 8's.
constexpr std::uint16_t kRdbVersionRead = 13;

/// What DUMP answers. Cost: all of the value, brought into memory.
std::string dump_value(const keyspace::Record& record, const value::ObjectUse& reading);

/// Do version and checksum behind the value fit? Requires nothing of the bytes.
bool is_dump_intact(Bytes payload);

/// The value in an intact payload. Errors: kCorrupt: no such value, or one without elements, or
/// with an element twice. Cost: its elements' bytes in memory, which bound what is believed of
/// counts.
Result<RdbValue> parse_dump(Bytes payload);

}  // namespace diskdb::types
