#include "resp/reply.h"

#include <algorithm>
#include <string>

#include "base/assert.h"

namespace diskdb::resp {
namespace {

// Copies `text` so that it stays one line.
char* put_as_one_line(char* to, Bytes text) {
  return std::transform(text.begin(), text.end(), to,
                        [](char c) { return c == '\r' || c == '\n' ? ' ' : c; });
}

}  // namespace

void Reply::simple(Bytes text) {
  if (dialect_ == Dialect::kPlain) return plain_element(text);
  line('+', text);
}

// The same bytes in every dialect, line end included: redis-benchmark's inline test reads RESP.
void Reply::pong() {
  constant("+PONG\r\n");
  plain_close_element();
}

void Reply::error(Bytes text) {
  if (dialect_ == Dialect::kPlain) return plain_error(text);
  line('-', text);
}

void Reply::bulk(const SharedBytes& bytes) {
  if (bytes.size() < kSharedReplyBytesMin) return bulk(bytes.view());
  begin_bulk(bytes.size());
  output_.append_shared(bytes, bytes.view());
  end_bulk();
}

void Reply::begin_bulk(std::uint64_t size) {
  if (dialect_ == Dialect::kPlain) return;
  char* const to = output_.reserve(kHeaderBytesMax);
  output_.advance(static_cast<std::size_t>(header(to, '$', size) - to));
}

void Reply::end_bulk() {
  if (dialect_ == Dialect::kPlain) return plain_element({});
  constant("\r\n");
}

void Reply::bulk_integer(std::int64_t value) {
  char text[kIntegerTextBytesMax];
  bulk(Bytes(text, format_integer(text, value)));
}

void Reply::null() {
  switch (dialect_) {
    case Dialect::kResp2:
      return constant("$-1\r\n");
    case Dialect::kResp3:
      return constant("_\r\n");
    case Dialect::kPlain:
      return plain_element("(nil)");
  }
}

void Reply::null_array() {
  if (dialect_ != Dialect::kResp2) return null();
  constant("*-1\r\n");
}

void Reply::map(std::size_t pair_count) {
  if (dialect_ == Dialect::kResp3) return aggregate('%', pair_count);
  aggregate('*', 2 * pair_count);
}

void Reply::real(double value) {
  char text[kDoubleTextBytesMax];
  const Bytes digits(text, format_double(text, value));
  if (dialect_ == Dialect::kResp3) return line(',', digits);
  bulk(digits);
}

void Reply::human_real(long double value) {
  const std::string digits = format_human(value);
  if (dialect_ == Dialect::kResp3) return line(',', Bytes(digits));
  bulk(Bytes(digits));
}

void Reply::boolean(bool value) {
  if (dialect_ != Dialect::kResp3) return integer(value ? 1 : 0);
  if (value) {
    constant("#t\r\n");
  } else {
    constant("#f\r\n");
  }
}

void Reply::verbatim(Bytes format, Bytes text) {
  ASSERT(format.size() == 3);
  if (dialect_ != Dialect::kResp3) return bulk(text);
  char* const to = output_.reserve(kHeaderBytesMax + 4 + text.size() + 2);
  char* p = header(to, '=', 4 + text.size());
  p = std::copy(format.begin(), format.end(), p);
  *p++ = ':';
  p = line_end(std::copy(text.begin(), text.end(), p));
  output_.advance(static_cast<std::size_t>(p - to));
}

void Reply::big_number(Bytes digits) {
  if (dialect_ == Dialect::kResp3) return line('(', digits);
  bulk(digits);
}

void Reply::line(char type, std::int64_t value) {
  char* const to = output_.reserve(kHeaderBytesMax);
  *to = type;
  char* const p = line_end(to + 1 + format_integer(to + 1, value));
  output_.advance(static_cast<std::size_t>(p - to));
}

void Reply::line(char type, Bytes text) {
  char* const to = output_.reserve(1 + text.size() + 2);
  *to = type;
  char* const p = line_end(put_as_one_line(to + 1, text));
  output_.advance(static_cast<std::size_t>(p - to));
}

void Reply::aggregate(char type, std::size_t count) {
  if (dialect_ == Dialect::kPlain) return plain_array(count);
  char* const to = output_.reserve(kHeaderBytesMax);
  output_.advance(static_cast<std::size_t>(header(to, type, count) - to));
}

void Reply::plain_element(Bytes text) {
  output_.append(text);
  constant("\n");
  plain_close_element();
}

void Reply::plain_integer(std::int64_t value) {
  char text[kIntegerTextBytesMax];
  plain_element(Bytes(text, format_integer(text, value)));
}

void Reply::plain_array(std::size_t count) {
  if (count > 0) {
    plain_left_.push_back(count);
    return;
  }
  constant("(empty array)\n");
  if (plain_left_.empty()) {
    constant("\n");
  } else {
    plain_close_element();
  }
}

// "ERR no such key" is said as "ERROR: No such key"; any other code stays, since programs look for
// it.
void Reply::plain_error(Bytes text) {
  constexpr Bytes kCode = "ERR ";
  constexpr Bytes kPrefix = "ERROR: ";
  if (text == refusal_text(Refusal::kNotInteger))
    return plain_element("ERROR: Value is not an integer");
  const bool is_general = text.starts_with(kCode);
  if (is_general) text.remove_prefix(kCode.size());
  char* const to = output_.reserve(kPrefix.size() + text.size());
  char* const said = std::copy(kPrefix.begin(), kPrefix.end(), to);
  char* const p = put_as_one_line(said, text);
  if (is_general && !text.empty()) *said = to_upper(*said);
  output_.advance(static_cast<std::size_t>(p - to));
  plain_element({});
}

// An element is written: that may complete the array it stands in, which is then a written element
// itself.
void Reply::plain_close_element() {
  while (!plain_left_.empty()) {
    if (--plain_left_.back() > 0) return;
    plain_left_.pop_back();
    if (plain_left_.empty()) constant("\n");
  }
}

}  // namespace diskdb::resp
