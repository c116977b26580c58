#include "base/glob.h"

#include <cstddef>
#include <utility>

#include "base/number.h"

namespace diskdb {
namespace {

constexpr std::size_t kStarsMax = 1000;

int signed_byte(char c) { return static_cast<signed char>(c); }
int lower_byte(char c) { return static_cast<unsigned char>(to_lower(c)); }

bool same(char a, char b, bool ignore_case) {
  return a == b || (ignore_case && to_lower(a) == to_lower(b));
}

// Is `c` in the class that begins behind `[` at pattern[at]? Moves `at` behind its end, which does
// not depend on `c`.
bool class_holds(Bytes pattern, std::size_t& at, char c, bool ignore_case) {
  const bool is_negated = at < pattern.size() && pattern[at] == '^';
  if (is_negated) ++at;
  bool holds = false;
  while (at < pattern.size()) {
    const std::size_t left = pattern.size() - at;
    if (pattern[at] == '\\' && left >= 2) {
      holds |= pattern[at + 1] == c;
      at += 2;
    } else if (pattern[at] == ']') {
      ++at;
      break;
    } else if (left >= 3 && pattern[at + 1] == '-') {
      // Lower case comes after ordering the ends, as [Z-a] shows, and makes bytes unsigned: Redis's
      // tolower.
      int low = signed_byte(pattern[at]);
      int high = signed_byte(pattern[at + 2]);
      if (low > high) std::swap(low, high);
      int byte = signed_byte(c);
      if (ignore_case) {
        low = lower_byte(static_cast<char>(low));
        high = lower_byte(static_cast<char>(high));
        byte = lower_byte(c);
      }
      holds |= low <= byte && byte <= high;
      at += 3;
    } else {
      holds |= same(pattern[at], c, ignore_case);
      ++at;
    }
  }
  return holds != is_negated;
}

// Does the pattern's element at `at`, which is not a star, match `c`? Moves `at` behind it.
bool element_matches(Bytes pattern, std::size_t& at, char c, bool ignore_case) {
  switch (pattern[at]) {
    case '?':
      ++at;
      return true;
    case '[':
      ++at;
      return class_holds(pattern, at, c, ignore_case);
    case '\\':
      if (at + 1 < pattern.size()) ++at;
      break;
    default:
      break;
  }
  return same(pattern[at++], c, ignore_case);
}

}  // namespace

// Every element but the star takes exactly one byte. So when the elements behind a star have found
// their first place, no later place of theirs can help a later star that this one does not: only
// the last star met needs to be tried again, one byte further on.
bool glob_matches(Bytes pattern, Bytes text, bool ignore_case) {
  if (text.empty()) return pattern.empty();
  std::size_t at = 0;
  std::size_t retry_pattern = Bytes::npos;  // behind the last star met, if any
  std::size_t retry_text = 0;               // where its elements are tried next
  std::size_t star_count = 0;
  std::size_t i = 0;
  while (i < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      while (at < pattern.size() && pattern[at] == '*') ++at;
      if (at == pattern.size()) return true;
      if (++star_count > kStarsMax) return false;
      retry_pattern = at;
      retry_text = i;
      continue;
    }
    if (at < pattern.size() && element_matches(pattern, at, text[i], ignore_case)) {
      ++i;
      continue;
    }
    if (retry_pattern == Bytes::npos) return false;
    at = retry_pattern;
    i = ++retry_text;
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace diskdb
