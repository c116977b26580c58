#include "types/hash.h"

#include <string>

namespace diskdb::types {

std::optional<FieldView> Hash::find(Bytes name) const {
  const auto pair = fields_.pair_of(name);
  return pair ? live(*pair) : std::nullopt;
}

bool Hash::has_expired(Bytes name) const {
  if (!may_have_expired()) return false;
  const auto pair = fields_.pair_of(name);
  return pair && has_passed(pair->expiry);
}

bool Hash::put(Bytes name, Bytes value, const HashLimits& limits, Millis expiry) {
  const bool is_new = fields_.put(name, value, expiry);
  if (name.size() > limits.word_bytes_max || value.size() > limits.word_bytes_max ||
      count() > limits.fields_max) {
    set_trait(fields_.object(), Trait::kShowsLarge);
  }
  return is_new;
}

bool Hash::put_keeping_expiry(Bytes name, Bytes value, const HashLimits& limits) {
  Millis expiry{};
  if (is_dated()) {
    if (const auto field = find(name)) expiry = field->expiry;
  }
  return put(name, value, limits, expiry);
}

void Hash::set_expiry(Bytes name, Millis expiry) {
  const value::PairView pair = fields_.pair_of(name).value();
  if (pair.expiry == expiry) return;
  const std::string value(pair.value);
  fields_.put(name, value, expiry);
}

}  // namespace diskdb::types
