#include "command/bitmap_commands.h"

#include <algorithm>
#include <string>
#include <vector>

#include "command/command_table.h"
#include "command/string_size.h"
#include "keyspace/access.h"
#include "types/bits.h"
#include "types/string_value.h"

namespace diskdb::command {
namespace bitmaps {
namespace {

using keyspace::IntegerText;
using keyspace::Key;
using keyspace::Record;
using keyspace::Type;
using types::BitOperation;
using types::BitRange;

/// The start, end and unit behind BITCOUNT and BITPOS, as given.
struct RangeWords {
  std::int64_t start = 0;
  std::int64_t end = -1;
  bool in_bits = false;
};

/// BIT or BYTE.
Outcome read_unit(Arguments& args, RangeWords* range) {
  if (args.next_is("BIT")) {
    range->in_bits = true;
  } else if (!args.next_is("BYTE")) {
    return Refusal::kSyntax;
  }
  return args.is_empty() ? Outcome::done() : Refusal::kSyntax;
}

/// The bits of a string of `size` bytes that the range names. None: it is empty.
std::optional<BitRange> bits_in(const RangeWords& range, std::size_t size) {
  const auto count = static_cast<std::int64_t>(range.in_bits ? size * 8 : size);
  std::int64_t start = range.start;
  std::int64_t end = range.end;
  if (start < 0) start = start < -count ? 0 : start + count;
  if (end < 0) end = end < -count ? 0 : end + count;
  if (end >= count) end = count - 1;
  if (start > end) return std::nullopt;
  const auto first = static_cast<std::uint64_t>(start);
  const auto last = static_cast<std::uint64_t>(end);
  if (range.in_bits) return BitRange{first, last};
  return BitRange{first * 8, last * 8 + 7};
}

std::optional<BitOperation> operation_of(Bytes word) {
  struct Name {
    Bytes name;
    BitOperation operation;
  };
  constexpr Name kNames[] = {
      {"AND", BitOperation::kAnd},     {"OR", BitOperation::kOr},
      {"XOR", BitOperation::kXor},     {"NOT", BitOperation::kNot},
      {"DIFF", BitOperation::kDiff},   {"DIFF1", BitOperation::kDiff1},
      {"ANDOR", BitOperation::kAndOr}, {"ONE", BitOperation::kOne},
  };
  for (const auto& [name, operation] : kNames) {
    if (equals_ignoring_case(word, name)) return operation;
  }
  return std::nullopt;
}

bool needs_two_sources(BitOperation operation) {
  return operation == BitOperation::kDiff || operation == BitOperation::kDiff1 ||
         operation == BitOperation::kAndOr;
}

/// The source strings of BITOP, and room to print integers among them.
struct Sources {
  explicit Sources(std::size_t count) : texts(count), scratch(count) {}

  struct Scratch {
    IntegerText text;
  };
  std::vector<Bytes> texts;
  std::vector<Scratch> scratch;
  std::size_t longest = 0;
};

Outcome read_sources(CommandContext& cx, std::span<const Key> keys, Sources* sources) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    TRY_LET(const Record* record, cx.keyspace.find(keys[i], Type::kString));
    sources->texts[i] = types::text_of(record, sources->scratch[i].text);
    sources->longest = std::max(sources->longest, sources->texts[i].size());
  }
  return Outcome::done();
}

/// Makes room for the result at `target`, whatever is there, and points the sources that are the
/// target itself to where their bytes lie then.
char* make_room(CommandContext& cx, const Key& target, std::span<const Key> keys,
                Sources* sources) {
  const auto is_target = [&](const Key& key) { return key.bytes == target.bytes; };
  if (std::none_of(keys.begin(), keys.end(), is_target)) {
    cx.keyspace.erase(target);
  } else {
    cx.keyspace.clear_expiry(target);
  }
  char* bytes = cx.keyspace.edit_string(target, sources->longest);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (is_target(keys[i])) sources->texts[i] = {bytes, sources->longest};
  }
  return bytes;
}

}  // namespace

Answer<std::uint64_t> bit_offset(const CommandContext& cx, Bytes word) {
  return field_offset(cx, word.starts_with('#') ? Bytes{} : word, 1);
}

Answer<std::uint64_t> field_offset(const CommandContext& cx, Bytes word, unsigned width) {
  const bool counts_fields = word.starts_with('#');
  const auto number = parse_integer(counts_fields ? word.substr(1) : word);
  std::int64_t offset = 0;
  if (!number || __builtin_mul_overflow(*number, counts_fields ? width : 1, &offset) ||
      offset < 0) {
    return Refusal::kBitOffset;
  }
  const auto index = static_cast<std::uint64_t>(offset);
  if (!check_string_size(cx, index / 8 + 1).ok()) return Refusal::kBitOffset;
  return index;
}

