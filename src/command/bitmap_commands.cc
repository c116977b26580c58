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

using keyspace::Key;
using keyspace::Record;
using keyspace::StringScratch;
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

/// The source strings of BITOP, read in windows, so that of pages no more is copied at a time.
class Sources {
 public:
  static constexpr std::size_t kWindowBytes = 64 * 1024;

  explicit Sources(const value::ObjectUse& reading) : reading_(reading) {}

  Outcome find(CommandContext& cx, std::span<const Key> keys) {
    for (const Key& key : keys) {
      TRY_LET(const Record* record, cx.keyspace.find(key, Type::kString));
      records_.push_back(record);
      longest_ = std::max<std::size_t>(longest_, types::length_of(record));
    }
    return Outcome::done();
  }
  std::size_t longest() const { return longest_; }

  /// Requires: room for longest() bytes.
  void combine(BitOperation operation, char* result) const {
    std::vector<StringScratch> scratch(records_.size());
    std::vector<Bytes> texts(records_.size());
    for (std::size_t at = 0; at < longest_; at += kWindowBytes) {
      for (std::size_t i = 0; i < records_.size(); ++i) {
        texts[i] = types::text_in(records_[i], at, kWindowBytes, reading_, scratch[i]);
      }
      types::combine_bits(operation, texts, result + at, std::min(kWindowBytes, longest_ - at));
    }
  }

 private:
  const value::ObjectUse& reading_;
  std::vector<const Record*> records_;
  std::size_t longest_ = 0;
};

/// Calls visit(base, run, bits) for each run of bytes that the range touches, until it returns
/// false: `run` begins with bit `base` of the string, and `bits` are those of the range in the run.
/// Requires: the string has the range.
template <typename Visit>
void for_bits(const CommandContext& cx, const Record& record, BitRange range, Visit visit) {
  const std::uint64_t first = range.first / 8;
  keyspace::for_runs(
      record, first, range.last / 8 - first + 1, cx.keyspace.reading(),
      [&](std::uint64_t offset, Bytes run) {
        const std::uint64_t base = offset * 8;
        const std::uint64_t last = std::min(range.last, base + run.size() * 8 - 1);
        return visit(base, run, BitRange{std::max(range.first, base) - base, last - base});
      });
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
  StringScratch scratch;
  const Bytes byte = types::text_in(record, offset / 8, 1, cx.keyspace.reading(), scratch);
  cx.reply.integer(types::bit_at(byte, offset % 8) ? 1 : 0);
  return Outcome::done();
}

/// SETBIT key offset value — the old bit. The string grows as far as needed.
Outcome setbit(CommandContext& cx, Arguments args) {
  args.next();
  TRY_LET(const std::uint64_t offset, bit_offset(cx, args.next()));
  TRY_LET(const std::int64_t value, args.next_integer(Refusal::kBitValue));
  if (value != 0 && value != 1) return Refusal::kBitValue;
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));

  const std::uint64_t size = types::length_of(record);
  const std::uint64_t at = offset / 8;
  StringScratch scratch;
  const Bytes byte = types::text_in(record, at, 1, cx.keyspace.reading(), scratch);
  const bool old = types::bit_at(byte, offset % 8);
  const bool wanted = value == 1;
  if (byte.empty() || old != wanted || types::is_compact(*record)) {
    const unsigned mask = 0x80U >> offset % 8;
    const unsigned others = byte.empty() ? 0U : static_cast<unsigned char>(byte[0]) & ~mask;
    const auto changed = static_cast<char>(others | (wanted ? mask : 0U));
    cx.keyspace.write_string(cx.key(), record, std::max(size, at + 1), at, {&changed, 1});
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
  // Before the start of the string both ends would become its first bit.
  const bool is_reversed = range.start < 0 && range.end < 0 && range.start > range.end;
  const auto bits = is_reversed ? std::nullopt : bits_in(range, types::length_of(record));
  std::uint64_t count = 0;
  if (bits) {
    for_bits(cx, *record, *bits, [&](std::uint64_t, Bytes run, BitRange within) {
      count += types::count_bits(run, within);
      return true;
    });
  }
  cx.reply.integer(static_cast<std::int64_t>(count));
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
  std::int64_t position = -1;
  if (const auto bits = bits_in(range, types::length_of(record))) {
    for_bits(cx, *record, *bits, [&](std::uint64_t base, Bytes run, BitRange within) {
      const auto found = types::find_bit(run, wanted, within);
      if (found) position = static_cast<std::int64_t>(base + *found);
      return !found;
    });
    if (position < 0 && !wanted && !has_end) position = static_cast<std::int64_t>(bits->last + 1);
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
  Sources sources(cx.keyspace.reading());
  TRY(sources.find(cx, keys));
  const std::size_t size = sources.longest();
  SharedBytes result;
  if (size > 0) {
    result = SharedBytes::allocate(size, size);
    sources.combine(*operation, result.writable());
  }
  cx.keyspace.erase(target);  // whatever is there, its expiry too
  if (size > 0) cx.keyspace.write_string(target, nullptr, size, 0, result.view());
  cx.reply.integer(static_cast<std::int64_t>(size));
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
     .elements = Elements::between(2),
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
     .elements = Elements::of_string(),
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
     .elements = Elements::bit(2),
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
     .elements = Elements::bit(2),
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
