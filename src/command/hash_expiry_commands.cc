// The commands that give fields of hashes an expiry, take it away and tell it: HEXPIRE and its kin,
// HTTL and its kin, HPERSIST, HGETEX, HSETEX. The log has instants: HPEXPIREAT, HPERSIST, HSETEX
// with PXAT or KEEPTTL, and HDEL where an instant had passed already.
#include <limits>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/command_table.h"
#include "command/expiry_option.h"
#include "command/hash_commands.h"

namespace diskdb::command::hashes {
namespace {

using types::FieldView;
using types::Hash;

/// What the commands reply for a field.
constexpr std::int64_t kNoField = -2;
constexpr std::int64_t kNoExpiry = -1;
constexpr std::int64_t kConditionFails = 0;
constexpr std::int64_t kDone = 1;
constexpr std::int64_t kErased = 2;

/// Redis keeps two of 48 bits of an instant for itself.
constexpr std::int64_t kInstantMax = (std::int64_t{1} << 46) - 1;

using Names = std::span<const Bytes>;

// ---- Times

enum class Unit : std::uint8_t { kSeconds, kMillis };
enum class From : std::uint8_t { kNow, kEpoch };

/// The instant that a word of the request names.
Answer<Millis> instant(CommandContext& cx, Bytes word, Unit unit, From from) {
  const auto number = parse_integer(word);
  if (!number) return Refusal::kNotInteger;
  if (*number < 0) return cx.refuse("ERR invalid expire time, must be >= 0").refusal();
  const std::int64_t base = from == From::kNow ? cx.now().count : 0;
  const std::int64_t scale = unit == Unit::kSeconds ? 1000 : 1;
  if (*number > kInstantMax / scale || *number * scale > kInstantMax - base) {
    return cx.refuse("ERR invalid expire time in '" + full_name(cx.row) + "' command").refusal();
  }
  return Millis{*number * scale + base};
}

// ---- Effects

void commit_names(HashEdit& edit, std::vector<Bytes> head, Names names) {
  if (names.empty()) return;
  const std::string count = std::to_string(names.size());
  head.push_back("FIELDS");
  head.push_back(count);
  head.insert(head.end(), names.begin(), names.end());
  edit.commit_as(head);
}

void commit_erased(CommandContext& cx, HashEdit& edit, Names names) {
  if (names.empty()) return;
  std::vector<Bytes> effect{"HDEL", cx.key().bytes};
  effect.insert(effect.end(), names.begin(), names.end());
  edit.commit_as(effect);
}

/// Gives the fields `names`, which are there, this expiry, or erases them if it has passed. A name
/// may occur twice.
void expire_fields(CommandContext& cx, HashEdit& edit, Names names, Millis when) {
  if (has_passed(cx, when)) {
    for (const Bytes name : names) edit.hash().erase(name);
    return commit_erased(cx, edit, names);
  }
  for (const Bytes name : names) edit.hash().set_expiry(name, when);
  commit_names(edit, {"HPEXPIREAT", cx.key().bytes, std::to_string(when.count)}, names);
}

void reply_to_all(CommandContext& cx, std::size_t count, std::int64_t answer) {
  cx.reply.array(count);
  for (std::size_t i = 0; i < count; ++i) cx.reply.integer(answer);
}

// ---- FIELDS numfields field [field ...] at the end, as HTTL and HPERSIST have it

Answer<Names> names_at_end(CommandContext& cx, Arguments args) {
  if (!args.next_is("FIELDS")) {
    return cx.refuse("ERR Mandatory argument FIELDS is missing or not at the right position")
        .refusal();
  }
  const auto count = parse_integer(args.next());
  if (!count || *count < 1) {
    return cx.refuse("ERR Number of fields must be a positive integer").refusal();
  }
  if (static_cast<std::uint64_t>(*count) != args.count()) {
    return cx.refuse("ERR The `numfields` parameter must match the number of arguments").refusal();
  }
  return args.rest();
}

// ---- HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]

enum class Condition : std::uint8_t { kNone, kNx, kXx, kGt, kLt };

struct ExpireOptions {
  Condition condition = Condition::kNone;
  Names names;
};

Condition take_condition(Arguments& args) {
  if (args.next_is("NX")) return Condition::kNx;
  if (args.next_is("XX")) return Condition::kXx;
  if (args.next_is("GT")) return Condition::kGt;
  if (args.next_is("LT")) return Condition::kLt;
  return Condition::kNone;
}

/// What stands behind FIELDS: a number and so many groups of `stride` words.
Answer<Names> take_names(CommandContext& cx, Arguments& args, std::size_t stride,
                         const char* bad_count) {
  const auto count = args.is_empty() ? std::nullopt : parse_integer(args.next());
  if (!count || *count < 1) return cx.refuse(bad_count).refusal();
  if (static_cast<std::uint64_t>(*count) > args.count() / stride) {
    return cx.refuse("ERR wrong number of arguments").refusal();
  }
  const Names all = args.rest();
  const std::size_t word_count = static_cast<std::size_t>(*count) * stride;
  args = Arguments(all.subspan(word_count));
  return all.first(word_count);
}

Outcome read_expire_options(CommandContext& cx, Arguments args, ExpireOptions* options) {
  while (!args.is_empty()) {
    if (const Condition condition = take_condition(args); condition != Condition::kNone) {
      if (options->condition != Condition::kNone) {
        return cx.refuse("ERR Multiple condition flags specified");
      }
      options->condition = condition;
    } else if (args.next_is("FIELDS")) {
      if (!options->names.empty()) {
        return cx.refuse("ERR FIELDS keyword specified multiple times");
      }
      TRY_LET(options->names,
              take_names(cx, args, 1, "ERR Parameter `numFields` should be greater than 0"));
    } else {
      return cx.refuse("ERR unknown argument: " + std::string(as_c_string(args.next())));
    }
  }
  if (options->names.empty()) return cx.refuse("ERR missing FIELDS argument");
  return Outcome::done();
}

/// A field without expiry counts as one that never expires.
bool holds(Condition condition, Millis now, Millis then) {
  switch (condition) {
    case Condition::kNone:
      return true;
    case Condition::kNx:
      return now.count == 0;
    case Condition::kXx:
      return now.count != 0;
    case Condition::kGt:
      return now.count != 0 && now < then;
    case Condition::kLt:
      return now.count == 0 || then < now;
  }
  return false;
}

Outcome expire(CommandContext& cx, Arguments args, Unit unit, From from) {
  args.next();
  TRY(cx.keyspace.find(cx.key(), keyspace::Type::kHash));
  TRY_LET(const Millis when, instant(cx, args.next(), unit, from));
  ExpireOptions options;
  TRY(read_expire_options(cx, args, &options));
  TRY_LET(const Prepared prepared, prepare(cx, options.names));
  if (!prepared.exists) {
    reply_to_all(cx, options.names.size(), kNoField);
    return Outcome::done();
  }
  HashEdit edit(cx, prepared);
  const bool erases = has_passed(cx, when);
  std::vector<Bytes> changed;
  cx.reply.array(options.names.size());
  for (const Bytes name : options.names) {
    const auto field = edit.hash().find(name);
    if (!field) {
      cx.reply.integer(kNoField);
    } else if (!holds(options.condition, field->expiry, when)) {
      cx.reply.integer(kConditionFails);
    } else {
      changed.push_back(name);
      // At once: the name may come again.
      if (erases) {
        edit.hash().erase(name);
      } else {
        edit.hash().set_expiry(name, when);
      }
      cx.reply.integer(erases ? kErased : kDone);
    }
  }
  if (erases) {
    commit_erased(cx, edit, changed);
  } else {
    const std::string text = std::to_string(when.count);
    commit_names(edit, {"HPEXPIREAT", cx.key().bytes, text}, changed);
  }
  return Outcome::done();
}

// ---- HTTL and its kin

/// `answer` says what of an instant is told.
template <typename Tell>
Outcome tell(CommandContext& cx, Arguments args, Tell answer) {
  args.next();
  TRY_LET(const auto hash, find_hash(cx));
  TRY_LET(const Names names, names_at_end(cx, args));
  cx.reply.array(names.size());
  for (const Bytes name : names) {
    const auto field = hash ? hash->find(name) : std::nullopt;
    if (!field) {
      cx.reply.integer(kNoField);
    } else {
      cx.reply.integer(field->expiry.count == 0 ? kNoExpiry : answer(field->expiry));
    }
  }
  return Outcome::done();
}

std::int64_t seconds_up(std::int64_t millis) { return (millis + 999) / 1000; }

// ---- HGETEX and HSETEX

enum class FieldCondition : std::uint8_t { kNone, kFnx, kFxx };

struct FieldOptions {
  std::optional<Millis> when;
  bool persists = false;
  bool keeps = false;
  FieldCondition condition = FieldCondition::kNone;
  Names words;

