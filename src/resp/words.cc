#include "resp/words.h"

#include "base/number.h"

namespace diskdb::resp {
namespace {

// What ends a word outside quotes. Fewer than is_space: vertical tab and form feed separate words
// only before one.
bool ends_word(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

char escaped(char c) {
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
    default:
      return c;
  }
}

}  // namespace

WordSplitter::Found WordSplitter::next() {
  while (at_ < line_.size() && is_space(line_[at_])) ++at_;
  if (at_ == line_.size()) return Found::kEnd;
  begin_ = at_;
  while (at_ < line_.size() && !ends_word(line_[at_])) {
    if (line_[at_] == '"' || line_[at_] == '\'') {
      std::string text(line_.substr(begin_, at_ - begin_));
      if (quoted(text) == Found::kUnbalanced) return Found::kUnbalanced;
      storage_.push_front(std::move(text));
      word_ = storage_.front();
      return Found::kWord;
    }
    ++at_;
  }
  word_ = line_.substr(begin_, at_ - begin_);
  return Found::kWord;
}

// Appends what the quotes at at_ hold, and moves behind them.
WordSplitter::Found WordSplitter::quoted(std::string& text) {
  const char quote = line_[at_++];
  while (at_ < line_.size()) {
    const char c = line_[at_++];
    if (c == quote) {
      return at_ == line_.size() || is_space(line_[at_]) ? Found::kWord : Found::kUnbalanced;
    }
    if (c != '\\' || at_ == line_.size()) {
      text.push_back(c);
    } else if (quote == '\'') {
      if (line_[at_] == '\'') {
        text.push_back(line_[at_++]);
      } else {
        text.push_back(c);
      }
    } else if (line_[at_] == 'x' && line_.size() - at_ > 2 && hex_digit(line_[at_ + 1]) >= 0 &&
               hex_digit(line_[at_ + 2]) >= 0) {
      text.push_back(static_cast<char>(hex_digit(line_[at_ + 1]) * 16 + hex_digit(line_[at_ + 2])));
      at_ += 3;
    } else {
      text.push_back(escaped(line_[at_++]));
    }
  }
  return Found::kUnbalanced;
}

bool split_words(Bytes line, std::vector<Bytes>& words, std::forward_list<std::string>& storage) {
  WordSplitter splitter(line, storage);
  for (;;) {
    switch (splitter.next()) {
      case WordSplitter::Found::kWord:
        words.push_back(splitter.word());
        break;
      case WordSplitter::Found::kEnd:
        return true;
      case WordSplitter::Found::kUnbalanced:
        return false;
    }
  }
}

}  // namespace diskdb::resp
