#include "resp/encode.h"

#include <cstring>

#include "base/number.h"

namespace diskdb::resp {
namespace {

constexpr std::size_t kCountBytesMax = 1 + kIntegerTextBytesMax + 2;

char* put_end(char* to) {
  to[0] = '\r';
  to[1] = '\n';
  return to + 2;
}

char* put_count(char* to, char type, std::size_t count) {
  *to++ = type;
  if (count < 10) {
    *to++ = static_cast<char>('0' + count);
  } else {
    to += format_unsigned(to, count);
  }
  return put_end(to);
}

}  // namespace

void append_command(Output& output, std::span<const Bytes> words) {
  std::size_t size_max = kCountBytesMax;
  for (const Bytes word : words) size_max += kCountBytesMax + word.size() + 2;
  char* const begin = output.reserve(size_max);
  char* to = put_count(begin, '*', words.size());
  for (const Bytes word : words) {
    to = put_count(to, '$', word.size());
    if (!word.empty()) std::memcpy(to, word.data(), word.size());
    to = put_end(to + word.size());
  }
  output.advance(static_cast<std::size_t>(to - begin));
}

}  // namespace diskdb::resp
