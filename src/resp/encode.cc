#include "resp/encode.h"

#include "base/number.h"

namespace diskdb::resp {
namespace {

void append_count(Output& output, char type, std::size_t count) {
  char* const begin = output.reserve(32);
  char* to = begin;
  *to++ = type;
  to += format_integer(to, static_cast<std::int64_t>(count));
  *to++ = '\r';
  *to++ = '\n';
  output.advance(static_cast<std::size_t>(to - begin));
}

}  // namespace

void append_command(Output& output, std::span<const Bytes> words) {
  append_count(output, '*', words.size());
  for (const Bytes word : words) {
    append_count(output, '$', word.size());
    output.append(word);
    output.append("\r\n");
  }
}

}  // namespace diskdb::resp
