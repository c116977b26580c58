// command/blocking_timeout.h — the timeout of blocking commands: seconds, perhaps a fraction.
#pragma once

#include "base/refusal.h"
#include "base/units.h"
#include "command/arguments.h"
#include "command/context.h"

namespace diskdb::command {

/// The instant at which the wait would end; 0: never.
Answer<Millis> next_timeout(CommandContext& cx, Arguments& args);

}  // namespace diskdb::command
