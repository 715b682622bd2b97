#include "observe/histogram.h"

#include <numeric>
#include <thread>

#include "observe/trace_ids.h"

namespace entente::observe {
namespace {

constexpr Duration kExemplarEvery = std::chrono::seconds(1);
// An exemplar's labels have at most 128 characters together (OpenMetrics 1.0, Exemplars):
// "trace_id" with 32 digits, "gid", and what is left.
constexpr size_t kMaxShownGid = 128 - 8 - 32 - 3;

}  // namespace

uint64_t HistogramSnapshot::count() const {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

void Histogram::Record(uint64_t value, const Origin& origin) {
  const size_t bucket = BucketOf(value);
  Count(bucket, value);
  // Only this thread writes them: it may look without asking.
  const Exemplar* latest = exemplars_[bucket].get();
  if (latest != nullptr && origin.now - latest->at < kExemplarEvery) {
    return;
  }
  const std::string& gid = origin.gid.str();
  auto exemplar = std::make_unique<Exemplar>(
      Exemplar{value, origin.now, TraceIdOf(origin.gid, origin.traceparent),
               gid.size() <= kMaxShownGid ? gid : std::string()});
  if (!exemplars_held_.test_and_set(std::memory_order_acquire)) {
    exemplars_[bucket] = std::move(exemplar);
    exemplars_held_.clear(std::memory_order_release);
  }
}

void Histogram::AddTo(HistogramSnapshot& snapshot) const {
  for (size_t i = 0; i < kBuckets; ++i) {
    snapshot.counts[i] += counts_[i].load(std::memory_order_relaxed);
  }
  snapshot.sum += sum_.load(std::memory_order_relaxed);
  while (exemplars_held_.test_and_set(std::memory_order_acquire)) {
    std::this_thread::yield();
  }
  for (size_t i = 0; i < kBuckets; ++i) {
    const Exemplar* mine = exemplars_[i].get();
    std::optional<Exemplar>& latest = snapshot.exemplars[i];
    if (mine != nullptr && (!latest || latest->at < mine->at)) {
      latest = *mine;
    }
  }
  exemplars_held_.clear(std::memory_order_release);
}

}  // namespace entente::observe
