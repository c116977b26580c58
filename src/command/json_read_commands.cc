// What is known of values: JSON.TYPE, JSON.STRLEN, JSON.OBJKEYS, JSON.OBJLEN, JSON.ARRLEN,
// JSON.ARRINDEX, JSON.DEBUG.
#include <algorithm>

#include "command/json_commands.h"

namespace diskdb::command::json {
namespace {

using keyspace::Record;
using types::JsonKind;
using types::JsonMatches;
using types::JsonPath;
using types::JsonToken;
using types::JsonTokens;
using types::JsonWalk;

Bytes type_name(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kFalse:
    case JsonKind::kTrue:
      return "boolean";
    case JsonKind::kInteger:
    case JsonKind::kUnsigned:
      return "integer";
    case JsonKind::kFloat:
    case JsonKind::kDouble:
      return "number";
    case JsonKind::kString:
    case JsonKind::kName:
      return "string";
    case JsonKind::kObject:
      return "object";
    case JsonKind::kArray:
      break;
  }
  return "array";
}

/// What a command that reads one number of each match has found.
struct Readings {
  bool is_legacy = true;
  bool is_there = false;  ///< the document
  std::vector<std::optional<std::int64_t>> numbers;
};

/// `measure`: of the value where the walk stands, or nothing if it has no such number.
template <typename Measure>
Outcome read_numbers(CommandContext& cx, Arguments& args, Readings* readings, Measure measure) {
  args.next();
  JsonPath path;
  if (!args.is_empty()) TRY(parse_path(cx, args.next(), &path));
  readings->is_legacy = path.is_legacy();
  TRY_LET(const Record* record, find_document(cx));
  if (record == nullptr) return Outcome::done();
  readings->is_there = true;
  JsonWalk walk = walk_of(cx, *record);
  if (path.is_legacy()) {
    std::optional<std::uint64_t> first;
    TRY(find_first(cx, walk, path, &first));
    if (!first) return Outcome::done();
    walk.seek(*first);
    readings->numbers.push_back(measure(walk));
    return Outcome::done();
  }
  JsonMatches matches;
  TRY(find_all(cx, walk, path.steps(), false, &matches));
  for (std::size_t i = 0; i < matches.count(); ++i) {
    walk.seek(matches.position(i));
    readings->numbers.push_back(measure(walk));
  }
  return Outcome::done();
}

std::optional<std::int64_t> count_of(JsonWalk& walk, JsonKind kind) {
  const JsonToken token = walk.token();
  if (token.kind != kind) return std::nullopt;
  return static_cast<std::int64_t>(token.child_count);
}

/// The keys of the object where the walk stands.
void reply_keys(CommandContext& cx, JsonWalk& walk) {
  const std::uint64_t end = walk.after();
  const std::uint64_t count = walk.token().child_count;
  std::uint64_t name = walk.position() + 1;
  cx.reply.array(count);
  for (std::uint64_t left = count; left > 0; --left) {
    if (name + 1 >= end) {  // a corrupt document
      cx.reply.null();
      continue;
    }
    walk.seek(name);
    cx.reply.bulk(walk.token().text);
    walk.seek(name + 1);
    name = walk.after();
  }
}

/// What ARRINDEX means by start and stop: stop is not included, and 0 stands for the end.
struct Range {
  std::int64_t first;
  std::int64_t last;
};
Range range_in(std::int64_t start, std::int64_t stop, std::int64_t count) {
  const std::int64_t first =
      start < 0 ? std::max<std::int64_t>(count + start, 0) : std::min(start, count - 1);
  if (stop == 0) return {first, count};
  return {first, stop < 0 ? std::max<std::int64_t>(count + stop, 0) : std::min(stop, count)};
}

/// Of the array at `position`: where an element equals `sought`; -1 if none does; nothing if it is
/// no array.
std::optional<std::int64_t> index_of(JsonWalk& walk, std::uint64_t position,
                                     const JsonTokens& sought, std::int64_t start,
                                     std::int64_t stop) {
  walk.seek(position);
  const JsonToken array = walk.token();
  if (!array.is_array()) return std::nullopt;
  if (array.child_count == 0) return -1;
  const Range range = range_in(start, stop, static_cast<std::int64_t>(array.child_count));
  if (range.first >= range.last) return -1;
  std::uint64_t child = types::child_at(walk, position, static_cast<std::uint64_t>(range.first));
  const JsonKind kind = sought.at(0).kind;
  for (std::int64_t index = range.first; index < range.last && child < walk.count(); ++index) {
    walk.seek(child);
    const std::uint64_t next = walk.after();
    if (walk.token().kind == kind) {
      JsonTokens element;
      types::copy_value(walk, child, &element);
      if (types::are_equal(element, 0, sought, 0)) return index;
    }
    child = next;
  }
  return -1;
}

/// Bytes that the value's tokens take in their pages.
std::int64_t memory_of(JsonWalk& walk) {
  const std::uint64_t begin = walk.position();
  const std::uint64_t end = walk.after();
  std::int64_t bytes = 0;
  std::string entry;
  for (std::uint64_t at = begin; at < end; ++at) {
    walk.seek(at);
    entry.clear();
    types::append_json_token(walk.token(), &entry);
    bytes += static_cast<std::int64_t>(entry.size()) + 1;  // and its length
  }
  return bytes;
}

}  // namespace

