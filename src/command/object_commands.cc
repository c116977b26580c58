// OBJECT: what Redis would say of a value's inner life. Clients and suites ask; the answers are
// Redis's for the same history of the key, whatever this server really does.
#include <cstdint>

#include "command/generic_commands.h"
#include "command/help.h"
#include "command/services.h"
#include "keyspace/usage.h"
#include "types/string_value.h"
#include "types/traits.h"

namespace diskdb::command {
namespace {

// Redis shares the small integers among all keys.
constexpr std::int64_t kSharedIntegerCount = 10'000;
constexpr std::int64_t kSharedReferenceCount = 2'147'483'647;

Bytes string_encoding_name(const keyspace::Record& record) {
  if (record.encoding() == keyspace::Encoding::kInteger) return "int";
  return types::is_compact(record) ? "embstr" : "raw";
}

}  // namespace

Bytes encoding_name(const keyspace::Record& record) {
  if (record.type() == keyspace::Type::kString) return string_encoding_name(record);
  if (record.type() == keyspace::Type::kModule) return "raw";
  const value::Object& object = record.object();
  const bool is_large = types::has_trait(object, types::Trait::kShowsLarge);
  switch (object.layout()) {
    case value::Layout::kSequence:
      return is_large ? "quicklist" : "listpack";
    case value::Layout::kMembers:
      if (is_large) return "hashtable";
      return types::has_trait(object, types::Trait::kIntegers) ? "intset" : "listpack";
    case value::Layout::kPairs:
      if (is_large) return "hashtable";
      return types::has_trait(object, types::Trait::kFieldExpiry) ? "listpackex" : "listpack";
    case value::Layout::kStream:
      return "stream";
    case value::Layout::kScores:
    case value::Layout::kChunks:
      break;
  }
  return is_large ? "skiplist" : "listpack";
}

/// OBJECT ENCODING key
Outcome object_encoding(CommandContext& cx, Arguments) {
  const keyspace::Record* record = cx.keyspace.peek(cx.key());
  if (record == nullptr) {
    cx.reply.null();
  } else {
    cx.reply.bulk(encoding_name(*record));
  }
  return Outcome::done();
}

/// OBJECT FREQ key — Redis's logarithmic counter, kept under every policy.
Outcome object_freq(CommandContext& cx, Arguments) {
  const keyspace::Record* record = cx.keyspace.peek(cx.key());
  if (record == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  cx.reply.integer(
      keyspace::frequency_at(*record, cx.now(), cx.services.keyspace.budget.frequency_rule()));
  return Outcome::done();
}

/// OBJECT HELP
Outcome object_help(CommandContext& cx, Arguments) {
  constexpr Bytes kLines[] = {
      "ENCODING <key>", "    How Redis would keep the value of <key>: int, embstr, raw...",
      "FREQ <key>",     "    How often <key> is used, on a logarithmic scale.",
      "IDLETIME <key>", "    Seconds since <key> was last read or written.",
      "REFCOUNT <key>", "    How many references the value of <key> has.",
  };
  return reply_help(cx, kLines);
}

/// OBJECT IDLETIME key
Outcome object_idletime(CommandContext& cx, Arguments) {
  const keyspace::Record* record = cx.keyspace.peek(cx.key());
  if (record == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  // The clock has 24 bits of seconds: after 194 days without use an idle time starts anew.
  cx.reply.integer(keyspace::idle_seconds(*record, cx.now()));
  return Outcome::done();
}

/// OBJECT REFCOUNT key
Outcome object_refcount(CommandContext& cx, Arguments) {
  const keyspace::Record* record = cx.keyspace.peek(cx.key());
  if (record == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  const bool is_shared = record->encoding() == keyspace::Encoding::kInteger &&
                         record->integer() >= 0 && record->integer() < kSharedIntegerCount;
  cx.reply.integer(is_shared ? kSharedReferenceCount : 1);
  return Outcome::done();
}

}  // namespace diskdb::command
