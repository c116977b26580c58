#include "command/blocking_timeout.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "base/number.h"

namespace diskdb::command {

Answer<Millis> next_timeout(CommandContext& cx, Arguments& args) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  const auto seconds = parse_real(args.next());
  if (!seconds) return cx.refuse("ERR timeout is not a float or out of range");
  const long double millis = std::ceil(*seconds * 1000);
  if (millis > static_cast<long double>(kMax)) return cx.refuse("ERR timeout is out of range");
  if (millis < 0) return cx.refuse("ERR timeout is negative");
  if (millis == 0) return Millis{};
  const auto count = static_cast<std::int64_t>(millis);
  if (count > kMax - cx.now().count) return cx.refuse("ERR timeout is out of range");
  return cx.now() + Millis{count};
}

}  // namespace diskdb::command
