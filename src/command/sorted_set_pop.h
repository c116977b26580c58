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

enum class Pairing : std::uint8_t {
  kPairs,  ///< an array of arrays
  kFlat,   ///< member and score, in an array that is begun
};

/// Takes up to `request.count` members out of a sorted set and replies them with their scores.
/// Logged as a ZPOPMIN or ZPOPMAX. Requires: it is there; nothing was edited yet.
void pop_members(CommandContext& cx, const keyspace::Key& key, const PopRequest& request,
                 Pairing pairing);

}  // namespace diskdb::command
