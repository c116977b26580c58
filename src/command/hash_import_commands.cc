// HIMPORT: hashes that all have the same fields. HIMPORT PREPARE names the fields once, for this
// connection; HIMPORT SET makes a hash of values for them. In the log there are DEL, of what the
// key held, and HSET: a fieldset means nothing to anybody else.
#include <algorithm>
#include <string>
#include <vector>

#include "command/hash_commands.h"

namespace diskdb::command::hashes {
namespace {

/// Of one connection.
constexpr std::size_t kFieldsetsMax = 1024;

bool has_repetition(std::vector<Bytes> names) {
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) != names.end();
}

}  // namespace

/// HIMPORT PREPARE fieldset-name field [field ...]
Outcome himport_prepare(CommandContext& cx, Arguments args) {
  const Bytes name = args.next();
  const std::span<const Bytes> fields = args.rest();
  if (has_repetition({fields.begin(), fields.end()})) {
    return cx.refuse("ERR duplicate field name in fieldset");
  }
  auto& fieldsets = cx.session.fieldsets;
  if (fieldsets.size() >= kFieldsetsMax && !fieldsets.contains(name)) {
    return cx.refuse("ERR too many fieldsets");
  }
  fieldsets.insert_or_assign(std::string(name),
                             std::vector<std::string>(fields.begin(), fields.end()));
  cx.reply.ok();
  return Outcome::done();
}

/// HIMPORT SET key fieldset-name value [value ...] — whatever the key held is gone.
Outcome himport_set(CommandContext& cx, Arguments args) {
  args.next();
  const auto fieldset = cx.session.fieldsets.find(args.next());
  if (fieldset == cx.session.fieldsets.end()) return cx.refuse("ERR no such fieldset");
  const std::vector<std::string>& names = fieldset->second;
  const std::span<const Bytes> values = args.rest();
  if (values.size() != names.size()) {
    return cx.refuse("ERR number of values does not match number of fields in fieldset");
  }
  cx.keyspace.erase(cx.key());
  HashEdit edit(cx, Prepared{});
  const types::HashLimits limits = limits_of(cx);
  std::vector<Bytes> effect{"HSET", cx.key().bytes};
  for (std::size_t i = 0; i < names.size(); ++i) {
    edit.hash().put(names[i], values[i], limits);
    effect.insert(effect.end(), {names[i], values[i]});
  }
  edit.commit_as(effect);
  cx.reply.ok();
  return Outcome::done();
}

/// HIMPORT DISCARD fieldset-name — 1 if there was such a fieldset.
Outcome himport_discard(CommandContext& cx, Arguments args) {
  const auto fieldset = cx.session.fieldsets.find(args.next());
  const bool is_there = fieldset != cx.session.fieldsets.end();
  if (is_there) cx.session.fieldsets.erase(fieldset);
  cx.reply.integer(is_there ? 1 : 0);
  return Outcome::done();
}

/// HIMPORT DISCARDALL — how many fieldsets there were.
Outcome himport_discardall(CommandContext& cx, Arguments) {
  cx.reply.integer(static_cast<std::int64_t>(cx.session.fieldsets.size()));
  cx.session.fieldsets.clear();
  return Outcome::done();
}

}  // namespace diskdb::command::hashes
