// types/stream.h — what Redis means by a stream, above its representation (value/stream.h): ids as
// clients write them, what a trim removes, and how far a group has read. It replies nothing.
//
// Approximate trims. Redis keeps entries in nodes of up to stream-node-max-entries and an
// approximate trim removes whole nodes only. There are no nodes here; but where they would end
// follows from how many entries were added since the stream was last empty, as long as none is
// deleted out of the middle and none is so long that a node fills by its bytes. So trims stop where
// Redis's do, and are logged by what they left.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/number.h"
#include "base/units.h"
#include "value/stream.h"

namespace diskdb::types {

using value::StreamId;

/// The longest text of an id.
constexpr std::size_t kStreamIdTextBytesMax = 2 * kIntegerTextBytesMax + 1;

/// "1526919030474-55".
std::string format_stream_id(StreamId id);
/// Writes the same and returns how many bytes that took. Requires: room for kStreamIdTextBytesMax.
std::size_t format_stream_id(char* to, StreamId id);

/// An id as a client writes it.
struct WrittenId {
  StreamId id;
  bool has_sequence = false;    ///< not the milliseconds alone
  bool wants_sequence = false;  ///< "ms-*": any that is free
};
/// "ms-seq" or "ms", which means `missing_sequence`; numbers as strtoull reads them. Nothing if it
/// is no id.
std::optional<WrittenId> parse_written_id(Bytes text, std::uint64_t missing_sequence);
/// Without "ms-*".
std::optional<StreamId> parse_stream_id(Bytes text, std::uint64_t missing_sequence = 0);

/// The one after it, or before it; nothing if there is none.
std::optional<StreamId> next_of(StreamId id);
std::optional<StreamId> previous_of(StreamId id);

/// The end of an interval.
struct StreamBound {
  StreamId id;
  bool is_excluded = false;
};
/// An id, "(" and an id, "-" or "+".
std::optional<StreamBound> parse_stream_bound(Bytes text, std::uint64_t missing_sequence);

/// Entries [first, last), by index.
struct EntryRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t count() const { return last > first ? last - first : 0; }
};
/// Those with ids from `first` to `last`.
EntryRange entries_between(const value::Stream& stream, StreamId first, StreamId last);

/// The id that an entry gets: `written`, or the next one at `now`. Nothing if it would not be above
/// all others.
std::optional<StreamId> id_to_add(const value::Stream& stream,
                                  const std::optional<WrittenId>& written, Millis now);

struct Trim {
  enum class Kind : std::uint8_t { kNone, kLength, kMinimumId };
  Kind kind = Kind::kNone;
  bool is_approximate = false;
  std::uint64_t length_max = 0;
  StreamId minimum_id;
  std::uint64_t limit = 0;  ///< of an approximate one: entries at most; 0: none
};
/// How many entries from the first on the trim removes. `node_entries`: of a node that is full.
std::uint64_t count_to_trim(const value::Stream& stream, const Trim& trim,
                            std::uint64_t node_entries);

// ---- Groups

/// May ids from `from` on have been deleted between those that are there?
bool has_gaps_from(const value::Stream& stream, StreamId from);
/// How many entries were ever added up to and with this one; nothing if that cannot be told.
std::optional<std::uint64_t> count_added_up_to(const value::Stream& stream, StreamId id);
/// How many entries the group has yet to read; nothing if that cannot be told.
std::optional<std::int64_t> lag_of(const value::Stream& stream, const value::StreamGroup& group);
/// The group was given the entry at `index`, the next one behind all that it was given before.
void note_delivered(const value::Stream& stream, std::uint64_t index, StreamId id,
                    value::StreamGroup* group);

}  // namespace diskdb::types
