// The constants are what Redis 7.0.15 answers to DEBUG DIGEST and DEBUG DIGEST-VALUE for the same
// keys.
#include "keyspace/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace diskdb::keyspace {
namespace {

class DigestTest : public testing::Test {
 protected:
  DigestTest() : keyspace_({.shard_count = 16, .database_count = 4, .hash_seed = 5}, nullptr) {}

  template <typename Edit>
  void edit(std::uint32_t db, Bytes name, Edit edit) {
    access_.begin(db, {1000});
    access_.hold_all();
    access_.begin_command({}, {}, Logged::kByEffect, false);
    edit(access_.key(name));
    access_.end_command();
    access_.release();
  }
  void set(std::uint32_t db, Bytes name, Bytes value, Expiry expiry = Expiry::none()) {
    edit(db, name, [&](const Key& key) { access_.set_string(key, value, expiry); });
  }
  std::string digest() {
    access_.begin(0, {1000});
    access_.hold_all();
    const std::string text = digest_text(*digest_of_all(access_));
    access_.release();
    return text;
  }
  std::string value_digest(Bytes name) {
    access_.begin(0, {1000});
    access_.hold_all();
    const std::string text =
        digest_text(digest_of_value(access_, *access_.peek_expired(0, access_.key(name))));
    access_.release();
    return text;
  }

  Keyspace keyspace_;
  Access access_{keyspace_};
};

constexpr auto kNothing = "0000000000000000000000000000000000000000";

TEST_F(DigestTest, OfNothingIsZero) { EXPECT_EQ(digest(), kNothing); }

TEST_F(DigestTest, EqualsThatOfRedis) {
  set(0, "k", "v");
  set(0, "num", "12345");
  set(0, "e", "x", Expiry::at({100'000'000}));
  set(3, "other", "value");
  EXPECT_EQ(digest(), "e57f9794a8fc86a4fc4f61f50e1effc3ca5ae87b");
  EXPECT_EQ(value_digest("k"), "d79ee9fe5d5ad902d7f6620efc3b07b75ddd742f");
  EXPECT_EQ(value_digest("num"), "e1cf90774e995ae03de66e8109dc5cb9d9c2dc83");
  EXPECT_EQ(value_digest("e"), "0745672cb1bf060476eedeb8a28f5ffe1ff5a2be");
}

TEST_F(DigestTest, DependsOnNeitherOrderNorRepresentation) {
  set(0, "a", "1");
  set(0, "b", "12345");
  const std::string expected = digest();
  edit(0, "a", [&](const Key& key) { access_.erase(key); });
  EXPECT_NE(digest(), expected);
  edit(0, "b", [&](const Key& key) { access_.set_integer(key, 12345); });
  edit(0, "a", [&](const Key& key) { access_.set_shared(key, SharedBytes::copy_of("1")); });
  EXPECT_EQ(digest(), expected);
}

TEST_F(DigestTest, DependsOnTheDatabase) {
  set(0, "a", "1");
  const std::string in_first = digest();
  edit(0, "a", [&](const Key& key) { access_.move(key, 1); });
  EXPECT_NE(digest(), in_first);
}

TEST_F(DigestTest, CountsWhatHasExpired) {
  set(0, "a", "1", Expiry::at({500}));
  EXPECT_NE(digest(), kNothing);
}

}  // namespace
}  // namespace diskdb::keyspace
