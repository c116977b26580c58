// The commands that take elements off lists: LPOP, RPOP, LMPOP, LREM, LTRIM.
#include <string>
#include <vector>

#include "command/command_table.h"
#include "command/list_commands.h"
#include "keyspace/access.h"

namespace diskdb::command::lists {

using keyspace::ObjectEdit;
using keyspace::Record;
using keyspace::Type;
using types::End;
using value::ElementCursor;
using value::Sequence;

void reply_popped(const CommandContext& cx, Sequence& list, std::uint64_t count, End end) {
  if (count == 0) return;
  const std::uint64_t total = list.count();
  {
    ElementCursor c = list.at(end == End::kLeft ? 0 : total - 1);
    for (std::uint64_t left = count;;) {
      cx.reply.bulk(c.entry());
      if (--left == 0) break;
      if (end == End::kLeft) {
        c.next();
      } else {
        c.previous();
      }
    }
  }
  if (end == End::kLeft) {
    list.erase(0, count);
  } else {
    list.erase(total - count, total);
  }
  types::note_shrinking(list, listpack_limit(cx));
}

namespace {

Outcome pop(CommandContext& cx, Arguments args, End end) {
  args.next();
  if (args.count() > 1) {
    return cx.refuse("ERR wrong number of arguments for '" + full_name(cx.row) + "' command");
  }
  std::optional<std::int64_t> count;
  if (!args.is_empty()) {
    count = parse_integer(args.next());
    if (!count || *count < 0) return cx.refuse("ERR value is out of range, must be positive");
  }
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  if (record == nullptr) {
    if (count) {
      cx.reply.null_array();
    } else {
      cx.reply.null();
    }
    return Outcome::done();
  }
  const std::uint64_t popped =
      std::min(static_cast<std::uint64_t>(count.value_or(1)), record->object().count());
  if (count) cx.reply.array(popped);
  if (popped == 0) return Outcome::done();
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kList);
  Sequence list(edit.object(), edit.use());
  reply_popped(cx, list, popped, end);
  edit.commit(popped);
  return Outcome::done();
}

}  // namespace

/// LPOP key [count] — the first element, or the first ones, which are gone.
Outcome lpop(CommandContext& cx, Arguments args) { return pop(cx, args, End::kLeft); }

/// RPOP key [count] — the last element, or the last ones from the end.
Outcome rpop(CommandContext& cx, Arguments args) { return pop(cx, args, End::kRight); }

Outcome next_multi_pop(CommandContext& cx, Arguments& args, MultiPop* pop) {
  const auto key_count = parse_integer(args.next());
  if (!key_count || *key_count <= 0) return cx.refuse("ERR numkeys should be greater than 0");
  if (static_cast<std::uint64_t>(*key_count) >= args.count()) return Refusal::kSyntax;
  for (std::int64_t i = 0; i < *key_count; ++i) args.next();
  TRY_LET(pop->end, next_end(args));
  if (args.is_empty()) return Outcome::done();
  if (args.count() < 2 || !args.next_is("COUNT")) return Refusal::kSyntax;
  const auto count = parse_integer(args.next());
  if (!count || *count <= 0) return cx.refuse("ERR count should be greater than 0");
  pop->count_max = static_cast<std::uint64_t>(*count);
  return args.is_empty() ? Outcome::done() : Refusal::kSyntax;
}

/// LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count] — the first key that has elements, and
/// those popped, or null.
Outcome lmpop(CommandContext& cx, Arguments args) {
  MultiPop pop;
  TRY(next_multi_pop(cx, args, &pop));
  TRY_LET(const keyspace::Key* key, cx.first_of(Type::kList));
  if (key == nullptr) {
    cx.reply.null_array();
    return Outcome::done();
  }
  ObjectEdit edit(cx.keyspace, *key, Type::kList);
  const std::uint64_t count = std::min(pop.count_max, edit.object().count());
  cx.reply.array(2);
  cx.reply.bulk(key->bytes);
  cx.reply.array(count);
  Sequence list(edit.object(), edit.use());
  reply_popped(cx, list, count, pop.end);
  edit.commit(count);
  return Outcome::done();
}

/// LREM key count element — how many equal elements are gone: the first `count`, the last if it is
/// negative, all if it is 0.
Outcome lrem(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::int64_t count, args.next_integer());
  const Bytes element = args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  std::vector<std::uint64_t> found;
  if (record != nullptr) {
    const Sequence list(record->object(), cx.keyspace.reading());
    const std::uint64_t wanted = count == 0  ? list.count()
                                 : count < 0 ? ~static_cast<std::uint64_t>(count) + 1
                                             : static_cast<std::uint64_t>(count);
    std::uint64_t left = list.count();
    for (ElementCursor c = list.at(count < 0 ? left - 1 : 0); left > 0; --left) {
      if (c.entry() == element) found.push_back(c.position());
      if (left == 1 || found.size() == wanted) break;
      if (count < 0) {
        c.previous();
      } else {
        c.next();
      }
    }
  }
  cx.reply.integer(static_cast<std::int64_t>(found.size()));
  if (found.empty()) return Outcome::done();
  if (count < 0) std::ranges::reverse(found);
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kList);
  Sequence list(edit.object(), edit.use());
  // From the last to the first, neighbours together, so that positions stay right.
  for (std::size_t end = found.size(); end > 0;) {
    std::size_t begin = end - 1;
    while (begin > 0 && found[begin - 1] + 1 == found[begin]) --begin;
    list.erase(found[begin], found[end - 1] + 1);
    end = begin;
  }
  types::note_shrinking(list, listpack_limit(cx));
  edit.commit(found.size());
  return Outcome::done();
}

/// LTRIM key start stop — keeps the elements from one position to another, both included.
Outcome ltrim(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::int64_t start, args.next_integer());
  TRY_LET(const std::int64_t stop, args.next_integer());
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  cx.reply.ok();
  if (record == nullptr) return Outcome::done();
  const std::uint64_t count = record->object().count();
  const auto [first, last] = types::list_range(start, stop, count);
  if (last - first == count) return Outcome::done();
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kList);
  Sequence list(edit.object(), edit.use());
  list.erase(last, count);
  list.erase(0, first);
  types::note_shrinking(list, listpack_limit(cx));
  edit.commit(count - (last - first));
  return Outcome::done();
}

}  // namespace diskdb::command::lists
