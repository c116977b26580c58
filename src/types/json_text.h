// types/json_text.h — JSON as text (RFC 8259) to tokens, and back.
//
// Read strictly: UTF-8, no comments, no trailing commas, nothing behind the value, at most
// kJsonDepthMax levels. An integer keeps its nature and all its digits as long as 64 bits hold it;
// any other number is the nearest double. Of members with the same name the last one's value
// counts, at the place of the first. Printed as serde_json prints, which RedisJSON is made of: a
// double in the fewest digits that read back as the same double, and never without a point or an
// exponent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "types/json_token.h"

namespace diskdb::types {

/// False if `text` is no JSON value: *error says why, in serde_json's words, and *tokens is of no
/// use. Appends to *tokens.
bool parse_json(Bytes text, JsonTokens* tokens, std::string* error);

/// Appends a number as JSON prints it. Requires: `value` is finite.
void append_json_real(double value, std::string* out);
/// Requires: token.is_number().
void append_json_number(const JsonToken& token, std::string* out);
/// With its quotes.
void append_json_string(Bytes text, std::string* out);

/// What JSON.GET puts between things. All empty: compact.
struct JsonFormat {
  Bytes indent = {};
  Bytes newline = {};
  Bytes space = {};
};

/// Prints tokens as they come.
///
/// Threads: one at a time. Borrows the format's parts and the output for its life.
class JsonWriter {
 public:
  JsonWriter(const JsonFormat& format, std::string* out) : format_(format), out_(*out) {}

  /// Names and values in document order; a container's token tells how many children follow.
  void token(const JsonToken& token);
  /// For arrays and objects whose children are not counted beforehand.
  void begin(char bracket);
  void end();

 private:
  struct Level {
    std::uint64_t left;  ///< children to come
    bool is_counted;
    bool is_first;
    char closing;
  };
  void before_value();
  void after_value();
  void line();

  JsonFormat format_;
  std::string& out_;
  std::vector<Level> levels_;
  bool is_behind_name_ = false;
};

/// Compact.
std::string json_text(const JsonTokens& tokens, std::size_t first = 0);

}  // namespace diskdb::types
