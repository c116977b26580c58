// What the commands of JSON documents have in common.
#include <algorithm>
#include <numeric>

#include "command/command_table.h"
#include "command/json_commands.h"

namespace diskdb::command::json {

using keyspace::Record;
using keyspace::Type;
using types::JsonKind;
using types::JsonMatches;
using types::JsonPath;
using types::JsonToken;
using types::JsonTokens;
using types::JsonWalk;

Outcome parse_path(CommandContext& cx, Bytes text, JsonPath* path) {
  std::string error;
  auto parsed = cx.json_paths.parse(text, &error);
  if (!parsed) return cx.refuse("ERR " + error);
  *path = std::move(*parsed);
  return Outcome::done();
}

Outcome parse_value(CommandContext& cx, Bytes text, JsonTokens* value) {
  std::string error;
  if (types::parse_json(text, value, &error)) return Outcome::done();
  return cx.refuse("ERR " + error);
}

Answer<const Record*> find_document(CommandContext& cx) {
  return cx.keyspace.find(cx.key(), Type::kModule);
}

JsonWalk walk_of(const CommandContext& cx, const Record& record) {
  return JsonWalk(record.object(), cx.keyspace.reading());
}

namespace {

Outcome refuse_too_many(CommandContext& cx) {
  return cx.refuse("ERR the path leads to too many values");
}

}  // namespace

Outcome find_all(CommandContext& cx, JsonWalk& walk, const types::JsonSteps& steps,
                 bool with_ancestors, JsonMatches* matches) {
  if (types::find_matches(walk, steps, with_ancestors, matches)) return Outcome::done();
  return refuse_too_many(cx);
}

Outcome find_first(CommandContext& cx, JsonWalk& walk, const JsonPath& path,
                   std::optional<std::uint64_t>* first) {
  bool fits = true;
  *first = types::find_first_match(walk, path.steps(), &fits);
  return fits ? Outcome::done() : refuse_too_many(cx);
}

Outcome find_places(CommandContext& cx, Bytes path, Places* places) {
  TRY_LET(const Record* record, find_document(cx));
  if (record == nullptr) return cx.refuse(std::string(kNoSuchKey));
  TRY(parse_path(cx, path, &places->path));
  JsonWalk walk = walk_of(cx, *record);
  TRY(find_all(cx, walk, places->path.steps(), true, &places->matches));
  for (std::size_t i = 0; i < places->matches.count(); ++i) {
    walk.seek(places->matches.position(i));
    places->tokens.push_back(walk.token());
    places->tokens.back().text = {};
  }
  return Outcome::done();
}

std::vector<std::size_t> from_last(const JsonMatches& matches) {
  std::vector<std::size_t> order(matches.count());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return matches.position(a) > matches.position(b);
  });
  return order;
}

std::vector<std::size_t> outermost_from_last(JsonWalk& walk, const JsonMatches& matches) {
  std::vector<std::size_t> order = from_last(matches);
  std::ranges::reverse(order);
  std::vector<std::size_t> kept;
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    if (matches.position(i) < end) continue;
    walk.seek(matches.position(i));
    end = walk.after();
    kept.push_back(i);
  }
  std::ranges::reverse(kept);
  return kept;
}

Outcome check_depth(CommandContext& cx, std::size_t ancestor_count, std::size_t depth) {
  if (ancestor_count + depth <= types::kJsonDepthMax) return Outcome::done();
  return cx.refuse("ERR recursion limit exceeded");
}

Outcome refuse_path_or(CommandContext& cx, Bytes what) {
  return cx.refuse(std::string(kNoSuchPath) + " or " + std::string(what));
}

Outcome refuse_type(CommandContext& cx, Bytes what) {
  return cx.refuse("WRONGTYPE wrong type of path value - expected " + std::string(what));
}

Outcome refuse_word_count(CommandContext& cx) {
  return cx.refuse("ERR wrong number of arguments for '" + full_name(cx.row) + "' command");
}

void reply_integers(CommandContext& cx, bool is_legacy,
                    std::span<const std::optional<std::int64_t>> answers) {
  if (is_legacy) {
    for (std::size_t i = answers.size(); i-- > 0;) {
      if (answers[i]) return cx.reply.integer(*answers[i]);
    }
    return cx.reply.null();
  }
  cx.reply.array(answers.size());
  for (const auto& answer : answers) {
    if (answer) {
      cx.reply.integer(*answer);
    } else {
      cx.reply.null();
    }
  }
}

void reply_scalar(CommandContext& cx, const JsonToken& token) {
  switch (token.kind) {
    case JsonKind::kFalse:
    case JsonKind::kTrue:
      return cx.reply.boolean(token.kind == JsonKind::kTrue);
    case JsonKind::kInteger:
      return cx.reply.integer(token.integer);
    case JsonKind::kUnsigned:
    case JsonKind::kFloat:
    case JsonKind::kDouble:
      return cx.reply.real(token.as_double());
    case JsonKind::kString:
    case JsonKind::kName:
      return cx.reply.bulk(token.text);
    default:
      return cx.reply.null();
  }
}

}  // namespace diskdb::command::json
