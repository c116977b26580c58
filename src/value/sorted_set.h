// value/sorted_set.h — a large sorted set: two counted trees that share an object's page ids.
//
// The score tree holds (score, member) in order; the member index finds the score of a member. The
// index holds no members, which would double their memory: it maps the hash of a member to its
// score, and a hit is verified by looking (score, member) up in the score tree. Members whose
// hashes collide have an entry each, told apart by an ordinal, and each is tried: the cost of a
// collision is another look-up, not a wrong answer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "value/counted_tree.h"

namespace diskdb::value {

/// A score as an integer of the same order. -0 becomes 0. Requires: not NaN.
std::uint64_t score_key(double score);
double score_of_key(std::uint64_t key);

/// What put() did.
enum class ScoreChange : std::uint8_t {
  kNone,   ///< the member had this score
  kMoved,  ///< it had another
  kNew,    ///< it was not there
};

/// A member as the index knows it.
struct HashedScore {
  std::uint64_t hash;
  double score;
};

/// Threads: shard-local.
/// Invariants:
///   I1  Each (score, member) has one entry in the index, and no others are there.
///   I2  The score tree's page ids are odd, the index's even.
class SortedSet {
 public:
  explicit SortedSet(std::size_t page_bytes = kTreePageBytes);
  /// One that is in the store, wholly cold.
  SortedSet(const TreeRoot& scores, const TreeRoot& index, std::size_t page_bytes = kTreePageBytes);

  std::uint64_t count() const { return scores_.count(); }

  // ---- `hash` is the member's, the same for all its life. Requires: what missing_for() names has
  // been loaded, or missing_for_put() for put().

  std::optional<double> score(std::uint64_t hash, Bytes member, Fingers* fingers = nullptr) const;
  /// How many are before the member, by score and then by bytes.
  std::optional<std::uint64_t> rank(std::uint64_t hash, Bytes member,
                                    Fingers* fingers = nullptr) const;
  /// Requires: `score` is not NaN.
  ScoreChange put(std::uint64_t hash, Bytes member, double score, const PageEdit& edit);
  bool erase(std::uint64_t hash, Bytes member, const PageEdit& edit);

  /// Erases the members of ranks [first, last). Requires: scores().missing_for_erase() and
  /// missing_in() of the range, and missing_for() of each member there, name nothing. Cost:
  /// O(log n) a member.
  template <typename HashOf>
  void erase_range(std::uint64_t first, std::uint64_t last, HashOf hash_of, const PageEdit& edit);

  std::optional<MissingPage> missing_for(std::uint64_t hash, Bytes member) const;
  std::optional<MissingPage> missing_for_put(std::uint64_t hash, Bytes member, double score) const;

  // ---- In order of hash.

  /// How many members' hashes are below.
  std::uint64_t count_below_hash(std::uint64_t hash) const { return index_.rank({hash, 0}); }
  /// Appends the members at positions [first, last) of that order. Requires: the index's
  /// missing_in() of the range names nothing; first <= last <= count().
  void in_hash_order(std::uint64_t first, std::uint64_t last, std::vector<HashedScore>* out) const;

  /// In order of score and member: key() is the score_key(), entry() the member. Not to be changed
  /// but by put() and erase().
  const CountedTree& scores() const { return scores_; }

  // ---- Pages: each tree by itself. Ids say which.

  CountedTree& tree_of(PageId id) { return id % 2 == 1 ? scores_ : index_; }
  std::array<CountedTree*, 2> trees() { return {&scores_, &index_}; }
  std::size_t bytes() const { return scores_.bytes() + index_.bytes(); }

  /// `hash_of(member)` as given at all calls. Requires: all is resident. Cost: all of it.
  template <typename HashOf>
  void verify_invariants(HashOf hash_of) const;

 private:
  /// Where the member's score is: in the entry of the index with this ordinal.
  struct Place {
    std::uint64_t score_key;
    Bytes ordinal;  ///< borrowed from the index
  };
  std::optional<Place> find(std::uint64_t hash, Bytes member, Fingers* fingers = nullptr) const;
  void erase_from_index(std::uint64_t hash, Bytes member, const PageEdit& edit);
  void erase_place(std::uint64_t hash, const Place& place, const PageEdit& edit);
  void add_to_index(std::uint64_t hash, std::uint64_t score_key, const PageEdit& edit);

  CountedTree scores_;
  CountedTree index_;  ///< by hash, then ordinal; the value is the score_key, little-endian
};

template <typename HashOf>
void SortedSet::erase_range(std::uint64_t first, std::uint64_t last, HashOf hash_of,
                            const PageEdit& edit) {
  if (first == last) return;
  CountedTree::Cursor c = scores_.at(first);
  for (std::uint64_t left = last - first; left > 0; --left, c.next()) {
    erase_from_index(hash_of(c.entry()), c.entry(), edit);
  }
  scores_.erase_range(first, last, edit);
}

template <typename HashOf>
void SortedSet::verify_invariants(HashOf hash_of) const {
  scores_.verify_invariants();
  index_.verify_invariants();
  ASSERT(scores_.count() == index_.count());  // I1, with what follows
  for (CountedTree::Cursor c = scores_.at(0); !c.is_at_end(); c.next()) {
    const auto place = find(hash_of(c.entry()), c.entry());
    ASSERT(place.has_value());
    ASSERT(place->score_key == c.key().high);
  }
}

}  // namespace diskdb::value
