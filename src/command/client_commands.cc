// CLIENT: what connections are called, who is connected, and who shall wait or go.
#include <algorithm>
#include <array>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/arguments.h"
#include "command/client_line.h"
#include "command/client_name.h"
#include "command/command_table.h"
#include "command/context.h"
#include "command/help.h"
#include "command/services.h"

namespace diskdb::command {
namespace {

std::string quoted(Bytes before, Bytes text) {
  return std::string(before) + " '" + std::string(as_c_string(text)) + "'";
}

/// ON or OFF.
Answer<bool> next_switch(Arguments& args) {
  if (args.next_is("ON")) return true;
  if (args.next_is("OFF")) return false;
  return Refusal::kSyntax;
}

// ---- Names.

Outcome client_getname(CommandContext& cx, Arguments) {
  if (cx.session.name.empty()) {
    cx.reply.null();
  } else {
    cx.reply.bulk(cx.session.name);
  }
  return Outcome::done();
}

Outcome client_setname(CommandContext& cx, Arguments args) {
  const Bytes name = args.next();
  if (!is_client_name(name)) return cx.refuse(std::string(kBadClientName));
  const std::lock_guard lock(cx.services.clients.mutex());
  cx.session.name = name;
  cx.reply.ok();
  return Outcome::done();
}

Outcome client_setinfo(CommandContext& cx, Arguments args) {
  const Bytes attribute = args.next();
  const Bytes value = args.next();
  std::string* target = nullptr;
  if (equals_ignoring_case(attribute, "LIB-NAME")) target = &cx.session.lib_name;
  if (equals_ignoring_case(attribute, "LIB-VER")) target = &cx.session.lib_version;
  if (target == nullptr) return cx.refuse(quoted("ERR Unrecognized option", attribute));
  if (!is_client_name(value)) {
    return cx.refuse("ERR " + std::string(attribute) +
                     " cannot contain spaces, newlines or special characters.");
  }
  const std::lock_guard lock(cx.services.clients.mutex());
  *target = value;
  cx.reply.ok();
  return Outcome::done();
}

Outcome client_id(CommandContext& cx, Arguments) {
  cx.reply.integer(static_cast<std::int64_t>(cx.session.id));
  return Outcome::done();
}

// ---- Who is connected.

enum class ClientType : std::uint8_t { kNormal, kPubsub, kReplica, kMaster };

/// Connections that subscribe or replicate do not exist yet.
ClientType type_of(const Session&) { return ClientType::kNormal; }

Outcome next_type(CommandContext& cx, Arguments& args, std::optional<ClientType>* type) {
  const Bytes name = args.next();
  if (equals_ignoring_case(name, "normal")) {
    *type = ClientType::kNormal;
  } else if (equals_ignoring_case(name, "pubsub")) {
    *type = ClientType::kPubsub;
  } else if (equals_ignoring_case(name, "replica") || equals_ignoring_case(name, "slave")) {
    *type = ClientType::kReplica;
  } else if (equals_ignoring_case(name, "master")) {
    *type = ClientType::kMaster;
  } else {
    return cx.refuse(quoted("ERR Unknown client type", name));
  }
  return Outcome::done();
}

/// Its own line shall name the command at hand, which the dispatcher notes only afterwards.
void note_command(CommandContext& cx) {
  cx.session.last_row.store(&cx.row, std::memory_order_relaxed);
}

std::string line_of(CommandContext& cx, const Session& session) {
  const bool is_own = &session == &cx.session;
  return describe_client(session, cx.now(), is_own ? cx.words : std::span<const Bytes>()) + "\n";
}

Outcome client_info(CommandContext& cx, Arguments) {
  note_command(cx);
  cx.reply.verbatim("txt", line_of(cx, cx.session));
  return Outcome::done();
}

/// The lines of the named clients, in the order named; unknown ones are left out.
std::string lines_of(CommandContext& cx, const std::vector<std::uint64_t>& ids) {
  std::vector<std::string> lines(ids.size());
  cx.services.clients.for_each([&](const Session& session) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == session.id) lines[i] = line_of(cx, session);
    }
  });
  std::string all;
  for (const std::string& line : lines) all += line;
  return all;
}

/// CLIENT LIST [TYPE type | ID id [id ...]]
Outcome client_list(CommandContext& cx, Arguments args) {
  note_command(cx);
  if (args.count() > 1 && args.next_is("ID")) {
    std::vector<std::uint64_t> ids;
    while (!args.is_empty()) {
      const auto id = parse_integer(args.next());
      if (!id) return cx.refuse("ERR Invalid client ID");
      ids.push_back(static_cast<std::uint64_t>(*id));
    }
    cx.reply.verbatim("txt", lines_of(cx, ids));
    return Outcome::done();
  }
  std::optional<ClientType> type;
  if (args.count() == 2 && args.next_is("TYPE")) TRY(next_type(cx, args, &type));
  if (!args.is_empty()) return Refusal::kSyntax;

  std::string lines;
  cx.services.clients.for_each([&](const Session& session) {
    if (!type || type_of(session) == *type) lines += line_of(cx, session);
  });
  cx.reply.verbatim("txt", lines);
  return Outcome::done();
}

