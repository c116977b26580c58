// command/help.h — the HELP subcommands.
#pragma once

#include <span>

#include "base/bytes.h"
#include "command/context.h"

namespace diskdb::command {

/// A headline with the container's name, then `lines` (a subcommand's form, then, indented, what it
/// does), then those of HELP itself.
Outcome reply_help(CommandContext& cx, std::span<const Bytes> lines);

}  // namespace diskdb::command
