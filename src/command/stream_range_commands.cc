// XLEN, XRANGE, XREVRANGE.
#include <algorithm>
#include <cstdint>

#include "command/stream_commands.h"
#include "command/stream_edit.h"

namespace diskdb::command {

using keyspace::Record;
using keyspace::Type;
using value::StreamId;

namespace {

/// `first` and `last` are those of the interval, upwards.
Outcome range(CommandContext& cx, Bytes start, Bytes end, Arguments args, bool is_reversed) {
  StreamId first;
  StreamId last;
  TRY(streams::read_interval(cx, start, end, &first, &last));
  std::uint64_t count_max = UINT64_MAX;
  while (!args.is_empty()) {
    if (args.count() < 2 || !args.next_is("COUNT")) return Refusal::kSyntax;
    TRY_LET(const std::int64_t count, args.next_integer());
    count_max = static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
  }
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr) {
    cx.reply.array(0);
    return Outcome::done();
  }
  if (count_max == 0) {
    cx.reply.null_array();
    return Outcome::done();
  }
  const value::Stream stream = streams::stream_of(cx, *record);
  const types::EntryRange entries = types::entries_between(stream, first, last);
  const std::uint64_t count = std::min(entries.count(), count_max);
  cx.reply.array(count);
  if (count == 0) return Outcome::done();
  value::StreamEntries e = stream.entry_at(is_reversed ? entries.last - 1 : entries.first);
  for (std::uint64_t left = count;;) {
    streams::reply_entry(cx.reply, e);
    if (--left == 0) return Outcome::done();
    if (is_reversed) {
      e.previous();
    } else {
      e.next();
    }
  }
}

}  // namespace

namespace streams {

/// XLEN key — how many entries there are.
Outcome xlen(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  cx.reply.integer(record == nullptr ? 0
                                     : static_cast<std::int64_t>(stream_of(cx, *record).length()));
  return Outcome::done();
}

/// XRANGE key start end [COUNT count]
Outcome xrange(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes start = args.next();
  const Bytes end = args.next();
  return range(cx, start, end, args, false);
}

/// XREVRANGE key end start [COUNT count]
Outcome xrevrange(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes end = args.next();
  const Bytes start = args.next();
  return range(cx, start, end, args, true);
}

}  // namespace streams
}  // namespace diskdb::command
