// resp/reply.h — writes replies in the dialect of the connection: RESP2, RESP3 or plain text.
// Sources: the RESP specification of redis.io, and MISSION.md's plain-text protocol (docs/protocol.md here).
// Commands say what they mean (null, map, double); each dialect says it its own way.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/refusal.h"
#include "base/shared_bytes.h"
#include "resp/output.h"

namespace diskdb::resp {

enum class Dialect : std::uint8_t { kResp2, kResp3, kPlain };

/// Values at least this long are sent by reference.
constexpr std::size_t kSharedReplyBytesMin = 16 * 1024;

/// Threads: as its Output.
/// Invariant: after array(n) exactly n elements follow, after map(n) 2n, after set(n) and push(n) n.
class Reply {
 public:
  /// Borrows `output` for its life.
  explicit Reply(Output& output, Dialect dialect = Dialect::kResp2)
      : output_(output), dialect_(dialect) {}

  Dialect dialect() const { return dialect_; }
  void set_dialect(Dialect dialect) { dialect_ = dialect; }
  Output& output() { return output_; }

  void ok();
  void simple(Bytes text);
  /// `text` begins with its code ("ERR ..."). CR and LF in it become spaces.
  void error(Bytes text);
  void error(Refusal refusal) { error(refusal_text(refusal)); }
  void integer(std::int64_t value);
  void bulk(Bytes bytes);
  /// By reference from kSharedReplyBytesMin on.
  void bulk(const SharedBytes& bytes);
  void bulk_integer(std::int64_t value);
  /// Plain: (nil). RESP2: $-1. RESP3: _.
  void null();
  /// Where RESP2 has a null array (*-1).
  void null_array();
  void array(std::size_t count);
  /// RESP2 and plain: an array of 2n.
  void map(std::size_t pair_count);
  void set(std::size_t count);
  void push(std::size_t count);
  /// RESP2: a bulk string, as Redis prints doubles ("inf", "-inf", 17 significant digits at most).
  void real(double value);
  /// RESP2: 1 or 0.
  void boolean(bool value);
  /// RESP2: a bulk string. `format` has three letters (txt, mkd).
  void verbatim(Bytes format, Bytes text);
  void big_number(Bytes digits);

 private:
  // Plain text flattens arrays and ends the outermost with an empty line: elements left, per open level.
  void plain_open(std::size_t count);
  void plain_close_element();
  void line(char type, std::int64_t value);

  Output& output_;
  Dialect dialect_;
  std::vector<std::size_t> plain_left_;
};

}  // namespace diskdb::resp
