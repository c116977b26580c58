#include "types/json_document.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstring>

#include "base/assert.h"

namespace diskdb::types {
namespace {

/// A walk of so many steps costs less than a look-up by position.
constexpr std::uint64_t kStepsMax = 12;
/// A list of matches has no more ancestors: 128 MB of them.
constexpr std::size_t kAncestorsMax = 16'000'000;
/// What compiling a regular expression costs, in values looked at.
constexpr std::uint64_t kVisitsOfExpression = 1000;
/// Where a path comes to a cold page, the pages of so many tokens are brought in: it mostly goes
/// on.
constexpr std::uint64_t kTokensAhead = 4096;
/// A path that goes further is taken to look at the whole document: to find out more, again after
/// each page, would cost more than it spares.
constexpr std::uint64_t kStepsInMemoryMax = 50'000;
/// Of a corrupt document: no valid one is deeper.
constexpr std::size_t kRecursionMax = kJsonDepthMax + 2;

/// The containers on the way to a value, on the stack.
struct Trail {
  std::uint64_t position;
  const Trail* parent;
  std::size_t depth;
};

std::size_t depth_of(const Trail* trail) { return trail == nullptr ? 0 : trail->depth; }

/// Less, equal or greater; unordered if the two cannot be compared.
std::partial_ordering compare(const JsonToken& a, const JsonToken& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer <=> b.integer;
    return a.as_double() <=> b.as_double();
  }
  if (a.is_string() && b.is_string()) return a.text.compare(b.text) <=> 0;
  if (a.is_boolean() && b.is_boolean()) {
    return (a.kind == JsonKind::kTrue ? 1 : 0) <=> (b.kind == JsonKind::kTrue ? 1 : 0);
  }
  const bool are_null = a.kind == JsonKind::kNull && b.kind == JsonKind::kNull;
  return are_null ? std::partial_ordering::equivalent : std::partial_ordering::unordered;
}

/// Runs a path. Recursion is bounded by the path's steps and nesting and the document's depth.
class Finder {
 public:
  struct Sink {
    JsonMatches* matches;
    bool with_ancestors;
    std::size_t count_max;
  };

  explicit Finder(JsonWalk& walk)
      : walk_(walk), visits_left_(std::max(kJsonVisitsMin, 4 * walk.count())) {}

  bool fits() const { return visits_left_ > 0; }
  void run(const JsonSteps& steps, std::uint64_t position, const Sink& sink) {
    go(steps, 0, position, nullptr, sink);
  }

 private:
  bool is_full(const Sink& sink) const {
    return !fits() || sink.matches->count() >= sink.count_max;
  }
  /// One more value is looked at; false: too many.
  bool visit() { return !walk_.is_stuck() && visits_left_ > 0 && --visits_left_ > 0; }
  /// So many are passed.
  void pass(std::uint64_t count) { visits_left_ -= std::min(visits_left_, count); }

  void go(const JsonSteps& steps, std::size_t step, std::uint64_t position, const Trail* trail,
          const Sink& sink);
  void go_to_names(const JsonSteps& steps, std::size_t step, std::uint64_t position,
                   const Trail* trail, const Sink& sink);
  void go_to_indexes(const JsonSteps& steps, std::size_t step, std::uint64_t position,
                     const Trail* trail, const Sink& sink);
  void go_to_slice(const JsonSteps& steps, std::size_t step, std::uint64_t position,
                   const Trail* trail, const Sink& sink);
  void descend(const JsonSteps& steps, std::size_t step, std::uint64_t position, const Trail* trail,
               const Sink& sink);
  void filter(const JsonSteps& steps, std::size_t step, std::uint64_t position, const Trail* trail,
              const Sink& sink);
  void found(std::uint64_t position, const Trail* trail, const Sink& sink);
  /// Calls for the position of each child's value until that returns false.
  template <typename Use>
  void each_child(std::uint64_t position, Use use);

