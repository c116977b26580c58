// The commands that read lists: LLEN, LINDEX, LRANGE, LPOS.
#include <limits>
#include <string>
#include <vector>

#include "command/list_commands.h"
#include "keyspace/access.h"

namespace diskdb::command::lists {

using keyspace::Record;
using keyspace::Type;
using types::End;
using value::ElementCursor;
using value::Sequence;

/// LLEN key
Outcome llen(CommandContext& cx, Arguments) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  cx.reply.integer(record == nullptr ? 0 : static_cast<std::int64_t>(record->object().count()));
  return Outcome::done();
}

/// LINDEX key index — the element, or null.
Outcome lindex(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  if (record == nullptr) {
    cx.reply.null();
    return Outcome::done();
  }
  TRY_LET(const std::int64_t index, args.next_integer());
  const std::uint64_t count = record->object().count();
  const std::int64_t position = types::list_position(index, count);
  if (position < 0 || static_cast<std::uint64_t>(position) >= count) {
    cx.reply.null();
  } else {
    const Sequence list(record->object(), cx.keyspace.reading());
    cx.reply.bulk(list.at(static_cast<std::uint64_t>(position)).entry());
  }
  return Outcome::done();
}

/// LRANGE key start stop — the elements from one position to another, both included.
Outcome lrange(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::int64_t start, args.next_integer());
  TRY_LET(const std::int64_t stop, args.next_integer());
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  if (record == nullptr) {
    cx.reply.array(0);
    return Outcome::done();
  }
  const auto [first, last] = types::list_range(start, stop, record->object().count());
  cx.reply.array(last - first);
  if (first == last) return Outcome::done();
  const Sequence list(record->object(), cx.keyspace.reading());
  std::uint64_t left = last - first;
  for (ElementCursor c = list.at(first);; c.next()) {
    cx.reply.bulk(c.entry());
    if (--left == 0) break;  // before the cursor fetches a page that nobody asked for
  }
  return Outcome::done();
}

namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

struct Search {
  std::int64_t rank = 1;
  std::optional<std::int64_t> count;  ///< 0: all
  std::int64_t length_max = 0;        ///< 0: no bound
};

Outcome next_search_option(CommandContext& cx, Arguments& args, Search* search) {
  if (args.count() < 2) return Refusal::kSyntax;
  if (args.next_is("RANK")) {
    TRY_LET(search->rank, args.next_integer());
    if (search->rank == 0) {
      return cx.refuse(
          "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or "
          "use negative to start from the end of the list");
    }
    if (search->rank < -kMax) {
      return cx.refuse("ERR value is out of range, value must between " + std::to_string(-kMax) +
                       " and " + std::to_string(kMax));
    }
    return Outcome::done();
  }
  const bool is_count = args.next_is("COUNT");
  if (!is_count && !args.next_is("MAXLEN")) return Refusal::kSyntax;
  const auto number = parse_integer(args.next());
  if (!number || *number < 0) {
    return cx.refuse(is_count ? "ERR COUNT can't be negative" : "ERR MAXLEN can't be negative");
  }
  if (is_count) {
    search->count = *number;
  } else {
    search->length_max = *number;
  }
  return Outcome::done();
}

/// The positions of the matches asked for, in the order found.
std::vector<std::uint64_t> find_matches(const Sequence& list, Bytes element, const Search& search) {
  std::vector<std::uint64_t> found;
  const bool is_backwards = search.rank < 0;
  std::uint64_t skipped = static_cast<std::uint64_t>(is_backwards ? -search.rank : search.rank) - 1;
  const auto wanted = static_cast<std::uint64_t>(search.count.value_or(1));
  std::uint64_t left = list.count();
  if (search.length_max > 0) left = std::min(left, static_cast<std::uint64_t>(search.length_max));
  for (ElementCursor c = list.at(is_backwards ? list.count() - 1 : 0); left > 0; --left) {
    if (c.entry() == element) {
      if (skipped > 0) {
        --skipped;
      } else {
        found.push_back(c.position());
        if (found.size() == wanted) break;
      }
    }
    if (left == 1) break;
    if (is_backwards) {
      c.previous();
    } else {
      c.next();
    }
  }
  return found;
}

}  // namespace

/// LPOS key element [RANK rank] [COUNT count] [MAXLEN length] — where the element stands, or null;
/// with COUNT an array of positions.
Outcome lpos(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes element = args.next();
  Search search;
  while (!args.is_empty()) TRY(next_search_option(cx, args, &search));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kList));
  std::vector<std::uint64_t> found;
  if (record != nullptr) {
    found = find_matches(Sequence(record->object(), cx.keyspace.reading()), element, search);
  }
  if (search.count) {
    cx.reply.array(found.size());
    for (const std::uint64_t position : found) {
      cx.reply.integer(static_cast<std::int64_t>(position));
    }
  } else if (found.empty()) {
    cx.reply.null();
  } else {
    cx.reply.integer(static_cast<std::int64_t>(found.front()));
  }
  return Outcome::done();
}

}  // namespace diskdb::command::lists
