// types/hash.h — what Redis means by a hash: fields with values, each of which may have an expiry.
//
// A field that has expired is there until it is deleted, by the keyspace's sweep or a write that
// meets it, but absent for whoever asks, except for the count of all fields, which is Redis's HLEN.
// Whether it has expired is not asked of a clock here: who makes a Hash says which instants have
// passed (none during replay, as the log says what was erased).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/units.h"
#include "types/member_scan.h"
#include "types/traits.h"
#include "value/object.h"

namespace diskdb::types {

/// Up to when a hash counts as small.
struct HashLimits {
  std::uint64_t fields_max;
  std::uint64_t word_bytes_max;  ///< of a field's name and of a value
};

/// A field as it stands in a hash. Borrows the hash until its next change or look-up.
struct FieldView {
  Bytes name;
  Bytes value;
  Millis expiry{};  ///< 0: none
};

/// Threads: as the object, which it borrows.
class Hash {
 public:
  /// `passed`: what expires at this instant or before has expired.
  Hash(value::Object& object, const value::ObjectUse& use, Millis passed)
      : fields_(object, use), passed_(passed) {}

  // ---- Reading.

  /// Those that have expired included, until they are deleted. Cost: O(1).
  std::uint64_t count() const { return fields_.count(); }
  /// May fields have an expiry?
  bool is_dated() const { return has_trait(fields_.object(), Trait::kFieldExpiry); }
  /// May fields have expired? If not, all are live.
  bool may_have_expired() const { return fields_.object().field_expiry() <= passed_; }
  /// Cost: as Dictionary::count_expiring().
  std::uint64_t live_count() const { return count() - fields_.count_expiring(passed_); }

  std::optional<FieldView> find(Bytes name) const;
  bool contains(Bytes name) const { return find(name).has_value(); }
  /// Is it there, but expired?
  bool has_expired(Bytes name) const;

  /// The field at this place. Places are 0 .. count() - 1 and valid until the next change.
  /// Nothing if it has expired.
  std::optional<FieldView> at(std::uint64_t place) const { return live(fields_.at(place)); }
  /// Shows `visit` all fields that have not expired.
  template <typename Visit>
  void for_each(Visit visit) const {
    const bool are_live = !may_have_expired();
    for (value::ElementCursor c = fields_.at(0); !c.is_at_end(); c.next()) {
      const value::PairView pair = c.pair();
      if (!are_live && has_passed(pair.expiry)) continue;
      visit(FieldView{.name = pair.key, .value = pair.value, .expiry = pair.expiry});
    }
  }
  /// One step of HSCAN: as scan_members(), with fields that have not expired.
  template <typename Visit>
  std::uint64_t scan(std::uint64_t cursor, std::uint64_t count, Visit visit) const {
    return scan_members(fields_, cursor, count, [&](const value::ElementCursor& c) {
      if (const auto field = live(c)) visit(*field);
    });
  }

  // ---- Changing. Requires: the object is open for change. What is given lies elsewhere.

  /// True if the field is new (which one that has expired is not). `expiry`: 0 for none.
  bool put(Bytes name, Bytes value, const HashLimits& limits, Millis expiry = {});
  /// Keeps the expiry that the field has.
  bool put_keeping_expiry(Bytes name, Bytes value, const HashLimits& limits);
  bool erase(Bytes name) { return fields_.erase(name); }
  /// Requires: the field is there.
  void set_expiry(Bytes name, Millis expiry);

 private:
  std::optional<FieldView> live(const value::ElementCursor& cursor) const {
    return live(cursor.pair());
  }
  std::optional<FieldView> live(const value::PairView& pair) const {
    if (has_passed(pair.expiry)) return std::nullopt;
    return FieldView{.name = pair.key, .value = pair.value, .expiry = pair.expiry};
  }
  bool has_passed(Millis expiry) const { return expiry.count != 0 && expiry <= passed_; }

  value::Dictionary fields_;
  Millis passed_;
};

}  // namespace diskdb::types
