#include "command/expiry_option.h"

#include <limits>

#include "base/number.h"
#include "command/command_table.h"

namespace diskdb::command {
namespace {

struct Name {
  Bytes name;
  ExpiryForm form;
};

constexpr Name kNames[] = {
    {"EX", ExpiryForm::kSeconds},     {"PX", ExpiryForm::kMillis},
    {"EXAT", ExpiryForm::kSecondsAt}, {"PXAT", ExpiryForm::kMillisAt},
    {"KEEPTTL", ExpiryForm::kKeep},   {"PERSIST", ExpiryForm::kPersist},
};

ExpiryForm form_of(Bytes word) {
  for (const auto& [name, form] : kNames) {
    if (equals_ignoring_case(word, name)) return form;
  }
  return ExpiryForm::kNone;
}

Outcome refuse_time(CommandContext& cx) {
  return cx.refuse("ERR invalid expire time in '" + full_name(cx.row) + "' command");
}

}  // namespace

bool take_expiry_option(Arguments& args, ExpiryForm extra, ExpiryOption* option) {
  const ExpiryForm form = form_of(args.peek());
  if (form == ExpiryForm::kNone) return false;
  if (option->form != ExpiryForm::kNone && option->form != form) return false;
  const bool has_word = form >= ExpiryForm::kSeconds;
  if (has_word ? args.count() < 2 : form != extra) return false;
  args.next();
  option->form = form;
  if (has_word) option->word = args.next();
  return true;
}

Answer<Millis> expiry_instant(CommandContext& cx, const ExpiryOption& option) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  const auto number = parse_integer(option.word);
  if (!number) return Refusal::kNotInteger;

  std::int64_t millis = *number;
  if (millis <= 0) return refuse_time(cx);
  if (option.form == ExpiryForm::kSeconds || option.form == ExpiryForm::kSecondsAt) {
    if (millis > kMax / 1000) return refuse_time(cx);
    millis *= 1000;
  }
  if (option.is_relative()) {
    if (millis > kMax - cx.now().count) return refuse_time(cx);
    millis += cx.now().count;
  }
  return Millis{millis};
}

bool has_passed(const CommandContext& cx, Millis when) {
  return when <= cx.now() && !cx.keyspace.keyspace().is_replaying.load(std::memory_order_relaxed);
}

}  // namespace diskdb::command
