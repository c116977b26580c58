// The table of all families: every name finds its row, keys are where the specs say, and every
// syntax line can be read.
#include "command/command_table.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/category.h"
#include "command/syntax.h"

namespace diskdb::command {
namespace {

class TableTest : public testing::Test {
 protected:
  const Row& row(Bytes name) const {
    const Row* row = table_.find(name);
    EXPECT_NE(row, nullptr) << name;
    return *row;
  }
  std::vector<std::size_t> keys(const std::vector<Bytes>& words, bool is_sound = true) const {
    std::vector<std::size_t> indices;
    const Row* row = table_.resolve(words);
    EXPECT_NE(row, nullptr);
    EXPECT_EQ(find_key_indices(*row, words, &indices), is_sound);
    return indices;
  }

  const CommandTable table_{all_families()};
};

std::string lower(Bytes name) {
  std::string text(name);
  for (char& c : text) c = to_lower(c);
  return text;
}

TEST_F(TableTest, FindsEveryRowWhateverTheCase) {
  for (const Row* row : table_.rows()) {
    const std::string name = lower(row->name);
    const std::size_t blank = name.find(' ');
    std::vector<Bytes> words{Bytes(name).substr(0, blank)};
    if (blank != std::string::npos) words.push_back(Bytes(name).substr(blank + 1));
    EXPECT_EQ(table_.resolve(words), row) << name;
  }
}

TEST_F(TableTest, FindsNothingElse) {
  EXPECT_EQ(table_.find(""), nullptr);
  EXPECT_EQ(table_.find("GE"), nullptr);
  EXPECT_EQ(table_.find("GETT"), nullptr);
  EXPECT_EQ(table_.find("CONFIG SET"), nullptr);
  EXPECT_EQ(table_.find("CLIENT|ID"), nullptr);
  EXPECT_EQ(table_.find(std::string(100, 'A')), nullptr);
  EXPECT_EQ(table_.find(Bytes("GET\0", 4)), nullptr);
  EXPECT_EQ(table_.find("\xC7\xC5\xD4"), nullptr);  // "GET" but for bits that fold away
  EXPECT_EQ(table_.find_subcommand(row("CLIENT"), "SET"), nullptr);
  EXPECT_EQ(table_.find_subcommand(row("CLIENT"), ""), nullptr);
  EXPECT_EQ(table_.resolve({}), nullptr);
}

TEST_F(TableTest, ResolvesContainers) {
  const std::vector<Bytes> alone{"CLIENT"};
  EXPECT_EQ(table_.resolve(alone), &row("client"));
  const std::vector<Bytes> unknown{"CLIENT", "NOPE"};
  EXPECT_EQ(table_.resolve(unknown), nullptr);
  const std::vector<Bytes> with_function{"COMMAND"};
  EXPECT_EQ(table_.resolve(with_function)->function, row("command").function);
}

TEST_F(TableTest, IndicesAreDistinctAndBounded) {
  std::set<std::size_t> seen;
  for (const Row* row : table_.rows()) {
    const std::size_t index = table_.index_of(*row);
    EXPECT_LT(index, table_.rows().size());
    EXPECT_TRUE(seen.insert(index).second) << row->name;
  }
}

TEST_F(TableTest, SubcommandsFollowTheirContainer) {
  const auto subcommands = table_.subcommands(row("CLIENT"));
  ASSERT_GT(subcommands.size(), 10U);
  EXPECT_EQ(subcommands.front()->name, "CLIENT GETNAME");
  EXPECT_EQ(subcommands.back()->name, "CLIENT UNPAUSE");
  EXPECT_TRUE(table_.subcommands(row("GET")).empty());
}

TEST_F(TableTest, FindsKeys) {
  using Indices = std::vector<std::size_t>;
  EXPECT_EQ(keys({"GET", "k"}), Indices{1});
  EXPECT_EQ(keys({"MSET", "a", "1", "b", "2"}), (Indices{1, 3}));
  EXPECT_EQ(keys({"DEL", "a", "b", "c"}), (Indices{1, 2, 3}));
  EXPECT_EQ(keys({"BITOP", "AND", "to", "a", "b"}), (Indices{2, 3, 4}));
  EXPECT_EQ(keys({"OBJECT", "ENCODING", "k"}), Indices{2});
  EXPECT_EQ(keys({"SORT", "k", "STORE", "a", "LIMIT", "0", "1", "store", "b"}), (Indices{1, 8}));
  EXPECT_EQ(keys({"SORT", "k", "STORE"}), Indices{1});
  EXPECT_EQ(keys({"PING"}), Indices{});
  EXPECT_EQ(keys({"GET"}, false), Indices{});
}

TEST(KeySpecs, CountedKeysMustBeThere) {
  constexpr KeySpec kSpec = KeySpec::count_at(1, 2, KeyUse::kReadOnly);
  std::vector<std::size_t> indices;
  const auto find = [&](const std::vector<Bytes>& words) {
    indices.clear();
    return find_key_indices(kSpec, words, &indices);
  };
  EXPECT_TRUE(find({"X", "2", "a", "1", "b", "2"}));
  EXPECT_EQ(indices, (std::vector<std::size_t>{2, 4}));
  EXPECT_TRUE(find({"X", "0"}));
  EXPECT_TRUE(indices.empty());
  EXPECT_FALSE(find({"X", "3", "a", "1", "b", "2"}));
  EXPECT_FALSE(find({"X", "-1", "a", "1"}));
  EXPECT_FALSE(find({"X", "9223372036854775807", "a"}));
  EXPECT_FALSE(find({"X", "two", "a", "1"}));
}

TEST_F(TableTest, EverySyntaxLineCanBeRead) {
  for (const Row* row : table_.rows()) EXPECT_TRUE(parse_syntax(*row).has_value()) << row->name;
}

TEST_F(TableTest, EveryKeyIsSaidInTheSyntax) {
  const auto count_keys = [](auto& self, const std::vector<Argument>& arguments) -> std::size_t {
    std::size_t count = 0;
    for (const Argument& argument : arguments) {
      count += argument.key_spec ? 1U : 0U;
      count += self(self, argument.parts);
    }
    return count;
  };
  for (const Row* row : table_.rows()) {
    if (row->keys.empty() || row->has(Flag::kContainer) || row->syntax.empty()) continue;
    const auto arguments = parse_syntax(*row);
    ASSERT_TRUE(arguments.has_value());
    EXPECT_GE(count_keys(count_keys, *arguments), row->keys.size()) << row->name;
  }
}

TEST_F(TableTest, CategoriesFollowFromGroupAndFlags) {
  const auto is = [&](Bytes name, Category wanted) { return categories_of(row(name)) == wanted; };
  EXPECT_TRUE(is("GET", Category::kRead | Category::kString | Category::kFast));
  EXPECT_TRUE(is("FLUSHALL",
                 Category::kKeyspace | Category::kWrite | Category::kSlow | Category::kDangerous));
  EXPECT_TRUE(is("CLIENT", Category::kSlow));
  EXPECT_TRUE(is("SHUTDOWN", Category::kAdmin | Category::kSlow | Category::kDangerous));
  EXPECT_EQ(find_category("HyperLogLog"), Category::kHyperloglog);
  EXPECT_EQ(find_category("nope"), std::nullopt);
}

}  // namespace
}  // namespace diskdb::command
