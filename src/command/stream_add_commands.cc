// What adds entries to a stream and trims it: XADD, XTRIM, XSETID.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/stream_commands.h"
#include "command/stream_edit.h"

namespace diskdb::command {

using keyspace::Record;
using keyspace::Type;
using streams::References;
using streams::StreamEdit;
using types::Trim;
using types::WrittenId;
using value::Stream;
using value::StreamId;

namespace {

// Without LIMIT an approximate trim looks at so many nodes.
constexpr std::uint64_t kNodesTrimmedMax = 100;

struct AddRequest {
  bool needs_key = false;
  Trim trim;
  References references = References::kKeep;
  bool has_limit = false;
  std::optional<WrittenId> id;  ///< nothing: "*"
  std::span<const Bytes> fields;
  std::optional<streams::Message> message = {};
  bool names_by_content = false;  ///< the message
};

/// Behind MAXLEN or MINID.
Outcome read_threshold(CommandContext& cx, Arguments& args, Trim* trim, Trim::Kind kind) {
  if (trim->kind != Trim::Kind::kNone) {
    return cx.refuse(
        "ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
  }
  trim->kind = kind;
  if (args.count() >= 2) {
    trim->is_approximate = args.next_is("~");
    if (!trim->is_approximate) args.next_is("=");
  }
  if (kind == Trim::Kind::kMinimumId) return streams::read_id(cx, args, &trim->minimum_id);
  TRY_LET(const std::int64_t length, args.next_integer());
  if (length < 0) return cx.refuse("ERR The MAXLEN argument must be >= 0.");
  trim->length_max = static_cast<std::uint64_t>(length);
  return Outcome::done();
}

/// One option that both commands have; *is_other if it is none.
Outcome read_trim_option(CommandContext& cx, Arguments& args, AddRequest* request, bool* is_other) {
  *is_other = false;
  if (args.count() >= 2 && args.next_is("MAXLEN")) {
    return read_threshold(cx, args, &request->trim, Trim::Kind::kLength);
  }
  if (args.count() >= 2 && args.next_is("MINID")) {
    return read_threshold(cx, args, &request->trim, Trim::Kind::kMinimumId);
  }
  if (args.count() >= 2 && args.next_is("LIMIT")) {
    TRY_LET(const std::int64_t limit, args.next_integer());
    if (limit < 0) return cx.refuse("ERR The LIMIT argument must be >= 0.");
    request->trim.limit = static_cast<std::uint64_t>(limit);
    request->has_limit = true;
    return Outcome::done();
  }
  *is_other = !streams::next_is_references(args, &request->references);
  return Outcome::done();
}

Outcome check_trim(CommandContext& cx, AddRequest* request, bool must_trim) {
  Trim& trim = request->trim;
  if (trim.kind == Trim::Kind::kNone) {
    if (request->has_limit) {
      return cx.refuse(
          "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    }
    if (must_trim) {
      return cx.refuse("ERR syntax error, XTRIM must be called with a trimming strategy");
    }
  }
  if (request->has_limit && !trim.is_approximate) {
    return cx.refuse("ERR syntax error, LIMIT cannot be used without the special ~ option");
  }
  if (trim.is_approximate && !request->has_limit) {
    trim.limit = kNodesTrimmedMax * streams::node_entries_max(cx);
    if (trim.limit == 0) trim.limit = kNodesTrimmedMax * kNodesTrimmedMax;
  }
  return Outcome::done();
}

/// The same for the same fields and values, and for no others.
std::string name_of_content(std::span<const Bytes> fields) {
  std::string content;
  value::append_fields(fields, true, false, &content);
  const std::uint64_t low = value::member_hash(content);
  content.push_back('\x01');
  const std::uint64_t high = value::member_hash(content);
  std::string name(reinterpret_cast<const char*>(&low), sizeof low);
  return name.append(reinterpret_cast<const char*>(&high), sizeof high);
}

Outcome read_add(CommandContext& cx, Arguments args, AddRequest* request) {
  for (bool has_id = false; !has_id;) {
    if (args.is_empty()) return streams::refuse_id(cx);
    bool is_other = false;
    if (args.peek() == "*") {
      args.next();
      has_id = true;
    } else if (args.next_is("NOMKSTREAM")) {
      request->needs_key = true;
    } else if (args.count() >= 3 && !request->message && args.next_is("IDMP")) {
      request->message = streams::Message{std::string(args.next()), {}};
      request->message->name = args.next();
    } else if (args.count() >= 2 && !request->message && args.next_is("IDMPAUTO")) {
      request->message = streams::Message{std::string(args.next()), {}};
      request->names_by_content = true;
    } else {
      TRY(read_trim_option(cx, args, request, &is_other));
    }
    if (is_other) {
      request->id = types::parse_written_id(args.next(), 0);
      if (!request->id) return streams::refuse_id(cx);
      has_id = true;
    }
  }
  TRY(check_trim(cx, request, false));
  request->fields = args.rest();
  if (request->fields.size() < 2 || request->fields.size() % 2 != 0) {
    return cx.refuse("ERR wrong number of arguments for 'xadd' command");
  }
  if (request->id && request->id->id == value::kFirstStreamId && !request->id->wants_sequence) {
    return cx.refuse("ERR The ID specified in XADD must be greater than 0-0");
  }
  if (request->names_by_content) request->message->name = name_of_content(request->fields);
  if (request->message && (request->message->producer.empty() || request->message->name.empty())) {
    return Refusal::kSyntax;
  }
  return Outcome::done();
}

/// Those of the first `count` entries that no group needs any more.
std::uint64_t trim_acked(Stream& stream, std::uint64_t count, std::vector<StreamId>* erased) {
  const auto groups = streams::groups_of(stream);
  for (value::StreamEntries e = stream.entry_at(0); count > 0; --count, e.next()) {
    if (!streams::is_needed(stream, groups, e.id())) erased->push_back(e.id());
  }
  for (const StreamId id : *erased) streams::erase_entry(stream, id);
  return erased->size();
}

/// How many entries went; `erased`: those that went one by one.
std::uint64_t trim_stream(CommandContext& cx, Stream& stream, const AddRequest& request,
                          std::vector<StreamId>* erased) {
  const std::uint64_t count =
      types::count_to_trim(stream, request.trim, streams::node_entries_max(cx));
  if (count == 0) return 0;
  if (request.references == References::kMustBeAcked && stream.group_count() > 0) {
    return trim_acked(stream, count, erased);
  }
  if (request.references == References::kDelete) {
    std::vector<StreamId> ids;
    for (value::StreamEntries e = stream.entry_at(0); ids.size() < count; e.next()) {
      ids.push_back(e.id());
    }
    const auto groups = streams::groups_of(stream);
    for (const StreamId id : ids) streams::erase_references(stream, groups, id);
  }
  stream.erase(0, count);
  return count;
}

/// Words that trim to where the stream was trimmed to.
class TrimEffect {
 public:
  TrimEffect(const Stream& stream, const AddRequest& request, const std::vector<StreamId>& erased) {
    for (const StreamId id : erased) ids_.push_back(types::format_stream_id(id));
    is_by_id_ = !erased.empty();
    deletes_references_ = request.references == References::kDelete;
    length_ = std::to_string(stream.length());
  }
  /// Of a trim that removed a run of entries: to be appended to XADD or XTRIM.
  void append_to(std::vector<Bytes>* words) const {
    if (is_by_id_) return;
    words->insert(words->end(), {"MAXLEN", "=", length_});
    if (deletes_references_) words->push_back("DELREF");
  }
  /// Of one that removed entries here and there.
  void commit_erased(StreamEdit& edit, Bytes key) const {
    if (ids_.empty()) return;
    std::vector<Bytes> words = {"XDEL", key};
    words.insert(words.end(), ids_.begin(), ids_.end());
    edit.commit_as(words);
  }

 private:
  std::vector<std::string> ids_;
  std::string length_;
  bool is_by_id_ = false;
  bool deletes_references_ = false;
};

/// Would replaying the client's words do the same?
bool is_canonical(const AddRequest& request) {
  return request.id && !request.message && !request.id->wants_sequence &&
         !request.trim.is_approximate && request.references != References::kMustBeAcked;
}

/// `id_text`: the id, as the log has it.
void add(CommandContext& cx, const AddRequest& request, StreamId id, Bytes id_text) {
  StreamEdit edit(cx, cx.key());
  Stream& stream = edit.stream();
  stream.append(id, request.fields);
  std::vector<StreamId> erased;
  const std::uint64_t trimmed = trim_stream(cx, stream, request, &erased);
  if (is_canonical(request)) return edit.commit();
  constexpr std::size_t kOtherWordsMax = 6;
  std::vector<Bytes> words;
  words.reserve(request.fields.size() + kOtherWordsMax);
  words.insert(words.end(), {"XADD", cx.key().bytes});
  std::optional<TrimEffect> effect;
  if (trimmed > 0) effect.emplace(stream, request, erased).append_to(&words);
  words.push_back(id_text);
  words.insert(words.end(), request.fields.begin(), request.fields.end());
  edit.commit_as(words);
  if (effect) effect->commit_erased(edit, cx.key().bytes);
  if (!request.message) return;
  const streams::Message& message = *request.message;
  streams::remember_message(stream, message, id, cx.now());
  edit.commit_as({"XIDMPRECORD", cx.key().bytes, message.producer, message.name, id_text});
}

/// Counts it, which is not logged.
void note_repeated(CommandContext& cx) {
  StreamEdit edit(cx, cx.key());
  value::StreamMemory memory = edit.stream().memory().value_or(value::StreamMemory{});
  ++memory.repeated_count;
  edit.stream().set_memory(memory);
}

}  // namespace

namespace streams {

/// XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO producer-id |
/// IDMP producer-id message-id] [<MAXLEN | MINID> [= | ~] threshold
/// [LIMIT count]] <* | id> field value [field value ...] — the id of the new entry.
Outcome xadd(CommandContext& cx, Arguments args) {
  args.next();
  AddRequest request;
  TRY(read_add(cx, args, &request));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr && request.needs_key) {
    cx.reply.null();
    return Outcome::done();
  }
  StreamId id;
  const Millis now = cx.now();
  if (record != nullptr) {
    const Stream stream = stream_of(cx, *record);
    if (request.message) {
      if (const auto repeated = find_repeated(stream, *request.message, now)) {
        note_repeated(cx);
        reply_id(cx.reply, *repeated);
        return Outcome::done();
      }
    }
    if (stream.extent().last_id == value::kLastStreamId) {
      return cx.refuse(
          "ERR The stream has exhausted the last possible ID, unable to add more items");
    }
    const auto free = types::id_to_add(stream, request.id, now);
    if (!free) {
      return cx.refuse(
          "ERR The ID specified in XADD is equal or smaller than the target stream top item");
    }
    id = *free;
  } else if (!request.id) {
    id = {static_cast<std::uint64_t>(std::max<std::int64_t>(now.count, 1)), 0};
  } else {
    id = request.id->id;
    if (request.id->wants_sequence && id.ms == 0) id.seq = 1;
  }
  if (!is_canonical(request)) cx.keyspace.log_by_effect();
  const std::string id_text = types::format_stream_id(id);
  add(cx, request, id, id_text);
  cx.reply.bulk(Bytes(id_text));
  return Outcome::done();
}

/// XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED] — how many
/// entries went.
Outcome xtrim(CommandContext& cx, Arguments args) {
  args.next();
  AddRequest request;
  while (!args.is_empty()) {
    bool is_other = false;
    TRY(read_trim_option(cx, args, &request, &is_other));
    if (is_other) return Refusal::kSyntax;
  }
  TRY(check_trim(cx, &request, true));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr ||
      types::count_to_trim(stream_of(cx, *record), request.trim, node_entries_max(cx)) == 0) {
    cx.reply.integer(0);
    return Outcome::done();
  }
  StreamEdit edit(cx, cx.key());
  std::vector<StreamId> erased;
  const std::uint64_t count = trim_stream(cx, edit.stream(), request, &erased);
  if (count > 0) {
    const TrimEffect effect(edit.stream(), request, erased);
    std::vector<Bytes> words = {"XTRIM", cx.key().bytes};
    effect.append_to(&words);
    if (words.size() > 2) edit.commit_as(words);
    effect.commit_erased(edit, cx.key().bytes);
  }
  cx.reply.integer(static_cast<std::int64_t>(count));
  return Outcome::done();
}

/// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
Outcome xsetid(CommandContext& cx, Arguments args) {
  args.next();
  StreamId id;
  std::optional<std::uint64_t> added_count;
  std::optional<StreamId> max_deleted_id;
  TRY(read_id(cx, args, &id));
  while (!args.is_empty()) {
    if (args.count() >= 2 && args.next_is("ENTRIESADDED")) {
      TRY_LET(const std::int64_t count, args.next_integer());
      if (count < 0) return cx.refuse("ERR entries_added must be positive");
      added_count = static_cast<std::uint64_t>(count);
    } else if (args.count() >= 2 && args.next_is("MAXDELETEDID")) {
      TRY(read_id(cx, args, &max_deleted_id.emplace()));
      if (id < *max_deleted_id) {
        return cx.refuse(
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
      }
    } else {
      return Refusal::kSyntax;
    }
  }
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr) return Refusal::kNoSuchKey;
  {
    const Stream stream = stream_of(cx, *record);
    if (id < stream.extent().max_deleted_id) {
      return cx.refuse(
          "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    }
    if (stream.length() > 0 && id < stream.id_at(stream.length() - 1)) {
      return cx.refuse("ERR The ID specified in XSETID is smaller than the target stream top item");
    }
    if (added_count && stream.length() > *added_count) {
      return cx.refuse(
          "ERR The entries_added specified in XSETID is smaller than the target stream length");
    }
  }
  StreamEdit edit(cx, cx.key());
  value::StreamExtent& extent = edit.stream().extent();
  extent.last_id = id;
  if (added_count) {
    extent.added_count = *added_count;
    extent.counted_from = std::min(extent.counted_from, *added_count);
  }
  if (max_deleted_id && *max_deleted_id != value::kFirstStreamId) {
    extent.max_deleted_id = *max_deleted_id;
  }
  edit.commit();
  cx.reply.ok();
  return Outcome::done();
}

}  // namespace streams
}  // namespace diskdb::command
