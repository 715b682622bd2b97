// ForwardClock: the time of day, for durable instants.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace entente::runtime {

// Runs at the pace of the steady clock and never goes back. Follows the system clock where that is
// ahead: it was corrected, or the machine slept. A correction backwards is not followed until the
// process starts anew, which errs on the safe side: what a participant holds then seems to expire
// too early, never too late. Thread-safe.
class ForwardClock {
 public:
  // `system` as the system clock reads now, `steady` as a clock that only moves forward does.
  [[nodiscard]] Instant Read(Instant system, Duration steady) {
    const int64_t wanted = ToMicros(system) - steady.count();
    int64_t ahead = ahead_micros_.load(std::memory_order_relaxed);
    while (wanted > ahead &&
           !ahead_micros_.compare_exchange_weak(ahead, wanted, std::memory_order_relaxed)) {
    }
    return InstantFromMicros(steady.count() + (wanted > ahead ? wanted : ahead));
  }

 private:
  std::atomic<int64_t> ahead_micros_{INT64_MIN / 2};  // Of the steady clock.
};

}  // namespace entente::runtime