  bool has_expiry() const { return when || persists || keeps; }
};

struct TimeOption {
  Bytes name;
  Unit unit;
  From from;
};
constexpr TimeOption kTimeOptions[] = {{"EX", Unit::kSeconds, From::kNow},
                                       {"PX", Unit::kMillis, From::kNow},
                                       {"EXAT", Unit::kSeconds, From::kEpoch},
                                       {"PXAT", Unit::kMillis, From::kEpoch}};

const TimeOption* take_time_option(Arguments& args) {
  for (const TimeOption& option : kTimeOptions) {
    if (args.next_is(option.name)) return &option;
  }
  return nullptr;
}

/// `sets`: of HSETEX, with KEEPTTL, FNX, FXX and values, rather than HGETEX with PERSIST.
Outcome read_field_options(CommandContext& cx, Arguments args, bool sets, FieldOptions* options) {
  const auto refuse_second = [&] {
    return cx.refuse(
        sets ? "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
             : "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be "
               "specified");
  };
  while (!args.is_empty()) {
    if (const TimeOption* option = take_time_option(args); option != nullptr) {
      if (options->has_expiry()) return refuse_second();
      if (args.is_empty()) return cx.refuse("ERR missing expire time");
      TRY_LET(options->when, instant(cx, args.next(), option->unit, option->from));
    } else if (args.next_is(sets ? "KEEPTTL" : "PERSIST")) {
      if (options->has_expiry()) return refuse_second();
      (sets ? options->keeps : options->persists) = true;
    } else if (sets && (equals_ignoring_case(args.peek(), "FNX") ||
                        equals_ignoring_case(args.peek(), "FXX"))) {
      if (options->condition != FieldCondition::kNone) {
        return cx.refuse("ERR Only one of FXX or FNX arguments can be specified");
      }
      options->condition =
          equals_ignoring_case(args.next(), "FNX") ? FieldCondition::kFnx : FieldCondition::kFxx;
    } else if (args.next_is("FIELDS")) {
      if (!options->words.empty()) {
        return cx.refuse("ERR FIELDS keyword specified multiple times");
      }
      TRY_LET(options->words, take_names(cx, args, sets ? 2 : 1, "ERR invalid number of fields"));
    } else {
      return cx.refuse("ERR unknown argument: " + std::string(as_c_string(args.next())));
    }
  }
  if (options->words.empty()) return cx.refuse("ERR missing FIELDS argument");
  return Outcome::done();
}

bool may_set(const std::optional<Hash>& hash, const FieldOptions& options) {
  if (options.condition == FieldCondition::kNone) return true;
  const bool wanted = options.condition == FieldCondition::kFxx;
  for (std::size_t i = 0; i < options.words.size(); i += 2) {
    if ((hash && hash->contains(options.words[i])) != wanted) return false;
  }
  return true;
}

/// What has passed already is not set; what was there goes.
void erase_pairs(CommandContext& cx, HashEdit& edit, const FieldOptions& options) {
  std::vector<Bytes> erased;
  for (std::size_t i = 0; i < options.words.size(); i += 2) {
    if (edit.hash().erase(options.words[i])) erased.push_back(options.words[i]);
  }
  commit_erased(cx, edit, erased);
}

void set_pairs(CommandContext& cx, HashEdit& edit, const FieldOptions& options) {
  const types::HashLimits limits = limits_of(cx);
  const Names words = options.words;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    if (options.keeps) {
      edit.hash().put_keeping_expiry(words[i], words[i + 1], limits);
    } else {
      edit.hash().put(words[i], words[i + 1], limits, options.when.value_or(Millis{}));
    }
  }
  std::vector<Bytes> effect{"HSETEX", cx.key().bytes};
  const std::string when = options.when ? std::to_string(options.when->count) : std::string();
  if (options.when) effect.insert(effect.end(), {"PXAT", when});
  if (options.keeps) effect.push_back("KEEPTTL");
  const std::string count = std::to_string(words.size() / 2);
  effect.insert(effect.end(), {"FIELDS", count});
  effect.insert(effect.end(), words.begin(), words.end());
  edit.commit_as(effect);
}

}  // namespace

/// HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...] — for each field 1 if
/// it has the expiry now, 2 if it is gone since that lies in the past, 0 if the condition fails, -2
/// if there is no such field.
Outcome hexpire(CommandContext& cx, Arguments args) {
  return expire(cx, args, Unit::kSeconds, From::kNow);
}

/// HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
Outcome hexpireat(CommandContext& cx, Arguments args) {
  return expire(cx, args, Unit::kSeconds, From::kEpoch);
}

/// HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
Outcome hpexpire(CommandContext& cx, Arguments args) {
  return expire(cx, args, Unit::kMillis, From::kNow);
}

/// HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
Outcome hpexpireat(CommandContext& cx, Arguments args) {
  return expire(cx, args, Unit::kMillis, From::kEpoch);
}

/// HPERSIST key FIELDS numfields field [field ...] — for each field 1 if it had an expiry and has
/// none now, -1 if it had none, -2 if there is no such field.
Outcome hpersist(CommandContext& cx, Arguments args) {
  args.next();
  TRY(cx.keyspace.find(cx.key(), keyspace::Type::kHash));
  TRY_LET(const Names names, names_at_end(cx, args));
  TRY_LET(const Prepared prepared, prepare(cx, names));
  if (!prepared.exists) {
    reply_to_all(cx, names.size(), kNoField);
    return Outcome::done();
  }
  HashEdit edit(cx, prepared);
  std::vector<Bytes> changed;
  cx.reply.array(names.size());
  for (const Bytes name : names) {
    const auto field = edit.hash().find(name);
    const bool has_expiry = field && field->expiry.count != 0;
    cx.reply.integer(!field ? kNoField : has_expiry ? kDone : kNoExpiry);
    if (!has_expiry) continue;
    edit.hash().set_expiry(name, Millis{});
    changed.push_back(name);
  }
  commit_names(edit, {"HPERSIST", cx.key().bytes}, changed);
  return Outcome::done();
}

