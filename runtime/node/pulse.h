// Pulse: since when this process has been running without a break.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace entente::runtime {

// A process that was stopped (SIGSTOP, a suspended machine), or whose clock was set forward, finds
// all that it waits for late by so much, at the very moment when it goes on. That says nothing of
// what it waits for: only what has been late while the process ran does.
//
// Beat is called by one thread, every kBeat; RunningSince by any.
class Pulse {
 public:
  static constexpr Duration kBeat = std::chrono::milliseconds(250);
  // A beat that is later than this did not merely wait for a processor.
  static constexpr Duration kBreak = std::chrono::seconds(1);

  explicit Pulse(Instant now) : last_(ToMicros(now)), since_(ToMicros(now)) {}

  void Beat(Instant now) {
    since_.store(ToMicros(RunningSince(now)), std::memory_order_relaxed);
    last_.store(ToMicros(now), std::memory_order_relaxed);
  }

  // `now` itself where the break has just ended and no beat has come since.
  [[nodiscard]] Instant RunningSince(Instant now) const {
    const Instant last = InstantFromMicros(last_.load(std::memory_order_relaxed));
    const Instant since = InstantFromMicros(since_.load(std::memory_order_relaxed));
    return now - last > kBreak || now < since ? now : since;  // Or the clock was set back.
  }

 private:
  std::atomic<int64_t> last_;
  std::atomic<int64_t> since_;
};

}  // namespace entente::runtime
