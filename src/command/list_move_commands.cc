// The commands that move elements from one list to another, or within one: LMOVE, RPOPLPUSH,
// LMOVEM.
#include <algorithm>
#include <string>
#include <vector>

#include "command/config.h"
#include "command/list_commands.h"
#include "command/services.h"
#include "keyspace/access.h"

namespace diskdb::command::lists {

using keyspace::ObjectEdit;
using keyspace::Record;
using keyspace::Type;
using types::End;
using value::ElementCursor;
using value::Sequence;

Answer<End> next_end(Arguments& args) {
  if (args.next_is("LEFT")) return End::kLeft;
  if (args.next_is("RIGHT")) return End::kRight;
  return Refusal::kSyntax;
}

types::ListpackLimit listpack_limit(const CommandContext& cx) {
  return types::ListpackLimit(
      cx.services.config.settings().list_max_listpack_size.load(std::memory_order_relaxed));
}

namespace {

/// Removes so many elements from that end and gives them as they stood in the list.
std::vector<std::string> take(const CommandContext& cx, Sequence& list, std::uint64_t count,
                              End end) {
  std::vector<std::string> taken;
  taken.reserve(count);
  const std::uint64_t first = end == End::kLeft ? 0 : list.count() - count;
  for (ElementCursor c = list.at(first);; c.next()) {
    taken.emplace_back(c.entry());
    if (taken.size() == count) break;
  }
  list.erase(first, first + count);
  types::note_shrinking(list, listpack_limit(cx));
  return taken;
}

/// Adds them at that end, so that they stand in the list as they stand here.
void put(const CommandContext& cx, Sequence& list, const std::vector<std::string>& elements,
         End end) {
  const std::vector<Bytes> views(elements.begin(), elements.end());
  types::note_growth(list, views, listpack_limit(cx));
  std::uint64_t position = end == End::kLeft ? 0 : list.count();
  for (const Bytes element : views) list.insert(position++, element);
}

}  // namespace

Outcome next_move_options(CommandContext& cx, Arguments& args, Move* move) {
  move->replies_array = true;
  if (args.is_empty()) return Outcome::done();
  if (args.count() != 3) return Refusal::kSyntax;
  move->is_exact = args.next_is("EXACTLY");
  if (!move->is_exact && !args.next_is("COUNT")) return Refusal::kSyntax;
  const auto count = parse_integer(args.next());
  if (!count || *count <= 0) return cx.refuse("ERR count should be greater than 0");
  move->count = static_cast<std::uint64_t>(*count);
  if (args.next_is("BULK")) {
    move->order = Move::Order::kBulk;
  } else if (!args.next_is("OBO")) {
    return Refusal::kSyntax;
  }
  return Outcome::done();
}

Answer<std::uint64_t> count_to_move(CommandContext& cx, const Move& move) {
  TRY_LET(const Record* source, cx.keyspace.find(cx.keys[0], Type::kList));
  if (source == nullptr) return std::uint64_t{0};
  const std::uint64_t count = source->object().count();
  if (move.is_exact && count < move.count) return std::uint64_t{0};
  TRY(cx.keyspace.find(cx.keys[1], Type::kList));
  return std::min(count, move.count);
}

void reply_moved(CommandContext& cx, const Move& move, std::uint64_t count) {
  const keyspace::Key& source = cx.keys[0];
  const keyspace::Key& target = cx.keys[1];
  std::vector<std::string> moved;
  {
    ObjectEdit edit(cx.keyspace, source, Type::kList);
    Sequence list(edit.object(), edit.use());
    moved = take(cx, list, count, move.from);
    // Popped from one end and pushed to the same, one by one, they come to stand the other way
    // round.
    if (move.order == Move::Order::kOneByOne && move.from == move.to) {
      std::ranges::reverse(moved);
    }
    if (source.bytes == target.bytes) put(cx, list, moved, move.to);
    edit.commit();
  }
  if (source.bytes != target.bytes) {
    ObjectEdit edit(cx.keyspace, target, Type::kList);
    Sequence list(edit.object(), edit.use());
    put(cx, list, moved, move.to);
    edit.commit(0);  // for Redis moving is one change
  }
  if (move.replies_array) cx.reply.array(moved.size());
  for (const std::string& element : moved) cx.reply.bulk(element);
}

namespace {

Outcome run_move(CommandContext& cx, const Move& move) {
  TRY_LET(const std::uint64_t count, count_to_move(cx, move));
  if (count > 0) {
    reply_moved(cx, move, count);
  } else if (move.replies_array) {
    cx.reply.null_array();
  } else {
    cx.reply.null();
  }
  return Outcome::done();
}

}  // namespace

/// LMOVE source destination LEFT | RIGHT LEFT | RIGHT — the element moved, or null.
Outcome lmove(CommandContext& cx, Arguments args) {
  args.next();
  args.next();
  Move move;
  TRY_LET(move.from, next_end(args));
  TRY_LET(move.to, next_end(args));
  return run_move(cx, move);
}

/// RPOPLPUSH source destination — LMOVE source destination RIGHT LEFT.
Outcome rpoplpush(CommandContext& cx, Arguments) { return run_move(cx, {}); }

/// LMOVEM source destination LEFT | RIGHT LEFT | RIGHT [COUNT count | EXACTLY count] OBO | BULK —
/// the elements moved, as they stand in the destination, or null.
Outcome lmovem(CommandContext& cx, Arguments args) {
  args.next();
  args.next();
  Move move;
  TRY_LET(move.from, next_end(args));
  TRY_LET(move.to, next_end(args));
  TRY(next_move_options(cx, args, &move));
  return run_move(cx, move);
}

}  // namespace diskdb::command::lists
