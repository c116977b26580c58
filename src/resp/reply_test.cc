#include "resp/reply.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

namespace diskdb::resp {
namespace {

std::string written(Dialect dialect, const std::function<void(Reply&)>& write) {
  StringOutput output;
  Reply reply(output, dialect);
  write(reply);
  return std::string(output.view());
}

struct Case {
  const char* name;
  std::function<void(Reply&)> write;
  const char* resp2;
  const char* resp3;
  const char* plain;
};

TEST(Reply, SaysEachThingInEachDialect) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Case cases[] = {
      {"ok", [](Reply& r) { r.ok(); }, "+OK\r\n", "+OK\r\n", "OK\n"},
      {"pong", [](Reply& r) { r.pong(); }, "+PONG\r\n", "+PONG\r\n", "+PONG\r\n"},
      {"simple", [](Reply& r) { r.simple("QUEUED"); }, "+QUEUED\r\n", "+QUEUED\r\n", "QUEUED\n"},
      {"integer", [](Reply& r) { r.integer(-42); }, ":-42\r\n", ":-42\r\n", "-42\n"},
      {"smallest integer", [](Reply& r) { r.integer(std::numeric_limits<std::int64_t>::min()); },
       ":-9223372036854775808\r\n", ":-9223372036854775808\r\n", "-9223372036854775808\n"},
      {"bulk", [](Reply& r) { r.bulk("hello"); }, "$5\r\nhello\r\n", "$5\r\nhello\r\n", "hello\n"},
      {"bulk of ten", [](Reply& r) { r.bulk("0123456789"); }, "$10\r\n0123456789\r\n",
       "$10\r\n0123456789\r\n", "0123456789\n"},
      {"empty bulk", [](Reply& r) { r.bulk(Bytes()); }, "$0\r\n\r\n", "$0\r\n\r\n", "\n"},
      {"bulk integer", [](Reply& r) { r.bulk_integer(100); }, "$3\r\n100\r\n", "$3\r\n100\r\n",
       "100\n"},
      {"null", [](Reply& r) { r.null(); }, "$-1\r\n", "_\r\n", "(nil)\n"},
      {"null array", [](Reply& r) { r.null_array(); }, "*-1\r\n", "_\r\n", "(nil)\n"},
      {"empty array", [](Reply& r) { r.array(0); }, "*0\r\n", "*0\r\n", "(empty array)\n\n"},
      {"array", [](Reply& r) { r.array(2), r.bulk("a"), r.integer(1); }, "*2\r\n$1\r\na\r\n:1\r\n",
       "*2\r\n$1\r\na\r\n:1\r\n", "a\n1\n\n"},
      {"map", [](Reply& r) { r.map(1), r.bulk("a"), r.integer(1); }, "*2\r\n$1\r\na\r\n:1\r\n",
       "%1\r\n$1\r\na\r\n:1\r\n", "a\n1\n\n"},
      {"empty map", [](Reply& r) { r.map(0); }, "*0\r\n", "%0\r\n", "(empty array)\n\n"},
      {"set", [](Reply& r) { r.set(1), r.bulk("a"); }, "*1\r\n$1\r\na\r\n", "~1\r\n$1\r\na\r\n",
       "a\n\n"},
      {"push", [](Reply& r) { r.push(1), r.bulk("a"); }, "*1\r\n$1\r\na\r\n", ">1\r\n$1\r\na\r\n",
       "a\n\n"},
      {"real", [](Reply& r) { r.real(3.14); }, "$18\r\n3.1400000000000001\r\n",
       ",3.1400000000000001\r\n", "3.1400000000000001\n"},
      {"integral real", [](Reply& r) { r.real(10); }, "$2\r\n10\r\n", ",10\r\n", "10\n"},
      {"infinity", [=](Reply& r) { r.real(infinity); }, "$3\r\ninf\r\n", ",inf\r\n", "inf\n"},
      {"-infinity", [=](Reply& r) { r.real(-infinity); }, "$4\r\n-inf\r\n", ",-inf\r\n", "-inf\n"},
      {"nan", [](Reply& r) { r.real(std::nan("")); }, "$3\r\nnan\r\n", ",nan\r\n", "nan\n"},
      {"human real", [](Reply& r) { r.human_real(2.50L); }, "$3\r\n2.5\r\n", ",2.5\r\n", "2.5\n"},
      {"true", [](Reply& r) { r.boolean(true); }, ":1\r\n", "#t\r\n", "1\n"},
      {"false", [](Reply& r) { r.boolean(false); }, ":0\r\n", "#f\r\n", "0\n"},
      {"verbatim", [](Reply& r) { r.verbatim("txt", "some text"); }, "$9\r\nsome text\r\n",
       "=13\r\ntxt:some text\r\n", "some text\n"},
      {"big number", [](Reply& r) { r.big_number("123456789012345678901234567890"); },
       "$30\r\n123456789012345678901234567890\r\n", "(123456789012345678901234567890\r\n",
       "123456789012345678901234567890\n"},
      {"error", [](Reply& r) { r.error("ERR no such key"); }, "-ERR no such key\r\n",
       "-ERR no such key\r\n", "ERROR: No such key\n"},
      {"coded error", [](Reply& r) { r.error(Refusal::kWrongType); },
       "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
       "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
       "ERROR: WRONGTYPE Operation against a key holding the wrong kind of value\n"},
      {"not an integer", [](Reply& r) { r.error(Refusal::kNotInteger); },
       "-ERR value is not an integer or out of range\r\n",
       "-ERR value is not an integer or out of range\r\n", "ERROR: Value is not an integer\n"},
      {"error of two lines", [](Reply& r) { r.error("ERR a\r\nb"); }, "-ERR a  b\r\n",
       "-ERR a  b\r\n", "ERROR: A  b\n"},
      {"bare error", [](Reply& r) { r.error("ERR "); }, "-ERR \r\n", "-ERR \r\n", "ERROR: \n"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(written(Dialect::kResp2, c.write), c.resp2) << c.name;
    EXPECT_EQ(written(Dialect::kResp3, c.write), c.resp3) << c.name;
    EXPECT_EQ(written(Dialect::kPlain, c.write), c.plain) << c.name;
  }
}

TEST(Reply, PlainTextFlattensArraysAndEndsTheOutermost) {
  EXPECT_EQ(written(Dialect::kPlain,
                    [](Reply& r) {
                      r.array(3);
                      r.array(2);
                      r.integer(1);
                      r.array(1);
                      r.bulk("deep");
                      r.null();
                      r.array(0);  // one element among others
                      r.ok();
                    }),
            "1\ndeep\n(nil)\n(empty array)\n\nOK\n");
}

TEST(Reply, PlainTextEndsArraysNestedInTheLastPlaceOnce) {
  EXPECT_EQ(written(Dialect::kPlain,
                    [](Reply& r) {
                      r.array(1);
                      r.map(1);
                      r.bulk("k");
                      r.array(1);
                      r.error("ERR x");
                      r.integer(2);
                    }),
            "k\nERROR: X\n\n2\n");
}

TEST(StringOutput, IsEmptyBeforeItIsWrittenTo) {
  StringOutput output;
  EXPECT_EQ(output.view(), "");
  output.clear();
  EXPECT_EQ(output.size(), 0U);
  output.append("abc");
  output.append(std::string(1000, 'x'));
  EXPECT_EQ(output.view(), "abc" + std::string(1000, 'x'));
  output.clear();
  output.append("d");
  EXPECT_EQ(output.view(), "d");
}

/// Remembers what came by reference.
class CountingOutput final : public Output {
 public:
  std::string taken() { return bytes_.substr(0, static_cast<std::size_t>(end_ - bytes_.data())); }
  void append_shared(const SharedBytes&, Bytes bytes) override {
    ++shared_count;
    append(bytes);
  }
  int shared_count = 0;

