#include "types/json_text.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "io/random.h"

namespace diskdb::types {
namespace {

/// What the text is shown as, or why it is none.
std::string read(Bytes text) {
  JsonTokens tokens;
  std::string error;
  if (!parse_json(text, &tokens, &error)) return "-" + error;
  EXPECT_EQ(tokens.after(0), tokens.count()) << text;
  return json_text(tokens);
}

TEST(JsonText, WhatIsJsonIsAccepted) {
  using namespace std::string_literals;
  const std::pair<std::string, std::string> kCases[] = {
      {"null", "null"},
      {"true", "true"},
      {"false", "false"},
      {" \t\r\n 1 \t\r\n ", "1"},
      {"\"\"", "\"\""},
      {"[]", "[]"},
      {"{}", "{}"},
      {"[ ]", "[]"},
      {"{ }", "{}"},
      {"[[]   ]", "[[]]"},
      {"[1,null,3]", "[1,null,3]"},
      {"{\"\":0}", "{\"\":0}"},
      {"{\"a\":{\"a\":{}}}", "{\"a\":{\"a\":{}}}"},
      {"{\"a\" : 1 , \"b\" : 2}", "{\"a\":1,\"b\":2}"},
      {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
      {"{\"a\":1,\"b\":[1],\"a\":{\"c\":2}}", "{\"a\":{\"c\":2},\"b\":[1]}"},
      {"\"\\u0041\\n\\/\"", "\"A\\n/\""},
      {"\"\\u0000\"", "\"\\u0000\""},
      {"\"\\ud834\\udd1e\"", "\"\xF0\x9D\x84\x9E\""},
      {"\"\x7f\"", "\"\x7f\""},
      {"\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
      {"\"\xED\x9F\xBF\"", "\"\xED\x9F\xBF\""},  // the last before the surrogates
      {"-0", "-0.0"},
      {"-1", "-1"},
      {"0e1", "0.0"},
      {"1E-2", "0.01"},
      {"123e65", "1.23e67"},
      {"20e1", "200.0"},
      {"1.0", "1.0"},
      {"[\"a\",[1,[2,[3]]]]", "[\"a\",[1,[2,[3]]]]"},
      {"{\"\\u0061\":1}", "{\"a\":1}"},
      {"\"\\\\\\\"\"", "\"\\\\\\\"\""},
  };
  for (const auto& [text, expected] : kCases) EXPECT_EQ(read(text), expected) << text;
}

TEST(JsonText, WhatIsNotIsRefused) {
  using namespace std::string_literals;
  const std::string kCases[] = {"",
                                " ",
                                "nul",
                                "nulll",
                                "True",
                                "NaN",
                                "Infinity",
                                "-Infinity",
                                "-",
                                "+1",
                                "01",
                                "-01",
                                "1.",
                                ".5",
                                "1.e1",
                                "1e",
                                "1e+",
                                "0x1",
                                "1_000",
                                "1 2",
                                "1,2",
                                "[",
                                "]",
                                "[1",
                                "[1,",
                                "[1,]",
                                "[,1]",
                                "[1 2]",
                                "[1,,2]",
                                "[1}",
                                "{",
                                "}",
                                "{\"a\"",
                                "{\"a\":",
                                "{\"a\":1",
                                "{\"a\":1,",
                                "{\"a\":1,}",
                                "{,}",
                                "{a:1}",
                                "{'a':1}",
                                "{1:1}",
                                "{\"a\" 1}",
                                "{\"a\":1 \"b\":2}",
                                "{\"a\"::1}",
                                "{]",
                                "[}",
                                "'a'",
                                "\"",
                                "\"a",
                                "\"\\",
                                "\"\\x\"",
                                "\"\\u\"",
                                "\"\\u12\"",
                                "\"\\u123g\"",
                                "\"a\nb\"",
                                "\"a\tb\"",
                                "\"\0\""s,
                                "\"\x1f\"",
                                "\"\\ud800\"",
                                "\"\\udc00\"",
                                "\"\\ud800\\u0041\"",
                                "\"\\ud800x\"",
                                "\"\xff\"",
                                "\"\xc3\"",
                                "\"\xc0\x80\"",
                                "\"\xed\xa0\x80\"",
                                "\"\xf4\x90\x80\x80\"",
                                "\"\xe2\x82\"",
                                "\xEF\xBB\xBF"
                                "1",
                                "// c\n1",
                                "/* c */1",
                                "[1]//c",
                                "1\0"s,
                                "1\0 "s,
                                "[1]\0x"s,
                                "1 x",
                                "{}{}",
                                "[] []",
                                "tru",
                                "truex",
                                "[nul]",
                                "\"a\" \"b\"",
                                "1e400",
                                "-1e400",
                                "[\"a\"",
                                "{\"a\":tru}",
                                "\\u0031",
                                "\x01",
                                "[1]\x01"};
  for (const std::string& text : kCases) {
    EXPECT_TRUE(read(text).starts_with("-")) << text << " is read as " << read(text);
  }
}

TEST(JsonText, ErrorsSayWhatAndWhere) {
  EXPECT_EQ(read(""), "-EOF while parsing a value at line 1 column 0");
  EXPECT_EQ(read("[1,\n2 3]"), "-expected `,` or `]` at line 2 column 3");
  EXPECT_EQ(read("{\"a\" 1}"), "-expected `:` at line 1 column 6");
  EXPECT_EQ(read("{\"a\":1"), "-EOF while parsing an object at line 1 column 6");
  EXPECT_EQ(read("1 x"), "-trailing characters at line 1 column 3");
  EXPECT_EQ(read("nope"), "-expected ident at line 1 column 2");
}

TEST(JsonText, IsBoundedInDepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(read(nested(kJsonDepthMax)), nested(kJsonDepthMax));
  EXPECT_TRUE(read(nested(kJsonDepthMax + 1)).starts_with("-recursion limit exceeded"));
  EXPECT_TRUE(read(std::string(1'000'000, '[')).starts_with("-recursion limit exceeded"));
}

TEST(JsonText, NumbersComeBack) {
  io::Random random(1);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t bits = random.next();
    double real = 0;
    std::memcpy(&real, &bits, sizeof real);
    if (i % 2 == 0) real = static_cast<double>(static_cast<std::int64_t>(bits) >> 20) / 1000;
    if (!std::isfinite(real)) continue;
    std::string text;
    append_json_real(real, &text);
    double back = 0;
    std::from_chars(text.data(), text.data() + text.size(), back);
    EXPECT_EQ(back, real) << text;
    EXPECT_NE(text.find_first_of(".e"), std::string::npos) << text;
    EXPECT_EQ(read(text), text);
  }
}

TEST(JsonText, EscapesWhatMustBeWhereverItStands) {
  const auto escaped = [](char c) -> std::string {
    constexpr Bytes kNamed = "\"\\\b\t\n\f\r";
    if (const std::size_t i = kNamed.find(c); i != Bytes::npos) return {'\\', "\"\\btnfr"[i]};
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20) return {c};
    return std::string("\\u00") + "01"[byte / 16] + "0123456789abcdef"[byte % 16];
  };
  const auto check = [&](const std::string& text) {
    std::string shown;
    append_json_string(text, &shown);
    std::string expected = "\"";
    for (const char c : text) expected += escaped(c);
    EXPECT_EQ(shown, expected + '"');
  };
  for (int c = 0; c < 256; ++c) {
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text = "plain text, as it is";
      text[at] = static_cast<char>(c);
      check(text);
      check(text + text);
    }
  }
}

// Of many members, those named twice count once.
TEST(JsonText, OfMembersNamedTwiceTheLastCounts) {
  std::string text = "{";
  for (int i = 0; i < 300; ++i) {
    text += (i == 0 ? "\"k" : ",\"k") + std::to_string(i % 100) + "\":" + std::to_string(i);
  }
  std::string expected = "{";
  for (int i = 0; i < 100; ++i) {
    expected += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":" + std::to_string(i + 200);
  }
  EXPECT_EQ(read(text + "}"), expected + "}");
}

}  // namespace
}  // namespace diskdb::types
