// XREAD and XREADGROUP: entries behind given ids of several streams, and waiting for them. Each is
// run when it arrives and, if it finds nothing then, again by whoever lets entries appear; then it
// looks at the stream where that was. All who wait with XREAD get the entry, each in turn.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/stream_commands.h"
#include "command/stream_edit.h"

namespace diskdb::command {

using keyspace::Key;
using keyspace::Record;
using keyspace::Type;
using streams::GroupEdit;
using streams::StreamEdit;
using value::Stream;
using value::StreamId;

namespace {

struct ReadRequest {
  bool is_of_group = false;
  std::optional<Millis> until;                 ///< it waits; 0: for ever
  std::uint64_t count_max = UINT64_MAX;        ///< of each stream's entries
  std::uint64_t total_count_max = UINT64_MAX;  ///< of all entries
  std::uint64_t total_bytes_max = UINT64_MAX;  ///< of the reply: when it has so many it ends
  std::optional<Bytes> group;
  Bytes consumer;
  bool acknowledges = false;
  std::optional<std::int64_t> claim_idle_min_ms;
  std::size_t first_key = 0;  ///< its index among the request's words
  std::size_t stream_count = 0;
};

/// One stream that is asked for, and what there is.
struct Source {
  enum class What : std::uint8_t { kBehind, kLast, kNew, kHistory };
  const Key* key = nullptr;
  What what = What::kBehind;
  StreamId after;
  std::uint64_t first = 0;  ///< index of the first entry behind `after`, or of the last one
  bool has_any = false;
  std::uint64_t count_max = 0;  ///< of the entries that it is answered with
  std::optional<value::StreamGroup> group = std::nullopt;  ///< of a group's read
};

Answer<Millis> next_block(CommandContext& cx, Arguments& args) {
  const auto ms = parse_integer(args.next());
  if (!ms) return cx.refuse("ERR timeout is not an integer or out of range");
  if (*ms < 0) return cx.refuse("ERR timeout is negative");
  if (*ms == 0) return Millis{};
  std::int64_t until = 0;
  if (__builtin_add_overflow(cx.now().count, *ms, &until)) {
    return cx.refuse("ERR timeout is out of range");
  }
  return Millis{until};
}

/// The value of MAXCOUNT or MAXSIZE.
Answer<std::uint64_t> next_total(CommandContext& cx, Arguments& args, std::string_view option) {
  const auto total = parse_integer(args.next());
  if (!total || *total <= 0) {
    return cx.refuse("ERR " + std::string(option) + " must be a positive integer");
  }
  return static_cast<std::uint64_t>(*total);
}

Outcome read_request(CommandContext& cx, Arguments args, ReadRequest* request) {
  while (true) {
    if (args.is_empty()) return Refusal::kSyntax;
    const bool has_value = args.count() >= 2;
    if (has_value && args.next_is("BLOCK")) {
      TRY_LET(request->until, next_block(cx, args));
    } else if (has_value && args.next_is("COUNT")) {
      TRY_LET(const std::int64_t count, args.next_integer());
      request->count_max = count <= 0 ? UINT64_MAX : static_cast<std::uint64_t>(count);
    } else if (has_value && args.next_is("MAXCOUNT")) {
      TRY_LET(request->total_count_max, next_total(cx, args, "MAXCOUNT"));
    } else if (has_value && args.next_is("MAXSIZE")) {
      TRY_LET(request->total_bytes_max, next_total(cx, args, "MAXSIZE"));
    } else if (has_value && args.next_is("STREAMS")) {
      break;
    } else if (args.count() >= 3 && args.next_is("GROUP")) {
      if (!request->is_of_group) {
        return cx.refuse(
            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
      }
      request->group = args.next();
      request->consumer = args.next();
    } else if (args.next_is("NOACK")) {
      if (!request->is_of_group) {
        return cx.refuse(
            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
      }
      request->acknowledges = true;
    } else if (has_value && request->is_of_group && args.next_is("CLAIM")) {
      const auto idle = parse_integer(args.next());
      if (!idle) return cx.refuse("ERR min-idle-time is not an integer");
      if (*idle < 0) return cx.refuse("ERR min-idle-time must be a positive integer");
      request->claim_idle_min_ms = *idle;
    } else {
      return Refusal::kSyntax;
    }
  }
  if (args.count() % 2 != 0) {
    return cx.refuse(
        "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be "
        "specified.");
  }
  if (request->is_of_group && !request->group) {
    return cx.refuse("ERR Missing GROUP option for XREADGROUP");
  }
  if (request->count_max != UINT64_MAX && request->count_max > request->total_count_max) {
    return cx.refuse("ERR MAXCOUNT must be greater than or equal to COUNT");
  }
  request->stream_count = args.count() / 2;
  request->first_key = cx.words.size() - args.count();
  return Outcome::done();
}

/// Null if the request is run for the sake of another key.
const Key* key_of(const CommandContext& cx, Bytes name) {
  const auto at = std::ranges::find_if(cx.keys, [&](const Key& key) { return key.bytes == name; });
  return at == cx.keys.end() ? nullptr : &*at;
}

/// `record`: null if there is no such key.
Outcome read_source(CommandContext& cx, const ReadRequest& request, Bytes id_text,
                    const Record* record, Source* source) {
  const value::StreamExtent* extent = nullptr;
  std::optional<Stream> stream;
  if (record != nullptr) extent = &stream.emplace(streams::stream_of(cx, *record)).extent();
  if (request.is_of_group) {
    if (stream) source->group = stream->find_group(*request.group);
    if (!source->group) {
      return cx.refuse("NOGROUP No such key '" + std::string(as_c_string(source->key->bytes)) +
                       "' or consumer group '" + std::string(as_c_string(*request.group)) +
                       "' in XREADGROUP with GROUP option");
    }
  }
  if (id_text == "$") {
    if (request.is_of_group) {
      return cx.refuse(
          "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history "
          "of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ "
          "ID would just return an empty result set.");
    }
    if (extent != nullptr) source->after = extent->last_id;
  } else if (id_text == "+" && !request.is_of_group) {
    source->what = Source::What::kLast;
    if (extent != nullptr) source->after = extent->last_id;
  } else if (id_text == ">" && !request.is_of_group) {
    return cx.refuse(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
        "<consumer> option.");
  } else {
    // In Redis ">" is the last of all ids, and that id another word for it.
    const auto id = id_text == ">" ? value::kLastStreamId : types::parse_stream_id(id_text);
    if (!id) return streams::refuse_id(cx);
    source->after = *id;
    if (request.is_of_group) {
      const bool is_new = *id == value::kLastStreamId;
      source->what = is_new ? Source::What::kNew : Source::What::kHistory;
      if (is_new) source->after = source->group->last_id;
    }
  }
  if (!stream) return Outcome::done();
  source->count_max = source->what == Source::What::kLast ? 1 : request.count_max;
  switch (source->what) {
    case Source::What::kHistory:
      source->has_any = true;
      break;
    case Source::What::kLast:
      source->has_any = stream->length() > 0;
      if (source->has_any) source->first = stream->length() - 1;
      break;
    case Source::What::kNew:
      if (request.claim_idle_min_ms) {
        for (value::StreamWalk walk = stream->pending(source->group->number);
             !source->has_any && !walk.is_at_end(); walk.next()) {
          const value::StreamPending pending = walk.pending();
          source->has_any = pending.consumer == 0 ||
                            cx.now().count - pending.delivered.count >= *request.claim_idle_min_ms;
        }
      }
      [[fallthrough]];
    case Source::What::kBehind:
      source->first = stream->rank_behind(source->after);
      source->has_any = source->has_any || source->first < stream->length();
      break;
  }
  return Outcome::done();
}

Outcome read_sources(CommandContext& cx, const ReadRequest& request, std::vector<Source>* sources) {
  for (std::size_t i = 0; i < request.stream_count; ++i) {
    Source source;
    source.key = key_of(cx, cx.words[request.first_key + i]);
    if (source.key == nullptr) continue;
    TRY_LET(const Record* record, cx.keyspace.find(*source.key, Type::kStream));
    const Bytes id_text = cx.words[request.first_key + request.stream_count + i];
    TRY(read_source(cx, request, id_text, record, &source));
    sources->push_back(source);
  }
  return Outcome::done();
}

/// As it is run again: behind the ids that were the last when it came.
void wait_for_entries(CommandContext& cx, const ReadRequest& request,
                      const std::vector<Source>& sources) {
  static_cast<void>(cx.wait_for(Type::kStream, *request.until, cx.keys.size()));
  if (!cx.wait) return;
  cx.wait->sees_deletion = request.is_of_group;
  if (request.is_of_group || sources.size() != request.stream_count) return;
  cx.wait->words.assign(cx.words.begin(), cx.words.end());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::size_t at = request.first_key + request.stream_count + i;
    cx.wait->words[at] = types::format_stream_id(sources[i].after);
  }
}

// ---- Replies. Entries have two parts each, or four if some may be claimed.

void begin_streams(resp::Reply& reply, std::size_t count) {
  if (reply.dialect() == resp::Dialect::kResp3) {
    reply.map(count);
  } else {
    reply.array(count);
  }
}

void begin_stream(resp::Reply& reply, Bytes key) {
  if (reply.dialect() != resp::Dialect::kResp3) reply.array(2);
  reply.bulk(key);
}

void reply_entries(CommandContext& cx, const Source& source) {
  const Record* record = cx.keyspace.peek(*source.key);
  const Stream stream = streams::stream_of(cx, *record);
  const std::uint64_t count = std::min(stream.length() - source.first, source.count_max);
  cx.reply.array(count);
  value::StreamEntries e = stream.entry_at(source.first);
  for (std::uint64_t i = 0; i < count; ++i, e.next()) streams::reply_entry(cx.reply, e);
}

/// The ids from a walk over what is pending with a consumer.
std::vector<StreamId> take_ids(value::StreamWalk walk, std::uint64_t count_max) {
  std::vector<StreamId> ids;
  for (; ids.size() < count_max && !walk.is_at_end(); walk.next()) ids.push_back(walk.id());
  return ids;
}

/// What is pending with the consumer, delivered once more. Of what is gone only the id.
void reply_history(CommandContext& cx, const Source& source, const ReadRequest& request) {
  StreamEdit edit(cx, *source.key);
  GroupEdit group(cx, edit, *source.key, *request.group, *source.group, request.consumer);
  const Stream& stream = edit.stream();
  std::vector<StreamId> ids;
  if (const auto from = types::next_of(source.after)) {
    ids = take_ids(group.owned(*from), source.count_max);
  }
  cx.reply.array(ids.size());
  for (const StreamId id : ids) {
    if (!stream.contains(id)) {
      cx.reply.array(2);
      streams::reply_id(cx.reply, id);
      cx.reply.null_array();
      continue;
    }
    const auto pending = stream.find_pending(group.number(), id);
    group.take(id, cx.now(), pending->delivery_count + 1);
    value::StreamEntries entry = stream.entry_at(stream.rank(id));
    streams::reply_entry(cx.reply, entry);
  }
  if (!ids.empty()) group.note_active();
  group.finish();
}

struct Idle {
  StreamId id;
  value::StreamPending pending;
};

/// What has been pending for so long, the longest first; nothing if that was not asked for.
std::vector<Idle> find_idle(CommandContext& cx, const Stream& stream, const Source& source,
                            const ReadRequest& request) {
  std::vector<Idle> idle;
  if (!request.claim_idle_min_ms) return idle;
  for (value::StreamWalk walk = stream.pending(source.group->number); !walk.is_at_end();
       walk.next()) {
    const Idle one{walk.id(), walk.pending()};
    const bool suits = one.pending.consumer == 0 ||
                       cx.now().count - one.pending.delivered.count >= *request.claim_idle_min_ms;
    if (suits && stream.contains(one.id)) idle.push_back(one);
  }
  std::ranges::stable_sort(idle, {}, [](const Idle& one) { return one.pending.delivered.count; });
  if (idle.size() > source.count_max) idle.resize(source.count_max);
  return idle;
}

void reply_with_delivery(CommandContext& cx, value::StreamEntries& entry, std::int64_t idle_ms,
                         std::uint64_t delivery_count) {
  cx.reply.array(4);
  streams::reply_id(cx.reply, entry.id());
  streams::reply_fields(cx.reply, entry.fields());
  cx.reply.integer(std::max<std::int64_t>(idle_ms, 0));
  cx.reply.integer(static_cast<std::int64_t>(delivery_count));
}

/// What nobody of the group has got yet, behind what others left lying for too long.
void reply_new(CommandContext& cx, const Source& source, const ReadRequest& request) {
  StreamEdit edit(cx, *source.key);
  GroupEdit group(cx, edit, *source.key, *request.group, *source.group, request.consumer);
  const Stream& stream = edit.stream();
  const std::vector<Idle> idle = find_idle(cx, stream, source, request);
  const std::uint64_t count =
      std::min(stream.length() - source.first, source.count_max - idle.size());
  cx.reply.array(idle.size() + count);
  for (const Idle& one : idle) {
    value::StreamEntries entry = stream.entry_at(stream.rank(one.id));
    reply_with_delivery(cx, entry, cx.now().count - one.pending.delivered.count,
                        one.pending.delivery_count);
  }
  std::vector<StreamId> ids;
  ids.reserve(count);
  value::StreamEntries e = stream.entry_at(source.first);
  for (std::uint64_t i = 0; i < count; ++i, e.next()) {
    ids.push_back(e.id());
    if (request.claim_idle_min_ms) {
      reply_with_delivery(cx, e, 0, 0);
    } else {
      streams::reply_entry(cx.reply, e);
    }
  }
  for (const Idle& one : idle) group.take(one.id, cx.now(), one.pending.delivery_count + 1);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] > group.group().last_id) group.note_delivered(source.first + i, ids[i]);
    if (!request.acknowledges) group.take(ids[i], cx.now(), 1);
  }
  if (!ids.empty() || !idle.empty()) group.note_active();
  group.finish();
}

