// command/set_commands.h — the family of sets. The table is set_commands.cc; each subject has a
// file of its own.
#pragma once

#include <optional>

#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "keyspace/access.h"
#include "types/set.h"

namespace diskdb::command::sets {

/// What the settings say.
types::SetLimits limits_of(const CommandContext& cx);

/// The set at `key`, for reading; nothing if there is none. Refuses WRONGTYPE.
Answer<std::optional<types::Set>> find_set(CommandContext& cx, const keyspace::Key& key);

/// A set open for change. Requires: the key is absent or a set.
class SetEdit {
 public:
  SetEdit(CommandContext& cx, const keyspace::Key& key)
      : edit_(cx.keyspace, key, keyspace::Type::kSet), set_(edit_.object(), edit_.use()) {}
  types::Set& set() { return set_; }
  keyspace::ObjectEdit& edit() { return edit_; }

 private:
  keyspace::ObjectEdit edit_;
  types::Set set_;
};

// set_member_commands.cc
Outcome sadd(CommandContext& cx, Arguments args);
Outcome scard(CommandContext& cx, Arguments args);
Outcome sismember(CommandContext& cx, Arguments args);
Outcome smembers(CommandContext& cx, Arguments args);
Outcome smismember(CommandContext& cx, Arguments args);
Outcome smove(CommandContext& cx, Arguments args);
Outcome srem(CommandContext& cx, Arguments args);
Outcome sscan(CommandContext& cx, Arguments args);

// set_random_commands.cc
Outcome spop(CommandContext& cx, Arguments args);
Outcome srandmember(CommandContext& cx, Arguments args);

// set_algebra_commands.cc
Outcome sdiff(CommandContext& cx, Arguments args);
Outcome sdiffcard(CommandContext& cx, Arguments args);
Outcome sdiffstore(CommandContext& cx, Arguments args);
Outcome sinter(CommandContext& cx, Arguments args);
Outcome sintercard(CommandContext& cx, Arguments args);
Outcome sinterstore(CommandContext& cx, Arguments args);
Outcome sunion(CommandContext& cx, Arguments args);
Outcome sunioncard(CommandContext& cx, Arguments args);
Outcome sunionstore(CommandContext& cx, Arguments args);

}  // namespace diskdb::command::sets