// ---- Who shall go.

struct KillFilter {
  std::optional<Bytes> address;
  std::optional<Bytes> local_address;
  std::optional<std::uint64_t> id;
  std::optional<ClientType> type;
  std::optional<std::int64_t> age_seconds_min;
  bool skips_me = true;

  bool matches(const Session& session, const Session& me, Millis now) const {
    if (address && session.address != *address) return false;
    if (local_address && session.local_address != *local_address) return false;
    if (id && session.id != *id) return false;
    if (type && type_of(session) != *type) return false;
    const std::int64_t age_seconds = (now.count - session.created_at.count) / 1000;
    if (age_seconds_min && age_seconds < *age_seconds_min) return false;
    return !(skips_me && &session == &me);
  }
};

/// One option and its value. Requires: args.count() >= 2.
Outcome next_kill_option(CommandContext& cx, Arguments& args, KillFilter* filter) {
  if (args.next_is("ID")) {
    const auto id = parse_integer(args.next());
    if (!id || *id < 1) return cx.refuse("ERR client-id should be greater than 0");
    filter->id = static_cast<std::uint64_t>(*id);
  } else if (args.next_is("TYPE")) {
    return next_type(cx, args, &filter->type);
  } else if (args.next_is("ADDR")) {
    filter->address = args.next();
  } else if (args.next_is("LADDR")) {
    filter->local_address = args.next();
  } else if (args.next_is("USER")) {
    const Bytes user = args.next();  // everybody is "default"
    if (user != "default") return cx.refuse(quoted("ERR No such user", user));
  } else if (args.next_is("MAXAGE")) {
    const auto age = parse_integer(args.next());
    if (!age) return cx.refuse("ERR maxage is not an integer or out of range");
    if (*age <= 0) return cx.refuse("ERR maxage should be greater than 0");
    filter->age_seconds_min = *age;
  } else if (args.next_is("SKIPME")) {
    const Bytes answer = args.next();
    filter->skips_me = equals_ignoring_case(answer, "YES");
    if (!filter->skips_me && !equals_ignoring_case(answer, "NO")) return Refusal::kSyntax;
  } else {
    return Refusal::kSyntax;
  }
  return Outcome::done();
}

std::int64_t kill_matching(CommandContext& cx, const KillFilter& filter) {
  std::int64_t killed_count = 0;
  cx.services.clients.for_each([&](Session& session) {
    if (!filter.matches(session, cx.session, cx.now())) return;
    ++killed_count;
    if (&session == &cx.session) {
      session.closes_after_reply = true;
      return;
    }
    session.is_killed.store(true, std::memory_order_release);
    session.wake();
  });
  return killed_count;
}

/// CLIENT KILL address, or CLIENT KILL option value [option value ...]
Outcome client_kill(CommandContext& cx, Arguments args) {
  KillFilter filter;
  if (args.count() == 1) {
    filter.address = args.next();
    filter.skips_me = false;
    if (kill_matching(cx, filter) == 0) return cx.refuse("ERR No such client");
    cx.reply.ok();
    return Outcome::done();
  }
  while (!args.is_empty()) {
    if (args.count() < 2) return Refusal::kSyntax;
    TRY(next_kill_option(cx, args, &filter));
  }
  cx.reply.integer(kill_matching(cx, filter));
  return Outcome::done();
}

// ---- Who shall wait.