  bool holds(const JsonCondition& condition, std::uint64_t position);
  bool holds(const JsonCondition::Operand& operand, std::uint64_t position) {
    return operand.is_negated != (operand.test != nullptr ? holds(*operand.test, position)
                                                          : holds(*operand.condition, position));
  }
  bool holds(const JsonTest& test, std::uint64_t position);
  /// Of one value on each side. Of kNotIn: is it in?
  bool holds(const JsonTest& test, const JsonTokens& left, const JsonTokens& right);
  bool hold_as_sets(JsonFunction relation, const JsonTokens& left, const JsonTokens& right);
  /// May so many values be compared?
  bool is_affordable(std::uint64_t comparisons);
  bool matches(const JsonTest& test, const JsonToken& text, const JsonToken& pattern);
  bool matches(Bytes pattern, Bytes text);
  JsonMatches places_of(const JsonTerm& term, std::uint64_t position, std::size_t count_max);
  /// Of a term alone.
  bool holds(const JsonTerm& term, std::uint64_t position);
  /// The value of a constant or a call, or of the only place that a path leads to.
  std::optional<JsonTokens> value_of(const JsonTerm& term, std::uint64_t position);
  std::optional<JsonTokens> copy_of(std::uint64_t place);
  std::optional<JsonTokens> call(const JsonTerm& term, std::uint64_t position);
  /// Of functions that need more than the values of their arguments.
  std::optional<JsonTokens> call_here(const JsonTerm& term, std::uint64_t position);
  std::optional<JsonTokens> keys_of(const JsonTerm& term, std::uint64_t position);
  /// Of the values that the term leads to, is there one of which this is true?
  template <typename Use>
  bool any_value(const JsonTerm& term, std::uint64_t position, Use use);

