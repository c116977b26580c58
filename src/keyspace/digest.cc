#include "keyspace/digest.h"

#include <openssl/sha.h>

#include "base/assert.h"

namespace diskdb::keyspace {
namespace {

static_assert(std::tuple_size_v<Digest> == SHA_DIGEST_LENGTH);

Digest sha1(Bytes bytes) {
  Digest digest;
  ::SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

Bytes bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// For things without order: adding the same twice takes it out again.
void add(Digest& digest, Bytes bytes) {
  const Digest other = sha1(bytes);
  for (std::size_t i = 0; i < digest.size(); ++i) digest[i] ^= other[i];
}

/// For things in order.
void mix(Digest& digest, Bytes bytes) {
  add(digest, bytes);
  digest = sha1(bytes_of(digest));
}

void mix_number(Digest& digest, std::uint32_t number) {
  const char big_endian[] = {static_cast<char>(number >> 24U), static_cast<char>(number >> 16U),
                             static_cast<char>(number >> 8U), static_cast<char>(number)};
  mix(digest, {big_endian, sizeof(big_endian)});
}

void mix_value(Digest& digest, const Record& record) {
  ASSERT(record.type() == Type::kString);
  mix_number(digest, static_cast<std::uint32_t>(record.type()));
  IntegerText scratch;
  mix(digest, text_of(record.string(), scratch));
  if (record.has_expiry()) add(digest, "!!expire!!");
}

}  // namespace

Digest digest_of_value(const Record& record) {
  Digest digest{};
  mix_value(digest, record);
  return digest;
}

Digest digest_of_all(Access& access) {
  Digest all{};
  for (std::uint32_t db = 0; db < access.keyspace().database_count(); ++db) {
    if (access.key_count(db) == 0) continue;
    mix_number(all, db);
    for (Shard& shard : access.keyspace().shards()) {
      access.table(shard, db).for_each([&](const Record* record) {
        Digest digest{};
        mix(digest, record->key());
        mix_value(digest, *record);
        add(all, bytes_of(digest));
      });
    }
  }
  return all;
}

std::string digest_text(const Digest& digest) {
  constexpr Bytes kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace diskdb::keyspace
