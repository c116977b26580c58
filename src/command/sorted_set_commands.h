// command/sorted_set_commands.h — the family of sorted sets. The table is sorted_set_commands.cc;
// each subject has a file of its own.
#pragma once

#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"

namespace diskdb::command::sorted_sets {

// sorted_set_add_commands.cc
Outcome zadd(CommandContext& cx, Arguments args);
Outcome zincrby(CommandContext& cx, Arguments args);

// sorted_set_take_commands.cc
Outcome zmpop(CommandContext& cx, Arguments args);
Outcome zpopmax(CommandContext& cx, Arguments args);
Outcome zpopmin(CommandContext& cx, Arguments args);
Outcome zrem(CommandContext& cx, Arguments args);
Outcome zremrangebylex(CommandContext& cx, Arguments args);
Outcome zremrangebyrank(CommandContext& cx, Arguments args);
Outcome zremrangebyscore(CommandContext& cx, Arguments args);

// sorted_set_blocking_commands.cc
Outcome bzmpop(CommandContext& cx, Arguments args);
Outcome bzpopmax(CommandContext& cx, Arguments args);
Outcome bzpopmin(CommandContext& cx, Arguments args);

// sorted_set_read_commands.cc
Outcome zcard(CommandContext& cx, Arguments args);
Outcome zmscore(CommandContext& cx, Arguments args);
Outcome zrandmember(CommandContext& cx, Arguments args);
Outcome zrank(CommandContext& cx, Arguments args);
Outcome zrevrank(CommandContext& cx, Arguments args);
Outcome zscan(CommandContext& cx, Arguments args);
Outcome zscore(CommandContext& cx, Arguments args);

// sorted_set_range_commands.cc
Outcome zcount(CommandContext& cx, Arguments args);
Outcome zlexcount(CommandContext& cx, Arguments args);
Outcome zrange(CommandContext& cx, Arguments args);
Outcome zrangebylex(CommandContext& cx, Arguments args);
Outcome zrangebyscore(CommandContext& cx, Arguments args);
Outcome zrangestore(CommandContext& cx, Arguments args);
Outcome zrevrange(CommandContext& cx, Arguments args);
Outcome zrevrangebylex(CommandContext& cx, Arguments args);
Outcome zrevrangebyscore(CommandContext& cx, Arguments args);

// sorted_set_algebra_commands.cc
Outcome zdiff(CommandContext& cx, Arguments args);
Outcome zdiffstore(CommandContext& cx, Arguments args);
Outcome zinter(CommandContext& cx, Arguments args);
Outcome zintercard(CommandContext& cx, Arguments args);
Outcome zinterstore(CommandContext& cx, Arguments args);
Outcome zunion(CommandContext& cx, Arguments args);
Outcome zunionstore(CommandContext& cx, Arguments args);

}  // namespace diskdb::command::sorted_sets
