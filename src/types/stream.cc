#include "types/stream.h"

#include <algorithm>
#include <charconv>

namespace diskdb::types {

using value::kFirstStreamId;
using value::kLastStreamId;
using value::Stream;

namespace {

constexpr std::size_t kIdBytesMax = 127;

/// As strtoull reads a whole text: white space, a sign, which turns the number round, and digits.
std::optional<std::uint64_t> parse_unsigned(Bytes text) {
  if (const auto canonical = parse_integer(text)) {
    if (*canonical < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*canonical);
  }
  while (!text.empty() && is_space(text[0])) text.remove_prefix(1);
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return is_negative ? 0 - number : number;
}

}  // namespace

// ---- Ids

std::string format_stream_id(StreamId id) {
  char text[kStreamIdTextBytesMax];
  return {text, format_stream_id(text, id)};
}

std::size_t format_stream_id(char* to, StreamId id) {
  std::size_t size = format_unsigned(to, id.ms);
  to[size++] = '-';
  return size + format_unsigned(to + size, id.seq);
}

std::optional<WrittenId> parse_written_id(Bytes text, std::uint64_t missing_sequence) {
  if (text.size() > kIdBytesMax) return std::nullopt;
  text = text.substr(0, text.find('\0'));
  const std::size_t dash = text.find('-');
  const auto ms = parse_unsigned(text.substr(0, dash));
  if (!ms) return std::nullopt;
  if (dash == Bytes::npos) return WrittenId{.id = {*ms, missing_sequence}};
  const Bytes sequence = text.substr(dash + 1);
  if (sequence == "*") {
    return WrittenId{.id = {*ms, 0}, .has_sequence = true, .wants_sequence = true};
  }
  const auto seq = parse_unsigned(sequence);
  if (!seq) return std::nullopt;
  return WrittenId{.id = {*ms, *seq}, .has_sequence = true};
}

std::optional<StreamId> parse_stream_id(Bytes text, std::uint64_t missing_sequence) {
  const auto written = parse_written_id(text, missing_sequence);
  if (!written || written->wants_sequence) return std::nullopt;
  return written->id;
}

std::optional<StreamId> next_of(StreamId id) {
  if (id == kLastStreamId) return std::nullopt;
  return id.seq == UINT64_MAX ? StreamId{id.ms + 1, 0} : StreamId{id.ms, id.seq + 1};
}

std::optional<StreamId> previous_of(StreamId id) {
  if (id == kFirstStreamId) return std::nullopt;
  return id.seq == 0 ? StreamId{id.ms - 1, UINT64_MAX} : StreamId{id.ms, id.seq - 1};
}

std::optional<StreamBound> parse_stream_bound(Bytes text, std::uint64_t missing_sequence) {
  StreamBound bound;
  if (text == "-") return bound;
  if (text == "+") return StreamBound{.id = kLastStreamId};
  if (text.size() > 1 && text[0] == '(') {
    bound.is_excluded = true;
    text.remove_prefix(1);
  }
  const auto id = parse_stream_id(text, missing_sequence);
  if (!id) return std::nullopt;
  bound.id = *id;
  return bound;
}

// ---- Entries

EntryRange entries_between(const Stream& stream, StreamId first, StreamId last) {
  if (first > last) return {};
  return {stream.rank(first), stream.rank_behind(last)};
}

std::optional<StreamId> id_to_add(const Stream& stream, const std::optional<WrittenId>& written,
                                  Millis now) {
  const StreamId last = stream.extent().last_id;
  if (!written) {
    const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(now.count, 0));
    return ms > last.ms ? StreamId{ms, 0} : next_of(last);
  }
  StreamId id = written->id;
  if (written->wants_sequence && id.ms == last.ms) {
    if (last.seq == UINT64_MAX) return std::nullopt;
    id.seq = last.seq + 1;
  }
  return id > last ? std::optional(id) : std::nullopt;
}

std::uint64_t count_to_trim(const Stream& stream, const Trim& trim, std::uint64_t node_entries) {
  const std::uint64_t length = stream.length();
  std::uint64_t wanted = 0;
  if (trim.kind == Trim::Kind::kLength) {
    wanted = length - std::min(length, trim.length_max);
  } else if (trim.kind == Trim::Kind::kMinimumId) {
    wanted = stream.rank(trim.minimum_id);
  }
  if (!trim.is_approximate || wanted == 0) return wanted;
  if (trim.limit != 0) wanted = std::min(wanted, trim.limit);
  // What is left of the first node, then whole ones; the last may not be full.
  if (node_entries == 0) return wanted == length ? wanted : 0;
  const value::StreamExtent& extent = stream.extent();
  const std::uint64_t since = extent.added_count - extent.counted_from;
  const std::uint64_t passed = since - std::min(since, length);
  const std::uint64_t first_node = node_entries - passed % node_entries;
  if (wanted == length) return wanted;
  if (wanted < first_node) return 0;
  return first_node + (wanted - first_node) / node_entries * node_entries;
}

// ---- Groups

bool has_gaps_from(const Stream& stream, StreamId from) {
  const StreamId deleted = stream.extent().max_deleted_id;
  return stream.length() > 0 && deleted != kFirstStreamId && from <= deleted;
}

std::optional<std::uint64_t> count_added_up_to(const Stream& stream, StreamId id) {
  const value::StreamExtent& extent = stream.extent();
  if (extent.added_count == 0) return 0;
  if (stream.length() == 0 && id <= extent.last_id) return extent.added_count;
  if (id != kFirstStreamId && id < extent.max_deleted_id) return std::nullopt;
  if (id == extent.last_id) return extent.added_count;
  if (id > extent.last_id) return std::nullopt;
  const StreamId first = stream.id_at(0);
  if (extent.max_deleted_id == kFirstStreamId || extent.max_deleted_id < first) {
    if (id < first) return extent.added_count - stream.length();
    if (id == first) return extent.added_count - stream.length() + 1;
  }
  return std::nullopt;
}

std::optional<std::int64_t> lag_of(const Stream& stream, const value::StreamGroup& group) {
  const value::StreamExtent& extent = stream.extent();
  if (stream.length() == 0) return 0;
  const StreamId first = stream.id_at(0);
  if (group.last_id < first && extent.max_deleted_id < first) {
    return static_cast<std::int64_t>(stream.length());
  }
  const auto added = static_cast<std::int64_t>(extent.added_count);
  if (group.read_count != value::kUnknownReadCount && !has_gaps_from(stream, group.last_id)) {
    return added - group.read_count;
  }
  const auto read = count_added_up_to(stream, group.last_id);
  if (!read) return std::nullopt;
  return added - static_cast<std::int64_t>(*read);
}

void note_delivered(const Stream& stream, std::uint64_t index, StreamId id,
                    value::StreamGroup* group) {
  const bool has_begun = index > 0;  // with an entry that is there, or one behind the first
  if (group->read_count != value::kUnknownReadCount && has_begun &&
      !has_gaps_from(stream, group->last_id)) {
    ++group->read_count;
  } else if (stream.extent().added_count != 0) {
    const auto read = count_added_up_to(stream, id);
    group->read_count = read ? static_cast<std::int64_t>(*read) : value::kUnknownReadCount;
  }
  group->last_id = id;
}

}  // namespace diskdb::types
