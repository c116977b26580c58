// command/scan_options.h — what SCAN, HSCAN, SSCAN and ZSCAN have in common: cursors as clients
// write them, and options.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/refusal.h"
#include "command/arguments.h"
#include "command/context.h"

namespace diskdb::command {

/// What strtoul makes of the text, which is how Redis reads cursors: nothing is 0, a sign may stand
/// in front, and "-1" is the largest number. Refuses what it does not read.
Answer<std::uint64_t> parse_cursor(Bytes text);

/// Which options a scan knows beside MATCH and COUNT.
enum class ScanOf : std::uint8_t {
  kKeys,      ///< TYPE
  kFields,    ///< NOVALUES
  kElements,  ///< none
};

/// Borrows the request.
struct ScanOptions {
  Bytes pattern = "*";
  std::uint64_t count = 10;  ///< how many elements to look at, about
  std::optional<Bytes> type;
  bool has_no_values = false;

  /// Does MATCH, if it is there, let it through?
  bool matches(Bytes name) const;
};

/// Reads all that is left of `args`. Refuses what is no option.
Outcome read_scan_options(CommandContext& cx, Arguments& args, ScanOf of, ScanOptions* options);

}  // namespace diskdb::command
