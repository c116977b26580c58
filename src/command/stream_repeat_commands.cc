// What a stream remembers of messages, so that one that is sent again is not added again: XCFGSET,
// XIDMPRECORD, and what XADD asks with IDMP and IDMPAUTO. The log says XIDMPRECORD of each message
// that became an entry; from a restart on it is remembered as long as a new one.
#include <cstdint>
#include <optional>
#include <string>

#include "base/number.h"
#include "command/stream_commands.h"
#include "command/stream_edit.h"

namespace diskdb::command::streams {

using keyspace::Record;
using keyspace::Type;
using value::Stream;
using value::StreamMemory;

namespace {

constexpr std::int64_t kSecondsMax = 86'400;
constexpr std::int64_t kMessagesMax = 10'000;

/// What was remembered before this instant is forgotten.
Millis forgets_before(const StreamMemory& memory, Millis now) {
  return now - Millis{static_cast<std::int64_t>(memory.seconds) * 1000};
}

}  // namespace

std::optional<StreamId> find_repeated(const Stream& stream, const Message& message, Millis now) {
  const auto memory = stream.memory();
  if (!memory) return std::nullopt;
  const auto found = stream.find_message(message.producer, message.name);
  if (!found || found->since < forgets_before(*memory, now)) return std::nullopt;
  return found->id;
}

void remember_message(Stream& stream, const Message& message, StreamId id, Millis now) {
  StreamMemory memory = stream.memory().value_or(StreamMemory{});
  ++memory.remembered_count;
  stream.remember(message.producer, message.name, id, now, &memory);
  stream.forget_some(message.producer, forgets_before(memory, now), memory.messages_max);
  stream.set_memory(memory);
}

/// XCFGSET key [IDMP-DURATION seconds] [IDMP-MAXSIZE count]
Outcome xcfgset(CommandContext& cx, Arguments args) {
  args.next();
  std::optional<std::int64_t> seconds;
  std::optional<std::int64_t> count;
  while (!args.is_empty()) {
    if (args.count() >= 2 && args.next_is("IDMP-DURATION")) {
      TRY_LET(seconds, args.next_integer());
      if (*seconds < 1 || *seconds > kSecondsMax) return cx.refuse("ERR invalid duration");
    } else if (args.count() >= 2 && args.next_is("IDMP-MAXSIZE")) {
      TRY_LET(count, args.next_integer());
      if (*count < 1 || *count > kMessagesMax) return cx.refuse("ERR invalid maxsize");
    } else {
      return Refusal::kSyntax;
    }
  }
  if (!seconds && !count) return Refusal::kSyntax;
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr) return Refusal::kNoSuchKey;
  StreamEdit edit(cx, cx.key());
  StreamMemory memory = edit.stream().memory().value_or(StreamMemory{});
  const auto new_seconds =
      static_cast<std::uint64_t>(seconds.value_or(static_cast<std::int64_t>(memory.seconds)));
  const auto new_count =
      static_cast<std::uint64_t>(count.value_or(static_cast<std::int64_t>(memory.messages_max)));
  if (new_seconds != memory.seconds || new_count != memory.messages_max) {
    edit.stream().forget_all();
  }
  memory.seconds = new_seconds;
  memory.messages_max = new_count;
  edit.stream().set_memory(memory);
  edit.commit();
  cx.reply.ok();
  return Outcome::done();
}

/// XIDMPRECORD key producer-id message-id id — the message became this entry.
Outcome xidmprecord(CommandContext& cx, Arguments args) {
  args.next();
  Message message{std::string(args.next()), {}};
  message.name = args.next();
  StreamId id;
  TRY(read_id(cx, args, &id));
  if (message.producer.empty() || message.name.empty()) return Refusal::kSyntax;
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr) return Refusal::kNoSuchKey;
  {
    // An entry that was trimmed at once was there when the message was logged.
    const Stream stream = stream_of(cx, *record);
    const bool is_replaying = cx.keyspace.keyspace().is_replaying.load();
    if (!stream.contains(id) && !is_replaying) {
      return cx.refuse("ERR The stream has no entry with that ID");
    }
    if (const auto known = find_repeated(stream, message, cx.now())) {
      if (*known != id) return cx.refuse("ERR The message is another entry already");
      cx.reply.ok();
      return Outcome::done();
    }
  }
  StreamEdit edit(cx, cx.key());
  remember_message(edit.stream(), message, id, cx.now());
  edit.commit();
  cx.reply.ok();
  return Outcome::done();
}

}  // namespace diskdb::command::streams
