// types/string_value.h — what Redis means by a string value: text that may be a number.
//
// A string that spells an integer canonically is kept as that integer (OBJECT ENCODING int),
// whoever sets it, so INCR changes eight bytes; its text is the same as before in every reply.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/number.h"
#include "keyspace/record.h"
#include "keyspace/string_text.h"
#include "resp/reply.h"

namespace diskdb::types {

/// Does Redis keep the value in one of its compact forms, "int" or "embstr"? Whatever may edit a
/// string in place takes these apart first, even if in the end it changes nothing.
bool is_compact(const keyspace::Record& record);

/// The text of a string value in one run: where it lies, or in `scratch`. Borrows both. Absent
/// (null) is the empty text. Requires: `record` is null or a string.
Bytes text_of(const keyspace::Record* record, const value::ObjectUse& reading,
              keyspace::StringScratch& scratch);
/// Of it the bytes [offset, offset + size), as far as there are any. Touches no other pages.
Bytes text_in(const keyspace::Record* record, std::uint64_t offset, std::uint64_t size,
              const value::ObjectUse& reading, keyspace::StringScratch& scratch);
/// Of the text, 0 if absent.
inline std::uint64_t length_of(const keyspace::Record* record) {
  return record == nullptr ? 0 : record->string_length();
}

/// A longer text in pages is taken for no number: Redis has the same bound.
constexpr std::size_t kNumberBytesMax = 5 * 1024;

/// The integer that the value is or spells. Requires: `record` is a string.
inline std::optional<std::int64_t> integer_of(const keyspace::Record& record,
                                              const value::ObjectUse& reading) {
  if (record.encoding() == keyspace::Encoding::kInteger) return record.integer();
  if (!record.is_paged()) [[likely]]
    return parse_integer(record.value_bytes());
  if (record.string_length() > kNumberBytesMax) return std::nullopt;
  keyspace::StringScratch scratch;
  return parse_integer(keyspace::text_of(record, reading, scratch));
}

/// The float that the value is or spells. Requires: `record` is a string.
std::optional<long double> real_of(const keyspace::Record& record, const value::ObjectUse& reading);

/// Replies with the value, large ones by reference, or with null. Requires: as text_of.
void reply_value(resp::Reply& reply, const keyspace::Record* record,
                 const value::ObjectUse& reading);
/// Replies with the bytes [offset, offset + size). Requires: `record` is a string that has them.
void reply_range(resp::Reply& reply, const keyspace::Record& record, std::uint64_t offset,
                 std::uint64_t size, const value::ObjectUse& reading);

/// What DIGEST shows and IFDEQ compares: XXH3 of the text, 64 bits with seed 0.
std::uint64_t digest_of(Bytes text);

/// How a digest is written: 16 lower-case hexadecimal digits.
constexpr std::size_t kDigestTextBytes = 16;
/// Writes `digest` to `to`. Requires: room for kDigestTextBytes.
void format_digest(char* to, std::uint64_t digest);
/// Absent unless `text` is a digest, in digits of any case.
std::optional<std::uint64_t> parse_digest(Bytes text);

}  // namespace diskdb::types
