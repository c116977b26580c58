// LCS: the longest common subsequence of two strings, by dynamic programming.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "command/string_commands.h"
#include "command/string_size.h"
#include "keyspace/access.h"
#include "types/string_value.h"

namespace diskdb::command::strings {
namespace {

using keyspace::Record;
using keyspace::Type;

struct Options {
  bool wants_length = false;
  bool wants_indexes = false;
  bool with_match_length = false;
  std::int64_t match_length_min = 0;
};

Outcome read_options(CommandContext& cx, Arguments args, Options* options) {
  while (!args.is_empty()) {
    if (args.next_is("IDX")) {
      options->wants_indexes = true;
    } else if (args.next_is("LEN")) {
      options->wants_length = true;
    } else if (args.next_is("WITHMATCHLEN")) {
      options->with_match_length = true;
    } else if (args.count() >= 2 && args.next_is("MINMATCHLEN")) {
      TRY_LET(options->match_length_min, args.next_integer());
    } else {
      return Refusal::kSyntax;
    }
  }
  if (options->wants_length && options->wants_indexes) {
    return cx.refuse("ERR If you want both the length and indexes, please just use IDX.");
  }
  return Outcome::done();
}

/// length(i, j): of the longest common subsequence of a's first i and b's first j bytes.
class Lengths {
 public:
  Lengths(Bytes a, Bytes b)
      : width_(b.size() + 1), cells_(new (std::nothrow) std::uint32_t[cell_count(a, b)]) {}

  /// Never overflows, for strings are shorter than 4 GB.
  static std::uint64_t cell_count(Bytes a, Bytes b) {
    return (std::uint64_t{a.size()} + 1) * (std::uint64_t{b.size()} + 1);
  }
  bool is_allocated() const { return cells_ != nullptr; }
  std::uint32_t at(std::size_t i, std::size_t j) const { return cells_[i * width_ + j]; }

  void fill(Bytes a, Bytes b) {
    std::uint32_t* above = cells_.get();
    for (std::size_t j = 0; j < width_; ++j) above[j] = 0;
    for (const char c : a) {
      std::uint32_t* row = above + width_;
      row[0] = 0;
      for (std::size_t j = 1; j < width_; ++j) {
        row[j] = c == b[j - 1] ? above[j - 1] + 1 : std::max(above[j], row[j - 1]);
      }
      above = row;
    }
  }

 private:
  std::size_t width_;
  std::unique_ptr<std::uint32_t[]> cells_;
};

/// Both substrings are the same bytes: a's from a_start to a_end, b's from b_start on.
struct Match {
  std::size_t a_start;
  std::size_t b_start;
  std::size_t length;
};

/// Walks back from the end of both strings. The subsequence goes to `subsequence`, the runs it
/// consists of, from the last to the first, to `matches`. A run ends early where it reaches the
/// start of a string.
void trace(Bytes a, Bytes b, const Lengths& lengths, std::string* subsequence,
           std::vector<Match>* matches) {
  std::size_t i = a.size();
  std::size_t j = b.size();
  std::size_t left = lengths.at(i, j);
  subsequence->resize(left);
  Match run{0, 0, 0};
  const auto end_run = [&] {
    if (run.length != 0) matches->push_back(run);
    run.length = 0;
  };
  while (i > 0 && j > 0) {
    if (a[i - 1] != b[j - 1]) {
      end_run();
      if (lengths.at(i - 1, j) > lengths.at(i, j - 1)) {
        --i;
      } else {
        --j;
      }
      continue;
    }
    --i;
    --j;
    (*subsequence)[--left] = a[i];
    run = {i, j, run.length + 1};
  }
  end_run();
}

void reply_matches(CommandContext& cx, const Options& options, std::uint32_t length,
                   std::vector<Match> matches) {
  std::erase_if(matches, [&](const Match& match) {
    return static_cast<std::int64_t>(match.length) < options.match_length_min;
  });
  cx.reply.map(2);
  cx.reply.bulk("matches");
  cx.reply.array(matches.size());
  for (const auto& [a_start, b_start, run] : matches) {
    cx.reply.array(options.with_match_length ? 3 : 2);
    for (const std::size_t start : {a_start, b_start}) {
      cx.reply.array(2);
      cx.reply.integer(static_cast<std::int64_t>(start));
      cx.reply.integer(static_cast<std::int64_t>(start + run - 1));
    }
    if (options.with_match_length) cx.reply.integer(static_cast<std::int64_t>(run));
  }
  cx.reply.bulk("len");
  cx.reply.integer(length);
}

}  // namespace

/// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN] — the subsequence, its length, or
/// where it lies in both strings. Time and memory are O(length of one * length of the other).
Outcome lcs(CommandContext& cx, Arguments args) {
  const Record* first = cx.keyspace.find(cx.keys[0]);
  const Record* second = cx.keyspace.find(cx.keys[1]);
  for (const Record* record : {first, second}) {
    if (record != nullptr && record->type() != Type::kString) {
      return cx.refuse("ERR The specified keys must contain string values");
    }
  }
  args.next();
  args.next();
  Options options;
  TRY(read_options(cx, args, &options));

  keyspace::StringScratch scratch_a;
  keyspace::StringScratch scratch_b;
  const Bytes a = types::text_of(first, cx.keyspace.reading(), scratch_a);
  const Bytes b = types::text_of(second, cx.keyspace.reading(), scratch_b);
  constexpr std::size_t kBytesMax = std::numeric_limits<std::uint32_t>::max() - 1;
  if (a.size() >= kBytesMax || b.size() >= kBytesMax) {
    return cx.refuse("ERR String too long for LCS");
  }
  if (Lengths::cell_count(a, b) * sizeof(std::uint32_t) > string_bytes_max(cx)) {
    return cx.refuse(
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }
  Lengths lengths(a, b);
  if (!lengths.is_allocated()) {
    return cx.refuse("ERR Insufficient memory, failed allocating transient memory for LCS");
  }
  lengths.fill(a, b);
  const std::uint32_t length = lengths.at(a.size(), b.size());
  if (options.wants_length) {
    cx.reply.integer(length);
    return Outcome::done();
  }
  std::string subsequence;
  std::vector<Match> matches;
  trace(a, b, lengths, &subsequence, &matches);
  if (options.wants_indexes) {
    reply_matches(cx, options, length, std::move(matches));
  } else {
    cx.reply.bulk(subsequence);
  }
  return Outcome::done();
}

}  // namespace diskdb::command::strings
