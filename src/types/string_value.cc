#include "types/string_value.h"

#include "keyspace/key.h"

namespace diskdb::types {
namespace {

constexpr std::size_t kEmbeddedBytesMax = 44;

/// Shorter runs are copied: naming one costs as much.
constexpr std::size_t kRunBytesByReference = 1024;

// Zeros that lie nowhere are sent from one block, over and over.
void append_runs(resp::Reply& reply, const value::LongString& text, std::uint64_t offset,
                 std::uint64_t size) {
  SharedBytes zeros;
  for (value::LongString::Parts runs = text.parts(offset, size); !runs.is_at_end(); runs.next()) {
    const Bytes run = runs.bytes();
    if (run.size() < kRunBytesByReference) {
      reply.output().append(run);
    } else if (runs.is_zeros()) {
      if (!zeros || zeros.size() < run.size()) zeros = SharedBytes::copy_of(run);
      reply.output().append_shared(zeros, zeros.view().substr(0, run.size()));
    } else {
      reply.output().append_shared(runs.block(), run);
    }
  }
}

}  // namespace

using keyspace::Encoding;
using keyspace::Record;

Bytes text_of(const Record* record, const value::ObjectUse& reading,
              keyspace::StringScratch& scratch) {
  if (record == nullptr) return {};
  return keyspace::text_of(*record, reading, scratch);
}

Bytes text_in(const Record* record, std::uint64_t offset, std::uint64_t size,
              const value::ObjectUse& reading, keyspace::StringScratch& scratch) {
  if (record == nullptr) return {};
  return keyspace::text_in(*record, offset, size, reading, scratch);
}

std::optional<long double> real_of(const Record& record, const value::ObjectUse& reading) {
  if (record.encoding() == Encoding::kInteger) return static_cast<long double>(record.integer());
  if (record.is_paged() && record.string_length() > kNumberBytesMax) return std::nullopt;
  keyspace::StringScratch scratch;
  return parse_real(keyspace::text_of(record, reading, scratch));
}

void reply_value(resp::Reply& reply, const Record* record, const value::ObjectUse& reading) {
  if (record == nullptr) return reply.null();
  switch (record->encoding()) {
    case Encoding::kInteger:
      return reply.bulk_integer(record->integer());
    case Encoding::kInline:
      return reply.bulk(record->value_bytes());
    case Encoding::kShared:
      return reply.bulk(record->shared());
    case Encoding::kObject:
      return reply_range(reply, *record, 0, record->string_length(), reading);
  }
}

void reply_range(resp::Reply& reply, const Record& record, std::uint64_t offset, std::uint64_t size,
                 const value::ObjectUse& reading) {
  if (record.is_paged()) {
    reply.begin_bulk(size);
    append_runs(reply, value::LongString(record.object(), reading), offset, size);
    return reply.end_bulk();
  }
  keyspace::StringScratch scratch;
  reply.bulk(keyspace::text_in(record, offset, size, reading, scratch));
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
