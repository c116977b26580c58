// The family of HyperLogLogs: sets of which only the size is known, and that roughly.

#include <cmath>
#include <string>

#include "base/number.h"
#include "command/arguments.h"
#include "command/command_table.h"
#include "command/config.h"
#include "command/context.h"
#include "command/services.h"
#include "keyspace/access.h"
#include "types/hyperloglog.h"
#include "types/string_value.h"
#include "value/hyperloglog.h"

namespace diskdb::command {
namespace {

using keyspace::Key;
using keyspace::Record;
using keyspace::StringScratch;
using keyspace::Type;
using value::HllChange;
using value::HllEncoding;
using value::HllRegisters;

/// A key's HyperLogLog, where it lies or in `scratch`; empty text if the key is absent. Refuses any
/// other value.
Answer<Bytes> find_hll(CommandContext& cx, const Key& key, StringScratch& scratch) {
  TRY_LET(const Record* record, cx.keyspace.find(key, Type::kString));
  if (record == nullptr) return Bytes{};
  if (record->encoding() == keyspace::Encoding::kInteger) return Refusal::kHllWrongType;
  const Bytes text = types::text_of(record, cx.keyspace.reading(), scratch);
  if (!value::is_hyperloglog(text)) return Refusal::kHllWrongType;
  return text;
}

void store_hll(CommandContext& cx, const Key& key, Bytes text) {
  text.copy(cx.keyspace.edit_string(key, text.size()), text.size());
}

std::size_t sparse_bytes_max(const CommandContext& cx) {
  return static_cast<std::size_t>(
      cx.services.config.settings().hll_sparse_bytes_max.load(std::memory_order_relaxed));
}

/// Adds the elements where the value lies. True if any of them raised a register.
bool add_to_dense(CommandContext& cx, Bytes text, Arguments elements) {
  char* bytes = nullptr;
  while (!elements.is_empty()) {
    const auto [index, value] = types::hll_contribution(elements.next());
    if (value::hll_dense_register(text, index) >= value) continue;
    if (bytes == nullptr) {
      bytes = cx.keyspace.edit_string(cx.key(), text.size());
      text = {bytes, text.size()};
    }
    value::hll_set_dense_register(bytes, index, value);
  }
  if (bytes != nullptr) value::hll_drop_cached_count(bytes);
  return bytes != nullptr;
}

/// Adds the elements to a copy, and stores that if it differs: runs may turn out to be corrupt on
/// the way.
Answer<bool> add_to_sparse(CommandContext& cx, Bytes text, Arguments elements) {
  const bool is_new = text.empty();
  std::string copy = is_new ? value::make_hyperloglog() : std::string(text);
  bool is_changed = is_new;
  while (!elements.is_empty()) {
    const auto [index, value] = types::hll_contribution(elements.next());
    switch (value::hll_raise(&copy, index, value, sparse_bytes_max(cx))) {
      case HllChange::kNone:
        break;
      case HllChange::kRaised:
        is_changed = true;
        break;
      case HllChange::kCorrupt:
        return Refusal::kHllCorrupted;
    }
  }
  if (is_changed) {
    value::hll_drop_cached_count(copy.data());
    store_hll(cx, cx.key(), copy);
  }
  return is_changed;
}

/// PFADD key [element ...] — 1 if the estimate may have changed, or the key is new, else 0.
Outcome pfadd(CommandContext& cx, Arguments args) {
  args.next();
  StringScratch scratch;
  TRY_LET(const Bytes text, find_hll(cx, cx.key(), scratch));
  if (!text.empty() && value::hll_encoding(text) == HllEncoding::kDense) {
    cx.reply.integer(add_to_dense(cx, text, args) ? 1 : 0);
    return Outcome::done();
  }
  TRY_LET(const bool is_changed, add_to_sparse(cx, text, args));
  cx.reply.integer(is_changed ? 1 : 0);
  return Outcome::done();
}

/// The estimate for one key, from the value's cache if it is valid. Otherwise the cache is renewed,
/// a write inside a read, left out while writes are refused.
Outcome count_one(CommandContext& cx) {
  StringScratch scratch;
  TRY_LET(const Bytes text, find_hll(cx, cx.key(), scratch));
  if (text.empty()) {
    cx.reply.integer(0);
    return Outcome::done();
  }
  auto count = value::hll_cached_count(text);
  if (!count) {
    const auto histogram = value::hll_histogram(text);
    if (!histogram) return Refusal::kHllCorrupted;
    count = types::hll_estimate(*histogram);
    if (!cx.keyspace.keyspace().is_expiry_resting.load(std::memory_order_relaxed)) {
      value::hll_set_cached_count(cx.keyspace.edit_string(cx.key(), text.size()), *count);
    }
  }
  cx.reply.integer(static_cast<std::int64_t>(*count));
  return Outcome::done();
}

/// Raises `registers` to those of all keys; `any_dense` is set if one of them is dense.
Outcome merge_all(CommandContext& cx, HllRegisters* registers, bool* any_dense) {
  for (const Key& key : cx.keys) {
    StringScratch scratch;
    TRY_LET(const Bytes text, find_hll(cx, key, scratch));
    if (text.empty()) continue;
    if (value::hll_encoding(text) == HllEncoding::kDense) *any_dense = true;
    if (!value::hll_merge(text, registers)) return Refusal::kHllCorrupted;
  }
  return Outcome::done();
}

/// PFCOUNT key [key ...] — the estimate for all elements of all keys.
Outcome pfcount(CommandContext& cx, Arguments) {
  if (cx.keys.size() == 1) return count_one(cx);
  HllRegisters registers{};
  bool any_dense = false;
  TRY(merge_all(cx, &registers, &any_dense));
  const std::uint64_t count = types::hll_estimate(value::hll_histogram(registers));
  cx.reply.integer(static_cast<std::int64_t>(count));
  return Outcome::done();
}

/// PFMERGE target [key ...] — the target then has seen the elements of all keys, its own included.
Outcome pfmerge(CommandContext& cx, Arguments) {
  HllRegisters registers{};
  bool any_dense = false;
  TRY(merge_all(cx, &registers, &any_dense));
  StringScratch scratch;
  TRY_LET(const Bytes old, find_hll(cx, cx.key(), scratch));

  std::string merged = old.empty() ? value::make_hyperloglog() : std::string(old);
  if (any_dense && !value::hll_make_dense(&merged)) return Refusal::kHllCorrupted;
  for (std::size_t i = 0; i < registers.size(); ++i) {
    if (registers[i] == 0) continue;
    const auto change = value::hll_raise(&merged, i, registers[i], sparse_bytes_max(cx));
    if (change == HllChange::kCorrupt) return Refusal::kHllCorrupted;
  }
  value::hll_drop_cached_count(merged.data());
  store_hll(cx, cx.key(), merged);
  cx.reply.ok();
  return Outcome::done();
}

// ---- PFDEBUG

/// Makes the key's value dense. False: it was.
Answer<bool> convert_to_dense(CommandContext& cx, Bytes text) {
  if (value::hll_encoding(text) == HllEncoding::kDense) return false;
  std::string dense(text);
  if (!value::hll_make_dense(&dense)) return Refusal::kHllCorrupted;
  store_hll(cx, cx.key(), dense);
  return true;
}

Outcome reply_registers(CommandContext& cx, Bytes text) {
  HllRegisters registers{};
  if (!value::hll_merge(text, &registers)) return Refusal::kHllCorrupted;
  TRY(convert_to_dense(cx, text));  // as Redis does to read them
  cx.reply.array(registers.size());
  for (const std::uint8_t value : registers) cx.reply.integer(value);
  return Outcome::done();
}

/// PFDEBUG GETREG | DECODE | ENCODING | TODENSE key, and PFDEBUG SIMD ON | OFF, which has nothing
/// to switch here.
Outcome pfdebug(CommandContext& cx, Arguments args) {
  const Bytes name = args.next();
  if (equals_ignoring_case(name, "SIMD")) {
    if (!args.next_is("ON") && !args.next_is("OFF")) {
      return cx.refuse("ERR Argument must be ON or OFF");
    }
    cx.reply.simple("disabled");
    return Outcome::done();
  }
  StringScratch scratch;
  TRY_LET(const Bytes text, find_hll(cx, cx.key(), scratch));
  if (text.empty()) return cx.refuse("ERR The specified key does not exist");
  const bool is_sparse = value::hll_encoding(text) == HllEncoding::kSparse;

  if (equals_ignoring_case(name, "GETREG")) return reply_registers(cx, text);
  if (equals_ignoring_case(name, "DECODE")) {
    if (!is_sparse) return cx.refuse("ERR HLL encoding is not sparse");
    cx.reply.bulk(value::hll_describe_runs(text));
  } else if (equals_ignoring_case(name, "ENCODING")) {
    cx.reply.simple(is_sparse ? "sparse" : "dense");
  } else if (equals_ignoring_case(name, "TODENSE")) {
    TRY_LET(const bool is_converted, convert_to_dense(cx, text));
    cx.reply.integer(is_converted ? 1 : 0);
  } else {
    return cx.refuse("ERR Unknown PFDEBUG subcommand '" + std::string(as_c_string(name)) + "'");
  }
  return Outcome::done();
}

// ---- PFSELFTEST

/// Do the dense encoding's registers keep what is put into them, and nothing else?
bool registers_hold(CommandContext& cx) {
  std::string dense = value::make_hyperloglog();
  value::hll_make_dense(&dense);
  HllRegisters expected{};
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = static_cast<std::uint8_t>(cx.random.next() & value::kHllRegisterMax);
      value::hll_set_dense_register(dense.data(), i, expected[i]);
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (value::hll_dense_register(dense, i) != expected[i]) return false;
    }
  }
  return true;
}

