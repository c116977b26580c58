// command/sorted_set_add.h — the conditions under which members are added to a sorted set: of ZADD,
// and of GEOADD, which is a ZADD of places.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"

namespace diskdb::command {

struct AddOptions {
  bool only_new = false;        ///< NX
  bool only_existing = false;   ///< XX
  bool only_greater = false;    ///< GT: existing members move up only
  bool only_less = false;       ///< LT
  bool counts_changed = false;  ///< CH: the reply counts moved members too
  bool increments = false;      ///< INCR
};

struct ScoreForMember {
  double score;
  Bytes member;  ///< of the request
};

/// Adds the members to the sorted set at cx.key() and replies how many came (or changed), or, with
/// `increments`, the score that came out. Requires: Logged::kVerbatim.
Outcome add_members(CommandContext& cx, const AddOptions& options,
                    std::span<const ScoreForMember> members);

}  // namespace diskdb::command