/// A consumer that asks in vain is created, and was seen.
void note_consumers(CommandContext& cx, const ReadRequest& request,
                    const std::vector<Source>& sources) {
  for (const Source& source : sources) {
    StreamEdit edit(cx, *source.key);
    GroupEdit(cx, edit, *source.key, *request.group, *source.group, request.consumer).finish();
  }
}

// ---- MAXCOUNT and MAXSIZE

constexpr std::uint64_t kReplyBytesMin = 9;  ///< of an entry: "$3", "0-1" and ends of lines

/// What a stream would be answered with.
std::vector<StreamId> ids_of(CommandContext& cx, const ReadRequest& request, const Source& source,
                             const Stream& stream) {
  std::vector<StreamId> ids;
  if (source.what == Source::What::kHistory) {
    const auto from = types::next_of(source.after);
    const auto consumer = stream.find_consumer(source.group->number, request.consumer);
    if (!from || !consumer) return ids;
    return take_ids(stream.owned(source.group->number, consumer->number, *from), source.count_max);
  }
  for (const Idle& one : find_idle(cx, stream, source, request)) ids.push_back(one.id);
  value::StreamEntries e = stream.entry_at(source.first);
  for (std::uint64_t i = source.first; ids.size() < source.count_max && i < stream.length(); ++i) {
    ids.push_back(e.id());
    e.next();
  }
  return ids;
}

