// SORT and SORT_RO: the elements of a list, set or sorted set in the order of numbers, of text, or
// of what other keys say of them.
//
// Which keys those are is known only while it runs, so it runs with all shards held. With STORE the
// log gets the list that came of it.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/number.h"
#include "command/generic_commands.h"
#include "command/hash_commands.h"
#include "command/list_commands.h"
#include "keyspace/string_text.h"
#include "types/list.h"

namespace diskdb::command {
namespace {

using keyspace::Record;
using keyspace::Type;

struct SortOptions {
  std::optional<Bytes> by;
  std::vector<Bytes> get;
  std::optional<Bytes> store;
  std::int64_t offset = 0;
  std::int64_t count = -1;  ///< negative: all
  bool is_descending = false;
  bool is_text = false;

  /// BY a key that is the same for all: the order stays.
  bool keeps_order() const { return by && by->find('*') == Bytes::npos; }
};

Outcome read_options(Arguments& args, bool may_store, SortOptions* options) {
  while (!args.is_empty()) {
    const std::size_t left = args.count();
    if (args.next_is("ASC")) {
      options->is_descending = false;
    } else if (args.next_is("DESC")) {
      options->is_descending = true;
    } else if (args.next_is("ALPHA")) {
      options->is_text = true;
    } else if (left >= 3 && args.next_is("LIMIT")) {
      TRY_LET(options->offset, args.next_integer());
      TRY_LET(options->count, args.next_integer());
    } else if (may_store && left >= 2 && args.next_is("STORE")) {
      options->store = args.next();
    } else if (left >= 2 && args.next_is("BY")) {
      options->by = args.next();
    } else if (left >= 2 && args.next_is("GET")) {
      options->get.push_back(args.next());
    } else {
      return Refusal::kSyntax;
    }
  }
  return Outcome::done();
}

/// What `pattern` says of an element: the element itself ("#"), the string at a key made of it, or
/// a field of the hash there ("key_*->field").
std::optional<std::string> look_up(CommandContext& cx, Bytes pattern, Bytes element) {
  if (pattern == "#") return std::string(element);
  const std::size_t star = pattern.find('*');
  if (star == Bytes::npos) return std::nullopt;
  Bytes tail = pattern.substr(star + 1);
  std::optional<Bytes> field;
  if (const std::size_t arrow = tail.find("->"); arrow != Bytes::npos && arrow + 2 < tail.size()) {
    field = tail.substr(arrow + 2);
    tail = tail.substr(0, arrow);
  }
  const std::string name = std::string(pattern.substr(0, star)).append(element).append(tail);
  const Record* record = cx.keyspace.find(cx.keyspace.key(name));
  if (record == nullptr) return std::nullopt;
  if (field) {
    if (record->type() != Type::kHash) return std::nullopt;
    const types::Hash hash(record->object(), cx.keyspace.reading(), hashes::passed_by_now(cx));
    const auto found = hash.find(*field);
    return found ? std::optional<std::string>(found->value) : std::nullopt;
  }
  if (record->type() != Type::kString) return std::nullopt;
  keyspace::StringScratch scratch;
  return std::string(keyspace::text_of(*record, cx.keyspace.reading(), scratch));
}

struct Sorted {
  std::string element;
  std::optional<std::string> weight;  ///< by text: what it is compared by
  double score = 0;                   ///< by number
};

bool is_before(const Sorted& a, const Sorted& b, bool is_text) {
  if (is_text) return a.weight < b.weight;
  return a.score != b.score ? a.score < b.score : a.element < b.element;
}

std::vector<Sorted> elements_of(CommandContext& cx, const Record* record, bool from_back) {
  std::vector<Sorted> elements;
  if (record == nullptr) return elements;
  const value::ObjectHandle handle(record->object(), cx.keyspace.reading());
  for (value::ElementCursor c = handle.at(0); !c.is_at_end(); c.next()) {
    elements.push_back({.element = std::string(c.entry()), .weight = {}, .score = 0});
  }
  if (from_back) std::ranges::reverse(elements);
  return elements;
}

Outcome weigh(CommandContext& cx, const SortOptions& options, std::vector<Sorted>* elements) {
  for (Sorted& one : *elements) {
    one.weight = options.by ? look_up(cx, *options.by, one.element) : one.element;
    if (options.is_text || !one.weight) continue;
    const auto score = parse_double(*one.weight);
    if (!score) return cx.refuse("ERR One or more scores can't be converted into double");
    one.score = *score;
  }
  return Outcome::done();
}

void limit(const SortOptions& options, std::vector<Sorted>* elements) {
  const auto size = static_cast<std::int64_t>(elements->size());
  const std::int64_t first = std::clamp<std::int64_t>(options.offset, 0, size);
  const std::int64_t count = options.count < 0 ? size : std::min(options.count, size);
  const std::int64_t last = std::min(first + count, size);
  elements->erase(elements->begin() + last, elements->end());
  elements->erase(elements->begin(), elements->begin() + first);
}

using Results = std::vector<std::optional<std::string>>;

Results results_of(CommandContext& cx, const SortOptions& options,
                   const std::vector<Sorted>& elements) {
  Results results;
  for (const Sorted& one : elements) {
    if (options.get.empty()) results.emplace_back(one.element);
    for (const Bytes pattern : options.get) results.push_back(look_up(cx, pattern, one.element));
  }
  return results;
}

void store(CommandContext& cx, Bytes name, const Results& results) {
  const keyspace::Key to = cx.keyspace.key(name);
  cx.keyspace.erase(to);
  if (results.empty()) return;
  std::vector<Bytes> effect{"RPUSH", name};
  for (const auto& result : results) effect.emplace_back(result ? Bytes(*result) : Bytes());
  keyspace::ObjectEdit edit(cx.keyspace, to, Type::kList);
  value::Sequence list(edit.object(), edit.use());
  const std::span<const Bytes> added = std::span(effect).subspan(2);
  types::note_growth(list, added, lists::listpack_limit(cx));
  for (const Bytes element : added) list.push_back(element);
  edit.commit_as(effect);
}

Outcome run(CommandContext& cx, Arguments args, bool may_store) {
  const keyspace::Key key = cx.keyspace.key(args.next());
  SortOptions options;
  TRY(read_options(args, may_store, &options));
  const Record* record = cx.keyspace.find(key);
  if (record != nullptr && (record->type() == Type::kString || record->type() == Type::kHash)) {
    return Refusal::kWrongType;
  }
  bool keeps_order = options.keeps_order();
  if (keeps_order && options.store && record != nullptr && record->type() == Type::kSet) {
    // A set has no order of its own to be kept.
    keeps_order = false;
    options.is_text = true;
    options.by.reset();
  }
  const bool from_back = keeps_order && options.is_descending && record != nullptr &&
                         record->type() == Type::kSortedSet;
  std::vector<Sorted> elements = elements_of(cx, record, from_back);
  if (!keeps_order) {
    TRY(weigh(cx, options, &elements));
    std::ranges::stable_sort(elements, [&](const Sorted& a, const Sorted& b) {
      return options.is_descending ? is_before(b, a, options.is_text)
                                   : is_before(a, b, options.is_text);
    });
  }
  limit(options, &elements);
  const Results results = results_of(cx, options, elements);
  if (options.store) {
    store(cx, *options.store, results);
    cx.reply.integer(static_cast<std::int64_t>(results.size()));
    return Outcome::done();
  }
  cx.reply.array(results.size());
  for (const auto& result : results) {
    if (result) {
      cx.reply.bulk(Bytes(*result));
    } else {
      cx.reply.null();
    }
  }
  return Outcome::done();
}

}  // namespace

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE key]
Outcome sort(CommandContext& cx, Arguments args) { return run(cx, args, true); }

/// SORT_RO: without STORE.
Outcome sort_ro(CommandContext& cx, Arguments args) { return run(cx, args, false); }

}  // namespace diskdb::command
