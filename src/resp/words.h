// resp/words.h — splits a line into words: inline commands, plain text and the lines of a
// redis.conf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace diskdb::resp {

/// Takes words from the front of a line, one at a time.
///
/// White space separates. "..." knows \n \r \t \b \a \xHH and \ before any other byte; '...' knows
/// \' only. A quote may begin inside a word and ends it: white space or the line's end must follow.
/// These are the rules of Redis's inline commands; a zero byte is a byte like others.
///
/// Threads: one at a time.
class WordSplitter {
 public:
  enum class Found : std::uint8_t { kWord, kEnd, kUnbalanced };

  /// Borrows `line` as long as the words are used, and `storage`, which gets the words that are not
  /// in the line as they are; its elements stay where they are.
  WordSplitter(Bytes line, std::forward_list<std::string>& storage)
      : line_(line), storage_(storage) {}

  /// After kWord: word() is it, and begin() its place in the line, quote included.
  Found next();
  Bytes word() const { return word_; }
  std::size_t begin() const { return begin_; }

 private:
  Found quoted(std::string& text);

  Bytes line_;
  std::forward_list<std::string>& storage_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;
  Bytes word_;
};

/// Appends all words of `line` to `words`. Borrows as WordSplitter does.
/// False if quotes are unbalanced; `words` then has those before.
bool split_words(Bytes line, std::vector<Bytes>& words, std::forward_list<std::string>& storage);

}  // namespace diskdb::resp