/// Shares out among the streams, in their order, what the reply may hold as a whole. The first
/// entry is given however long it is; streams for which nothing is left are left out.
void share_out(CommandContext& cx, const ReadRequest& request, std::vector<Source>* sources) {
  resp::StringOutput text;  // the reply as it will be, as far as its length goes
  resp::Reply reply(text, cx.reply.dialect() == resp::Dialect::kResp3 ? resp::Dialect::kResp3
                                                                      : resp::Dialect::kResp2);
  std::uint64_t given = 0;
  const auto is_full = [&] {
    return given >= request.total_count_max ||
           (given > 0 && text.size() >= request.total_bytes_max);
  };
  for (Source& source : *sources) {
    source.has_any = source.has_any && !is_full();
    if (!source.has_any) continue;
    begin_stream(reply, source.key->bytes);
    const Stream stream = streams::stream_of(cx, *cx.keyspace.peek(*source.key));
    source.count_max = std::min({source.count_max, request.total_count_max - given,
                                 request.total_bytes_max / kReplyBytesMin + 1});
    std::uint64_t count = 0;
    for (const StreamId id : ids_of(cx, request, source, stream)) {
      if (is_full()) break;
      ++count;
      ++given;
      if (request.total_bytes_max == UINT64_MAX) continue;
      if (!stream.contains(id)) {
        streams::reply_id(reply, id);
        continue;
      }
      value::StreamEntries entry = stream.entry_at(stream.rank(id));
      streams::reply_entry(reply, entry);
    }
    source.count_max = count;
  }
}

