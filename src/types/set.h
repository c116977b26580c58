// types/set.h — what Redis means by a set: members, each once; while they are few and all integers,
// in numerical order.
//
// Redis keeps a set as an intset, a listpack or a hash table, converts it one way only, and shows
// which. Here that history is two traits (types/traits.h): kIntegers, an intset; kShowsLarge, a
// hash table; neither, a listpack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "types/member_scan.h"
#include "types/traits.h"
#include "value/object.h"

namespace diskdb::types {

/// Up to when a set counts as small.
struct SetLimits {
  std::uint64_t integers_max;      ///< members, if all are integers
  std::uint64_t members_max;       ///< members otherwise
  std::uint64_t member_bytes_max;  ///< of a member then
};

/// How Redis keeps a set.
enum class SetForm : std::uint8_t {
  kIntset,
  kListpack,
  kHashTable,
};

/// Threads: as the object, which it borrows.
class Set {
 public:
  Set(value::Object& object, const value::ObjectUse& use) : members_(object, use) {}

  std::uint64_t count() const { return members_.count(); }
  bool contains(Bytes member) const { return members_.contains(member); }
  /// Places are 0 .. count() - 1 and valid until the next change. Borrowed until the next change or
  /// look-up.
  Bytes at(std::uint64_t place) const { return members_.at(place).entry(); }
  /// What a set becomes that is given these members one by one.
  SetForm form_of_copy(const SetLimits& limits) const;
  /// Is it the same one as `other`?
  bool is_same(const Set& other) const { return &members_.object() == &other.members_.object(); }

  /// Shows `visit` all members, until it returns false. In the order they are kept in: see
  /// for_each_shown().
  template <typename Visit>
  void walk(Visit visit) const {
    for (value::ElementCursor c = members_.at(0); !c.is_at_end(); c.next()) {
      if (!visit(c.entry())) return;
    }
  }
  /// Shows `visit` all members in the order that clients see: integers ascend, however many they
  /// are.
  template <typename Visit>
  void for_each_shown(Visit visit) const {
    if (is_sorted_when_shown()) return for_each_sorted(visit);
    for (value::ElementCursor c = members_.at(0); !c.is_at_end(); c.next()) visit(c.entry());
  }
  /// One step of SSCAN: as scan_members().
  template <typename Visit>
  std::uint64_t scan(std::uint64_t cursor, std::uint64_t count, Visit visit) const {
    return scan_members(members_, cursor, count,
                        [&](const value::ElementCursor& c) { visit(c.entry()); });
  }

  // ---- Changing. Requires: the object is open for change. What is given lies elsewhere.

  /// Of an empty set: members come one by one, as results of set operations do. `form`: what it was
  /// when it had others, which have gone.
  void expect_any(SetForm form = SetForm::kIntset);
  /// `count` members come, `first` first: Redis chooses how to keep them by that.
  void expect(Bytes first, std::uint64_t count, const SetLimits& limits);
  /// False if it is there already. An empty set has been told what to expect.
  bool add(Bytes member, const SetLimits& limits);
  bool erase(Bytes member) { return members_.erase(member); }
  void erase_at(std::uint64_t place) { members_.erase_range(place, place + 1); }

 private:
  value::Object& object() const { return members_.object(); }
  bool is_intset() const { return has_trait(object(), Trait::kIntegers); }
  bool shows_large() const { return has_trait(object(), Trait::kShowsLarge); }
  bool is_sorted_when_shown() const { return is_intset() && !object().is_small(); }
  void show_large();
  bool add_to_intset(Bytes member, const SetLimits& limits);
  bool add_integer(Bytes member);
  std::size_t longest_integer() const;

  template <typename Visit>
  void for_each_sorted(Visit visit) const {
    for (const std::string& member : sorted_members()) visit(Bytes(member));
  }
  std::vector<std::string> sorted_members() const;

  value::Dictionary members_;
};

}  // namespace diskdb::types
