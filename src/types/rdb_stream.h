// types/rdb_stream.h — a stream as RDB has it: listpacks of up to a hundred entries, each with the
// names of its first entry's fields, then ids and counts, and groups with their consumers. All
// three versions are read; what is written is that of Redis 7.0, which misses only when a consumer
// was last active.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "types/rdb_bytes.h"
#include "value/stream.h"

namespace diskdb::types {

/// A stream taken apart.
struct RdbStream {
  using Names = std::shared_ptr<const std::vector<std::string>>;
  struct Entry {
    value::StreamId id;
    Names names;                     ///< null: they stand among the words
    std::vector<std::string> words;  ///< values, or name, value, name, value, ...

    /// Name, value, name, value, ...
    std::vector<Bytes> fields() const;
  };
  struct Pending {
    value::StreamId id;
    Millis delivered{};
    std::uint64_t delivery_count = 0;
  };
  struct Consumer {
    std::string name;
    value::StreamConsumer times;
    std::vector<value::StreamId> pending;
  };
  struct Group {
    std::string name;
    value::StreamGroup state;
    std::vector<Pending> pending;
    std::vector<Consumer> consumers;
  };
  std::vector<Entry> entries;
  std::uint64_t length = 0;  ///< as it says itself
  value::StreamExtent extent;
  bool has_read_counts = true;  ///< else they are estimated
  std::vector<Group> groups;
};

/// `version`: 1 to 3.
void read_stream(Reader& reader, unsigned version, RdbStream* stream);
/// Do its parts agree? Errors: kCorrupt.
Status check_stream(const RdbStream& stream);
/// Requires: check_stream(); an empty `stream`.
void fill_stream(const RdbStream& parts, value::Stream& stream);

/// As version 2.
void append_stream(const value::Stream& stream, std::string* out);

}  // namespace diskdb::types
