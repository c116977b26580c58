// What deletes entries by their ids: XDEL, XDELEX, XACKDEL.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "command/stream_commands.h"
#include "command/stream_edit.h"

namespace diskdb::command::streams {

using keyspace::Record;
using keyspace::Type;
using value::Stream;

namespace {

// What became of an entry.
enum class Fate : std::int8_t { kAbsent = -1, kDeleted = 1, kNeeded = 2 };

struct DeleteRequest {
  References references = References::kKeep;
  std::vector<StreamId> ids;
};

Outcome read_request(CommandContext& cx, Arguments& args, DeleteRequest* request) {
  bool has_references = false;
  while (!args.is_empty()) {
    if (!has_references && next_is_references(args, &request->references)) {
      has_references = true;
    } else if (request->ids.empty() && args.next_is("IDS")) {
      TRY(read_counted_ids(cx, args, &request->ids));
    } else {
      return Refusal::kSyntax;
    }
  }
  if (request->ids.empty()) return Refusal::kSyntax;
  return Outcome::done();
}

void reply_all_absent(resp::Reply& reply, std::size_t count) {
  reply.array(count);
  for (std::size_t i = 0; i < count; ++i) {
    reply.integer(static_cast<std::int64_t>(Fate::kAbsent));
  }
}

/// True in `*has_changed` if anything has.
Fate delete_one(Stream& stream, std::span<const NamedGroup> groups, StreamId id,
                References references, bool* has_changed) {
  if (references == References::kDelete) {
    *has_changed = erase_references(stream, groups, id) || *has_changed;
  } else if (references == References::kMustBeAcked && stream.contains(id) &&
             (groups.empty() || is_needed(stream, groups, id))) {
    return Fate::kNeeded;
  }
  if (!erase_entry(stream, id)) return Fate::kAbsent;
  *has_changed = true;
  return Fate::kDeleted;
}

}  // namespace

/// XDEL key id [id ...] — how many entries went.
Outcome xdel(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr) {
    cx.reply.integer(0);
    return Outcome::done();
  }
  std::vector<StreamId> ids(args.count());
  for (StreamId& id : ids) TRY(read_id(cx, args, &id));
  const Stream stream = stream_of(cx, *record);
  std::int64_t count = 0;
  if (std::ranges::any_of(ids, [&](StreamId id) { return stream.contains(id); })) {
    StreamEdit edit(cx, cx.key());
    for (const StreamId id : ids) count += erase_entry(edit.stream(), id) ? 1 : 0;
    edit.commit(static_cast<std::size_t>(count));
  }
  cx.reply.integer(count);
  return Outcome::done();
}

/// XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...] — what became of each entry.
Outcome xdelex(CommandContext& cx, Arguments args) {
  args.next();
  DeleteRequest request;
  TRY(read_request(cx, args, &request));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr) {
    reply_all_absent(cx.reply, request.ids.size());
    return Outcome::done();
  }
  StreamEdit edit(cx, cx.key());
  const std::vector<NamedGroup> groups = groups_of(edit.stream());
  bool has_changed = false;
  cx.reply.array(request.ids.size());
  for (const StreamId id : request.ids) {
    const Fate fate = delete_one(edit.stream(), groups, id, request.references, &has_changed);
    cx.reply.integer(static_cast<std::int64_t>(fate));
  }
  if (has_changed) edit.commit();
  return Outcome::done();
}

/// XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...] — what became of each entry,
/// which the group has acknowledged.
Outcome xackdel(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  DeleteRequest request;
  TRY(read_request(cx, args, &request));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  std::optional<value::StreamGroup> group;
  if (record != nullptr) group = stream_of(cx, *record).find_group(name);
  if (!group) {
    reply_all_absent(cx.reply, request.ids.size());
    return Outcome::done();
  }
  StreamEdit edit(cx, cx.key());
  Stream& stream = edit.stream();
  const std::vector<NamedGroup> groups = groups_of(stream);
  bool has_changed = false;
  cx.reply.array(request.ids.size());
  for (const StreamId id : request.ids) {
    Fate fate = Fate::kAbsent;
    if (stream.erase_pending(group->number, id)) {
      has_changed = true;
      fate = delete_one(stream, groups, id, request.references, &has_changed);
      // What was pending is acknowledged, whether the entry was still there or not.
      if (fate == Fate::kAbsent) fate = Fate::kDeleted;
    } else if (request.references == References::kDelete) {
      has_changed = erase_references(stream, groups, id) || has_changed;
    }
    cx.reply.integer(static_cast<std::int64_t>(fate));
  }
  if (has_changed) edit.commit();
  return Outcome::done();
}

}  // namespace diskdb::command::streams
