// DUMP and RESTORE: a value as bytes that Redis of any kind understands (types/rdb.h), and back.
//
// RESTORE is logged by what it did: DEL of what it replaced, SET of a string or RESTORE of anything
// else, without a time to live that would count from the replay, and PEXPIREAT.
#include <string>

#include "command/generic_commands.h"
#include "command/hash_commands.h"
#include "command/list_commands.h"
#include "command/services.h"
#include "command/set_commands.h"
#include "command/sorted_set_edit.h"
#include "types/hash.h"
#include "types/json_document.h"
#include "types/list.h"
#include "types/rdb.h"
#include "types/set.h"
#include "types/sorted_set.h"
#include "value/stream.h"

namespace diskdb::command {
namespace {

using keyspace::Type;
using types::RdbValue;

struct RestoreOptions {
  bool replaces = false;
  bool is_absolute = false;
  std::optional<std::int64_t> idle_seconds;
  std::optional<std::uint8_t> frequency;
};

Outcome read_options(CommandContext& cx, Arguments& args, RestoreOptions* options) {
  while (!args.is_empty()) {
    const bool has_value = args.count() >= 2;
    if (args.next_is("REPLACE")) {
      options->replaces = true;
    } else if (args.next_is("ABSTTL")) {
      options->is_absolute = true;
    } else if (has_value && !options->frequency && args.next_is("IDLETIME")) {
      TRY_LET(options->idle_seconds, args.next_integer());
      if (*options->idle_seconds < 0) {
        return cx.refuse("ERR Invalid IDLETIME value, must be >= 0");
      }
    } else if (has_value && !options->idle_seconds && args.next_is("FREQ")) {
      TRY_LET(const std::int64_t frequency, args.next_integer());
      if (frequency < 0 || frequency > 255) {
        return cx.refuse("ERR Invalid FREQ value, must be >= 0 and <= 255");
      }
      options->frequency = static_cast<std::uint8_t>(frequency);
    } else {
      return Refusal::kSyntax;
    }
  }
  return Outcome::done();
}

void fill(CommandContext& cx, keyspace::ObjectEdit& edit, const RdbValue& value) {
  switch (value.type) {
    case Type::kList: {
      value::Sequence list(edit.object(), edit.use());
      for (const std::string& element : value.elements) {
        const Bytes added(element);
        types::note_growth(list, {&added, 1}, lists::listpack_limit(cx));
        list.push_back(element);
      }
      break;
    }
    case Type::kSet: {
      types::Set set(edit.object(), edit.use());
      set.expect_any();
      for (const std::string& member : value.elements) set.add(member, sets::limits_of(cx));
      break;
    }
    case Type::kHash: {
      types::Hash hash(edit.object(), edit.use(), hashes::passed_by_now(cx));
      for (std::size_t i = 0; i < value.elements.size(); i += 2) {
        const Millis expiry = value.expiries.empty() ? Millis{} : value.expiries[i / 2];
        hash.put(value.elements[i], value.elements[i + 1], hashes::limits_of(cx), expiry);
      }
      break;
    }
    case Type::kStream: {
      value::Stream stream(edit.object(), edit.use());
      types::fill_stream(value.stream, stream);
      break;
    }
    case Type::kModule: {
      types::JsonTokens document;
      std::string error;
      const bool is_json = types::parse_json(value.text, &document, &error);
      ASSERT(is_json);  // parse_dump() has looked
      types::JsonEdit(edit.object(), edit.use()).begin(document);
      break;
    }
    default: {
      value::ScoreSet zset(edit.object(), edit.use());
      for (std::size_t i = 0; i < value.elements.size(); ++i) {
        zset.put(value.elements[i], value.scores[i]);
        types::note_added(edit.object(), value.elements[i], sorted_set_limits(cx));
      }
    }
  }
}

/// Requires: there is nothing at the key.
void create(CommandContext& cx, const RdbValue& value, Bytes payload) {
  if (value.type == Type::kString) return cx.keyspace.set_string(cx.key(), value.text);
  keyspace::ObjectEdit edit(cx.keyspace, cx.key(), value.type);
  fill(cx, edit, value);
  const Bytes effect[] = {"RESTORE", cx.key().bytes, "0", payload};
  edit.commit_as(effect);
}

}  // namespace

/// DUMP key
Outcome dump(CommandContext& cx, Arguments) {
  const keyspace::Record* record = cx.keyspace.peek(cx.key());
  if (record == nullptr) {
    cx.reply.null();
  } else {
    cx.reply.bulk(Bytes(types::dump_value(*record, cx.keyspace.reading())));
  }
  return Outcome::done();
}

/// RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
Outcome restore(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes ttl_text = args.next();
  const Bytes payload = args.next();
  RestoreOptions options;
  TRY(read_options(cx, args, &options));
  const bool is_there = cx.keyspace.peek(cx.key()) != nullptr;
  if (is_there && !options.replaces) {
    return cx.refuse("BUSYKEY Target key name already exists.");
  }
  const auto ttl = parse_integer(ttl_text);
  if (!ttl) return Refusal::kNotInteger;
  if (*ttl < 0) return cx.refuse("ERR Invalid TTL value, must be >= 0");
  if (!types::is_dump_intact(payload)) {
    return cx.refuse("ERR DUMP payload version or checksum are wrong");
  }
  auto parsed = types::parse_dump(payload);
  if (!parsed.ok()) return cx.refuse("ERR Bad data format");

  std::int64_t when = *ttl;
  if (!options.is_absolute && __builtin_add_overflow(when, cx.now().count, &when)) {
    return cx.refuse("ERR Invalid TTL value, must be >= 0");
  }
  if (is_there) cx.keyspace.erase(cx.key());
  cx.reply.ok();
  if (*ttl != 0 && cx.keyspace.is_expired(Millis{when})) return Outcome::done();
  create(cx, parsed.value(), payload);
  if (*ttl != 0) cx.keyspace.set_expiry(cx.key(), Millis{when});
  cx.keyspace.set_usage(cx.key(), options.idle_seconds, options.frequency);
  return Outcome::done();
}

}  // namespace diskdb::command