/// GETBIT key offset — the bit; 0 beyond the end.
Outcome getbit(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::uint64_t offset, bit_offset(cx, args.next()));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  IntegerText scratch;
  cx.reply.integer(types::bit_at(types::text_of(record, scratch), offset) ? 1 : 0);
  return Outcome::done();
}

/// SETBIT key offset value — the old bit. The string grows as far as needed.
Outcome setbit(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::uint64_t offset, bit_offset(cx, args.next()));
  TRY_LET(const std::int64_t value, args.next_integer(Refusal::kBitValue));
  if (value != 0 && value != 1) return Refusal::kBitValue;
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));

  IntegerText scratch;
  const Bytes text = types::text_of(record, scratch);
  const bool old = types::bit_at(text, offset);
  const bool wanted = value == 1;
  const std::size_t byte = offset / 8;
  if (byte >= text.size() || old != wanted || types::is_compact(*record)) {
    char* bytes = cx.keyspace.edit_string(cx.key(), std::max(text.size(), byte + 1));
    const unsigned mask = 0x80U >> offset % 8;
    const auto others = static_cast<unsigned char>(bytes[byte]) & ~mask;
    bytes[byte] = static_cast<char>(others | (wanted ? mask : 0U));
  }
  cx.reply.integer(old ? 1 : 0);
  return Outcome::done();
}

/// BITCOUNT key [start end [BYTE | BIT]] — how many bits are set.
Outcome bitcount(CommandContext& cx, Arguments args) {
  args.next();
  RangeWords range;
  if (!args.is_empty()) {
    if (args.count() == 1 || args.count() > 3) return Refusal::kSyntax;
    TRY_LET(range.start, args.next_integer());
    TRY_LET(range.end, args.next_integer());
    if (!args.is_empty()) TRY(read_unit(args, &range));
  }
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  IntegerText scratch;
  const Bytes text = types::text_of(record, scratch);
  // Before the start of the string both ends would become its first bit.
  const bool is_reversed = range.start < 0 && range.end < 0 && range.start > range.end;
  const auto bits = is_reversed ? std::nullopt : bits_in(range, text.size());
  cx.reply.integer(bits ? static_cast<std::int64_t>(types::count_bits(text, *bits)) : 0);
  return Outcome::done();
}

/// BITPOS key bit [start [end [BYTE | BIT]]] — the first such bit, or -1. Behind a string of ones
/// lies a zero, unless the range was given an end.
Outcome bitpos(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::int64_t bit, args.next_integer());
  if (bit != 0 && bit != 1) return cx.refuse("ERR The bit argument must be 1 or 0.");
  const bool wanted = bit == 1;
  RangeWords range;
  bool has_end = false;
  if (args.count() > 3) return Refusal::kSyntax;
  if (!args.is_empty()) {
    TRY_LET(range.start, args.next_integer());
  }
  if (!args.is_empty()) {
    // Redis reads the unit before the end.
    Arguments unit = args;
    unit.next();
    if (!unit.is_empty()) TRY(read_unit(unit, &range));
    TRY_LET(range.end, args.next_integer());
    has_end = true;
  }
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  if (record == nullptr) {
    cx.reply.integer(wanted ? -1 : 0);
    return Outcome::done();
  }
  IntegerText scratch;
  const Bytes text = types::text_of(record, scratch);
  std::int64_t position = -1;
  if (const auto bits = bits_in(range, text.size())) {
    if (const auto found = types::find_bit(text, wanted, *bits)) {
      position = static_cast<std::int64_t>(*found);
    } else if (!wanted && !has_end) {
      position = static_cast<std::int64_t>(bits->last + 1);
    }
  }
  cx.reply.integer(position);
  return Outcome::done();
}

/// BITOP operation target key [key ...] — the length of the result, that of the longest source. An
/// empty result deletes the target.
Outcome bitop(CommandContext& cx, Arguments args) {
  const Bytes name = args.next();
  const auto operation = operation_of(name);
  if (!operation) return Refusal::kSyntax;
  const Key& target = cx.keys[0];
  const std::span<const Key> keys = cx.keys.subspan(1);
  if (*operation == BitOperation::kNot && keys.size() != 1) {
    return cx.refuse("ERR BITOP NOT must be called with a single source key.");
  }
  if (needs_two_sources(*operation) && keys.size() < 2) {
    std::string text = "ERR BITOP ";
    for (const char c : name) text += to_upper(c);
    return cx.refuse(text + " must be called with at least two source keys.");
  }
  Sources sources(keys.size());
  TRY(read_sources(cx, keys, &sources));
  if (sources.longest == 0) {
    cx.keyspace.erase(target);
  } else {
    char* result = make_room(cx, target, keys, &sources);
    types::combine_bits(*operation, sources.texts, result, sources.longest);
  }
  cx.reply.integer(static_cast<std::int64_t>(sources.longest));
  return Outcome::done();
}

}  // namespace bitmaps