  JsonWalk& walk_;
  std::uint64_t visits_left_;
  std::string last_pattern_;
  std::shared_ptr<const re2::RE2> last_expression_;
};

template <typename Use>
void Finder::each_child(std::uint64_t position, Use use) {
  walk_.seek(position);
  const JsonToken container = walk_.token();
  const std::uint64_t end = walk_.after();
  const std::uint64_t name_tokens = container.is_object() ? 1 : 0;
  std::uint64_t left = container.is_container() ? container.child_count : 0;
  for (std::uint64_t child = position + 1 + name_tokens; child < end && left > 0; --left) {
    if (!visit()) return;
    walk_.seek(child);
    const std::uint64_t next = walk_.after() + name_tokens;
    if (!use(child)) return;
    child = next;
  }
}

void Finder::found(std::uint64_t position, const Trail* trail, const Sink& sink) {
  if (!sink.with_ancestors) return sink.matches->add(position, {});
  std::uint64_t ancestors[kRecursionMax];
  const std::size_t depth = depth_of(trail);
  std::size_t i = depth;
  for (; trail != nullptr; trail = trail->parent) ancestors[--i] = trail->position;
  if (sink.matches->ancestor_count() > kAncestorsMax) visits_left_ = 0;
  sink.matches->add(position, {ancestors, depth});
}

void Finder::go(const JsonSteps& steps, std::size_t step, std::uint64_t position,
                const Trail* trail, const Sink& sink) {
  if (is_full(sink) || !visit() || depth_of(trail) >= kRecursionMax - 1) return;
  if (step == steps.size()) return found(position, trail, sink);
  switch (steps[step].kind) {
    case JsonStep::Kind::kNames:
      return go_to_names(steps, step, position, trail, sink);
    case JsonStep::Kind::kIndexes:
      return go_to_indexes(steps, step, position, trail, sink);
    case JsonStep::Kind::kSlice:
      return go_to_slice(steps, step, position, trail, sink);
    case JsonStep::Kind::kAll: {
      const Trail here{position, trail, depth_of(trail) + 1};
      return each_child(position, [&](std::uint64_t child) {
        go(steps, step + 1, child, &here, sink);
        return !is_full(sink);
      });
    }
    case JsonStep::Kind::kDescend:
      go(steps, step + 1, position, trail, sink);
      return descend(steps, step + 1, position, trail, sink);
    case JsonStep::Kind::kFilter:
      return filter(steps, step, position, trail, sink);
  }
}

void Finder::go_to_names(const JsonSteps& steps, std::size_t step, std::uint64_t position,
                         const Trail* trail, const Sink& sink) {
  const Trail here{position, trail, depth_of(trail) + 1};
  for (const std::string& name : steps[step].names) {
    std::uint64_t passed = 0;
    const auto value = find_member(walk_, position, name, &passed);
    pass(passed);
    if (value) go(steps, step + 1, *value, &here, sink);
    if (is_full(sink)) return;
  }
}

void Finder::go_to_indexes(const JsonSteps& steps, std::size_t step, std::uint64_t position,
                           const Trail* trail, const Sink& sink) {
  walk_.seek(position);
  const JsonToken array = walk_.token();
  if (!array.is_array()) return;
  const Trail here{position, trail, depth_of(trail) + 1};
  const auto count = static_cast<std::int64_t>(array.child_count);
  for (const std::int64_t index : steps[step].indexes) {
    const std::int64_t at = index < 0 ? std::max<std::int64_t>(index + count, 0) : index;
    if (at >= count) continue;
    if (array.tokens_below != array.child_count) pass(static_cast<std::uint64_t>(at));
    if (is_full(sink)) return;
    go(steps, step + 1, child_at(walk_, position, static_cast<std::uint64_t>(at)), &here, sink);
  }
}

void Finder::go_to_slice(const JsonSteps& steps, std::size_t step, std::uint64_t position,
                         const Trail* trail, const Sink& sink) {
  walk_.seek(position);
  const JsonToken array = walk_.token();
  if (!array.is_array()) return;
  const JsonStep& slice = steps[step];
  const auto count = static_cast<std::int64_t>(array.child_count);
  const auto bound = [count](std::int64_t index) {
    return index < 0 ? std::max<std::int64_t>(index + count, 0) : std::min(index, count);
  };
  const auto from = static_cast<std::uint64_t>(slice.from ? bound(*slice.from) : 0);
  const auto to = static_cast<std::uint64_t>(slice.to ? bound(*slice.to) : count);
  if (from >= to) return;
  const Trail here{position, trail, depth_of(trail) + 1};
  std::uint64_t child = child_at(walk_, position, from);
  for (std::uint64_t index = from; index < to && child < walk_.count(); ++index) {
    if (is_full(sink) || !visit()) return;
    walk_.seek(child);
    const std::uint64_t next = walk_.after();
    if ((index - from) % slice.step == 0) go(steps, step + 1, child, &here, sink);
    child = next;
  }
}

void Finder::descend(const JsonSteps& steps, std::size_t step, std::uint64_t position,
                     const Trail* trail, const Sink& sink) {
  if (depth_of(trail) >= kRecursionMax - 1) return;
  const Trail here{position, trail, depth_of(trail) + 1};
  each_child(position, [&](std::uint64_t child) {
    go(steps, step, child, &here, sink);
    walk_.seek(child);
    if (walk_.token().is_container()) descend(steps, step, child, &here, sink);
    return !is_full(sink);
  });
}

void Finder::filter(const JsonSteps& steps, std::size_t step, std::uint64_t position,
                    const Trail* trail, const Sink& sink) {
  const JsonCondition& condition = *steps[step].condition;
  walk_.seek(position);
  if (!walk_.token().is_container()) return;
  const Trail here{position, trail, depth_of(trail) + 1};
  each_child(position, [&](std::uint64_t child) {
    if (holds(condition, child)) go(steps, step + 1, child, &here, sink);
    return !is_full(sink);
  });
}

bool Finder::holds(const JsonCondition& condition, std::uint64_t position) {
  return std::ranges::any_of(condition.alternatives, [&](const auto& together) {
    return std::ranges::all_of(
        together, [&](const JsonCondition::Operand& one) { return holds(one, position); });
  });
}

bool Finder::holds(const JsonTest& test, std::uint64_t position) {
  using Operator = JsonTest::Operator;
  if (test.op == Operator::kExists) return holds(test.left, position);
  bool has_both = false;
  const bool is_one = any_value(test.left, position, [&](const JsonTokens& left) {
    return any_value(test.right, position, [&](const JsonTokens& right) {
      has_both = true;
      return holds(test, left, right);
    });
  });
  if (test.op == Operator::kNotIn) return !is_one;
  return is_one || (test.op == Operator::kUnequal && !has_both);
}

bool Finder::holds(const JsonTest& test, const JsonTokens& left, const JsonTokens& right) {
  using Operator = JsonTest::Operator;
  const JsonToken a = left.at(0);
  const JsonToken b = right.at(0);
  switch (test.op) {
    case Operator::kEqual:
      return are_equal(left, 0, right, 0, JsonEquality::kByValue);
    case Operator::kUnequal:
      return !are_equal(left, 0, right, 0, JsonEquality::kByValue);
    case Operator::kLess:
      return std::is_lt(compare(a, b));
    case Operator::kAtMost:
      return std::is_lteq(compare(a, b));
    case Operator::kGreater:
      return std::is_gt(compare(a, b));
    case Operator::kAtLeast:
      return std::is_gteq(compare(a, b));
    case Operator::kMatches:
      return matches(test, a, b);
    case Operator::kIn:
    case Operator::kNotIn:
      return b.is_array() && is_affordable(right.count()) && is_element(left, 0, right);
    case Operator::kSubsetOf:
      return hold_as_sets(JsonFunction::kSubsetOf, left, right);
    case Operator::kAnyOf:
      return hold_as_sets(JsonFunction::kAnyOf, left, right);
    case Operator::kNoneOf:
      return hold_as_sets(JsonFunction::kNoneOf, left, right);
    case Operator::kSize:
      return b.is_number() && size_of(a) &&
             static_cast<double>(*size_of(a)) == std::trunc(b.as_double());
    case Operator::kEmpty:
      return b.is_boolean() && size_of(a) && (*size_of(a) == 0) == (b.kind == JsonKind::kTrue);
    case Operator::kExists:
      break;
  }
  return false;
}

bool Finder::hold_as_sets(JsonFunction relation, const JsonTokens& left, const JsonTokens& right) {
  return left.at(0).is_array() && right.at(0).is_array() &&
         is_affordable(left.count() * right.count()) && holds_of_arrays(relation, left, right);
}

bool Finder::is_affordable(std::uint64_t comparisons) {
  pass(comparisons);
  return fits();
}

bool Finder::matches(const JsonTest& test, const JsonToken& text, const JsonToken& pattern) {
  const bool is_constant = test.left.kind == JsonTerm::Kind::kConstant;
  if (is_constant || !text.is_string() || !pattern.is_string()) return false;
  if (test.right.kind == JsonTerm::Kind::kConstant) {
    return test.expression != nullptr && matches_expression(*test.expression, text.text);
  }
  return matches(pattern.text, text.text);
}

bool Finder::matches(Bytes pattern, Bytes text) {
  if (last_expression_ == nullptr || last_pattern_ != pattern) {
    pass(kVisitsOfExpression);
    last_pattern_ = pattern;
    last_expression_ = compile_expression(pattern);
  }
  return last_expression_ != nullptr && matches_expression(*last_expression_, text);
}

bool Finder::holds(const JsonTerm& term, std::uint64_t position) {
  if (term.is_path()) return !places_of(term, position, 1).is_empty();
  const std::optional<JsonTokens> value = value_of(term, position);
  const bool is_call = term.kind == JsonTerm::Kind::kCall;
  return value && !(is_call && value->at(0).kind == JsonKind::kFalse);
}

std::optional<JsonTokens> Finder::value_of(const JsonTerm& term, std::uint64_t position) {
  if (term.kind == JsonTerm::Kind::kCall) return call(term, position);
  if (term.kind == JsonTerm::Kind::kConstant) {
    pass(term.constant.count());
    return term.constant;
  }
  const JsonMatches places = places_of(term, position, 2);
  return places.count() == 1 ? copy_of(places.position(0)) : std::nullopt;
}

std::optional<JsonTokens> Finder::copy_of(std::uint64_t place) {
  walk_.seek(place);
  if (walk_.is_stuck()) return std::nullopt;
  pass(walk_.token().tokens_below);
  JsonTokens value;
  copy_value(walk_, place, &value);
  return value;
}

std::optional<JsonTokens> Finder::call(const JsonTerm& term, std::uint64_t position) {
  if (!takes(term.function, term.arguments.size())) return std::nullopt;
  switch (term.function) {
    case JsonFunction::kCount:
    case JsonFunction::kValue:
    case JsonFunction::kKeys:
    case JsonFunction::kMatch:
    case JsonFunction::kSearch:
      return call_here(term, position);
    default:
      break;
  }
  std::vector<JsonTokens> arguments;
  for (const JsonTerm& argument : term.arguments) {
    std::optional<JsonTokens> value = value_of(argument, position);
    if (!value) return std::nullopt;
    arguments.push_back(std::move(*value));
  }
  const bool is_relation = term.function >= JsonFunction::kSubsetOf;
  if (is_relation && !is_affordable(arguments[0].count() * arguments[1].count())) {
    return std::nullopt;
  }
  return call_function(term.function, arguments);
}

std::optional<JsonTokens> Finder::call_here(const JsonTerm& term, std::uint64_t position) {
  const bool is_expression =
      term.function == JsonFunction::kMatch || term.function == JsonFunction::kSearch;
  const JsonTerm& first = term.arguments[0];
  JsonTokens result;
  if (is_expression) {
    const std::optional<JsonTokens> text = value_of(first, position);
    const std::optional<JsonTokens> pattern = value_of(term.arguments[1], position);
    if (!text || !pattern || !text->at(0).is_string() || !pattern->at(0).is_string()) {
      return std::nullopt;
    }
    const Bytes part = pattern->at(0).text;
    const bool is_all = term.function == JsonFunction::kMatch;
    result.add(JsonToken::boolean(matches(is_all ? anchored(part) : part, text->at(0).text)));
    return result;
  }
  if (term.function == JsonFunction::kValue) return value_of(first, position);
  if (term.function == JsonFunction::kKeys) return keys_of(first, position);
  std::uint64_t count = 0;
  if (first.is_path()) {
    count = places_of(first, position, kJsonMatchesMax).count();
  } else if (const auto list = value_of(first, position)) {
    count = list->at(0).is_array() ? list->at(0).child_count : 1;
  }
  result.add(JsonToken::of_integer(static_cast<std::int64_t>(count)));
  return result;
}

std::optional<JsonTokens> Finder::keys_of(const JsonTerm& term, std::uint64_t position) {
  JsonTokens names;
  const std::size_t list = names.open(JsonKind::kArray);
  std::uint64_t count = 0;
  any_value(term, position, [&](const JsonTokens& value) {
    if (!value.at(0).is_object()) return false;
    for (std::size_t name = 1; name < value.after(0); name = value.after(name + 1)) {
      names.add(JsonToken::string(value.at(name).text));
      ++count;
    }
    pass(count);
    return !fits();
  });
  names.close(list, count);
  return names;
}

JsonMatches Finder::places_of(const JsonTerm& term, std::uint64_t position, std::size_t count_max) {
  JsonMatches places;
  run(term.steps, term.kind == JsonTerm::Kind::kRoot ? 0 : position,
      {.matches = &places, .with_ancestors = false, .count_max = count_max});
  return places;
}

template <typename Use>
bool Finder::any_value(const JsonTerm& term, std::uint64_t position, Use use) {
  if (term.kind == JsonTerm::Kind::kConstant) return use(term.constant);
  if (term.kind == JsonTerm::Kind::kCall) {
    const std::optional<JsonTokens> value = call(term, position);
    return value && use(*value);
  }
  const JsonMatches places = places_of(term, position, kJsonMatchesMax);
  for (std::size_t i = 0; i < places.count() && visit(); ++i) {
    const std::optional<JsonTokens> value = copy_of(places.position(i));
    if (value && use(*value)) return true;
  }
  return false;
}

}  // namespace

