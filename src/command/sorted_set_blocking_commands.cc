// The commands that wait for sorted sets to have members: BZPOPMIN, BZPOPMAX, BZMPOP. Each is run
// when it arrives and, if it finds nothing then, again by whoever lets members appear; the log gets
// the ZPOPMIN or ZPOPMAX that does the same without waiting.

#include <cstdint>

#include "command/blocking_timeout.h"
#include "command/sorted_set_commands.h"
#include "command/sorted_set_pop.h"
#include "keyspace/access.h"

namespace diskdb::command {
namespace {

using keyspace::Key;
using keyspace::Type;

/// BZPOPMIN and BZPOPMAX.
Outcome pop_or_wait(CommandContext& cx, Arguments args, bool takes_highest) {
  while (args.count() > 1) args.next();
  TRY_LET(const Millis until, next_timeout(cx, args));
  TRY_LET(const Key* key, cx.first_of(Type::kSortedSet));
  if (key == nullptr) return cx.wait_for(Type::kSortedSet, until, cx.keys.size());
  cx.reply.array(3);
  cx.reply.bulk(key->bytes);
  pop_members(cx, *key, {.takes_highest = takes_highest, .count = 1}, Pairing::kFlat);
  return Outcome::done();
}

}  // namespace

namespace sorted_sets {

/// BZPOPMIN key [key ...] timeout — the first key that has members, and the lowest of them.
Outcome bzpopmin(CommandContext& cx, Arguments args) { return pop_or_wait(cx, args, false); }

/// BZPOPMAX key [key ...] timeout — likewise, the highest of them.
Outcome bzpopmax(CommandContext& cx, Arguments args) { return pop_or_wait(cx, args, true); }

/// BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count] — as ZMPOP.
Outcome bzmpop(CommandContext& cx, Arguments args) {
  Arguments timeout = args;
  args.next();
  PopRequest request;
  TRY(read_pop_request(cx, args, &request));
  TRY_LET(const Millis until, next_timeout(cx, timeout));
  TRY_LET(const Key* key, cx.first_of(Type::kSortedSet));
  if (key == nullptr) return cx.wait_for(Type::kSortedSet, until, cx.keys.size());
  cx.reply.array(2);
  cx.reply.bulk(key->bytes);
  pop_members(cx, *key, request, Pairing::kPairs);
  return Outcome::done();
}

}  // namespace sorted_sets
}  // namespace diskdb::command