 private:
  void grow(std::size_t bytes) override {
    const std::size_t used = end_ == nullptr ? 0 : static_cast<std::size_t>(end_ - bytes_.data());
    bytes_.resize(used + bytes);
    end_ = bytes_.data() + used;
    limit_ = end_ + bytes;
  }
  std::string bytes_;
};

TEST(Reply, SendsLargeValuesByReference) {
  const std::string text(kSharedReplyBytesMin, 'x');
  for (const Dialect dialect : {Dialect::kResp2, Dialect::kPlain}) {
    const bool is_plain = dialect == Dialect::kPlain;
    CountingOutput output;
    Reply reply(output, dialect);
    reply.bulk(SharedBytes::copy_of(Bytes(text).substr(1)));
    EXPECT_EQ(output.shared_count, 0);
    EXPECT_EQ(output.taken(),
              (is_plain ? "" : "$16383\r\n") + text.substr(1) + (is_plain ? "\n" : "\r\n"));

    CountingOutput large_output;
    Reply large_reply(large_output, dialect);
    large_reply.bulk(SharedBytes::copy_of(text));
    EXPECT_EQ(large_output.shared_count, 1);
    EXPECT_EQ(large_output.taken(),
              (is_plain ? "" : "$16384\r\n") + text + (is_plain ? "\n" : "\r\n"));
  }
}

}  // namespace
}  // namespace diskdb::resp
