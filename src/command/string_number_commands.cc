// The commands that count in strings. INCREX, with bounds and expiry, has its own file.

#include <cmath>
#include <limits>

#include "command/string_commands.h"
#include "keyspace/access.h"
#include "types/string_value.h"

namespace diskdb::command::strings {
namespace {

using keyspace::Expiry;
using keyspace::Record;
using keyspace::Type;

/// The value, 0 if absent, plus `delta`. Refuses what is no integer, and overflow.
Outcome add(CommandContext& cx, std::int64_t delta) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  std::int64_t value = 0;
  if (record != nullptr) {
    const auto integer = types::integer_of(*record, cx.keyspace.reading());
    if (!integer) return Refusal::kNotInteger;
    value = *integer;
  }
  if (__builtin_add_overflow(value, delta, &value)) return Refusal::kOverflow;
  cx.keyspace.set_integer(cx.key(), value, Expiry::keep());
  cx.reply.integer(value);
  return Outcome::done();
}

}  // namespace

/// INCR key — the value plus one.
Outcome incr(CommandContext& cx, Arguments) { return add(cx, 1); }

/// DECR key — the value less one.
Outcome decr(CommandContext& cx, Arguments) { return add(cx, -1); }

/// INCRBY key increment.
Outcome incrby(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::int64_t delta, args.next_integer());
  return add(cx, delta);
}

/// DECRBY key decrement.
Outcome decrby(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::int64_t delta, args.next_integer());
  if (delta == std::numeric_limits<std::int64_t>::min()) {
    return cx.refuse("ERR decrement would overflow");
  }
  return add(cx, -delta);
}

/// INCRBYFLOAT key increment — the sum as text. Logged as the SET of its result, since another
/// machine's floating point may round otherwise.
Outcome incrbyfloat(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  long double value = 0;
  if (record != nullptr) {
    const auto real = types::real_of(*record, cx.keyspace.reading());
    if (!real) return Refusal::kNotFloat;
    value = *real;
  }
  const auto delta = parse_real(args.next());
  if (!delta) return Refusal::kNotFloat;
  value += *delta;
  if (!std::isfinite(value)) return Refusal::kNanOrInfinity;

  const std::string text = format_human(value);
  cx.keyspace.set_text(cx.key(), text, Expiry::keep());
  cx.reply.bulk(text);
  return Outcome::done();
}

}  // namespace diskdb::command::strings
