#include "command/string_condition.h"

#include "base/number.h"
#include "types/string_value.h"

namespace diskdb::command {
namespace {

using Kind = Condition::Kind;

struct Name {
  Bytes name;
  Kind kind;
};

constexpr Name kNames[] = {
    {"NX", Kind::kNx},     {"XX", Kind::kXx},       {"IFEQ", Kind::kIfEq},
    {"IFNE", Kind::kIfNe}, {"IFDEQ", Kind::kIfDeq}, {"IFDNE", Kind::kIfDne},
};

Kind kind_of(Bytes word) {
  for (const auto& [name, kind] : kNames) {
    if (equals_ignoring_case(word, name)) return kind;
  }
  return Kind::kAlways;
}

}  // namespace

bool take_condition(Arguments& args, bool existence, Condition* condition) {
  const Kind kind = kind_of(args.peek());
  if (kind == Kind::kAlways) return false;
  if (condition->kind != Kind::kAlways && condition->kind != kind) return false;
  const bool has_operand = kind >= Kind::kIfEq;
  if (has_operand ? args.count() < 2 : !existence) return false;
  args.next();
  condition->kind = kind;
  if (has_operand) condition->operand = args.next();
  return true;
}

Answer<bool> is_met(CommandContext& cx, const Condition& condition,
                    const keyspace::Record* record) {
  const Kind kind = condition.kind;
  if (kind == Kind::kAlways) return true;
  if (record == nullptr) return kind == Kind::kNx || kind == Kind::kIfNe || kind == Kind::kIfDne;
  if (kind == Kind::kNx || kind == Kind::kXx) return kind == Kind::kXx;

  keyspace::StringScratch scratch;
  const Bytes text = types::text_of(record, cx.keyspace.reading(), scratch);
  if (kind == Kind::kIfEq || kind == Kind::kIfNe) {
    return (text == condition.operand) == (kind == Kind::kIfEq);
  }
  const auto digest = types::parse_digest(condition.operand);
  if (!digest) return cx.refuse("ERR must be exactly 16 hexadecimal characters");
  return (types::digest_of(text) == *digest) == (kind == Kind::kIfDeq);
}

}  // namespace diskdb::command
