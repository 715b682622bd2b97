// Histogram: how values are distributed, counted by one thread and read by any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "observe/buckets.h"

namespace entente::observe {

// One value that a bucket counted, by which what was slow can be found again.
struct Exemplar {
  uint64_t value = 0;
  Instant at;
  std::string trace_id;
  std::string gid;  // Empty: too long to be shown.
};

// What a histogram held at one moment, or several of them together.
struct HistogramSnapshot {
  std::array<uint64_t, kBuckets> counts{};
  uint64_t sum = 0;
  // Of each bucket the latest, or nothing.
  std::array<std::optional<Exemplar>, kBuckets> exemplars{};

  [[nodiscard]] uint64_t count() const;
};

// Whose value it is. Both outlive the call that they are given to.
struct Origin {
  const Gid& gid;
  std::string_view traceparent;  // As submitted; may be empty.
  Instant now;
};

// Record is called by one thread, which never waits: a count is two plain stores, and an exemplar,
// at most one a second and bucket, is left out while a reader has its hands on them. AddTo may be
// called by any thread; what is counted meanwhile is in the next reading, in part or whole.
class Histogram {
 public:
  Histogram() = default;
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  void Record(uint64_t value) noexcept { Count(BucketOf(value), value); }
  void Record(uint64_t value, const Origin& origin);

  void AddTo(HistogramSnapshot& snapshot) const;

 private:
  // What only the writer writes needs no atomic addition.
  void Count(size_t bucket, uint64_t value) noexcept {
    Add(counts_[bucket], 1);
    Add(sum_, value);
  }
  static void Add(std::atomic<uint64_t>& to, uint64_t value) noexcept {
    to.store(to.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }

  std::array<std::atomic<uint64_t>, kBuckets> counts_{};
  std::atomic<uint64_t> sum_{0};
  // Held for as long as an exemplar takes to be written or copied.
  mutable std::atomic_flag exemplars_held_;
  std::array<std::unique_ptr<Exemplar>, kBuckets> exemplars_;
};

}  // namespace entente::observe