// ---- JsonWalk

JsonWalk JsonWalk::in_memory(value::Object& object) {
  static constexpr value::ObjectUse kNothing;
  JsonWalk walk(object, kNothing);
  walk.loads_ = object.is_small();
  walk.steps_left_ = kStepsInMemoryMax;
  return walk;
}

bool JsonWalk::is_cold(std::uint64_t position) {
  std::vector<value::MissingPage> missing;
  elements_.object().missing_in(position, position + 1, 1, &missing);
  if (!missing.empty()) stuck_at_ = position;
  return is_stuck();
}

void JsonWalk::seek(std::uint64_t position) {
  ASSERT_SLOW(position < count_);
  if (!loads_) {
    if (is_stuck()) return;
    if (--steps_left_ == 0) stuck_at_ = position;
    if (is_stuck() || is_cold(position)) return;
    // Step by step it might come into a cold page.
    cursor_.emplace(elements_.at(position));
    position_ = position;
    return;
  }
  if (cursor_ && position >= position_ && position - position_ <= kStepsMax) {
    for (; position_ < position; ++position_) cursor_->next();
    return;
  }
  cursor_.emplace(elements_.at(position));
  position_ = position;
}

Bytes JsonWalk::slow_entry() {
  if (!loads_ && (is_stuck() || (!cursor_ && is_cold(position_)))) return {};
  if (!cursor_) cursor_.emplace(elements_.at(position_));
  return cursor_->entry();
}

