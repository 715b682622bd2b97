// When a participant may be called: concurrency limit, rate limit, circuit breaker, back-off.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/limits.h"
#include "base/time.h"

namespace entente::participants {

struct GateOptions {
  size_t max_concurrent = limits::kDefaultMaxConcurrentCalls;
  // Every open transaction may have a call that waits: what was accepted is never turned away here.
  size_t max_queued = limits::kMaxOpenTransactions;
  // Calls per second, 0 for no limit; `burst` calls (at least one) may come at once after a pause.
  double rate_per_second = 0;
  double burst = 1;
  // The breaker opens after this many transport failures in a row; 0 switches it off. As many
  // answers in a row that say "busy" make the gate back off.
  uint32_t failures_to_open = 5;
  Duration first_cool_down = std::chrono::milliseconds(500);
  Duration max_cool_down = std::chrono::seconds(30);
  // Of a participant that is there, but says that it is busy; unless it names a time itself.
  Duration max_busy_cool_down = std::chrono::seconds(5);
  double cool_down_factor = 2;
  // After a call for which this machine lacked something.
  Duration exhaustion_pause = std::chrono::milliseconds(100);
  // A call that timed out counts as a failure only if it allowed at least so long.
  Duration least_telling_timeout = limits::kLeastTellingTimeout;
  // After an outage: so many calls in the first step, in each further one twice as many, and no
  // limit after `ramp_steps`.
  uint32_t ramp_first = 25;
  Duration ramp_step = std::chrono::milliseconds(500);
  uint32_t ramp_steps = 10;
};

// Why a call that wants to go waits.
enum class BlockedBy { kNothing, kBreaker, kBackOff, kConcurrency, kRate };
// "nothing", "breaker", "backoff", "concurrency", "rate".
[[nodiscard]] std::string_view BlockedByName(BlockedBy reason);

enum class BreakerState { kClosed, kOpen, kHalfOpen };
// "closed", "open", "half-open".
[[nodiscard]] std::string_view BreakerStateName(BreakerState state);

// What a call is for. Those that undo or finish go first: what is prepared holds something that
// others wait for, and only they let go of it.
enum class Lane : uint8_t { kSettle, kForward };

// How a call ended, as far as it tells of its participant.
struct CallEnd {
  enum class Result : uint8_t {
    kAnswered,
    kBusy,              // It answered that it takes no more for now.
    kTransportFailure,  // No connection, or it broke.
    kTimedOut,          // Nothing came within what its caller allows.
    kNotMade,           // Not sent, for a reason of our own: nothing was learned.
    kExhausted,         // The same, because this machine lacks something. The next may fare better,
                        // but not at once.
  };
  Result result = Result::kAnswered;
  Duration allowed{};                   // The call's time-out.
  std::optional<Duration> retry_after;  // Of kBusy: when the participant wants to be asked again.
};

// Purpose: decides, for one participant, which calls go and which wait. A parked call is only its
// ticket in a queue: nothing is written anywhere, and it goes when the gate lets it.
//
// Within the limits calls go in the order they came, those of Lane::kSettle first; one place in
// eight is kept for them, so that forward calls that wait for what is prepared (for a row that it
// has locked) can not keep out the call that would free it. But a place that becomes free is given
// first to who waits at the same home (a worker), where the connection of the call that ended is
// used again: else the two workers of a participant that allows few connections would close and
// open one for every second call. Nobody is overtaken by who came more than a second later.
//
// Closed: `failures_to_open` transport failures in a row open the breaker; as many busy answers, or
// one with a Retry-After, make it back off, which is the same under another name: nothing goes
// until the cool-down ends. Then one probe goes (half-open). If it works, the gate closes; if it
// fails, there is another, longer cool-down; if nothing was learned, the next call is the probe.
// Calls of Lane::kSettle go meanwhile too, a few in each cool-down, and what is answered to one of
// them counts as to the probe: where forward calls hang, they are what ends it. Results of calls
// admitted before an outage move no state afterwards, since they tell of the past.
//
// After an outage calls go in growing portions: what has gathered would throw the participant down
// again. Where a portion meets a failure, the next one is smaller.
//
// A time-out counts only if the call allowed what the participant usually needs: a definition that
// allows a millisecond says nothing about it, and must not close the gate for everybody else.
//
// Pure: instants are handed in and should not go backwards; if one does, it counts as the latest
// seen. Not thread-safe. Refusals by the participant (4xx) are successes here: it answered.
class ParticipantGate {
 public:
  // Names one waiting call; the caller's own number, not in use by another waiting call.
  using Ticket = uint64_t;
  // Names who makes the call; null: nobody in particular.
  using Home = const void*;

  // Goes with each admitted call and comes back with its end.
  struct Permit {
    Ticket ticket = 0;
    Lane lane = Lane::kForward;
    bool probe = false;   // Sent to find out whether an outage is over.
    uint64_t period = 0;  // Counts the outages' beginnings and ends.
    Instant admitted_at;
    Home home = nullptr;
  };

  explicit ParticipantGate(GateOptions options);

  enum class Admission {
    kAdmitted,  // Call now; `permit` is filled in.
    kParked,    // A later Release hands the ticket out.
    kRefused,   // The queue is full; not parked. Ask again later.
  };
  [[nodiscard]] Admission Acquire(Ticket ticket, Lane lane, Instant now, Permit& permit,
                                  Home home = nullptr);

  // Ends an admitted call. Follow with Release, since a place may have become free, and then with
  // NextWakeup: what waited for a place may wait for a token next.
  void OnFinished(const Permit& permit, const CallEnd& end, Instant now);

