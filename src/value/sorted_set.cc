#include "value/sorted_set.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "base/reached.h"

namespace diskdb::value {
namespace {

constexpr std::uint64_t kSignBit = 1ULL << 63U;
constexpr PageShape kScoreShape{.key_bytes = 8};
constexpr PageShape kIndexShape{.key_bytes = 8, .is_pairs = true};
constexpr PageIds kScoreIds{.first = 1, .step = 2};
constexpr PageIds kIndexIds{.first = 2, .step = 2};

Bytes as_bytes(const std::uint64_t& word) {
  return {reinterpret_cast<const char*>(&word), sizeof word};
}

std::uint64_t score_key_in(Bytes value) {
  // A page from a corrupt store may have passed all checks and hold anything.
  std::uint64_t key = 0;
  std::memcpy(&key, value.data(), std::min(value.size(), sizeof key));
  return key;
}

}  // namespace

std::uint64_t score_key(double score) {
  ASSERT(!std::isnan(score));
  const auto bits = std::bit_cast<std::uint64_t>(score == 0 ? 0.0 : score);
  return (bits & kSignBit) != 0 ? ~bits : bits | kSignBit;
}

double score_of_key(std::uint64_t key) {
  return std::bit_cast<double>((key & kSignBit) != 0 ? key & ~kSignBit : ~key);
}

SortedSet::SortedSet(std::size_t page_bytes)
    : scores_(kScoreShape, page_bytes, kScoreIds), index_(kIndexShape, page_bytes, kIndexIds) {}

SortedSet::SortedSet(const TreeRoot& scores, const TreeRoot& index, std::size_t page_bytes)
    : scores_(scores, page_bytes, kScoreIds), index_(index, page_bytes, kIndexIds) {
  ASSERT(scores.leaf_shape == kScoreShape && scores.next_id % 2 == 1);
  ASSERT(index.leaf_shape == kIndexShape && index.next_id % 2 == 0);
}

std::optional<SortedSet::Place> SortedSet::find(std::uint64_t hash, Bytes member,
                                                Fingers* fingers) const {
  for (CountedTree::Cursor c = index_.find_first({hash, 0}, fingers); !c.is_at_end();
       c.next_of_key()) {
    const PairView pair = c.pair();
    const std::uint64_t key = score_key_in(pair.value);
    if (!scores_.find({key, 0}, member, fingers).is_at_end()) return Place{key, pair.key};
    REACHED("value: the hashes of two members collide");
  }
  return std::nullopt;
}

std::optional<double> SortedSet::score(std::uint64_t hash, Bytes member, Fingers* fingers) const {
  const auto place = find(hash, member, fingers);
  return place ? std::optional(score_of_key(place->score_key)) : std::nullopt;
}

std::optional<std::uint64_t> SortedSet::rank(std::uint64_t hash, Bytes member,
                                             Fingers* fingers) const {
  const auto place = find(hash, member, fingers);
  return place ? std::optional(scores_.rank({place->score_key, 0}, member, fingers)) : std::nullopt;
}

ScoreChange SortedSet::put(std::uint64_t hash, Bytes member, double score, const PageEdit& edit) {
  const std::uint64_t key = score_key(score);
  const auto place = find(hash, member, edit.fingers);
  if (!place) {
    scores_.insert({key, 0}, Entry::whole(member), edit);
    add_to_index(hash, key, edit);
    return ScoreChange::kNew;
  }
  if (place->score_key == key) return ScoreChange::kNone;
  const std::string ordinal(place->ordinal);
  // In this order: a page that the erasure empties would send the insertion to its neighbour, which
  // may be cold.
  scores_.insert({key, 0}, Entry::whole(member), edit);
  scores_.erase({place->score_key, 0}, member, edit);
  index_.replace({hash, 0}, Entry::pair(ordinal, as_bytes(key)), edit);
  return ScoreChange::kMoved;
}

bool SortedSet::erase(std::uint64_t hash, Bytes member, const PageEdit& edit) {
  const auto place = find(hash, member);
  if (!place) return false;
  scores_.erase({place->score_key, 0}, member, edit);
  erase_place(hash, *place, edit);
  return true;
}

void SortedSet::erase_from_index(std::uint64_t hash, Bytes member, const PageEdit& edit) {
  const auto place = find(hash, member);
  ASSERT(place.has_value());
  erase_place(hash, *place, edit);
}

void SortedSet::erase_place(std::uint64_t hash, const Place& place, const PageEdit& edit) {
  const std::string ordinal(place.ordinal);  // it lies in the index
  index_.erase({hash, 0}, ordinal, edit);
}

void SortedSet::add_to_index(std::uint64_t hash, std::uint64_t score_key, const PageEdit& edit) {
  // The first has an empty ordinal, so that it costs nothing; further ones count 1, 2, ...
  std::string ordinal;
  for (std::uint32_t n = 1;
       !index_.insert({hash, 0}, Entry::pair(ordinal, as_bytes(score_key)), edit); ++n) {
    ordinal.assign({static_cast<char>(n >> 8U), static_cast<char>(n)});
  }
}

void SortedSet::in_hash_order(std::uint64_t first, std::uint64_t last,
                              std::vector<HashedScore>* out) const {
  if (first == last) return;
  CountedTree::Cursor c = index_.at(first);
  for (std::uint64_t left = last - first; left > 0; --left, c.next()) {
    out->push_back({c.key().high, score_of_key(score_key_in(c.pair().value))});
  }
}

std::optional<MissingPage> SortedSet::missing_for(std::uint64_t hash, Bytes member) const {
  if (index_.is_whole() && scores_.is_whole()) [[likely]]
    return std::nullopt;
  if (const auto missing = index_.missing_of({hash, 0})) return missing;
  for (CountedTree::Cursor c = index_.find_first({hash, 0}); !c.is_at_end(); c.next_of_key()) {
    const PageKey key{score_key_in(c.pair().value), 0};
    if (const auto missing = scores_.missing_for(key, member)) return missing;
  }
  return std::nullopt;
}

std::optional<MissingPage> SortedSet::missing_for_put(std::uint64_t hash, Bytes member,
                                                      double score) const {
  if (const auto missing = missing_for(hash, member)) return missing;
  return scores_.missing_for({score_key(score), 0}, member);
}

}  // namespace diskdb::value
