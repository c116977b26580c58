#include "types/json_path.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>
#include <utility>

#include "types/json_text.h"

namespace diskdb::types {
namespace {

constexpr std::int64_t kExpressionBytesMax = 1 << 20;  // of a compiled one

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
         Bytes("-_`~+#%$^/:").find(c) != Bytes::npos;
}

/// Of what a word that is an operator ends before.
bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

/// The term that is all of the condition; null if there is more.
JsonTerm* term_alone(JsonCondition* condition) {
  if (condition->alternatives.size() != 1 || condition->alternatives[0].size() != 1) return nullptr;
  const JsonCondition::Operand& operand = condition->alternatives[0][0];
  const bool is_term = operand.test != nullptr && !operand.is_negated &&
                       operand.test->op == JsonTest::Operator::kExists;
  return is_term ? &operand.test->left : nullptr;
}

std::vector<JsonTerm> two(JsonTerm first, JsonTerm second) {
  std::vector<JsonTerm> terms;
  terms.push_back(std::move(first));
  terms.push_back(std::move(second));
  return terms;
}

/// Recursive descent, which kJsonPathNestingMax bounds. The first thing that is not as it should be
/// ends it.
class PathParser {
 public:
  explicit PathParser(Bytes text) : text_(text) {}

  /// All of the text, behind its `$`.
  bool parse(JsonSteps* steps) {
    at_ = 1;
    skip_blanks();
    if (is_at_end()) return true;
    if (!parse_steps(steps)) return false;
    return is_at_end() || fail("a path ends here");
  }
  std::string error() const {
    return "Error occurred on position " + std::to_string(failed_at_) + ", \"" +
           std::string(text_.substr(0, failed_at_)) +
           (failed_at_ == text_.size() ? " <<<<----"
                                       : " ---->>>> " + std::string(text_.substr(failed_at_))) +
           "\", expected: " + expected_ + ".";
  }

 private:
  bool is_at_end() const { return at_ == text_.size(); }
  char peek() const { return is_at_end() ? '\0' : text_[at_]; }
  void skip_blanks() {
    while (peek() == ' ') ++at_;
  }
  bool fail(const char* expected) {
    failed_at_ = at_;
    expected_ = expected;
    return false;
  }
  /// Takes `word`, and blanks behind it.
  bool take(Bytes word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    skip_blanks();
    return true;
  }

  bool parse_steps(JsonSteps* steps);
  bool parse_step(JsonSteps* steps, bool is_first, bool* is_done);
  bool parse_name(JsonSteps* steps);
  bool parse_bracket(JsonSteps* steps);
  bool parse_names(JsonStep* step);
  bool parse_indexes(JsonStep* step);
  bool parse_string(std::string* out);
  bool parse_number(std::int64_t* out);
  bool parse_condition(JsonCondition* condition);
  bool parse_operand(JsonCondition::Operand* operand);
  bool parse_test(JsonTest* test);
  bool parse_operator(JsonTest::Operator* op);
  bool parse_rest_of_test(JsonTest* test);
  /// A term, of which the first factor is there already if `has_first`.
  bool parse_term(JsonTerm* term, bool has_first = false);
  bool parse_product(JsonTerm* term, bool has_first);
  bool parse_factor(JsonTerm* term);
  bool parse_sign(JsonFunction function, JsonTerm* term);
  bool parse_term_path(JsonTerm::Kind kind, JsonTerm* term);
  bool parse_methods(JsonTerm* term);
  /// Behind its `(`; `term` is its first argument if `has_first`, and becomes the call.
  bool parse_call(Bytes name, bool has_first, JsonTerm* term);
  /// `term` becomes a call, of what it was and the others.
  bool make_call(JsonFunction function, std::vector<JsonTerm> arguments, JsonTerm* term);
  /// The name of the function, if a call begins here, at `begin`.
  Bytes call_at(std::size_t begin) const;
  /// Does a call of what stands before begin here?
  bool is_at_method() const { return peek() == '.' && !call_at(at_ + 1).empty(); }
  /// Takes the sign if it is one, not the beginning of something: a blank follows.
  bool take_sign(char sign) {
    const bool is_it = peek() == sign && at_ + 1 < text_.size() && text_[at_ + 1] == ' ';
    return is_it && take(text_.substr(at_, 1));
  }
  bool parse_value(JsonTokens* value);
  bool parse_array(JsonTokens* value);
  bool parse_object(JsonTokens* value);
  bool parse_decimal(JsonTokens* value);
  /// The operator that is a word and stands here, and its size; 0 if none does.
  std::size_t word_operator(JsonTest::Operator* op) const;
  bool is_at_first_name() const {
    JsonTest::Operator op{};
    return is_name_char(peek()) && !is_at_sign() && word_operator(&op) == 0;
  }
  /// One that stands between blanks.
  bool is_at_sign() const {
    return at_ > 0 && at_ + 1 < text_.size() && text_[at_ - 1] == ' ' && text_[at_ + 1] == ' ' &&
           Bytes("+-*/%").find(text_[at_]) != Bytes::npos;
  }

