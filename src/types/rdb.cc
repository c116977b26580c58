#include "types/rdb.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "base/assert.h"
#include "base/crc.h"
#include "base/number.h"
#include "keyspace/string_text.h"
#include "types/json_document.h"
#include "types/rdb_bytes.h"
#include "types/rdb_stream.h"
#include "types/traits.h"

namespace diskdb::types {
namespace {

using keyspace::Type;

// Value types. Numbers are Redis's.
enum : std::uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kSortedSetText = 3,
  kHash = 4,
  kSortedSetBinary = 5,
  kModule2 = 7,
  kHashZipmap = 9,
  kListZiplist = 10,
  kSetIntset = 11,
  kSortedSetZiplist = 12,
  kHashZiplist = 13,
  kListQuicklist = 14,
  kHashListpack = 16,
  kSortedSetListpack = 17,
  kListQuicklist2 = 18,
  kSetListpack = 20,
  kStream1 = 15,
  kStream2 = 19,
  kStream3 = 21,
  kHashDated = 24,
  kHashDatedListpack = 25,
};

// The version that first had what we write: binary scores came with 8.
constexpr std::uint16_t kVersionWritten = 6;
constexpr std::uint16_t kVersionOfBinaryScores = 8;
constexpr std::uint16_t kVersionOfStreams = 10;
constexpr std::uint16_t kVersionOfDatedHashes = 12;
constexpr std::uint16_t kVersionOfModules = 8;

// A module's value: the module's id, then opcodes with what they announce. An id is nine characters
// of six bits each and ten bits of the version of what the module writes.
constexpr Bytes kModuleAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr Bytes kJsonModule = "ReJSON-RL";
constexpr std::uint64_t kJsonModuleVersion = 3;  // one string: the document's text
constexpr std::uint64_t kModuleEnd = 0;
constexpr std::uint64_t kModuleString = 5;

constexpr std::uint64_t json_module_id() {
  std::uint64_t id = 0;
  for (const char c : kJsonModule) id = id << 6U | kModuleAlphabet.find(c);
  return id << 10U | kJsonModuleVersion;
}

constexpr std::size_t kFooterBytes = 10;

Error corrupt(const char* what) { return {Code::kCorrupt, std::string("RDB: ") + what}; }

// ---- Reading

/// A score as text, with a byte of length that also stands for what is no number.
double read_text_score(Reader& reader) {
  const std::uint8_t size = reader.byte();
  switch (size) {
    case 253:
      return std::nan("");
    case 254:
      return HUGE_VAL;
    case 255:
      return -HUGE_VAL;
    default: {
      const auto score = parse_double(reader.take(size));
      if (!score) reader.fail();
      return score.value_or(0);
    }
  }
}

void read_ziplist(Bytes bytes, Reader& outer, Elements* elements) {
  Reader in(bytes);
  const std::uint64_t total = in.little_endian(4);
  in.take(4 + 2);  // the last entry's place, the count
  if (total != bytes.size()) in.fail();
  while (!in.has_failed()) {
    const std::uint8_t first = in.byte();
    if (first == 0xFF) break;
    if (first == 0xFE) in.take(4);  // the length of the entry before, else one byte
    const std::uint8_t kind = in.byte();
    switch (kind >> 6U) {
      case 0:
        elements->emplace_back(in.take(kind & 63U));
        continue;
      case 1: {
        const std::uint8_t low = in.byte();
        elements->emplace_back(in.take((kind & 63U) << 8U | low));
        continue;
      }
      case 2:
        elements->emplace_back(in.take(in.big_endian(4)));
        continue;
      default:
        break;
    }
    std::int64_t number = 0;
    if (kind == 0xC0) {
      number = in.signed_little_endian(2);
    } else if (kind == 0xD0) {
      number = in.signed_little_endian(4);
    } else if (kind == 0xE0) {
      number = in.signed_little_endian(8);
    } else if (kind == 0xF0) {
      number = in.signed_little_endian(3);
    } else if (kind == 0xFE) {
      number = in.signed_little_endian(1);
    } else if (kind > 0xF0 && kind < 0xFE) {
      number = (kind & 15) - 1;
    } else {
      in.fail();
    }
    elements->push_back(format_integer(number));
  }
  if (in.has_failed() || in.left() != 0) outer.fail();
}

void read_intset(Bytes bytes, Reader& outer, Elements* elements) {
  Reader in(bytes);
  const auto width = static_cast<unsigned>(in.little_endian(4));
  const std::uint64_t count = in.little_endian(4);
  const bool is_known = width == 2 || width == 4 || width == 8;
  if (!is_known || in.left() != count * width) return outer.fail();
  for (std::uint64_t i = 0; i < count; ++i) {
    elements->push_back(format_integer(in.signed_little_endian(width)));
  }
}

void read_zipmap(Bytes bytes, Reader& outer, Elements* elements) {
  Reader in(bytes);
  in.byte();  // the count, if it fits
  while (!in.has_failed()) {
    const auto read_size = [&in]() -> std::uint64_t {
      const std::uint8_t size = in.byte();
      if (size == 255) in.fail();
      return size < 254 ? size : in.little_endian(4);
    };
    if (!in.rest().empty() && in.rest()[0] == '\xFF') {
      in.byte();
      break;
    }
    elements->emplace_back(in.take(read_size()));
    const std::uint64_t size = read_size();
    const std::uint8_t unused = in.byte();
    elements->emplace_back(in.take(size));
    in.take(unused);
  }
  if (in.has_failed() || in.left() != 0) outer.fail();
}

void read_quicklist(Reader& reader, bool is_second, Elements* elements) {
  constexpr std::uint64_t kPlain = 1;
  constexpr std::uint64_t kPacked = 2;
  for (std::uint64_t left = read_count(reader); left > 0 && !reader.has_failed(); --left) {
    const std::uint64_t container = is_second ? read_length(reader).value : 0;
    std::string node = read_string(reader);
    if (!is_second) {
      read_ziplist(node, reader, elements);
    } else if (container == kPlain) {
      elements->push_back(std::move(node));
    } else if (container == kPacked) {
      read_listpack(node, reader, elements);
    } else {
      reader.fail();
    }
  }
}

/// Members and scores that stand one after the other as elements.
void split_scores(Reader& reader, RdbValue* value) {
  Elements members;
  for (std::size_t i = 0; i + 1 < value->elements.size(); i += 2) {
    const auto score = parse_double(value->elements[i + 1]);
    if (!score) return reader.fail();
    members.push_back(std::move(value->elements[i]));
    value->scores.push_back(*score);
  }
  if (value->elements.size() % 2 != 0) reader.fail();
  value->elements = std::move(members);
}

void read_strings(Reader& reader, std::uint64_t per_element, Elements* elements) {
  const std::uint64_t count = read_count(reader) * per_element;
  for (std::uint64_t i = 0; i < count && !reader.has_failed(); ++i) {
    elements->push_back(read_string(reader));
  }
}

void read_scored(Reader& reader, bool is_binary, RdbValue* value) {
  for (std::uint64_t left = read_count(reader); left > 0 && !reader.has_failed(); --left) {
    value->elements.push_back(read_string(reader));
    value->scores.push_back(is_binary ? std::bit_cast<double>(reader.little_endian(8))
                                      : read_text_score(reader));
  }
}

/// The earliest expiry, then each field with how much later it expires, plus one; 0: never.
void read_dated(Reader& reader, RdbValue* value) {
  const std::uint64_t earliest = reader.little_endian(8);
  for (std::uint64_t left = read_count(reader); left > 0 && !reader.has_failed(); --left) {
    const std::uint64_t later = read_length(reader).value;
    value->expiries.push_back({later == 0 ? 0 : static_cast<std::int64_t>(earliest + later - 1)});
    value->elements.push_back(read_string(reader));
    value->elements.push_back(read_string(reader));
  }
}

/// Field, value, expiry, one after the other.
void read_dated_listpack(Reader& reader, RdbValue* value) {
  reader.take(8);  // the earliest
  Elements triples;
  read_listpack(read_string(reader), reader, &triples);
  if (triples.size() % 3 != 0) reader.fail();
  for (std::size_t i = 0; i + 2 < triples.size(); i += 3) {
    const auto expiry = parse_integer(triples[i + 2]);
    if (!expiry) return reader.fail();
    value->expiries.push_back({*expiry});
    value->elements.push_back(std::move(triples[i]));
    value->elements.push_back(std::move(triples[i + 1]));
  }
}

/// A JSON document as RedisJSON writes it.
void read_module(Reader& reader, RdbValue* value) {
  value->type = Type::kModule;
  if (read_length(reader).value != json_module_id()) return reader.fail();
  if (read_length(reader).value != kModuleString) return reader.fail();
  value->text = read_string(reader);
  if (read_length(reader).value != kModuleEnd) reader.fail();
}

void read_value(Reader& reader, std::uint8_t kind, RdbValue* value) {
  Elements* const elements = &value->elements;
  switch (kind) {
    case kString:
      value->text = read_string(reader);
      return;
    case kList:
    case kListZiplist:
    case kListQuicklist:
    case kListQuicklist2:
      value->type = Type::kList;
      if (kind == kList) return read_strings(reader, 1, elements);
      if (kind == kListZiplist) return read_ziplist(read_string(reader), reader, elements);
      return read_quicklist(reader, kind == kListQuicklist2, elements);
    case kSet:
    case kSetIntset:
    case kSetListpack:
      value->type = Type::kSet;
      if (kind == kSet) return read_strings(reader, 1, elements);
      if (kind == kSetIntset) return read_intset(read_string(reader), reader, elements);
      return read_listpack(read_string(reader), reader, elements);
    case kHash:
    case kHashZipmap:
    case kHashZiplist:
    case kHashListpack:
      value->type = Type::kHash;
      if (kind == kHash) return read_strings(reader, 2, elements);
      if (kind == kHashZipmap) return read_zipmap(read_string(reader), reader, elements);
      if (kind == kHashZiplist) return read_ziplist(read_string(reader), reader, elements);
      return read_listpack(read_string(reader), reader, elements);
    case kModule2:
      return read_module(reader, value);
    case kHashDated:
    case kHashDatedListpack:
      value->type = Type::kHash;
      if (kind == kHashDated) return read_dated(reader, value);
      return read_dated_listpack(reader, value);
    case kSortedSetText:
    case kSortedSetBinary:
      value->type = Type::kSortedSet;
      return read_scored(reader, kind == kSortedSetBinary, value);
    case kSortedSetZiplist:
    case kSortedSetListpack:
      value->type = Type::kSortedSet;
      if (kind == kSortedSetZiplist) {
        read_ziplist(read_string(reader), reader, elements);
      } else {
        read_listpack(read_string(reader), reader, elements);
      }
      return split_scores(reader, value);
    case kStream1:
    case kStream2:
    case kStream3:
      value->type = Type::kStream;
      return read_stream(reader, kind == kStream1 ? 1 : kind == kStream2 ? 2 : 3, &value->stream);
    default:
      reader.fail();
  }
}

Status check(const RdbValue& value) {
  if (value.type == Type::kString) return {};
  if (value.type == Type::kStream) return check_stream(value.stream);
  if (value.type == Type::kModule) {
    JsonTokens tokens;
    std::string error;
    return parse_json(value.text, &tokens, &error) ? Status() : Status(corrupt("no JSON"));
  }
  if (value.elements.empty()) return corrupt("a value without elements");
  if (value.type == Type::kHash && value.elements.size() % 2 != 0) {
    return corrupt("a field without a value");
  }
  for (const Millis expiry : value.expiries) {
    if (expiry.count < 0) return corrupt("a field's expiry that cannot be");
  }
  for (const double score : value.scores) {
    if (std::isnan(score)) return corrupt("a score that is no number");
  }
  if (value.type == Type::kList) return {};
  const std::size_t step = value.type == Type::kHash ? 2 : 1;
  std::unordered_set<Bytes> seen;
  for (std::size_t i = 0; i < value.elements.size(); i += step) {
    if (!seen.insert(value.elements[i]).second) return corrupt("an element twice");
  }
  return {};
}

// ---- Writing

std::uint8_t kind_of(Type type) {
  switch (type) {
    case Type::kList:
      return kList;
    case Type::kSet:
      return kSet;
    case Type::kHash:
      return kHash;
    case Type::kSortedSet:
      return kSortedSetBinary;
    default:
      return kString;
  }
}

/// A hash whose fields may have an expiry.
void append_dated_hash(const value::ObjectHandle& fields, std::string* out) {
  std::int64_t earliest = 0;
  for (value::ElementCursor c = fields.at(0); !c.is_at_end(); c.next()) {
    const std::int64_t expiry = c.pair().expiry.count;
    if (expiry != 0 && (earliest == 0 || expiry < earliest)) earliest = expiry;
  }
  append_little_endian(static_cast<std::uint64_t>(earliest), 8, out);
  append_length(fields.count(), out);
  for (value::ElementCursor c = fields.at(0); !c.is_at_end(); c.next()) {
    const value::PairView field = c.pair();
    const std::int64_t expiry = field.expiry.count;
    append_length(expiry == 0 ? 0 : static_cast<std::uint64_t>(expiry - earliest + 1), out);
    append_string(field.key, out);
    append_string(field.value, out);
  }
}

void append_json(const keyspace::Record& record, const value::ObjectUse& reading,
                 std::string* out) {
  JsonWalk walk(record.object(), reading);
  std::string text;
  JsonWriter writer({}, &text);
  write_value(walk, 0, &writer);
  out->push_back(static_cast<char>(kModule2));
  append_length(json_module_id(), out);
  append_length(kModuleString, out);
  append_string(text, out);
  append_length(kModuleEnd, out);
}

void append_footer(std::uint16_t version, std::string* out) {
  append_little_endian(version, 2, out);
  append_little_endian(crc64(*out), 8, out);
}

}  // namespace

