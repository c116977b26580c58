// command/sorted_set_range.h — reads the ends of intervals from requests.
#pragma once

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/context.h"
#include "types/sorted_set.h"

namespace diskdb::command {

Outcome read_score_range(CommandContext& cx, Bytes min, Bytes max, types::ScoreRange* range);
Outcome read_lex_range(CommandContext& cx, Bytes min, Bytes max, types::LexRange* range);

}  // namespace diskdb::command
