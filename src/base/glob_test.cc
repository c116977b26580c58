#include "base/glob.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace diskdb {
namespace {

TEST(Glob, Matches) {
  EXPECT_TRUE(glob_matches("", ""));
  EXPECT_TRUE(glob_matches("*", "a"));
  EXPECT_TRUE(glob_matches("a*", "a"));
  EXPECT_TRUE(glob_matches("a**", "a"));
  EXPECT_TRUE(glob_matches("*b*", "abc"));
  EXPECT_TRUE(glob_matches("h?llo", "hello"));
  EXPECT_TRUE(glob_matches("h[a-e]llo", "hello"));
  EXPECT_TRUE(glob_matches("h[e-a]llo", "hello"));
  EXPECT_TRUE(glob_matches("h[^x]llo", "hello"));
  EXPECT_TRUE(glob_matches("h[", "h") == false);
  EXPECT_TRUE(glob_matches("h\\?llo", "h?llo"));
  EXPECT_TRUE(glob_matches("\\", "\\"));
  EXPECT_TRUE(glob_matches("[\\]]", "]"));
  EXPECT_TRUE(glob_matches("[a", "a"));
  EXPECT_TRUE(glob_matches("[a-", "-"));
  EXPECT_TRUE(glob_matches("[^", "x"));
  EXPECT_TRUE(glob_matches("*[0-9]", "key:7"));
  EXPECT_TRUE(glob_matches(Bytes("a\0*", 3), Bytes("a\0b", 3)));
}

TEST(Glob, DoesNotMatch) {
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_FALSE(glob_matches("*", ""));
  EXPECT_FALSE(glob_matches("a", ""));
  EXPECT_FALSE(glob_matches("?", ""));
  EXPECT_FALSE(glob_matches("a?", "a"));
  EXPECT_FALSE(glob_matches("h[^e]llo", "hello"));
  EXPECT_FALSE(glob_matches("h\\?llo", "hello"));
  EXPECT_FALSE(glob_matches("[]", "]"));
  EXPECT_FALSE(glob_matches("a*c", "ab"));
  EXPECT_FALSE(glob_matches("A", "a"));
}

TEST(Glob, IgnoresCaseOnDemand) {
  EXPECT_TRUE(glob_matches("MaxMem*", "maxmemory", true));
  EXPECT_TRUE(glob_matches("[A-C]", "b", true));
  EXPECT_TRUE(glob_matches("[aB]", "b", true));
  EXPECT_FALSE(glob_matches("[\\B]", "b", true));  // escaped in a class: as it is
  EXPECT_FALSE(glob_matches("[Z-a]", "z", true));  // lower case comes after the order of the ends
}

TEST(Glob, BytesOfAClassAreSigned) {
  EXPECT_TRUE(glob_matches("[\x80-\x7F]", "a"));
  EXPECT_TRUE(glob_matches("[\xC3-a]", "A"));
  EXPECT_FALSE(glob_matches("[a-\xC3]", "b"));
  EXPECT_FALSE(glob_matches("[\xC3-a]", "A", true));  // but for the case, which makes them unsigned
}

TEST(Glob, ManyStarsTakeNoExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "a*";
  EXPECT_FALSE(glob_matches(pattern + "b", std::string(5000, 'a')));
  EXPECT_TRUE(glob_matches(pattern, std::string(5000, 'a')));
}

// The definition, exponential and obvious: a star takes any number of bytes. Patterns without
// classes and escapes.
bool matches_by_definition(Bytes pattern, Bytes text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    for (std::size_t n = 0; n <= text.size(); ++n) {
      if (matches_by_definition(pattern.substr(1), text.substr(n))) return true;
    }
    return false;
  }
  if (text.empty() || (pattern[0] != '?' && pattern[0] != text[0])) return false;
  return matches_by_definition(pattern.substr(1), text.substr(1));
}

TEST(Glob, RetryingTheLastStarIsEnough) {
  std::mt19937 random(3);
  for (int i = 0; i < 50'000; ++i) {
    std::string pattern;
    std::string text(1, 'a');
    for (auto n = random() % 8; n > 0; --n) pattern += "ab?**"[random() % 5];
    for (auto n = random() % 9; n > 0; --n) text += "ab"[random() % 2];
    EXPECT_EQ(glob_matches(pattern, text), matches_by_definition(pattern, text))
        << pattern << ' ' << text;
  }
}

TEST(Glob, GivesUpBeyondAThousandStars) {
  std::string pattern;
  std::string text;
  for (int i = 0; i < 1000; ++i) pattern += "*?", text += 'a';
  EXPECT_TRUE(glob_matches(pattern, text));
  EXPECT_FALSE(glob_matches(pattern + "*?", text + 'a'));
}

}  // namespace
}  // namespace diskdb
