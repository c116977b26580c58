#include "resp/request.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "resp/limits.h"

namespace diskdb::resp {
namespace {

using Words = std::vector<std::string>;

/// What a stream came to: its requests, and the error that ended it, if one did.
struct Outcome {
  std::vector<Words> requests;
  std::vector<std::string> raws;
  std::string error;
  Stream stream = Stream::kUndecided;
  std::size_t left_bytes = 0;

  bool operator==(const Outcome&) const = default;
};

/// Feeds a parser as a connection does: a buffer that is moved, grows, and loses what is done with.
class Feeder {
 public:
  explicit Feeder(const ParserOptions& options = {}, bool is_authenticated = true)
      : options_(options), parser_(options_) {
    parser_.set_authenticated(is_authenticated);
  }

  void feed(Bytes piece, std::size_t requests_max = 3) {
    if (!outcome_.error.empty()) return;
    buffer_.append(piece);
    for (;;) {
      const std::string moved = buffer_;  // views into an older place would show
      const ParseStatus status = parser_.parse(moved, requests_max);
      for (const Request& request : parser_.requests()) {
        outcome_.requests.emplace_back(request.words.begin(), request.words.end());
        outcome_.raws.emplace_back(request.raw);
      }
      EXPECT_LE(parser_.consumed(), moved.size());
      EXPECT_LE(parser_.requests().size(), requests_max);
      buffer_.erase(0, parser_.consumed());
      if (status == ParseStatus::kRequests) {
        EXPECT_FALSE(parser_.requests().empty());
        continue;
      }
      EXPECT_TRUE(parser_.requests().empty());
      if (status == ParseStatus::kError) outcome_.error = parser_.error();
      if (status == ParseStatus::kMore) {
        EXPECT_GT(parser_.wanted_bytes(), buffer_.size());
      }
      break;
    }
  }

  std::size_t wanted_bytes() const { return parser_.wanted_bytes(); }
  Outcome outcome() {
    outcome_.stream = parser_.stream();
    outcome_.left_bytes = buffer_.size();
    return outcome_;
  }

