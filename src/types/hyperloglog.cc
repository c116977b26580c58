#include "types/hyperloglog.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace diskdb::types {
namespace {

constexpr unsigned kIndexBits = 14;
constexpr unsigned kValueBits = 64 - kIndexBits;
static_assert(1U << kIndexBits == value::kHllRegisterCount);

constexpr std::uint64_t kSeed = 0xadc83b19;

/// MurmurHash64A, by Austin Appleby, of the public domain.
std::uint64_t murmur_hash(Bytes bytes, std::uint64_t seed) {
  constexpr std::uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  constexpr unsigned kShift = 47;
  std::uint64_t hash = seed ^ bytes.size() * kMultiplier;
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    word *= kMultiplier;
    word ^= word >> kShift;
    hash = (hash ^ word * kMultiplier) * kMultiplier;
  }
  if (left > 0) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, left);
    hash = (hash ^ word) * kMultiplier;
  }
  hash ^= hash >> kShift;
  hash *= kMultiplier;
  return hash ^ hash >> kShift;
}

/// x + the sum of x^(2^k) * 2^(k-1) for k >= 1, summed until nothing changes.
double sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double sum = x;
  double weight = 1;
  double before;
  do {
    x *= x;
    before = sum;
    sum += x * weight;
    weight += weight;
  } while (sum != before);
  return sum;
}

/// (1 - x - the sum of (1 - x^(2^-k))^2 * 2^-k for k >= 1) / 3, summed until nothing changes.
double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double sum = 1 - x;
  double weight = 1;
  double before;
  do {
    x = std::sqrt(x);
    before = sum;
    weight *= 0.5;
    sum -= (1 - x) * (1 - x) * weight;
  } while (sum != before);
  return sum / 3;
}

}  // namespace

HllContribution hll_contribution(Bytes element) {
  const std::uint64_t hash = murmur_hash(element, kSeed);
  // The bit above the hash's last ends the search when all others are zero.
  const std::uint64_t rest = hash >> kIndexBits | 1ULL << kValueBits;
  return {hash & (value::kHllRegisterCount - 1), static_cast<unsigned>(std::countr_zero(rest)) + 1};
}

std::uint64_t hll_estimate(const value::HllHistogram& histogram) {
  constexpr double kCount = value::kHllRegisterCount;
  constexpr double kAlpha = 0.721347520444481703680;  // 1 / (2 ln 2)
  double z = kCount * tau((kCount - histogram[kValueBits + 1]) / kCount);
  for (unsigned value = kValueBits; value >= 1; --value) {
    z += histogram[value];
    z *= 0.5;
  }
  z += kCount * sigma(histogram[0] / kCount);
  return static_cast<std::uint64_t>(std::llround(kAlpha * kCount * kCount / z));
}

}  // namespace diskdb::types
