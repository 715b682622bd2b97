// When to try again what failed.
#pragma once

#include <chrono>
#include <random>

#include "base/time.h"

namespace entente::pg {

// Doubles from `first` to `most`, each delay drawn between half of it and all, so that those who
// lost the same server do not come back in one moment. Used by one thread at a time.
class Backoff {
 public:
  using Clock = std::chrono::steady_clock;

  Backoff(Duration first, Duration most) : first_(first), most_(most) {}

  // Whether a try is due.
  [[nodiscard]] bool IsDue(Clock::time_point now) const { return now >= next_; }
  [[nodiscard]] Clock::time_point next() const { return next_; }

  void Failed(Clock::time_point now) {
    delay_ = delay_ == Duration() ? first_ : std::min(2 * delay_, most_);
    std::uniform_int_distribution<Duration::rep> draw(delay_.count() / 2, delay_.count());
    next_ = now + Duration(draw(random_));
  }
  void Succeeded() {
    delay_ = Duration();
    next_ = Clock::time_point();
  }

 private:
  const Duration first_;
  const Duration most_;
  Duration delay_{};
  Clock::time_point next_{};
  std::minstd_rand random_{std::random_device()()};
};

}  // namespace entente::pg
