// Values changed, but for arrays: JSON.DEL, JSON.CLEAR, JSON.TOGGLE, JSON.STRAPPEND, and the
// commands that calculate.
#include <algorithm>
#include <cmath>
#include <map>

#include "command/json_commands.h"
#include "keyspace/access.h"

namespace diskdb::command::json {
namespace {

using keyspace::ObjectEdit;
using keyspace::Record;
using keyspace::Type;
using types::JsonEdit;
using types::JsonKind;
using types::JsonMatches;
using types::JsonPath;
using types::JsonToken;
using types::JsonTokens;
using types::JsonWalk;

// ---- Numbers

enum class Operation : std::uint8_t { kAdd, kMultiply, kPower };

/// Nothing on overflow.
std::optional<std::int64_t> power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (; exponent > 0; exponent >>= 1U) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return std::nullopt;
    // The last square is not needed, and may be too large.
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return std::nullopt;
  }
  return result;
}

/// Nothing on overflow.
std::optional<std::int64_t> calculate(Operation operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (operation) {
    case Operation::kAdd:
      return __builtin_add_overflow(a, b, &result) ? std::nullopt : std::optional(result);
    case Operation::kMultiply:
      return __builtin_mul_overflow(a, b, &result) ? std::nullopt : std::optional(result);
    case Operation::kPower:
      break;
  }
  return power(a, b);
}

double calculate(Operation operation, double a, double b) {
  switch (operation) {
    case Operation::kAdd:
      return a + b;
    case Operation::kMultiply:
      return a * b;
    case Operation::kPower:
      break;
  }
  return std::pow(a, b);
}

/// Integers stay integers, if the result is one.
Outcome calculate(CommandContext& cx, Operation operation, const JsonToken& a, const JsonToken& b,
                  JsonToken* result) {
  const bool has_fraction = operation == Operation::kPower && b.integer < 0;
  if (a.is_integer() && b.is_integer() && !has_fraction) {
    const auto integer = calculate(operation, a.integer, b.integer);
    if (!integer) return cx.refuse("ERR numeric overflow");
    *result = JsonToken::of_integer(*integer);
    return Outcome::done();
  }
  const double real = calculate(operation, a.as_double(), b.as_double());
  if (!std::isfinite(real)) return cx.refuse("ERR result is not a number");
  *result = JsonToken::of_real(real);
  return Outcome::done();
}

/// RESP2: the results as one JSON array, or of a legacy path the last one. RESP3: an array.
void reply_results(CommandContext& cx, bool is_legacy,
                   std::span<const std::optional<JsonToken>> results) {
  if (is_resp3(cx)) {
    cx.reply.array(results.size());
    for (const auto& result : results) reply_scalar(cx, result.value_or(JsonToken::null()));
    return;
  }
  std::string text;
  if (is_legacy) {
    const auto last = std::find_if(results.rbegin(), results.rend(),
                                   [](const auto& result) { return result.has_value(); });
    types::append_json_number(**last, &text);
  } else {
    types::JsonWriter writer({}, &text);
    writer.begin('[');
    for (const auto& result : results) writer.token(result.value_or(JsonToken::null()));
    writer.end();
  }
  cx.reply.bulk(text);
}

Outcome change_numbers(CommandContext& cx, Arguments args, Operation operation) {
  args.next();
  Places places;
  TRY(find_places(cx, args.next(), &places));
  JsonTokens operand;
  TRY(parse_value(cx, args.next(), &operand));
  if (!operand.at(0).is_number()) return cx.refuse("ERR bad input number");

  std::map<std::uint64_t, JsonToken> values;  // by position: a place may occur twice
  std::vector<std::optional<JsonToken>> results(places.tokens.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!places.tokens[i].is_number()) continue;
    JsonToken& value =
        values.try_emplace(places.matches.position(i), places.tokens[i]).first->second;
    TRY(calculate(cx, operation, value, operand.at(0), &value));
    results[i] = value;
  }
  if (values.empty() && places.path.is_legacy() && !is_resp3(cx)) {
    return refuse_path_or(cx, "does not contains a number");
  }
  reply_results(cx, places.path.is_legacy(), results);
  if (values.empty()) return Outcome::done();
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kModule);
  JsonEdit document(edit.object(), edit.use());
  for (const auto& [position, value] : values) document.replace_scalar(position, value);
  edit.commit();
  return Outcome::done();
}

// ---- Whole values

/// Is there nothing left to clear?
bool is_clear(const JsonToken& token) {
  if (token.is_container()) return token.child_count == 0;
  return !token.is_number() || token.as_double() == 0;
}

void clear_at(JsonEdit& edit, std::uint64_t position, JsonEdit::Ancestors ancestors,
              const JsonToken& token) {
  if (token.is_container()) {
    edit.erase_children(position, ancestors, position + 1, position + 1 + token.tokens_below,
                        token.child_count);
  } else {
    edit.replace_scalar(position, JsonToken::of_integer(0));
  }
}

/// Is the root a container without children?
bool is_empty(ObjectEdit& edit) {
  JsonWalk walk(edit.object(), edit.use());
  const JsonToken root = walk.token();
  return root.is_container() && root.child_count == 0;
}

}  // namespace

/// JSON.NUMINCRBY key path number
Outcome numincrby(CommandContext& cx, Arguments args) {
  return change_numbers(cx, args, Operation::kAdd);
}

/// JSON.NUMMULTBY key path number
Outcome nummultby(CommandContext& cx, Arguments args) {
  return change_numbers(cx, args, Operation::kMultiply);
}

/// JSON.NUMPOWBY key path number
Outcome numpowby(CommandContext& cx, Arguments args) {
  return change_numbers(cx, args, Operation::kPower);
}

