// command/syntax.h — a row's syntax line, read into the tree of arguments that COMMAND DOCS shows.
//
// A line is written as in Redis's documentation:
//   name            a value; its type follows from the name, or is said: "increment:double"
//   TOKEN           a word as it is; with names behind it, it announces them: "EX seconds"
//   [ ... ]         may be left out
//   < a | b >       one of them; so does [ a | b ]
//   x [x ...]       any number of x, at least one; "x ..." says the same in short
// Which values are keys is not written: the row's key specs say so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "command/row.h"

namespace diskdb::command {

enum class ArgumentType : std::uint8_t {
  kString,
  kInteger,
  kDouble,
  kKey,
  kPattern,
  kUnixTime,
  kPureToken,
  kOneOf,
  kBlock,
};

/// As COMMAND DOCS prints it.
Bytes argument_type_name(ArgumentType type);

struct Argument {
  std::string name;
  ArgumentType type = ArgumentType::kString;
  std::string token;                         ///< the word before it, if any
  std::optional<std::size_t> key_spec = {};  ///< index in Row::keys
  bool is_optional = false;
  bool is_multiple = false;
  bool repeats_token = false;        ///< is_multiple, its token each time
  std::vector<Argument> parts = {};  ///< of kOneOf and kBlock

  friend bool operator==(const Argument&, const Argument&) = default;
};

/// None if the line is not well formed, which tests make sure does not happen.
std::optional<std::vector<Argument>> parse_syntax(const Row& row);

}  // namespace diskdb::command
