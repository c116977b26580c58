// resp/reply.h — writes replies in the dialect of the connection: RESP2, RESP3 or plain text.
// Sources: the RESP specification of redis.io, and docs/protocol.md for plain text.
// Commands say what they mean (null, map, double); each dialect says it its own way.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "base/number.h"
#include "base/refusal.h"
#include "base/shared_bytes.h"
#include "resp/output.h"

namespace diskdb::resp {

enum class Dialect : std::uint8_t { kResp2, kResp3, kPlain };

/// Values at least this long are sent by reference.
constexpr std::size_t kSharedReplyBytesMin = 16 * 1024;

/// Threads: as its Output.
/// Invariant: after array(n) exactly n elements follow, after map(n) 2n, after set(n) and push(n)
/// n.
class Reply {
 public:
  /// Borrows `output` for its life.
  explicit Reply(Output& output, Dialect dialect = Dialect::kResp2)
      : output_(output), dialect_(dialect) {}

  Dialect dialect() const { return dialect_; }
  void set_dialect(Dialect dialect) { dialect_ = dialect; }
  Output& output() { return output_; }

  void ok() {
    if (dialect_ == Dialect::kPlain) [[unlikely]]
      return plain_element("OK");
    constant("+OK\r\n");
  }
  void simple(Bytes text);
  /// PING's answer, which plain text also shows with its '+': health checks look for it.
  void pong();
  /// `text` begins with its code ("ERR ..."). CR and LF in it become spaces.
  void error(Bytes text);
  void error(Refusal refusal) { error(refusal_text(refusal)); }
  void integer(std::int64_t value) {
    if (dialect_ == Dialect::kPlain) [[unlikely]]
      return plain_integer(value);
    line(':', value);
  }
  void bulk(Bytes bytes) {
    if (dialect_ == Dialect::kPlain) [[unlikely]]
      return plain_element(bytes);
    char* const to = output_.reserve(kHeaderBytesMax + bytes.size() + 2);
    char* p = header(to, '$', bytes.size());
    if (!bytes.empty()) std::memcpy(p, bytes.data(), bytes.size());
    p = line_end(p + bytes.size());
    output_.advance(static_cast<std::size_t>(p - to));
  }
  /// By reference from kSharedReplyBytesMin on.
  void bulk(const SharedBytes& bytes);
  /// In parts: exactly `size` bytes are appended to output(), then end_bulk() is called.
  void begin_bulk(std::uint64_t size);
  void end_bulk();
  void bulk_integer(std::int64_t value);
  /// Plain: (nil). RESP2: $-1. RESP3: _.
  void null();
  /// Where RESP2 has a null array (*-1).
  void null_array();
  void array(std::size_t count) { aggregate('*', count); }
  /// RESP2 and plain: an array of 2n.
  void map(std::size_t pair_count);
  void set(std::size_t count) { aggregate(dialect_ == Dialect::kResp3 ? '~' : '*', count); }
  void push(std::size_t count) { aggregate(dialect_ == Dialect::kResp3 ? '>' : '*', count); }
  /// RESP2: a bulk string, as Redis prints doubles ("inf", "-inf", 17 significant digits at most).
  void real(double value);
  /// A double in format_human's form, as coordinates are shown. RESP2: a bulk string.
  void human_real(long double value);
  /// RESP2: 1 or 0.
  void boolean(bool value);
  /// RESP2: a bulk string. `format` has three letters (txt, mkd).
  void verbatim(Bytes format, Bytes text);
  void big_number(Bytes digits);

 private:
  // A type's byte, a number, and CR LF.
  static constexpr std::size_t kHeaderBytesMax = 1 + kIntegerTextBytesMax + 2;

  static char* line_end(char* to) {
    std::memcpy(to, "\r\n", 2);
    return to + 2;
  }
  static char* header(char* to, char type, std::size_t count) {
    *to++ = type;
    if (count < 10) {
      *to++ = static_cast<char>('0' + count);
    } else {
      to += format_unsigned(to, count);
    }
    return line_end(to);
  }
  template <std::size_t N>
  void constant(const char (&text)[N]) {
    std::memcpy(output_.reserve(N - 1), text, N - 1);
    output_.advance(N - 1);
  }
  void line(char type, std::int64_t value);
  void line(char type, Bytes text);
  void aggregate(char type, std::size_t count);

  // Plain text flattens arrays and ends the outermost with an empty line: plain_left_ holds the
  // elements still to come, per open level.
  void plain_element(Bytes text);
  void plain_integer(std::int64_t value);
  void plain_array(std::size_t count);
  void plain_error(Bytes text);
  void plain_close_element();

  Output& output_;
  Dialect dialect_;
  std::vector<std::size_t> plain_left_;
};

}  // namespace diskdb::resp
