// command/bitmap_commands.h — the family of bitmaps: strings read and written by the bit.
// The table is bitmap_commands.cc, BITFIELD has a file of its own.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"

namespace diskdb::command::bitmaps {

/// A bit's index. Refuses what is none, or lies beyond the longest string there may be.
Answer<std::uint64_t> bit_offset(const CommandContext& cx, Bytes word);
/// The same, where "#n" counts fields of `width` bits.
Answer<std::uint64_t> field_offset(const CommandContext& cx, Bytes word, unsigned width);

// bitmap_commands.cc
Outcome bitcount(CommandContext& cx, Arguments args);
Outcome bitop(CommandContext& cx, Arguments args);
Outcome bitpos(CommandContext& cx, Arguments args);
Outcome getbit(CommandContext& cx, Arguments args);
Outcome setbit(CommandContext& cx, Arguments args);

// bitfield_commands.cc
Outcome bitfield(CommandContext& cx, Arguments args);
Outcome bitfield_ro(CommandContext& cx, Arguments args);

}  // namespace diskdb::command::bitmaps
