#include "types/set.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/number.h"

namespace diskdb::types {
namespace {

/// By value, of integers as parse_integer() takes them. Cost: no parsing.
bool is_less(Bytes a, Bytes b) {
  const bool a_is_negative = a[0] == '-';
  const bool b_is_negative = b[0] == '-';
  if (a_is_negative != b_is_negative) return a_is_negative;
  if (a_is_negative) std::swap(a, b);
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace

void Set::show_large() {
  set_trait(object(), Trait::kShowsLarge);
  set_trait(object(), Trait::kIntegers, false);
}

SetForm Set::form_of_copy(const SetLimits& limits) const {
  bool are_integers = true;
  std::size_t longest = 0;
  walk([&](Bytes member) {
    are_integers = are_integers && parse_integer(member).has_value();
    longest = std::max(longest, member.size());
    return true;
  });
  if (are_integers) return count() <= limits.integers_max ? SetForm::kIntset : SetForm::kHashTable;
  return count() <= limits.members_max && longest <= limits.member_bytes_max ? SetForm::kListpack
                                                                             : SetForm::kHashTable;
}

void Set::expect_any(SetForm form) {
  set_trait(object(), Trait::kIntegers, form == SetForm::kIntset);
  set_trait(object(), Trait::kShowsLarge, form == SetForm::kHashTable);
}

void Set::expect(Bytes first, std::uint64_t count, const SetLimits& limits) {
  if (members_.is_empty()) {
    const bool is_integer = parse_integer(first).has_value();
    if (is_integer && count <= limits.integers_max) return set_trait(object(), Trait::kIntegers);
    if (count > limits.members_max) show_large();
    return;
  }
  if (shows_large()) return;
  if (count > (is_intset() ? limits.integers_max : limits.members_max)) show_large();
}

bool Set::add(Bytes member, const SetLimits& limits) {
  if (shows_large()) return members_.add(member);
  if (is_intset()) return add_to_intset(member, limits);
  if (count() < limits.members_max && member.size() <= limits.member_bytes_max) {
    return members_.add(member);
  }
  const bool is_new = members_.add(member);
  if (is_new) show_large();
  return is_new;
}

bool Set::add_to_intset(Bytes member, const SetLimits& limits) {
  if (parse_integer(member)) {
    const bool is_new = add_integer(member);
    if (is_new && count() > limits.integers_max) show_large();
    return is_new;
  }
  const bool stays_small = count() < limits.members_max &&
                           member.size() <= limits.member_bytes_max &&
                           longest_integer() <= limits.member_bytes_max;
  set_trait(object(), Trait::kIntegers, false);
  if (!stays_small) show_large();
  return members_.add(member);
}

// Small ones are kept sorted.
bool Set::add_integer(Bytes member) {
  if (!object().is_small()) return members_.add(member);
  const value::PageView page = object().page();
  std::size_t low = 0;
  std::size_t high = page.count();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const Bytes entry = page.entry(middle);
    if (entry == member) return false;
    if (is_less(entry, member)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return members_.add(member, low);
}

std::size_t Set::longest_integer() const {
  std::size_t longest = 0;
  walk([&](Bytes member) {
    longest = std::max(longest, member.size());
    return true;
  });
  return longest;
}

std::vector<std::string> Set::sorted_members() const {
  std::vector<std::string> members;
  members.reserve(count());
  walk([&](Bytes member) {
    members.emplace_back(member);
    return true;
  });
  std::ranges::sort(members, is_less);
  return members;
}

}  // namespace diskdb::types
