// command/list_commands.h — the family of lists: its commands, and what they share. The table is
// list_commands.cc; each subject has a file of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "types/list.h"

namespace diskdb::command::lists {

/// LEFT or RIGHT.
Answer<types::End> next_end(Arguments& args);

/// list-max-listpack-size.
types::ListpackLimit listpack_limit(const CommandContext& cx);

/// Pushes the elements, one after the other. The list may be new.
void push_all(const CommandContext& cx, value::Sequence& list, std::span<const Bytes> elements,
              types::End end);

/// Replies with `count` elements from that end, in the order in which they are popped, and removes
/// them. Requires: there are as many.
void reply_popped(const CommandContext& cx, value::Sequence& list, std::uint64_t count,
                  types::End end);

/// What LMPOP and BLMPOP pop.
struct MultiPop {
  types::End end = types::End::kLeft;
  std::uint64_t count_max = 1;
};
/// Reads numkeys key [key ...] LEFT | RIGHT [COUNT count].
Outcome next_multi_pop(CommandContext& cx, Arguments& args, MultiPop* pop);

/// What LMOVE and its kin move.
struct Move {
  enum class Order : std::uint8_t { kOneByOne, kBulk };

  types::End from = types::End::kRight;
  types::End to = types::End::kLeft;
  std::uint64_t count = 1;
  bool is_exact = false;  ///< `count` elements, or none
  Order order = Order::kOneByOne;
  bool replies_array = false;
};
/// Reads [COUNT count | EXACTLY count] OBO | BULK, if any words are left.
Outcome next_move_options(CommandContext& cx, Arguments& args, Move* move);
/// How many elements of cx.keys[0] the move takes now; refuses if one of the keys is no list.
Answer<std::uint64_t> count_to_move(CommandContext& cx, const Move& move);
/// Moves so many elements and replies with them. Requires: count_to_move() gave it, and it is not
/// 0. The caller tells the log.
void reply_moved(CommandContext& cx, const Move& move, std::uint64_t count);

// list_blocking_commands.cc
Outcome blmove(CommandContext& cx, Arguments args);
Outcome blmovem(CommandContext& cx, Arguments args);
Outcome blmpop(CommandContext& cx, Arguments args);
Outcome blpop(CommandContext& cx, Arguments args);
Outcome brpop(CommandContext& cx, Arguments args);
Outcome brpoplpush(CommandContext& cx, Arguments args);

// list_push_commands.cc
Outcome lpush(CommandContext& cx, Arguments args);
Outcome lpushx(CommandContext& cx, Arguments args);
Outcome rpush(CommandContext& cx, Arguments args);
Outcome rpushx(CommandContext& cx, Arguments args);
Outcome linsert(CommandContext& cx, Arguments args);
Outcome lset(CommandContext& cx, Arguments args);

// list_read_commands.cc
Outcome lindex(CommandContext& cx, Arguments args);
Outcome llen(CommandContext& cx, Arguments args);
Outcome lpos(CommandContext& cx, Arguments args);
Outcome lrange(CommandContext& cx, Arguments args);

// list_take_commands.cc
Outcome lmpop(CommandContext& cx, Arguments args);
Outcome lpop(CommandContext& cx, Arguments args);
Outcome lrem(CommandContext& cx, Arguments args);
Outcome ltrim(CommandContext& cx, Arguments args);
Outcome rpop(CommandContext& cx, Arguments args);

// list_move_commands.cc
Outcome lmove(CommandContext& cx, Arguments args);
Outcome lmovem(CommandContext& cx, Arguments args);
Outcome rpoplpush(CommandContext& cx, Arguments args);

}  // namespace diskdb::command::lists
