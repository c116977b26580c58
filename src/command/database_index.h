// command/database_index.h — reads words that name a database, with Redis's refusals.
#pragma once

#include <cstdint>
#include <optional>

#include "command/arguments.h"
#include "command/context.h"

namespace diskdb::command {

/// An integer that fits a C int, as Redis keeps database numbers.
std::optional<std::int32_t> parse_database_index(Bytes word);

/// The next word as the index of a database that exists.
Answer<std::uint32_t> next_database(CommandContext& cx, Arguments& args);

}  // namespace diskdb::command
