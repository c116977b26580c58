// INCREX: a counter with bounds and a time to live, in one step.
//
//   INCREX key [BYINT n | BYFLOAT x] [LBOUND n] [UBOUND n] [SATURATE] [expiry | PERSIST] [ENX]
//
// A sum outside the bounds (by default those of the type) leaves key and expiry alone, or, with
// SATURATE, becomes the bound. The reply is the value from now on and what was added to it. Logged
// by its result, like INCRBYFLOAT.

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "command/expiry_option.h"
#include "command/string_commands.h"
#include "keyspace/access.h"
#include "types/string_value.h"

namespace diskdb::command::strings {
namespace {

using keyspace::Expiry;
using keyspace::Record;
using keyspace::Type;

/// Wide enough for sums and differences of any two 64-bit integers.
__extension__ using WideInteger = __int128;

struct Options {
  std::optional<Bytes> by;
  std::optional<Bytes> lower;
  std::optional<Bytes> upper;
  bool is_real = false;
  bool saturates = false;
  bool only_without_expiry = false;  // ENX
  ExpiryOption expiry;
};

/// Takes `name` and the word behind it. An option may not stand twice.
bool take_word(Arguments& args, Bytes name, std::optional<Bytes>* word) {
  if (word->has_value() || args.count() < 2 || !args.next_is(name)) return false;
  *word = args.next();
  return true;
}

bool take_flag(Arguments& args, Bytes name, bool* flag) {
  if (*flag || !args.next_is(name)) return false;
  return *flag = true;
}

bool take_expiry(Arguments& args, ExpiryOption* expiry) {
  return expiry->form == ExpiryForm::kNone &&
         take_expiry_option(args, ExpiryForm::kPersist, expiry);
}

Answer<bool> refuse_number(CommandContext& cx, const char* what, bool is_real) {
  return cx.refuse(std::string("ERR ") + what +
                   (is_real ? " is not a valid float" : " is not an integer or out of range"));
}

Outcome read_options(CommandContext& cx, Arguments args, Options* options) {
  while (!args.is_empty()) {
    if (take_word(args, "BYINT", &options->by)) continue;
    if (take_word(args, "BYFLOAT", &options->by)) {
      options->is_real = true;
    } else if (!take_word(args, "LBOUND", &options->lower) &&
               !take_word(args, "UBOUND", &options->upper) &&
               !take_flag(args, "SATURATE", &options->saturates) &&
               !take_flag(args, "ENX", &options->only_without_expiry) &&
               !take_expiry(args, &options->expiry)) {
      return Refusal::kSyntax;
    }
  }
  if (options->only_without_expiry) {
    if (options->expiry.form == ExpiryForm::kPersist) return Refusal::kSyntax;
    if (!options->expiry.names_time()) return cx.refuse("ERR ENX flag requires an expiration");
  }
  return Outcome::done();
}

// The two kinds of number. Number is what values are, Wide what is calculated with.
struct Integers {
  using Wide = WideInteger;
  static constexpr bool kIsReal = false;
  static constexpr Wide kLowest = std::numeric_limits<std::int64_t>::min();
  static constexpr Wide kHighest = std::numeric_limits<std::int64_t>::max();
  static constexpr const char* kTooFar = "ERR applied increment would overflow";

  static std::optional<Wide> parse(Bytes text) {
    const auto value = parse_integer(text);
    return value ? std::optional<Wide>(*value) : std::nullopt;
  }
  static std::optional<Wide> of(const Record& record, const value::ObjectUse& reading) {
    const auto value = types::integer_of(record, reading);
    return value ? std::optional<Wide>(*value) : std::nullopt;
  }
  static Refusal refusal() { return Refusal::kNotInteger; }
  static bool is_number(Wide) { return true; }
  static bool is_expressible(Wide value) { return value >= kLowest && value <= kHighest; }
  static void store(CommandContext& cx, Wide value, Expiry expiry) {
    cx.keyspace.set_integer(cx.key(), static_cast<std::int64_t>(value), expiry);
  }
  static void reply(resp::Reply& reply, Wide value) {
    reply.integer(static_cast<std::int64_t>(value));
  }
};

struct Reals {
  using Wide = long double;
  static constexpr bool kIsReal = true;
  static constexpr Wide kLowest = -LDBL_MAX;
  static constexpr Wide kHighest = LDBL_MAX;
  static constexpr const char* kTooFar = "ERR applied increment would be Infinity";

