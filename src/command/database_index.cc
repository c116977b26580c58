#include "command/database_index.h"

#include <fmt/format.h>

#include <limits>

namespace diskdb::command {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();

}  // namespace

std::optional<std::int32_t> parse_database_index(Bytes word) {
  const auto index = parse_integer(word);
  if (!index || *index < kMin || *index > kMax) return std::nullopt;
  return static_cast<std::int32_t>(*index);
}

Answer<std::uint32_t> next_database(CommandContext& cx, Arguments& args) {
  TRY_LET(const std::int64_t index, args.next_integer());
  if (index < kMin || index > kMax) {
    return cx.refuse(
        fmt::format("ERR value is out of range, value must between {} and {}", kMin, kMax));
  }
  if (index < 0 || index >= cx.keyspace.keyspace().database_count()) {
    return Refusal::kDbIndexOutOfRange;
  }
  return static_cast<std::uint32_t>(index);
}

}  // namespace diskdb::command
