// command/stream_commands.h — the family of streams. The table is stream_commands.cc; each subject
// has a file of its own.
//
// What depends on time, on chance or on a setting is logged by what it did: XADD with the id that
// it gave, an approximate trim with where it stopped, XREADGROUP and the claiming commands as
// XCLAIM with times and counts, XGROUP SETID and XGROUP CREATECONSUMER. When a consumer last asked
// in vain is not logged, as in Redis.
#pragma once

#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"

namespace diskdb::command::streams {

// stream_add_commands.cc
Outcome xadd(CommandContext& cx, Arguments args);
Outcome xsetid(CommandContext& cx, Arguments args);
Outcome xtrim(CommandContext& cx, Arguments args);

// stream_delete_commands.cc
Outcome xackdel(CommandContext& cx, Arguments args);
Outcome xdel(CommandContext& cx, Arguments args);
Outcome xdelex(CommandContext& cx, Arguments args);

// stream_range_commands.cc
Outcome xlen(CommandContext& cx, Arguments args);
Outcome xrange(CommandContext& cx, Arguments args);
Outcome xrevrange(CommandContext& cx, Arguments args);

// stream_read_commands.cc
Outcome xread(CommandContext& cx, Arguments args);
Outcome xreadgroup(CommandContext& cx, Arguments args);

// stream_group_commands.cc
Outcome xgroup_create(CommandContext& cx, Arguments args);
Outcome xgroup_createconsumer(CommandContext& cx, Arguments args);
Outcome xgroup_delconsumer(CommandContext& cx, Arguments args);
Outcome xgroup_destroy(CommandContext& cx, Arguments args);
Outcome xgroup_help(CommandContext& cx, Arguments args);
Outcome xgroup_setid(CommandContext& cx, Arguments args);

// stream_claim_commands.cc
Outcome xack(CommandContext& cx, Arguments args);
Outcome xautoclaim(CommandContext& cx, Arguments args);
Outcome xclaim(CommandContext& cx, Arguments args);
Outcome xnack(CommandContext& cx, Arguments args);
Outcome xpending(CommandContext& cx, Arguments args);

// stream_repeat_commands.cc
Outcome xcfgset(CommandContext& cx, Arguments args);
Outcome xidmprecord(CommandContext& cx, Arguments args);

// stream_info_commands.cc
Outcome xinfo_consumers(CommandContext& cx, Arguments args);
Outcome xinfo_groups(CommandContext& cx, Arguments args);
Outcome xinfo_help(CommandContext& cx, Arguments args);
Outcome xinfo_stream(CommandContext& cx, Arguments args);

}  // namespace diskdb::command::streams
