#include "resp/words.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace diskdb::resp {
namespace {

using Words = std::vector<std::string>;

std::optional<Words> split(Bytes line) {
  std::vector<Bytes> words;
  std::forward_list<std::string> storage;
  if (!split_words(line, words, storage)) return std::nullopt;
  return Words(words.begin(), words.end());
}

TEST(Words, AreSeparatedByWhiteSpace) {
  EXPECT_EQ(split(""), Words{});
  EXPECT_EQ(split(" \t\r\n\v\f"), Words{});
  EXPECT_EQ(split("  SET key\tvalue  "), (Words{"SET", "key", "value"}));
  EXPECT_EQ(split("a\rb"), (Words{"a", "b"}));
  // A vertical tab is white space between words and a byte within one.
  EXPECT_EQ(split("a \vb\vc"), (Words{"a", "b\vc"}));
}

TEST(Words, DoubleQuotesKnowEscapes) {
  EXPECT_EQ(split("SET k \"a b\""), (Words{"SET", "k", "a b"}));
  EXPECT_EQ(split("\"\""), (Words{""}));
  EXPECT_EQ(split(R"("\n\r\t\b\a\\\"\q")"), (Words{"\n\r\t\b\a\\\"q"}));
  EXPECT_EQ(split(R"("\x41\xfF\x4")"), (Words{"A\xFFx4"}));
  EXPECT_EQ(split(R"("\x4g")"), (Words{"x4g"}));
  EXPECT_EQ(split("\"it's\""), (Words{"it's"}));
}

TEST(Words, SingleQuotesKnowOnlyTheirOwn) {
  EXPECT_EQ(split(R"('a\n\'b"')"), (Words{"a\\n'b\""}));
  EXPECT_EQ(split("''"), (Words{""}));
}

TEST(Words, QuotesMayBeginInsideAWordAndEndIt) {
  EXPECT_EQ(split("foo\"bar baz\" x"), (Words{"foobar baz", "x"}));
  EXPECT_EQ(split("\"a\"\v\"b\""), (Words{"a", "b"}));
}

TEST(Words, UnbalancedQuotesAreRefused) {
  for (const Bytes line : {"\"", "'", "\"a", "'a", "a\"", "\"a\"b", "'a'b", "\"a\"\"b\"", "\"a\\",
                           "\"a\\\"", "'a\\'", "x \"a\"'b'"}) {
    EXPECT_EQ(split(line), std::nullopt) << line;
  }
}

}  // namespace
}  // namespace diskdb::resp
