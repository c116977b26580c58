#include "types/string_value.h"

#include "keyspace/key.h"

namespace diskdb::types {
namespace {

constexpr std::size_t kEmbeddedBytesMax = 44;

}  // namespace

using keyspace::Encoding;
using keyspace::Record;

Bytes text_of(const Record* record, keyspace::IntegerText& scratch) {
  if (record == nullptr) return {};
  return keyspace::text_of(record->string(), scratch);
}

std::optional<long double> real_of(const Record& record) {
  if (record.encoding() == Encoding::kInteger) return static_cast<long double>(record.integer());
  return parse_real(record.value_bytes());
}

void reply_value(resp::Reply& reply, const Record* record) {
  if (record == nullptr) return reply.null();
  switch (record->encoding()) {
    case Encoding::kInteger:
      return reply.bulk_integer(record->integer());
    case Encoding::kInline:
      return reply.bulk(record->value_bytes());
    case Encoding::kShared:
      return reply.bulk(record->shared());
    case keyspace::Encoding::kObject:
      ASSERT(false);
  }
}

bool is_compact(const Record& record) {
  return !record.is_raw() && record.string_length() <= kEmbeddedBytesMax;
}

std::uint64_t digest_of(Bytes text) {
  return keyspace::hash_of(text, 0);  // XXH3 too; string_value_test.cc pins it
}

void format_digest(char* to, std::uint64_t digest) {
  for (std::size_t i = kDigestTextBytes; i-- > 0; digest >>= 4U) {
    to[i] = "0123456789abcdef"[digest & 15U];
  }
}

std::optional<std::uint64_t> parse_digest(Bytes text) {
  if (text.size() != kDigestTextBytes) return std::nullopt;
  std::uint64_t digest = 0;
  for (const char raw : text) {
    const char c = to_lower(raw);
    if (c >= '0' && c <= '9') {
      digest = digest << 4U | static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digest = digest << 4U | static_cast<std::uint64_t>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return digest;
}

}  // namespace diskdb::types