/// JSON.DEL key [path], JSON.FORGET — how many values are gone. A document left without content
/// goes, too.
Outcome del(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes path_text = args.is_empty() ? Bytes(".") : args.next();
  TRY_LET(const Record* record, find_document(cx));
  if (record == nullptr) {
    cx.reply.integer(0);
    return Outcome::done();
  }
  JsonPath path;
  TRY(parse_path(cx, path_text, &path));
  JsonMatches matches;
  std::vector<std::size_t> order;
  {
    JsonWalk walk = walk_of(cx, *record);
    TRY(find_all(cx, walk, path.steps(), true, &matches));
    order = outermost_from_last(walk, matches);
  }
  cx.reply.integer(static_cast<std::int64_t>(order.size()));
  if (order.empty()) return Outcome::done();
  if (matches.position(order.back()) == 0) {
    cx.keyspace.erase(cx.key());
    return Outcome::done();
  }
  bool is_left_empty = false;
  {
    ObjectEdit edit(cx.keyspace, cx.key(), Type::kModule);
    JsonEdit document(edit.object(), edit.use());
    for (const std::size_t i : order) {
      document.erase_child(matches.position(i), matches.ancestors(i));
    }
    is_left_empty = is_empty(edit);
    edit.commit(order.size());
  }
  if (is_left_empty) cx.keyspace.erase(cx.key());
  return Outcome::done();
}

/// JSON.CLEAR key [path] — how many objects and arrays have been emptied and numbers set to 0.
Outcome clear(CommandContext& cx, Arguments args) {
  if (args.count() > 2) return refuse_word_count(cx);
  args.next();
  Places places;
  TRY(find_places(cx, args.is_empty() ? Bytes(".") : args.next(), &places));
  JsonMatches cleared;
  std::map<std::uint64_t, JsonToken> tokens;
  for (std::size_t i = 0; i < places.tokens.size(); ++i) {
    if (is_clear(places.tokens[i])) continue;
    cleared.add(places.matches.position(i), places.matches.ancestors(i));
    tokens.emplace(places.matches.position(i), places.tokens[i]);
  }
  std::vector<std::size_t> order;
  if (!cleared.is_empty()) {
    TRY_LET(const Record* record, find_document(cx));
    JsonWalk walk = walk_of(cx, *record);
    order = outermost_from_last(walk, cleared);
  }
  cx.reply.integer(static_cast<std::int64_t>(order.size()));
  if (order.empty()) return Outcome::done();
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kModule);
  JsonEdit document(edit.object(), edit.use());
  for (const std::size_t i : order) {
    const std::uint64_t position = cleared.position(i);
    clear_at(document, position, cleared.ancestors(i), tokens[position]);
  }
  edit.commit(order.size());
  return Outcome::done();
}

/// JSON.TOGGLE key path
Outcome toggle(CommandContext& cx, Arguments args) {
  args.next();
  Places places;
  TRY(find_places(cx, args.next(), &places));
  std::map<std::uint64_t, bool> values;
  std::vector<std::optional<std::int64_t>> results(places.tokens.size());
  std::optional<bool> last;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!places.tokens[i].is_boolean()) continue;
    bool& value =
        values.try_emplace(places.matches.position(i), places.tokens[i].kind == JsonKind::kTrue)
            .first->second;
    value = !value;
    results[i] = value ? 1 : 0;
    last = value;
  }
  if (places.path.is_legacy()) {
    if (!last) return refuse_path_or(cx, "not a bool");
    cx.reply.bulk(*last ? "true" : "false");
  } else {
    reply_integers(cx, false, results);
  }
  if (values.empty()) return Outcome::done();
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kModule);
  JsonEdit document(edit.object(), edit.use());
  for (const auto& [position, value] : values) {
    document.replace_scalar(position, JsonToken::boolean(value));
  }
  edit.commit();
  return Outcome::done();
}

/// JSON.STRAPPEND key [path] value — the strings' lengths, in bytes.
Outcome strappend(CommandContext& cx, Arguments args) {
  args.next();
  if (args.count() > 2) return refuse_word_count(cx);
  const Bytes path_text = args.count() == 2 ? args.next() : Bytes(".");
  const Bytes value_text = args.next();
  Places places;
  TRY(find_places(cx, path_text, &places));
  const bool has_any =
      std::ranges::any_of(places.tokens, [](const JsonToken& token) { return token.is_string(); });
  if (!has_any) {
    if (places.path.is_legacy()) return refuse_path_or(cx, "not a string");
    reply_integers(cx, false,
                   std::vector<std::optional<std::int64_t>>(places.tokens.size(), std::nullopt));
    return Outcome::done();
  }
  JsonTokens suffix;
  TRY(parse_value(cx, value_text, &suffix));
  if (!suffix.at(0).is_string()) return refuse_type(cx, "string");

  TRY_LET(const Record* record, find_document(cx));
  std::map<std::uint64_t, std::string> values;
  std::vector<std::optional<std::int64_t>> results(places.tokens.size());
  {
    JsonWalk walk = walk_of(cx, *record);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!places.tokens[i].is_string()) continue;
      const std::uint64_t position = places.matches.position(i);
      auto at = values.find(position);
      if (at == values.end()) {
        walk.seek(position);
        at = values.emplace(position, std::string(walk.token().text)).first;
      }
      at->second.append(suffix.at(0).text);
      results[i] = static_cast<std::int64_t>(at->second.size());
    }
  }
  reply_integers(cx, places.path.is_legacy(), results);
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kModule);
  JsonEdit document(edit.object(), edit.use());
  for (const auto& [position, value] : values) {
    document.replace_scalar(position, JsonToken::string(value));
  }
  edit.commit();
  return Outcome::done();
}

}  // namespace diskdb::command::json
