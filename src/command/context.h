// command/context.h — everything a command function may use. No socket, no log, no disk.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/row.h"
#include "command/session.h"
#include "io/random.h"
#include "keyspace/access.h"
#include "resp/reply.h"

namespace diskdb::types {
class JsonPaths;
}

namespace diskdb::command {

struct Services;

struct CommandContext {
  keyspace::Access& keyspace;
  /// The keys of the request in the order of the row's key specs, their shards held.
  std::span<const keyspace::Key> keys;
  std::span<const Bytes> words;  ///< the whole request, name first
  const Row& row;
  Session& session;
  resp::Reply& reply;
  Services& services;
  io::Random& random;             ///< the dispatcher's
  types::JsonPaths& json_paths;   ///< the dispatcher's
  std::string refusal_text = {};  ///< of Refusal::kWritten
  /// A blocking command that finds nothing may wait; not in a transaction, say.
  bool may_wait = true;
  struct Wait {
    keyspace::Type type;
    Millis until;  ///< 0: for ever
    std::size_t key_count;
    /// It is also run again when a key is gone, or holds something else.
    bool sees_deletion = false;
    /// The request as it is to be run again, if not as it came.
    std::vector<std::string> words = {};
  };
  std::optional<Wait> wait = {};

  const keyspace::Key& key() const { return keys[0]; }
  /// The first of the keys that holds a value; null if none does. Refuses if that is not of `type`.
  Answer<const keyspace::Key*> first_of(keyspace::Type type);
  Millis now() const { return keyspace.now(); }
  /// For errors that quote something: `text` begins with its code. Line ends around it are dropped.
  Outcome refuse(std::string text);
  /// For a blocking command that has found nothing and done nothing: the client waits until one of
  /// its first `key_count` keys holds a value of `type` for which the command, run again, does not
  /// say so; until then without reply. If it may not wait, or in the end, the reply is a null
  /// array.
  Outcome wait_for(keyspace::Type type, Millis until, std::size_t key_count);
};

/// What Redis's errors repeat of a client's word, which they print as a C string.
inline Bytes as_c_string(Bytes word) { return word.substr(0, word.find('\0')); }

}  // namespace diskdb::command
