// resp/request.h — finds requests in a byte stream: RESP arrays, inline commands and plain-text lines.
// Pure functions on bytes: nothing is read, copied or allocated for a request that lies whole in the input.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace diskdb::resp {

/// One request: its words, and, if it came as RESP, the very bytes it came as (empty otherwise).
/// Borrows from the input, or from the parser for inline words, until the parser's next call but one:
/// see RequestParser.
struct Request {
  std::span<const Bytes> words;
  Bytes raw;
};

/// What the first byte of a connection other than CR or LF decided for its life.
enum class Stream : std::uint8_t { kUndecided, kResp, kPlain };

/// In plain text, is what follows the first word of a value valid options of `words[0]`? Otherwise the raw
/// rest of the line is the value. The command layer knows; `words` are the line split as usual.
using ReadsAsOptions = bool (*)(std::span<const Bytes> words);

struct ParserOptions {
  std::uint64_t bulk_bytes_max = 512ULL * 1024 * 1024;  ///< proto-max-bulk-len
  bool inline_replies_resp = false;  ///< a line opens no plain-text conversation; lines and RESP may mix
  ReadsAsOptions reads_as_options = nullptr;
};

enum class ParseStatus : std::uint8_t {
  kRequests,  ///< at least one request was found
  kMore,      ///< the input holds no whole request; call again with the same bytes and more behind them
  kError,     ///< error() says why; the connection must be closed after the requests found before
};

/// Threads: one at a time, one parser a connection.
class RequestParser {
 public:
  explicit RequestParser(const ParserOptions& options) : options_(&options) {}

  /// Finds up to `requests_max` requests at the start of `input`. Empty ones (blank lines, *0) are skipped.
  /// Borrows `input` until `requests()` is no longer used; `requests()` is valid until the next call.
  /// Cost: a partly received request is not scanned again from its start when more arrives.
  ParseStatus parse(Bytes input, std::size_t requests_max);

  std::span<const Request> requests() const { return requests_; }
  /// How many bytes of the input are done with: the requests found and what was skipped.
  std::size_t consumed() const { return consumed_; }
  /// After kMore: how long the input must be, at least, to go on (never more than bulk_bytes_max ahead).
  std::size_t wanted_bytes() const { return wanted_bytes_; }
  /// After kError: Redis's text, "ERR Protocol error: ...".
  Bytes error() const { return error_; }
  Stream stream() const { return stream_; }

 private:
  const ParserOptions* options_;
  std::vector<Request> requests_;
  std::vector<Bytes> words_;
  std::size_t consumed_ = 0;
  std::size_t wanted_bytes_ = 0;
  std::string error_;
  Stream stream_ = Stream::kUndecided;
  // ... the state of a partly received request
};

}  // namespace diskdb::resp