JsonToken JsonWalk::token() {
  JsonToken token = decode_json_token(entry());
  token.tokens_below = std::min(token.tokens_below, count_ - position_ - 1);
  return token;
}

void copy_value(JsonWalk& walk, std::uint64_t position, JsonTokens* out) {
  walk.seek(position);
  const std::uint64_t end = walk.after();
  std::vector<std::uint64_t> open;  // where containers end
  for (std::uint64_t at = position; at < end; ++at) {
    walk.seek(at);
    if (walk.is_stuck()) return;
    JsonToken token = walk.token();
    while (!open.empty() && open.back() <= at) open.pop_back();
    const std::uint64_t limit = open.empty() ? end : open.back();
    token.tokens_below = std::min(token.tokens_below, limit - at - 1);
    if (token.is_container() && open.size() >= kJsonDepthMax) token = JsonToken::null();
    out->add(token);
    if (!token.is_container()) continue;
    open.push_back(at + 1 + token.tokens_below);
    out->note_depth(open.size());
  }
}

void write_value(JsonWalk& walk, std::uint64_t position, JsonWriter* writer) {
  walk.seek(position);
  const std::uint64_t end = walk.after();
  for (std::uint64_t at = position; at < end; ++at) {
    walk.seek(at);
    writer->token(walk.token());
  }
}

