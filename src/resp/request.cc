#include "resp/request.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/number.h"
#include "resp/limits.h"
#include "resp/words.h"

// Two readers of RESP stand here. take_whole_arrays is for what clients send: whole requests,
// plainly written. It gives up at anything else, and take_array begins anew at the same request: it
// can stop at any byte and go on later, and knows every error. That the two agree is what
// request_fuzz.cc and the split tests check.

namespace diskdb::resp {
namespace {

constexpr std::size_t kWholeBulkBytesMin = 6;  // "$0\r\n\r\n"

// Reads "<type><digits>\r\n" at p into `value` and returns what is behind it; null for anything
// that is not whole, not plainly written, or longer than ten digits.
const char* read_plain_length(const char* p, const char* end, char type, std::size_t& value) {
  if (end - p < 4 || *p != type) return nullptr;
  const unsigned first = static_cast<unsigned char>(p[1]) - unsigned{'0'};
  if (first > 9) return nullptr;
  value = first;
  p += 2;
  if (*p != '\r') {
    if (first == 0) return nullptr;
    const char* const last = end - p > 9 ? p + 9 : end - 1;
    unsigned digit;
    while (p < last && (digit = static_cast<unsigned char>(*p) - unsigned{'0'}) <= 9) {
      value = value * 10 + digit;
      ++p;
    }
    if (end - p < 2 || *p != '\r') return nullptr;
  }
  return p[1] == '\n' ? p + 2 : nullptr;
}

// Where a command takes a value that, in plain text, may be the raw rest of the line.
struct RawValue {
  Bytes command;
  std::size_t word_index;
};
constexpr RawValue kRawValues[] = {{"SET", 2}, {"APPEND", 2}, {"ECHO", 1}, {"JSON.SET", 3}};

std::size_t raw_value_index(Bytes command) {
  for (const RawValue& row : kRawValues) {
    if (equals_ignoring_case(row.command, command)) return row.word_index;
  }
  return Bytes::npos;
}

}  // namespace

ParseStatus RequestParser::parse(Bytes input, std::size_t requests_max) {
  ASSERT(requests_max > 0);
  begin_call();
  const char* const begin = input.data();
  const char* const end = begin + input.size();
  const char* p = begin;
  Step step = Step::kMore;
  while (requests_.size() < requests_max) {
    if (stream_ == Stream::kUndecided) decide_stream(p, end);
    const bool is_fresh = unfinished_.at == 0 && unfinished_.scanned == 0;
    if (stream_ == Stream::kResp && is_fresh) {
      p = take_whole_arrays(p, end, requests_max);
      if (requests_.size() == requests_max) break;
    }
    const Bytes rest(p, static_cast<std::size_t>(end - p));
    wanted_bytes_ = rest.size() + 1;
    if (rest.empty()) break;
    const bool is_array = stream_ == Stream::kResp && rest[0] == '*';
    step = is_array ? take_array(rest) : take_line(rest);
    if (step != Step::kTaken) break;
    p += taken_bytes_;
  }
  consumed_ = static_cast<std::size_t>(p - begin);
  if (!requests_.empty())
    return ParseStatus::kRequests;  // an error is found again by the next call
  return step == Step::kError ? ParseStatus::kError : ParseStatus::kMore;
}

void RequestParser::begin_call() {
  requests_.clear();
  word_count_ = 0;
  if (words_.size() > kWordsKeptMax) std::vector<Bytes>().swap(words_);
  if (!unquoted_.empty()) unquoted_.clear();
}

void RequestParser::shrink() {
  std::vector<Request>().swap(requests_);
  std::vector<Bytes>().swap(words_);
  std::vector<Bytes>().swap(line_words_);
  word_count_ = 0;
  if (unfinished_.words.empty()) std::vector<Slice>().swap(unfinished_.words);
}

void RequestParser::decide_stream(const char*& p, const char* end) {
  while (p != end && (*p == '\r' || *p == '\n')) ++p;
  if (p == end) return;
  stream_ = *p == '*' || options_->inline_replies_resp ? Stream::kResp : Stream::kPlain;
}

// Returns where the first request begins that is not whole or not plainly written.
const char* RequestParser::take_whole_arrays(const char* p, const char* end,
                                             std::size_t requests_max) {
  const std::size_t bulk_bytes_max = std::min<std::uint64_t>(
      options_->bulk_bytes_max,
      is_authenticated_ ? options_->bulk_bytes_max : kUnauthenticatedBulkBytesMax);
  const std::size_t words_max = is_authenticated_ ? kRequestWordsMax : kUnauthenticatedWordsMax;
  while (requests_.size() < requests_max) {
    std::size_t count;
    const char* at = read_plain_length(p, end, '*', count);
    if (at == nullptr || count == 0 || count > words_max) return p;
    // A request that cannot be whole is not worth beginning, and its count no reason to allocate.
    if (count > static_cast<std::size_t>(end - at) / kWholeBulkBytesMin) return p;
    Bytes* const words = make_room(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t size;
      const char* const bytes = read_plain_length(at, end, '$', size);
      if (bytes == nullptr || size > bulk_bytes_max) return p;
      if (static_cast<std::size_t>(end - bytes) < size + 2) return p;
      at = bytes + size;
      if (at[0] != '\r' || at[1] != '\n') return p;
      words[i] = Bytes(bytes, size);
      at += 2;
    }
    word_count_ += count;
    requests_.push_back({{words, count}, {p, static_cast<std::size_t>(at - p)}});
    p = at;
  }
  return p;
}

RequestParser::Step RequestParser::take_array(Bytes input) {
  if (unfinished_.words_left == 0) {
    if (const Step step = take_count(input); step != Step::kTaken) return step;
    if (unfinished_.words_left <= 0) {
      taken_bytes_ = unfinished_.at;
      forget_unfinished();
      return Step::kTaken;
    }
  }
  while (unfinished_.words_left > 0) {
    if (unfinished_.bulk_bytes == kUnknown) {
      if (const Step step = take_bulk_length(input); step != Step::kTaken) return step;
    }
    const auto size = static_cast<std::size_t>(unfinished_.bulk_bytes);
    if (input.size() - unfinished_.at < size + 2) {
      wanted_bytes_ = unfinished_.at + size + 2;
      return Step::kMore;
    }
    // Redis skips two bytes here, whatever they are.
    if (input.substr(unfinished_.at + size, 2) != "\r\n") unfinished_.is_canonical = false;
    unfinished_.words.push_back({unfinished_.at, size});
    unfinished_.at += size + 2;
    unfinished_.bulk_bytes = kUnknown;
    --unfinished_.words_left;
  }
  finish_array(input);
  return Step::kTaken;
}

RequestParser::Step RequestParser::take_count(Bytes input) {
  const Step step = find_line_end(input, '\r', true, "too big mbulk count string");
  if (step != Step::kTaken) return step;
  const auto count = parse_integer(input.substr(1, line_end_ - 1));
  if (!count || *count > kRequestWordsMax) return fail("invalid multibulk length");
  if (!is_authenticated_ && *count > kUnauthenticatedWordsMax) {
    return fail("unauthenticated multibulk length");
  }
  if (input[line_end_ + 1] != '\n') unfinished_.is_canonical = false;
  unfinished_.at = line_end_ + 2;
  unfinished_.scanned = 0;
  unfinished_.words_left = *count;
  return Step::kTaken;
}

RequestParser::Step RequestParser::take_bulk_length(Bytes input) {
  const Step step = find_line_end(input, '\r', true, "too big bulk count string");
  if (step != Step::kTaken) return step;
  const char type = input[unfinished_.at];
  if (type != '$') {
    const char shown = type == '\r' || type == '\n' ? ' ' : type;
    return fail(std::string("expected '$', got '") + shown + "'");
  }
  const std::size_t digits = unfinished_.at + 1;
  const auto size = parse_integer(input.substr(digits, line_end_ - digits));
  if (!size || *size < 0 || static_cast<std::uint64_t>(*size) > options_->bulk_bytes_max) {
    return fail("invalid bulk length");
  }
  if (!is_authenticated_ && *size > kUnauthenticatedBulkBytesMax) {
    return fail("unauthenticated bulk length");
  }
  if (input[line_end_ + 1] != '\n') unfinished_.is_canonical = false;
  unfinished_.at = line_end_ + 2;
  unfinished_.scanned = 0;
  unfinished_.bulk_bytes = *size;
  return Step::kTaken;
}

void RequestParser::finish_array(Bytes input) {
  const std::size_t count = unfinished_.words.size();
  Bytes* const words = make_room(count);
  for (std::size_t i = 0; i < count; ++i) {
    words[i] = input.substr(unfinished_.words[i].begin, unfinished_.words[i].size);
  }
  word_count_ += count;
  taken_bytes_ = unfinished_.at;
  const Bytes raw = unfinished_.is_canonical ? input.substr(0, taken_bytes_) : Bytes();
  requests_.push_back({{words, count}, raw});
  forget_unfinished();
}

RequestParser::Step RequestParser::take_line(Bytes input) {
  const bool is_plain = stream_ == Stream::kPlain;
  const Step step = find_line_end(input, '\n', !is_plain, "too big inline request");
  if (step != Step::kTaken) return step;
  Bytes line = input.substr(0, line_end_);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);

