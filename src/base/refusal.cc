#include "base/refusal.h"

#include <array>
#include <cstddef>

#include "base/assert.h"

namespace diskdb {
namespace {

struct Row {
  Refusal refusal;
  Bytes text;
};

// The words are Redis's: clients match on them.
constexpr Row kRows[] = {
    {Refusal::kWrongType, "WRONGTYPE Operation against a key holding the wrong kind of value"},
    {Refusal::kSyntax, "ERR syntax error"},
    {Refusal::kNotInteger, "ERR value is not an integer or out of range"},
    {Refusal::kNotFloat, "ERR value is not a valid float"},
    {Refusal::kOverflow, "ERR increment or decrement would overflow"},
    {Refusal::kNanOrInfinity, "ERR increment would produce NaN or Infinity"},
    {Refusal::kNoSuchKey, "ERR no such key"},
    {Refusal::kSameObject, "ERR source and destination objects are the same"},
    {Refusal::kIndexOutOfRange, "ERR index out of range"},
    {Refusal::kOutOfRange, "ERR value is out of range"},
    {Refusal::kDbIndexOutOfRange, "ERR DB index is out of range"},
    {Refusal::kInvalidDbIndex, "ERR invalid DB index"},
    {Refusal::kStringTooLong, "ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
    {Refusal::kOffsetOutOfRange, "ERR offset is out of range"},
    {Refusal::kBitOffset, "ERR bit offset is not an integer or out of range"},
    {Refusal::kBitValue, "ERR bit is not an integer or out of range"},
    {Refusal::kHllCorrupted, "INVALIDOBJ Corrupted HLL object detected"},
    {Refusal::kHllWrongType, "WRONGTYPE Key is not a valid HyperLogLog string value."},
    {Refusal::kInvalidCursor, "ERR invalid cursor"},
    {Refusal::kOutOfMemory, "OOM command not allowed when used memory > 'maxmemory'."},
    {Refusal::kMisconfDisk, "MISCONF Errors writing to the command log: No space left on device"},
    {Refusal::kMisconfCheckpoint,
     "MISCONF Checkpoints fail, and what they should store has reached its limit. Please check the "
     "server's log for the error."},
    {Refusal::kLoading, "LOADING Redis is loading the dataset in memory"},
};

consteval bool rows_are_complete() {
  std::size_t i = static_cast<std::size_t>(Refusal::kWrongType);
  for (const Row& row : kRows) {
    if (row.refusal != static_cast<Refusal>(i++) || row.text.empty()) return false;
  }
  return i == static_cast<std::size_t>(Refusal::kCount);
}
static_assert(rows_are_complete());

}  // namespace

Bytes refusal_text(Refusal refusal) {
  ASSERT(refusal >= Refusal::kWrongType && refusal < Refusal::kCount);
  return kRows[static_cast<std::size_t>(refusal) - static_cast<std::size_t>(Refusal::kWrongType)]
      .text;
}

}  // namespace diskdb
