// The commands that wait for lists to have elements: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH,
// BLMOVEM. Each is run when it arrives and, if it finds nothing then, again by whoever lets
// elements appear; the log gets the command that does the same without waiting.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "command/blocking_timeout.h"
#include "command/list_commands.h"
#include "keyspace/access.h"

namespace diskdb::command::lists {

using keyspace::ObjectEdit;
using keyspace::Record;
using keyspace::Type;
using types::End;
using value::Sequence;

namespace {

Bytes pop_name(End end) { return end == End::kLeft ? "LPOP" : "RPOP"; }
Bytes end_name(End end) { return end == End::kLeft ? "LEFT" : "RIGHT"; }

Outcome pop_or_wait(CommandContext& cx, Arguments args, End end) {
  while (args.count() > 1) args.next();
  TRY_LET(const Millis until, next_timeout(cx, args));
  TRY_LET(const keyspace::Key* key, cx.first_of(Type::kList));
  if (key == nullptr) return cx.wait_for(Type::kList, until, cx.keys.size());
  cx.keyspace.log_as(std::array<Bytes, 2>{pop_name(end), key->bytes});
  cx.reply.array(2);
  cx.reply.bulk(key->bytes);
  ObjectEdit edit(cx.keyspace, *key, Type::kList);
  Sequence list(edit.object(), edit.use());
  reply_popped(cx, list, 1, end);
  edit.commit();
  return Outcome::done();
}

Outcome move_or_wait(CommandContext& cx, const Move& move, Millis until) {
  TRY_LET(const std::uint64_t count, count_to_move(cx, move));
  if (count == 0) return cx.wait_for(Type::kList, until, 1);
  const Bytes source = cx.keys[0].bytes;
  const Bytes target = cx.keys[1].bytes;
  if (move.replies_array) {
    const std::string number = std::to_string(count);
    const Bytes order = move.order == Move::Order::kBulk ? "BULK" : "OBO";
    cx.keyspace.log_as(std::array<Bytes, 8>{"LMOVEM", source, target, end_name(move.from),
                                            end_name(move.to), "EXACTLY", number, order});
  } else {
    cx.keyspace.log_as(
        std::array<Bytes, 5>{"LMOVE", source, target, end_name(move.from), end_name(move.to)});
  }
  reply_moved(cx, move, count);
  return Outcome::done();
}

}  // namespace

/// BLPOP key [key ...] timeout — the first key that has elements, and the first of them.
Outcome blpop(CommandContext& cx, Arguments args) { return pop_or_wait(cx, args, End::kLeft); }

/// BRPOP key [key ...] timeout — likewise, the last of them.
Outcome brpop(CommandContext& cx, Arguments args) { return pop_or_wait(cx, args, End::kRight); }

/// BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count] — as LMPOP.
Outcome blmpop(CommandContext& cx, Arguments args) {
  Arguments timeout = args;
  args.next();
  MultiPop pop;
  TRY(next_multi_pop(cx, args, &pop));
  TRY_LET(const Millis until, next_timeout(cx, timeout));
  TRY_LET(const keyspace::Key* key, cx.first_of(Type::kList));
  if (key == nullptr) return cx.wait_for(Type::kList, until, cx.keys.size());
  ObjectEdit edit(cx.keyspace, *key, Type::kList);
  Sequence list(edit.object(), edit.use());
  const std::uint64_t count = std::min(pop.count_max, list.count());
  const std::string number = std::to_string(count);
  cx.keyspace.log_as(std::array<Bytes, 3>{pop_name(pop.end), key->bytes, number});
  cx.reply.array(2);
  cx.reply.bulk(key->bytes);
  cx.reply.array(count);
  reply_popped(cx, list, count, pop.end);
  edit.commit(count);
  return Outcome::done();
}

/// BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout — as LMOVE.
Outcome blmove(CommandContext& cx, Arguments args) {
  args.next();
  args.next();
  Move move;
  TRY_LET(move.from, next_end(args));
  TRY_LET(move.to, next_end(args));
  TRY_LET(const Millis until, next_timeout(cx, args));
  return move_or_wait(cx, move, until);
}

/// BRPOPLPUSH source destination timeout — BLMOVE source destination RIGHT LEFT timeout.
Outcome brpoplpush(CommandContext& cx, Arguments args) {
  args.next();
  args.next();
  TRY_LET(const Millis until, next_timeout(cx, args));
  return move_or_wait(cx, {}, until);
}

/// BLMOVEM source destination LEFT | RIGHT LEFT | RIGHT timeout [COUNT count | EXACTLY count]
/// OBO | BULK — as LMOVEM.
Outcome blmovem(CommandContext& cx, Arguments args) {
  args.next();
  args.next();
  Move move;
  TRY_LET(move.from, next_end(args));
  TRY_LET(move.to, next_end(args));
  TRY_LET(const Millis until, next_timeout(cx, args));
  TRY(next_move_options(cx, args, &move));
  return move_or_wait(cx, move, until);
}

}  // namespace diskdb::command::lists
