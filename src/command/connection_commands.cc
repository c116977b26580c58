// Who is on the line: HELLO, PING, ECHO, SELECT, QUIT, RESET. CLIENT is in client_commands.cc.
#include <array>
#include <mutex>
#include <optional>
#include <string>

#include "base/number.h"
#include "command/arguments.h"
#include "command/client_name.h"
#include "command/command_table.h"
#include "command/context.h"
#include "command/database_index.h"
#include "command/services.h"
#include "command/version.h"

namespace diskdb::command {
namespace {

Outcome ping(CommandContext& cx, Arguments args) {
  if (args.count() > 1) {
    return cx.refuse("ERR wrong number of arguments for 'ping' command");
  }
  if (args.is_empty()) {
    cx.reply.pong();
  } else {
    cx.reply.bulk(args.next());
  }
  return Outcome::done();
}

Outcome echo(CommandContext& cx, Arguments args) {
  cx.reply.bulk(args.next());
  return Outcome::done();
}

void select_database(Session& session, std::uint32_t db) {
  session.db = db;
  session.listed_db.store(db, std::memory_order_relaxed);
}

Outcome select(CommandContext& cx, Arguments args) {
  TRY_LET(const std::uint32_t db, next_database(cx, args));
  select_database(cx.session, db);
  cx.reply.ok();
  return Outcome::done();
}

Outcome quit(CommandContext& cx, Arguments) {
  cx.session.closes_after_reply = true;
  cx.reply.ok();
  return Outcome::done();
}

/// A plain-text conversation stays one for its life.
void speak(CommandContext& cx, resp::Dialect dialect) {
  if (cx.session.dialect == resp::Dialect::kPlain) return;
  cx.session.dialect = dialect;
  cx.session.listed_resp3.store(dialect == resp::Dialect::kResp3, std::memory_order_relaxed);
  cx.reply.set_dialect(dialect);
}

void set_name(CommandContext& cx, Bytes name) {
  const std::lock_guard lock(cx.services.clients.mutex());
  cx.session.name = name;
}

Outcome reset(CommandContext& cx, Arguments) {
  Session& session = cx.session;
  select_database(session, 0);
  set_name(cx, {});
  session.reply_mode = ReplyMode::kOn;
  session.touches_keys = true;
  session.is_evictable = true;
  session.fieldsets.clear();
  session.is_no_touch.store(false, std::memory_order_relaxed);
  session.is_no_evict.store(false, std::memory_order_relaxed);
  speak(cx, resp::Dialect::kResp2);
  cx.reply.simple("RESET");
  return Outcome::done();
}

struct HelloOptions {
  std::optional<resp::Dialect> dialect;
  std::optional<Bytes> name;
};

/// There is one user, "default", and it has no password: any is right.
bool is_right_password(Bytes user, Bytes) { return user == "default"; }

Outcome read_hello(CommandContext& cx, Arguments args, HelloOptions* options) {
  if (args.is_empty()) return Outcome::done();
  const auto version = parse_integer(args.next());
  if (!version) return cx.refuse("ERR Protocol version is not an integer or out of range");
  const bool is_plain = cx.session.dialect == resp::Dialect::kPlain;
  if (*version < 2 || *version > 3 || is_plain) {
    return cx.refuse("NOPROTO unsupported protocol version");
  }
  options->dialect = *version == 3 ? resp::Dialect::kResp3 : resp::Dialect::kResp2;

  while (!args.is_empty()) {
    const Bytes option = args.next();
    if (equals_ignoring_case(option, "AUTH") && args.count() >= 2) {
      const Bytes user = args.next();
      if (!is_right_password(user, args.next())) {
        return cx.refuse("WRONGPASS invalid username-password pair or user is disabled.");
      }
    } else if (equals_ignoring_case(option, "SETNAME") && !args.is_empty()) {
      options->name = args.next();
      if (!is_client_name(*options->name)) return cx.refuse(std::string(kBadClientName));
    } else {
      return cx.refuse("ERR Syntax error in HELLO option '" + std::string(as_c_string(option)) +
                       "'");
    }
  }
  return Outcome::done();
}

/// HELLO [version [AUTH user password] [SETNAME name]]: changes nothing unless all of it is right.
Outcome hello(CommandContext& cx, Arguments args) {
  HelloOptions options;
  TRY(read_hello(cx, args, &options));
  if (options.name) set_name(cx, *options.name);
  if (options.dialect) speak(cx, *options.dialect);

  resp::Reply& reply = cx.reply;
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");  // clients decide by this name what they may use
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(cx.session.dialect == resp::Dialect::kResp3 ? 3 : 2);
  reply.bulk("id");
  reply.integer(static_cast<std::int64_t>(cx.session.id));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.array(0);
  return Outcome::done();
}

constexpr Flag kAlways = Flag::kLoading | Flag::kStale | Flag::kFast;
constexpr Flag kAtDoor = Flag::kNoScript | kAlways | Flag::kNoAuth | Flag::kAllowBusy;

constexpr auto kRows = std::to_array<Row>({
    {
        .name = "ECHO",
        .words = Words::exactly(2),
        .flags = kAlways,
        .function = echo,
        .group = Group::kConnection,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Answers with the given text.",
        .syntax = "message",
    },
    {
        .name = "HELLO",
        .words = Words::at_least(1),
        .flags = kAtDoor,
        .function = hello,
        .group = Group::kConnection,
        .since = "6.0.0",
        .complexity = "O(1)",
        .summary = "Introduces client and server to each other and chooses the protocol version.",
        .syntax = "[protover:integer [AUTH username password] [SETNAME clientname]]",
    },
    {
        .name = "PING",
        .words = Words::at_least(1),
        .flags = Flag::kFast,
        .function = ping,
        .group = Group::kConnection,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Shows that the server answers.",
        .syntax = "[message]",
        .tips = "request_policy:all_shards,response_policy:all_succeeded",
    },
    {
        .name = "QUIT",
        .words = Words::at_least(1),
        .flags = kAtDoor | Flag::kDeprecated,
        .function = quit,
        .group = Group::kConnection,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Closes the connection once the reply is sent.",
        .replaced_by = "just closing the connection",
        .deprecated_since = "7.2.0",
    },
    {
        .name = "RESET",
        .words = Words::exactly(1),
        .flags = kAtDoor,
        .function = reset,
        .group = Group::kConnection,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Puts the connection back into the state of a new one.",
    },
    {
        .name = "SELECT",
        .words = Words::exactly(2),
        .flags = kAlways,
        .function = select,
        .group = Group::kConnection,
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Chooses the database that the connection works on.",
        .syntax = "index",
    },
});
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> connection_rows() { return kRows; }

}  // namespace diskdb::command