// ---- Finding

void JsonMatches::add(std::uint64_t position, std::span<const std::uint64_t> ancestors) {
  ancestors_.insert(ancestors_.end(), ancestors.begin(), ancestors.end());
  places_.push_back({position, ancestors_.size()});
}

bool find_matches(JsonWalk& walk, const JsonSteps& steps, bool with_ancestors,
                  JsonMatches* matches) {
  Finder finder(walk);
  finder.run(
      steps, 0,
      {.matches = matches, .with_ancestors = with_ancestors, .count_max = kJsonMatchesMax + 1});
  return finder.fits() && matches->count() <= kJsonMatchesMax;
}

std::optional<std::uint64_t> find_first_match(JsonWalk& walk, const JsonSteps& steps, bool* fits) {
  JsonMatches matches;
  Finder finder(walk);
  finder.run(steps, 0, {.matches = &matches, .with_ancestors = false, .count_max = 1});
  *fits = finder.fits();
  return matches.is_empty() ? std::nullopt : std::optional(matches.position(0));
}

void find_missing_of_path(value::Object& document, Bytes path, JsonReach reach,
                          std::size_t count_max, std::vector<value::MissingPage>* missing) {
  if (document.tree().is_whole()) return;
  std::string error;
  const auto parsed = JsonPath::parse(path, &error);
  if (!parsed) return;
  const std::size_t full = missing->size() + count_max;
  const auto ask = [&](std::uint64_t first, std::uint64_t last) {
    if (missing->size() < full) {
      document.missing_in(first, last, full - missing->size(), missing);
    }
  };
  JsonWalk walk = JsonWalk::in_memory(document);
  JsonMatches matches;
  (void)find_matches(walk, parsed->steps(), false, &matches);
  for (std::size_t i = 0; i < matches.count() && !walk.is_stuck(); ++i) {
    walk.seek(matches.position(i));
    const std::uint64_t end = walk.after();
    if (!walk.is_stuck() && reach == JsonReach::kValue) ask(matches.position(i), end);
  }
  if (walk.is_tired()) return ask(0, document.count());
  if (!walk.is_stuck()) return;
  ask(walk.stuck_at(), std::min(walk.stuck_at() + kTokensAhead, walk.count()));
}

