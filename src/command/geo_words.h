// command/geo_words.h — places and distances as requests and replies have them.
#pragma once

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "types/geo.h"

namespace diskdb::command {

/// Reads longitude and latitude. Refuses what is not on the map. Requires: args.count() >= 2.
Outcome read_place(CommandContext& cx, Arguments& args, types::Place* place);
/// Reads a unit's name, as metres.
Outcome read_unit(CommandContext& cx, Bytes name, double* metres);
/// Four digits behind the point.
void reply_distance(resp::Reply& reply, double distance);
/// Longitude and latitude.
void reply_place(resp::Reply& reply, const types::Place& place);

}  // namespace diskdb::command
