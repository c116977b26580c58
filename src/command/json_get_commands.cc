// JSON.GET, JSON.MGET, JSON.RESP: values shown.
#include <algorithm>

#include "command/json_commands.h"

namespace diskdb::command::json {
namespace {

using keyspace::Record;
using keyspace::Type;
using types::JsonFormat;
using types::JsonMatches;
using types::JsonPath;
using types::JsonToken;
using types::JsonTokens;
using types::JsonWalk;
using types::JsonWriter;

constexpr std::size_t kTextBytesUsual = 128;

/// How JSON.GET answers in RESP3.
enum class ReplyForm : std::uint8_t {
  kString,   ///< as in RESP2
  kExpand1,  ///< an array for each path; what has children as text
  kExpand,   ///< everything in RESP3's own types
};

struct GetOptions {
  JsonFormat format;
  ReplyForm form = ReplyForm::kString;
  std::vector<Bytes> paths;
};

Outcome read_form(CommandContext& cx, Arguments& args, GetOptions* options) {
  if (!is_resp3(cx) && options->paths.empty()) {
    return cx.refuse("ERR FORMAT argument is not supported on RESP2");
  }
  if (args.is_empty()) return refuse_word_count(cx);
  const Bytes form = args.next();
  if (form == "STRING") {
    options->form = ReplyForm::kString;
  } else if (form == "EXPAND1") {
    options->form = ReplyForm::kExpand1;
  } else if (form == "EXPAND") {
    options->form = ReplyForm::kExpand;
  } else {
    return cx.refuse("ERR wrong reply format");
  }
  return Outcome::done();
}

Outcome read_options(CommandContext& cx, Arguments& args, GetOptions* options) {
  const struct {
    Bytes name;
    Bytes* part;
  } parts[] = {{"INDENT", &options->format.indent},
               {"NEWLINE", &options->format.newline},
               {"SPACE", &options->format.space}};
  while (!args.is_empty()) {
    if (args.next_is("FORMAT")) {
      TRY(read_form(cx, args, options));
      continue;
    }
    if (args.next_is("NOESCAPE")) continue;  // of older versions
    const auto part = std::ranges::find_if(parts, [&](auto& p) { return args.next_is(p.name); });
    if (part == std::end(parts)) {
      options->paths.push_back(args.next());
    } else {
      if (args.is_empty()) return refuse_word_count(cx);
      *part->part = args.next();
    }
  }
  return Outcome::done();
}

/// The matches as one JSON array.
void write_matches(JsonWalk& walk, const JsonMatches& matches, JsonWriter* writer) {
  writer->begin('[');
  for (std::size_t i = 0; i < matches.count(); ++i) {
    types::write_value(walk, matches.position(i), writer);
  }
  writer->end();
}

/// What one path shows as text: the first match of a legacy path, which must be there, or an array.
Outcome write_path(CommandContext& cx, JsonWalk& walk, const JsonPath& path, bool is_legacy,
                   JsonWriter* writer) {
  if (is_legacy) {
    std::optional<std::uint64_t> first;
    TRY(find_first(cx, walk, path, &first));
    if (!first) return cx.refuse(std::string(kNoSuchPath));
    types::write_value(walk, *first, writer);
    return Outcome::done();
  }
  JsonMatches matches;
  TRY(find_all(cx, walk, path.steps(), false, &matches));
  write_matches(walk, matches, writer);
  return Outcome::done();
}

/// An object with a member for each path. One that is no path is left out, as RedisJSON does.
Outcome write_paths(CommandContext& cx, JsonWalk& walk, const std::vector<Bytes>& texts,
                    JsonWriter* writer) {
  const bool is_legacy =
      std::ranges::all_of(texts, [](Bytes text) { return JsonPath::is_legacy(text); });
  writer->begin('{');
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (std::find(texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(i), texts[i]) !=
        texts.begin() + static_cast<std::ptrdiff_t>(i)) {
      continue;  // named before
    }
    std::string ignored;
    const auto path = cx.json_paths.parse(texts[i], &ignored);
    if (!path) continue;
    writer->token({.kind = types::JsonKind::kName, .text = texts[i]});
    TRY(write_path(cx, walk, *path, is_legacy, writer));
  }
  writer->end();
  return Outcome::done();
}

/// One value in RESP3's types.
void reply_expanded(CommandContext& cx, JsonWalk& walk, std::uint64_t position, ReplyForm form) {
  walk.seek(position);
  if (form == ReplyForm::kExpand1 && walk.token().is_container()) {
    std::string text;
    JsonWriter writer({}, &text);
    types::write_value(walk, position, &writer);
    return cx.reply.bulk(text);
  }
  const std::uint64_t end = walk.after();
  for (std::uint64_t at = position; at < end; ++at) {
    walk.seek(at);
    const JsonToken token = walk.token();
    if (token.is_object()) {
      cx.reply.map(token.child_count);
    } else if (token.is_array()) {
      cx.reply.array(token.child_count);
    } else {
      reply_scalar(cx, token);
    }
  }
}

/// An array of the matches' arrays; of what is no path an empty one.
Outcome reply_all_expanded(CommandContext& cx, JsonWalk& walk, const GetOptions& options) {
  std::vector<JsonMatches> found(options.paths.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::string ignored;
    const auto path = cx.json_paths.parse(options.paths[i], &ignored);
    if (path) TRY(find_all(cx, walk, path->steps(), false, &found[i]));
  }
  cx.reply.array(found.size());
  for (const JsonMatches& matches : found) {
    cx.reply.array(matches.count());
    for (std::size_t i = 0; i < matches.count(); ++i) {
      reply_expanded(cx, walk, matches.position(i), options.form);
    }
  }
  return Outcome::done();
}

/// As JSON.RESP has it: what has children is an array that begins with a bracket.
void reply_as_resp(CommandContext& cx, JsonWalk& walk, std::uint64_t position) {
  walk.seek(position);
  const std::uint64_t end = walk.after();
  for (std::uint64_t at = position; at < end; ++at) {
    walk.seek(at);
    const JsonToken token = walk.token();
    if (token.is_container()) {
      cx.reply.array(1 + token.child_count * (token.is_object() ? 2 : 1));
      cx.reply.simple(token.is_object() ? "{" : "[");
    } else if (token.is_boolean()) {
      cx.reply.simple(token.kind == types::JsonKind::kTrue ? "true" : "false");
    } else {
      reply_scalar(cx, token);
    }
  }
}

}  // namespace

