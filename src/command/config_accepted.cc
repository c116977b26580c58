// command/config_accepted.cc — Redis's directives that mean nothing here: what they tune does not
// exist, or needs no tuning. They are accepted and remembered, so that configuration files, clients
// and test suites written for Redis go on working; the server's log names those that a start gave.
// Some would promise what is not there (a password, TLS): they take no value but the harmless one.
#include <algorithm>
#include <array>
#include <forward_list>
#include <iterator>
#include <limits>

#include "base/number.h"
#include "base/quantity.h"
#include "command/config_options.h"
#include "resp/words.h"

namespace diskdb::command {
namespace {

using Words = std::span<const std::string>;

constexpr std::int64_t kIntMin = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kIntMax = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kUnsignedMax = std::numeric_limits<std::uint32_t>::max();
constexpr std::int64_t kLongMax = std::numeric_limits<std::int64_t>::max();

constexpr Bytes kNoCluster = "cluster mode is not available yet";
constexpr Bytes kNoTls = "TLS is not available yet: listen on loopback or a private network";
constexpr Bytes kNoPasswords =
    "passwords are not available yet: use bind and protected-mode to keep strangers out";
constexpr Bytes kNoAccessLists =
    "access control lists are not available yet: use bind and protected-mode to keep strangers out";
constexpr Bytes kNoReplication = "replication is not available yet";

std::string joined(Words words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

/// Pairs of seconds and changes, or one empty word for none.
Result<std::string> save_points(Bytes, Words words) {
  const Error refused{Code::kInvalid, "Invalid save parameters"};
  if (words.empty() || (words.size() == 1 && words[0].empty())) return std::string();
  if (words.size() % 2 != 0) return refused;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto number = parse_integer(words[i]);
    if (!number || *number < (i % 2 == 0 ? 1 : 0)) return refused;
  }
  return joined(words);
}

/// Groups of class, hard limit, soft limit and seconds; classes that are not named keep theirs.
Result<std::string> output_limits(Bytes current, Words words) {
  if (words.empty() || words.size() % 4 != 0) {
    return {Code::kInvalid, "Wrong number of arguments in buffer limit configuration."};
  }
  std::vector<Bytes> kept;
  std::forward_list<std::string> storage;
  resp::split_words(current, kept, storage);
  std::vector<std::string> limits(kept.begin(), kept.end());
  for (std::size_t i = 0; i < words.size(); i += 4) {
    const Bytes name = equals_ignoring_case(words[i], "replica") ? Bytes("slave") : Bytes(words[i]);
    const auto group = std::ranges::find_if(
        limits, [&](const std::string& word) { return equals_ignoring_case(word, name); });
    if (group == limits.end()) {
      return {Code::kInvalid, "Invalid client class specified in buffer limit configuration."};
    }
    const auto hard = parse_memory(words[i + 1]);
    const auto soft = parse_memory(words[i + 2]);
    const auto seconds = parse_integer(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0) {
      return {Code::kInvalid,
              "Error in hard, soft or soft_seconds setting in buffer limit configuration."};
    }
    group[1] = std::to_string(*hard);
    group[2] = std::to_string(*soft);
    group[3] = std::to_string(*seconds);
  }
  return joined(limits);
}

/// Letters of event classes in the order in which Redis shows them, `A` where all of its classes
/// are there.
Result<std::string> event_classes(Bytes, Words words) {
  constexpr Bytes kAll = "g$lshzxetd";
  constexpr Bytes kOthers = "KEmn";
  const std::string given = joined(words);
  if (given.find_first_not_of("Ag$lshzxeKEtmdn") != std::string::npos) {
    return {Code::kInvalid, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."};
  }
  const auto has = [&](char letter) { return given.find(letter) != std::string::npos; };
  std::string text;
  if (has('A') || std::ranges::all_of(kAll, has)) {
    text = "A";
  } else {
    std::ranges::copy_if(kAll, std::back_inserter(text), has);
  }
  std::ranges::copy_if(kOthers, std::back_inserter(text), has);
  return text;
}

// The rows' vocabulary.

consteval Option row(Bytes name, OptionType type, Bytes initial) {
  return {.name = name, .type = type, .initial = initial, .use = OptionUse::kWithoutEffect};
}
consteval Option flag(Bytes name, Bytes initial) {
  return row(name, OptionType::kBoolean, initial);
}
consteval Option text(Bytes name, Bytes initial = "", Canonical canonical = nullptr) {
  Option option = row(name, OptionType::kText, initial);
  option.canonical = canonical;
  return option;
}
consteval Option words(Bytes name, Bytes initial, Canonical canonical = nullptr) {
  Option option = row(name, OptionType::kWords, initial);
  option.canonical = canonical;
  return option;
}
consteval Option choice(Bytes name, Bytes initial, Bytes choices,
                        OptionType type = OptionType::kChoice) {
  Option option = row(name, type, initial);
  option.choices = choices;
  return option;
}
consteval Option choices(Bytes name, Bytes initial, Bytes all) {
  return choice(name, initial, all, OptionType::kChoices);
}
consteval Option number(Bytes name, Bytes initial, std::int64_t min, std::int64_t max,
                        OptionType type = OptionType::kInteger) {
  Option option = row(name, type, initial);
  option.min = min;
  option.max = max;
  return option;
}
consteval Option octal(Bytes name, Bytes initial, std::int64_t min, std::int64_t max) {
  return number(name, initial, min, max, OptionType::kOctal);
}
consteval Option memory(Bytes name, Bytes initial, std::int64_t min, std::int64_t max) {
  return number(name, initial, min, max, OptionType::kMemory);
}
consteval Option memory_or_percent(Bytes name, Bytes initial, std::int64_t min, std::int64_t max) {
  return number(name, initial, min, max, OptionType::kMemoryOrPercent);
}
consteval Option also(Bytes alias, Option option) {
  option.alias = alias;
  return option;
}
consteval Option immutable(Option option) {
  option.traits.immutable = true;
  return option;
}
consteval Option hidden(Option option) {
  option.traits.hidden = true;
  return option;
}
consteval Option adding_up(Option option) {
  option.traits.adds_up = true;
  return option;
}
/// No value but the initial one.
consteval Option refused(Bytes why, Option option) {
  option.otherwise = why;
  return option;
}

constexpr auto kAccepted = std::to_array<Option>({
    choice("acl-pubsub-default", "resetchannels", "allchannels resetchannels"),
    refused(kNoAccessLists, immutable(text("aclfile"))),
    number("acllog-max-len", "128", 0, kLongMax),
    number("active-defrag-cycle-max", "25", 1, 99),
    number("active-defrag-cycle-min", "1", 1, 99),
    memory("active-defrag-ignore-bytes", "104857600", 1, kLongMax),
    number("active-defrag-max-scan-fields", "1000", 1, kLongMax),
    number("active-defrag-threshold-lower", "10", 0, 1000),
    number("active-defrag-threshold-upper", "100", 0, 1000),
    flag("activedefrag", "no"),
    flag("activerehashing", "yes"),
    immutable(flag("always-show-logo", "no")),
    hidden(flag("aof-disable-auto-gc", "no")),
    flag("aof-load-truncated", "yes"),
    flag("aof-rewrite-incremental-fsync", "yes"),
    flag("aof-timestamp-enabled", "no"),
    flag("aof-use-rdb-preamble", "yes"),
    immutable(text("aof_rewrite_cpulist")),
    immutable(text("appenddirname", "appendonlydir")),
    immutable(text("appendfilename", "appendonly.aof")),
    flag("appendonly", "no"),
    memory("auto-aof-rewrite-min-size", "67108864", 0, kLongMax),
    number("auto-aof-rewrite-percentage", "100", 0, kIntMax),
    immutable(text("bgsave_cpulist")),
    text("bind-source-addr"),
    immutable(text("bio_cpulist")),
    also("lua-time-limit", number("busy-reply-threshold", "5000", 0, kLongMax)),
    words("client-output-buffer-limit",
          "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", output_limits),
    flag("cluster-allow-pubsubshard-when-down", "yes"),
    flag("cluster-allow-reads-when-down", "no"),
    flag("cluster-allow-replica-migration", "yes"),
    number("cluster-announce-bus-port", "0", 0, 65535),
    text("cluster-announce-hostname"),
    text("cluster-announce-ip"),
    number("cluster-announce-port", "0", 0, 65535),
    number("cluster-announce-tls-port", "0", 0, 65535),
    immutable(text("cluster-config-file", "nodes.conf")),
    refused(kNoCluster, immutable(flag("cluster-enabled", "no"))),
    memory("cluster-link-sendbuf-limit", "0", 0, kLongMax),
    number("cluster-migration-barrier", "1", 0, kIntMax),
    number("cluster-node-timeout", "15000", 0, kLongMax),
    immutable(number("cluster-port", "0", 0, 65535)),
    choice("cluster-preferred-endpoint-type", "ip", "ip hostname unknown-endpoint"),
    also("cluster-slave-no-failover", flag("cluster-replica-no-failover", "no")),
    also("cluster-slave-validity-factor",
         number("cluster-replica-validity-factor", "10", 0, kIntMax)),
    flag("cluster-require-full-coverage", "yes"),
    flag("crash-log-enabled", "yes"),
    flag("crash-memcheck-enabled", "yes"),
    immutable(flag("daemonize", "no")),
    text("dbfilename", "dump.rdb"),
    immutable(flag("disable-thp", "yes")),
    flag("dynamic-hz", "yes"),
    immutable(choice("enable-module-command", "no", "no yes local")),
    immutable(choice("enable-protected-configs", "no", "no yes local")),
    number("hz", "10", 0, kIntMax),
    text("ignore-warnings"),
    immutable(number("io-threads", "1", 1, 128)),
    immutable(flag("io-threads-do-reads", "no")),
    flag("jemalloc-bg-thread", "yes"),
    hidden(number("key-load-delay", "0", kIntMin, kIntMax)),
    flag("lazyfree-lazy-eviction", "no"),
    flag("lazyfree-lazy-expire", "no"),
    flag("lazyfree-lazy-server-del", "no"),
    flag("lazyfree-lazy-user-del", "no"),
    flag("lazyfree-lazy-user-flush", "no"),
    number("list-compress-depth", "0", 0, kIntMax),
    hidden(memory("loading-process-events-interval-bytes", "2097152", 1024, kIntMax)),
    immutable(hidden(flag("lua-enable-deprecated-api", "no"))),
    refused(kNoReplication, text("masterauth")),
    text("masteruser"),
    memory_or_percent("maxmemory-clients", "0", -100, kLongMax),
    number("maxmemory-eviction-tenacity", "10", 0, 100),
    also("min-slaves-max-lag", number("min-replicas-max-lag", "10", 0, kIntMax)),
    also("min-slaves-to-write", number("min-replicas-to-write", "0", 0, kIntMax)),
    flag("no-appendfsync-on-rewrite", "no"),
    text("notify-keyspace-events", "", event_classes),
    choice("oom-score-adj", "no", "no yes relative absolute"),
    words("oom-score-adj-values", "0 200 800"),
    text("proc-title-template", "{title} {listen-addr} {server-mode}"),
    choice("propagation-error-behavior", "ignore", "ignore panic panic-on-replicas"),
    flag("rdb-del-sync-files", "no"),
    hidden(number("rdb-key-save-delay", "0", kIntMin, kIntMax)),
    flag("rdb-save-incremental-fsync", "yes"),
    immutable(flag("rdbchecksum", "yes")),
    flag("rdbcompression", "yes"),
    memory("repl-backlog-size", "1048576", 1, kLongMax),
    number("repl-backlog-ttl", "3600", 0, kLongMax),
    flag("repl-disable-tcp-nodelay", "no"),
    choice("repl-diskless-load", "disabled", "disabled on-empty-db swapdb"),
    flag("repl-diskless-sync", "yes"),
    number("repl-diskless-sync-delay", "5", 0, kIntMax),
    number("repl-diskless-sync-max-replicas", "0", 0, kIntMax),
    also("repl-ping-slave-period", number("repl-ping-replica-period", "10", 1, kIntMax)),
    number("repl-timeout", "60", 1, kIntMax),
    also("slave-announce-ip", text("replica-announce-ip")),
    also("slave-announce-port", number("replica-announce-port", "0", 0, 65535)),
    flag("replica-announced", "yes"),
    flag("replica-ignore-disk-write-errors", "no"),
    also("slave-ignore-maxmemory", flag("replica-ignore-maxmemory", "yes")),
    also("slave-lazy-flush", flag("replica-lazy-flush", "no")),
    also("slave-priority", number("replica-priority", "100", 0, kIntMax)),
    also("slave-read-only", flag("replica-read-only", "yes")),
    also("slave-serve-stale-data", flag("replica-serve-stale-data", "yes")),
    refused(kNoReplication, also("slaveof", immutable(words("replicaof", "")))),
    refused(kNoPasswords, text("requirepass")),
    choice("sanitize-dump-payload", "no", "no yes clients"),
    adding_up(words("save", "3600 1 300 100 60 10000", save_points)),
    immutable(text("server_cpulist")),
    immutable(flag("set-proc-title", "yes")),
    choices("shutdown-on-sigint", "default", "default save nosave now force"),
    choices("shutdown-on-sigterm", "default", "default save nosave now force"),
    number("shutdown-timeout", "10", 0, kIntMax),
    immutable(number("socket-mark-id", "0", 0, kUnsignedMax)),
    flag("stop-writes-on-bgsave-error", "yes"),
    memory("stream-node-max-bytes", "4096", 0, kLongMax),
    immutable(choice("supervised", "no", "upstart systemd auto no")),
    immutable(flag("syslog-enabled", "no")),
    immutable(choice("syslog-facility", "local0",
                     "user local0 local1 local2 local3 local4 local5 local6 local7")),
    immutable(text("syslog-ident", "redis")),
    choice("tls-auth-clients", "yes", "no yes optional"),
    text("tls-ca-cert-dir"),
    text("tls-ca-cert-file"),
    text("tls-cert-file"),
    text("tls-ciphers"),
    text("tls-ciphersuites"),
    text("tls-client-cert-file"),
    text("tls-client-key-file"),
    text("tls-client-key-file-pass"),
    refused(kNoTls, flag("tls-cluster", "no")),
    text("tls-dh-params-file"),
    text("tls-key-file"),
    text("tls-key-file-pass"),
    refused(kNoTls, number("tls-port", "0", 0, 65535)),
    flag("tls-prefer-server-ciphers", "no"),
    text("tls-protocols"),
    refused(kNoTls, flag("tls-replication", "no")),
    number("tls-session-cache-size", "20480", 0, kIntMax),
    number("tls-session-cache-timeout", "300", 0, kIntMax),
    flag("tls-session-caching", "yes"),
    number("tracking-table-max-keys", "1000000", 0, kLongMax),
    immutable(text("unixsocket")),
    immutable(octal("unixsocketperm", "0", 0, 0777)),
    hidden(flag("use-exit-on-panic", "no")),
    hidden(number("watchdog-period", "0", 0, kIntMax)),
});
static_assert(options_are_sound(kAccepted));

}  // namespace

std::span<const Option> accepted_options() { return kAccepted; }

}  // namespace diskdb::command
