#include "command/context.h"

namespace diskdb::command {

Answer<const keyspace::Key*> CommandContext::first_of(keyspace::Type type) {
  for (const keyspace::Key& key : keys) {
    TRY_LET(const keyspace::Record* record, keyspace.find(key, type));
    if (record != nullptr) return &key;
  }
  return static_cast<const keyspace::Key*>(nullptr);
}

Outcome CommandContext::refuse(std::string text) {
  constexpr Bytes kLineEnds = "\r\n";
  text.erase(text.find_last_not_of(kLineEnds) + 1);
  text.erase(0, text.find_first_not_of(kLineEnds));
  refusal_text = std::move(text);
  return Refusal::kWritten;
}

Outcome CommandContext::wait_for(keyspace::Type type, Millis until, std::size_t key_count) {
  if (may_wait) {
    wait = {.type = type, .until = until, .key_count = key_count};
  } else {
    reply.null_array();
  }
  return Outcome::done();
}

}  // namespace diskdb::command
