#include "types/geo.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "base/number.h"

namespace diskdb::types {
namespace {

constexpr double kRadian = std::numbers::pi / 180;
constexpr double kEarthRadius = 6372797.560856;  // metres, as Redis has it
constexpr double kMercatorExtent = 20037726.37;  // metres from the middle of the map to its edge
constexpr double kGeohashLatitudeMax = 90;       // of the standard geohash

/// A cell of the grid with 2^step columns and rows; step 0 is none.
struct Cell {
  std::uint64_t bits = 0;
  unsigned step = 0;
  friend bool operator==(const Cell&, const Cell&) = default;
};

struct Box {
  double longitude_min;
  double longitude_max;
  double latitude_min;
  double latitude_max;
};

/// Bit i of `bits` moves to bit 2 * i.
std::uint64_t spread(std::uint32_t bits) {
  std::uint64_t x = bits;
  x = (x | x << 16U) & 0x0000'FFFF'0000'FFFF;
  x = (x | x << 8U) & 0x00FF'00FF'00FF'00FF;
  x = (x | x << 4U) & 0x0F0F'0F0F'0F0F'0F0F;
  x = (x | x << 2U) & 0x3333'3333'3333'3333;
  return (x | x << 1U) & 0x5555'5555'5555'5555;
}

/// The inverse: bit 2 * i moves to bit i, odd bits go.
std::uint32_t gather(std::uint64_t x) {
  x &= 0x5555'5555'5555'5555;
  x = (x | x >> 1U) & 0x3333'3333'3333'3333;
  x = (x | x >> 2U) & 0x0F0F'0F0F'0F0F'0F0F;
  x = (x | x >> 4U) & 0x00FF'00FF'00FF'00FF;
  x = (x | x >> 8U) & 0x0000'FFFF'0000'FFFF;
  return static_cast<std::uint32_t>(x | x >> 16U);
}

std::uint32_t row_of(const Cell& cell) { return gather(cell.bits); }
std::uint32_t column_of(const Cell& cell) { return gather(cell.bits >> 1U); }
Cell cell_at(std::uint32_t column, std::uint32_t row, unsigned step) {
  return {spread(row) | spread(column) << 1U, step};
}

/// Which of 2^step equal parts from -max to max the value lies in; max itself lies behind the last.
std::uint32_t part_of(double value, double max, unsigned step) {
  double offset = (value - -max) / (max - -max);
  offset *= static_cast<double>(1ULL << step);
  return static_cast<std::uint32_t>(offset);
}

Cell cell_of(const Place& place, unsigned step, double latitude_max) {
  return cell_at(part_of(place.longitude, kLongitudeMax, step),
                 part_of(place.latitude, latitude_max, step), step);
}

/// Where part `number` of 2^step begins.
double begin_of_part(std::uint64_t number, double max, unsigned step) {
  return -max + static_cast<double>(number) / static_cast<double>(1ULL << step) * (max - -max);
}

Box box_of(const Cell& cell) {
  const std::uint64_t column = column_of(cell);
  const std::uint64_t row = row_of(cell);
  return {.longitude_min = begin_of_part(column, kLongitudeMax, cell.step),
          .longitude_max = begin_of_part(column + 1, kLongitudeMax, cell.step),
          .latitude_min = begin_of_part(row, kLatitudeMax, cell.step),
          .latitude_max = begin_of_part(row + 1, kLatitudeMax, cell.step)};
}

Cell cell_of_score(double score) {
  constexpr double kTwoTo63 = 9223372036854775808.0;
  // Any sorted set may be asked: what is no cell's number still must not be undefined.
  if (score >= kTwoTo63 || score < -kTwoTo63) return {std::uint64_t{1} << 63U, kGeoStepMax};
  return {static_cast<std::uint64_t>(static_cast<std::int64_t>(score)), kGeoStepMax};
}

/// So many columns east and rows north of it; the map has no edges.
Cell neighbour(const Cell& cell, int east, int north) {
  const std::uint32_t mask = (1U << cell.step) - 1;
  std::uint32_t column = column_of(cell);
  std::uint32_t row = row_of(cell);
  if (east != 0) column = (column + static_cast<std::uint32_t>(east)) & mask;
  if (north != 0) row = (row + static_cast<std::uint32_t>(north)) & mask;
  return cell_at(column, row, cell.step);
}

double distance_of_latitudes(double a, double b) {
  return kEarthRadius * std::fabs(b * kRadian - a * kRadian);
}

/// How fine a grid may be for a cell and its neighbours to cover a circle of this radius, mostly.
unsigned step_for(double radius, double latitude) {
  if (radius == 0) return kGeoStepMax;
  int step = 1;
  for (; radius < kMercatorExtent; radius *= 2) ++step;
  step -= 2;
  if (std::fabs(latitude) > 66) --step;  // cells become narrow towards the poles
  if (std::fabs(latitude) > 80) --step;
  return static_cast<unsigned>(std::clamp(step, 1, static_cast<int>(kGeoStepMax)));
}

double outer_radius(const GeoShape& shape) {
  if (!shape.is_box) return shape.radius;
  const double x = shape.width / 2;
  const double y = shape.height / 2;
  return std::sqrt(x * x + y * y);
}

/// What encloses the shape, in degrees. Its longitudes are those of the edge nearer to a pole.
Box bounds_of(const GeoShape& shape) {
  const double half_height = shape.is_box ? shape.height / 2 : shape.radius;
  const double half_width = shape.is_box ? shape.width / 2 : shape.radius;
  const auto [longitude, latitude] = shape.center;
  const double latitude_delta = half_height / kEarthRadius / kRadian;
  const double edge = latitude < 0 ? latitude - latitude_delta : latitude + latitude_delta;
  const double longitude_delta = half_width / kEarthRadius / std::cos(edge * kRadian) / kRadian;
  return {.longitude_min = longitude - longitude_delta,
          .longitude_max = longitude + longitude_delta,
          .latitude_min = latitude - latitude_delta,
          .latitude_max = latitude + latitude_delta};
}

/// Do the cells around this one reach as far as the bounds?
bool covers(const Cell& cell, const Box& bounds) {
  return box_of(neighbour(cell, 0, 1)).latitude_max >= bounds.latitude_max &&
         box_of(neighbour(cell, 0, -1)).latitude_min <= bounds.latitude_min &&
         box_of(neighbour(cell, 1, 0)).longitude_max >= bounds.longitude_max &&
         box_of(neighbour(cell, -1, 0)).longitude_min <= bounds.longitude_min;
}

struct Step {
  int east;
  int north;
};
constexpr Step kOrder[] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                           {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};

/// Does the shape end inside `middle` before it gets to the neighbour there?
bool is_out_of_reach(const Step& to, const Box& middle, const Box& bounds) {
  return (to.north < 0 && middle.latitude_min < bounds.latitude_min) ||
         (to.north > 0 && middle.latitude_max > bounds.latitude_max) ||
         (to.east < 0 && middle.longitude_min < bounds.longitude_min) ||
         (to.east > 0 && middle.longitude_max > bounds.longitude_max);
}

GeoInterval interval_of(const Cell& cell) {
  const unsigned shift = 2 * (kGeoStepMax - cell.step);
  return {static_cast<double>(cell.bits << shift), static_cast<double>((cell.bits + 1) << shift)};
}

}  // namespace

bool is_on_map(const Place& place) {
  return std::fabs(place.longitude) <= kLongitudeMax && std::fabs(place.latitude) <= kLatitudeMax;
}

double geo_score(const Place& place) {
  return static_cast<double>(cell_of(place, kGeoStepMax, kLatitudeMax).bits);
}

Place place_of_score(double score) {
  const Box box = box_of(cell_of_score(score));
  const double longitude = (box.longitude_min + box.longitude_max) / 2;
  const double latitude = (box.latitude_min + box.latitude_max) / 2;
  return {std::clamp(longitude, -kLongitudeMax, kLongitudeMax),
          std::clamp(latitude, -kLatitudeMax, kLatitudeMax)};
}

std::string geohash_text(double score) {
  constexpr Bytes kDigits = "0123456789bcdefghjkmnpqrstuvwxyz";
  constexpr unsigned kDigitBits = 5;
  const Cell cell = cell_of(place_of_score(score), kGeoStepMax, kGeohashLatitudeMax);
  std::string text;
  for (unsigned left = 2 * kGeoStepMax; left >= kDigitBits;) {
    left -= kDigitBits;
    text.push_back(kDigits[cell.bits >> left & 31U]);
  }
  text.push_back('0');  // for which there are two bits left, too few
  return text;
}

double geo_distance(const Place& a, const Place& b) {
  const double v = std::sin((b.longitude * kRadian - a.longitude * kRadian) / 2);
  if (v == 0) return distance_of_latitudes(a.latitude, b.latitude);
  const double latitude_a = a.latitude * kRadian;
  const double latitude_b = b.latitude * kRadian;
  const double u = std::sin((latitude_b - latitude_a) / 2);
  const double h = u * u + std::cos(latitude_a) * std::cos(latitude_b) * v * v;
  return 2 * kEarthRadius * std::asin(std::sqrt(h));
}

std::optional<double> geo_unit(Bytes name) {
  struct Unit {
    Bytes name;
    double metres;
  };
  constexpr Unit kUnits[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
  for (const Unit& unit : kUnits) {
    if (equals_ignoring_case(unit.name, name)) return unit.metres;
  }
  return std::nullopt;
}

std::optional<double> GeoShape::distance_inside(const Place& place) const {
  if (is_box) {
    if (distance_of_latitudes(place.latitude, center.latitude) > height / 2) return std::nullopt;
    const Place beside{center.longitude, place.latitude};
    if (geo_distance(place, beside) > width / 2) return std::nullopt;
    return geo_distance(center, place);
  }
  const double distance = geo_distance(center, place);
  return distance <= radius ? std::optional(distance) : std::nullopt;
}

std::vector<GeoInterval> geo_intervals(const GeoShape& shape) {
  const Box bounds = bounds_of(shape);
  unsigned step = step_for(outer_radius(shape), shape.center.latitude);
  Cell middle = cell_of(shape.center, step, kLatitudeMax);
  if (step > 1 && !covers(middle, bounds)) {
    middle = cell_of(shape.center, --step, kLatitudeMax);
  }
  const Box box = box_of(middle);
  std::vector<GeoInterval> intervals;
  Cell last;  // on a coarse map the neighbours on both sides are one
  for (const Step& to : kOrder) {
    if (step >= 2 && is_out_of_reach(to, box, bounds)) continue;
    const Cell cell = neighbour(middle, to.east, to.north);
    if (cell == last) continue;
    intervals.push_back(interval_of(cell));
    if (cell != middle) last = cell;
  }
  return intervals;
}

}  // namespace diskdb::types
