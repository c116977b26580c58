#include "command/syntax.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/number.h"

namespace diskdb::command {
namespace {

struct TypeName {
  ArgumentType type;
  Bytes name;
};

constexpr TypeName kTypeNames[] = {
    {ArgumentType::kString, "string"},        {ArgumentType::kInteger, "integer"},
    {ArgumentType::kDouble, "double"},        {ArgumentType::kKey, "key"},
    {ArgumentType::kPattern, "pattern"},      {ArgumentType::kUnixTime, "unix-time"},
    {ArgumentType::kPureToken, "pure-token"}, {ArgumentType::kOneOf, "oneof"},
    {ArgumentType::kBlock, "block"},
};

constexpr Bytes kIntegerNames[] = {
    "bit",       "bits",      "client-id",      "count",         "cursor",
    "db",        "decrement", "destination-db", "end",           "end-index",
    "frequency", "increment", "index",          "index1",        "index2",
    "len",       "maxage",    "maxlen",         "min-match-len", "milliseconds",
    "numkeys",   "numlocal",  "numreplicas",    "offset",        "port",
    "protover",  "rank",      "seconds",        "start",         "stop",
    "timeout",   "ttl",       "version",
};

/// What Redis calls blocks and alternatives that it does not name after their members. A star
/// stands for any end.
struct GroupName {
  Bytes joined;
  Bytes name;
};
constexpr GroupName kGroupNames[] = {
    {"and_or_xor_not*", "operation"},
    {"asc_desc", "order"},
    {"async_sync", "flush-type"},
    {"before_after", "where"},
    {"byscore_bylex", "sortby"},
    {"byte_bit", "unit"},
    {"circle_box", "by"},
    {"client-id_*", "new-format"},
    {"count_any", "count"},
    {"count_withscores", "options"},
    {"count_withvalues", "options"},
    {"encoding_offset", "get-block"},
    {"encoding_offset_increment", "incrby-block"},
    {"encoding_offset_value", "set-block"},
    {"end_unit", "end-unit-block"},
    {"get-block_write", "operation"},
    {"gt_lt", "comparison"},
    {"ip:port_new-format", "filter"},
    {"left_right", "where"},
    {"m_km_ft_mi", "unit"},
    {"member_longitude_latitude", "from"},
    {"min_max", "where"},
    {"module-name_category_pattern", "filterby"},
    {"nosave_save", "save-selector"},
    {"nx_xx*", "condition"},
    {"obo_bulk", "ordering"},
    {"on_off", "enabled"},
    {"on_off_skip", "action"},
    {"overflow-block_write-operation", "write"},
    {"protover_username_password_clientname", "arguments"},
    {"radius_unit", "circle"},
    {"seconds_milliseconds_*", "expiration"},
    {"set-block_incrby-block", "write-operation"},
    {"start_end-unit-block", "range"},
    {"start_end_unit", "range"},
    {"sum_min_max*", "aggregate"},
    {"width_height_unit", "box"},
    {"wrap_sat_fail", "overflow-block"},
    {"write_all", "mode"},
};

std::optional<ArgumentType> find_type(Bytes name) {
  for (const TypeName& row : kTypeNames) {
    if (row.name == name) return row.type;
  }
  return std::nullopt;
}

ArgumentType type_by_name(Bytes name) {
  if (name.starts_with("unix-time")) return ArgumentType::kUnixTime;
  if (name == "pattern") return ArgumentType::kPattern;
  if (std::ranges::find(kIntegerNames, name) != std::end(kIntegerNames)) {
    return ArgumentType::kInteger;
  }
  return ArgumentType::kString;
}

bool is_token(Bytes word) {
  const auto is_lower = [](char c) { return to_upper(c) != c; };
  const auto is_upper = [](char c) { return to_lower(c) != c; };
  return std::ranges::any_of(word, is_upper) && std::ranges::none_of(word, is_lower);
}

bool is_name(Bytes word) {
  constexpr Bytes kMarks[] = {"[", "]", "<", ">", "|", "..."};
  return std::ranges::find(kMarks, word) == std::end(kMarks) && !is_token(word);
}

/// Cuts at blanks; brackets and bars are words of their own.
std::vector<Bytes> split(Bytes line) {
  std::vector<Bytes> words;
  for (std::size_t i = 0; i < line.size();) {
    if (line[i] == ' ') {
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    if (Bytes("[]<>|").find(line[i]) == Bytes::npos) {
      end = std::min(line.find_first_of(" []<>|", i), line.size());
    }
    words.push_back(line.substr(i, end - i));
    i = end;
  }
  return words;
}

Argument named(Bytes word) {
  const std::size_t colon = word.rfind(':');
  if (colon != Bytes::npos) {
    if (const auto type = find_type(word.substr(colon + 1))) {
      return {.name = std::string(word.substr(0, colon)), .type = *type, .token = {}};
    }
  }
  return {.name = std::string(word), .type = type_by_name(word), .token = {}};
}

std::string lower(Bytes word) {
  std::string text(word);
  std::ranges::transform(text, text.begin(), to_lower);
  return text;
}

std::string join_names(const std::vector<Argument>& parts) {
  std::string joined;
  for (const Argument& part : parts) joined += (joined.empty() ? "" : "_") + part.name;
  for (const GroupName& row : kGroupNames) {
    const bool is_begin = row.joined.ends_with('*');
    const Bytes begin = row.joined.substr(0, row.joined.size() - (is_begin ? 1 : 0));
    if (is_begin ? joined.starts_with(begin) : joined == begin) return std::string(row.name);
  }
  return joined;
}

Argument grouped(ArgumentType type, std::vector<Argument> parts) {
  std::string name = join_names(parts);
  return {.name = std::move(name), .type = type, .token = {}, .parts = std::move(parts)};
}

Argument one_of_or_block(std::vector<std::vector<Argument>> alternatives) {
  std::vector<Argument> parts;
  for (std::vector<Argument>& sequence : alternatives) {
    if (sequence.size() == 1) {
      parts.push_back(std::move(sequence[0]));
    } else {
      parts.push_back(grouped(ArgumentType::kBlock, std::move(sequence)));
    }
  }
  if (parts.size() == 1) return std::move(parts[0]);
  return grouped(ArgumentType::kOneOf, std::move(parts));
}

/// Recursive descent over the words. The first thing that is wrong ends all loops.
class Parser {
 public:
  explicit Parser(std::vector<Bytes> words) : words_(std::move(words)) {}

  std::optional<std::vector<Argument>> parse() {
    Group group = alternatives();
    if (!is_sound_ || at_ != words_.size()) return std::nullopt;
    if (group.alternatives.size() == 1) return std::move(group.alternatives[0]);
    return std::vector<Argument>{one_of_or_block(std::move(group.alternatives))};
  }

 private:
  struct Group {
    std::vector<std::vector<Argument>> alternatives;
    bool is_multiple = false;
  };
  /// A sequence under construction, and at which word each of its arguments begins.
  struct Sequence {
    std::vector<Argument> arguments;
    std::vector<std::size_t> begins;

    void add(Argument argument, std::size_t begin) {
      arguments.push_back(std::move(argument));
      begins.push_back(begin);
    }
  };

  bool next_is(Bytes word) const { return at_ < words_.size() && words_[at_] == word; }
  bool at_name() const { return at_ < words_.size() && is_name(words_[at_]); }
  bool ends_sequence() const {
    return !is_sound_ || at_ == words_.size() || next_is("]") || next_is(">") || next_is("|");
  }

  Group alternatives() {
    Group group;
    const std::size_t begin = at_;
    for (;;) {
      group.alternatives.push_back(sequence(begin, &group));
      if (group.alternatives.back().empty()) is_sound_ = false;
      if (!is_sound_ || !next_is("|")) return group;
      ++at_;
    }
  }

  std::vector<Argument> sequence(std::size_t group_begin, Group* group) {
    Sequence sequence;
    while (!ends_sequence()) {
      const std::size_t begin = at_;
      if (next_is("...")) {
        ++at_;
        repeat_last(sequence);
      } else if (next_is("[") && is_repetition()) {
        repetition(sequence, group_begin, group);
      } else if (next_is("[") || next_is("<")) {
        sequence.add(bracketed(), begin);
      } else if (is_token(words_[at_])) {
        sequence.add(announced(), begin);
      } else {
        sequence.add(named(words_[at_++]), begin);
      }
    }
    return std::move(sequence.arguments);
  }

  Argument bracketed() {
    const bool is_optional = next_is("[");
    ++at_;
    Group group = alternatives();
    is_sound_ = is_sound_ && next_is(is_optional ? "]" : ">");
    if (!is_sound_) return {};
    ++at_;
    Argument argument = one_of_or_block(std::move(group.alternatives));
    argument.is_optional = argument.is_optional || is_optional;
    argument.is_multiple = argument.is_multiple || group.is_multiple;
    return argument;
  }

  /// A token and what it announces.
  Argument announced() {
    const Bytes token = words_[at_++];
    Argument argument;
    if (next_is("<")) {
      argument = bracketed();
    } else if (at_name()) {
      std::vector<Argument> names;
      while (at_name()) names.push_back(named(words_[at_++]));
      argument =
          names.size() == 1 ? std::move(names[0]) : grouped(ArgumentType::kBlock, std::move(names));
    } else {
      argument = {.name = lower(token), .type = ArgumentType::kPureToken, .token = {}};
    }
    argument.token = token;
    return argument;
  }

  std::size_t closing_bracket() const {
    std::size_t depth = 0;
    for (std::size_t i = at_; i < words_.size(); ++i) {
      if (words_[i] == "[") ++depth;
      if (words_[i] == "]" && --depth == 0) return i;
    }
    return words_.size();
  }
  /// Does "[x ...]" follow an x? A "x ..." in brackets of its own is an optional x of any number.
  bool is_repetition() const {
    const std::size_t close = closing_bracket();
    if (close == words_.size() || words_[close - 1] != "...") return false;
    const std::size_t count = close - at_ - 2;
    return count > 0 && count <= at_ &&
           std::equal(words_.begin() + static_cast<std::ptrdiff_t>(at_ + 1),
                      words_.begin() + static_cast<std::ptrdiff_t>(close - 1),
                      words_.begin() + static_cast<std::ptrdiff_t>(at_ - count));
  }

  void repeat_last(Sequence& sequence) {
    if (sequence.arguments.empty()) {
      is_sound_ = false;
      return;
    }
    Argument& last = sequence.arguments.back();
    last.is_multiple = true;
    last.repeats_token = !last.token.empty();
  }

  void repetition(Sequence& sequence, std::size_t group_begin, Group* group) {
    const std::size_t close = closing_bracket();
    const std::size_t begin = at_ - (close - at_ - 2);
    at_ = close + 1;
    if (begin == group_begin && !group->alternatives.empty()) {
      group->is_multiple = true;  // "a | b [a | b ...]"
      return;
    }
    std::size_t first = 0;
    while (first < sequence.begins.size() && sequence.begins[first] < begin) ++first;
    if (first == sequence.begins.size()) {
      // "TOKEN x [x ...]": the last argument began with its token, which is not repeated.
      is_sound_ = first > 0 && sequence.begins.back() + 1 == begin;
      if (is_sound_) sequence.arguments.back().is_multiple = true;
      return;
    }
    if (first + 1 < sequence.begins.size()) {
      const auto from = sequence.arguments.begin() + static_cast<std::ptrdiff_t>(first);
      std::vector<Argument> parts(std::make_move_iterator(from),
                                  std::make_move_iterator(sequence.arguments.end()));
      sequence.arguments.erase(from, sequence.arguments.end());
      sequence.begins.resize(first);
      sequence.add(grouped(ArgumentType::kBlock, std::move(parts)), begin);
    }
    repeat_last(sequence);
  }

  std::vector<Bytes> words_;
  std::size_t at_ = 0;
  bool is_sound_ = true;
};

/// The spec that the word at `position` is a key of, as far as that does not depend on the request.
std::optional<std::size_t> spec_at(const Row& row, std::size_t position) {
  for (std::size_t i = 0; i < row.keys.size(); ++i) {
    const KeySpec& spec = row.keys[i];
    if (!spec.keyword.empty()) continue;
    const auto first = static_cast<std::size_t>(spec.begin) + (spec.counted ? 1 : 0);
    const std::size_t last = spec.last > 0 ? first + static_cast<std::size_t>(spec.last) : first;
    const auto step = static_cast<std::size_t>(spec.step);
    if (position >= first && position <= last && (position - first) % step == 0) return i;
  }
  return std::nullopt;
}

/// The spec of the key behind this token.
std::optional<std::size_t> spec_behind(const Row& row, Bytes token) {
  for (std::size_t i = 0; i < row.keys.size(); ++i) {
    if (!row.keys[i].keyword.empty() && row.keys[i].keyword == token) return i;
  }
  return std::nullopt;
}

/// How many words the argument takes in every request; 0 if that depends.
std::size_t word_count(const Argument& argument) {
  if (argument.is_optional || argument.is_multiple) return 0;
  const std::size_t own = argument.token.empty() ? 0 : 1;
  if (argument.type == ArgumentType::kPureToken) return own;
  if (argument.parts.empty()) return own + 1;
  std::size_t sum = 0;
  for (const Argument& part : argument.parts) {
    const std::size_t count = word_count(part);
    const bool is_other_choice = argument.type == ArgumentType::kOneOf && sum != 0 && sum != count;
    if (count == 0 || is_other_choice) return 0;
    sum = argument.type == ArgumentType::kOneOf ? count : sum + count;
  }
  return own + sum;
}

/// Marks the keys among arguments that begin at word `position`, up to the first behind which words
/// stand now here, now there.
void mark_keys(const Row& row, std::vector<Argument>& arguments, std::size_t position) {
  for (Argument& argument : arguments) {
    const std::size_t begin = position + (argument.token.empty() ? 0 : 1);
    if (argument.type == ArgumentType::kBlock) {
      mark_keys(row, argument.parts, begin);
    } else if (argument.parts.empty() && argument.type != ArgumentType::kPureToken) {
      argument.key_spec = spec_at(row, begin);
      if (argument.key_spec) argument.type = ArgumentType::kKey;
    }
    const std::size_t count = word_count(argument);
    if (count == 0) return;
    position += count;
  }
}

/// Marks the keys that stand behind words of their own.
void mark_announced_keys(const Row& row, std::vector<Argument>& arguments) {
  for (Argument& argument : arguments) {
    mark_announced_keys(row, argument.parts);
    const auto spec = spec_behind(row, argument.token);
    if (!spec) continue;
    argument.key_spec = spec;
    argument.type = ArgumentType::kKey;
  }
}

}  // namespace

Bytes argument_type_name(ArgumentType type) {
  return kTypeNames[static_cast<std::size_t>(type)].name;
}

std::optional<std::vector<Argument>> parse_syntax(const Row& row) {
  if (row.syntax.empty()) return std::vector<Argument>{};
  auto arguments = Parser(split(row.syntax)).parse();
  if (!arguments) return std::nullopt;
  const std::size_t own_words = row.name.find(' ') == Bytes::npos ? 1 : 2;
  mark_keys(row, *arguments, own_words);
  mark_announced_keys(row, *arguments);
  return arguments;
}

}  // namespace diskdb::command
