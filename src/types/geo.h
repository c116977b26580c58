// types/geo.h — places on Earth as scores of a sorted set, as Redis keeps them: a place is the
// number of the cell it lies in, of 2^26 by 2^26 cells, longitude and latitude taking turns bit by
// bit (Gustavo Niemeyer's geohash, 2008, over the latitudes that Web Mercator shows). So cells of
// any coarser grid are intervals of scores, and a shape is searched as the cell in its middle, as
// coarse as the shape is large, and those around it. Distances are on a sphere (haversine).
//
// Replies show these numbers to the last digit, so what is computed here is computed in Redis's
// order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace diskdb::types {

constexpr double kLongitudeMax = 180;
constexpr double kLatitudeMax = 85.05112878;  // where the map of Web Mercator is a square
/// Halvings of each coordinate in a score.
constexpr unsigned kGeoStepMax = 26;

/// In degrees.
struct Place {
  double longitude = 0;
  double latitude = 0;
};

bool is_on_map(const Place& place);

/// Requires: is_on_map(place).
double geo_score(const Place& place);
/// The middle of the cell. Any score means some place.
Place place_of_score(double score);
/// The standard geohash of a score's place, 11 characters, the last of which says nothing.
std::string geohash_text(double score);

/// In metres.
double geo_distance(const Place& a, const Place& b);
/// Of "m", "km", "ft", "mi", whatever the case, in metres.
std::optional<double> geo_unit(Bytes name);

/// A circle, or a rectangle along the meridians, around a place.
struct GeoShape {
  Place center;
  bool is_box = false;
  double radius = 0;  ///< of a circle, in metres
  double width = 0;   ///< of a box, in metres
  double height = 0;

  /// How far away the place is, if it lies inside.
  std::optional<double> distance_inside(const Place& place) const;
};

/// Scores from `min` up to but without `max`.
struct GeoInterval {
  double min;
  double max;
};

/// Where the scores of all places inside the shape lie, in Redis's order of searching.
std::vector<GeoInterval> geo_intervals(const GeoShape& shape);

}  // namespace diskdb::types
