#include "command/scan_options.h"

#include "base/glob.h"

namespace diskdb::command {

Answer<std::uint64_t> parse_cursor(Bytes text) {
  const bool is_negative = text.starts_with('-');
  const bool has_sign = is_negative || text.starts_with('+');
  if (has_sign && text.size() == 1) return Refusal::kInvalidCursor;
  std::uint64_t cursor = 0;
  for (const char c : text.substr(has_sign ? 1 : 0)) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (c < '0' || c > '9' || __builtin_mul_overflow(cursor, 10, &cursor) ||
        __builtin_add_overflow(cursor, digit, &cursor)) {
      return Refusal::kInvalidCursor;
    }
  }
  return is_negative ? 0 - cursor : cursor;
}

bool ScanOptions::matches(Bytes name) const {
  return pattern == "*" ||
         glob_matches(pattern, name);  // the matcher finds no star in an empty one
}

Outcome read_scan_options(CommandContext& cx, Arguments& args, ScanOf of, ScanOptions* options) {
  while (!args.is_empty()) {
    const bool has_value = args.count() >= 2;
    if (has_value && args.next_is("COUNT")) {
      TRY_LET(const std::int64_t count, args.next_integer());
      if (count < 1) return Refusal::kSyntax;
      options->count = static_cast<std::uint64_t>(count);
    } else if (has_value && args.next_is("MATCH")) {
      options->pattern = args.next();
    } else if (has_value && of == ScanOf::kKeys && args.next_is("TYPE")) {
      options->type = args.next();
    } else if (args.next_is("NOVALUES")) {
      if (of != ScanOf::kFields) {
        return cx.refuse("ERR NOVALUES option can only be used in HSCAN");
      }
      options->has_no_values = true;
    } else {
      return Refusal::kSyntax;
    }
  }
  return Outcome::done();
}

}  // namespace diskdb::command
