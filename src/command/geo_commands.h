// command/geo_commands.h — the family of places: sorted sets whose scores are cells of a map
// (types/geo.h). The table is geo_commands.cc.
#pragma once

#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"

namespace diskdb::command::geo {

// geo_place_commands.cc
Outcome geoadd(CommandContext& cx, Arguments args);
Outcome geodist(CommandContext& cx, Arguments args);
Outcome geohash(CommandContext& cx, Arguments args);
Outcome geopos(CommandContext& cx, Arguments args);

// geo_search_commands.cc
Outcome georadius(CommandContext& cx, Arguments args);
Outcome georadius_ro(CommandContext& cx, Arguments args);
Outcome georadiusbymember(CommandContext& cx, Arguments args);
Outcome georadiusbymember_ro(CommandContext& cx, Arguments args);
Outcome geosearch(CommandContext& cx, Arguments args);
Outcome geosearchstore(CommandContext& cx, Arguments args);

}  // namespace diskdb::command::geo