std::uint64_t child_at(JsonWalk& walk, std::uint64_t position, std::uint64_t index) {
  walk.seek(position);
  const JsonToken container = walk.token();
  const std::uint64_t own = container.is_object() ? 2 : 1;  // tokens of a child that is a scalar
  // Where all children are scalars their places follow.
  if (container.tokens_below == container.child_count * own) {
    return std::min(position + own * (index + 1), walk.count() - 1);
  }
  std::uint64_t child = position + own;
  for (; index > 0 && child < walk.count(); --index) {
    walk.seek(child);
    child = walk.after() + own - 1;
  }
  return std::min(child, walk.count() - 1);
}

namespace {

/// Is a name's token, `entry`, that of `name`? Its last bytes are compared as one word, since names
/// of a kind begin alike. Requires: eight bytes before the entry may be read, as a page's header.
class NameIs {
 public:
  explicit NameIs(Bytes name) : name_(name), end_size_(std::min<std::size_t>(name.size(), 8)) {
    if (end_size_ > 0) std::memcpy(&end_, name.data() + name.size() - end_size_, end_size_);
  }
  bool operator()(const char* entry, std::size_t size) const {
    if (size != name_.size() + 1) return false;
    if (end_size_ == 0) return true;
    std::uint64_t end = 0;
    std::memcpy(&end, entry + size - sizeof end, sizeof end);
    return end >> (64 - 8 * end_size_) == end_ &&
           (end_size_ == name_.size() || Bytes(entry + 1, name_.size()) == name_);
  }

 private:
  Bytes name_;
  std::size_t end_size_;
  std::uint64_t end_ = 0;
};

/// find_member() among tokens [at, end) of a document of one page: without a cursor, since this is
/// what a small document's commands mostly do. `Length`: of the page's column of lengths. Requires:
/// end is at most the page's count.
template <typename Length>
std::optional<std::uint64_t> find_in_page(const value::PageView& page, std::size_t at,
                                          std::size_t end, Bytes name, std::uint64_t* passed) {
  const NameIs is_it(name);
  const char* entry = page.heap() + page.offset(at);
  const char* const lengths = page.lengths();
  const auto length = [lengths](std::size_t index) {
    Length stored = 0;
    std::memcpy(&stored, lengths + index * sizeof stored, sizeof stored);
    return std::size_t{stored};
  };
  std::uint64_t members = 0;
  std::optional<std::uint64_t> found;
  for (; at + 1 < end; ++members) {
    const std::size_t name_size = length(at);
    if (is_it(entry, name_size)) {
      found = at + 1;
      break;
    }
    entry += name_size;
    const std::size_t value_size = length(at + 1);
    at += 2;
    if (value_size > 0 && entry[0] >= static_cast<char>(JsonKind::kObject)) [[unlikely]] {
      const JsonToken token = decode_json_token({entry, value_size});
      const std::size_t below = std::min<std::size_t>(token.tokens_below, end - at);
      entry += page.sum_of_lengths(at, at + below);
      at += below;
    }
    entry += value_size;
  }
  if (passed != nullptr) *passed += members;
  return found;
}

std::optional<std::uint64_t> find_in_page(const value::PageView& page, std::size_t at,
                                          std::size_t end, Bytes name, std::uint64_t* passed) {
  switch (page.length_bytes()) {
    case 1:
      return find_in_page<std::uint8_t>(page, at, end, name, passed);
    case 2:
      return find_in_page<std::uint16_t>(page, at, end, name, passed);
    case 4:
      return find_in_page<std::uint32_t>(page, at, end, name, passed);
    default:
      return std::nullopt;  // of a corrupt store: tokens are not empty
  }
}

}  // namespace