/// HTTL key FIELDS numfields field [field ...] — for each field the seconds it has left, -1 if it
/// has no expiry, -2 if there is none.
Outcome httl(CommandContext& cx, Arguments args) {
  return tell(cx, args, [&](Millis when) { return seconds_up((when - cx.now()).count); });
}

/// HPTTL key FIELDS numfields field [field ...]
Outcome hpttl(CommandContext& cx, Arguments args) {
  return tell(cx, args, [&](Millis when) { return (when - cx.now()).count; });
}

/// HEXPIRETIME key FIELDS numfields field [field ...]
Outcome hexpiretime(CommandContext& cx, Arguments args) {
  return tell(cx, args, [](Millis when) { return seconds_up(when.count); });
}

/// HPEXPIRETIME key FIELDS numfields field [field ...]
Outcome hpexpiretime(CommandContext& cx, Arguments args) {
  return tell(cx, args, [](Millis when) { return when.count; });
}

/// HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT
/// unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...] — their values, null for
/// each that is absent. Those that are there get the expiry, or lose it.
Outcome hgetex(CommandContext& cx, Arguments args) {
  args.next();
  FieldOptions options;
  TRY(read_field_options(cx, args, false, &options));
  TRY_LET(const Prepared prepared, prepare(cx, options.words));
  TRY_LET(const auto hash, find_hash(cx));
  cx.reply.array(options.words.size());
  std::vector<Bytes> found;
  for (const Bytes name : options.words) {
    const auto field = hash ? hash->find(name) : std::nullopt;
    reply_value(cx.reply, field);
    if (field && (!options.persists || field->expiry.count != 0)) found.push_back(name);
  }
  if (found.empty() || !options.has_expiry()) return Outcome::done();
  HashEdit edit(cx, prepared);
  if (options.when) {
    expire_fields(cx, edit, found, *options.when);
  } else {
    for (const Bytes name : found) edit.hash().set_expiry(name, Millis{});
    commit_names(edit, {"HPERSIST", cx.key().bytes}, found);
  }
  return Outcome::done();
}

/// HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT
/// unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...] — 1 if all were
/// set, 0 if none since the condition fails.
Outcome hsetex(CommandContext& cx, Arguments args) {
  args.next();
  FieldOptions options;
  TRY(read_field_options(cx, args, true, &options));
  TRY_LET(const Prepared prepared, prepare(cx, options.words, 2));
  TRY_LET(const auto hash, find_hash(cx));
  const bool sets = may_set(hash, options);
  if (sets) {
    HashEdit edit(cx, prepared);
    if (options.when && has_passed(cx, *options.when)) {
      erase_pairs(cx, edit, options);
    } else {
      set_pairs(cx, edit, options);
    }
  }
  cx.reply.integer(sets ? 1 : 0);
  return Outcome::done();
}

}  // namespace diskdb::command::hashes
