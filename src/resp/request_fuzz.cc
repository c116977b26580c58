// Any bytes, fed at once and in pieces, come to the same requests and the same error; words lie
// where they may; raw bytes are the canonical RESP of the words. The first two bytes of the input
// choose options and pieces.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/number.h"
#include "resp/request.h"

namespace diskdb::resp {
namespace {

struct Found {
  std::vector<std::vector<std::string>> requests;
  std::vector<std::string> raws;
  std::string error;
  std::string left;
  Stream stream;

  bool operator==(const Found&) const = default;
};

std::string canonical(std::span<const Bytes> words) {
  std::string text = "*" + format_integer(static_cast<std::int64_t>(words.size())) + "\r\n";
  for (const Bytes word : words) {
    text += "$" + format_integer(static_cast<std::int64_t>(word.size())) + "\r\n";
    text.append(word).append("\r\n");
  }
  return text;
}

bool lies_in(Bytes part, Bytes whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void check(const Request& request, Bytes input) {
  ASSERT(!request.words.empty());
  if (request.raw.empty()) return;
  ASSERT(lies_in(request.raw, input));
  for (const Bytes word : request.words) ASSERT(lies_in(word, request.raw));
  ASSERT(canonical(request.words) == request.raw);
}

// Pieces of varying length, made from `seed`; 0 is one piece.
Found feed(Bytes input, const ParserOptions& options, bool is_authenticated, unsigned seed) {
  RequestParser parser(options);
  parser.set_authenticated(is_authenticated);
  Found found;
  std::string buffer;
  std::size_t fed = 0;
  while (fed < input.size() && found.error.empty()) {
    const std::size_t piece = seed == 0 ? input.size() : 1 + (fed * 2654435761U >> 7) % seed;
    buffer.append(input.substr(fed, piece));
    fed = std::min(input.size(), fed + piece);
    for (;;) {
      // A copy of exact size in another place: reading behind the end or keeping a pointer shows.
      const std::vector<char> moved(buffer.begin(), buffer.end());
      const Bytes view(moved.data(), moved.size());
      const ParseStatus status = parser.parse(view, 1 + seed % 5);
      ASSERT(parser.consumed() <= view.size());
      for (const Request& request : parser.requests()) {
        check(request, view);
        found.requests.emplace_back(request.words.begin(), request.words.end());
        found.raws.emplace_back(request.raw);
      }
      buffer.erase(0, parser.consumed());
      if (status == ParseStatus::kRequests) {
        ASSERT(!parser.requests().empty());
        continue;
      }
      ASSERT(parser.requests().empty());
      if (status == ParseStatus::kError) found.error = parser.error();
      ASSERT(status == ParseStatus::kError || parser.wanted_bytes() > buffer.size());
      break;
    }
  }
  // Where an error stopped the feeding, less of the rest has arrived in pieces.
  if (found.error.empty()) found.left = buffer;
  found.stream = parser.stream();
  return found;
}

bool ends_in_number(std::span<const Bytes> words) {
  return parse_integer(words.back()).has_value();
}

}  // namespace
}  // namespace diskdb::resp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace diskdb;
  if (size < 2) return 0;
  const resp::ParserOptions options{.bulk_bytes_max = (data[0] & 1) != 0 ? 100'000U : 10U,
                                    .inline_replies_resp = (data[0] & 2) != 0,
                                    .reads_as_options = resp::ends_in_number};
  const bool is_authenticated = (data[0] & 4) == 0;
  const Bytes input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto whole = resp::feed(input, options, is_authenticated, 0);
  ASSERT(whole == resp::feed(input, options, is_authenticated, 1));
  ASSERT(whole == resp::feed(input, options, is_authenticated, 1U + data[1]));
  return 0;
}