  Bytes text_;
  std::size_t at_ = 0;
  std::size_t failed_at_ = 0;
  const char* expected_ = "";
  std::size_t nesting_ = 0;
  std::size_t calls_ = 0;
};

bool PathParser::parse_steps(JsonSteps* steps) {
  const std::size_t before = steps->size();
  for (bool is_done = false; !is_done;) {
    if (!parse_step(steps, steps->size() == before, &is_done)) return false;
    if (steps->size() - before > kJsonPathStepsMax) return fail("fewer steps");
  }
  return true;
}

// *is_done: no step begins here.
bool PathParser::parse_step(JsonSteps* steps, bool is_first, bool* is_done) {
  if (take("..")) {
    steps->push_back({.kind = JsonStep::Kind::kDescend});
    if (take("*")) {
      steps->push_back({.kind = JsonStep::Kind::kAll});
      return true;
    }
    return take("[") ? parse_bracket(steps) : parse_name(steps);
  }
  const bool is_in_filter = nesting_ > 0;
  if (is_in_filter && !is_first && is_at_method()) {
    *is_done = true;
    return true;
  }
  if (take(".")) {
    if (take("*")) {
      steps->push_back({.kind = JsonStep::Kind::kAll});
      return true;
    }
    return take("[") ? parse_bracket(steps) : parse_name(steps);
  }
  if (take("[")) return parse_bracket(steps);
  if (is_first && take("*")) {
    steps->push_back({.kind = JsonStep::Kind::kAll});
    return true;
  }
  if (is_first && is_at_first_name()) return parse_name(steps);
  *is_done = true;
  return !is_first || fail("a name, '*', '.' or '['");
}

bool PathParser::parse_name(JsonSteps* steps) {
  const std::size_t begin = at_;
  while (is_name_char(peek())) ++at_;
  if (at_ == begin) return fail("a name, '*' or '['");
  steps->push_back(
      {.kind = JsonStep::Kind::kNames, .names = {std::string(text_.substr(begin, at_ - begin))}});
  skip_blanks();
  return true;
}

bool PathParser::parse_bracket(JsonSteps* steps) {
  JsonStep step{.kind = JsonStep::Kind::kAll};
  if (take("?")) {
    if (++nesting_ > kJsonPathNestingMax) return fail("fewer filters within filters");
    auto condition = std::make_shared<JsonCondition>();
    if (!parse_condition(condition.get())) return false;
    --nesting_;
    step.kind = JsonStep::Kind::kFilter;
    step.condition = std::move(condition);
  } else if (peek() == '\'' || peek() == '"') {
    if (!parse_names(&step)) return false;
  } else if (!take("*") && !parse_indexes(&step)) {
    return false;
  }
  if (!take("]")) return fail("']'");
  steps->push_back(std::move(step));
  return true;
}

bool PathParser::parse_names(JsonStep* step) {
  step->kind = JsonStep::Kind::kNames;
  do {
    std::string name;
    if (!parse_string(&name)) return false;
    step->names.push_back(std::move(name));
  } while (take(","));
  return true;
}

// Numbers, or a range.
bool PathParser::parse_indexes(JsonStep* step) {
  std::int64_t number = 0;
  if (peek() != ':') {
    if (!parse_number(&number)) return false;
    if (peek() != ':') {
      step->kind = JsonStep::Kind::kIndexes;
      step->indexes.push_back(number);
      while (take(",")) {
        if (!parse_number(&number)) return false;
        step->indexes.push_back(number);
      }
      return true;
    }
    step->from = number;
  }
  step->kind = JsonStep::Kind::kSlice;
  take(":");
  if (peek() == '-' || is_digit(peek())) {
    if (!parse_number(&number)) return false;
    step->to = number;
  }
  if (!take(":") || peek() == ']') return true;
  if (!parse_number(&number)) return false;
  if (number <= 0) return fail("a step above 0");
  step->step = static_cast<std::uint64_t>(number);
  return true;
}

bool PathParser::parse_string(std::string* out) {
  const char quote = peek();
  if (quote != '\'' && quote != '"') return fail("a string");
  for (++at_; !is_at_end(); ++at_) {
    const char c = text_[at_];
    if (c == quote) {
      ++at_;
      skip_blanks();
      return true;
    }
    if (c == '\\') {
      ++at_;
      if (peek() != quote && peek() != '\\') return fail("a quote or a backslash");
    }
    out->push_back(text_[at_]);
  }
  return fail("the string's end");
}

bool PathParser::parse_number(std::int64_t* out) {
  const char* const begin = text_.data() + at_;
  const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), *out);
  if (error != std::errc()) return fail("a number, a string, '*' or '?'");
  const bool is_negative = *begin == '-';
  if (begin[is_negative ? 1 : 0] == '0' && end - begin > (is_negative ? 2 : 1)) {
    return fail("a number without zeros in front");
  }
  at_ += static_cast<std::size_t>(end - begin);
  skip_blanks();
  return true;
}

