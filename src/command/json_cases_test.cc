// Runs the tables of tests/json/: documents, commands, and the replies in both protocols, in one
// line each. tests/json/README.md explains the notation.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "command/test_server.h"

namespace diskdb::command {
namespace {

namespace fs = std::filesystem;

fs::path cases_folder() {
  return fs::path(__FILE__).parent_path().parent_path().parent_path() / "tests" / "json";
}

std::vector<std::string> case_files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(cases_folder())) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path().filename().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Words between blanks; what stands between ' and ' is part of one as it is, '' being a quote.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool is_word = false;
  bool is_quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (is_quoted && c == '\'' && i + 1 < line.size() && line[i + 1] == '\'') {
      word += line[++i];
    } else if (c == '\'') {
      is_quoted = !is_quoted;
      is_word = true;
    } else if (c == ' ' && !is_quoted) {
      if (is_word) words.push_back(std::exchange(word, {}));
      is_word = false;
    } else {
      word += c;
      is_word = true;
    }
  }
  if (is_word) words.push_back(word);
  return words;
}

/// One reply, taken off the front of `raw`, in one line.
std::string shown(Bytes* raw) {
  const std::size_t end = raw->find("\r\n");
  const char type = (*raw)[0];
  const std::string head(raw->substr(1, end - 1));
  raw->remove_prefix(end + 2);
  switch (type) {
    case '$': {
      if (head == "-1") return "nil";
      const auto size = static_cast<std::size_t>(std::stoul(head));
      std::string text(raw->substr(0, size));
      raw->remove_prefix(size + 2);
      for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
        text.replace(at, 1, "\\n");
      }
      return "'" + text + "'";
    }
    case '_':
      return "nil";
    case ':':
      return head;
    case '*':
    case '%': {
      if (head == "-1") return "nil";
      std::string list = type == '*' ? "[" : "{";
      const long count = std::stol(head) * (type == '*' ? 1 : 2);
      for (long i = 0; i < count; ++i) {
        if (i > 0) list += type == '%' && i % 2 == 1 ? ": " : ", ";
        list += shown(raw);
      }
      return list + (type == '*' ? "]" : "}");
    }
    default:
      return type + head;
  }
}

class JsonCasesTest : public testing::TestWithParam<std::string> {
 protected:
  /// `is_new`: the last protocol's replies count, if they differ.
  void run(bool is_resp3) {
    TestServer server;
    if (is_resp3) server.run({"HELLO", "3"});
    std::ifstream file(cases_folder() / GetParam());
    std::string line;
    std::string got;
    std::string command;
    for (int number = 1; std::getline(file, line); ++number) {
      const std::string rest = line.size() > 2 ? line.substr(2) : "";
      if (line.starts_with("d ")) {
        server.run({"FLUSHALL"});
        const std::string reply = server.run({"JSON.SET", "d", "$", rest});
        EXPECT_EQ(reply, "+OK\r\n") << GetParam() << ":" << number << ": " << line;
      } else if (line.starts_with("> ")) {
        command = rest;
        const std::string reply = server.run(words_of(rest));
        Bytes left(reply);
        got = shown(&left);
        EXPECT_EQ(left, "") << GetParam() << ":" << number << ": " << line;
      } else if (line.starts_with("= ") || line.starts_with(is_resp3 ? "3 " : "2 ")) {
        EXPECT_EQ(got, rest) << GetParam() << ":" << number << ": " << command
                             << (is_resp3 ? " (RESP3)" : " (RESP2)");
        ++checked_count_;
      } else {
        const bool is_known = line.empty() || line.starts_with("#") || line.starts_with("2 ") ||
                              line.starts_with("3 ");
        EXPECT_TRUE(is_known) << GetParam() << ":" << number << ": " << line;
      }
    }
  }

  int checked_count_ = 0;
};

TEST_P(JsonCasesTest, GetsTheRepliesItStatesInResp2) {
  run(false);
  EXPECT_GT(checked_count_, 0);
}

TEST_P(JsonCasesTest, GetsTheRepliesItStatesInResp3) {
  run(true);
  EXPECT_GT(checked_count_, 0);
}

INSTANTIATE_TEST_SUITE_P(, JsonCasesTest, testing::ValuesIn(case_files()), [](const auto& file) {
  std::string name = file.param.substr(0, file.param.find('.'));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace diskdb::command
