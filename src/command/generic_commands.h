// command/generic_commands.h — the generic family: commands on keys whatever their type. The rows
// stand in generic_commands.cc, the functions there (existence, names, copies), in
// expire_commands.cc, scan_commands.cc, dump_commands.cc, sort_command.cc and object_commands.cc.
#pragma once

#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "keyspace/record.h"

namespace diskdb::command {

/// As TYPE says it: "string", "list"...
Bytes type_name(keyspace::Type type);
/// As OBJECT ENCODING says it: "int", "embstr", "raw".
Bytes encoding_name(const keyspace::Record& record);

// expire_commands.cc
Outcome expire(CommandContext& cx, Arguments args);
Outcome expireat(CommandContext& cx, Arguments args);
Outcome expiretime(CommandContext& cx, Arguments args);
Outcome persist(CommandContext& cx, Arguments args);
Outcome pexpire(CommandContext& cx, Arguments args);
Outcome pexpireat(CommandContext& cx, Arguments args);
Outcome pexpiretime(CommandContext& cx, Arguments args);
Outcome pttl(CommandContext& cx, Arguments args);
Outcome ttl(CommandContext& cx, Arguments args);

// scan_commands.cc
Outcome keys(CommandContext& cx, Arguments args);
Outcome randomkey(CommandContext& cx, Arguments args);
Outcome scan(CommandContext& cx, Arguments args);

// dump_commands.cc
Outcome dump(CommandContext& cx, Arguments args);
Outcome restore(CommandContext& cx, Arguments args);

// sort_command.cc
Outcome sort(CommandContext& cx, Arguments args);
Outcome sort_ro(CommandContext& cx, Arguments args);

// object_commands.cc
Outcome object_encoding(CommandContext& cx, Arguments args);
Outcome object_freq(CommandContext& cx, Arguments args);
Outcome object_help(CommandContext& cx, Arguments args);
Outcome object_idletime(CommandContext& cx, Arguments args);
Outcome object_refcount(CommandContext& cx, Arguments args);

}  // namespace diskdb::command
