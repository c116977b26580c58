// value/fingers.h — where the look-ups of a thread came to in trees, for those that follow.
//
// Problem: a command looks up more than once what it changes, and in a pipeline each look-up was
// rehearsed (value/element_prefetch.h); going down from the root each time was a third of what it
// cost. Idea: the path to a leaf is remembered, as long as the tree has the same pages, and the
// keys between which all belong to that leaf: so who appends, or takes the first of a queue, finds
// the way as well. "Finger search" in the literature: Brown and Tarjan 1980, though theirs start
// from a finger that is merely near.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "value/page.h"

namespace diskdb::value {

struct PageFrame;
struct InnerFrame;

/// A link of an inner page.
struct PageStep {
  InnerFrame* frame;
  std::size_t index;
};

/// Deeper trees have no fingers.
constexpr std::size_t kFingerStepsMax = 4;

/// The path to a leaf, where all entries above `low` and below `high` belong.
struct Finger {
  std::uint64_t stamp = 0;  ///< of the tree's frames then; 0: nothing is remembered
  PageKey low;
  PageKey high;
  PageFrame* leaf = nullptr;
  std::size_t guess = 0;  ///< about where in the leaf

  /// Of a rehearsal: its key, and where in the leaf's heap entry `guess` begins, the first that is
  /// not below the key; true as long as the leaf has seen so many changes.
  bool is_exact = false;
  std::uint32_t changes = 0;
  PageKey key;
  std::size_t offset = 0;

  std::size_t depth = 0;
  std::array<PageStep, kFingerStepsMax> steps;
};

/// Threads: one's own; the trees are whoever's holds their shard.
class Fingers {
 public:
  /// Trees know it by its address and outlive it. So that none of them takes another in its place
  /// for it, `first_stamp` must be far from those of others: random.
  explicit Fingers(std::uint64_t first_stamp) : last_stamp_(first_stamp) {}

  /// The one for keys with this first half in the frames of this stamp, or of others that share its
  /// place: stamp and bounds say which. Where keys have two halves, the first says what is asked
  /// for together.
  Finger& of(std::uint64_t stamp, PageKey key) {
    const std::uint64_t mixed = (key.high ^ stamp) * 0x9E3779B97F4A7C15U;
    return fingers_[mixed >> (64 - kBits)];
  }
  std::uint64_t new_stamp() { return ++last_stamp_; }

  /// Which field of a small hash one with this tag was when it was last found. Hashes that are
  /// records have the same fields in the same order, so that it is often the same one in the next.
  std::uint16_t& place_of(std::uint8_t tag) { return places_[tag]; }

 private:
  static constexpr unsigned kBits = 8;  // a pipeline of look-ups in sorted sets, and some room

  std::array<Finger, 1U << kBits> fingers_;
  std::array<std::uint16_t, 256> places_ = {};  // by tag
  std::uint64_t last_stamp_;
};

}  // namespace diskdb::value
