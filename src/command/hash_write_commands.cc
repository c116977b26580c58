// The commands that change fields of hashes; those that change expiries: hash_expiry_commands.cc.
#include <cmath>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/command_table.h"
#include "command/hash_commands.h"

namespace diskdb::command::hashes {
namespace {

using types::FieldView;
using types::Hash;

Outcome refuse_word_count(CommandContext& cx) {
  return cx.refuse("ERR wrong number of arguments for '" + full_name(cx.row) + "' command");
}

/// Sets all pairs; how many fields are new.
Answer<std::int64_t> set_pairs(CommandContext& cx, Arguments args) {
  args.next();
  if (args.count() % 2 != 0) return refuse_word_count(cx);
  const std::span<const Bytes> pairs = args.rest();
  TRY_LET(const Prepared prepared, prepare(cx, pairs, 2));
  HashEdit edit(cx, prepared);
  const types::HashLimits limits = limits_of(cx);
  std::int64_t new_count = 0;
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    new_count += edit.hash().put(pairs[i], pairs[i + 1], limits) ? 1 : 0;
  }
  edit.commit(pairs.size() / 2);
  return new_count;
}

}  // namespace

/// HSET key field value [field value ...] — how many fields are new. They lose their expiries.
Outcome hset(CommandContext& cx, Arguments args) {
  TRY_LET(const std::int64_t new_count, set_pairs(cx, args));
  cx.reply.integer(new_count);
  return Outcome::done();
}

/// HMSET key field value [field value ...]
Outcome hmset(CommandContext& cx, Arguments args) {
  TRY(set_pairs(cx, args));
  cx.reply.ok();
  return Outcome::done();
}

/// HSETNX key field value — 1 if the field was absent and is set.
Outcome hsetnx(CommandContext& cx, Arguments args) {
  args.next();
  const std::span<const Bytes> words = args.rest();
  TRY_LET(const Prepared prepared, prepare(cx, words.first(1)));
  HashEdit edit(cx, prepared);
  const bool sets = !edit.hash().contains(words[0]);
  if (sets) {
    edit.hash().put(words[0], words[1], limits_of(cx));
    edit.commit();
  }
  cx.reply.integer(sets ? 1 : 0);
  return Outcome::done();
}

/// HDEL key field [field ...] — how many fields were there and are now gone.
Outcome hdel(CommandContext& cx, Arguments args) {
  args.next();
  const std::span<const Bytes> names = args.rest();
  TRY_LET(const Prepared prepared, prepare(cx, names));
  std::int64_t erased_count = 0;
  if (prepared.exists) {
    HashEdit edit(cx, prepared);
    for (const Bytes name : names) erased_count += edit.hash().erase(name) ? 1 : 0;
    if (erased_count != 0) edit.commit(static_cast<std::size_t>(erased_count));
  }
  cx.reply.integer(erased_count);
  return Outcome::done();
}

/// HGETDEL key FIELDS numfields field [field ...] — their values, null for each that is absent; all
/// of them are gone then.
Outcome hgetdel(CommandContext& cx, Arguments args) {
  args.next();
  if (!args.next_is("FIELDS")) {
    return cx.refuse("ERR Mandatory argument FIELDS is missing or not at the right position");
  }
  const auto count = parse_integer(args.next());
  if (!count || *count < 1) return cx.refuse("ERR Number of fields must be a positive integer");
  if (static_cast<std::uint64_t>(*count) != args.count()) {
    return cx.refuse("ERR The `numfields` parameter must match the number of arguments");
  }
  const std::span<const Bytes> names = args.rest();
  TRY_LET(const Prepared prepared, prepare(cx, names));
  cx.reply.array(names.size());
  if (!prepared.exists) {
    for (std::size_t i = 0; i < names.size(); ++i) cx.reply.null();
    return Outcome::done();
  }
  HashEdit edit(cx, prepared);
  std::vector<Bytes> effect{"HDEL", cx.key().bytes};
  for (const Bytes name : names) {
    reply_value(cx.reply, edit.hash().find(name));
    if (edit.hash().erase(name)) effect.push_back(name);
  }
  if (effect.size() > 2) edit.commit_as(effect);
  return Outcome::done();
}

/// HINCRBY key field increment — the sum. The field keeps its expiry.
Outcome hincrby(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  TRY_LET(const std::int64_t delta, args.next_integer());
  TRY_LET(const Prepared prepared, prepare(cx, {&name, 1}));
  std::int64_t sum = 0;
  TRY_LET(const auto hash, find_hash(cx));
  if (const auto field = hash ? hash->find(name) : std::nullopt) {
    const auto value = parse_integer(field->value);
    if (!value) return cx.refuse("ERR hash value is not an integer");
    sum = *value;
  }
  if (__builtin_add_overflow(sum, delta, &sum)) return Refusal::kOverflow;

  HashEdit edit(cx, prepared);
  edit.hash().put_keeping_expiry(name, format_integer(sum), limits_of(cx));
  edit.commit();
  cx.reply.integer(sum);
  return Outcome::done();
}

/// HINCRBYFLOAT key field increment — the sum as text. Logged as what sets the result, since
/// another machine's floating point may round otherwise. The field keeps its expiry.
Outcome hincrbyfloat(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes name = args.next();
  const auto delta = parse_real(args.next());
  if (!delta) return Refusal::kNotFloat;
  if (!std::isfinite(*delta)) return cx.refuse("ERR value is NaN or Infinity");
  TRY_LET(const Prepared prepared, prepare(cx, {&name, 1}));
  long double sum = 0;
  TRY_LET(const auto hash, find_hash(cx));
  if (const auto field = hash ? hash->find(name) : std::nullopt) {
    const auto value = parse_real(field->value);
    if (!value) return cx.refuse("ERR hash value is not a float");
    sum = *value;
  }
  sum += *delta;
  if (!std::isfinite(sum)) return Refusal::kNanOrInfinity;

  const std::string text = format_human(sum);
  HashEdit edit(cx, prepared);
  edit.hash().put_keeping_expiry(name, text, limits_of(cx));
  if (edit.hash().is_dated()) {
    const Bytes effect[] = {"HSETEX", cx.key().bytes, "KEEPTTL", "FIELDS", "1", name, text};
    edit.commit_as(effect);
  } else {
    const Bytes effect[] = {"HSET", cx.key().bytes, name, text};
    edit.commit_as(effect);
  }
  cx.reply.bulk(text);
  return Outcome::done();
}

}  // namespace diskdb::command::hashes
