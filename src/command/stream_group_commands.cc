// XGROUP: groups of consumers come, go, and are told where to read on.
#include <optional>
#include <string>

#include "command/help.h"
#include "command/stream_commands.h"
#include "command/stream_edit.h"

namespace diskdb::command::streams {

using keyspace::Record;
using keyspace::Type;
using value::Stream;

namespace {

Outcome refuse_absent_key(CommandContext& cx) {
  return cx.refuse(
      "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
      "use the MKSTREAM option to create an empty stream automatically.");
}

Outcome refuse_absent_group(CommandContext& cx, Bytes group) {
  return cx.refuse("NOGROUP No such consumer group '" + std::string(as_c_string(group)) +
                   "' for key name '" + std::string(as_c_string(cx.key().bytes)) + "'");
}

Outcome refuse_words(CommandContext& cx) {
  return cx.refuse("ERR unknown subcommand or wrong number of arguments for '" +
                   std::string(as_c_string(cx.words[1])) + "'. Try XGROUP HELP.");
}

// Options may not be said over and over.
constexpr std::size_t kCreateWordsMax = 8;
constexpr std::size_t kSetIdWordsMax = 7;

struct GroupOptions {
  bool creates_stream = false;
  std::int64_t read_count = value::kUnknownReadCount;
};

/// `args`: what stands behind the id.
Outcome read_options(CommandContext& cx, Arguments args, bool may_create, GroupOptions* options) {
  while (!args.is_empty()) {
    if (may_create && args.next_is("MKSTREAM")) {
      options->creates_stream = true;
    } else if (args.count() >= 2 && args.next_is("ENTRIESREAD")) {
      TRY_LET(options->read_count, args.next_integer());
      if (options->read_count < 0 && options->read_count != value::kUnknownReadCount) {
        return cx.refuse("ERR value for ENTRIESREAD must be positive or -1");
      }
    } else {
      return refuse_words(cx);
    }
  }
  return Outcome::done();
}

/// "$" is the last id of the stream, of which there may be none.
Outcome read_group_id(CommandContext& cx, Bytes text, const Record* record, StreamId* id) {
  if (text == "$") {
    *id = record == nullptr ? StreamId{} : stream_of(cx, *record).extent().last_id;
    return Outcome::done();
  }
  const auto parsed = types::parse_stream_id(text);
  if (!parsed) return refuse_id(cx);
  *id = *parsed;
  return Outcome::done();
}

/// For subcommands that need a stream with the group.
Outcome find_group(CommandContext& cx, Bytes name, value::StreamGroup* group) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr) return refuse_absent_key(cx);
  const auto found = stream_of(cx, *record).find_group(name);
  if (!found) return refuse_absent_group(cx, name);
  *group = *found;
  return Outcome::done();
}

}  // namespace

/// XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]
Outcome xgroup_create(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  const Bytes id_text = args.next();
  GroupOptions options;
  TRY(read_options(cx, args, true, &options));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr && !options.creates_stream) return refuse_absent_key(cx);
  if (cx.words.size() > kCreateWordsMax) return refuse_words(cx);
  StreamId id;
  TRY(read_group_id(cx, id_text, record, &id));
  if (record != nullptr && stream_of(cx, *record).find_group(name)) {
    return cx.refuse("BUSYGROUP Consumer Group name already exists");
  }
  StreamEdit edit(cx, cx.key());
  edit.stream().add_group(name, id, options.read_count);
  edit.commit();
  cx.reply.ok();
  return Outcome::done();
}

/// XGROUP SETID key group <id | $> [ENTRIESREAD entries-read]
Outcome xgroup_setid(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  const Bytes id_text = args.next();
  GroupOptions options;
  TRY(read_options(cx, args, false, &options));
  value::StreamGroup group;
  TRY(find_group(cx, name, &group));
  if (cx.words.size() > kSetIdWordsMax) return refuse_words(cx);
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (id_text == "-" || id_text == "+") {  // ids here, not in CREATE
    group.last_id = types::parse_stream_bound(id_text, 0)->id;
  } else {
    TRY(read_group_id(cx, id_text, record, &group.last_id));
  }
  group.read_count = options.read_count;
  StreamEdit edit(cx, cx.key());
  edit.stream().set_group(name, group);
  edit.commit();
  cx.reply.ok();
  return Outcome::done();
}

/// XGROUP DESTROY key group — whether there was one.
Outcome xgroup_destroy(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kStream));
  if (record == nullptr) return refuse_absent_key(cx);
  const auto group = stream_of(cx, *record).find_group(name);
  if (group) {
    StreamEdit edit(cx, cx.key());
    edit.stream().erase_group(name, *group);
    edit.wake_waiters();
    edit.commit();
  }
  cx.reply.integer(group ? 1 : 0);
  return Outcome::done();
}

/// XGROUP CREATECONSUMER key group consumer — whether it is new.
Outcome xgroup_createconsumer(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  const Bytes consumer = args.next();
  value::StreamGroup group;
  TRY(find_group(cx, name, &group));
  StreamEdit edit(cx, cx.key());
  const bool is_new = !edit.stream().find_consumer(group.number, consumer);
  if (is_new) {
    edit.stream().add_consumer(group.number, consumer, cx.now());
    edit.commit();
  }
  cx.reply.integer(is_new ? 1 : 0);
  return Outcome::done();
}

/// XGROUP DELCONSUMER key group consumer — how many entries were pending with it.
Outcome xgroup_delconsumer(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  const Bytes consumer_name = args.next();
  value::StreamGroup group;
  TRY(find_group(cx, name, &group));
  StreamEdit edit(cx, cx.key());
  std::uint64_t pending_count = 0;
  if (const auto consumer = edit.stream().find_consumer(group.number, consumer_name)) {
    pending_count = edit.stream().owned_count(group.number, consumer->number);
    edit.stream().erase_consumer(group.number, consumer_name, *consumer);
    edit.commit();
  }
  cx.reply.integer(static_cast<std::int64_t>(pending_count));
  return Outcome::done();
}

/// XGROUP HELP
Outcome xgroup_help(CommandContext& cx, Arguments) {
  constexpr Bytes kLines[] = {
      "CREATE <key> <group> <id | $> [MKSTREAM] [ENTRIESREAD <count>]",
      "    A new group, that reads entries behind <id>; MKSTREAM: of a new stream, if need be.",
      "CREATECONSUMER <key> <group> <consumer>",
      "    A new consumer of a group.",
      "DELCONSUMER <key> <group> <consumer>",
      "    Removes a consumer, and what is pending with it.",
      "DESTROY <key> <group>",
      "    Removes a group.",
      "SETID <key> <group> <id | $> [ENTRIESREAD <count>]",
      "    A group reads on behind <id>.",
  };
  return reply_help(cx, kLines);
}

}  // namespace diskdb::command::streams
