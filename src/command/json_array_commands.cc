// Arrays changed: JSON.ARRAPPEND, JSON.ARRINSERT, JSON.ARRPOP, JSON.ARRTRIM.
#include <algorithm>

#include "command/json_commands.h"
#include "keyspace/access.h"

namespace diskdb::command::json {
namespace {

using keyspace::ObjectEdit;
using keyspace::Type;
using types::JsonEdit;
using types::JsonKind;
using types::JsonToken;
using types::JsonTokens;
using types::JsonWalk;

/// Values given one after the other.
Outcome parse_values(CommandContext& cx, std::span<const Bytes> texts, JsonTokens* values) {
  for (const Bytes text : texts) TRY(parse_value(cx, text, values));
  return Outcome::done();
}

bool has_array(const Places& places) {
  return std::ranges::any_of(places.tokens, [](const JsonToken& t) { return t.is_array(); });
}

/// Arrays among the places, open for change: each is shown to `change`, from the last to the first,
/// with its newest token.
template <typename Change>
void change_arrays(CommandContext& cx, const Places& places, Change change) {
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kModule);
  JsonEdit document(edit.object(), edit.use());
  JsonWalk walk(edit.object(), edit.use());
  for (const std::size_t i : from_last(places.matches)) {
    if (!places.tokens[i].is_array()) continue;
    walk.forget();
    walk.seek(places.matches.position(i));
    change(i, document, walk, walk.token());
  }
  edit.commit();
}

using Lengths = std::vector<std::optional<std::int64_t>>;

/// What RedisJSON makes of the index to pop: within the array whatever it is.
std::uint64_t popped_index(std::int64_t index, std::int64_t count) {
  return static_cast<std::uint64_t>(index < 0 ? std::max<std::int64_t>(count + index, 0)
                                              : std::min(index, count - 1));
}

/// Elements to keep, the last one included.
struct Kept {
  std::int64_t first = 0;
  std::int64_t last = -1;
};
Kept kept_of(std::int64_t start, std::int64_t stop, std::int64_t count) {
  const auto within = [count](std::int64_t index) {
    return index < 0 ? std::max<std::int64_t>(count + index, 0) : std::min(index, count - 1);
  };
  const Kept kept{start < count ? within(start) : count, within(stop)};
  return count == 0 || kept.first > kept.last ? Kept{} : kept;
}

/// JSON.ARRPOP's words behind the key.
struct PopOptions {
  Bytes path = ".";
  std::int64_t index = -1;
  bool expands = false;  ///< FORMAT EXPAND or EXPAND1
  bool expands_all = false;
};

Outcome read_pop_options(CommandContext& cx, Arguments& args, PopOptions* options) {
  if (args.count() >= 2 && args.next_is("FORMAT")) {
    const Bytes form = args.next();
    if (form != "STRINGS" && form != "EXPAND1" && form != "EXPAND") {
      return cx.refuse("ERR wrong reply format");
    }
    if (!is_resp3(cx)) return cx.refuse("ERR FORMAT argument is not supported on RESP2");
    options->expands = form != "STRINGS";
    options->expands_all = form == "EXPAND";
  }
  if (!args.is_empty()) options->path = args.next();
  if (!args.is_empty()) options->index = parse_integer(args.next()).value_or(-1);
  if (options->expands && types::JsonPath::is_legacy(options->path)) {
    return cx.refuse("ERR Legacy paths are supported only with FORMAT STRINGS");
  }
  return Outcome::done();
}

void reply_popped(CommandContext& cx, const JsonTokens& value, const PopOptions& options) {
  const bool is_text = !options.expands || (!options.expands_all && value.at(0).is_container());
  if (is_text) return cx.reply.bulk(types::json_text(value));
  for (std::size_t i = 0; i < value.count(); ++i) {
    const JsonToken token = value.at(i);
    if (token.is_object()) {
      cx.reply.map(token.child_count);
    } else if (token.is_array()) {
      cx.reply.array(token.child_count);
    } else {
      reply_scalar(cx, token);
    }
  }
}

}  // namespace

/// JSON.ARRAPPEND key path value [value ...] — the arrays' lengths.
Outcome arrappend(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes path = args.next();
  const std::span<const Bytes> texts = args.rest();
  if (texts.empty()) return refuse_word_count(cx);
  JsonTokens values;
  TRY(parse_values(cx, texts, &values));
  Places places;
  TRY(find_places(cx, path, &places));
  if (!has_array(places) && places.path.is_legacy()) return refuse_path_or(cx, "not an array");
  Lengths lengths(places.tokens.size());
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (places.tokens[i].is_array()) {
      TRY(check_depth(cx, places.matches.ancestors(i).size() + 1, values.depth()));
    }
  }
  if (has_array(places)) {
    change_arrays(cx, places,
                  [&](std::size_t i, JsonEdit& edit, JsonWalk& walk, const JsonToken& array) {
                    edit.insert_children(places.matches.position(i), places.matches.ancestors(i),
                                         walk.after(), values, texts.size());
                    lengths[i] = static_cast<std::int64_t>(array.child_count + texts.size());
                  });
  }
  reply_integers(cx, places.path.is_legacy(), lengths);
  return Outcome::done();
}