/// JSON.TYPE key [path]
Outcome type(CommandContext& cx, Arguments args) {
  args.next();
  JsonPath path;
  if (!args.is_empty()) TRY(parse_path(cx, args.next(), &path));
  TRY_LET(const Record* record, find_document(cx));
  JsonMatches matches;
  std::vector<JsonKind> kinds;
  if (record != nullptr) {
    JsonWalk walk = walk_of(cx, *record);
    TRY(find_all(cx, walk, path.steps(), false, &matches));
    for (std::size_t i = 0; i < matches.count(); ++i) {
      walk.seek(matches.position(i));
      kinds.push_back(walk.token().kind);
    }
  }
  if (is_resp3(cx)) cx.reply.array(1);
  if (record == nullptr || (path.is_legacy() && kinds.empty())) {
    cx.reply.null();
  } else if (path.is_legacy()) {
    cx.reply.bulk(type_name(kinds[0]));
  } else {
    cx.reply.array(kinds.size());
    for (const JsonKind kind : kinds) cx.reply.bulk(type_name(kind));
  }
  return Outcome::done();
}

/// JSON.STRLEN key [path] — in bytes.
Outcome strlen(CommandContext& cx, Arguments args) {
  Readings readings;
  TRY(read_numbers(cx, args, &readings, [](JsonWalk& walk) -> std::optional<std::int64_t> {
    const JsonToken token = walk.token();
    if (!token.is_string()) return std::nullopt;
    return static_cast<std::int64_t>(token.text.size());
  }));
  if (!readings.is_there && !readings.is_legacy) return cx.refuse(std::string(kNoSuchKey));
  if (readings.is_there && readings.is_legacy) {
    if (readings.numbers.empty()) return cx.refuse(std::string(kNoSuchPath));
    if (!readings.numbers[0]) return refuse_type(cx, "string");
  }
  reply_integers(cx, readings.is_legacy, readings.numbers);
  return Outcome::done();
}

/// JSON.ARRLEN key [path]
Outcome arrlen(CommandContext& cx, Arguments args) {
  Readings readings;
  TRY(read_numbers(cx, args, &readings,
                   [](JsonWalk& walk) { return count_of(walk, JsonKind::kArray); }));
  if (!readings.is_there && !readings.is_legacy) return cx.refuse(std::string(kNoSuchKey));
  if (readings.is_there && readings.is_legacy) {
    if (readings.numbers.empty()) return cx.refuse(std::string(kNoSuchPath));
    if (!readings.numbers[0]) return refuse_path_or(cx, "not an array");
  }
  reply_integers(cx, readings.is_legacy, readings.numbers);
  return Outcome::done();
}

