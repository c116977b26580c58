// BITFIELD: a series of reads, writes and additions on fields of bits.

#include <algorithm>
#include <optional>
#include <vector>

#include "command/bitmap_commands.h"
#include "keyspace/access.h"
#include "types/bitfield.h"
#include "types/string_value.h"
#include "value/long_string.h"

namespace diskdb::command::bitmaps {
namespace {

using keyspace::Record;
using keyspace::Type;
using types::BitfieldType;
using types::Overflow;

struct Step {
  enum class Kind : std::uint8_t { kGet, kSet, kIncrBy };
  Kind kind;
  BitfieldType type;
  std::uint64_t offset;
  std::int64_t operand;
  Overflow overflow;
};

struct Steps {
  std::vector<Step> steps;
  std::uint64_t bytes_wanted = 0;  ///< that all writes together need
};

Answer<Overflow> overflow_of(CommandContext& cx, Bytes word) {
  if (equals_ignoring_case(word, "WRAP")) return Overflow::kWrap;
  if (equals_ignoring_case(word, "SAT")) return Overflow::kSat;
  if (equals_ignoring_case(word, "FAIL")) return Overflow::kFail;
  return cx.refuse("ERR Invalid OVERFLOW type specified");
}

/// The step's kind, if its words are all there.
Answer<Step::Kind> kind_of(Arguments& args) {
  if (args.count() >= 3 && args.next_is("GET")) return Step::Kind::kGet;
  if (args.count() >= 4 && args.next_is("SET")) return Step::Kind::kSet;
  if (args.count() >= 4 && args.next_is("INCRBY")) return Step::Kind::kIncrBy;
  return Refusal::kSyntax;
}

Outcome read_steps(CommandContext& cx, Arguments args, Steps* result) {
  Overflow overflow = Overflow::kWrap;
  while (!args.is_empty()) {
    if (args.count() >= 2 && args.next_is("OVERFLOW")) {
      TRY_LET(overflow, overflow_of(cx, args.next()));
      continue;
    }
    TRY_LET(const Step::Kind kind, kind_of(args));
    const auto type = types::parse_bitfield_type(args.next());
    if (!type) {
      return cx.refuse(
          "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported "
          "but i64 is.");
    }
    TRY_LET(const std::uint64_t offset, field_offset(cx, args.next(), type->bits));
    std::int64_t operand = 0;
    if (kind != Step::Kind::kGet) {
      TRY_LET(operand, args.next_integer());
      result->bytes_wanted = std::max(result->bytes_wanted, (offset + type->bits - 1) / 8 + 1);
    }
    result->steps.push_back({kind, *type, offset, operand, overflow});
  }
  return Outcome::done();
}

/// The string while the steps go over it: read where it lies, until a step changes something.
class Target {
 public:
  Target(CommandContext& cx, const Record* record)
      : cx_(cx), record_(record), size_(types::length_of(record)) {
    if (record != nullptr && record->is_paged()) {
      pages_.emplace(record->object(), cx.keyspace.reading());
    } else {
      text_ = types::text_of(record, cx.keyspace.reading(), scratch_);
    }
  }

  std::uint64_t size() const { return size_; }
  void grow(std::uint64_t size) { open(std::max(size, size_)); }
  std::int64_t read(BitfieldType type, std::uint64_t offset) const {
    if (!pages_) return types::read_bitfield(text_, type, offset);
    char field[kFieldBytesMax];
    return types::read_bitfield({field, copy_field(field, type, offset)}, type, offset % 8);
  }
  /// Requires: the field lies in the string.
  void write(BitfieldType type, std::uint64_t offset, std::int64_t value) {
    if (!is_open_) open(size_);
    if (!pages_) return types::write_bitfield(bytes_, type, offset, value);
    char field[kFieldBytesMax];
    const std::size_t count = copy_field(field, type, offset);
    types::write_bitfield(field, type, offset % 8, value);
    pages_->write(offset / 8, {field, count});
  }
  /// All steps are done.
  void finish() {
    if (edit_) edit_->commit();
  }

 private:
  static constexpr std::size_t kFieldBytesMax = 9;  ///< of 64 bits that begin within a byte

  /// The bytes in which the field lies, as far as the string has them; says how many.
  std::size_t copy_field(char* field, BitfieldType type, std::uint64_t offset) const {
    const std::uint64_t first = std::min(offset / 8, size_);
    const std::uint64_t count = std::min((offset % 8 + type.bits + 7) / 8, size_ - first);
    pages_->copy_to(field, first, count);
    return count;
  }
  void open(std::uint64_t size) {
    is_open_ = true;
    size_ = size;
    if (!cx_.keyspace.is_edited_by_page(record_, size)) {
      bytes_ = cx_.keyspace.edit_string(cx_.key(), size);
      text_ = {bytes_, size};
      return;
    }
    edit_.emplace(cx_.keyspace, cx_.key(), Type::kString);
    pages_.emplace(edit_->object(), edit_->use());
    pages_->grow(size);
  }

  CommandContext& cx_;
  const Record* record_;  ///< until it is open
  std::uint64_t size_;
  keyspace::StringScratch scratch_;
  Bytes text_;             ///< of a string in one run
  char* bytes_ = nullptr;  ///< where text_ lies, once it may be written to
  bool is_open_ = false;   ///< for changes
  std::optional<keyspace::ObjectEdit> edit_;
  std::optional<value::LongString> pages_;  ///< of a string in pages
};

void run(CommandContext& cx, const Step& step, Target& target) {
  const std::int64_t old = target.read(step.type, step.offset);
  if (step.kind == Step::Kind::kGet) return cx.reply.integer(old);

  const bool adds = step.kind == Step::Kind::kIncrBy;
  const auto value = types::add_in_bitfield(step.type, adds ? old : step.operand,
                                            adds ? step.operand : 0, step.overflow);
  if (!value) return cx.reply.null();
  if (*value != old) target.write(step.type, step.offset, *value);
  cx.reply.integer(adds ? *value : old);
}

Outcome run_all(CommandContext& cx, const Steps& steps) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  Target target(cx, record);
  // The string grows as far as any write reaches, even if that one is going to fail.
  const bool takes_apart =
      steps.bytes_wanted > 0 && record != nullptr && types::is_compact(*record);
  if (steps.bytes_wanted > target.size() || takes_apart) target.grow(steps.bytes_wanted);
  cx.reply.array(steps.steps.size());
  for (const Step& step : steps.steps) run(cx, step, target);
  target.finish();
  return Outcome::done();
}

}  // namespace

/// BITFIELD key [GET type offset | [OVERFLOW how] SET type offset value | INCRBY type offset n ...]
/// — a reply for each step: the value read, the old value (SET), the new one (INCRBY), or null for
/// an overflow that FAILs. Values wrap around unless an OVERFLOW in front says otherwise.
Outcome bitfield(CommandContext& cx, Arguments args) {
  args.next();
  Steps steps;
  TRY(read_steps(cx, args, &steps));
  return run_all(cx, steps);
}

/// BITFIELD_RO key [GET type offset ...].
Outcome bitfield_ro(CommandContext& cx, Arguments args) {
  args.next();
  Steps steps;
  TRY(read_steps(cx, args, &steps));
  if (steps.bytes_wanted > 0) return cx.refuse("ERR BITFIELD_RO only supports the GET subcommand");
  return run_all(cx, steps);
}

}  // namespace diskdb::command::bitmaps
