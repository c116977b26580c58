#include "types/json_text.h"

#include <rapidjson/error/error.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "base/number.h"

namespace diskdb::types {
namespace {

constexpr unsigned kParseFlags = rapidjson::kParseNumbersAsStringsFlag |
                                 rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseValidateEncodingFlag;

/// Of so few members each pair is compared.
constexpr std::uint64_t kFewMembers = 8;

/// RapidJSON lets an escaped low surrogate through that stands alone.
bool has_surrogate(Bytes text) {
  for (std::size_t at = text.find('\xED'); at != Bytes::npos; at = text.find('\xED', at + 1)) {
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xA0) return true;
  }
  return false;
}

/// Puts RapidJSON's events into tokens.
class TokenBuilder {
 public:
  explicit TokenBuilder(JsonTokens* tokens) : tokens_(*tokens) {}

  const char* refusal() const { return refusal_; }

  bool Null() { return add(JsonToken::null()); }
  bool Bool(bool value) { return add(JsonToken::boolean(value)); }
  // Numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return number(Bytes(text, size));
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    const Bytes string(text, size);
    if (has_surrogate(string)) return refuse("lone leading surrogate in hex escape");
    return add(JsonToken::string(string));
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    const Bytes name(text, size);
    if (has_surrogate(name)) return refuse("lone leading surrogate in hex escape");
    tokens_.add_name(name);
    return true;
  }
  bool StartObject() { return open(JsonKind::kObject); }
  bool StartArray() { return open(JsonKind::kArray); }
  bool EndObject(rapidjson::SizeType member_count) {
    const std::size_t object = open_.back();
    open_.pop_back();
    tokens_.close(object, member_count);
    if (member_count > 1) drop_doubles(object, member_count);
    return true;
  }
  bool EndArray(rapidjson::SizeType element_count) {
    tokens_.close(open_.back(), element_count);
    open_.pop_back();
    return true;
  }

 private:
  bool add(const JsonToken& token) {
    tokens_.add(token);
    return true;
  }
  bool refuse(const char* why) {
    refusal_ = why;
    return false;
  }
  bool open(JsonKind kind) {
    open_.push_back(tokens_.open(kind));
    if (open_.size() > kJsonDepthMax) return refuse("recursion limit exceeded");
    tokens_.note_depth(open_.size());
    return true;
  }
  bool number(Bytes text);
  void drop_doubles(std::size_t object, std::uint64_t member_count);
  bool has_doubles(std::size_t object, std::uint64_t member_count) const;

  JsonTokens& tokens_;
  std::vector<std::size_t> open_;
  const char* refusal_ = nullptr;
};

bool TokenBuilder::number(Bytes text) {
  const char* const end = text.data() + text.size();
  if (text.find_first_of(".eE") == Bytes::npos && text != "-0") {
    std::int64_t integer = 0;
    auto [behind, error] = std::from_chars(text.data(), end, integer);
    if (error == std::errc() && behind == end) return add(JsonToken::of_integer(integer));
    std::uint64_t big = 0;
    const auto result = std::from_chars(text.data(), end, big);
    if (result.ec == std::errc() && result.ptr == end) {
      return add({.kind = JsonKind::kUnsigned, .big = big});
    }
  }
  double real = 0;
  const auto [behind, error] = std::from_chars(text.data(), end, real);
  if (error == std::errc::result_out_of_range) {
    // Too large, or so small that it is 0.
    real = std::strtod(std::string(text).c_str(), nullptr);
  }
  if (!std::isfinite(real)) return refuse("number out of range");
  return add(JsonToken::of_real(real));
}

bool TokenBuilder::has_doubles(std::size_t object, std::uint64_t member_count) const {
  const std::size_t end = tokens_.count();
  if (member_count <= kFewMembers) {
    Bytes names[kFewMembers];
    std::size_t count = 0;
    for (std::size_t name = object + 1; name < end; name = tokens_.after(name + 1)) {
      names[count] = tokens_.at(name).text;
      for (std::size_t i = 0; i < count; ++i) {
        if (names[i] == names[count]) return true;
      }
      ++count;
    }
    return false;
  }
  std::unordered_map<Bytes, std::size_t> names;
  names.reserve(member_count);
  for (std::size_t name = object + 1; name < end; name = tokens_.after(name + 1)) {
    if (!names.emplace(tokens_.at(name).text, name).second) return true;
  }
  return false;
}

void TokenBuilder::drop_doubles(std::size_t object, std::uint64_t member_count) {
  if (!has_doubles(object, member_count)) return;
  JsonTokens all;
  all.add_all(tokens_, object, tokens_.count());
  std::vector<std::size_t> order;                 // of first members' names
  std::unordered_map<Bytes, std::size_t> latest;  // where a name's last value is
  for (std::size_t name = 1; name < all.count(); name = all.after(name + 1)) {
    if (latest.insert_or_assign(all.at(name).text, name + 1).second) order.push_back(name);
  }
  tokens_.truncate(object + 1);
  for (const std::size_t name : order) {
    const Bytes text = all.at(name).text;
    tokens_.add_name(text);
    const std::size_t value = latest[text];
    tokens_.add_all(all, value, all.after(value));
  }
  tokens_.close(object, order.size());
}