/// JSON.ARRINSERT key path index value [value ...] — the arrays' lengths.
Outcome arrinsert(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes path = args.next();
  TRY_LET(const std::int64_t index, args.next_integer());
  const std::span<const Bytes> texts = args.rest();
  JsonTokens values;
  TRY(parse_values(cx, texts, &values));
  Places places;
  TRY(find_places(cx, path, &places));
  if (!has_array(places) && places.path.is_legacy()) return refuse_path_or(cx, "not an array");
  const auto place_in = [index](const JsonToken& array) {
    return index < 0 ? index + static_cast<std::int64_t>(array.child_count) : index;
  };
  Lengths lengths(places.tokens.size());
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const JsonToken& array = places.tokens[i];
    if (!array.is_array()) continue;
    const std::int64_t place = place_in(array);
    if (place < 0 || place > static_cast<std::int64_t>(array.child_count)) {
      return cx.refuse("ERR index out of bounds");
    }
    TRY(check_depth(cx, places.matches.ancestors(i).size() + 1, values.depth()));
  }
  if (has_array(places)) {
    change_arrays(
        cx, places, [&](std::size_t i, JsonEdit& edit, JsonWalk& walk, const JsonToken& array) {
          const std::uint64_t position = places.matches.position(i);
          const auto at = static_cast<std::uint64_t>(place_in(array));
          const std::uint64_t place =
              at == array.child_count ? walk.after() : types::child_at(walk, position, at);
          edit.insert_children(position, places.matches.ancestors(i), place, values, texts.size());
          lengths[i] = static_cast<std::int64_t>(array.child_count + texts.size());
        });
  }
  reply_integers(cx, places.path.is_legacy(), lengths);
  return Outcome::done();
}

/// JSON.ARRPOP key [FORMAT form] [path [index]] — the elements taken out.
Outcome arrpop(CommandContext& cx, Arguments args) {
  args.next();
  PopOptions options;
  TRY(read_pop_options(cx, args, &options));
  Places places;
  TRY(find_places(cx, options.path, &places));
  if (!has_array(places) && places.path.is_legacy()) return refuse_path_or(cx, "not an array");
  std::vector<std::optional<JsonTokens>> popped(places.tokens.size());
  const bool has_elements = std::ranges::any_of(
      places.tokens, [](const JsonToken& t) { return t.is_array() && t.child_count > 0; });
  if (has_elements) {
    change_arrays(cx, places,
                  [&](std::size_t i, JsonEdit& edit, JsonWalk& walk, const JsonToken& array) {
                    if (array.child_count == 0) return;
                    const std::uint64_t position = places.matches.position(i);
                    const std::uint64_t place = types::child_at(
                        walk, position,
                        popped_index(options.index, static_cast<std::int64_t>(array.child_count)));
                    types::copy_value(walk, place, &popped[i].emplace());
                    edit.erase_children(position, places.matches.ancestors(i), place,
                                        place + popped[i]->count(), 1);
                  });
  }
  if (places.path.is_legacy()) {
    // RedisJSON shows what it took last: it goes the same way.
    std::optional<JsonTokens> last;
    for (const std::size_t i : from_last(places.matches)) {
      if (places.tokens[i].is_array()) last = popped[i];
    }
    if (last) {
      reply_popped(cx, *last, options);
    } else {
      cx.reply.null();
    }
    return Outcome::done();
  }
  cx.reply.array(popped.size());
  for (const auto& value : popped) {
    if (value) {
      reply_popped(cx, *value, options);
    } else {
      cx.reply.null();
    }
  }
  return Outcome::done();
}

/// JSON.ARRTRIM key path start stop — the arrays' lengths.
Outcome arrtrim(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes path = args.next();
  TRY_LET(const std::int64_t start, args.next_integer());
  TRY_LET(const std::int64_t stop, args.next_integer());
  Places places;
  TRY(find_places(cx, path, &places));
  if (!has_array(places) && places.path.is_legacy()) return refuse_path_or(cx, "not an array");
  Lengths lengths(places.tokens.size());
  if (has_array(places)) {
    change_arrays(
        cx, places, [&](std::size_t i, JsonEdit& edit, JsonWalk& walk, const JsonToken& array) {
          const std::uint64_t position = places.matches.position(i);
          const auto ancestors = places.matches.ancestors(i);
          const auto count = static_cast<std::int64_t>(array.child_count);
          const Kept kept = kept_of(start, stop, count);
          const std::int64_t kept_count = kept.last - kept.first + 1;
          lengths[i] = kept_count;
          if (kept_count == count) return;
          const std::uint64_t end = walk.after();
          const auto place_of = [&](std::int64_t index) {
            return index >= count
                       ? end
                       : types::child_at(walk, position, static_cast<std::uint64_t>(index));
          };
          const std::uint64_t first = place_of(kept.first);
          const std::uint64_t last = place_of(kept.last + 1);
          edit.erase_children(position, ancestors, last, end,
                              static_cast<std::uint64_t>(count - kept.last - 1));
          edit.erase_children(position, ancestors, position + 1, first,
                              static_cast<std::uint64_t>(kept.first));
        });
  }
  reply_integers(cx, places.path.is_legacy(), lengths);
  return Outcome::done();
}

}  // namespace diskdb::command::json
