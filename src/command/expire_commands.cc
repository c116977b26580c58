// The time to live: setting, removing and asking for it.
// What is kept and logged is always an instant in milliseconds; relative times and seconds exist
// only in requests and replies.
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "command/expiry_option.h"
#include "command/generic_commands.h"

namespace diskdb::command {
namespace {

enum class Unit : std::uint8_t { kSeconds, kMillis };
/// What a client's time counts from.
enum class Origin : std::uint8_t { kEpoch, kNow };

/// EXPIRE's options: when the new expiry may replace the old one.
struct Condition {
  bool unless_expiring = false;  ///< NX
  bool if_expiring = false;      ///< XX
  bool if_later = false;         ///< GT
  bool if_earlier = false;       ///< LT

  /// A key without expiry lives forever: nothing is later than that, and everything is earlier.
  bool admits(std::optional<Millis> current, Millis when) const {
    if (unless_expiring && current) return false;
    if (if_expiring && !current) return false;
    if (if_later && (!current || when <= *current)) return false;
    if (if_earlier && current && when >= *current) return false;
    return true;
  }
};

Outcome read_condition(CommandContext& cx, Arguments& args, Condition* condition) {
  while (!args.is_empty()) {
    if (args.next_is("NX")) {
      condition->unless_expiring = true;
    } else if (args.next_is("XX")) {
      condition->if_expiring = true;
    } else if (args.next_is("GT")) {
      condition->if_later = true;
    } else if (args.next_is("LT")) {
      condition->if_earlier = true;
    } else {
      return cx.refuse("ERR Unsupported option " + std::string(as_c_string(args.next())));
    }
  }
  const bool compares = condition->if_later || condition->if_earlier;
  if (condition->unless_expiring && (condition->if_expiring || compares)) {
    return cx.refuse("ERR NX and XX, GT or LT options at the same time are not compatible");
  }
  if (condition->if_later && condition->if_earlier) {
    return cx.refuse("ERR GT and LT options at the same time are not compatible");
  }
  return Outcome::done();
}

/// The instant that `time` names; none if it does not fit 64 bits. Times before the epoch are fine.
std::optional<Millis> instant(std::int64_t time, Unit unit, Millis origin) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  if (unit == Unit::kSeconds) {
    if (time > kMax / 1000 || time < kMin / 1000) return std::nullopt;
    time *= 1000;
  }
  if (time > kMax - origin.count) return std::nullopt;
  return Millis{time} + origin;
}

Outcome refuse_expire_time(CommandContext& cx) {
  std::string name(cx.row.name);
  for (char& c : name) c = to_lower(c);
  return cx.refuse("ERR invalid expire time in '" + name + "' command");
}

/// EXPIRE and its three relatives. The options are checked before the time, and both before the
/// key.
Outcome expire_at(CommandContext& cx, Arguments args, Unit unit, Origin origin) {
  args.next();  // the key
  const Bytes time_text = args.next();
  Condition condition;
  TRY(read_condition(cx, args, &condition));
  const auto time = parse_integer(time_text);
  if (!time) return Refusal::kNotInteger;
  const auto when = instant(*time, unit, origin == Origin::kNow ? cx.now() : Millis{0});
  if (!when) return refuse_expire_time(cx);

  const keyspace::Record* record = cx.keyspace.find(cx.key());
  const bool is_set =
      record != nullptr &&
      condition.admits(record->has_expiry() ? std::optional(record->expiry()) : std::nullopt,
                       *when);
  if (is_set) {
    // An instant that has come deletes at once. Not so in replay: then it had not come when the
    // record was logged, and a later command may have moved it.
    if (has_passed(cx, *when)) {
      cx.keyspace.erase(cx.key());
    } else {
      cx.keyspace.set_expiry(cx.key(), *when);
    }
  }
  cx.reply.integer(is_set ? 1 : 0);
  return Outcome::done();
}

/// TTL and its relatives: -2 without key, -1 without expiry.
Outcome reply_expiry(CommandContext& cx, Unit unit, Origin origin) {
  const keyspace::Record* record = cx.keyspace.peek(cx.key());
  if (record == nullptr || !record->has_expiry()) {
    cx.reply.integer(record == nullptr ? -2 : -1);
    return Outcome::done();
  }
  std::int64_t time = record->expiry().count;
  if (origin == Origin::kNow) time -= cx.now().count;
  if (time < 0) time = 0;
  // Rounded; without sign, since the latest instant there is has no room for the half.
  const auto seconds = static_cast<std::int64_t>((static_cast<std::uint64_t>(time) + 500) / 1000);
  cx.reply.integer(unit == Unit::kSeconds ? seconds : time);
  return Outcome::done();
}

}  // namespace

Outcome expire(CommandContext& cx, Arguments args) {
  return expire_at(cx, args, Unit::kSeconds, Origin::kNow);
}
Outcome expireat(CommandContext& cx, Arguments args) {
  return expire_at(cx, args, Unit::kSeconds, Origin::kEpoch);
}
Outcome pexpire(CommandContext& cx, Arguments args) {
  return expire_at(cx, args, Unit::kMillis, Origin::kNow);
}
Outcome pexpireat(CommandContext& cx, Arguments args) {
  return expire_at(cx, args, Unit::kMillis, Origin::kEpoch);
}

Outcome ttl(CommandContext& cx, Arguments) {
  return reply_expiry(cx, Unit::kSeconds, Origin::kNow);
}
Outcome pttl(CommandContext& cx, Arguments) {
  return reply_expiry(cx, Unit::kMillis, Origin::kNow);
}
Outcome expiretime(CommandContext& cx, Arguments) {
  return reply_expiry(cx, Unit::kSeconds, Origin::kEpoch);
}
Outcome pexpiretime(CommandContext& cx, Arguments) {
  return reply_expiry(cx, Unit::kMillis, Origin::kEpoch);
}

/// PERSIST key — 1 if the key had an expiry and lives forever from now on.
Outcome persist(CommandContext& cx, Arguments) {
  cx.reply.integer(cx.keyspace.clear_expiry(cx.key()) ? 1 : 0);
  return Outcome::done();
}

}  // namespace diskdb::command
