// resp/limits.h — what the protocol layer bounds. The figures are Redis's: clients and its test
// suite know them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace diskdb::resp {

/// The longest line without its line feed: an inline command, a plain-text line, a count, a length.
constexpr std::size_t kLineBytesMax = 64 * 1024;
constexpr std::int64_t kRequestWordsMax = std::numeric_limits<std::int32_t>::max();

/// What a client that must authenticate, and has not, may send: enough for AUTH and HELLO.
constexpr std::int64_t kUnauthenticatedWordsMax = 10;
constexpr std::int64_t kUnauthenticatedBulkBytesMax = 16 * 1024;

/// A parser gives room for more words than this back after use.
constexpr std::size_t kWordsKeptMax = 4096;

}  // namespace diskdb::resp
