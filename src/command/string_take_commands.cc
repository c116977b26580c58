// The commands that read a string and change its life: GETEX, GETDEL, DELEX.

#include "command/expiry_option.h"
#include "command/string_commands.h"
#include "command/string_condition.h"
#include "keyspace/access.h"
#include "types/string_value.h"

namespace diskdb::command::strings {

using keyspace::Record;
using keyspace::Type;

/// GETEX key [expiry | PERSIST] — the value, or null; the time to live changes as said.
Outcome getex(CommandContext& cx, Arguments args) {
  args.next();
  ExpiryOption option;
  while (!args.is_empty()) {
    if (!take_expiry_option(args, ExpiryForm::kPersist, &option)) return Refusal::kSyntax;
  }
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  if (record == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  Millis when{};
  if (option.names_time()) {
    TRY_LET(when, expiry_instant(cx, option));
  }

  types::reply_value(cx.reply, record, cx.keyspace.reading());
  if (option.form == ExpiryForm::kPersist) {
    cx.keyspace.clear_expiry(cx.key());
  } else if (option.names_time() && has_passed(cx, when)) {
    cx.keyspace.erase(cx.key());
  } else if (option.names_time()) {
    cx.keyspace.set_expiry(cx.key(), when);
  }
  return Outcome::done();
}

/// GETDEL key — the value, which is gone, or null.
Outcome getdel(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  types::reply_value(cx.reply, record, cx.keyspace.reading());
  if (record != nullptr) cx.keyspace.erase(cx.key());
  return Outcome::done();
}

/// DELEX key [comparison] — 1 if the key met the condition and is deleted, else 0. Without a
/// condition it may have any type.
Outcome delex(CommandContext& cx, Arguments args) {
  args.next();
  if (!args.is_empty() && args.count() != 2) {
    return cx.refuse("ERR wrong number of arguments for 'delex' command");
  }
  const Record* record = cx.keyspace.find(cx.key());
  // Redis reads the condition only if there is a value to compare.
  if (record == nullptr) {
    cx.reply.integer(0);
    return Outcome::done();
  }
  if (!args.is_empty()) {
    if (record->type() != Type::kString) {
      return cx.refuse("ERR Key should be of string type if conditions are specified");
    }
    Condition condition;
    if (!take_condition(args, false, &condition)) {
      return cx.refuse("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
    }
    TRY_LET(const bool deletes, is_met(cx, condition, record));
    if (!deletes) {
      cx.reply.integer(0);
      return Outcome::done();
    }
  }
  cx.keyspace.erase(cx.key());
  cx.reply.integer(1);
  return Outcome::done();
}

}  // namespace diskdb::command::strings
