// What a change of a large JSON document costs: pages that the next checkpoint writes, bytes in the
// log; what a document costs in memory, and what it is called.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "command/tiered_server.h"

namespace diskdb::command {
namespace {

/// About 100 KB: a thousand members, each with a few of its own.
std::string large_document() {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) {
    if (i > 0) text += ',';
    text += "\"member" + std::to_string(i) + "\":{\"name\":\"of some length " + std::to_string(i) +
            "\",\"price\":" + std::to_string(i) +
            ".25,\"tags\":[\"a\",\"b\"],\"count\":" + std::to_string(i * 31) + "}";
  }
  return text + "}";
}

class JsonPages : public testing::Test {
 protected:
  JsonPages() {
    run({"JSON.SET", "d", "$", document_});
    server_.checkpoint();
  }
  std::string run(std::vector<std::string> words) {
    return client_->run_to_end(server_, {std::move(words)});
  }
  log::Offset logged_bytes() const { return server_.log.appended(); }

  const std::string document_ = large_document();
  TieredServer server_;
  std::unique_ptr<TieredServer::Client> client_ = server_.client();
};

TEST_F(JsonPages, AScalarIsAPageAndALine) {
  ASSERT_GT(document_.size(), 80'000U);
  const log::Offset logged = logged_bytes();
  EXPECT_EQ(run({"JSON.SET", "d", "$.member500.count", "7"}), "+OK\r\n");
  EXPECT_LT(logged_bytes() - logged, 120U);
  EXPECT_LT(server_.keyspace.dirty_bytes(), 3000U);
  server_.checkpoint();
  EXPECT_EQ(run({"JSON.NUMINCRBY", "d", "$.member900.price", "1"}), "$8\r\n[901.25]\r\n");
  EXPECT_LT(server_.keyspace.dirty_bytes(), 3000U);
}

// The counts of the containers around it are in pages of their own, as are those of the tree.
TEST_F(JsonPages, AMemberAddedIsAFewPages) {
  EXPECT_EQ(run({"JSON.SET", "d", "$.member500.fresh", "[1,2,3]"}), "+OK\r\n");
  EXPECT_LT(server_.keyspace.dirty_bytes(), 10'000U);
  server_.checkpoint();
  EXPECT_EQ(run({"JSON.ARRAPPEND", "d", "$.member1.tags", "\"c\""}), "*1\r\n:3\r\n");
  EXPECT_LT(server_.keyspace.dirty_bytes(), 10'000U);
}

TEST_F(JsonPages, ADocumentCostsAboutItsText) {
  EXPECT_LT(server_.keyspace.allocated_bytes(), document_.size() * 5 / 4);
}

// Charged before they are made, as if all were: here each ends with the first.
TEST_F(JsonPages, AFilterComparesOnlySoManyValues) {
  const auto zeros = [](std::size_t count) {
    std::string text = "[0";
    for (; count > 1; --count) text += ",0";
    return text + "]";
  };
  const std::string refusal = "-ERR the path leads to too many values\r\n";
  run({"JSON.SET", "zeros", "$", zeros(6000)});
  EXPECT_NE(run({"JSON.TYPE", "zeros", "$[?@ in " + zeros(100) + "]"}), refusal);
  for (const char* test : {"@ in ", "[0] anyof ", "0 == first"}) {
    EXPECT_EQ(run({"JSON.TYPE", "zeros", "$[?" + (test + ("(" + zeros(9000))) + ")]"}), refusal)
        << test;
  }
}

TEST_F(JsonPages, ItsTypeIsJsonInPlainText) {
  EXPECT_EQ(run({"TYPE", "d"}), "+ReJSON-RL\r\n");
  client_->dialect = resp::Dialect::kPlain;
  EXPECT_EQ(run({"TYPE", "d"}), "json\n");
  EXPECT_EQ(run({"JSON.GET", "d", "$.member1.tags"}), "[[\"a\",\"b\"]]\n");
}

}  // namespace
}  // namespace diskdb::command
