#include "command/stream_edit.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/number.h"
#include "command/config.h"
#include "command/services.h"

namespace diskdb::command::streams {

using types::format_stream_id;
using value::Stream;

// ---- Arguments

Outcome refuse_id(CommandContext& cx) {
  return cx.refuse("ERR Invalid stream ID specified as stream command argument");
}

Outcome refuse_group(CommandContext& cx, Bytes key, Bytes group) {
  return cx.refuse("NOGROUP No such key '" + std::string(as_c_string(key)) +
                   "' or consumer group '" + std::string(as_c_string(group)) + "'");
}

Outcome read_id(CommandContext& cx, Arguments& args, StreamId* id, std::uint64_t missing_sequence) {
  const auto parsed = types::parse_stream_id(args.next(), missing_sequence);
  if (!parsed) return refuse_id(cx);
  *id = *parsed;
  return Outcome::done();
}

Outcome read_interval(CommandContext& cx, Bytes start, Bytes end, StreamId* first, StreamId* last) {
  const auto from = types::parse_stream_bound(start, 0);
  if (!from) return refuse_id(cx);
  const auto above = from->is_excluded ? types::next_of(from->id) : from->id;
  if (!above) return cx.refuse("ERR invalid start ID for the interval");
  const auto to = types::parse_stream_bound(end, UINT64_MAX);
  if (!to) return refuse_id(cx);
  const auto below = to->is_excluded ? types::previous_of(to->id) : to->id;
  if (!below) return cx.refuse("ERR invalid end ID for the interval");
  *first = *above;
  *last = *below;
  return Outcome::done();
}

Outcome read_counted_ids(CommandContext& cx, Arguments& args, std::vector<StreamId>* ids) {
  if (args.is_empty()) return Refusal::kSyntax;
  const auto count = parse_integer(args.next());
  if (!count || *count <= 0) return cx.refuse("ERR Number of IDs must be a positive integer");
  if (static_cast<std::uint64_t>(*count) > args.count()) {
    return cx.refuse("ERR The `numids` parameter must match the number of arguments");
  }
  ids->resize(static_cast<std::size_t>(*count));
  for (StreamId& id : *ids) TRY(read_id(cx, args, &id));
  return Outcome::done();
}

std::uint64_t node_entries_max(const CommandContext& cx) {
  const Settings& settings = cx.services.config.settings();
  return static_cast<std::uint64_t>(
      settings.stream_node_entries_max.load(std::memory_order_relaxed));
}

// ---- References

bool next_is_references(Arguments& args, References* references) {
  if (args.next_is("KEEPREF")) {
    *references = References::kKeep;
  } else if (args.next_is("DELREF")) {
    *references = References::kDelete;
  } else if (args.next_is("ACKED")) {
    *references = References::kMustBeAcked;
  } else {
    return false;
  }
  return true;
}

std::vector<NamedGroup> groups_of(const Stream& stream) {
  std::vector<NamedGroup> groups;
  for (value::StreamWalk walk = stream.groups(); !walk.is_at_end(); walk.next()) {
    groups.push_back({std::string(walk.name()), walk.group()});
  }
  return groups;
}

std::vector<NamedConsumer> consumers_of(const Stream& stream, std::uint64_t group) {
  std::vector<NamedConsumer> consumers;
  for (value::StreamWalk walk = stream.consumers(group); !walk.is_at_end(); walk.next()) {
    consumers.push_back({std::string(walk.name()), walk.consumer()});
  }
  return consumers;
}

bool is_needed(const Stream& stream, std::span<const NamedGroup> groups, StreamId id) {
  return std::ranges::any_of(groups, [&](const NamedGroup& one) {
    return id > one.group.last_id || stream.find_pending(one.group.number, id).has_value();
  });
}

bool erase_references(Stream& stream, std::span<const NamedGroup> groups, StreamId id) {
  bool was_any = false;
  for (const NamedGroup& one : groups) {
    was_any = stream.erase_pending(one.group.number, id) || was_any;
  }
  return was_any;
}

bool erase_entry(Stream& stream, StreamId id) {
  const std::uint64_t index = stream.rank(id);
  if (stream.rank_behind(id) == index) return false;
  stream.erase(index, index + 1);
  stream.extent().max_deleted_id = std::max(stream.extent().max_deleted_id, id);
  return true;
}

// ---- Replies

void reply_id(resp::Reply& reply, StreamId id) {
  char text[types::kStreamIdTextBytesMax];
  reply.bulk(Bytes(text, format_stream_id(text, id)));
}

void reply_fields(resp::Reply& reply, std::span<const Bytes> fields) {
  reply.array(fields.size());
  for (const Bytes word : fields) reply.bulk(word);
}

void reply_entry(resp::Reply& reply, value::StreamEntries& entry) {
  reply.array(2);
  reply_id(reply, entry.id());
  reply_fields(reply, entry.fields());
}

// ---- GroupEdit

GroupEdit::GroupEdit(CommandContext& cx, StreamEdit& edit, const keyspace::Key& key,
                     Bytes group_name, const value::StreamGroup& group, Bytes consumer_name)
    : edit_(edit),
      key_(key.bytes),
      group_name_(group_name),
      consumer_name_(consumer_name),
      now_(cx.now()),
      group_(group) {
  Stream& stream = edit.stream();
  if (const auto consumer = stream.find_consumer(group_.number, consumer_name)) {
    consumer_ = *consumer;
    has_consumer_changed_ = consumer_.seen != now_;
    consumer_.seen = now_;
  } else {
    consumer_ = stream.add_consumer(group_.number, consumer_name, now_);
    edit_.commit_as({"XGROUP", "CREATECONSUMER", key_, group_name_, consumer_name_});
  }
}

void GroupEdit::take(StreamId id, Millis delivered, std::uint64_t delivery_count) {
  delivery_count = std::min<std::uint64_t>(delivery_count, INT64_MAX);  // XNACK FATAL sets that
  edit_.stream().put_pending(
      group_.number, id,
      {.consumer = consumer_.number, .delivered = delivered, .delivery_count = delivery_count});
  taken_.push_back({id, delivered, delivery_count});
}

void GroupEdit::drop(StreamId id) {
  if (edit_.stream().erase_pending(group_.number, id)) dropped_.push_back(id);
}

void GroupEdit::note_delivered(std::uint64_t index, StreamId id) {
  types::note_delivered(edit_.stream(), index, id, &group_);
  has_moved_ = true;
}

void GroupEdit::set_last_id(StreamId id, std::int64_t read_count) {
  group_.last_id = id;
  group_.read_count = read_count;
  has_moved_ = true;
}

void GroupEdit::note_active() {
  has_consumer_changed_ = has_consumer_changed_ || consumer_.active != now_;
  consumer_.active = now_;
}

void GroupEdit::finish() {
  Stream& stream = edit_.stream();
  if (has_consumer_changed_) stream.set_consumer(group_.number, consumer_name_, consumer_);
  if (has_moved_) stream.set_group(group_name_, group_);
  log_claims();
  if (!dropped_.empty()) {
    std::vector<std::string> ids;
    for (const StreamId id : dropped_) ids.push_back(format_stream_id(id));
    std::vector<Bytes> words = {"XACK", key_, group_name_};
    words.insert(words.end(), ids.begin(), ids.end());
    edit_.commit_as(words);
  }
}

// One command for all that were delivered at the same time, equally often; the last of them says
// how far the group has read.
void GroupEdit::log_claims() {
  if (taken_.empty()) {
    if (has_moved_) log_position();
    return;
  }
  const auto delivery = [](const Taken& taken) {
    return std::pair(taken.delivered, taken.delivery_count);
  };
  if (!std::ranges::is_sorted(taken_, {}, delivery)) {
    std::ranges::stable_sort(taken_, {}, delivery);
  }
  for (std::span<const Taken> left(taken_); !left.empty();) {
    const auto end = std::ranges::upper_bound(left, delivery(left.front()), {}, delivery);
    const auto count = static_cast<std::size_t>(end - left.begin());
    log_claim(left.first(count), has_moved_ && count == left.size());
    left = left.subspan(count);
  }
}

void GroupEdit::log_position() {
  edit_.commit_as({"XGROUP", "SETID", key_, group_name_, format_stream_id(group_.last_id),
                   "ENTRIESREAD", std::to_string(group_.read_count)});
}

void GroupEdit::log_claim(std::span<const Taken> alike, bool says_position) {
  constexpr std::size_t kOtherWordsMax = 15;
  // What words refer to lies in one run.
  const std::size_t text_bytes_max =
      (alike.size() + 1) * types::kStreamIdTextBytesMax + 3 * kIntegerTextBytesMax;
  const auto texts = std::make_unique_for_overwrite<char[]>(text_bytes_max);
  char* end = texts.get();
  const auto taken_up = [&](std::size_t size) {
    return Bytes(std::exchange(end, end + size), size);
  };
  const auto id_text = [&](StreamId id) { return taken_up(format_stream_id(end, id)); };
  const auto number_text = [&](std::int64_t number) {
    return taken_up(format_integer(end, number));
  };

  std::vector<Bytes> words;
  words.reserve(alike.size() + kOtherWordsMax);
  words.insert(words.end(), {"XCLAIM", key_, group_name_, consumer_name_, "0"});
  for (const Taken& taken : alike) words.push_back(id_text(taken.id));
  const Bytes time = number_text(alike.front().delivered.count);
  const Bytes count = number_text(static_cast<std::int64_t>(alike.front().delivery_count));
  words.insert(words.end(), {"TIME", time, "RETRYCOUNT", count, "FORCE", "JUSTID"});
  if (says_position) {
    const Bytes last_id = id_text(group_.last_id);
    words.insert(words.end(), {"LASTID", last_id, "ENTRIESREAD", number_text(group_.read_count)});
  }
  edit_.commit_as(words);
}

}  // namespace diskdb::command::streams
