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
  kHashDated = 24,
  kHashDatedListpack = 25,
};

// The version that first had what we write: binary scores came with 8.
constexpr std::uint16_t kVersionWritten = 6;
constexpr std::uint16_t kVersionOfBinaryScores = 8;
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

/// Takes things off the front. What is not there makes it fail, and everything after it.
class Reader {
 public:
  explicit Reader(Bytes bytes) : left_(bytes) {}

  bool has_failed() const { return has_failed_; }
  void fail() {
    has_failed_ = true;
    left_ = {};
  }
  std::size_t left() const { return left_.size(); }
  Bytes rest() const { return left_; }

  Bytes take(std::uint64_t size) {
    if (size > left_.size()) {
      fail();
      return {};
    }
    const Bytes taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  std::uint8_t byte() {
    const Bytes taken = take(1);
    return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
  }
  std::uint64_t little_endian(unsigned bytes) {
    std::uint64_t number = 0;
    unsigned shift = 0;
    for (const char c : take(bytes)) {
      number |= static_cast<std::uint64_t>(static_cast<unsigned char>(c)) << shift;
      shift += 8;
    }
    return number;
  }
  std::uint64_t big_endian(unsigned bytes) {
    std::uint64_t number = 0;
    for (const char c : take(bytes)) number = number << 8U | static_cast<unsigned char>(c);
    return number;
  }
  std::int64_t signed_little_endian(unsigned bytes) {
    const std::uint64_t number = little_endian(bytes);
    const unsigned unused = 64 - bytes * 8;
    return static_cast<std::int64_t>(number << unused) >> unused;
  }

 private:
  Bytes left_;
  bool has_failed_ = false;
};

/// A length, or the kind of a string that has none.
struct Length {
  std::uint64_t value = 0;
  bool is_kind = false;
};

Length read_length(Reader& reader) {
  const std::uint8_t first = reader.byte();
  switch (first >> 6U) {
    case 0:
      return {.value = first & 63U};
    case 1: {
      const std::uint8_t low = reader.byte();
      return {.value = (first & 63U) << 8U | low};
    }
    case 2:
      if (first == 0x80) return {.value = reader.big_endian(4)};
      if (first == 0x81) return {.value = reader.big_endian(8)};
      reader.fail();
      return {};
    default:
      return {.value = first & 63U, .is_kind = true};
  }
}

std::uint64_t read_count(Reader& reader) {
  const Length length = read_length(reader);
  // An element has a byte at least: nothing is reserved for what cannot be there.
  if (length.is_kind || length.value > reader.left()) reader.fail();
  return reader.has_failed() ? 0 : length.value;
}

/// LZF: runs of bytes as they are, and references to what came before. Source: Marc Lehmann's
/// liblzf, whose format this is.
std::string expand(Reader& reader, Bytes packed, std::uint64_t size) {
  constexpr std::uint64_t kGrowthMax = 264;  // of a reference of three bytes, less one
  std::string out;
  if (size > packed.size() * kGrowthMax) {
    reader.fail();
    return out;
  }
  out.reserve(size);
  Reader in(packed);
  while (in.left() > 0 && !in.has_failed()) {
    const std::uint8_t control = in.byte();
    if (control < 32) {
      out.append(in.take(control + 1U));
      continue;
    }
    std::size_t length = control >> 5U;
    if (length == 7) length += in.byte();
    length += 2;
    const std::size_t distance = (static_cast<std::size_t>(control & 31U) << 8U) + in.byte() + 1;
    if (distance > out.size() || out.size() + length > size) {
      in.fail();
      break;
    }
    for (std::size_t i = 0; i < length; ++i) out.push_back(out[out.size() - distance]);
  }
  if (in.has_failed() || out.size() != size) reader.fail();
  return out;
}

std::string read_string(Reader& reader) {
  const Length length = read_length(reader);
  if (!length.is_kind) return std::string(reader.take(length.value));
  switch (length.value) {
    case 0:
      return format_integer(reader.signed_little_endian(1));
    case 1:
      return format_integer(reader.signed_little_endian(2));
    case 2:
      return format_integer(reader.signed_little_endian(4));
    case 3: {
      const std::uint64_t packed_size = read_count(reader);
      const Length size = read_length(reader);
      return expand(reader, reader.take(packed_size), size.value);
    }
    default:
      reader.fail();
      return {};
  }
}

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

using Elements = std::vector<std::string>;

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

/// Bytes that an entry of so many takes to say so behind itself.
unsigned listpack_back_bytes(std::uint64_t size) {
  if (size < 128) return 1;
  if (size < 16384) return 2;
  if (size < 2097152) return 3;
  return size < 268435456 ? 4 : 5;
}

void read_listpack(Bytes bytes, Reader& outer, Elements* elements) {
  Reader in(bytes);
  const std::uint64_t total = in.little_endian(4);
  in.take(2);  // the count, if it fits
  if (total != bytes.size()) in.fail();
  while (!in.has_failed()) {
    const std::size_t before = in.left();
    const std::uint8_t kind = in.byte();
    if (kind == 0xFF) break;
    if ((kind & 0x80) == 0) {
      elements->push_back(format_integer(static_cast<std::int64_t>(kind)));
    } else if ((kind & 0xC0) == 0x80) {
      elements->emplace_back(in.take(kind & 63U));
    } else if ((kind & 0xE0) == 0xC0) {
      std::int64_t number = (kind & 31U) << 8U | in.byte();
      if (number >= 4096) number -= 8192;
      elements->push_back(format_integer(number));
    } else if ((kind & 0xF0) == 0xE0) {
      const std::uint8_t low = in.byte();
      elements->emplace_back(in.take((kind & 15U) << 8U | low));
    } else if (kind == 0xF0) {
      elements->emplace_back(in.take(in.little_endian(4)));
    } else if (kind <= 0xF4) {
      constexpr unsigned kBytes[] = {2, 3, 4, 8};
      elements->push_back(format_integer(in.signed_little_endian(kBytes[kind - 0xF1])));
    } else {
      in.fail();
    }
    in.take(listpack_back_bytes(before - in.left()));
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
    default:
      reader.fail();
  }
}

Status check(const RdbValue& value) {
  if (value.type == Type::kString) return {};
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

void append_little_endian(std::uint64_t number, unsigned bytes, std::string* out) {
  for (unsigned i = 0; i < bytes; ++i) out->push_back(static_cast<char>(number >> (8 * i)));
}

void append_length(std::uint64_t length, std::string* out) {
  const auto append_big_endian = [&](unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) out->push_back(static_cast<char>(length >> (8 * i)));
  };
  if (length < 64) {
    out->push_back(static_cast<char>(length));
  } else if (length < 16384) {
    out->push_back(static_cast<char>(0x40U | length >> 8U));
    out->push_back(static_cast<char>(length));
  } else if (length <= UINT32_MAX) {
    out->push_back('\x80');
    append_big_endian(4);
  } else {
    out->push_back('\x81');
    append_big_endian(8);
  }
}

void append_string(Bytes text, std::string* out) {
  append_length(text.size(), out);
  out->append(text);
}

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