std::optional<std::uint64_t> find_member(JsonWalk& walk, std::uint64_t position, Bytes name,
                                         std::uint64_t* passed) {
  walk.seek(position);
  const JsonToken object = walk.token();
  if (!object.is_object()) return std::nullopt;
  const std::uint64_t end = walk.after();
  if (walk.object().is_small()) {
    return position + 1 < end ? find_in_page(walk.object().page(), position + 1, end, name, passed)
                              : std::nullopt;
  }
  for (std::uint64_t at = position + 1; at + 1 < end;) {
    walk.seek(at);
    const Bytes entry = walk.entry();
    const bool is_it = entry.size() == name.size() + 1 && entry.ends_with(name);
    walk.seek(at + 1);
    if (is_it) return at + 1;
    at = walk.after();
    if (passed != nullptr) ++*passed;
  }
  return std::nullopt;
}

// ---- JsonEdit

JsonToken JsonEdit::at(std::uint64_t position) {
  return decode_json_token(tokens_.at(position).entry());
}

void JsonEdit::begin(const JsonTokens& value) { insert_all(0, value, 0); }

void JsonEdit::insert_all(std::uint64_t position, const JsonTokens& tokens, std::size_t first) {
  for (std::size_t i = first; i < tokens.count(); ++i) {
    tokens_.insert(position++, tokens.entry(i, &scratch_));
  }
}

// The first token is replaced, the others go and come: so the document never is without one, and
// what goes need not be read.
void JsonEdit::replace(std::uint64_t position, Ancestors ancestors, const JsonTokens& value) {
  const std::uint64_t below = std::min(at(position).tokens_below, tokens_.count() - position - 1);
  if (below > 0) tokens_.erase(position + 1, position + 1 + below);
  tokens_.replace(position, value.entry(0, &scratch_));
  insert_all(position + 1, value, 1);
  add_to_all(ancestors,
             static_cast<std::int64_t>(value.count() - 1) - static_cast<std::int64_t>(below));
}

void JsonEdit::replace_scalar(std::uint64_t position, const JsonToken& token) {
  scratch_.clear();
  append_json_token(token, &scratch_);
  tokens_.replace(position, scratch_);
}

void JsonEdit::erase_child(std::uint64_t position, Ancestors ancestors) {
  ASSERT(!ancestors.empty());
  const std::uint64_t parent = ancestors.back();
  const std::uint64_t end = std::min(position + 1 + at(position).tokens_below, tokens_.count());
  const std::uint64_t begin = at(parent).is_object() ? position - 1 : position;
  erase_children(parent, ancestors.first(ancestors.size() - 1), begin, end, 1);
}

void JsonEdit::insert_children(std::uint64_t position, Ancestors ancestors, std::uint64_t place,
                               const JsonTokens& tokens, std::uint64_t child_count) {
  insert_all(place, tokens, 0);
  const auto added = static_cast<std::int64_t>(tokens.count());
  add_to(position, static_cast<std::int64_t>(child_count), added);
  add_to_all(ancestors, added);
}

void JsonEdit::erase_children(std::uint64_t position, Ancestors ancestors, std::uint64_t first,
                              std::uint64_t last, std::uint64_t child_count) {
  if (first == last) return;
  tokens_.erase(first, last);
  const auto gone = static_cast<std::int64_t>(last - first);
  add_to(position, -static_cast<std::int64_t>(child_count), -gone);
  add_to_all(ancestors, -gone);
}

void JsonEdit::add_to(std::uint64_t container, std::int64_t children, std::int64_t tokens) {
  JsonToken token = at(container);
  token.child_count += static_cast<std::uint64_t>(children);
  token.tokens_below += static_cast<std::uint64_t>(tokens);
  token.text = {};
  scratch_.clear();
  append_json_token(token, &scratch_);
  tokens_.replace(container, scratch_);
}

void JsonEdit::add_to_all(Ancestors ancestors, std::int64_t tokens) {
  if (tokens == 0) return;
  for (const std::uint64_t container : ancestors) add_to(container, 0, tokens);
}

}  // namespace diskdb::types
