// The buckets that every histogram has: log-linear, and fixed, so that what several threads or
// processes counted can be added up.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace entente::observe {

// Upper bounds 1, 2, 3, 4, 6, 8, 12, 16, ...: two to an octave, each bucket with its upper bound
// and without its lower one. So a quantile is known to a third of its value at worst. The last
// bucket has what is above kLargestBound.
inline constexpr int kOctaves = 33;
inline constexpr size_t kBuckets = 2 + 2 * (kOctaves - 1) + 1;
inline constexpr uint64_t kLargestBound = uint64_t{1} << kOctaves;

// In a few instructions: it is what the threads that drive transactions pay.
[[nodiscard]] constexpr size_t BucketOf(uint64_t value) {
  if (value <= 2) {
    return value == 2 ? 1 : 0;
  }
  if (value > kLargestBound) {
    return kBuckets - 1;
  }
  const auto octave = static_cast<size_t>(std::bit_width(value - 1)) - 1;
  const size_t half = ((value - 1) >> (octave - 1)) & 1;
  return 2 * octave + half;
}

// Of any but the last.
[[nodiscard]] constexpr uint64_t UpperBoundOf(size_t bucket) {
  if (bucket < 2) {
    return bucket + 1;
  }
  const uint64_t octave = uint64_t{1} << (bucket / 2);
  return bucket % 2 == 0 ? octave + octave / 2 : 2 * octave;
}

}  // namespace entente::observe