  line_words_.clear();
  const bool is_balanced =
      is_plain ? split_plain_line(line) : split_words(line, line_words_, unquoted_);
  if (!is_balanced) return fail("unbalanced quotes in request");

  const std::size_t count = line_words_.size();
  if (count > 0) {
    Bytes* const words = make_room(count);
    std::copy(line_words_.begin(), line_words_.end(), words);
    word_count_ += count;
    requests_.push_back({{words, count}, {}});
  }
  taken_bytes_ = line_end_ + 1;
  forget_unfinished();
  return Step::kTaken;
}

// As split_words, but that a value which does not begin with a quote may be the raw rest of the
// line: people write `SET motto it's done` and `JSON.SET doc $ {"a": 1}`.
bool RequestParser::split_plain_line(Bytes line) {
  WordSplitter splitter(line, unquoted_);
  std::size_t raw_index = Bytes::npos;
  std::size_t raw_begin = Bytes::npos;
  bool is_balanced = true;
  for (;;) {
    const auto found = splitter.next();
    is_balanced = found != WordSplitter::Found::kUnbalanced;
    if (found == WordSplitter::Found::kEnd) break;
    const char first = line[splitter.begin()];
    if (line_words_.size() == raw_index && first != '"' && first != '\'') {
      raw_begin = splitter.begin();
    }
    if (!is_balanced) break;
    line_words_.push_back(splitter.word());
    if (line_words_.size() == 1) raw_index = raw_value_index(line_words_[0]);
  }
  if (raw_begin == Bytes::npos) return is_balanced;
  const bool has_more_words = line_words_.size() > raw_index + 1;
  if (is_balanced && has_more_words && options_->reads_as_options != nullptr &&
      options_->reads_as_options(line_words_)) {
    return true;
  }
  line_words_.resize(raw_index);
  line_words_.push_back(line.substr(raw_begin));
  return true;
}

