// The commands that write strings: whole (SET and its kin) or in part (APPEND, SETRANGE).

#include <algorithm>
#include <limits>

#include "command/command_table.h"
#include "command/expiry_option.h"
#include "command/string_commands.h"
#include "command/string_condition.h"
#include "command/string_size.h"
#include "keyspace/access.h"
#include "types/string_value.h"

namespace diskdb::command {
namespace {

using keyspace::Expiry;
using keyspace::Key;
using keyspace::Record;
using keyspace::Type;

/// What stands behind the key and the value of a SET.
struct SetOptions {
  Condition condition;
  ExpiryOption expiry;
  bool gets = false;
};

bool take_set_options(Arguments args, SetOptions* options) {
  while (!args.is_empty()) {
    if (args.next_is("GET")) {
      options->gets = true;
    } else if (!take_expiry_option(args, ExpiryForm::kKeep, &options->expiry) &&
               !take_condition(args, true, &options->condition)) {
      return false;
    }
  }
  return true;
}

/// Reads the expiry that the option asks for; without one `expiry` stays.
Outcome read_expiry(CommandContext& cx, const ExpiryOption& option, Expiry* expiry) {
  if (option.form == ExpiryForm::kKeep) *expiry = Expiry::keep();
  if (!option.names_time()) return Outcome::done();
  TRY_LET(const Millis when, expiry_instant(cx, option));
  *expiry = Expiry::at(when);
  return Outcome::done();
}

/// Stores the value; a key that would have expired already is deleted instead.
void store(CommandContext& cx, const Key& key, Bytes value, Expiry expiry) {
  if (expiry.is_at() && has_passed(cx, expiry.when())) {
    cx.keyspace.erase(key);
  } else {
    cx.keyspace.set_string(key, value, expiry);
  }
}

Outcome set_with_options(CommandContext& cx, Bytes value, Arguments args) {
  SetOptions options;
  if (!take_set_options(args, &options)) return Refusal::kSyntax;
  Expiry expiry = Expiry::none();
  TRY(read_expiry(cx, options.expiry, &expiry));

  const Record* old = cx.keyspace.find(cx.key());
  const bool looks_at_value = options.gets || options.condition.compares();
  if (looks_at_value && old != nullptr && old->type() != Type::kString) return Refusal::kWrongType;
  TRY_LET(const bool sets, is_met(cx, options.condition, old));

  if (options.gets) {
    types::reply_value(cx.reply, old, cx.keyspace.reading());
  } else if (sets) {
    cx.reply.ok();
  } else {
    cx.reply.null();
  }
  if (sets) {
    cx.keyspace.log_by_effect();
    store(cx, cx.key(), value, expiry);
  }
  return Outcome::done();
}

/// SETEX and PSETEX.
Outcome set_for(CommandContext& cx, ExpiryForm form, Arguments args) {
  args.next();
  Expiry expiry = Expiry::none();
  TRY(read_expiry(cx, {form, args.next()}, &expiry));
  cx.keyspace.log_by_effect();
  store(cx, cx.key(), args.next(), expiry);
  cx.reply.ok();
  return Outcome::done();
}

bool any_exists(CommandContext& cx) {
  return std::any_of(cx.keys.begin(), cx.keys.end(),
                     [&](const Key& key) { return cx.keyspace.find(key) != nullptr; });
}

bool all_exist(CommandContext& cx) {
  return std::all_of(cx.keys.begin(), cx.keys.end(),
                     [&](const Key& key) { return cx.keyspace.find(key) != nullptr; });
}

/// `args`: key value [key value ...], the keys being cx.keys.
void store_pairs(CommandContext& cx, Arguments args, Expiry expiry) {
  for (const Key& key : cx.keys) {
    args.next();
    store(cx, key, args.next(), expiry);
  }
}

Outcome refuse_word_count(CommandContext& cx) {
  return cx.refuse("ERR wrong number of arguments for '" + full_name(cx.row) + "' command");
}

}  // namespace

bool set_reads_as_options(std::span<const Bytes> words) {
  SetOptions options;
  return take_set_options(Arguments(words.subspan(3)), &options);
}

namespace strings {

/// SET key value [condition] [GET] [expiry] — OK, or null if the condition is not met; with GET the
/// old value in either case.
Outcome set(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes value = args.next();
  if (!args.is_empty()) return set_with_options(cx, value, args);
  cx.keyspace.set_string(cx.key(), value);
  cx.reply.ok();
  return Outcome::done();
}

/// SETEX key seconds value.
Outcome setex(CommandContext& cx, Arguments args) {
  return set_for(cx, ExpiryForm::kSeconds, args);
}

/// PSETEX key milliseconds value.
Outcome psetex(CommandContext& cx, Arguments args) {
  return set_for(cx, ExpiryForm::kMillis, args);
}

/// SETNX key value — 1 if the key was absent and is set, else 0.
Outcome setnx(CommandContext& cx, Arguments args) {
  args.next();
  const bool sets = cx.keyspace.find(cx.key()) == nullptr;
  if (sets) cx.keyspace.set_string(cx.key(), args.next());
  cx.reply.integer(sets ? 1 : 0);
  return Outcome::done();
}

/// GETSET key value — the old value.
Outcome getset(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const Record* old, cx.keyspace.find(cx.key(), Type::kString));
  types::reply_value(cx.reply, old, cx.keyspace.reading());
  cx.keyspace.set_string(cx.key(), args.next());
  return Outcome::done();
}

/// MSET key value [key value ...].
Outcome mset(CommandContext& cx, Arguments args) {
  if (args.count() % 2 != 0) return refuse_word_count(cx);
  store_pairs(cx, args, Expiry::none());
  cx.reply.ok();
  return Outcome::done();
}

/// MSETNX key value [key value ...] — 1 if all keys were absent and are set, else 0 and none is.
Outcome msetnx(CommandContext& cx, Arguments args) {
  if (args.count() % 2 != 0) return refuse_word_count(cx);
  const bool sets = !any_exists(cx);
  if (sets) store_pairs(cx, args, Expiry::none());
  cx.reply.integer(sets ? 1 : 0);
  return Outcome::done();
}

/// MSETEX numkeys key value [key value ...] [NX | XX] [expiry] — 1 if all were set, else 0.
Outcome msetex(CommandContext& cx, Arguments args) {
  const auto count = parse_integer(args.next());
  if (!count || *count < 1 || *count > std::numeric_limits<std::int32_t>::max()) {
    return cx.refuse("ERR invalid numkeys value");
  }
  const auto pair_words = static_cast<std::size_t>(*count) * 2;
  if (pair_words > args.count()) return cx.refuse("ERR wrong number of key-value pairs");

  const std::span<const Bytes> words = args.rest();
  Arguments rest(words.subspan(pair_words));
  Condition condition;
  ExpiryOption option;
  while (!rest.is_empty()) {
    if (!take_expiry_option(rest, ExpiryForm::kKeep, &option) &&
        !(take_condition(rest, true, &condition) && !condition.compares())) {
      return Refusal::kSyntax;
    }
  }
  Expiry expiry = Expiry::none();
  TRY(read_expiry(cx, option, &expiry));

  const bool sets = condition.kind == Condition::Kind::kNx   ? !any_exists(cx)
                    : condition.kind == Condition::Kind::kXx ? all_exist(cx)
                                                             : true;
  if (sets) store_pairs(cx, Arguments(words.first(pair_words)), expiry);
  cx.reply.integer(sets ? 1 : 0);
  return Outcome::done();
}

/// APPEND key value — the length of the value with `value` behind it.
Outcome append(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes tail = args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  if (record == nullptr) {
    cx.keyspace.set_string(cx.key(), tail);
    cx.reply.integer(static_cast<std::int64_t>(tail.size()));
    return Outcome::done();
  }
  const std::size_t old_size = record->string_length();
  const std::size_t size = old_size + tail.size();
  TRY(check_string_size(cx, size));
  cx.keyspace.write_string(cx.key(), record, size, old_size, tail);
  cx.reply.integer(static_cast<std::int64_t>(size));
  return Outcome::done();
}

/// SETRANGE key offset value — the length after `value` took the place of the bytes at `offset`.
Outcome setrange(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::int64_t offset, args.next_integer());
  if (offset < 0) return Refusal::kOffsetOutOfRange;
  const Bytes part = args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));

  const std::size_t old_size = types::length_of(record);
  if (part.empty()) {  // nothing is created and nothing grows
    cx.reply.integer(static_cast<std::int64_t>(old_size));
    return Outcome::done();
  }
  const std::uint64_t end = static_cast<std::uint64_t>(offset) + part.size();
  TRY(check_string_size(cx, end));
  const std::size_t size = std::max<std::size_t>(old_size, end);
  cx.keyspace.write_string(cx.key(), record, size, static_cast<std::uint64_t>(offset), part);
  cx.reply.integer(static_cast<std::int64_t>(size));
  return Outcome::done();
}

}  // namespace strings
}  // namespace diskdb::command
