// SCAN, KEYS and RANDOMKEY: which keys there are.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/glob.h"
#include "command/generic_commands.h"
#include "command/key_walk.h"

namespace diskdb::command {
namespace {

/// How many buckets a step of SCAN visits at most, beside some for each key it was asked for. Only
/// a slot that shares its shard with a much larger one (a hash tag with millions of keys) ever gets
/// there.
constexpr std::uint64_t kBucketsPerStep = 10'000;
constexpr std::uint64_t kBucketsPerKey = 16;
constexpr std::uint64_t kCountBounded = 1ULL << 40;  // so that the product fits
/// RANDOMKEY deletes so many expired keys on its way before it looks at all keys once.
constexpr int kRandomTries = 100;

/// What strtoul makes of the text, which is how Redis reads cursors: nothing is 0, a sign may stand
/// in front, and "-1" is the largest number.
Answer<std::uint64_t> parse_cursor(Bytes text) {
  const bool is_negative = text.starts_with('-');
  const bool has_sign = is_negative || text.starts_with('+');
  if (has_sign && text.size() == 1) return Refusal::kInvalidCursor;
  std::uint64_t cursor = 0;
  for (const char c : text.substr(has_sign ? 1 : 0)) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (c < '0' || c > '9' || __builtin_mul_overflow(cursor, 10, &cursor) ||
        __builtin_add_overflow(cursor, digit, &cursor)) {
      return Refusal::kInvalidCursor;
    }
  }
  return is_negative ? 0 - cursor : cursor;
}

/// MATCH, COUNT and TYPE.
struct ScanOptions {
  Bytes pattern = "*";
  std::optional<Bytes> type;
  std::uint64_t count = 10;
};

bool matches(Bytes pattern, Bytes key) {
  return pattern == "*" || glob_matches(pattern, key);  // the matcher finds no star in an empty key
}

Outcome read_options(Arguments& args, ScanOptions* options) {
  while (!args.is_empty()) {
    if (args.count() < 2) return Refusal::kSyntax;
    if (args.next_is("COUNT")) {
      TRY_LET(const std::int64_t count, args.next_integer());
      if (count < 1) return Refusal::kSyntax;
      options->count = static_cast<std::uint64_t>(count);
    } else if (args.next_is("MATCH")) {
      options->pattern = args.next();
    } else if (args.next_is("TYPE")) {
      options->type = args.next();
    } else {
      return Refusal::kSyntax;
    }
  }
  return Outcome::done();
}

/// Deletes the key if it has expired. False: it is of no interest, or gone.
bool is_wanted(CommandContext& cx, const ScanOptions& options, const keyspace::Record& record) {
  if (!matches(options.pattern, record.key())) return false;
  const bool has_type =
      !options.type || equals_ignoring_case(*options.type, type_name(record.type()));
  if (cx.keyspace.is_expired(record)) {
    const std::string key(record.key());  // does not outlive the record
    cx.keyspace.find(cx.keyspace.key(key));
    return false;
  }
  return has_type;
}

/// One step of SCAN: appends the keys to report and returns the next cursor. COUNT keys are looked
/// at, wanted or not, and those at the same place as the last; the next cursor is the place of the
/// first key not looked at, so that an iteration does not end with an empty step.
std::uint64_t scan_keys(CommandContext& cx, ScanPlace from, const ScanOptions& options,
                        std::vector<std::string>* wanted) {
  KeyWalk walk(cx.keyspace, KeyWalk::Holding::kAsItGoes, from, slot_of_pattern(options.pattern));
  const std::uint64_t buckets_max =
      kBucketsPerStep + kBucketsPerKey * std::min(options.count, kCountBounded);
  std::uint64_t seen_count = 0;
  ScanPlace last;
  for (std::uint64_t bucket_count = 0; walk.step(); ++bucket_count) {
    for (const KeyWalk::Found& found : walk.found()) {
      const ScanPlace place = walk.place_of(found);
      if (seen_count >= options.count && place != last) return place.cursor();
      ++seen_count;
      last = place;
      if (is_wanted(cx, options, *found.record)) wanted->emplace_back(found.record->key());
    }
    if (bucket_count >= buckets_max) {
      const ScanPlace next = walk.place();
      return next.slot < keyspace::kSlotCount ? next.cursor() : 0;
    }
  }
  return 0;
}

/// A live key of the database, each with the same chance: one look at all of them.
const keyspace::Record* random_live_record(CommandContext& cx) {
  const keyspace::Record* chosen = nullptr;
  std::uint64_t live_count = 0;
  for (keyspace::Shard& shard : cx.keyspace.keyspace().shards()) {
    cx.keyspace.table(shard, cx.keyspace.db()).for_each([&](const keyspace::Record* record) {
      if (cx.keyspace.is_expired(*record)) return;
      // Replacing the choice with chance 1 / n at the nth gives each the same chance in the end.
      if (cx.random.below(++live_count) == 0) chosen = record;
    });
  }
  return chosen;
}

/// The record with the number `nth` if all shards' records are counted through. Expired ones count.
const keyspace::Record* any_record(CommandContext& cx, std::uint64_t nth) {
  for (keyspace::Shard& shard : cx.keyspace.keyspace().shards()) {
    const keyspace::Table& table = cx.keyspace.table(shard, cx.keyspace.db());
    if (nth < table.count()) return table.random_record(cx.random.next());
    nth -= table.count();
  }
  return nullptr;
}

}  // namespace

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
Outcome scan(CommandContext& cx, Arguments args) {
  TRY_LET(const std::uint64_t cursor, parse_cursor(args.next()));
  ScanOptions options;
  TRY(read_options(args, &options));

  std::vector<std::string> wanted;
  const std::uint64_t next = scan_keys(cx, ScanPlace::of_cursor(cursor), options, &wanted);
  cx.reply.array(2);
  cx.reply.bulk_integer(static_cast<std::int64_t>(next));
  cx.reply.array(wanted.size());
  for (const std::string& key : wanted) cx.reply.bulk(key);
  return Outcome::done();
}

/// KEYS pattern
Outcome keys(CommandContext& cx, Arguments args) {
  const Bytes pattern = args.next();
  KeyWalk walk(cx.keyspace, KeyWalk::Holding::kAll, {}, slot_of_pattern(pattern));
  std::vector<Bytes> matching;  // views: all shards are held
  while (walk.step()) {
    for (const KeyWalk::Found& found : walk.found()) {
      if (!matches(pattern, found.record->key()) || cx.keyspace.is_expired(*found.record)) continue;
      matching.push_back(found.record->key());
    }
  }
  cx.reply.array(matching.size());
  for (const Bytes key : matching) cx.reply.bulk(key);
  return Outcome::done();
}

/// RANDOMKEY — null if there is no key. Expired keys it happens on are deleted; where very many
/// have expired, or must not be deleted now, it gives up chance and looks at all.
Outcome randomkey(CommandContext& cx, Arguments) {
  const keyspace::Record* record = nullptr;
  for (int i = 0; i < kRandomTries && record == nullptr; ++i) {
    const std::uint64_t count = cx.keyspace.key_count(cx.keyspace.db());
    if (count == 0) break;
    record = any_record(cx, cx.random.below(count));
    if (!cx.keyspace.is_expired(*record)) break;
    const std::string key(record->key());
    record = cx.keyspace.find(cx.keyspace.key(key));
  }
  if (record == nullptr) record = random_live_record(cx);
  if (record == nullptr) {
    cx.reply.null();
  } else {
    cx.reply.bulk(record->key());
  }
  return Outcome::done();
}

}  // namespace diskdb::command
