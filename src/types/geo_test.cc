#include "types/geo.h"

#include <gtest/gtest.h>

#include <cmath>

#include "io/random.h"

namespace diskdb::types {
namespace {

Place random_place(io::Random& random, double spread) {
  const auto coordinate = [&](double max) {
    return (static_cast<double>(random.below(2'000'001)) / 1e6 - 1) * max * spread;
  };
  const double longitude = coordinate(kLongitudeMax);
  return {longitude, coordinate(kLatitudeMax)};
}

TEST(Geo, AScoreIsAPlaceToLessThanAMetre) {
  io::Random random(1);
  for (int i = 0; i < 10'000; ++i) {
    const Place place = random_place(random, 1);
    const double score = geo_score(place);
    EXPECT_GE(score, 0);
    EXPECT_LT(score, std::ldexp(1, 52) * 4);  // the map's very edge has cells of its own
    EXPECT_LT(geo_distance(place, place_of_score(score)), 1);
  }
}

TEST(Geo, KnownGeohashes) {
  EXPECT_EQ(geohash_text(geo_score({-5.6, 42.6})), "ezs42e44yx0");
  EXPECT_EQ(geohash_text(geo_score({13.361389, 38.115556})), "sqc8b49rny0");
}

TEST(Geo, WhatLiesInAShapeLiesInItsIntervals) {
  io::Random random(2);
  int inside_count = 0;
  for (int i = 0; i < 2000; ++i) {
    // Away from the edges of the map, where Redis too misses some.
    GeoShape shape{.center = random_place(random, 0.6), .is_box = random.chance_percent(50)};
    const double size = std::pow(10, 2 + static_cast<double>(random.below(40)) / 10);
    shape.radius = size;
    shape.width = size * 2;
    shape.height = size;
    const std::vector<GeoInterval> intervals = geo_intervals(shape);
    EXPECT_LE(intervals.size(), 9U);
    for (int j = 0; j < 20; ++j) {
      const double spread = size / 111'000;
      const Place offset = random_place(random, spread / 180);
      const Place place{shape.center.longitude + offset.longitude,
                        shape.center.latitude + offset.latitude};
      if (!is_on_map(place)) continue;
      const double score = geo_score(place);
      if (!shape.distance_inside(place_of_score(score))) continue;
      ++inside_count;
      int found_count = 0;
      for (const GeoInterval& interval : intervals) {
        found_count += score >= interval.min && score < interval.max ? 1 : 0;
      }
      EXPECT_EQ(found_count, 1) << shape.center.longitude << " " << shape.center.latitude << " "
                                << size << ": " << place.longitude << " " << place.latitude;
    }
  }
  EXPECT_GT(inside_count, 1000);
}

TEST(Geo, AnyScoreMeansSomePlace) {
  for (const double score : {-1.0, 1e300, -1e300, 4503599627370496.0, 1.5}) {
    EXPECT_TRUE(is_on_map(place_of_score(score)));
    EXPECT_EQ(geohash_text(score).size(), 11U);
  }
}

}  // namespace
}  // namespace diskdb::types
