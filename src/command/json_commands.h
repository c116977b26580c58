// command/json_commands.h — the family of JSON documents: its commands, and what they share. The
// table is json_commands.cc; each subject has a file of its own.
//
// What RedisJSON answers, these answer: a JSONPath ($...) in an array with one element per match, a
// legacy path with one value. A command that changes something finds all places first, computes and
// checks all that may be refused, and only then opens the document and changes the places from the
// last to the first: so a refusal changes nothing, and no place moves before its turn.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "types/json_document.h"
#include "types/json_path.h"
#include "types/json_token.h"

namespace diskdb::command::json {

/// Error texts that several commands share.
constexpr Bytes kNoSuchKey = "ERR could not perform this operation on a key that doesn't exist";
constexpr Bytes kNoSuchPath = "ERR Path does not exist";

/// Refuses with what is wrong.
Outcome parse_path(CommandContext& cx, Bytes text, types::JsonPath* path);
/// Appends the value that `text` spells; refuses if it is none.
Outcome parse_value(CommandContext& cx, Bytes text, types::JsonTokens* value);

/// The document at the request's key, for reading; null if there is none. Refuses WRONGTYPE.
Answer<const keyspace::Record*> find_document(CommandContext& cx);
/// Requires: `record` is a document.
types::JsonWalk walk_of(const CommandContext& cx, const keyspace::Record& record);

/// Refuses if they are too many.
Outcome find_all(CommandContext& cx, types::JsonWalk& walk, const types::JsonSteps& steps,
                 bool with_ancestors, types::JsonMatches* matches);
/// The first of them.
Outcome find_first(CommandContext& cx, types::JsonWalk& walk, const types::JsonPath& path,
                   std::optional<std::uint64_t>* first);

/// What a command that changes values finds first.
struct Places {
  types::JsonPath path;
  types::JsonMatches matches;
  std::vector<types::JsonToken> tokens = {};  ///< of each match; their texts are not kept
};
/// Refuses if there is no document, or no such path.
Outcome find_places(CommandContext& cx, Bytes path, Places* places);

/// Indices of matches from the last place to the first, in order of finding where places are equal.
std::vector<std::size_t> from_last(const types::JsonMatches& matches);
/// The same without those within other ones, and without repetitions.
std::vector<std::size_t> outermost_from_last(types::JsonWalk& walk,
                                             const types::JsonMatches& matches);

/// Refuses if something `depth` deep put below `ancestor_count` containers is nested too deeply.
Outcome check_depth(CommandContext& cx, std::size_t ancestor_count, std::size_t depth);

/// "ERR Path does not exist or `what`".
Outcome refuse_path_or(CommandContext& cx, Bytes what);
/// "WRONGTYPE wrong type of path value - expected `what`".
Outcome refuse_type(CommandContext& cx, Bytes what);
Outcome refuse_word_count(CommandContext& cx);

/// For legacy paths the last answer alone, for others all of them; nothing is null.
void reply_integers(CommandContext& cx, bool is_legacy,
                    std::span<const std::optional<std::int64_t>> answers);

/// Does the client speak RESP3?
inline bool is_resp3(const CommandContext& cx) {
  return cx.reply.dialect() == resp::Dialect::kResp3;
}
/// JSON's own types where RESP3 has them, else its text.
void reply_scalar(CommandContext& cx, const types::JsonToken& token);

// json_set_commands.cc
Outcome merge(CommandContext& cx, Arguments args);
Outcome mset(CommandContext& cx, Arguments args);
Outcome set(CommandContext& cx, Arguments args);

// json_get_commands.cc
Outcome get(CommandContext& cx, Arguments args);
Outcome mget(CommandContext& cx, Arguments args);
Outcome resp(CommandContext& cx, Arguments args);

// json_read_commands.cc
Outcome arrindex(CommandContext& cx, Arguments args);
Outcome arrlen(CommandContext& cx, Arguments args);
Outcome debug_help(CommandContext& cx, Arguments args);
Outcome debug_memory(CommandContext& cx, Arguments args);
Outcome objkeys(CommandContext& cx, Arguments args);
Outcome objlen(CommandContext& cx, Arguments args);
Outcome strlen(CommandContext& cx, Arguments args);
Outcome type(CommandContext& cx, Arguments args);

// json_edit_commands.cc
Outcome clear(CommandContext& cx, Arguments args);
Outcome del(CommandContext& cx, Arguments args);
Outcome numincrby(CommandContext& cx, Arguments args);
Outcome nummultby(CommandContext& cx, Arguments args);
Outcome numpowby(CommandContext& cx, Arguments args);
Outcome strappend(CommandContext& cx, Arguments args);
Outcome toggle(CommandContext& cx, Arguments args);

// json_array_commands.cc
Outcome arrappend(CommandContext& cx, Arguments args);
Outcome arrinsert(CommandContext& cx, Arguments args);
Outcome arrpop(CommandContext& cx, Arguments args);
Outcome arrtrim(CommandContext& cx, Arguments args);

}  // namespace diskdb::command::json
