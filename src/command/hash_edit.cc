// How the commands of hashes reach them: settings, look-ups, and changes as the log needs them.
#include <limits>
#include <string>
#include <vector>

#include "command/config.h"
#include "command/hash_commands.h"
#include "command/services.h"

namespace diskdb::command::hashes {

using keyspace::Record;
using keyspace::Type;

types::HashLimits limits_of(const CommandContext& cx) {
  const Settings& settings = cx.services.config.settings();
  const auto number = [](const Settings::Value& value) {
    return static_cast<std::uint64_t>(value.load(std::memory_order_relaxed));
  };
  return {.fields_max = number(settings.hash_listpack_entries_max),
          .word_bytes_max = number(settings.hash_listpack_value_bytes_max)};
}

Millis passed_by_now(const CommandContext& cx) {
  const bool is_replaying = cx.keyspace.keyspace().is_replaying.load(std::memory_order_relaxed);
  return is_replaying ? Millis{std::numeric_limits<std::int64_t>::min()} : cx.now();
}

Answer<std::optional<types::Hash>> find_hash(CommandContext& cx) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kHash));
  if (record == nullptr) return std::optional<types::Hash>();
  return std::optional<types::Hash>(std::in_place, record->object(), cx.keyspace.reading(),
                                    passed_by_now(cx));
}

Answer<Prepared> prepare(CommandContext& cx, std::span<const Bytes> fields, std::size_t stride) {
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kHash));
  if (record == nullptr) return Prepared{};
  const types::Hash hash(record->object(), cx.keyspace.reading(), passed_by_now(cx));
  if (!hash.may_have_expired()) [[likely]]
    return Prepared{.exists = true};
  cx.keyspace.log_by_effect();
  std::vector<Bytes> effect{"HDEL", cx.key().bytes};
  for (std::size_t i = 0; i < fields.size(); i += stride) {
    if (hash.has_expired(fields[i])) effect.push_back(fields[i]);
  }
  if (effect.size() == 2) return Prepared{.exists = true, .logs_effects = true};
  // An edit of its own, so that a hash that has lost its last field is gone, its expiry too.
  {
    keyspace::ObjectEdit edit(cx.keyspace, cx.key(), Type::kHash);
    types::Hash expired(edit.object(), edit.use(), passed_by_now(cx));
    for (const Bytes field : std::span(effect).subspan(2)) expired.erase(field);
    edit.commit_as(effect);
  }
  return Prepared{.exists = cx.keyspace.find(cx.key()) != nullptr, .logs_effects = true};
}

HashEdit::HashEdit(CommandContext& cx, Prepared prepared)
    : cx_(cx),
      logs_effects_(prepared.logs_effects || cx.row.logged == keyspace::Logged::kByEffect),
      edit_(cx.keyspace, cx.key(), Type::kHash),
      hash_(edit_.object(), edit_.use(), passed_by_now(cx)) {}

void HashEdit::commit(std::size_t count) {
  if (logs_effects_) {
    edit_.commit_as(cx_.words);
  } else {
    edit_.commit(count);
  }
}

}  // namespace diskdb::command::hashes