/// Adds numbers to a sparse and a dense one, and compares what they say, and with the truth.
Outcome test_estimates(CommandContext& cx) {
  constexpr std::uint64_t kCountMax = 100'000;
  const double error = 1.04 / std::sqrt(static_cast<double>(value::kHllRegisterCount));
  const std::uint64_t seed = cx.random.next();
  std::string sparse = value::make_hyperloglog();
  std::string dense = sparse;
  value::hll_make_dense(&dense);
  std::uint64_t checkpoint = 1;
  for (std::uint64_t i = 1; i <= kCountMax; ++i) {
    const std::uint64_t element = i ^ seed;
    const auto [index, value] =
        types::hll_contribution({reinterpret_cast<const char*>(&element), sizeof element});
    value::hll_raise(&sparse, index, value, sparse_bytes_max(cx));
    value::hll_raise(&dense, index, value, 0);
    if (i != checkpoint) continue;
    checkpoint *= 10;
    const auto estimate = types::hll_estimate(*value::hll_histogram(dense));
    if (estimate != types::hll_estimate(*value::hll_histogram(sparse))) {
      return cx.refuse("ERR TESTFAILED dense/sparse disagree");
    }
    const double difference = std::abs(static_cast<double>(estimate) - static_cast<double>(i));
    if (difference > std::ceil(error * 6 * static_cast<double>(i))) {
      return cx.refuse("ERR TESTFAILED Too big error. card:" + std::to_string(i) +
                       " estimate:" + std::to_string(estimate));
    }
  }
  return Outcome::done();
}

