// command/info.h — the text of INFO: sections of "name:value" lines, named as Redis names them,
// since monitoring reads them by name. A field that can mean nothing here is left out, or constant
// where tools rely on it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "command/context.h"

namespace diskdb::command {

/// The sections asked for, whatever their case; none means the default ones. Unknown names add
/// nothing. Requires: all shards held.
std::string info_text(CommandContext& cx, std::span<const Bytes> sections);

/// When SAVE or BGSAVE last succeeded; the start counts, since what it found was on disk.
std::int64_t last_save_seconds(const Services& services);

}  // namespace diskdb::command