/// CLIENT PAUSE timeout [WRITE | ALL]
Outcome client_pause(CommandContext& cx, Arguments args) {
  const Bytes timeout_text = args.next();
  bool writes_only = false;
  if (!args.is_empty()) {
    if (args.count() > 1) return Refusal::kSyntax;
    writes_only = args.next_is("WRITE");
    if (!writes_only && !args.next_is("ALL")) {
      return cx.refuse("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  const auto timeout_ms = parse_integer(timeout_text);
  if (!timeout_ms) return cx.refuse("ERR timeout is not an integer or out of range");
  if (*timeout_ms < 0) return cx.refuse("ERR timeout is negative");
  if (*timeout_ms > std::numeric_limits<std::int64_t>::max() - cx.now().count) {
    return cx.refuse("ERR timeout is out of range");
  }
  cx.services.clients.pause(cx.now() + Millis{*timeout_ms}, writes_only, cx.now());
  cx.reply.ok();
  return Outcome::done();
}

Outcome client_unpause(CommandContext& cx, Arguments) {
  cx.services.clients.unpause();
  cx.reply.ok();
  return Outcome::done();
}

/// CLIENT UNBLOCK client-id [TIMEOUT | ERROR]
Outcome client_unblock(CommandContext& cx, Arguments args) {
  const Bytes id_text = args.next();
  Blocked::State how = Blocked::State::kTimedOut;
  if (!args.is_empty()) {
    if (args.count() > 1) return Refusal::kSyntax;
    if (args.next_is("ERROR")) {
      how = Blocked::State::kUnblocked;
    } else if (!args.next_is("TIMEOUT")) {
      return cx.refuse("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  }
  const auto id = parse_integer(id_text);
  if (!id) return Refusal::kNotInteger;
  bool has_ended = false;
  cx.services.clients.for_each([&](Session& session) {
    if (session.id != static_cast<std::uint64_t>(*id)) return;
    has_ended = session.blocked.end_wait(how);
    if (has_ended) session.wake();
  });
  cx.reply.integer(has_ended ? 1 : 0);
  return Outcome::done();
}

// ---- How this connection is treated.

Outcome client_reply(CommandContext& cx, Arguments args) {
  if (args.next_is("ON")) {
    cx.session.reply_mode = ReplyMode::kOn;
    cx.reply.ok();
  } else if (args.next_is("OFF")) {
    cx.session.reply_mode = ReplyMode::kOff;
  } else if (args.next_is("SKIP")) {
    if (cx.session.reply_mode != ReplyMode::kOff) cx.session.reply_mode = ReplyMode::kSkipNext;
  } else {
    return Refusal::kSyntax;
  }
  return Outcome::done();
}

Outcome client_no_evict(CommandContext& cx, Arguments args) {
  TRY_LET(const bool is_on, next_switch(args));
  cx.session.is_evictable = !is_on;
  cx.session.is_no_evict.store(is_on, std::memory_order_relaxed);
  cx.reply.ok();
  return Outcome::done();
}

Outcome client_no_touch(CommandContext& cx, Arguments args) {
  TRY_LET(const bool is_on, next_switch(args));
  cx.session.touches_keys = !is_on;
  cx.session.is_no_touch.store(is_on, std::memory_order_relaxed);
  cx.reply.ok();
  return Outcome::done();
}

constexpr Bytes kHelp[] = {
    "GETNAME",
    "    The name of this connection.",
    "ID",
    "    The id of this connection.",
    "INFO",
    "    This connection as LIST shows it.",
    "KILL <ip:port>",
    "    Close the connection that comes from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close the connections that fit all of the options:",
    "    * ADDR <ip:port>. They come from there.",
    "    * LADDR <ip:port>. They came in there.",
    "    * ID <client-id>. It has this id.",
    "    * TYPE <NORMAL|MASTER|REPLICA|PUBSUB>. They are of this kind.",
    "    * USER <username>. They are logged in as this user.",
    "    * MAXAGE <seconds>. They are at least that old.",
    "    * SKIPME <YES|NO>. Spare this connection (default: yes).",
    "LIST [TYPE <NORMAL|MASTER|REPLICA|PUBSUB> | ID <client-id> [<client-id> ...]]",
    "    A line for each connection.",
    "NO-EVICT <ON|OFF>",
    "    Never drop this connection to save memory.",
    "NO-TOUCH <ON|OFF>",
    "    Commands of this connection do not count as use of keys.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Hold back all commands, or those that write, for <timeout> milliseconds.",
    "REPLY <ON|OFF|SKIP>",
    "    Which replies this connection wants.",
    "SETINFO <LIB-NAME|LIB-VER> <value>",
    "    Name the client library of this connection or its version.",
    "SETNAME <name>",
    "    Name this connection.",
    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
    "    Let go the blocking command of a connection.",
    "UNPAUSE",
    "    End a PAUSE.",
};

Outcome client_help(CommandContext& cx, Arguments) { return reply_help(cx, kHelp); }

constexpr Flag kEverywhere = Flag::kNoScript | Flag::kLoading | Flag::kStale;
constexpr Flag kPrivileged = kEverywhere | Flag::kAdmin;

constexpr auto kRows = std::to_array<Row>({
    {
        .name = "CLIENT",
        .words = Words::at_least(2),
        .flags = Flag::kContainer,
        .group = Group::kConnection,
        .since = "2.4.0",
        .complexity = "By subcommand",
        .summary = "Commands about connections.",
    },
    {
        .name = "CLIENT GETNAME",
        .words = Words::exactly(2),
        .flags = kEverywhere,
        .function = client_getname,
        .group = Group::kConnection,
        .since = "2.6.9",
        .complexity = "O(1)",
        .summary = "Tells the connection's name.",
    },
    {
        .name = "CLIENT HELP",
        .words = Words::exactly(2),
        .flags = Flag::kLoading | Flag::kStale,
        .function = client_help,
        .group = Group::kConnection,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Lists the subcommands of CLIENT.",
    },
    {
        .name = "CLIENT ID",
        .words = Words::exactly(2),
        .flags = kEverywhere,
        .function = client_id,
        .group = Group::kConnection,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Tells the connection's number, which never repeats.",
    },
    {
        .name = "CLIENT INFO",
        .words = Words::exactly(2),
        .flags = kEverywhere,
        .function = client_info,
        .group = Group::kConnection,
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Describes the connection.",
        .tips = "nondeterministic_output",
    },
    {
        .name = "CLIENT KILL",
        .words = Words::at_least(3),
        .flags = kPrivileged,
        .function = client_kill,
        .group = Group::kConnection,
        .since = "2.4.0",
        .complexity = "O(N) for N connections",
        .summary = "Closes connections.",
        .syntax =
            "ip:port | <ID client-id | TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB> |"
            " USER username | ADDR ip:port | LADDR ip:port | SKIPME yes/no | MAXAGE maxage> ...",
    },
    {
        .name = "CLIENT LIST",
        .words = Words::at_least(2),
        .flags = kPrivileged,
        .function = client_list,
        .group = Group::kConnection,
        .since = "2.4.0",
        .complexity = "O(N) for N connections",
        .summary = "Describes all connections, or those asked for.",
        .syntax = "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
        .tips = "nondeterministic_output",
    },
    {
        .name = "CLIENT NO-EVICT",
        .words = Words::exactly(3),
        .flags = kPrivileged,
        .function = client_no_evict,
        .group = Group::kConnection,
        .since = "7.0.0",
        .complexity = "O(1)",
        .summary = "Says whether the connection may be dropped to save memory.",
        .syntax = "<ON | OFF>",
    },
    {
        .name = "CLIENT NO-TOUCH",
        .words = Words::exactly(3),
        .flags = kEverywhere,
        .function = client_no_touch,
        .group = Group::kConnection,
        .since = "7.2.0",
        .complexity = "O(1)",
        .summary = "Says whether the connection's commands count as use of keys.",
        .syntax = "<ON | OFF>",
    },
    {
        .name = "CLIENT PAUSE",
        .words = Words::at_least(3),
        .flags = kPrivileged,
        .function = client_pause,
        .group = Group::kConnection,
        .since = "3.0.0",
        .complexity = "O(1)",
        .summary = "Holds back the commands of all clients for a time.",
        .syntax = "timeout [WRITE | ALL]",
    },
    {
        .name = "CLIENT REPLY",
        .words = Words::exactly(3),
        .flags = kEverywhere,
        .function = client_reply,
        .group = Group::kConnection,
        .since = "3.2.0",
        .complexity = "O(1)",
        .summary = "Says which replies the connection wants.",
        .syntax = "<ON | OFF | SKIP>",
    },
    {
        .name = "CLIENT SETINFO",
        .words = Words::exactly(4),
        .flags = kEverywhere,
        .function = client_setinfo,
        .group = Group::kConnection,
        .since = "7.2.0",
        .complexity = "O(1)",
        .summary = "Names the connection's client library and its version.",
        .syntax = "<LIB-NAME libname | LIB-VER libver>",
        .tips = "request_policy:all_nodes,response_policy:all_succeeded",
    },
    {
        .name = "CLIENT SETNAME",
        .words = Words::exactly(3),
        .flags = kEverywhere,
        .function = client_setname,
        .group = Group::kConnection,
        .since = "2.6.9",
        .complexity = "O(1)",
        .summary = "Names the connection.",
        .syntax = "connection-name",
    },
    {
        .name = "CLIENT UNBLOCK",
        .words = Words::at_least(3),
        .flags = kPrivileged,
        .function = client_unblock,
        .group = Group::kConnection,
        .since = "5.0.0",
        .complexity = "O(log N) for N connections",
        .summary = "Ends the wait of a client that a blocking command holds.",
        .syntax = "client-id [TIMEOUT | ERROR]",
    },
    {
        .name = "CLIENT UNPAUSE",
        .words = Words::exactly(2),
        .flags = kPrivileged | Flag::kAllowPaused,
        .function = client_unpause,
        .group = Group::kConnection,
        .since = "6.2.0",
        .complexity = "O(N) for N clients held back",
        .summary = "Ends a pause.",
    },
});
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> client_rows() { return kRows; }

}  // namespace diskdb::command