/// JSON.GET key [INDENT indent] [NEWLINE newline] [SPACE space] [FORMAT form] [path ...]
Outcome get(CommandContext& cx, Arguments args) {
  args.next();
  GetOptions options;
  TRY(read_options(cx, args, &options));
  if (options.paths.empty()) options.paths.push_back(".");
  TRY_LET(const Record* record, find_document(cx));
  if (record == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  JsonWalk walk = walk_of(cx, *record);
  if (is_resp3(cx) && options.form != ReplyForm::kString) {
    return reply_all_expanded(cx, walk, options);
  }
  std::string text;
  text.reserve(kTextBytesUsual);
  JsonWriter writer(options.format, &text);
  if (options.paths.size() > 1) {
    TRY(write_paths(cx, walk, options.paths, &writer));
  } else {
    JsonPath path;
    TRY(parse_path(cx, options.paths[0], &path));
    TRY(write_path(cx, walk, path, path.is_legacy(), &writer));
  }
  cx.reply.bulk(text);
  return Outcome::done();
}

/// JSON.MGET key [key ...] path — null for a key without document, and for a legacy path that leads
/// nowhere.
Outcome mget(CommandContext& cx, Arguments args) {
  std::string ignored;
  const auto path = cx.json_paths.parse(args.rest().back(), &ignored);
  cx.reply.array(cx.keys.size());
  for (const keyspace::Key& key : cx.keys) {
    const Record* record = cx.keyspace.find(key);
    std::string text;
    if (path && record != nullptr && record->type() == Type::kModule) {
      JsonWalk walk = walk_of(cx, *record);
      JsonWriter writer({}, &text);
      if (!write_path(cx, walk, *path, path->is_legacy(), &writer).ok()) text.clear();
    }
    if (text.empty()) {
      cx.reply.null();
    } else {
      cx.reply.bulk(text);
    }
  }
  cx.refusal_text.clear();
  return Outcome::done();
}

/// JSON.RESP key [path]
Outcome resp(CommandContext& cx, Arguments args) {
  args.next();
  JsonPath path;
  if (!args.is_empty()) TRY(parse_path(cx, args.next(), &path));
  TRY_LET(const Record* record, find_document(cx));
  if (record == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  JsonWalk walk = walk_of(cx, *record);
  if (path.is_legacy()) {
    std::optional<std::uint64_t> first;
    TRY(find_first(cx, walk, path, &first));
    if (!first) return cx.refuse(std::string(kNoSuchPath));
    reply_as_resp(cx, walk, *first);
    return Outcome::done();
  }
  JsonMatches matches;
  TRY(find_all(cx, walk, path.steps(), false, &matches));
  cx.reply.array(matches.count());
  for (std::size_t i = 0; i < matches.count(); ++i) reply_as_resp(cx, walk, matches.position(i));
  return Outcome::done();
}

}  // namespace diskdb::command::json