/// JSON.OBJLEN key [path]
Outcome objlen(CommandContext& cx, Arguments args) {
  Readings readings;
  TRY(read_numbers(cx, args, &readings,
                   [](JsonWalk& walk) { return count_of(walk, JsonKind::kObject); }));
  if (!readings.is_there && !readings.is_legacy) return refuse_path_or(cx, "not an object");
  if (readings.is_legacy && !readings.numbers.empty() && !readings.numbers[0]) {
    return refuse_type(cx, "object");
  }
  reply_integers(cx, readings.is_legacy, readings.numbers);
  return Outcome::done();
}

/// JSON.OBJKEYS key [path]
Outcome objkeys(CommandContext& cx, Arguments args) {
  args.next();
  JsonPath path;
  if (!args.is_empty()) TRY(parse_path(cx, args.next(), &path));
  TRY_LET(const Record* record, find_document(cx));
  if (record == nullptr) {
    if (!path.is_legacy()) return cx.refuse(std::string(kNoSuchKey));
    cx.reply.null();
    return Outcome::done();
  }
  JsonWalk walk = walk_of(cx, *record);
  JsonMatches matches;
  TRY(find_all(cx, walk, path.steps(), false, &matches));
  if (path.is_legacy()) {
    if (matches.is_empty()) {
      cx.reply.null();
      return Outcome::done();
    }
    walk.seek(matches.position(0));
    if (!walk.token().is_object()) return refuse_path_or(cx, "not an object");
    reply_keys(cx, walk);
    return Outcome::done();
  }
  cx.reply.array(matches.count());
  for (std::size_t i = 0; i < matches.count(); ++i) {
    walk.seek(matches.position(i));
    if (walk.token().is_object()) {
      reply_keys(cx, walk);
    } else {
      cx.reply.null();
    }
  }
  return Outcome::done();
}

/// JSON.ARRINDEX key path value [start [stop]]
Outcome arrindex(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes path_text = args.next();
  const Bytes value_text = args.next();
  std::int64_t start = 0;
  std::int64_t stop = 0;
  if (!args.is_empty()) {
    TRY_LET(start, args.next_integer());
  }
  if (!args.is_empty()) {
    TRY_LET(stop, args.next_integer());
  }
  if (!args.is_empty()) return refuse_word_count(cx);
  TRY_LET(const Record* record, find_document(cx));
  JsonTokens sought;
  TRY(parse_value(cx, value_text, &sought));
  if (record == nullptr) return cx.refuse(std::string(kNoSuchPath));
  JsonPath path;
  TRY(parse_path(cx, path_text, &path));
  JsonWalk walk = walk_of(cx, *record);
  JsonMatches matches;
  TRY(find_all(cx, walk, path.steps(), false, &matches));
  std::vector<std::optional<std::int64_t>> found;
  for (std::size_t i = 0; i < matches.count(); ++i) {
    found.push_back(index_of(walk, matches.position(i), sought, start, stop));
    if (path.is_legacy()) break;
  }
  if (path.is_legacy()) {
    if (found.empty()) return cx.refuse(std::string(kNoSuchPath));
    if (!found[0]) return refuse_type(cx, "array");
  }
  reply_integers(cx, path.is_legacy(), found);
  return Outcome::done();
}

/// JSON.DEBUG MEMORY key [path]
Outcome debug_memory(CommandContext& cx, Arguments args) {
  Readings readings;
  TRY(read_numbers(cx, args, &readings,
                   [](JsonWalk& walk) { return std::optional(memory_of(walk)); }));
  if (readings.is_legacy && readings.numbers.empty()) {
    if (readings.is_there) return cx.refuse(std::string(kNoSuchPath));
    readings.numbers.emplace_back(0);
  }
  reply_integers(cx, readings.is_legacy, readings.numbers);
  return Outcome::done();
}

/// JSON.DEBUG HELP
Outcome debug_help(CommandContext& cx, Arguments) {
  constexpr Bytes kLines[] = {
      "MEMORY <key> [path] - how many bytes the values at <path> take",
      "HELP                - this list",
  };
  cx.reply.array(std::size(kLines));
  for (const Bytes line : kLines) cx.reply.bulk(line);
  return Outcome::done();
}

}  // namespace diskdb::command::json
