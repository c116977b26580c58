// resp/request.h — finds requests in a byte stream: RESP arrays, inline commands and plain-text
// lines. Pure functions on bytes: nothing is read, and nothing copied or allocated for a request
// that lies whole in the input. What is accepted, and which error text it gets otherwise:
// docs/protocol.md.
#pragma once

#include <cstdint>
#include <forward_list>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace diskdb::resp {

/// One request: its words, and, if it came as RESP, the very bytes it came as. `raw` is either
/// empty or the canonical RESP of `words`: so it is empty for a line, and for RESP whose line ends
/// are not CR LF, which is accepted as Redis accepts it. Borrows from the input and the parser: see
/// RequestParser::parse.
struct Request {
  std::span<const Bytes> words;
  Bytes raw;
};

/// What the first byte of a connection other than CR or LF decided for its life.
enum class Stream : std::uint8_t { kUndecided, kResp, kPlain };

/// In plain text, is what follows the first word of a value valid options of `words[0]`? Otherwise
/// the raw rest of the line is the value. The command layer knows; `words` are the line split as
/// usual, and at least one follows the value's first.
using ReadsAsOptions = bool (*)(std::span<const Bytes> words);

struct ParserOptions {
  std::uint64_t bulk_bytes_max = 512ULL * 1024 * 1024;  ///< proto-max-bulk-len
  bool inline_replies_resp =
      false;  ///< a line opens no plain-text conversation; lines and RESP may mix
  ReadsAsOptions reads_as_options = nullptr;  ///< null: nothing does
};

enum class ParseStatus : std::uint8_t {
  kRequests,  ///< at least one request was found; there may be more: call again once they are done
  kMore,      ///< the input holds no whole request
  kError,     ///< error() says why; the connection must be closed. requests() is empty: what came
              ///< before the error was given by earlier calls
};

/// Threads: one at a time, one parser a connection.
/// Invariant: between calls, unfinished_ describes the request that begins consumed() bytes into
/// the last input, of which some has been read.
class RequestParser {
 public:
  /// Borrows `options`, which may change between calls, for its life or until use().
  explicit RequestParser(const ParserOptions& options) : options_(&options) {}
  /// Other options from now on.
  void use(const ParserOptions& options) { options_ = &options; }

  /// Finds up to `requests_max` requests at the start of `input`. Empty ones (blank lines, *0) are
  /// skipped. The next call's input must begin consumed() bytes further on in the stream, whatever
  /// the status; it may lie elsewhere in memory. Requires: requests_max > 0. Borrows `input` until
  /// `requests()` is no longer used; `requests()` is valid until the next call. Cost: a partly
  /// received request is not scanned again from its start when more arrives. Memory grows with what
  /// has arrived, never with what a length promises.
  ParseStatus parse(Bytes input, std::size_t requests_max);

  std::span<const Request> requests() const { return requests_; }
  /// How many bytes of the input are done with: the requests found and what was skipped.
  std::size_t consumed() const { return consumed_; }
  /// After kMore: how long the next input (without the consumed bytes) must be, at least, for
  /// anything to come of it. Never more than bulk_bytes_max and a line end beyond what is there.
  std::size_t wanted_bytes() const { return wanted_bytes_; }
  /// After kError: Redis's text, "ERR Protocol error: ...".
  Bytes error() const { return error_; }
  Stream stream() const { return stream_; }

  /// Gives back what earlier calls made it allocate. Requires: requests() is no longer used.
  void shrink();

  /// A client that must authenticate first gets Redis's lower limits (resp/limits.h).
  void set_authenticated(bool is_authenticated) { is_authenticated_ = is_authenticated; }

 private:
  enum class Step : std::uint8_t { kTaken, kMore, kError };
  struct Slice {
    std::size_t begin;
    std::size_t size;
  };
  static constexpr std::int64_t kUnknown = -1;
  // How far a request has been read. Offsets count from its first byte, since the input may move.
  struct Unfinished {
    std::size_t at = 0;       // what is before it has been read
    std::size_t scanned = 0;  // no line end in [at, at + scanned)
    std::int64_t words_left = 0;
    std::int64_t bulk_bytes = kUnknown;  // of the word whose bytes begin at `at`
    bool is_canonical = true;
    std::vector<Slice> words;
  };

  void begin_call();
  void decide_stream(const char*& p, const char* end);
  const char* take_whole_arrays(const char* p, const char* end, std::size_t requests_max);
  Step take_array(Bytes input);
  Step take_count(Bytes input);
  Step take_bulk_length(Bytes input);
  void finish_array(Bytes input);
  Step take_line(Bytes input);
  bool split_plain_line(Bytes line);
  Step find_line_end(Bytes input, char last, bool zero_hides_rest, const char* too_long);
  Bytes* make_room(std::size_t word_count);
  Step fail(std::string text);
  void forget_unfinished();

  const ParserOptions* options_;
  std::vector<Request> requests_;
  std::vector<Bytes>
      words_;  // of all requests of this call; its size is the room, word_count_ are used
  std::size_t word_count_ = 0;
  std::vector<Bytes> line_words_;
  std::forward_list<std::string> unquoted_;  // words of lines that are not in the input as they are
  Unfinished unfinished_;
  std::size_t taken_bytes_ = 0;  // by the last step
  std::size_t line_end_ = 0;     // found by find_line_end, from the request's first byte
  std::size_t consumed_ = 0;
  std::size_t wanted_bytes_ = 0;
  std::string error_;
  Stream stream_ = Stream::kUndecided;
  bool is_authenticated_ = true;
};

}  // namespace diskdb::resp
