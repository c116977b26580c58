// Trees of replies drawn from the input, written in each dialect, must read back as what was said:
// RESP by a reader of its own, plain text by the definition in docs/protocol.md.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/assert.h"
#include "base/number.h"
#include "resp/reply.h"

namespace diskdb::resp {
namespace {

constexpr int kDepthMax = 6;

// Draws from the input; zeros when it has run dry.
class Choices {
 public:
  explicit Choices(Bytes bytes) : bytes_(bytes) {}
  unsigned byte() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<unsigned char>(bytes_[0]);
    bytes_.remove_prefix(1);
    return value;
  }
  Bytes text() {
    const Bytes text = bytes_.substr(0, byte() % 40);
    bytes_.remove_prefix(std::min(bytes_.size(), text.size()));
    return text;
  }
  std::int64_t integer() {
    std::uint64_t value = 0;
    for (unsigned n = byte() % 9; n > 0; --n) value = value << 8 | byte();
    return static_cast<std::int64_t>(value);
  }

 private:
  Bytes bytes_;
};

// `said` gets one mark per reply: its kind and content, the same whatever the dialect. `plain` the
// lines expected.
void element(Reply& reply, Choices& choices, std::string& said, std::string& plain, int depth) {
  const unsigned kind = choices.byte() % (depth < kDepthMax ? 6 : 4);
  if (kind == 0) {
    const std::int64_t value = choices.integer();
    reply.integer(value);
    said += "i" + format_integer(value) + ";";
    plain += format_integer(value) + "\n";
  } else if (kind == 1) {
    const Bytes text = choices.text();
    reply.bulk(text);
    said.append("b").append(text).append(";");
    plain.append(text).append("\n");
  } else if (kind == 2) {
    reply.null();
    said += "n;";
    plain += "(nil)\n";
  } else if (kind == 3) {
    const Bytes text = choices.text();
    reply.simple(text);
    std::string line(text);
    for (char& c : line) c = c == '\r' || c == '\n' ? ' ' : c;
    said += "s" + line + ";";
    plain.append(text).append("\n");
  } else {
    const std::size_t count = choices.byte() % 4;
    const bool is_map = kind == 5;
    if (is_map) {
      reply.map(count);
    } else {
      reply.array(count);
    }
    const std::size_t elements = is_map ? 2 * count : count;
    said += "a" + std::to_string(elements) + ";";
    if (elements == 0) plain += "(empty array)\n";
    for (std::size_t i = 0; i < elements; ++i) element(reply, choices, said, plain, depth + 1);
    if (depth == 0) plain += "\n";
  }
}

// Reads RESP back into the same marks.
class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}
  bool is_done() const { return bytes_.empty(); }
  void element(std::string& said) {
    const char type = take(1)[0];
    const Bytes line = take_line();
    switch (type) {
      case '+':
        said.append("s").append(line).append(";");
        return;
      case ':':
        said += "i" + format_integer(number(line)) + ";";
        return;
      case '_':
        said += "n;";
        return;
      case '$': {
        if (line == "-1") {
          said += "n;";
          return;
        }
        said.append("b").append(take(static_cast<std::size_t>(number(line)))).append(";");
        ASSERT(take(2) == "\r\n");
        return;
      }
      case '*':
      case '%': {
        const std::int64_t count = number(line) * (type == '%' ? 2 : 1);
        said += "a" + std::to_string(count) + ";";
        for (std::int64_t i = 0; i < count; ++i) element(said);
        return;
      }
      default:
        std::abort();
    }
  }

 private:
  static std::int64_t number(Bytes line) {
    const auto value = parse_integer(line);
    ASSERT(value.has_value());
    return *value;
  }
  Bytes take(std::size_t size) {
    ASSERT(size <= bytes_.size());
    const Bytes taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  Bytes take_line() {
    const std::size_t size = bytes_.find("\r\n");
    ASSERT(size != Bytes::npos);
    const Bytes line = take(size);
    take(2);
    return line;
  }
  Bytes bytes_;
};

void check(Bytes input, Dialect dialect) {
  StringOutput output;
  Reply reply(output, dialect);
  Choices choices(input);
  std::string said;
  std::string plain;
  for (int i = 0; i < 3; ++i) element(reply, choices, said, plain, 0);
  if (dialect == Dialect::kPlain) {
    ASSERT(output.view() == plain);
    return;
  }
  Reader reader(output.view());
  std::string read;
  for (int i = 0; i < 3; ++i) reader.element(read);
  ASSERT(reader.is_done());
  ASSERT(read == said);
}

}  // namespace
}  // namespace diskdb::resp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using diskdb::resp::Dialect;
  const diskdb::Bytes input(reinterpret_cast<const char*>(data), size);
  for (const Dialect dialect : {Dialect::kResp2, Dialect::kResp3, Dialect::kPlain}) {
    diskdb::resp::check(input, dialect);
  }
  return 0;
}