/// PFSELFTEST — OK, or what is wrong with the code or the machine.
Outcome pfselftest(CommandContext& cx, Arguments) {
  if (!registers_hold(cx)) return cx.refuse("ERR TESTFAILED registers do not hold their values");
  TRY(test_estimates(cx));
  cx.reply.ok();
  return Outcome::done();
}

// ---- The table

using keyspace::Logged;

constexpr KeySpec kAdd[] = {KeySpec::at(1, KeyUse::kReadWrite | KeyUse::kInsert)};
constexpr KeySpec kCount[] = {
    {.use = KeyUse::kReadWrite | KeyUse::kAccess,
     .begin = 1,
     .last = -1,
     .notes = "RW because it may change the internal representation of the key, and propagate to "
              "replicas"}};
constexpr KeySpec kDebug[] = {KeySpec::at(2, KeyUse::kReadWrite | KeyUse::kAccess)};
// The sources' range begins behind the last word if there are none: it is empty then.
constexpr KeySpec kMerge[] = {
    KeySpec::at(1, KeyUse::kReadWrite | KeyUse::kAccess | KeyUse::kInsert),
    KeySpec::range(2, -1, 1, KeyUse::kReadOnly | KeyUse::kAccess)};

constexpr Row kRows[] = {
    {.name = "PFADD",
     .words = Words::at_least(2),
     .keys = kAdd,
     .flags = Flag::kWrite | Flag::kDenyOom | Flag::kFast,
     .logged = Logged::kVerbatim,
     .function = pfadd,
     .group = Group::kHyperloglog,
     .since = "2.8.9",
     .complexity = "O(1) for each element.",
     .summary = "Adds elements to a HyperLogLog, which is created if it does not exist.",
     .syntax = "key [element [element ...]]"},
    {.name = "PFCOUNT",
     .words = Words::at_least(2),
     .keys = kCount,
     .flags = Flag::kReadonly,
     .logged = Logged::kVerbatim,
     .function = pfcount,
     .group = Group::kHyperloglog,
     .since = "2.8.9",
     .complexity = "O(1) with one key and a small constant; O(N) with N keys and a large one.",
     .summary = "Estimates how many different elements were added to HyperLogLogs.",
     .syntax = "key [key ...]"},
    {.name = "PFDEBUG",
     .words = Words::exactly(3),
     .keys = kDebug,
     .flags = Flag::kWrite | Flag::kDenyOom | Flag::kAdmin | Flag::kSyscmd,
     .logged = Logged::kVerbatim,
     .function = pfdebug,
     .group = Group::kHyperloglog,
     .since = "2.8.9",
     .complexity = "N/A",
     .summary = "Looks into the representation of a HyperLogLog.",
     .syntax = "subcommand key"},
    {.name = "PFMERGE",
     .words = Words::at_least(2),
     .keys = kMerge,
     .flags = Flag::kWrite | Flag::kDenyOom,
     .logged = Logged::kVerbatim,
     .function = pfmerge,
     .group = Group::kHyperloglog,
     .since = "2.8.9",
     .complexity = "O(N) for N HyperLogLogs, with a large constant.",
     .summary = "Adds all elements of several HyperLogLogs to one of them.",
     .syntax = "destkey [sourcekey [sourcekey ...]]"},
    {.name = "PFSELFTEST",
     .words = Words::exactly(1),
     .flags = Flag::kAdmin | Flag::kSyscmd,
     .function = pfselftest,
     .group = Group::kHyperloglog,
     .since = "2.8.9",
     .complexity = "N/A",
     .summary = "Tests the implementation of HyperLogLogs.",
     .syntax = ""},
};
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> hyperloglog_rows() { return kRows; }

}  // namespace diskdb::command
