// Runs every file of tests/transcript/ in process: commands, and the replies they must get. The
// notation is explained in tests/lib/transcript.py, which sends the same files over a socket.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/test_server.h"

namespace diskdb::command {
namespace {

namespace fs = std::filesystem;

fs::path transcript_folder() {
  return fs::path(__FILE__).parent_path().parent_path().parent_path() / "tests" / "transcript";
}

std::vector<std::string> transcript_files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(transcript_folder())) {
    if (entry.path().extension() == ".txt") {
      files.push_back(fs::relative(entry.path(), transcript_folder()).string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// ---- Reading

char escaped(Bytes text, std::size_t* i) {
  const char c = text[++*i];
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    case 'x': {
      unsigned value = 0;
      std::from_chars(text.data() + *i + 1, text.data() + *i + 3, value, 16);
      *i += 2;
      return static_cast<char>(value);
    }
    default:
      return c;
  }
}

/// Splits as Redis splits an inline command.
std::vector<std::string> split_words(Bytes line) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < line.size();) {
    if (is_space(line[i])) {
      ++i;
      continue;
    }
    std::string word;
    const bool is_quoted = line[i] == '"';
    if (is_quoted) ++i;
    for (; i < line.size() && (is_quoted ? line[i] != '"' : !is_space(line[i])); ++i) {
      word += is_quoted && line[i] == '\\' ? escaped(line, &i) : line[i];
    }
    if (is_quoted) ++i;
    words.push_back(word);
  }
  return words;
}

/// All lines that one with {a|b} alternatives stands for.
std::vector<std::string> expand(const std::string& line) {
  for (std::size_t open = line.find('{'); open != std::string::npos;
       open = line.find('{', open + 1)) {
    const std::size_t close = line.find('}', open);
    if (close == std::string::npos) break;
    const std::string inside = line.substr(open + 1, close - open - 1);
    if (inside.find('|') == std::string::npos || inside.find('{') != std::string::npos) continue;
    std::vector<std::string> lines;
    for (std::size_t from = 0; from <= inside.size();) {
      const std::size_t bar = std::min(inside.find('|', from), inside.size());
      const std::string choice = inside.substr(from, bar - from);
      for (auto& rest : expand(line.substr(close + 1))) {
        lines.push_back(line.substr(0, open) + choice + rest);
      }
      from = bar + 1;
    }
    return lines;
  }
  return {line};
}

// ---- Showing replies

std::string quoted_reply(Bytes text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += std::string("\\") + c;
    } else if (c == '\r' || c == '\n' || c == '\t') {
      result += c == '\r' ? "\\r" : c == '\n' ? "\\n" : "\\t";
    } else if (byte >= 32 && byte < 127) {
      result += c;
    } else {
      constexpr char kDigits[] = "0123456789abcdef";
      result += {'\\', 'x', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
  }
  return result + '"';
}

/// Appends the lines of the reply at the start of `raw`, and takes it off.
void show_reply(Bytes* raw, int depth, std::vector<std::string>* lines) {
  const std::size_t end = raw->find("\r\n");
  ASSERT(end != Bytes::npos);
  const Bytes line = raw->substr(0, end);
  raw->remove_prefix(end + 2);
  const std::string pad(static_cast<std::size_t>(2 * depth), ' ');
  const char kind = line[0];
  const Bytes rest = line.substr(1);
  if (Bytes("$!=").find(kind) != Bytes::npos && rest != "-1") {
    const auto size = static_cast<std::size_t>(*parse_integer(rest));
    lines->push_back(pad + (kind == '$' ? "" : std::string(1, kind)) +
                     quoted_reply(raw->substr(0, size)));
    raw->remove_prefix(size + 2);
    return;
  }
  lines->push_back(pad + std::string(line));
  if (Bytes("*~>%|").find(kind) != Bytes::npos && rest != "-1") {
    const auto count = *parse_integer(rest) * (kind == '%' || kind == '|' ? 2 : 1);
    for (std::int64_t i = 0; i < count; ++i) show_reply(raw, depth + 1, lines);
  }
}

std::vector<std::string> shown(Bytes raw) {
  std::vector<std::string> lines;
  while (!raw.empty()) show_reply(&raw, 0, &lines);
  return lines;
}

// ---- Running

struct Line {
  int number;
  std::string text;
};

class Runner {
 public:
  explicit Runner(const fs::path& path) : Runner(path, {.shard_count = 16, .hash_seed = 1}) {}
  Runner(const fs::path& path, const keyspace::Options& options)
      : path_(path), server_(nullptr, nullptr, options) {
    std::ifstream file(path);
    std::string text;
    for (int number = 1; std::getline(file, text); ++number) {
      if (text.find_first_not_of(" \t") == std::string::npos || text[0] == '#') continue;
      lines_.push_back({number, text});
    }
  }

  void run() {
    for (std::size_t i = 0; i < lines_.size();) {
      const Line& line = lines_[i++];
      if (line.text.starts_with("> ")) {
        std::vector<std::string> reply;
        while (i < lines_.size() && is_reply(lines_[i].text)) reply.push_back(lines_[i++].text);
        commands(line, reply);
      } else if (line.text.starts_with("== ")) {
        server_.close_all();
        server_.run({"FLUSHALL"});
        connection_ = "1";
        each_.clear();
      } else {
        directive(line);
      }
    }
  }

 private:
  static bool is_reply(const std::string& text) {
    return !text.starts_with("> ") && !text.starts_with("== ") && text[0] != '@';
  }

  void commands(const Line& line, const std::vector<std::string>& reply) {
    const auto variants = expand(line.text.substr(2));
    for (std::size_t i = 0; i < variants.size(); ++i) {
      if (!each_.empty()) server_.run(each_, connection_);
      const auto got = shown(server_.run(split_words(variants[i]), connection_));
      if (i + 1 < variants.size() || reply.empty()) continue;  // the reply is the last one's
      if (reply == std::vector<std::string>{"?"}) continue;
      EXPECT_EQ(got, reply) << path_.string() << ":" << line.number << ": " << line.text;
    }
  }

  void directive(const Line& line) {
    const std::vector<std::string> words = split_words(line.text.substr(1));
    if (words[0] == "connection") {
      connection_ = words.at(1);
    } else if (words[0] == "sleep") {
      server_.clock().advance({*parse_integer(words.at(1))});
    } else if (words[0] == "each") {
      each_.assign(words.begin() + 1, words.end());
    } else {
      ADD_FAILURE() << path_.string() << ":" << line.number << ": cannot run in process";
    }
  }

  fs::path path_;
  std::vector<Line> lines_;
  TestServer server_;
  std::string connection_ = "1";
  std::vector<std::string> each_;
};

class TranscriptTest : public testing::TestWithParam<std::string> {};

TEST_P(TranscriptTest, GetsTheRepliesItStates) { Runner(transcript_folder() / GetParam()).run(); }

// Whatever form its strings have: here all but integers are in pages.
TEST_P(TranscriptTest, GetsThemFromStringsInPages) {
  Runner(transcript_folder() / GetParam(), TestServer::strings_in_pages(0, 3)).run();
}

INSTANTIATE_TEST_SUITE_P(, TranscriptTest, testing::ValuesIn(transcript_files()),
                         [](const auto& file) {
                           std::string name = file.param;
                           for (char& c : name) {
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace diskdb::command