/// serde_json's words for what RapidJSON found between `before` and `here`.
const char* reason_of(rapidjson::ParseErrorCode code, Bytes before, Bytes here) {
  const bool is_end = here.empty();
  switch (code) {
    case rapidjson::kParseErrorDocumentEmpty:
      return "EOF while parsing a value";
    case rapidjson::kParseErrorDocumentRootNotSingular:
      return "trailing characters";
    case rapidjson::kParseErrorValueInvalid:
      if (is_end) return "EOF while parsing a value";
      // In the midst of true, false or null.
      return !before.empty() && before.back() >= 'a' && before.back() <= 'z' ? "expected ident"
                                                                             : "expected value";
    case rapidjson::kParseErrorObjectMissName:
      return is_end ? "EOF while parsing an object" : "key must be a string";
    case rapidjson::kParseErrorObjectMissColon:
      return is_end ? "EOF while parsing an object" : "expected `:`";
    case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
      return is_end ? "EOF while parsing an object" : "expected `,` or `}`";
    case rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
      return is_end ? "EOF while parsing a list" : "expected `,` or `]`";
    case rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
    case rapidjson::kParseErrorStringEscapeInvalid:
      return "invalid escape";
    case rapidjson::kParseErrorStringUnicodeSurrogateInvalid:
      return "lone leading surrogate in hex escape";
    case rapidjson::kParseErrorStringMissQuotationMark:
      return is_end ? "EOF while parsing a string"
                    : "control character (\\u0000-\\u001F) found while parsing a string";
    case rapidjson::kParseErrorStringInvalidEncoding:
      return !is_end && static_cast<unsigned char>(here[0]) < 0x20
                 ? "control character (\\u0000-\\u001F) found while parsing a string"
                 : "invalid unicode code point";
    case rapidjson::kParseErrorNumberTooBig:
      return "number out of range";
    case rapidjson::kParseErrorNumberMissFraction:
    case rapidjson::kParseErrorNumberMissExponent:
      return is_end ? "EOF while parsing a value" : "invalid number";
    default:
      return "expected value";
  }
}

/// " at line 1 column 5", columns and lines counted from 1, of the byte at `offset` or of the last.
std::string place_of(Bytes text, std::size_t offset) {
  std::size_t line = 1;
  std::size_t column = 0;
  for (std::size_t i = 0; i <= offset && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 0;
    } else {
      ++column;
    }
  }
  return " at line " + std::to_string(line) + " column " + std::to_string(column);
}

}  // namespace

bool parse_json(Bytes text, JsonTokens* tokens, std::string* error) {
  rapidjson::MemoryStream stream(text.data(), text.size());
  TokenBuilder builder(tokens);
  rapidjson::Reader reader;
  const rapidjson::ParseResult result = reader.Parse<kParseFlags>(stream, builder);
  std::size_t offset = 0;
  const char* reason = nullptr;
  if (result.IsError()) {
    offset = std::min(result.Offset(), text.size());
    reason = builder.refusal();
    if (reason == nullptr) {
      reason = reason_of(result.Code(), text.substr(0, offset), text.substr(offset));
    }
  } else if (stream.Tell() < text.size()) {
    // A NUL byte behind the value looks like the end.
    offset = stream.Tell();
    reason = "trailing characters";
  }
  if (reason == nullptr) return true;
  *error = reason + place_of(text, offset);
  return false;
}

// ---- Printing

// The shortest digits come from to_chars; where the point and the exponent go is as the Rust crate
// ryu, and so serde_json, has it: digits up to 10^16, zeros in front down to 10^-5, else an
// exponent without '+' or leading zeros.
void append_json_real(double value, std::string* out) {
  if (value == 0) {
    out->append(std::signbit(value) ? "-0.0" : "0.0");
    return;
  }
  char scientific[32];
  const auto end = std::to_chars(scientific, scientific + sizeof scientific, value,
                                 std::chars_format::scientific);
  Bytes text(scientific, static_cast<std::size_t>(end.ptr - scientific));
  if (text[0] == '-') {
    out->push_back('-');
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 2) digits.append(text.substr(2, e - 2));
  int exponent = 0;
  const char* const first = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(first, text.data() + text.size(), exponent);
  const int length = static_cast<int>(digits.size());
  const int point = exponent + 1;  // digits before the point
  if (point > 0 && point <= 16) {
    if (length <= point) {
      out->append(digits).append(static_cast<std::size_t>(point - length), '0').append(".0");
    } else {
      digits.insert(static_cast<std::size_t>(point), 1, '.');
      out->append(digits);
    }
  } else if (point > -5 && point <= 0) {
    out->append("0.").append(static_cast<std::size_t>(-point), '0').append(digits);
  } else {
    out->push_back(digits[0]);
    if (length > 1) out->append(1, '.').append(digits, 1);
    out->append(1, 'e').append(std::to_string(exponent));
  }
}

