// command/elements.h — which elements of its keys' large values a command will look at: so that
// their pages are in memory before it runs (DESIGN.md D5), whatever the shard's lock would make
// others wait for.
//
// What a row says here is a promise of nothing: a page that was not foreseen is read in place, with
// the shard held. So a row names what its command mostly touches, and those whose pages only the
// command itself can tell (by score, by chance) say nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "value/counted_tree.h"

namespace diskdb::value {
class Object;
}

namespace diskdb::command {

/// Words are counted as KeySpec counts them.
class Elements {
 public:
  constexpr Elements() = default;
  /// All, of each key.
  static consteval Elements all() { return {Kind::kAll}; }
  /// The first and the last one.
  static consteval Elements ends() { return {Kind::kEnds}; }
  /// Those called as words[begin] and, up to words[last], each `step`th behind it.
  static consteval Elements named(int begin, int last, int step = 1) {
    return {Kind::kNamed, begin, last, step};
  }
  static consteval Elements named(int index) { return {Kind::kNamed, index, index, 1}; }
  /// Those called as each `step`th word behind "FIELDS" and their number.
  static consteval Elements fields(int step = 1) { return {Kind::kFields, 0, 0, step}; }
  /// Pairs of a score and a member, from words[begin] to the last; options before them are no
  /// scores.
  static consteval Elements scored(int begin) { return {Kind::kScored, begin, -1, 2}; }
  /// The one at the position words[index].
  static consteval Elements at(int index) { return {Kind::kAt, index}; }
  /// From the position words[begin] to that in the next word, if no option makes them something
  /// else; of strings: bytes, all of them if both words are missing.
  static consteval Elements between(int begin) { return {Kind::kBetween, begin}; }
  /// All bytes of a string; of anything else none.
  static consteval Elements of_string() { return {Kind::kString}; }
  /// Of a string: the bit words[index].
  static consteval Elements bit(int index) { return {Kind::kBit, index}; }
  /// Of a string: as many bytes as words[index + 1] has, from that at words[index] on.
  static consteval Elements bytes_at(int index) { return {Kind::kBytesAt, index}; }

  /// Of a JSON document: the values at the paths words[begin] to words[last], whole, or, if the
  /// command looks at no more, where they begin. Without words there: all.
  static consteval Elements json(int begin, int last) { return {Kind::kJsonValues, begin, last}; }
  static consteval Elements json_places(int index) { return {Kind::kJsonPlaces, index, index}; }

  /// One of them that has a name: what to look for before the command runs, and with which score
  /// it will be put there.
  struct Named {
    Bytes name = {};  ///< null: none has
    std::optional<double> score = {};
  };
  /// Cost: parsing a number at most. Requires: the row admits the words.
  Named one_named(std::span<const Bytes> words) const;

  constexpr bool are_foreseen() const { return kind_ != Kind::kUnforeseen; }
  /// Appends cold pages of `object` that stand between the command and the elements, `count_max` or
  /// a few more; those below a cold page are not known before it is there: ask again. Requires: a
  /// large object.
  void find_missing(std::span<const Bytes> words, value::Object& object, std::size_t count_max,
                    std::vector<value::MissingPage>* missing) const;

 private:
  enum class Kind : std::uint8_t {
    kUnforeseen,
    kAll,
    kEnds,
    kNamed,
    kFields,
    kScored,
    kAt,
    kBetween,
    kString,
    kBit,
    kBytesAt,
    kJsonValues,
    kJsonPlaces,
  };
  consteval Elements(Kind kind, int begin = 0, int last = 0, int step = 1)
      : kind_(kind),
        begin_(static_cast<std::int8_t>(begin)),
        last_(static_cast<std::int8_t>(last)),
        step_(static_cast<std::int8_t>(step)) {}

  Kind kind_ = Kind::kUnforeseen;
  std::int8_t begin_ = 0;
  std::int8_t last_ = 0;
  std::int8_t step_ = 1;
};

}  // namespace diskdb::command
