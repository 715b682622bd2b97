#include "observe/histogram.h"

#include <limits>

#include <catch2/catch.hpp>

namespace entente::observe::test {
namespace {

Instant At(int64_t seconds) {
  return InstantFromMicros(seconds * 1'000'000);
}

TEST_CASE("every value is in the bucket whose bounds it lies between") {
  for (size_t bucket = 0; bucket + 1 < kBuckets; ++bucket) {
    const uint64_t bound = UpperBoundOf(bucket);
    CAPTURE(bucket, bound);
    CHECK(BucketOf(bound) == bucket);
    CHECK(BucketOf(bound + 1) == bucket + 1);
  }
  CHECK(BucketOf(0) == 0);
  CHECK(UpperBoundOf(kBuckets - 2) == kLargestBound);
  CHECK(BucketOf(std::numeric_limits<uint64_t>::max()) == kBuckets - 1);
}

TEST_CASE("no bucket is wider than half of its lower bound") {
  for (size_t bucket = 2; bucket + 1 < kBuckets; ++bucket) {
    const uint64_t lower = UpperBoundOf(bucket - 1);
    CAPTURE(bucket, lower);
    CHECK(2 * (UpperBoundOf(bucket) - lower) <= lower);
  }
}

TEST_CASE("histograms of several threads add up") {
  Histogram one;
  Histogram other;
  one.Record(5);
  one.Record(100);
  other.Record(6);
  HistogramSnapshot sum;
  one.AddTo(sum);
  other.AddTo(sum);
  CHECK(sum.count() == 3);
  CHECK(sum.sum == 111);
  CHECK(sum.counts[BucketOf(5)] == 2);
}

TEST_CASE("an exemplar is kept for a second, and says whose value it is") {
  const Gid first("0192f3a1-0000-7000-8000-000000000001");
  const Gid second("second");
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  Histogram histogram;
  histogram.Record(5, {first, "", At(10)});
  histogram.Record(6, {second, trace, At(10)});
  HistogramSnapshot early;
  histogram.AddTo(early);
  REQUIRE(early.exemplars[BucketOf(5)]);
  CHECK(early.exemplars[BucketOf(5)]->gid == first.str());
  CHECK(early.exemplars[BucketOf(5)]->trace_id == "0192f3a1000070008000000000000001");
  CHECK(early.exemplars[BucketOf(5)]->value == 5);
  histogram.Record(6, {second, trace, At(11)});
  HistogramSnapshot late;
  histogram.AddTo(late);
  CHECK(late.exemplars[BucketOf(5)]->gid == "second");
  CHECK(late.exemplars[BucketOf(5)]->trace_id == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(late.count() == 3);
}

TEST_CASE("a gid that would make an exemplar too long is left out of it") {
  const Gid gid(std::string(100, 'g'));
  Histogram histogram;
  histogram.Record(1, {gid, "", At(1)});
  HistogramSnapshot snapshot;
  histogram.AddTo(snapshot);
  REQUIRE(snapshot.exemplars[0]);
  CHECK(snapshot.exemplars[0]->gid.empty());
  CHECK(snapshot.exemplars[0]->trace_id.size() == 32);
}

}  // namespace
}  // namespace entente::observe::test
