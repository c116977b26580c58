#include "keyspace/digest.h"

#include <openssl/sha.h>

#include <memory>
#include <string>

#include "base/number.h"
#include "keyspace/image.h"
#include "keyspace/string_text.h"
#include "store/format.h"
#include "value/stream.h"

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

/// A field with its value, or a member with its score.
void mix_pair(Digest& all, Bytes name, Bytes value, bool has_expiry = false) {
  Digest digest{};
  mix(digest, name);
  mix(digest, value);
  if (has_expiry) add(digest, "!!hexpire!!");
  add(all, bytes_of(digest));
}

void mix_elements(const Access& access, Digest& digest, value::Object& object) {
  const value::ObjectHandle elements(object, access.reading());
  for (value::ElementCursor c = elements.at(0); !c.is_at_end(); c.next()) {
    switch (object.layout()) {
      case value::Layout::kSequence:
        mix(digest, c.entry());
        break;
      case value::Layout::kMembers:
        add(digest, c.entry());
        break;
      case value::Layout::kPairs:
        mix_pair(digest, c.pair().key, c.pair().value, c.pair().expiry.count != 0);
        break;
      case value::Layout::kScores:
        mix_pair(digest, c.entry(), format_double(c.score()));
        break;
      case value::Layout::kChunks:
      case value::Layout::kStream:
        ASSERT(false);  // a string, or as below
    }
  }
}

void mix_entries(const Access& access, Digest& digest, value::Object& object) {
  const value::Stream stream(object, access.reading());
  for (value::StreamEntries e = stream.entry_at(0); !e.is_at_end(); e.next()) {
    const value::StreamId id = e.id();
    mix(digest, std::to_string(id.ms) + "." + std::to_string(id.seq));
    for (const Bytes word : e.fields()) mix(digest, word);
  }
}

void mix_value(const Access& access, Digest& digest, const Record& record) {
  mix_number(digest, static_cast<std::uint32_t>(record.type()));
  if (record.type() == Type::kString) {
    StringScratch scratch;
    mix(digest, text_of(record, access.reading(), scratch));
  } else if (record.type() == Type::kStream) {
    mix_entries(access, digest, record.object());
  } else {
    mix_elements(access, digest, record.object());
  }
  if (record.has_expiry()) add(digest, "!!expire!!");
}

void add_key(const Access& access, Digest& all, const Record& record) {
  Digest digest{};
  mix(digest, record.key());
  mix_value(access, digest, record);
  add(all, bytes_of(digest));
}

/// A large object that lives in no table: its pages are read from the store and count nowhere.
void adopt_stray(value::Object& object, std::uint64_t generation) {
  auto nowhere = std::make_shared<value::PageTotals>();
  nowhere->is_detached = true;
  object.set_totals(std::move(nowhere));
  object.set_generation(generation);
}

/// Adds the keys of the database that are in the store only.
Status add_cold(Access& access, std::uint32_t db, Digest& all) {
  Keyspace& keyspace = access.keyspace();
  const store::KeyRange range = store::record_range(keyspace.generation(db));
  Status status;
  const auto add_one = [&](Bytes encoded_key, Bytes encoded_record) -> Status {
    TRY_LET(const store::RecordKey stored, store::decode_record_key(encoded_key));
    const Key key = access.key(stored.key);
    const Table& table = access.table(keyspace.shard_of(key.slot), db);
    if (table.find_slot(key) != nullptr) return {};
    TRY_LET(Record * record, record_of(key, encoded_record, keyspace.ingested_epoch()));
    if (record->encoding() == Encoding::kObject && !record->object().is_small()) {
      adopt_stray(record->object(), keyspace.generation(db));
    }
    add_key(access, all, *record);
    Record::destroy(record);
    return {};
  };
  TRY(keyspace.store()->scan(range.from, range.to, [&](Bytes key, Bytes record) {
    status = add_one(key, record);
    return status.ok();
  }));
  return status;
}

}  // namespace

Digest digest_of_value(const Access& access, const Record& record) {
  Digest digest{};
  mix_value(access, digest, record);
  return digest;
}

Result<Digest> digest_of_all(Access& access) {
  Digest all{};
  for (std::uint32_t db = 0; db < access.keyspace().database_count(); ++db) {
    if (access.key_count(db) == 0) continue;
    mix_number(all, db);
    bool has_cold = false;
    for (Shard& shard : access.keyspace().shards()) {
      const Table& table = access.table(shard, db);
      table.for_each([&](const Record* record) { add_key(access, all, *record); });
      has_cold = has_cold || table.cold_count() != 0;
    }
    if (has_cold) TRY(add_cold(access, db, all));
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