  static std::optional<Wide> parse(Bytes text) { return parse_real(text); }
  static std::optional<Wide> of(const Record& record, const value::ObjectUse& reading) {
    return types::real_of(record, reading);
  }
  static Refusal refusal() { return Refusal::kNotFloat; }
  static bool is_number(Wide value) { return !std::isnan(value); }
  static bool is_expressible(Wide value) { return std::isfinite(value); }
  static void store(CommandContext& cx, Wide value, Expiry expiry) {
    cx.keyspace.set_text(cx.key(), format_human(value), expiry);
  }
  static void reply(resp::Reply& reply, Wide value) { reply.human_real(value); }
};

template <typename Numbers>
concept NumberKind = requires(typename Numbers::Wide value, Bytes text) {
  { Numbers::parse(text) } -> std::same_as<std::optional<typename Numbers::Wide>>;
  { Numbers::is_expressible(value) } -> std::same_as<bool>;
};

/// The number an option gives, or `otherwise` without it.
template <NumberKind Numbers>
Answer<bool> read_number(CommandContext& cx, const char* what, const std::optional<Bytes>& word,
                         typename Numbers::Wide* number) {
  if (!word) return true;
  const auto value = Numbers::parse(*word);
  if (!value) return refuse_number(cx, what, Numbers::kIsReal);
  *number = *value;
  return true;
}

/// What becomes of the key's expiry. None: the key itself is to go, for it would have expired.
std::optional<Expiry> expiry_after(const CommandContext& cx, const Options& options,
                                   const Record* old, Millis when) {
  if (options.expiry.form == ExpiryForm::kPersist) return Expiry::none();
  if (!options.expiry.names_time()) return Expiry::keep();
  if (options.only_without_expiry && old != nullptr && old->has_expiry()) return Expiry::keep();
  if (has_passed(cx, when)) return std::nullopt;
  return Expiry::at(when);
}

template <NumberKind Numbers>
Outcome count(CommandContext& cx, const Options& options) {
  using Wide = typename Numbers::Wide;
  Wide delta = 1;
  Wide lower = Numbers::kLowest;
  Wide upper = Numbers::kHighest;
  TRY(read_number<Numbers>(cx, "Increment", options.by, &delta));
  TRY(read_number<Numbers>(cx, "LBOUND", options.lower, &lower));
  TRY(read_number<Numbers>(cx, "UBOUND", options.upper, &upper));
  if (lower > upper) return cx.refuse("ERR LBOUND can't be greater than UBOUND");
  Millis when{};
  if (options.expiry.names_time()) {
    TRY_LET(when, expiry_instant(cx, options.expiry));
  }

  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kString));
  Wide old = 0;
  if (record != nullptr) {
    const auto value = Numbers::of(*record, cx.keyspace.reading());
    if (!value) return Numbers::refusal();
    old = *value;
  }

  Wide sum = old + delta;
  if (!Numbers::is_number(sum)) return Refusal::kNanOrInfinity;
  const bool is_outside = sum < lower || sum > upper;
  if (is_outside && !options.saturates) {
    cx.reply.array(2);
    Numbers::reply(cx.reply, old);
    Numbers::reply(cx.reply, 0);
    return Outcome::done();
  }
  if (is_outside) sum = sum > upper ? upper : lower;
  if (!Numbers::is_expressible(sum - old)) return cx.refuse(Numbers::kTooFar);

  if (const auto expiry = expiry_after(cx, options, record, when)) {
    Numbers::store(cx, sum, *expiry);
  } else {
    cx.keyspace.erase(cx.key());
  }
  cx.reply.array(2);
  Numbers::reply(cx.reply, sum);
  Numbers::reply(cx.reply, sum - old);
  return Outcome::done();
}

}  // namespace

Outcome increx(CommandContext& cx, Arguments args) {
  args.next();
  Options options;
  TRY(read_options(cx, args, &options));
  return options.is_real ? count<Reals>(cx, options) : count<Integers>(cx, options);
}

}  // namespace diskdb::command::strings