namespace {

using keyspace::Logged;

constexpr KeySpec kRead[] = {KeySpec::at(1, KeyUse::kReadOnly | KeyUse::kAccess)};
constexpr KeySpec kUpdate[] = {
    KeySpec::at(1, KeyUse::kReadWrite | KeyUse::kAccess | KeyUse::kUpdate)};
constexpr KeySpec kBitfield[] = {
    {.use = KeyUse::kReadWrite | KeyUse::kAccess | KeyUse::kUpdate | KeyUse::kVariableFlags,
     .begin = 1,
     .notes = "This command allows both access and modification of the key"}};
constexpr KeySpec kCombine[] = {KeySpec::at(2, KeyUse::kOverwrite | KeyUse::kUpdate),
                                KeySpec::range(3, -1, 1, KeyUse::kReadOnly | KeyUse::kAccess)};

constexpr Flag kWriter = Flag::kWrite | Flag::kDenyOom;

constexpr Row kRows[] = {
    {.name = "BITCOUNT",
     .words = Words::at_least(2),
     .keys = kRead,
     .flags = Flag::kReadonly,
     .function = bitmaps::bitcount,
     .group = Group::kBitmap,
     .since = "2.6.0",
     .complexity = "O(N)",
     .summary = "Counts the set bits of a string, or of part of it.",
     .syntax = "key [start end [BYTE | BIT]]"},
    {.name = "BITFIELD",
     .words = Words::at_least(2),
     .keys = kBitfield,
     .flags = kWriter,
     .logged = Logged::kVerbatim,
     .function = bitmaps::bitfield,
     .group = Group::kBitmap,
     .since = "3.2.0",
     .complexity = "O(1) for each subcommand.",
     .summary = "Reads, sets and adds to integers of any width inside a string.",
     .syntax = "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] "
               "<SET encoding offset value:integer | INCRBY encoding offset increment> "
               "[GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] "
               "<SET encoding offset value:integer | INCRBY encoding offset increment> ...]]"},
    {.name = "BITFIELD_RO",
     .words = Words::at_least(2),
     .keys = kRead,
     .flags = Flag::kReadonly | Flag::kFast,
     .function = bitmaps::bitfield_ro,
     .group = Group::kBitmap,
     .since = "6.0.0",
     .complexity = "O(1) for each subcommand.",
     .summary = "Reads integers of any width inside a string.",
     .syntax = "key [GET encoding offset [GET encoding offset ...]]"},
    {.name = "BITOP",
     .words = Words::at_least(4),
     .keys = kCombine,
     .flags = kWriter,
     .logged = Logged::kVerbatim,
     .function = bitmaps::bitop,
     .group = Group::kBitmap,
     .since = "2.6.0",
     .complexity = "O(N)",
     .summary = "Combines strings bit by bit and stores the result.",
     .syntax = "<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]"},
    {.name = "BITPOS",
     .words = Words::at_least(3),
     .keys = kRead,
     .flags = Flag::kReadonly,
     .function = bitmaps::bitpos,
     .group = Group::kBitmap,
     .since = "2.8.7",
     .complexity = "O(N)",
     .summary = "Finds the first set or clear bit of a string, or of part of it.",
     .syntax = "key bit [start [end [BYTE | BIT]]]"},
    {.name = "GETBIT",
     .words = Words::exactly(3),
     .keys = kRead,
     .flags = Flag::kReadonly | Flag::kFast,
     .function = bitmaps::getbit,
     .group = Group::kBitmap,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Reads one bit of a string.",
     .syntax = "key offset"},
    {.name = "SETBIT",
     .words = Words::exactly(4),
     .keys = kUpdate,
     .flags = kWriter,
     .logged = Logged::kVerbatim,
     .function = bitmaps::setbit,
     .group = Group::kBitmap,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Sets or clears one bit of a string and returns what it was.",
     .syntax = "key offset value:integer"},
};
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> bitmap_rows() { return kRows; }

}  // namespace diskdb::command
