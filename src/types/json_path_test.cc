#include "types/json_path.h"

#include <gtest/gtest.h>

#include "types/json_document.h"
#include "value/object_testing.h"

namespace diskdb::types {
namespace {

bool is_path(const std::string& text) {
  std::string error;
  return JsonPath::parse(text, &error).has_value();
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (; times > 0; --times) all += text;
  return all;
}

TEST(JsonPath, IsBounded) {
  EXPECT_TRUE(is_path("$" + repeated(".a", kJsonPathStepsMax)));
  EXPECT_FALSE(is_path("$" + repeated(".a", kJsonPathStepsMax + 1)));
  const std::size_t kMax = kJsonPathNestingMax;
  EXPECT_TRUE(is_path("$" + repeated("[?@", kMax) + repeated("]", kMax)));
  EXPECT_FALSE(is_path("$" + repeated("[?@", kMax + 1) + repeated("]", kMax + 1)));
  EXPECT_TRUE(is_path("$[?" + repeated("(", kMax - 1) + "1" + repeated(")", kMax - 1) + "]"));
  EXPECT_FALSE(is_path("$[?" + repeated("(", kMax) + "1" + repeated(")", kMax) + "]"));
  EXPECT_FALSE(is_path("$[?" + std::string(1'000'000, '(')));
  EXPECT_FALSE(is_path("$[99999999999999999999]"));
  EXPECT_TRUE(is_path("$[?1" + repeated(" + 1", kJsonPathCallsMax) + "]"));
  EXPECT_FALSE(is_path("$[?1" + repeated(" + 1", kJsonPathCallsMax + 1) + "]"));
  EXPECT_FALSE(is_path("$[?1" + repeated(" * 1", 1'000'000) + "]"));
  EXPECT_FALSE(is_path("$[?@" + repeated(".abs()", 1'000'000) + "]"));
  EXPECT_TRUE(is_path("$[?" + repeated("abs(", kMax - 1) + "1" + repeated(")", kMax - 1) + "]"));
  for (const char* text : {"abs(", "- ", "+", "[", "{\"a\":", "1 + (", "!(", "-abs("}) {
    EXPECT_FALSE(is_path("$[?" + repeated(text, 1'000'000) + "1]")) << text;
  }
  EXPECT_TRUE(is_path("$[?" + repeated("!", 1'000'000) + "@.a]"));
}

TEST(JsonPath, KnowsWhichAreLegacy) {
  for (const char* text : {"$", "$.a", "$[0]", "$..a"}) EXPECT_FALSE(JsonPath::is_legacy(text));
  for (const char* text : {".", ".a", "a", "[0]", "", "$a", "..a"}) {
    EXPECT_TRUE(JsonPath::is_legacy(text)) << text;
  }
  EXPECT_TRUE(JsonPath::is_root("$"));
  EXPECT_TRUE(JsonPath::is_root("."));
  EXPECT_FALSE(JsonPath::is_root("$.a"));
}

TEST(JsonPath, IsStaticIfItLeadsToOneValueAtMost) {
  const auto is_static = [](Bytes text) {
    std::string error;
    return JsonPath::parse(text, &error)->is_static();
  };
  for (const char* text : {"$", "$.a", "$.a[0]", "$[\"a\"].b", ".a[-1]"}) {
    EXPECT_TRUE(is_static(text)) << text;
  }
  for (const char* text : {"$.*", "$..a", "$[0,1]", "$[\"a\",\"b\"]", "$[0:1]", "$[?(@)]"}) {
    EXPECT_FALSE(is_static(text)) << text;
  }
}

// More than are remembered, so that they take each other's places.
TEST(JsonPaths, AreWhatParsingGives) {
  JsonPaths paths;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {
      const std::string name = "name" + std::to_string(i);
      for (const std::string& text : {"$." + name, name, "$..[\"" + name + "\"]"}) {
        std::string error;
        const auto path = paths.parse(text, &error);
        ASSERT_TRUE(path) << text;
        EXPECT_EQ(path->is_legacy(), text == name);
        EXPECT_EQ(path->steps().back().names, std::vector<std::string>{name});
        EXPECT_EQ(path->steps().size(), text.starts_with("$..") ? 2U : 1U);
      }
    }
    const std::string long_name(1000, 'n');
    std::string error;
    EXPECT_EQ(paths.parse(long_name, &error)->steps()[0].names[0], long_name);
    EXPECT_TRUE(paths.parse("$", &error)->steps().empty());
    EXPECT_NE(paths.parse("$[?(@.a>1)]", &error)->steps()[0].condition, nullptr);
    EXPECT_FALSE(paths.parse("", &error));
    EXPECT_FALSE(paths.parse("$[", &error));
    std::string expected;
    EXPECT_FALSE(JsonPath::parse("$[", &expected));
    EXPECT_EQ(error, expected);
  }
}

TEST(JsonPath, HostileExpressionsAreNone) {
  EXPECT_EQ(compile_expression("("), nullptr);
  EXPECT_EQ(compile_expression("((a{1000}){1000}){1000}"), nullptr);
  const auto expression = compile_expression("(a+)+$");
  ASSERT_NE(expression, nullptr);
  EXPECT_FALSE(matches_expression(*expression, std::string(100'000, 'a') + "b"));
}

}  // namespace
}  // namespace diskdb::types
