// command/row.h — a command is a row: what it is called, which words it takes, where its keys are,
// what it may do, how it is logged, which function runs it, and what COMMAND DOCS says of it.
// Everything that depends on a command (gates, locking, COMMAND, documentation) reads the row;
// nothing is said twice.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/elements.h"
#include "keyspace/access.h"

namespace diskdb::command {

struct CommandContext;
class Arguments;
using Function = Outcome (*)(CommandContext& cx, Arguments args);

/// How many words a request has, its name included.
class Words {
 public:
  static consteval Words exactly(int n) { return Words(n); }
  static consteval Words at_least(int n) { return Words(-n); }
  constexpr bool admits(std::size_t count) const {
    return arity_ >= 0 ? count == static_cast<std::size_t>(arity_)
                       : count >= static_cast<std::size_t>(-arity_);
  }
  constexpr std::size_t minimum() const {
    return static_cast<std::size_t>(arity_ >= 0 ? arity_ : -arity_);
  }
  /// As COMMAND prints it: negative means "at least".
  constexpr int arity() const { return arity_; }

 private:
  explicit consteval Words(int arity) : arity_(arity) {}
  int arity_;
};

/// What a command does to the keys of one spec, and where they stand. Redis's key specifications.
enum class KeyUse : std::uint16_t {
  kReadOnly = 1 << 0,   ///< RO
  kReadWrite = 1 << 1,  ///< RW
  kOverwrite = 1 << 2,  ///< OW
  kRemove = 1 << 3,     ///< RM
  kAccess = 1 << 4,
  kUpdate = 1 << 5,
  kInsert = 1 << 6,
  kDelete = 1 << 7,
  kNotKey = 1 << 8,
  kIncomplete = 1 << 9,
  kVariableFlags = 1 << 10,
};
constexpr KeyUse operator|(KeyUse a, KeyUse b) {
  return static_cast<KeyUse>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool has(KeyUse set, KeyUse use) {
  return (static_cast<unsigned>(set) & static_cast<unsigned>(use)) != 0;
}

struct KeySpec {
  KeyUse use;
  int begin = 1;  ///< index of the first key, or of the number of keys
  int last = 0;   ///< relative to `begin`; -1: the last word, -2 the one before...
  int step = 1;
  bool counted = false;  ///< words[begin] says how many keys follow (find_keys type keynum)
  Bytes notes = {};
  /// The key stands behind this word, wherever from `begin` on that stands, if it does.
  Bytes keyword = {};
  bool halved = false;   ///< behind `keyword`, up to the last word: the first half are keys
  bool unknown = false;  ///< behind the last of several `keyword`s; clients are told "unknown"

  static consteval KeySpec at(int index, KeyUse use) { return {.use = use, .begin = index}; }
  static consteval KeySpec range(int begin, int last, int step, KeyUse use) {
    return {.use = use, .begin = begin, .last = last, .step = step};
  }
  static consteval KeySpec behind(Bytes keyword, int from, KeyUse use) {
    return {.use = use, .begin = from, .keyword = keyword};
  }
  static consteval KeySpec behind_last(Bytes keyword, int from, KeyUse use) {
    return {.use = use, .begin = from, .keyword = keyword, .unknown = true};
  }
  static consteval KeySpec half_behind(Bytes keyword, int from, KeyUse use) {
    return {.use = use, .begin = from, .last = -1, .keyword = keyword, .halved = true};
  }
  static consteval KeySpec count_at(int index, int step, KeyUse use) {
    return {.use = use, .begin = index, .step = step, .counted = true};
  }
};

/// Redis's command flags, and below them ours.
enum class Flag : std::uint32_t {
  kNone = 0,
  kWrite = 1U << 0,
  kReadonly = 1U << 1,
  kDenyOom = 1U << 2,
  kAdmin = 1U << 3,
  kPubsub = 1U << 4,
  kNoScript = 1U << 5,
  kBlocking = 1U << 6,
  kLoading = 1U << 7,
  kStale = 1U << 8,
  kSkipMonitor = 1U << 9,
  kSkipSlowlog = 1U << 10,
  kAsking = 1U << 11,
  kFast = 1U << 12,
  kNoAuth = 1U << 13,
  kMayReplicate = 1U << 14,
  kNoAsyncLoading = 1U << 15,
  kNoMulti = 1U << 16,
  kMovableKeys = 1U << 17,
  kAllowBusy = 1U << 18,
  kNoMandatoryKeys = 1U << 19,
  kProtected = 1U << 20,
  kAllowPaused = 1U << 21,  ///< ours: runs while CLIENT PAUSE holds others back
  kAllShards = 1U << 22,    ///< ours: runs with every shard held (FLUSHALL, DBSIZE)
  kContainer = 1U << 23,    ///< ours: has subcommands, rows named "CONFIG GET"
  kSyscmd = 1U << 24,       ///< DOCS flag: internal
  kDeprecated = 1U << 25,   ///< DOCS flag
};
constexpr Flag operator|(Flag a, Flag b) {
  return static_cast<Flag>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr bool has(Flag set, Flag flag) {
  return (static_cast<std::uint32_t>(set) & static_cast<std::uint32_t>(flag)) != 0;
}

/// COMMAND DOCS' groups; with the flags they give the ACL categories.
enum class Group : std::uint8_t {
  kGeneric,
  kString,
  kList,
  kSet,
  kSortedSet,
  kHash,
  kPubsub,
  kTransactions,
  kConnection,
  kServer,
  kScripting,
  kHyperloglog,
  kCluster,
  kSentinel,
  kGeo,
  kStream,
  kBitmap,
  kModule,
};

/// ACL's categories. Most follow from a row's group and flags (command/category.h).
enum class Category : std::uint32_t {
  kNone = 0,
  kKeyspace = 1U << 0,
  kRead = 1U << 1,
  kWrite = 1U << 2,
  kSet = 1U << 3,
  kSortedSet = 1U << 4,
  kList = 1U << 5,
  kHash = 1U << 6,
  kString = 1U << 7,
  kBitmap = 1U << 8,
  kHyperloglog = 1U << 9,
  kGeo = 1U << 10,
  kStream = 1U << 11,
  kPubsub = 1U << 12,
  kAdmin = 1U << 13,
  kFast = 1U << 14,
  kSlow = 1U << 15,
  kBlocking = 1U << 16,
  kDangerous = 1U << 17,
  kConnection = 1U << 18,
  kTransaction = 1U << 19,
  kScripting = 1U << 20,
  kJson = 1U << 21,
  kOfGroup = 1U << 31,  ///< what the group says
};
constexpr Category operator|(Category a, Category b) {
  return static_cast<Category>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr bool has(Category set, Category category) {
  return (static_cast<std::uint32_t>(set) & static_cast<std::uint32_t>(category)) != 0;
}

struct Row {
  Bytes name;  ///< upper case; a subcommand's is "CONFIG GET"
  Words words;
  std::span<const KeySpec> keys = {};
  Flag flags = Flag::kNone;
  Elements elements = {};
  keyspace::Logged logged = keyspace::Logged::kByEffect;
  Function function = nullptr;  ///< null only for a container that needs a subcommand
  Group group = Group::kGeneric;
  Bytes since = {};
  Bytes complexity = {};
  Bytes summary = {};
  /// The arguments as in Redis's documentation: "key value [NX | XX] [EX seconds | KEEPTTL]".
  /// Empty: none.
  Bytes syntax = {};
  /// COMMAND's tips, comma-separated ("nondeterministic_output").
  Bytes tips = {};
  Bytes replaced_by = {};  ///< for deprecated ones
  Bytes deprecated_since = {};
  /// Of ACL, besides those that the flags imply; given where the group's is not it (KEYS is
  /// dangerous).
  Category categories = Category::kOfGroup;

  constexpr bool has(Flag flag) const { return command::has(flags, flag); }
  /// Are its keys' values made of elements, so that looking ahead for them pays? (A module: JSON.)
  constexpr bool is_of_elements() const {
    return group == Group::kHash || group == Group::kSet || group == Group::kSortedSet ||
           group == Group::kList || group == Group::kModule;
  }
  /// The one key's index if every request has exactly one key and it stands at a fixed place, else
  /// 0.
  constexpr std::size_t single_key_index() const {
    if (keys.size() != 1 || keys[0].counted || keys[0].last != 0) return 0;
    return static_cast<std::size_t>(keys[0].begin);
  }
};

/// Under -fsanitize=undefined the compiler does not believe that a function of another file is not
/// null; null itself it always knows.
consteval bool is_missing(Function function) {
  return __builtin_constant_p(function == nullptr) && function == nullptr;
}

/// Sorted by name, hence unique; keys cannot be missing; readers do not write; every row can run.
consteval bool rows_are_sound(std::span<const Row> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    if (is_missing(row.function) && !row.has(Flag::kContainer)) return false;
    if (row.has(Flag::kWrite) && row.has(Flag::kReadonly)) return false;
    if (row.name.empty() || row.since.empty() || row.summary.empty()) return false;
    for (const KeySpec& spec : row.keys) {
      if (!spec.keyword.empty()) continue;  // it may be missing
      // A range up to the last word may be empty: the sources of PFMERGE.
      const std::size_t words_min = row.words.minimum() + (spec.last < 0 ? 1 : 0);
      if (spec.begin <= 0 || static_cast<std::size_t>(spec.begin) >= words_min) return false;
    }
    if (i > 0 && !(rows[i - 1].name < row.name)) return false;
  }
  return true;
}

}  // namespace diskdb::command
