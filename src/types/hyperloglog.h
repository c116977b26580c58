// types/hyperloglog.h — what a HyperLogLog means: which register an element raises, and how many
// elements the registers stand for. How registers are stored: value/hyperloglog.h.
//
// Sources: Flajolet et al., "HyperLogLog" (2007); Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches", arXiv:1702.01284, algorithm 6 with its functions sigma and tau.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "value/hyperloglog.h"

namespace diskdb::types {

/// What an element contributes: its register, and the value that one has at least then.
struct HllContribution {
  std::size_t index;
  unsigned value;
};

/// From the element's hash, MurmurHash64A with Redis's seed: the low 14 bits are the register, the
/// value is the position of the first one among the others.
HllContribution hll_contribution(Bytes element);

/// How many different elements were added, give or take 0.81 %.
std::uint64_t hll_estimate(const value::HllHistogram& histogram);

}  // namespace diskdb::types
