// HRANDFIELD: fields of a hash by chance.
#include <limits>
#include <vector>

#include "base/number.h"
#include "command/hash_commands.h"
#include "command/random_places.h"

namespace diskdb::command::hashes {
namespace {

using types::FieldView;
using types::Hash;

/// So often chance may hit a field that has expired, before all are looked at.
constexpr int kTriesMax = 64;

std::vector<std::uint64_t> live_places(const Hash& hash) {
  std::vector<std::uint64_t> places;
  for (std::uint64_t i = 0; i < hash.count(); ++i) {
    if (hash.at(i)) places.push_back(i);
  }
  return places;
}

/// Nothing if all have expired.
std::optional<std::uint64_t> random_place(CommandContext& cx, const Hash& hash) {
  if (!hash.may_have_expired()) return cx.random.below(hash.count());
  for (int i = 0; i < kTriesMax; ++i) {
    const std::uint64_t place = cx.random.below(hash.count());
    if (hash.at(place)) return place;
  }
  const std::vector<std::uint64_t> places = live_places(hash);
  if (places.empty()) return std::nullopt;
  return places[cx.random.below(places.size())];
}

/// Whose places these are, or all of the hash's.
class Choice {
 public:
  explicit Choice(const Hash& hash) : hash_(hash) {
    if (hash.may_have_expired()) places_ = live_places(hash);
  }
  std::uint64_t count() const { return hash_.may_have_expired() ? places_.size() : hash_.count(); }
  FieldView field(std::uint64_t nth) const {
    return *hash_.at(hash_.may_have_expired() ? places_[nth] : nth);
  }

 private:
  const Hash& hash_;
  std::vector<std::uint64_t> places_;
};

struct Wanted {
  std::uint64_t count = 0;
  bool may_repeat = false;
  bool has_values = false;
};

/// RESP3 has pairs of field and value as arrays.
void reply_field(CommandContext& cx, const Wanted& wanted, const FieldView& field) {
  if (wanted.has_values && cx.reply.dialect() == resp::Dialect::kResp3) cx.reply.array(2);
  cx.reply.bulk(field.name);
  if (wanted.has_values) cx.reply.bulk(field.value);
}

void reply_fields(CommandContext& cx, const Hash& hash, const Wanted& wanted) {
  const Choice choice(hash);
  std::uint64_t count = wanted.count;
  if (choice.count() == 0) count = 0;
  if (!wanted.may_repeat) count = std::min(count, choice.count());
  const bool is_flat = wanted.has_values && cx.reply.dialect() != resp::Dialect::kResp3;
  cx.reply.array(is_flat ? count * 2 : count);
  if (wanted.may_repeat) {
    for (std::uint64_t i = 0; i < count; ++i) {
      reply_field(cx, wanted, choice.field(cx.random.below(choice.count())));
    }
  } else if (count == choice.count()) {
    hash.for_each([&](const FieldView& field) { reply_field(cx, wanted, field); });
  } else {
    for (const std::uint64_t place : different_places(cx.random, choice.count(), count)) {
      reply_field(cx, wanted, choice.field(place));
    }
  }
}

Outcome reply_one(CommandContext& cx) {
  TRY_LET(const auto hash, find_hash(cx));
  const auto place = hash ? random_place(cx, *hash) : std::nullopt;
  if (place) {
    cx.reply.bulk(hash->at(*place)->name);
  } else {
    cx.reply.null();
  }
  return Outcome::done();
}

}  // namespace

/// HRANDFIELD key [count [WITHVALUES]] — a field, or `count` different ones; a negative count is of
/// fields that may repeat.
Outcome hrandfield(CommandContext& cx, Arguments args) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  args.next();
  if (args.is_empty()) return reply_one(cx);
  const auto count = parse_integer(args.next());
  if (!count || *count < -kMax) {
    return cx.refuse(count ? "ERR value is out of range, value must between -9223372036854775807 "
                             "and 9223372036854775807"
                           : "ERR value is not an integer or out of range");
  }
  Wanted wanted;
  if (!args.is_empty()) {
    if (!args.next_is("WITHVALUES") || !args.is_empty()) return Refusal::kSyntax;
    wanted.has_values = true;
    if (*count < -kMax / 2 || *count > kMax / 2) return Refusal::kOutOfRange;
  }
  wanted.may_repeat = *count < 0;
  wanted.count = static_cast<std::uint64_t>(wanted.may_repeat ? -*count : *count);

  TRY_LET(const auto hash, find_hash(cx));
  if (!hash || wanted.count == 0) {
    cx.reply.array(0);
    return Outcome::done();
  }
  if (*count < -kRepliedElementsMax) return Refusal::kOutOfRange;
  reply_fields(cx, *hash, wanted);
  return Outcome::done();
}

}  // namespace diskdb::command::hashes