bool PathParser::parse_condition(JsonCondition* condition) {
  do {
    condition->alternatives.emplace_back();
    do {
      JsonCondition::Operand operand;
      if (!parse_operand(&operand)) return false;
      condition->alternatives.back().push_back(std::move(operand));
    } while (take("&&"));
  } while (take("||"));
  return true;
}

bool PathParser::parse_operand(JsonCondition::Operand* operand) {
  while (take("!")) operand->is_negated = !operand->is_negated;
  if (!take("(")) {
    operand->test = std::make_unique<JsonTest>();
    return parse_test(operand->test.get());
  }
  if (++nesting_ > kJsonPathNestingMax) return fail("fewer parentheses");
  operand->condition = std::make_unique<JsonCondition>();
  if (!parse_condition(operand->condition.get())) return false;
  --nesting_;
  if (!take(")")) return fail("')'");
  JsonTerm* const term = term_alone(operand->condition.get());
  if (term == nullptr) return true;
  // What stood in parentheses was no condition, but what a test begins with.
  auto test = std::make_unique<JsonTest>();
  test->left = std::move(*term);
  operand->condition = nullptr;
  operand->test = std::move(test);
  return parse_term(&operand->test->left, true) && parse_rest_of_test(operand->test.get());
}

bool PathParser::parse_test(JsonTest* test) {
  return parse_term(&test->left) && parse_rest_of_test(test);
}

bool PathParser::parse_rest_of_test(JsonTest* test) {
  if (!parse_operator(&test->op)) return true;
  if (!parse_term(&test->right)) return false;
  if (test->op == JsonTest::Operator::kMatches && test->right.kind == JsonTerm::Kind::kConstant) {
    const JsonToken pattern = test->right.constant.at(0);
    if (pattern.is_string()) test->expression = compile_expression(pattern.text);
  }
  return true;
}

bool PathParser::parse_operator(JsonTest::Operator* op) {
  using Operator = JsonTest::Operator;
  constexpr std::pair<Bytes, Operator> kOperators[] = {
      {"==", Operator::kEqual},  {"!=", Operator::kUnequal}, {"=~", Operator::kMatches},
      {"<=", Operator::kAtMost}, {">=", Operator::kAtLeast}, {"<", Operator::kLess},
      {">", Operator::kGreater},
  };
  for (const auto& [word, meaning] : kOperators) {
    if (!take(word)) continue;
    *op = meaning;
    return true;
  }
  const std::size_t size = word_operator(op);
  return size > 0 && take(text_.substr(at_, size));
}

std::size_t PathParser::word_operator(JsonTest::Operator* op) const {
  using Operator = JsonTest::Operator;
  constexpr std::pair<Bytes, Operator> kWords[] = {
      {"in", Operator::kIn},         {"nin", Operator::kNotIn},
      {"anyof", Operator::kAnyOf},   {"subsetof", Operator::kSubsetOf},
      {"noneof", Operator::kNoneOf}, {"size", Operator::kSize},
      {"sizeof", Operator::kSize},   {"empty", Operator::kEmpty},
  };
  std::size_t end = at_;
  while (end < text_.size() && is_word_char(text_[end])) ++end;
  for (const auto& [word, meaning] : kWords) {
    if (text_.substr(at_, end - at_) != word) continue;
    *op = meaning;
    return word.size();
  }
  return 0;
}

