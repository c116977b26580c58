// command/hash_commands.h — the family of hashes. The table is hash_commands.cc; each subject has a
// file of its own.
//
// A write to a hash of which fields have expired is logged by effect, whatever the rows say: replay
// does not know what had expired, so the write first erases those of its fields that have, and logs
// that as HDEL. The others go by and by (keyspace::Access::expire_some), in the log likewise.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"
#include "keyspace/access.h"
#include "types/hash.h"

namespace diskdb::command::hashes {

/// What the settings say.
types::HashLimits limits_of(const CommandContext& cx);

/// The hash at the request's key, for reading; nothing if there is none. Refuses WRONGTYPE.
Answer<std::optional<types::Hash>> find_hash(CommandContext& cx);

/// What a write finds.
struct Prepared {
  bool exists = false;
  bool logs_effects = false;  ///< whatever the row says
};

/// For writes, before anything else: refuses WRONGTYPE; erases those of the `fields`, each `stride`
/// apart, that have expired.
Answer<Prepared> prepare(CommandContext& cx, std::span<const Bytes> fields, std::size_t stride = 1);

/// The hash at the request's key, open for change.
class HashEdit {
 public:
  HashEdit(CommandContext& cx, Prepared prepared);
  types::Hash& hash() { return hash_; }

  /// `count` changes were made, which this command would make again.
  void commit(std::size_t count = 1);
  /// Changes were made which `effect` makes again. Requires: the row says Logged::kByEffect.
  void commit_as(std::span<const Bytes> effect) { edit_.commit_as(effect); }

 private:
  CommandContext& cx_;
  bool logs_effects_;
  keyspace::ObjectEdit edit_;
  types::Hash hash_;
};

/// The value, or null.
void reply_value(resp::Reply& reply, const std::optional<types::FieldView>& field);

/// What expires up to this instant has expired, for commands now.
Millis passed_by_now(const CommandContext& cx);

// hash_read_commands.cc
Outcome hexists(CommandContext& cx, Arguments args);
Outcome hget(CommandContext& cx, Arguments args);
Outcome hgetall(CommandContext& cx, Arguments args);
Outcome hkeys(CommandContext& cx, Arguments args);
Outcome hlen(CommandContext& cx, Arguments args);
Outcome hmget(CommandContext& cx, Arguments args);
Outcome hscan(CommandContext& cx, Arguments args);
Outcome hstrlen(CommandContext& cx, Arguments args);
Outcome hvals(CommandContext& cx, Arguments args);

// hash_random_commands.cc
Outcome hrandfield(CommandContext& cx, Arguments args);

// hash_write_commands.cc
Outcome hdel(CommandContext& cx, Arguments args);
Outcome hgetdel(CommandContext& cx, Arguments args);
Outcome hincrby(CommandContext& cx, Arguments args);
Outcome hincrbyfloat(CommandContext& cx, Arguments args);
Outcome hmset(CommandContext& cx, Arguments args);
Outcome hset(CommandContext& cx, Arguments args);
Outcome hsetnx(CommandContext& cx, Arguments args);

// hash_import_commands.cc
Outcome himport_discard(CommandContext& cx, Arguments args);
Outcome himport_discardall(CommandContext& cx, Arguments args);
Outcome himport_prepare(CommandContext& cx, Arguments args);
Outcome himport_set(CommandContext& cx, Arguments args);

// hash_expiry_commands.cc
Outcome hexpire(CommandContext& cx, Arguments args);
Outcome hexpireat(CommandContext& cx, Arguments args);
Outcome hexpiretime(CommandContext& cx, Arguments args);
Outcome hgetex(CommandContext& cx, Arguments args);
Outcome hpersist(CommandContext& cx, Arguments args);
Outcome hpexpire(CommandContext& cx, Arguments args);
Outcome hpexpireat(CommandContext& cx, Arguments args);
Outcome hpexpiretime(CommandContext& cx, Arguments args);
Outcome hpttl(CommandContext& cx, Arguments args);
Outcome hsetex(CommandContext& cx, Arguments args);
Outcome httl(CommandContext& cx, Arguments args);

}  // namespace diskdb::command::hashes