void append_json_number(const JsonToken& token, std::string* out) {
  char text[kIntegerTextBytesMax];
  switch (token.kind) {
    case JsonKind::kInteger:
      out->append(text, format_integer(text, token.integer));
      return;
    case JsonKind::kUnsigned:
      out->append(text, format_unsigned(text, token.big));
      return;
    default:
      append_json_real(token.real, out);
  }
}

namespace {

/// How many bytes from `at` on, a multiple of eight, have nothing to be escaped.
std::size_t plain_words(Bytes text, std::size_t at) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kTops = 0x80 * kOnes;
  // The top bit of bytes below `limit`, and maybe of some above such a byte.
  const auto below = [](std::uint64_t word, std::uint64_t limit) {
    return (word - limit * kOnes) & ~word & kTops;
  };
  std::size_t size = 0;
  for (; at + size + sizeof(std::uint64_t) <= text.size(); size += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at + size, sizeof word);
    if ((below(word, 0x20) | below(word ^ '"' * kOnes, 1) | below(word ^ '\\' * kOnes, 1)) != 0)
      break;
  }
  return size;
}

}  // namespace

void append_json_string(Bytes text, std::string* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  out->push_back('"');
  std::size_t plain = 0;  // from here on nothing is to be escaped
  for (std::size_t i = plain_words(text, 0); i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') [[likely]]
      continue;
    out->append(text.substr(plain, i - plain));
    plain = i + 1;
    constexpr Bytes kEscaped = "\"\\\b\t\n\f\r";
    constexpr Bytes kLetters = "\"\\btnfr";
    const std::size_t known = kEscaped.find(text[i]);
    out->push_back('\\');
    if (known != Bytes::npos) {
      out->push_back(kLetters[known]);
    } else {
      out->append("u00");
      out->push_back(kDigits[byte >> 4U]);
      out->push_back(kDigits[byte & 15U]);
    }
    i += plain_words(text, i + 1);
  }
  out->append(text.substr(plain));
  out->push_back('"');
}

void JsonWriter::line() {
  out_.append(format_.newline);
  for (std::size_t i = 0; i < levels_.size(); ++i) out_.append(format_.indent);
}

void JsonWriter::before_value() {
  if (is_behind_name_ || levels_.empty()) return;
  if (!levels_.back().is_first) out_.push_back(',');
  line();
}

// Closes what is full, too.
void JsonWriter::after_value() {
  is_behind_name_ = false;
  while (!levels_.empty()) {
    Level& level = levels_.back();
    level.is_first = false;
    if (!level.is_counted || --level.left > 0) return;
    const char closing = level.closing;
    levels_.pop_back();
    line();
    out_.push_back(closing);
  }
}

void JsonWriter::token(const JsonToken& token) {
  before_value();
  switch (token.kind) {
    case JsonKind::kNull:
      out_.append("null");
      break;
    case JsonKind::kFalse:
      out_.append("false");
      break;
    case JsonKind::kTrue:
      out_.append("true");
      break;
    case JsonKind::kInteger:
    case JsonKind::kUnsigned:
    case JsonKind::kFloat:
    case JsonKind::kDouble:
      append_json_number(token, &out_);
      break;
    case JsonKind::kString:
      append_json_string(token.text, &out_);
      break;
    case JsonKind::kName:
      append_json_string(token.text, &out_);
      out_.push_back(':');
      out_.append(format_.space);
      is_behind_name_ = true;
      return;
    case JsonKind::kObject:
    case JsonKind::kArray: {
      is_behind_name_ = false;
      out_.push_back(token.is_object() ? '{' : '[');
      const char closing = token.is_object() ? '}' : ']';
      if (token.child_count == 0 || token.tokens_below == 0) {
        out_.push_back(closing);
        break;
      }
      levels_.push_back({token.child_count, true, true, closing});
      return;
    }
  }
  after_value();
}

void JsonWriter::begin(char bracket) {
  before_value();
  is_behind_name_ = false;
  out_.push_back(bracket);
  levels_.push_back({0, false, true, bracket == '{' ? '}' : ']'});
}

void JsonWriter::end() {
  const Level level = levels_.back();
  levels_.pop_back();
  if (!level.is_first) line();
  out_.push_back(level.closing);
  after_value();
}

std::string json_text(const JsonTokens& tokens, std::size_t first) {
  std::string text;
  JsonWriter writer({}, &text);
  const std::size_t end = tokens.after(first);
  for (std::size_t i = first; i < end; ++i) writer.token(tokens.at(i));
  return text;
}

}  // namespace diskdb::types