Outcome read_or_wait(CommandContext& cx, Arguments args, bool is_of_group) {
  ReadRequest request;
  request.is_of_group = is_of_group;
  TRY(read_request(cx, args, &request));
  std::vector<Source> sources;
  TRY(read_sources(cx, request, &sources));
  if (request.total_count_max != UINT64_MAX || request.total_bytes_max != UINT64_MAX) {
    share_out(cx, request, &sources);
  }
  const auto count = static_cast<std::size_t>(std::ranges::count_if(sources, &Source::has_any));
  if (count == 0) {
    if (is_of_group) note_consumers(cx, request, sources);
    if (request.until) {
      wait_for_entries(cx, request, sources);
    } else {
      cx.reply.null_array();
    }
    return Outcome::done();
  }
  begin_streams(cx.reply, count);
  for (const Source& source : sources) {
    if (!source.has_any) continue;
    begin_stream(cx.reply, source.key->bytes);
    switch (source.what) {
      case Source::What::kBehind:
      case Source::What::kLast:
        reply_entries(cx, source);
        break;
      case Source::What::kHistory:
        reply_history(cx, source, request);
        break;
      case Source::What::kNew:
        reply_new(cx, source, request);
        break;
    }
  }
  return Outcome::done();
}

}  // namespace

namespace streams {

/// XREAD [COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK ms] STREAMS key [key ...] id [id
/// ...]
Outcome xread(CommandContext& cx, Arguments args) { return read_or_wait(cx, args, false); }

/// XREADGROUP GROUP group consumer [COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK ms]
/// [CLAIM min-idle-time] [NOACK] STREAMS key [key ...] id [id ...]
Outcome xreadgroup(CommandContext& cx, Arguments args) { return read_or_wait(cx, args, true); }

}  // namespace streams
}  // namespace diskdb::command