  // Forgets a parked call (its time is up, or its transaction wants it no more). Returns false if
  // it is not parked. Costs a constant time; its place in the queue is skipped when its turn comes.
  bool Withdraw(Ticket ticket);

  // Appends the parked calls that may go at `now` to `admitted`, in the order they go. `home` is
  // where a call has just ended.
  void Release(Instant now, std::vector<Permit>& admitted, Home home = nullptr);

  // When Release should be called although no call ends before: the end of the cool-down or the
  // next token. None while nothing waits, or while only a call's end can help.
  [[nodiscard]] std::optional<Instant> NextWakeup() const;

  // Whether a gate made anew would decide the same: nothing is in flight or waits, it is not
  // cooling down and no token is missing. Failures in a row do not count.
  [[nodiscard]] bool IdleAt(Instant now) const;

  // Why a forward call that comes at `now` would wait.
  [[nodiscard]] BlockedBy blocked_by(Instant now) const;

  // Until when, as far as that is known: a call's end may change it. Nothing while it would not.
  [[nodiscard]] std::optional<Instant> blocked_until(Instant now) const;

  // The first of those that wait, by lane and in the order they came, at most `most`.
  [[nodiscard]] std::vector<Ticket> FirstWaiting(size_t most) const;

  [[nodiscard]] const GateOptions& options() const { return options_; }

  struct Stats {
    BreakerState breaker = BreakerState::kClosed;  // Closed while it only backs off.
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
  // Tickets in the order they came, for each home.
  class Queue {
   public:
    struct Waiter {
      Ticket ticket;
      uint64_t number;  // Of all that came.
      Instant since;
    };

    [[nodiscard]] bool empty() const { return waiting_.empty(); }
    [[nodiscard]] size_t size() const { return waiting_.size(); }
    void Push(Ticket ticket, Home home, Instant now);
    bool Remove(Ticket ticket);
    struct Next {
      Ticket ticket;
      Home home;
    };
    // Who goes next where `home` has a place. Not when empty.
    [[nodiscard]] Next NextFor(Home home);
    void Pop(const Next& next);
    // Appends the first ones, in the order they came, until `first` has `most`.
    void AppendFirst(size_t most, std::vector<Ticket>& first) const;

   private:
    std::map<Home, std::deque<Waiter>> lines_;  // May hold removed tickets, and empty lines.
    std::unordered_set<Ticket> waiting_;        // Those of lines_ that still wait.
    size_t held_ = 0;                           // In lines_.
    uint64_t came_ = 0;
  };

  // Why nothing ordinary goes.
  enum class Outage : uint8_t { kNone, kFailures, kBusy };

  Queue& queue(Lane lane) { return queues_[static_cast<size_t>(lane)]; }
  [[nodiscard]] const Queue& queue(Lane lane) const { return queues_[static_cast<size_t>(lane)]; }
  // Whether a call may go at `now`; takes its token and place and fills in `permit` if so.
  bool TryAdmit(Ticket ticket, Home home, Lane lane, Instant now, Permit& permit);
  [[nodiscard]] BlockedBy Obstacle(Lane lane, Instant now) const;
  [[nodiscard]] BlockedBy OutageObstacle() const;
  [[nodiscard]] bool MayProbe(Lane lane, Instant now) const;
  [[nodiscard]] std::optional<Instant> WakeupFor(Lane lane, Instant now) const;
  [[nodiscard]] size_t PlacesFor(Lane lane) const;
  [[nodiscard]] double TokensAt(Instant now) const;

  [[nodiscard]] bool Tells(const CallEnd& end) const;
  void Average(const Permit& permit, const CallEnd& end, Instant now);
  void OnAnswer(Instant now);
  void OnFailure(const Permit& permit, const CallEnd& end, Instant now);
  void OnNothingLearned(const Permit& permit, const CallEnd& end, Instant now);
  void BeginOutage(Outage outage, Duration cool_down, Instant now);
  void CoolDownAgain(Outage outage, const CallEnd& end, Instant now);
  void CoolDown(Duration cool_down, Instant now);
  [[nodiscard]] Duration CoolDownFor(Outage outage, const CallEnd& end, Duration proposed) const;

  [[nodiscard]] bool RampHolds(Instant now) const;
  [[nodiscard]] bool RampStepIsOver(Instant now) const;
  void BeginRamp(Instant now);
  void AdvanceRamp(Instant now);

  Instant Monotonic(Instant now);

  GateOptions options_;
  std::array<Queue, 2> queues_;  // By lane.

  Outage outage_ = Outage::kNone;
  bool probing_ = false;  // In an outage: the probe is out.
  uint64_t period_ = 0;
  uint32_t consecutive_failures_ = 0;
  uint32_t consecutive_busy_ = 0;
  Duration cool_down_{};
  Instant open_until_;
  Instant next_settle_probe_;
  Instant paused_until_;  // For want of something on this machine.

  // Calls that may still go in this step, of so many; 0: no ramp.
  uint64_t ramp_left_ = 0;
  uint64_t ramp_portion_ = 0;
  Instant ramp_step_ends_;
  bool ramp_failed_ = false;  // Something did in this step...
  bool ramp_news_ = false;    // ... or something ended at all.

  double tokens_;
  Instant tokens_at_;
  bool tokens_started_ = false;
  Instant latest_;

  std::array<size_t, 2> in_flight_{};  // By lane.
  uint64_t finished_ = 0;
  double error_rate_ = 0;
  double latency_micros_ = 0;
  bool has_latency_ = false;
  double slowest_micros_ = 0;  // The slowest answers of late; fades with each that is faster.
};

}  // namespace entente::participants
