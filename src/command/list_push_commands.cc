// The commands that add elements to lists or replace them: LPUSH and its kin, LINSERT, LSET.
#include <string>

#include "command/list_commands.h"
#include "keyspace/access.h"

namespace diskdb::command::lists {

using keyspace::ObjectEdit;
using keyspace::Record;
using keyspace::Type;
using types::End;
using value::Sequence;

namespace {

enum class IfAbsent : std::uint8_t { kCreate, kLeave };

Outcome push(CommandContext& cx, Arguments args, End end, IfAbsent if_absent) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  if (record == nullptr && if_absent == IfAbsent::kLeave) {
    cx.reply.integer(0);
    return Outcome::done();
  }
  const std::span<const Bytes> elements = args.rest();
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kList);
  Sequence list(edit.object(), edit.use());
  push_all(cx, list, elements, end);
  edit.commit(elements.size());
  cx.reply.integer(static_cast<std::int64_t>(list.count()));
  return Outcome::done();
}

std::optional<std::uint64_t> find_first(const Sequence& list, Bytes element) {
  for (value::ElementCursor c = list.at(0); !c.is_at_end(); c.next()) {
    if (c.entry() == element) return c.position();
  }
  return std::nullopt;
}

}  // namespace

void push_all(const CommandContext& cx, Sequence& list, std::span<const Bytes> elements, End end) {
  types::note_growth(list, elements, listpack_limit(cx));
  for (const Bytes element : elements) {
    if (end == End::kLeft) {
      list.push_front(element);
    } else {
      list.push_back(element);
    }
  }
}

/// LPUSH key element [element ...] — how many there are now.
Outcome lpush(CommandContext& cx, Arguments args) {
  return push(cx, args, End::kLeft, IfAbsent::kCreate);
}

/// LPUSHX key element [element ...] — likewise, if there is such a list, else 0.
Outcome lpushx(CommandContext& cx, Arguments args) {
  return push(cx, args, End::kLeft, IfAbsent::kLeave);
}

/// RPUSH key element [element ...]
Outcome rpush(CommandContext& cx, Arguments args) {
  return push(cx, args, End::kRight, IfAbsent::kCreate);
}

/// RPUSHX key element [element ...]
Outcome rpushx(CommandContext& cx, Arguments args) {
  return push(cx, args, End::kRight, IfAbsent::kLeave);
}

/// LINSERT key BEFORE | AFTER pivot element — how many there are now; -1 if the pivot was not
/// found, 0 if there is no list.
Outcome linsert(CommandContext& cx, Arguments args) {
  args.next();
  const bool is_after = args.next_is("AFTER");
  if (!is_after && !args.next_is("BEFORE")) return Refusal::kSyntax;
  const Bytes pivot = args.next();
  const Bytes element = args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  if (record == nullptr) {
    cx.reply.integer(0);
    return Outcome::done();
  }
  const auto found = find_first(Sequence(record->object(), cx.keyspace.reading()), pivot);
  if (!found) {
    cx.reply.integer(-1);
    return Outcome::done();
  }
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kList);
  Sequence list(edit.object(), edit.use());
  types::note_growth(list, {&element, 1}, listpack_limit(cx));
  list.insert(*found + (is_after ? 1 : 0), element);
  edit.commit();
  cx.reply.integer(static_cast<std::int64_t>(list.count()));
  return Outcome::done();
}

/// LSET key index element
Outcome lset(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  if (record == nullptr) return Refusal::kNoSuchKey;
  TRY_LET(const std::int64_t index, args.next_integer());
  const Bytes element = args.next();
  const std::uint64_t count = record->object().count();
  const std::int64_t position = types::list_position(index, count);
  if (position < 0 || static_cast<std::uint64_t>(position) >= count) {
    return Refusal::kIndexOutOfRange;
  }
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kList);
  Sequence list(edit.object(), edit.use());
  types::note_growth(list, {&element, 1}, listpack_limit(cx));
  list.replace(static_cast<std::uint64_t>(position), element);
  types::note_shrinking(list, listpack_limit(cx));
  edit.commit();
  cx.reply.ok();
  return Outcome::done();
}

}  // namespace diskdb::command::lists
