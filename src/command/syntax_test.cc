// Syntax lines: each construct, alone and nested, and what is not well formed.
#include "command/syntax.h"

#include <gtest/gtest.h>

#include <string>

namespace diskdb::command {
namespace {

constexpr KeySpec kFirstKey[] = {KeySpec::at(1, KeyUse::kReadOnly)};
constexpr KeySpec kPairKeys[] = {KeySpec::range(1, -1, 2, KeyUse::kReadOnly)};
constexpr KeySpec kSecondKeys[] = {KeySpec::at(2, KeyUse::kOverwrite),
                                   KeySpec::range(3, -1, 1, KeyUse::kReadOnly)};
constexpr KeySpec kCountedKeys[] = {KeySpec::count_at(1, 1, KeyUse::kReadOnly)};

std::string show(const std::vector<Argument>& arguments);

/// "name:type", then #spec, =TOKEN, ? (optional), + (multiple), * (its token repeats) and its
/// parts.
std::string show(const Argument& argument) {
  std::string text = argument.name + ":" + std::string(argument_type_name(argument.type));
  if (argument.key_spec) text += "#" + std::to_string(*argument.key_spec);
  if (!argument.token.empty()) text += "=" + argument.token;
  if (argument.is_optional) text += "?";
  if (argument.is_multiple) text += argument.repeats_token ? "*" : "+";
  if (!argument.parts.empty()) text += "(" + show(argument.parts) + ")";
  return text;
}

std::string show(const std::vector<Argument>& arguments) {
  std::string text;
  for (const Argument& argument : arguments) text += (text.empty() ? "" : " ") + show(argument);
  return text;
}

std::string parsed(Bytes syntax, std::span<const KeySpec> keys = {}, Bytes name = "X") {
  const Row row{.name = name, .words = Words::at_least(1), .keys = keys, .syntax = syntax};
  const auto arguments = parse_syntax(row);
  return arguments ? show(*arguments) : "not well formed";
}

TEST(Syntax, Values) {
  EXPECT_EQ(parsed(""), "");
  EXPECT_EQ(parsed("message"), "message:string");
  EXPECT_EQ(parsed("count pattern unix-time-seconds"),
            "count:integer pattern:pattern unix-time-seconds:unix-time");
  EXPECT_EQ(parsed("increment:double ip:port"), "increment:double ip:port:string");
}

TEST(Syntax, Tokens) {
  EXPECT_EQ(parsed("[REPLACE]"), "replace:pure-token=REPLACE?");
  EXPECT_EQ(parsed("[EX seconds]"), "seconds:integer=EX?");
  EXPECT_EQ(parsed("[LIMIT offset count] [ANY]"),
            "offset_count:block=LIMIT?(offset:integer count:integer) any:pure-token=ANY?");
  EXPECT_EQ(parsed("[TYPE <NORMAL | MASTER>]"),
            "normal_master:oneof=TYPE?(normal:pure-token=NORMAL master:pure-token=MASTER)");
}

TEST(Syntax, Choices) {
  EXPECT_EQ(parsed("<BYTE | BIT>"), "unit:oneof(byte:pure-token=BYTE bit:pure-token=BIT)");
  EXPECT_EQ(parsed("[NX | XX]"), "condition:oneof?(nx:pure-token=NX xx:pure-token=XX)");
  EXPECT_EQ(parsed("a | b c"), "a_b_c:oneof(a:string b_c:block(b:string c:string))");
}

TEST(Syntax, Repetitions) {
  EXPECT_EQ(parsed("key [key ...]", kFirstKey), "key:key#0+");
  EXPECT_EQ(parsed("key value [key value ...]", kPairKeys),
            "key_value:block+(key:key#0 value:string)");
  EXPECT_EQ(parsed("[GET pattern [GET pattern ...]]"), "pattern:pattern=GET?*");
  EXPECT_EQ(parsed("[ID client-id [client-id ...]]"), "client-id:integer=ID?+");
  EXPECT_EQ(parsed("[section ...]"), "section:string?+");
  EXPECT_EQ(parsed("[A x | B y [A x | B y ...]]"), "x_y:oneof?+(x:string=A y:string=B)");
}

TEST(Syntax, NestedBlocks) {
  EXPECT_EQ(parsed("[start [end [BYTE | BIT]]]"),
            "range:block?(start:integer end-unit-block:block?(end:integer "
            "unit:oneof?(byte:pure-token=BYTE bit:pure-token=BIT)))");
}

TEST(Syntax, KeysAreWhereTheSpecsSay) {
  EXPECT_EQ(parsed("<AND | OR> destkey key [key ...]", kSecondKeys),
            "and_or:oneof(and:pure-token=AND or:pure-token=OR) destkey:key#0 key:key#1+");
  EXPECT_EQ(parsed("numkeys key [key ...]", kCountedKeys), "numkeys:integer key:key#0+");
  EXPECT_EQ(parsed("key", kSecondKeys, "OBJECT ENCODING"), "key:key#0");
  // Behind what may be left out nobody knows where words stand.
  EXPECT_EQ(parsed("[message] key", kSecondKeys), "message:string? key:string");
}

TEST(Syntax, NotWellFormed) {
  for (const Bytes line : {"[", "]", "[a", "a]", "<a", "a>", "[a>", "|", "a |", "| a", "[]", "<>",
                           "...", "[...]", "a [b ...] ]", "A B <"}) {
    EXPECT_EQ(parsed(line), "not well formed") << line;
  }
}

}  // namespace
}  // namespace diskdb::command
