// types/json_document.h — a stored JSON document: its tokens (types/json_token.h) as elements of an
// object, read by position, found by paths, and changed in place.
//
// Positions are those of tokens. A change moves what stands behind it, so who changes several
// places goes from the last to the first; what stands before, the containers around a place among
// it, stays where it is.
//
// A corrupt store may hold any tokens: counts are cut to what is there, so that nothing outside the
// document is touched, and what comes out is some document.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "types/json_path.h"
#include "types/json_text.h"
#include "types/json_token.h"
#include "value/object.h"

namespace diskdb::types {

/// Goes about in a document.
///
/// Threads: one at a time; no other cursor of the object may move meanwhile.
class JsonWalk {
 public:
  /// Borrows both for its life. Stands at the root. Requires: the document has tokens.
  JsonWalk(value::Object& object, const value::ObjectUse& use)
      : elements_(object, use), count_(object.count()) {}
  /// One that loads nothing: where a page is cold it is stuck, and sees null up to the end from
  /// then on.
  static JsonWalk in_memory(value::Object& object);

  std::uint64_t count() const { return count_; }
  std::uint64_t position() const { return position_; }
  value::Object& object() const { return elements_.object(); }
  /// Requires: position < count(). Cost: a few steps, or O(log n).
  void seek(std::uint64_t position);
  /// What is here. Borrowed until it moves.
  JsonToken token();
  /// What is here as it is stored; nothing if the walk is stuck.
  Bytes entry() {
    if (!cursor_ || !loads_) return slow_entry();
    return cursor_->entry();
  }
  /// Behind the value that is here.
  std::uint64_t after() {
    if (const Bytes here = entry();
        !here.empty() && here[0] < static_cast<char>(JsonKind::kObject)) {
      return position_ + 1;
    }
    const std::uint64_t below = token().tokens_below;
    return is_stuck() ? count_ : position_ + 1 + below;
  }
  /// Has met a cold page, or gone far enough, and at which token.
  bool is_stuck() const { return stuck_at_.has_value(); }
  std::uint64_t stuck_at() const { return *stuck_at_; }
  bool is_tired() const { return !loads_ && steps_left_ == 0; }
  /// The document was changed.
  void forget() {
    cursor_.reset();
    count_ = elements_.count();
    position_ = 0;
  }

 private:
  bool is_cold(std::uint64_t position);
  Bytes slow_entry();

  value::ObjectHandle elements_;
  bool loads_ = true;
  std::optional<std::uint64_t> stuck_at_;
  std::uint64_t steps_left_ = 0;  ///< unless it loads
  std::uint64_t count_;
  std::uint64_t position_ = 0;
  std::optional<value::ElementCursor> cursor_;
};

/// Appends the value at a position.
void copy_value(JsonWalk& walk, std::uint64_t position, JsonTokens* out);
void write_value(JsonWalk& walk, std::uint64_t position, JsonWriter* writer);

/// Where a path leads, in RedisJSON's order; a place may occur several times.
class JsonMatches {
 public:
  std::size_t count() const { return places_.size(); }
  bool is_empty() const { return places_.empty(); }
  std::uint64_t position(std::size_t i) const { return places_[i].position; }
  /// The containers around it, the root first, if they were asked for.
  std::span<const std::uint64_t> ancestors(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : places_[i - 1].ancestors_end;
    return std::span(ancestors_).subspan(begin, places_[i].ancestors_end - begin);
  }
  std::size_t ancestor_count() const { return ancestors_.size(); }
  void add(std::uint64_t position, std::span<const std::uint64_t> ancestors);

 private:
  struct Place {
    std::uint64_t position;
    std::size_t ancestors_end;
  };
  std::vector<Place> places_;
  std::vector<std::uint64_t> ancestors_;
};

/// A path looks at no more values than this many, or a few times those that the document has.
constexpr std::uint64_t kJsonVisitsMin = 50'000'000;
/// And finds no more.
constexpr std::size_t kJsonMatchesMax = 5'000'000;

/// Appends what `steps` lead to from the root. False: it is too much, see kJsonVisitsMin.
bool find_matches(JsonWalk& walk, const JsonSteps& steps, bool with_ancestors,
                  JsonMatches* matches);
/// The first match alone.
std::optional<std::uint64_t> find_first_match(JsonWalk& walk, const JsonSteps& steps, bool* fits);

/// What of a value at a path a command looks at.
enum class JsonReach : std::uint8_t {
  kValue,  ///< all of it
  kPlace,  ///< where it begins
};
/// Appends cold pages that stand between the path and what it leads to, up to `count_max` or a few
/// more; those that lie behind a cold page are not known before it is there: ask again. Nothing if
/// it is no path. Requires: a large document.
void find_missing_of_path(value::Object& document, Bytes path, JsonReach reach,
                          std::size_t count_max, std::vector<value::MissingPage>* missing);

/// The child at `index` of a container at `position`: the value's position. Requires: it has so
/// many.
std::uint64_t child_at(JsonWalk& walk, std::uint64_t position, std::uint64_t index);
/// The value of a member of the object at `position`. `passed`, if given, is how many others were
/// looked at.
std::optional<std::uint64_t> find_member(JsonWalk& walk, std::uint64_t position, Bytes name,
                                         std::uint64_t* passed = nullptr);

/// Changes a document. Given tokens must not lie in it.
///
/// Threads: one at a time. Borrows both for its life.
class JsonEdit {
 public:
  using Ancestors = std::span<const std::uint64_t>;

  JsonEdit(value::Object& object, const value::ObjectUse& use) : tokens_(object, use) {}

  /// The first value, of a new document.
  void begin(const JsonTokens& value);
  /// Replaces the value at `position`.
  void replace(std::uint64_t position, Ancestors ancestors, const JsonTokens& value);
  void replace_scalar(std::uint64_t position, const JsonToken& token);
  /// Takes a child out of its parent, the last of `ancestors`; a member with its name.
  void erase_child(std::uint64_t position, Ancestors ancestors);
  /// Puts `child_count` children, made of `tokens`, into the container at `position`, whose
  /// ancestors these are, before the token at `place`.
  void insert_children(std::uint64_t position, Ancestors ancestors, std::uint64_t place,
                       const JsonTokens& tokens, std::uint64_t child_count);
  /// Takes `child_count` children, tokens [first, last), out of the container.
  void erase_children(std::uint64_t position, Ancestors ancestors, std::uint64_t first,
                      std::uint64_t last, std::uint64_t child_count);

 private:
  JsonToken at(std::uint64_t position);
  void insert_all(std::uint64_t position, const JsonTokens& tokens, std::size_t first);
  void add_to(std::uint64_t container, std::int64_t children, std::int64_t tokens);
  void add_to_all(Ancestors ancestors, std::int64_t tokens);

  value::Sequence tokens_;
  std::string scratch_;
};

}  // namespace diskdb::types