std::string dump_value(const keyspace::Record& record, const value::ObjectUse& reading) {
  std::string out;
  const std::uint8_t kind = kind_of(record.type());
  if (record.type() == Type::kHash && has_trait(record.object(), Trait::kFieldExpiry)) {
    out.push_back(static_cast<char>(kHashDated));
    append_dated_hash(value::ObjectHandle(record.object(), reading), &out);
    append_footer(kVersionOfDatedHashes, &out);
    return out;
  }
  if (record.type() == Type::kStream) {
    out.push_back(static_cast<char>(kStream2));
    append_stream(value::Stream(record.object(), reading), &out);
    append_footer(kVersionOfStreams, &out);
    return out;
  }
  if (record.type() == Type::kModule) {
    append_json(record, reading, &out);
    append_footer(kVersionOfModules, &out);
    return out;
  }
  out.push_back(static_cast<char>(kind));
  if (record.type() == Type::kString) {
    keyspace::StringScratch scratch;
    append_string(keyspace::text_of(record, reading, scratch), &out);
  } else {
    const value::ObjectHandle handle(record.object(), reading);
    append_length(handle.count(), &out);
    for (value::ElementCursor c = handle.at(0); !c.is_at_end(); c.next()) {
      if (record.type() == Type::kHash) {
        append_string(c.pair().key, &out);
        append_string(c.pair().value, &out);
      } else {
        append_string(c.entry(), &out);
      }
      if (record.type() == Type::kSortedSet) {
        append_little_endian(std::bit_cast<std::uint64_t>(c.score()), 8, &out);
      }
    }
  }
  append_footer(kind == kSortedSetBinary ? kVersionOfBinaryScores : kVersionWritten, &out);
  return out;
}

bool is_dump_intact(Bytes payload) {
  if (payload.size() < kFooterBytes) return false;
  Reader footer(payload.substr(payload.size() - kFooterBytes));
  if (footer.little_endian(2) > kRdbVersionRead) return false;
  return footer.little_endian(8) == crc64(payload.substr(0, payload.size() - 8));
}

Result<RdbValue> parse_dump(Bytes payload) {
  ASSERT(payload.size() >= kFooterBytes);
  Reader reader(payload.substr(0, payload.size() - kFooterBytes));
  RdbValue value;
  read_value(reader, reader.byte(), &value);
  if (reader.has_failed()) return corrupt("bytes that are no value");
  if (reader.left() != 0) return corrupt("bytes behind the value");
  TRY(check(value));
  return value;
}

}  // namespace diskdb::types