 private:
  ParserOptions options_;
  RequestParser parser_;
  std::string buffer_;
  Outcome outcome_;
};

Outcome fed_whole(Bytes input, const ParserOptions& options = {}) {
  Feeder feeder(options);
  feeder.feed(input);
  return feeder.outcome();
}

Outcome fed_by_byte(Bytes input, const ParserOptions& options = {}) {
  Feeder feeder(options);
  for (const char& c : input) feeder.feed(Bytes(&c, 1));
  return feeder.outcome();
}

std::vector<Words> requests_of(Bytes input, const ParserOptions& options = {}) {
  const Outcome whole = fed_whole(input, options);
  EXPECT_EQ(whole.error, "") << input;
  EXPECT_EQ(whole, fed_by_byte(input, options)) << input;
  return whole.requests;
}

std::string error_of(Bytes input, const ParserOptions& options = {}) {
  const std::string error = fed_whole(input, options).error;
  EXPECT_EQ(error, fed_by_byte(input, options).error) << input;
  return error;
}

std::string resp(const Words& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words)
    text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return text;
}

constexpr ParserOptions kRedisLines{.inline_replies_resp = true};

TEST(Request, TakesArraysOfBulks) {
  EXPECT_EQ(requests_of("*1\r\n$4\r\nPING\r\n"), (std::vector<Words>{{"PING"}}));
  EXPECT_EQ(requests_of("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\n123\r\n456789\n\r\n"),
            (std::vector<Words>{{"SET", "", "123\r\n456789\n"}}));
}

TEST(Request, TakesPipelinesWithTheBytesTheyCameAs) {
  const std::vector<Words> requests = {
      {"GET", "a"}, {"SET", "b", std::string(300, 'x')}, {"PING"}, {"GET", "c"}};
  std::string input;
  for (const Words& words : requests) input += resp(words);
  const Outcome outcome = fed_whole(input);
  EXPECT_EQ(outcome.requests, requests);
  EXPECT_EQ(outcome.left_bytes, 0U);
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(outcome.raws[i], resp(requests[i]));
  EXPECT_EQ(outcome, fed_by_byte(input));
}

TEST(Request, TakesNoMoreThanAskedFor) {
  RequestParser parser{kRedisLines};
  const std::string input = resp({"A"}) + resp({"B"}) + "C\nD\n";
  ASSERT_EQ(parser.parse(input, 1), ParseStatus::kRequests);
  EXPECT_EQ(parser.requests().size(), 1U);
  EXPECT_EQ(parser.consumed(), resp({"A"}).size());
  const Bytes rest = Bytes(input).substr(parser.consumed());
  ASSERT_EQ(parser.parse(rest, 2), ParseStatus::kRequests);
  ASSERT_EQ(parser.requests().size(), 2U);
  EXPECT_EQ(parser.requests()[1].words[0], "C");
  EXPECT_EQ(parser.consumed(), rest.size() - 2);
}

TEST(Request, SkipsEmptyOnes) {
  EXPECT_EQ(requests_of("*0\r\n*-1\r\n*-7\r\n*1\r\n$1\r\nA\r\n\r\n\n \r\n*1\r\n$1\r\nB\r\n"),
            (std::vector<Words>{{"A"}, {"B"}}));
  const Outcome outcome = fed_whole("*0\r\n\r\n");
  EXPECT_EQ(outcome.left_bytes, 0U);
  EXPECT_TRUE(outcome.requests.empty());
}

TEST(Request, MixesLinesIntoRespAsRedisDoes) {
  EXPECT_EQ(requests_of("*1\r\n$1\r\nA\r\nSET k \"a b\"\r\n*1\r\n$1\r\nB\r\n"),
            (std::vector<Words>{{"A"}, {"SET", "k", "a b"}, {"B"}}));
  EXPECT_EQ(requests_of("SET k it\"'s\"\nPING\r\n*1\r\n$1\r\nB\r\n", kRedisLines),
            (std::vector<Words>{{"SET", "k", "it's"}, {"PING"}, {"B"}}));
  EXPECT_EQ(fed_whole("PING\n", kRedisLines).stream, Stream::kResp);
  EXPECT_EQ(fed_whole("PING\n", kRedisLines).raws, std::vector<std::string>{""});
}

// As Redis: whatever stands behind a CR, and two bytes of anything behind a bulk. `raw` then stays
// empty, so that such bytes never reach the log.
TEST(Request, AcceptsCarelessLineEndsWithoutRaw) {
  for (const Bytes input : {"*1\rx$4\r\nPING\r\n", "*1\r\n$4\rxPING\r\n", "*1\r\n$4\r\nPINGxx"}) {
    EXPECT_EQ(requests_of(input), (std::vector<Words>{{"PING"}})) << input;
    EXPECT_EQ(fed_whole(input).raws, std::vector<std::string>{""}) << input;
    // and the next request is not tainted
    EXPECT_EQ(fed_by_byte(std::string(input) + resp({"A"})).raws[1], resp({"A"}));
  }
}

TEST(Request, RefusesWhatRedisRefuses) {
  const std::string prefix = "ERR Protocol error: ";
  const std::tuple<Bytes, Bytes> cases[] = {
      {"*a\r\n", "invalid multibulk length"},
      {"*\r\n", "invalid multibulk length"},
      {"*01\r\n", "invalid multibulk length"},
      {"*+1\r\n", "invalid multibulk length"},
      {"*1 \r\n", "invalid multibulk length"},
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*20000000000000000000\r\n", "invalid multibulk length"},
      {"*1\r\nPING\r\n", "expected '$', got 'P'"},
      {"*1\r\n\r\n", "expected '$', got ' '"},
      {"*1\r\n*1\r\n", "expected '$', got '*'"},
      {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"},
      {"*1\r\n$a\r\n", "invalid bulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$-10\r\n", "invalid bulk length"},
      {"*1\r\n$2000000000\r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999999999999\r\n", "invalid bulk length"},
      {"*1\r\n$1\r\nA\r\nset \"x\r\n", "unbalanced quotes in request"},
      {"*1\r\n$1\r\nA\r\nset 'x'y\r\n", "unbalanced quotes in request"},
  };
  for (const auto& [input, text] : cases)
    EXPECT_EQ(error_of(input), prefix + std::string(text)) << input;
}

TEST(Request, GivesWhatCameBeforeAnError) {
  const std::string input = resp({"A"}) + resp({"B"}) + "*1\r\n$x\r\n" + resp({"C"});
  const Outcome outcome = fed_whole(input);
  EXPECT_EQ(outcome.requests, (std::vector<Words>{{"A"}, {"B"}}));
  EXPECT_EQ(outcome.error, "ERR Protocol error: invalid bulk length");
}

TEST(Request, LengthsMayReachTheirLimits) {
  EXPECT_EQ(fed_whole("*2147483647\r\n").error, "");
  EXPECT_EQ(fed_whole("*1\r\n$536870912\r\n").error, "");
  const ParserOptions small{.bulk_bytes_max = 5};
  EXPECT_EQ(requests_of(resp({"12345"}), small), (std::vector<Words>{{"12345"}}));
  EXPECT_EQ(error_of(resp({"123456"}), small), "ERR Protocol error: invalid bulk length");
}

TEST(Request, LinesMayBe64KilobytesLong) {
  const std::string longest(kLineBytesMax, 'a');
  EXPECT_EQ(fed_whole("*0\r\n" + longest + "\n").requests, (std::vector<Words>{{longest}}));
  const std::pair<std::string, std::string> starts[] = {
      {"*0\r\n", "too big inline request"}, {"", "too big inline request"},  // plain text
  };
  for (const auto& [start, text] : starts) {
    EXPECT_EQ(fed_whole(start + longest).error, "") << text;
    EXPECT_EQ(fed_whole(start + longest + "a").error, "ERR Protocol error: " + text);
    EXPECT_EQ(fed_whole(start + longest + "a\n").error, "ERR Protocol error: " + text);
  }
  const std::string digits(kLineBytesMax - 1, '1');
  EXPECT_EQ(fed_whole("*" + digits).error, "");
  EXPECT_EQ(fed_whole("*" + digits + "1").error, "ERR Protocol error: too big mbulk count string");
  EXPECT_EQ(fed_whole("*1\r\n$" + digits).error, "");
  EXPECT_EQ(fed_whole("*1\r\n$" + digits + "1").error,
            "ERR Protocol error: too big bulk count string");
}

// Redis's suite sends these to see that a server out of step with its client closes at last.
TEST(Request, AZeroByteHidesTheRestOfALine) {
  for (const std::string& start :
       {std::string(1, '\0'), std::string("*\0", 2), std::string("*1\r\n$\0", 6)}) {
    Feeder feeder(kRedisLines);
    feeder.feed(start);
    const std::string line = std::string(1024, 'A') + "\r\n";
    for (int i = 0; i < 63; ++i) feeder.feed(line);
    EXPECT_EQ(feeder.outcome().error, "");
    EXPECT_TRUE(feeder.outcome().requests.empty());
    feeder.feed(line);
    EXPECT_TRUE(feeder.outcome().error.starts_with("ERR Protocol error: too big"))
        << feeder.outcome().error;
  }
}

TEST(Request, ClientsThatMustAuthenticateGetLowerLimits) {
  const Words ten(10, "x");
  const Words eleven(11, "x");
  const std::string longest(16384, 'x');
  const std::tuple<std::string, std::string> cases[] = {
      {resp(ten), ""},
      {resp(eleven), "ERR Protocol error: unauthenticated multibulk length"},
      {resp({longest}), ""},
      {resp({longest + "x"}), "ERR Protocol error: unauthenticated bulk length"},
  };
  for (const auto& [input, error] : cases) {
    Feeder feeder({}, false);
    feeder.feed(input);
    EXPECT_EQ(feeder.outcome().error, error);
    EXPECT_EQ(feeder.outcome().requests.size(), error.empty() ? 1U : 0U);
  }
}

TEST(Request, TheFirstByteDecidesForTheConnection) {
  EXPECT_EQ(fed_whole("\r\n\r\r\n").stream, Stream::kUndecided);
  EXPECT_EQ(fed_whole("\r\n*1\r\n$1\r\nA\r\n").stream, Stream::kResp);
  EXPECT_EQ(requests_of("\n\r*1\r\n$1\r\nA\r\n"), (std::vector<Words>{{"A"}}));
  const Outcome plain = fed_whole("PING\n*1\r\n");
  EXPECT_EQ(plain.stream, Stream::kPlain);
  EXPECT_EQ(plain.requests, (std::vector<Words>{{"PING"}, {"*1"}}));
}

bool only_ex(std::span<const Bytes> words) {
  return words.size() == 5 && words[0] == "SET" && words[3] == "EX";
}

TEST(Request, PlainTextTakesTheRestOfTheLineAsTheValue) {
  const ParserOptions options{.reads_as_options = only_ex};
  const std::tuple<Bytes, Words> cases[] = {
      {"SET k v", {"SET", "k", "v"}},
      {"SET mykey \"Hello DiskDB\"", {"SET", "mykey", "Hello DiskDB"}},
      {"SET k hello world", {"SET", "k", "hello world"}},
      {"set  k   hello  world \r", {"set", "k", "hello  world "}},
      {"SET k it's done", {"SET", "k", "it's done"}},
      {"SET k say \"hi\" \\n", {"SET", "k", "say \"hi\" \\n"}},
      {"SET k v EX 10", {"SET", "k", "v", "EX", "10"}},
      {"SET k v EX 10 more", {"SET", "k", "v EX 10 more"}},
      {"SET k \"v\" EX 10 NX", {"SET", "k", "v", "EX", "10", "NX"}},
      {"SET k 'a b' c", {"SET", "k", "a b", "c"}},
      {"SET \"my key\" a b", {"SET", "my key", "a b"}},
      {"SET k", {"SET", "k"}},
      {"APPEND k  a b", {"APPEND", "k", "a b"}},
      {"echo it's  me", {"echo", "it's  me"}},
      {"JSON.SET doc $ {\"a\": [1, 2], \"b\": \"it's\"}",
       {"JSON.SET", "doc", "$", "{\"a\": [1, 2], \"b\": \"it's\"}"}},
      {"GET a b", {"GET", "a", "b"}},
      {"LPUSH l a b", {"LPUSH", "l", "a", "b"}},
  };
  for (const auto& [line, words] : cases) {
    EXPECT_EQ(requests_of(std::string(line) + "\n", options), std::vector<Words>{words}) << line;
  }
  EXPECT_EQ(requests_of("SET k v EX 10\n"), (std::vector<Words>{{"SET", "k", "v EX 10"}}));
  const Bytes zero("SET k a\0b c\n", 12);
  EXPECT_EQ(requests_of(zero), (std::vector<Words>{{"SET", "k", std::string("a\0b c", 5)}}));
}

TEST(Request, PlainTextRefusesUnbalancedQuotesOutsideRawValues) {
  for (const Bytes line :
       {"GET it's\n", "SET it's x\n", "SET k \"a b\n", "SET k 'a' it's\n", "'\n"}) {
    EXPECT_EQ(error_of(line), "ERR Protocol error: unbalanced quotes in request") << line;
  }
}

TEST(Request, SaysHowMuchItNeedsNext) {
  Feeder feeder;
  feeder.feed("*2\r\n$3\r\nSET\r\n$1000\r\nabc");
  const std::size_t header_bytes = 4 + 9 + 7;
  EXPECT_EQ(feeder.wanted_bytes(), header_bytes + 1000 + 2);
  EXPECT_EQ(feeder.outcome().left_bytes, header_bytes + 3);
}

TEST(Request, SplitsAtRandomPointsChangeNothing) {
  std::mt19937 random(4);
  for (int round = 0; round < 300; ++round) {
    std::string input = "*0\r\n";
    for (auto n = random() % 12; n > 0; --n) {
      Words words;
      for (auto w = random() % 8; w > 0; --w)
        words.emplace_back(random() % (random() % 8 == 0 ? 3000 : 20), 'x');
      input += random() % 4 == 0 ? "GET \"a b\" c\r\n" : resp(words);
    }
    if (random() % 2 == 0) input.resize(random() % (input.size() + 1));
    Feeder pieces;
    for (std::size_t at = 0; at < input.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 200, input.size() - at);
      pieces.feed(Bytes(input).substr(at, size), 1 + random() % 20);
      at += size;
    }
    EXPECT_EQ(pieces.outcome(), fed_whole(input));
  }
}

// The place kept in the first request must not be taken for one in the line behind it.
TEST(Request, AnUnfinishedRequestIsForgottenOnceItIsWhole) {
  Feeder feeder;
  feeder.feed("*");
  feeder.feed("1\r\n$1\r\nA\r\n\n" + resp({"B"}));
  EXPECT_EQ(feeder.outcome().requests, (std::vector<Words>{{"A"}, {"B"}}));
}

// One million words in pieces of 16 KB: were the request begun anew with each, this would take
// minutes.
TEST(Request, LargeRequestsInSmallPiecesTakeLinearTime) {
  constexpr std::size_t kWords = 1'000'000;
  constexpr std::size_t kPieceBytes = 16 * 1024;
  const std::string input = resp(Words(kWords, "word"));
  const ParserOptions options;
  RequestParser parser(options);
  for (std::size_t end = kPieceBytes; end < input.size(); end += kPieceBytes) {
    ASSERT_EQ(parser.parse(Bytes(input).substr(0, end), 16), ParseStatus::kMore);
    ASSERT_EQ(parser.consumed(), 0U);
  }
  ASSERT_EQ(parser.parse(input, 16), ParseStatus::kRequests);
  ASSERT_EQ(parser.requests()[0].words.size(), kWords);
  EXPECT_EQ(parser.requests()[0].words[kWords - 1], "word");
  EXPECT_EQ(parser.requests()[0].raw, input);
}

// Spans of earlier requests must follow when the room for words moves.
TEST(Request, ManyRequestsInOneCallKeepTheirWords) {
  std::string input;
  for (int i = 0; i < 500; ++i) input += resp(Words(1 + i % 7, std::to_string(i)));
  const ParserOptions options;
  RequestParser parser(options);
  ASSERT_EQ(parser.parse(input, 1000), ParseStatus::kRequests);
  ASSERT_EQ(parser.requests().size(), 500U);
  for (int i = 0; i < 500; ++i) {
    const Request& request = parser.requests()[static_cast<std::size_t>(i)];
    ASSERT_EQ(request.words.size(), static_cast<std::size_t>(1 + i % 7));
    for (const Bytes word : request.words) ASSERT_EQ(word, std::to_string(i));
  }
}

}  // namespace
}  // namespace diskdb::resp
