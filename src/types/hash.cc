#include "types/hash.h"

#include <string>
#include <utility>
#include <vector>

namespace diskdb::types {

FieldView Hash::view(Bytes name, Bytes stored) const {
  if (!is_dated_) [[likely]]
    return {.name = name, .value = stored};
  const value::DatedValue dated = value::split_dated(stored);
  return {.name = name, .value = dated.value, .expiry = dated.expiry};
}

std::optional<FieldView> Hash::live(const value::ElementCursor& cursor) const {
  const value::PairView pair = cursor.pair();
  const FieldView field = view(pair.key, pair.value);
  if (has_passed(field.expiry)) return std::nullopt;
  return field;
}

std::uint64_t Hash::live_count() const {
  if (!is_dated_) return count();
  std::uint64_t live_count = 0;
  for_each([&](const FieldView&) { ++live_count; });
  return live_count;
}

std::optional<FieldView> Hash::find(Bytes name) const {
  const auto stored = fields_.value_of(name);
  if (!stored) return std::nullopt;
  const FieldView field = view(name, *stored);
  if (has_passed(field.expiry)) return std::nullopt;
  return field;
}

bool Hash::has_expired(Bytes name) const {
  if (!is_dated_) return false;
  const auto stored = fields_.value_of(name);
  return stored && has_passed(view(name, *stored).expiry);
}

bool Hash::store(Bytes name, Bytes value, Millis expiry) {
  if (!is_dated_) [[likely]]
    return fields_.put(name, value);
  std::string dated;
  value::append_dated({.value = value, .expiry = expiry}, &dated);
  return fields_.put(name, dated);
}

bool Hash::put(Bytes name, Bytes value, const HashLimits& limits, Millis expiry) {
  if (expiry.count != 0) begin_dates();
  const bool is_new = store(name, value, expiry);
  if (name.size() > limits.word_bytes_max || value.size() > limits.word_bytes_max ||
      count() > limits.fields_max) {
    set_trait(fields_.object(), Trait::kShowsLarge);
  }
  return is_new;
}

bool Hash::put_keeping_expiry(Bytes name, Bytes value, const HashLimits& limits) {
  Millis expiry{};
  if (is_dated_) {
    if (const auto field = find(name)) expiry = field->expiry;
  }
  return put(name, value, limits, expiry);
}

void Hash::set_expiry(Bytes name, Millis expiry) {
  if (expiry.count != 0) begin_dates();
  if (!is_dated_) return;
  const std::string value(view(name, fields_.value_of(name).value()).value);
  store(name, value, expiry);
}

// Once in a hash's life all its values are written anew. They grow, so that a small hash may become
// a large one, with another order, on the way: it is copied first. A large one keeps its order.
void Hash::begin_dates() {
  if (is_dated_) return;
  const auto put_dated = [&](Bytes name, Bytes value) {
    std::string dated;
    value::append_dated({.value = value}, &dated);
    fields_.put(name, dated);
  };
  if (fields_.object().is_small()) {
    std::vector<std::pair<std::string, std::string>> all;
    for_each([&](const FieldView& field) { all.emplace_back(field.name, field.value); });
    for (const auto& [name, value] : all) put_dated(name, value);
  } else {
    for (std::uint64_t i = 0; i < count(); ++i) {
      const FieldView field = *live(fields_.at(i));
      put_dated(std::string(field.name), std::string(field.value));
    }
  }
  set_trait(fields_.object(), Trait::kFieldExpiry);
  is_dated_ = true;
}

}  // namespace diskdb::types
