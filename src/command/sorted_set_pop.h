// command/sorted_set_pop.h — what ZMPOP has in common with the commands that wait for members.
#pragma once

#include <cstdint>

#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "keyspace/access.h"

namespace diskdb::command {

struct PopRequest {
  bool takes_highest = false;
  std::uint64_t count = 1;
};

/// Reads "numkeys key [key ...] <MIN | MAX> [COUNT count]". Refuses as ZMPOP does.
Outcome read_pop_request(CommandContext& cx, Arguments args, PopRequest* request);

/// Takes up to `count_max` members out of a sorted set and replies an array of them, each paired
/// with its score. Requires: it is there, count_max > 0, Logged::kByEffect.
void pop_members(CommandContext& cx, const keyspace::Key& key, bool takes_highest,
                 std::uint64_t count_max);

}  // namespace diskdb::command