bool PathParser::parse_term(JsonTerm* term, bool has_first) {
  if (!parse_product(term, has_first)) return false;
  while (true) {
    const bool is_sum = take_sign('+');
    if (!is_sum && !take_sign('-')) return true;
    JsonTerm other;
    if (!parse_product(&other, false)) return false;
    const JsonFunction function = is_sum ? JsonFunction::kAdd : JsonFunction::kSubtract;
    if (!make_call(function, two(std::move(*term), std::move(other)), term)) return false;
  }
}

bool PathParser::parse_product(JsonTerm* term, bool has_first) {
  if (!has_first && !parse_factor(term)) return false;
  while (true) {
    const bool is_product = take_sign('*');
    const bool is_quotient = !is_product && take_sign('/');
    if (!is_product && !is_quotient && !take_sign('%')) return true;
    JsonTerm other;
    if (!parse_factor(&other)) return false;
    const JsonFunction function = is_product    ? JsonFunction::kMultiply
                                  : is_quotient ? JsonFunction::kDivide
                                                : JsonFunction::kRemainder;
    if (!make_call(function, two(std::move(*term), std::move(other)), term)) return false;
  }
}

bool PathParser::parse_factor(JsonTerm* term) {
  if (take("@")) return parse_term_path(JsonTerm::Kind::kCurrent, term);
  if (take("$")) return parse_term_path(JsonTerm::Kind::kRoot, term);
  if (take("(")) {
    if (++nesting_ > kJsonPathNestingMax) return fail("fewer parentheses");
    if (!parse_term(term)) return false;
    --nesting_;
    return take(")") || fail("')'");
  }
  const bool is_number = at_ + 1 < text_.size() && is_digit(text_[at_ + 1]);
  if (peek() == '-' && !is_number) return parse_sign(JsonFunction::kNegate, term);
  if (peek() == '+') return parse_sign(JsonFunction::kPlus, term);
  if (const Bytes name = call_at(at_); !name.empty()) {
    at_ += name.size();
    take("(");
    return parse_call(name, false, term) && parse_methods(term);
  }
  return parse_value(&term->constant);
}

bool PathParser::parse_sign(JsonFunction function, JsonTerm* term) {
  ++at_;
  skip_blanks();
  if (++nesting_ > kJsonPathNestingMax) return fail("fewer signs");
  std::vector<JsonTerm> number(1);
  if (!parse_factor(number.data())) return false;
  --nesting_;
  return make_call(function, std::move(number), term);
}

bool PathParser::parse_term_path(JsonTerm::Kind kind, JsonTerm* term) {
  term->kind = kind;
  const bool has_all = peek() == '*' && !is_at_sign();
  const bool has_steps = peek() == '.' || peek() == '[' || has_all || is_at_first_name();
  if (has_steps && !is_at_method() && !parse_steps(&term->steps)) return false;
  return parse_methods(term);
}

bool PathParser::parse_methods(JsonTerm* term) {
  while (is_at_method()) {
    take(".");
    const Bytes name = call_at(at_);
    at_ += name.size();
    take("(");
    if (!parse_call(name, true, term)) return false;
  }
  return true;
}

bool PathParser::parse_call(Bytes name, bool has_first, JsonTerm* term) {
  const auto function = find_function(name);
  if (!function) return fail("a function");
  if (++nesting_ > kJsonPathNestingMax) return fail("fewer calls within calls");
  std::vector<JsonTerm> arguments;
  if (has_first) arguments.push_back(std::move(*term));
  for (bool is_first = true; !take(")"); is_first = false) {
    if (!is_first && !take(",")) return fail("',' or ')'");
    if (!parse_term(&arguments.emplace_back())) return false;
  }
  --nesting_;
  return make_call(*function, std::move(arguments), term);
}

bool PathParser::make_call(JsonFunction function, std::vector<JsonTerm> arguments, JsonTerm* term) {
  if (++calls_ > kJsonPathCallsMax) return fail("fewer calls");
  *term = {.kind = JsonTerm::Kind::kCall, .function = function, .arguments = std::move(arguments)};
  return true;
}

Bytes PathParser::call_at(std::size_t begin) const {
  std::size_t end = begin;
  while (end < text_.size() && is_word_char(text_[end])) ++end;
  const bool is_call = end > begin && end < text_.size() && text_[end] == '(';
  return is_call ? text_.substr(begin, end - begin) : Bytes();
}

