// command/random_places.h — which elements HRANDFIELD, SRANDMEMBER and their like choose.
#pragma once

#include <cstdint>
#include <numeric>
#include <unordered_set>
#include <vector>

#include "base/assert.h"
#include "io/random.h"

namespace diskdb::command {

/// No reply has more elements.
constexpr std::int64_t kRepliedElementsMax = std::int64_t{1} << 31;

/// `count` different places below `bound`, each choice with the same chance, in chance's order.
/// Requires: count <= bound. Cost: O(count).
inline std::vector<std::uint64_t> different_places(io::Random& random, std::uint64_t bound,
                                                   std::uint64_t count) {
  ASSERT(count <= bound);
  std::vector<std::uint64_t> places;
  places.reserve(count);
  if (count > bound / 3) {
    // The front of a shuffle.
    places.resize(bound);
    std::iota(places.begin(), places.end(), std::uint64_t{0});
    for (std::uint64_t i = 0; i < count; ++i) {
      std::swap(places[i], places[i + random.below(bound - i)]);
    }
    places.resize(count);
    return places;
  }
  std::unordered_set<std::uint64_t> chosen;
  while (places.size() < count) {
    const std::uint64_t place = random.below(bound);
    if (chosen.insert(place).second) places.push_back(place);
  }
  return places;
}

}  // namespace diskdb::command