// Sets line_end_ to the first `last` behind unfinished_.at. Of CR only if one more byte is there,
// which belongs to the line. Redis looks with strchr, so that a zero byte hides the rest of the
// input until the line is too long; its test of desynchronised streams counts on that.
RequestParser::Step RequestParser::find_line_end(Bytes input, char last, bool zero_hides_rest,
                                                 const char* too_long) {
  const Bytes rest = input.substr(unfinished_.at);
  const Bytes line = rest.substr(0, kLineBytesMax + 1);
  std::size_t hit = line.find(last, unfinished_.scanned);
  if (zero_hides_rest) {
    const std::size_t zero = line.substr(0, hit).find('\0', unfinished_.scanned);
    if (zero != Bytes::npos) {
      unfinished_.scanned = zero;
      return rest.size() > kLineBytesMax ? fail(too_long) : Step::kMore;
    }
  }
  if (hit == Bytes::npos) {
    unfinished_.scanned = line.size();
    return rest.size() > kLineBytesMax ? fail(too_long) : Step::kMore;
  }
  unfinished_.scanned = hit;
  if (last == '\r' && hit + 1 == rest.size()) return Step::kMore;
  line_end_ = unfinished_.at + hit;
  return Step::kTaken;
}

// Room for more words behind those in use. Where it moves, the requests found before follow.
Bytes* RequestParser::make_room(std::size_t word_count) {
  if (words_.size() - word_count_ < word_count) [[unlikely]] {
    std::vector<Bytes> larger((word_count_ + word_count) * 2);
    std::copy_n(words_.begin(), word_count_, larger.begin());
    for (Request& request : requests_) {
      const auto index = request.words.data() - words_.data();
      request.words = {larger.data() + index, request.words.size()};
    }
    words_.swap(larger);
  }
  return words_.data() + word_count_;
}

RequestParser::Step RequestParser::fail(std::string text) {
  error_ = "ERR Protocol error: " + std::move(text);
  return Step::kError;
}

void RequestParser::forget_unfinished() {
  std::vector<Slice> words = std::move(unfinished_.words);
  words.clear();
  if (words.capacity() > kWordsKeptMax) std::vector<Slice>().swap(words);
  unfinished_ = {};
  unfinished_.words = std::move(words);
}

}  // namespace diskdb::resp