bool PathParser::parse_value(JsonTokens* value) {
  if (peek() == '\'' || peek() == '"') {
    std::string text;
    if (!parse_string(&text)) return false;
    value->add(JsonToken::string(text));
    return true;
  }
  if (peek() == '[' || peek() == '{') {
    if (++nesting_ > kJsonPathNestingMax) return fail("a value that is nested less");
    if (!(peek() == '[' ? parse_array(value) : parse_object(value))) return false;
    --nesting_;
    return true;
  }
  if (take("true")) {
    value->add(JsonToken::boolean(true));
    return true;
  }
  if (take("false")) {
    value->add(JsonToken::boolean(false));
    return true;
  }
  if (take("null")) {
    value->add(JsonToken::null());
    return true;
  }
  return parse_decimal(value);
}

bool PathParser::parse_array(JsonTokens* value) {
  const std::size_t array = value->open(JsonKind::kArray);
  std::uint64_t count = 0;
  take("[");
  while (peek() != ']') {
    if (count++ > 0 && !take(",")) return fail("',' or ']'");
    if (!parse_value(value)) return false;
  }
  value->close(array, count);
  return take("]");
}

bool PathParser::parse_object(JsonTokens* value) {
  const std::size_t object = value->open(JsonKind::kObject);
  std::set<std::string> names;
  take("{");
  while (peek() != '}') {
    if (!names.empty() && !take(",")) return fail("',' or '}'");
    std::string name;
    if (!parse_string(&name)) return false;
    value->add_name(name);
    if (!names.insert(std::move(name)).second) return fail("each name once");
    if (!take(":")) return fail("':'");
    if (!parse_value(value)) return false;
  }
  value->close(object, names.size());
  return take("}");
}

// A decimal number without an exponent.
bool PathParser::parse_decimal(JsonTokens* value) {
  std::size_t end = at_ + (peek() == '-' ? 1 : 0);
  const auto skip_digits = [&] {
    while (end < text_.size() && is_digit(text_[end])) ++end;
  };
  skip_digits();
  if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
    ++end;
    skip_digits();
  }
  std::string error;
  if (!parse_json(text_.substr(at_, end - at_), value, &error)) {
    return fail("'@', '$', a number, a string, true, false, null, '[' or '{'");
  }
  at_ = end;
  skip_blanks();
  return true;
}

}  // namespace

std::shared_ptr<const re2::RE2> compile_expression(Bytes pattern) {
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(kExpressionBytesMax);
  auto expression =
      std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  return expression->ok() ? expression : nullptr;
}

std::string anchored(Bytes pattern) { return "^(?:" + std::string(pattern) + ")$"; }

bool matches_expression(const re2::RE2& expression, Bytes text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), expression);
}

bool JsonPath::is_legacy(Bytes text) {
  return !(text.starts_with('$') && (text.size() < 2 || text[1] == '.' || text[1] == '['));
}

std::optional<JsonPath> JsonPath::parse(Bytes text, std::string* error) {
  JsonPath path;
  path.is_legacy_ = is_legacy(text);
  if (is_root(text)) return path;
  std::string fixed(text);
  if (path.is_legacy_) fixed.insert(0, text.starts_with('.') ? "$" : "$.");
  PathParser parser(fixed);
  auto steps = std::make_shared<JsonSteps>();
  if (!parser.parse(steps.get())) {
    *error = parser.error();
    return std::nullopt;
  }
  path.steps_ = std::move(steps);
  return path;
}

const JsonSteps& JsonPath::steps() const {
  static const JsonSteps kNone;
  return steps_ == nullptr ? kNone : *steps_;
}

bool JsonPath::is_static() const {
  for (const JsonStep& step : steps()) {
    const bool is_one = (step.kind == JsonStep::Kind::kNames && step.names.size() == 1) ||
                        (step.kind == JsonStep::Kind::kIndexes && step.indexes.size() == 1);
    if (!is_one) return false;
  }
  return true;
}

std::optional<JsonPath> JsonPaths::parse(Bytes text, std::string* error) {
  if (text.empty() || text.size() > kTextBytesMax) return JsonPath::parse(text, error);
  Parsed& parsed = parsed_[std::hash<Bytes>()(text) % kCount];
  if (parsed.text == text) return parsed.path;
  std::optional<JsonPath> path = JsonPath::parse(text, error);
  const auto has_condition = [](const JsonStep& step) { return step.condition != nullptr; };
  if (path && std::ranges::none_of(path->steps(), has_condition))
    parsed = {std::string(text), *path};
  return path;
}

}  // namespace diskdb::types
