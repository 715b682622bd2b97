// When a participant may be called: concurrency limit, rate limit, circuit breaker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/limits.h"
#include "base/time.h"

namespace entente::transport {

struct GateOptions {
  size_t max_concurrent = limits::kDefaultMaxConcurrentCalls;
  // Every open transaction may have a call that waits: what was accepted is never turned away here.
  size_t max_queued = limits::kMaxOpenTransactions;
  // Calls per second, 0 for no limit; `burst` calls (at least one) may come at once after a pause.
  double rate_per_second = 0;
  double burst = 1;
  // The breaker opens after this many transport failures in a row; 0 switches it off.
  uint32_t failures_to_open = 5;
  Duration first_cool_down = std::chrono::milliseconds(500);
  Duration max_cool_down = std::chrono::seconds(30);
  double cool_down_factor = 2;
};

// Why a call that wants to go waits.
enum class BlockedBy { kNothing, kBreaker, kConcurrency, kRate };
// "nothing", "breaker", "concurrency", "rate".
[[nodiscard]] std::string_view BlockedByName(BlockedBy reason);

enum class BreakerState { kClosed, kOpen, kHalfOpen };
// "closed", "open", "half-open".
[[nodiscard]] std::string_view BreakerStateName(BreakerState state);

// Purpose: decides, for one participant, which calls go and which wait. A parked call is only its
// ticket in a queue: nothing is written anywhere, and it goes when the gate lets it.
//
// Closed: calls go within the two limits, in the order they came. `failures_to_open` transport
// failures in a row open the breaker: nothing goes until the cool-down ends. Then one probe goes
// (half-open). If it works, the breaker closes; if it fails, it opens again for a longer time; if
// it turns out that it can not be made, the next call is the probe. Results of calls admitted
// before the breaker opened move no state afterwards, since they tell of the past.
//
// Pure: instants are handed in and should not go backwards; if one does, it counts as the latest
// seen. Not thread-safe. Refusals by the participant (4xx) are successes here: it answered.
class ParticipantGate {
 public:
  // Names one waiting call; the caller's own number, not in use by another waiting call.
  using Ticket = uint64_t;

  // Goes with each admitted call and comes back with its end.
  struct Permit {
    Ticket ticket = 0;
    uint64_t period = 0;  // The breaker's period in which the call was admitted.
    Instant admitted_at;
  };

  explicit ParticipantGate(GateOptions options);

  enum class Admission {
    kAdmitted,  // Call now; `permit` is filled in.
    kParked,    // A later Release hands the ticket out.
    kRefused,   // The queue is full; not parked. Ask again later.
  };
  [[nodiscard]] Admission Acquire(Ticket ticket, Instant now, Permit& permit);

  enum class CallResult {
    kAnswered,
    kTransportFailure,
    kNotMade,  // It could not be sent as it was, or was not allowed: nothing was learned.
  };
  // Ends an admitted call. Follow with Release, since a place may have become free, and then with
  // NextWakeup: what waited for a place may wait for a token next.
  void OnFinished(const Permit& permit, CallResult result, Instant now);

  // Forgets a parked call (its time is up, or its transaction wants it no more). Returns false if
  // it is not parked. Costs a constant time; its place in the queue is skipped when its turn comes.
  bool Withdraw(Ticket ticket);

  // Appends the parked calls that may go at `now` to `admitted`, in the order they came.
  void Release(Instant now, std::vector<Permit>& admitted);

  // When Release should be called although no call ends before: the end of the cool-down or the
  // next token. None while nothing waits, or while only a call's end can help.
  [[nodiscard]] std::optional<Instant> NextWakeup() const;

  // Whether a gate made anew would decide the same: nothing is in flight or waits, the breaker is
  // not cooling down and no token is missing. Failures in a row do not count.
  [[nodiscard]] bool IdleAt(Instant now) const;

  // Why a call that comes at `now` would wait.
  [[nodiscard]] BlockedBy blocked_by(Instant now) const;

  struct Stats {
    BreakerState breaker = BreakerState::kClosed;
    std::optional<Instant> open_until;
    size_t in_flight = 0;
    size_t queued = 0;
    uint32_t consecutive_failures = 0;
    uint64_t finished = 0;
    double error_rate = 0;  // Moving average of transport failures, 0..1.
    Duration latency{};     // Moving average of the calls that were answered.
  };
  [[nodiscard]] Stats stats() const;

 private:
  // Whether a call may go at `now`; takes its token and place if so.
  bool TryAdmit(Instant now);
  BlockedBy Obstacle(Instant now) const;
  double TokensAt(Instant now) const;
  void Open(Instant now);
  void OnFailure(const Permit& permit, Instant now);
  void OnAnswer(const Permit& permit);
  void OnNotMade(const Permit& permit, Instant now);
  Instant Monotonic(Instant now);

  GateOptions options_;
  std::deque<Ticket> queue_;           // In order of arrival; may hold withdrawn tickets.
  std::unordered_set<Ticket> parked_;  // Those of queue_ that still wait.

  BreakerState breaker_ = BreakerState::kClosed;
  uint64_t period_ = 0;  // Counts changes of the breaker's state.
  uint32_t consecutive_failures_ = 0;
  Duration cool_down_;
  Instant open_until_;

  double tokens_;
  Instant tokens_at_;
  bool tokens_started_ = false;
  Instant latest_;

  size_t in_flight_ = 0;
  uint64_t finished_ = 0;
  double error_rate_ = 0;
  double latency_micros_ = 0;
  bool has_latency_ = false;
};

}  // namespace entente::transport
