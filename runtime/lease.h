// Lease: the right of one node to drive one shard, for as long as it lasts.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/ids.h"
#include "base/time.h"

namespace entente::runtime {

// Made by Ownership when it acquired the shard, one for each epoch; shared with the Shard that
// drives under it. Thread-safe: the thread that renews extends it while a worker looks at it, so
// that a worker with a long queue does not take its lease for ended.
class Lease {
 public:
  // Without `until` it lasts until another owner takes the shard.
  Lease(ShardId shard, Epoch epoch, std::optional<Instant> until)
      : shard_(shard), epoch_(epoch), until_micros_(until ? ToMicros(*until) : kForEver) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  [[nodiscard]] ShardId shard() const { return shard_; }
  [[nodiscard]] Epoch epoch() const { return epoch_; }

  // From `until` on the shard may be another's, whatever the journal says later.
  [[nodiscard]] bool HoldsAt(Instant now) const {
    return ToMicros(now) < until_micros_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool ends_by_itself() const {
    return until_micros_.load(std::memory_order_relaxed) != kForEver;
  }

  void ExtendTo(Instant until) { until_micros_.store(ToMicros(until), std::memory_order_relaxed); }

 private:
  static constexpr int64_t kForEver = std::numeric_limits<int64_t>::max();

  const ShardId shard_;
  const Epoch epoch_;
  std::atomic<int64_t> until_micros_;
};

}  // namespace entente::runtime
