// The virtual world's clock and dice: one seed, one run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/time.h"

namespace entente::sim {

// SplitMix64; the same everywhere, unlike the standard library's distributions.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  // In [0, bound).
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  bool Chance(uint32_t per_thousand) { return Below(1000) < per_thousand; }
  // In [low, high].
  Duration Between(Duration low, Duration high) {
    return low +
           Duration(static_cast<int64_t>(Below(static_cast<uint64_t>((high - low).count()) + 1)));
  }

 private:
  uint64_t state_;
};

// Runs tasks in the order of their instants; those of one instant in the order they were asked for.
class Scheduler {
 public:
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] bool idle() const { return tasks_.empty(); }
  [[nodiscard]] Instant next() const { return tasks_.begin()->first.first; }

  void At(Instant at, std::function<void()> task) {
    tasks_.emplace(std::make_pair(std::max(at, now_), sequence_++), std::move(task));
  }
  void After(Duration delay, std::function<void()> task) { At(now_ + delay, std::move(task)); }

  // Runs the earliest task. The scheduler must not be idle.
  void Step() {
    auto first = tasks_.extract(tasks_.begin());
    now_ = std::max(now_, first.key().first);
    first.mapped()();
  }

  // Time passes in which nothing is run: what was due is late.
  void Sleep(Duration span) { now_ += span; }

 private:
  Instant now_ = InstantFromMicros(1'000'000'000'000'000);
  uint64_t sequence_ = 0;
  std::map<std::pair<Instant, uint64_t>, std::function<void()>> tasks_;
};

}  // namespace entente::sim
