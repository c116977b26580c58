// command/string_condition.h — the conditions under which SET writes and DELEX deletes.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "keyspace/record.h"

namespace diskdb::command {

/// Borrows the request.
struct Condition {
  enum class Kind : std::uint8_t { kAlways, kNx, kXx, kIfEq, kIfNe, kIfDeq, kIfDne };
  Kind kind = Kind::kAlways;
  Bytes operand;  ///< the value or the digest to compare with

  /// Does it look at the value, which must be a string then?
  bool compares() const { return kind >= Kind::kIfEq; }
};

/// Takes NX, XX or a comparison from the front of `args`, where `existence` says whether NX and XX
/// are known. The same one may stand twice, the last one counting, but no two different ones. False
/// if no condition may stand there.
bool take_condition(Arguments& args, bool existence, Condition* condition);

/// Does the key's record, null if absent, satisfy the condition? What is absent equals nothing.
/// Refuses a digest of the wrong form, but only if there is a value to compare it with, as Redis
/// does. Requires: the record is a string if condition.compares().
Answer<bool> is_met(CommandContext& cx, const Condition& condition, const keyspace::Record* record);

}  // namespace diskdb::command
