// command/string_commands.h — the family of strings: its commands, and what others ask of it.
// The table is string_commands.cc; each subject has a file of its own.
#pragma once

#include <span>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"

namespace diskdb::command {

/// Plain text: do the words of a SET behind key and value read as options? If not, they belong to
/// the value. Requires: `words` is a SET of more than three words.
bool set_reads_as_options(std::span<const Bytes> words);

namespace strings {

// string_read_commands.cc
Outcome digest(CommandContext& cx, Arguments args);
Outcome get(CommandContext& cx, Arguments args);
Outcome getrange(CommandContext& cx, Arguments args);
Outcome mget(CommandContext& cx, Arguments args);
Outcome strlen(CommandContext& cx, Arguments args);

// lcs_command.cc
Outcome lcs(CommandContext& cx, Arguments args);

// string_set_commands.cc
Outcome append(CommandContext& cx, Arguments args);
Outcome getset(CommandContext& cx, Arguments args);
Outcome mset(CommandContext& cx, Arguments args);
Outcome msetex(CommandContext& cx, Arguments args);
Outcome msetnx(CommandContext& cx, Arguments args);
Outcome psetex(CommandContext& cx, Arguments args);
Outcome set(CommandContext& cx, Arguments args);
Outcome setex(CommandContext& cx, Arguments args);
Outcome setnx(CommandContext& cx, Arguments args);
Outcome setrange(CommandContext& cx, Arguments args);

// string_take_commands.cc
Outcome delex(CommandContext& cx, Arguments args);
Outcome getdel(CommandContext& cx, Arguments args);
Outcome getex(CommandContext& cx, Arguments args);

// string_number_commands.cc
Outcome decr(CommandContext& cx, Arguments args);
Outcome decrby(CommandContext& cx, Arguments args);
Outcome incr(CommandContext& cx, Arguments args);
Outcome incrby(CommandContext& cx, Arguments args);
Outcome incrbyfloat(CommandContext& cx, Arguments args);

// increx_command.cc
Outcome increx(CommandContext& cx, Arguments args);

}  // namespace strings
}  // namespace diskdb::command
