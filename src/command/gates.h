// command/gates.h — policy: what may refuse a command before it runs. One small function each.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/context.h"

namespace diskdb::command {

/// Requests up to this size are logged without reserving room first: the spare segment takes one
/// from every thread.
constexpr std::uint64_t kFrameBytesReserved = 64 * 1024;

using Gate = Outcome (*)(CommandContext& cx);

/// In the order of the Redis contract; the first that refuses gives the reply.
std::span<const Gate> gates();

/// Could any gate but the count of words refuse now? While not, plain commands skip the gates.
bool is_anything_restricted(const Services& services);

Outcome has_right_word_count(CommandContext& cx);

/// The replies for words that name no row.
std::string unknown_command_text(std::span<const Bytes> words);
std::string unknown_subcommand_text(const Row& container, Bytes name);

}  // namespace diskdb::command
