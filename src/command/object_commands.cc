// OBJECT: what Redis would say of a value's inner life. Clients and suites ask; the answers are
// Redis's for the same history of the key, whatever this server really does.
#include <cstdint>

#include "command/generic_commands.h"
#include "command/help.h"
#include "types/string_value.h"

namespace diskdb::command {
namespace {

// Redis shares the small integers among all keys.
constexpr std::int64_t kSharedIntegerCount = 10'000;
constexpr std::int64_t kSharedReferenceCount = 2'147'483'647;

constexpr std::uint32_t kAccessClockMask = 0xFFFFFF;

}  // namespace

Bytes encoding_name(const keyspace::Record& record) {
  if (record.encoding() == keyspace::Encoding::kInteger) return "int";
  return types::is_compact(record) ? "embstr" : "raw";
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

/// OBJECT FREQ key — refused unless a key exists and its uses are counted, which no policy here
/// does yet.
Outcome object_freq(CommandContext& cx, Arguments) {
  if (cx.keyspace.peek(cx.key()) == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  return cx.refuse(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when "
      "switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

/// OBJECT HELP
Outcome object_help(CommandContext& cx, Arguments) {
  constexpr Bytes kLines[] = {
      "ENCODING <key>", "    How Redis would keep the value of <key>: int, embstr, raw...",
      "FREQ <key>",     "    How often <key> is used, on a logarithmic scale. For LFU policies.",
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
  const auto now = static_cast<std::uint32_t>(cx.now().count / 1000);
  cx.reply.integer((now - record->accessed_at()) & kAccessClockMask);
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
