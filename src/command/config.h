// command/config.h — every setting of the server: one table says what there is, one object holds
// the values. Where values come from (file, environment, command line) is server/config_load.h;
// CONFIG GET and SET are command/config_commands.cc; docs/configuration.md is printed from the
// table (`diskdb --print-config-docs`).
//
// Values are kept as the text that CONFIG GET shows. What is read on hot paths is kept beside it as
// an atomic number in Settings, which a row of the table names.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace diskdb::command {

/// What hot paths read. A boolean is 0 or 1, a choice the index of its word in the table, a
/// duration milliseconds.
///
/// Threads: thread-safe, relaxed; written by Config alone.
struct Settings {
  using Value = std::atomic<std::int64_t>;

  Value active_expire_effort{};
  Value client_query_buffer_bytes_max{};
  Value enable_debug_command{};  ///< no, yes, local
  Value hash_listpack_entries_max{};
  Value hash_listpack_value_bytes_max{};
  Value hll_sparse_bytes_max{};
  Value inline_replies{};      ///< plain, resp
  Value latency_monitor_ms{};  ///< 0: off
  Value latency_tracking{};
  Value lfu_decay_minutes{};
  Value lfu_log_factor{};
  Value list_max_listpack_size{};
  Value log_format{};  ///< text, json
  Value log_level{};   ///< debug, verbose, notice, warning
  Value maxclients{};
  Value maxmemory_bytes{};   ///< 0: no limit
  Value maxmemory_policy{};  ///< as keyspace::Policy
  Value maxmemory_samples{};
  Value pipeline_max_batch{};
  Value protected_mode{};
  Value proto_max_bulk_bytes{};
  Value slowlog_size_max{};
  Value slowlog_slower_than_micros{};  ///< negative: never
  Value set_intset_entries_max{};
  Value set_listpack_entries_max{};
  Value set_listpack_value_bytes_max{};
  Value stream_node_entries_max{};  ///< 0: no limit
  Value tcp_keepalive_seconds{};
  Value tcp_nodelay{};
  Value timeout_seconds{};  ///< 0: idle connections stay
  Value zset_listpack_entries_max{};
  Value zset_listpack_value_bytes_max{};
};

enum class OptionType : std::uint8_t {
  kBoolean,  ///< yes, no
  kInteger,
  kOctal,
  kMemory,           ///< 100MB, 256kb; shown in bytes
  kMemoryOrPercent,  ///< or 5%
  kDuration,         ///< 1000ms, 1s; a bare number counts milliseconds
  kChoice,           ///< one of `choices`
  kChoices,          ///< some of them
  kText,
  kWords,  ///< several words in a line of a file, one in CONFIG SET
};

enum class OptionUse : std::uint8_t {
  kLive,           ///< CONFIG SET takes effect at once
  kAtStart,        ///< read once, when the server starts
  kWithoutEffect,  ///< Redis has it; accepted and remembered, changes nothing here
};

/// How CONFIG treats the option, beyond its use.
struct OptionTraits {
  bool immutable = false;  ///< CONFIG SET refuses
  bool hidden = false;     ///< CONFIG GET shows it only if its whole name is given
  bool adds_up = false;    ///< several lines of a file make one value
};

/// The value that is kept for `words`, or why they are refused. `current` is the value now.
using Canonical = Result<std::string> (*)(Bytes current, std::span<const std::string> words);

/// One setting.
struct Option {
  Bytes name;
  OptionType type;
  Bytes initial;  ///< as CONFIG GET shows it
  OptionUse use;
  Bytes section = {};  ///< of diskdb.toml; its key there is the name with '_' for '-'
  Bytes description = {};
  std::int64_t min = 0;  ///< of numbers
  std::int64_t max = 0;
  Bytes choices = {};  ///< separated by blanks
  Bytes alias = {};    ///< another name for it
  OptionTraits traits = {};
  /// If given, no value but the initial one is accepted, and this says why or what to use instead.
  Bytes otherwise = {};
  Settings::Value Settings::*live = nullptr;
  Canonical canonical = nullptr;
};

/// Threads: thread-safe, but for what is said to belong to the start.
class Config {
 public:
  /// All values at their defaults.
  Config();
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;

  /// Sorted by name.
  std::span<const Option* const> options() const { return options_; }
  /// By name or alias, whatever the case; null if there is none.
  const Option* find(Bytes name) const;

  const Settings& settings() const { return settings_; }
  /// The value as CONFIG GET shows it.
  std::string text(const Option& option) const;
  /// Requires: `name` is in the table.
  std::string text(Bytes name) const;
  /// Requires: a boolean, a choice or a number, which percentages are not.
  std::int64_t number(Bytes name) const;
  bool is_on(Bytes name) const { return number(name) != 0; }

  /// Sets what a line of a file, a variable or the command line says. For the start.
  /// Errors: kInvalid, saying what is accepted; nothing has changed then.
  Status set_at_start(const Option& option, std::span<const std::string> words);

  /// Did set_at_start set it? For the start.
  bool is_given(const Option& option) const;
  /// What holds as long as nobody sets it, where the table cannot know: half of the memory, say.
  /// For the start. Requires: `value` is as CONFIG GET shows it.
  void set_default(Bytes name, std::string value);
  bool is_default(const Option& option) const;

  struct Change {
    Bytes name;
    Bytes value;
  };
  /// CONFIG SET: all or none. Returns the error's text, or nothing. Observers are called before it
  /// returns.
  std::optional<std::string> set_live(std::span<const Change> changes);

  /// `observer` is called after each CONFIG SET of the option, on the caller's thread, without any
  /// lock of this object. For the start. Requires: `name` is in the table.
  void observe(Bytes name, std::function<void()> observer);

  /// Writes the values to the file that the server was started from; unset if there was none. For
  /// the start.
  void set_rewriter(std::function<Status()> rewriter) { rewriter_ = std::move(rewriter); }
  const std::function<Status()>& rewriter() const { return rewriter_; }

 private:
  std::size_t index_of(const Option& option) const;
  void store(const Option& option, std::string value);

  std::vector<const Option*> options_;
  std::map<std::string, const Option*, std::less<>> by_name_;  ///< aliases too
  Settings settings_;
  mutable std::mutex mutex_;
  std::vector<std::string> values_;  // by the option's index; guarded by mutex_
  std::vector<std::string> defaults_;
  std::vector<bool> is_given_;  // at the start, by a file, the environment or the command line
  std::multimap<const Option*, std::function<void()>> observers_;
  std::function<Status()> rewriter_;
};

/// What the option may be set to, for people: "yes or no", "a number from 1 to 10".
std::string accepted_values(const Option& option);

/// The number that `value`, a canonical text of `option`, stands for in Settings.
std::int64_t number_of(const Option& option, Bytes value);

/// docs/configuration.md.
std::string configuration_page(const Config& config);

/// `word` as a line of a redis.conf has it: in quotes where it needs them.
std::string quoted(Bytes word);

}  // namespace diskdb::command
