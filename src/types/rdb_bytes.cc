#include "types/rdb_bytes.h"

#include <algorithm>
#include <cstring>

#include "base/number.h"

namespace diskdb::types {
namespace {

constexpr std::size_t kListpackHeaderBytes = 6;
constexpr std::uint64_t kListpackCountMax = 65535;  // more are not counted

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

/// Bytes that an entry of so many takes to say so behind itself.
unsigned listpack_back_bytes(std::uint64_t size) {
  if (size < 128) return 1;
  if (size < 16384) return 2;
  if (size < 2097152) return 3;
  return size < 268435456 ? 4 : 5;
}

}  // namespace

// ---- Reading

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

// ---- Writing

void append_little_endian(std::uint64_t number, unsigned bytes, std::string* out) {
  for (unsigned i = 0; i < bytes; ++i) out->push_back(static_cast<char>(number >> (8 * i)));
}

void append_big_endian(std::uint64_t number, unsigned bytes, std::string* out) {
  for (unsigned i = bytes; i-- > 0;) out->push_back(static_cast<char>(number >> (8 * i)));
}

void append_length(std::uint64_t length, std::string* out) {
  if (length < 64) {
    out->push_back(static_cast<char>(length));
  } else if (length < 16384) {
    out->push_back(static_cast<char>(0x40U | length >> 8U));
    out->push_back(static_cast<char>(length));
  } else if (length <= UINT32_MAX) {
    out->push_back('\x80');
    append_big_endian(length, 4, out);
  } else {
    out->push_back('\x81');
    append_big_endian(length, 8, out);
  }
}

void append_string(Bytes text, std::string* out) {
  append_length(text.size(), out);
  out->append(text);
}

ListpackWriter::ListpackWriter() : bytes_(kListpackHeaderBytes, '\0') {}

void ListpackWriter::add(Bytes text) {
  if (text.size() <= kIntegerTextBytesMax) {
    if (const auto integer = parse_integer(text)) return add(*integer);
  }
  const std::size_t begin = bytes_.size();
  if (text.size() < 64) {
    bytes_.push_back(static_cast<char>(0x80U | text.size()));
  } else if (text.size() < 4096) {
    bytes_.push_back(static_cast<char>(0xE0U | text.size() >> 8U));
    bytes_.push_back(static_cast<char>(text.size()));
  } else {
    bytes_.push_back('\xF0');
    append_little_endian(text.size(), 4, &bytes_);
  }
  bytes_.append(text);
  end_entry(begin);
}

void ListpackWriter::add(std::int64_t integer) {
  const std::size_t begin = bytes_.size();
  const auto bits = static_cast<std::uint64_t>(integer);
  if (integer >= 0 && integer < 128) {
    bytes_.push_back(static_cast<char>(integer));
  } else if (integer >= -4096 && integer < 4096) {
    bytes_.push_back(static_cast<char>(0xC0U | (bits >> 8U & 31U)));
    bytes_.push_back(static_cast<char>(bits));
  } else {
    constexpr unsigned kSizes[] = {2, 3, 4, 8};
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned unused = 64 - kSizes[i] * 8;
      if (static_cast<std::int64_t>(bits << unused) >> unused != integer) continue;
      bytes_.push_back(static_cast<char>(0xF1U + i));
      append_little_endian(bits, kSizes[i], &bytes_);
      break;
    }
  }
  end_entry(begin);
}

// Its length in groups of seven bits, the highest first, all but the first marked.
void ListpackWriter::end_entry(std::size_t begin) {
  const std::uint64_t size = bytes_.size() - begin;
  const unsigned back_bytes = listpack_back_bytes(size);
  for (unsigned i = back_bytes; i-- > 0;) {
    const auto group = static_cast<unsigned>(size >> (7 * i) & 127U);
    bytes_.push_back(static_cast<char>(i + 1 == back_bytes ? group : group | 128U));
  }
  ++count_;
}

const std::string& ListpackWriter::finish() {
  bytes_.push_back('\xFF');
  std::string header;
  append_little_endian(bytes_.size(), 4, &header);
  append_little_endian(std::min(count_, kListpackCountMax), 2, &header);
  bytes_.replace(0, kListpackHeaderBytes, header);
  return bytes_;
}

}  // namespace diskdb::types
