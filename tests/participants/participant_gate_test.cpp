#include "coordinator/participants/participant_gate.h"

#include <catch2/catch.hpp>

namespace entente::participants::gating {
namespace {

using Admission = ParticipantGate::Admission;
using Ending = CallEnd::Result;
using Permit = ParticipantGate::Permit;

constexpr Instant kStart = InstantFromMicros(1'000'000);

Instant At(int64_t milliseconds) {
  return kStart + std::chrono::milliseconds(milliseconds);
}

CallEnd Ended(Ending result, std::optional<Duration> retry_after = std::nullopt) {
  return {result, std::chrono::seconds(10), retry_after};
}

CallEnd TimedOut(Duration allowed) {
  return {Ending::kTimedOut, allowed, std::nullopt};
}

// Options under which nothing limits.
GateOptions Open() {
  GateOptions options;
  options.failures_to_open = 0;
  return options;
}

GateOptions WithBreaker(uint32_t failures) {
  GateOptions options;
  options.failures_to_open = failures;
  options.first_cool_down = std::chrono::milliseconds(100);
  options.max_cool_down = std::chrono::milliseconds(300);
  options.cool_down_factor = 2;
  return options;
}

std::vector<uint64_t> Tickets(const std::vector<Permit>& permits) {
  std::vector<uint64_t> tickets;
  for (const Permit& permit : permits) {
    tickets.push_back(permit.ticket);
  }
  return tickets;
}

std::vector<Permit> Released(ParticipantGate& gate, Instant now) {
  std::vector<Permit> permits;
  gate.Release(now, permits);
  return permits;
}

// Admits a call and ends it with a transport failure.
void Fail(ParticipantGate& gate, Instant now) {
  Permit permit;
  REQUIRE(gate.Acquire(1000, Lane::kForward, now, permit) == Admission::kAdmitted);
  gate.OnFinished(permit, Ended(Ending::kTransportFailure), now);
}

}  // namespace

TEST_CASE("a place goes to who waits where it became free, but nobody is overtaken for long") {
  GateOptions options = Open();
  options.max_concurrent = 2;
  ParticipantGate gate(options);
  const int here = 0;
  const int there = 0;
  Permit at_here;
  Permit at_there;
  Permit parked;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), at_here, &here) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, Lane::kForward, At(0), at_there, &there) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(3, Lane::kForward, At(0), parked, &there) == Admission::kParked);
  REQUIRE(gate.Acquire(4, Lane::kForward, At(0), parked, &there) == Admission::kParked);
  REQUIRE(gate.Acquire(5, Lane::kForward, At(1'000), parked, &here) == Admission::kParked);
  REQUIRE(gate.Acquire(6, Lane::kForward, At(1'001), parked, &here) == Admission::kParked);
  const auto after = [&](Permit& ended, const int& home) {
    gate.OnFinished(ended, Ended(Ending::kAnswered), At(2'000));
    std::vector<Permit> permits;
    gate.Release(At(2'000), permits, &home);
    REQUIRE(permits.size() == 1);
    CHECK(permits[0].home == (permits[0].ticket == 5 || permits[0].ticket == 6 ? &here : &there));
    ended = permits[0];
    return ended.ticket;
  };
  CHECK(after(at_here, here) == 5);
  CHECK(after(at_there, there) == 3);
  CHECK(gate.Withdraw(4));
  REQUIRE(gate.Acquire(7, Lane::kForward, At(2'000), parked, &there) == Admission::kParked);
  CHECK(after(at_there, there) == 7);
  REQUIRE(gate.Acquire(8, Lane::kForward, At(2'500), parked, &there) == Admission::kParked);
  CHECK(after(at_there, there) == 6);  // More than a second before 8.
  CHECK(after(at_here, here) == 8);    // Where nobody waits here, whoever waits.
}

TEST_CASE("calls past the concurrency limit wait and go in the order they came") {
  GateOptions options = Open();
  options.max_concurrent = 2;
  ParticipantGate gate(options);
  Permit first;
  Permit second;
  Permit parked;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), first) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, Lane::kForward, At(0), second) == Admission::kAdmitted);
  for (const uint64_t ticket : {3, 4, 5}) {
    REQUIRE(gate.Acquire(ticket, Lane::kForward, At(0), parked) == Admission::kParked);
  }
  CHECK(gate.blocked_by(At(0)) == BlockedBy::kConcurrency);
  CHECK(gate.NextWakeup() == std::nullopt);
  CHECK(Released(gate, At(1)).empty());
  gate.OnFinished(second, Ended(Ending::kAnswered), At(1));
  CHECK(Tickets(Released(gate, At(1))) == std::vector<uint64_t>{3});
  gate.OnFinished(first, Ended(Ending::kAnswered), At(2));
  CHECK(Tickets(Released(gate, At(2))) == std::vector<uint64_t>{4});
  CHECK(gate.stats().in_flight == 2);
  CHECK(gate.stats().queued == 1);
}

TEST_CASE("a newcomer does not overtake a waiting call") {
  GateOptions options = Open();
  options.max_concurrent = 1;
  ParticipantGate gate(options);
  Permit running;
  Permit permit;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), running) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, Lane::kForward, At(0), permit) == Admission::kParked);
  gate.OnFinished(running, Ended(Ending::kAnswered), At(1));
  CHECK(gate.Acquire(3, Lane::kForward, At(1), permit) == Admission::kParked);
  CHECK(Tickets(Released(gate, At(1))) == std::vector<uint64_t>{2});
}

TEST_CASE("a full queue refuses and does not park") {
  GateOptions options = Open();
  options.max_concurrent = 1;
  options.max_queued = 1;
  ParticipantGate gate(options);
  Permit permit;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, Lane::kForward, At(0), permit) == Admission::kParked);
  CHECK(gate.Acquire(3, Lane::kForward, At(0), permit) == Admission::kRefused);
  CHECK_FALSE(gate.Withdraw(3));
}

TEST_CASE("a withdrawn call never goes") {
  GateOptions options = Open();
  options.max_concurrent = 1;
  ParticipantGate gate(options);
  Permit running;
  Permit permit;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), running) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, Lane::kForward, At(0), permit) == Admission::kParked);
  REQUIRE(gate.Acquire(3, Lane::kForward, At(0), permit) == Admission::kParked);
  CHECK(gate.Withdraw(2));
  CHECK_FALSE(gate.Withdraw(2));
  CHECK_FALSE(gate.Withdraw(1));
  gate.OnFinished(running, Ended(Ending::kAnswered), At(1));
  CHECK(Tickets(Released(gate, At(1))) == std::vector<uint64_t>{3});
}

TEST_CASE("parking and withdrawing over and over keeps the queue bounded") {
  GateOptions options = Open();
  options.max_concurrent = 1;
  options.max_queued = 2;
  ParticipantGate gate(options);
  Permit permit;
  REQUIRE(gate.Acquire(0, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kParked);
  for (uint64_t ticket = 2; ticket < 10'000; ++ticket) {
    REQUIRE(gate.Acquire(ticket, Lane::kForward, At(0), permit) == Admission::kParked);
    REQUIRE(gate.Withdraw(ticket));
  }
  CHECK(gate.stats().queued == 1);
}

TEST_CASE("the rate limit lets a burst go and then one call per interval") {
  GateOptions options = Open();
  options.rate_per_second = 10;
  options.burst = 2;
  ParticipantGate gate(options);
  Permit permit;
  CHECK(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  CHECK(gate.Acquire(2, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  CHECK(gate.Acquire(3, Lane::kForward, At(0), permit) == Admission::kParked);
  CHECK(gate.Acquire(4, Lane::kForward, At(0), permit) == Admission::kParked);
  CHECK(gate.blocked_by(At(0)) == BlockedBy::kRate);
  REQUIRE(gate.NextWakeup() == At(100));
  CHECK(Released(gate, At(99)).empty());
  CHECK(Tickets(Released(gate, At(100))) == std::vector<uint64_t>{3});
  REQUIRE(gate.NextWakeup() == At(200));
  CHECK(Tickets(Released(gate, At(200))) == std::vector<uint64_t>{4});
  CHECK(gate.NextWakeup() == std::nullopt);
}

TEST_CASE("at the instant NextWakeup names a call goes, whatever the rate") {
  for (const double rate : {0.3, 3.0, 7.0, 333.0, 99'999.0}) {
    GateOptions options = Open();
    options.rate_per_second = rate;
    ParticipantGate gate(options);
    Permit permit;
    REQUIRE(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kAdmitted);
    for (uint64_t ticket = 2; ticket < 50; ++ticket) {
      REQUIRE(gate.Acquire(ticket, Lane::kForward, gate.stats().finished == 0 ? At(0) : At(0),
                           permit) == Admission::kParked);
      const auto wakeup = gate.NextWakeup();
      REQUIRE(wakeup.has_value());
      CAPTURE(rate, ticket);
      REQUIRE(Tickets(Released(gate, *wakeup)) == std::vector<uint64_t>{ticket});
    }
  }
}

TEST_CASE("whoever waited for a place and then for a token is told when to come back") {
  GateOptions options = Open();
  options.max_concurrent = 1;
  options.rate_per_second = 5;
  ParticipantGate gate(options);
  Permit permit;
  Permit parked;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, Lane::kForward, At(1), parked) == Admission::kParked);
  CHECK(gate.NextWakeup() == std::nullopt);
  gate.OnFinished(permit, Ended(Ending::kAnswered), At(10));
  CHECK(Released(gate, At(10)).empty());
  CHECK(gate.NextWakeup() == At(200));
  CHECK(Tickets(Released(gate, At(200))) == std::vector<uint64_t>{2});
}

TEST_CASE("a gate is idle when nothing would be lost with it") {
  GateOptions options = WithBreaker(1);
  options.rate_per_second = 10;
  options.max_concurrent = 1;
  ParticipantGate gate(options);
  CHECK(gate.IdleAt(At(0)));
  Permit permit;
  Permit parked;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  CHECK_FALSE(gate.IdleAt(At(500)));
  REQUIRE(gate.Acquire(2, Lane::kForward, At(500), parked) == Admission::kParked);
  gate.OnFinished(permit, Ended(Ending::kAnswered), At(510));
  CHECK_FALSE(gate.IdleAt(At(510)));
  const auto released = Released(gate, At(510));
  REQUIRE(released.size() == 1);
  gate.OnFinished(released.front(), Ended(Ending::kTransportFailure), At(520));
  CHECK_FALSE(gate.IdleAt(At(619)));  // Cooling down until 620...
  CHECK(gate.IdleAt(At(620)));        // ... when the token of 510 is back too.
}

TEST_CASE("idle time saves no more than the burst") {
  GateOptions options = Open();
  options.rate_per_second = 1000;
  options.burst = 3;
  ParticipantGate gate(options);
  Permit permit;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  int admitted = 0;
  for (uint64_t ticket = 2; ticket < 12; ++ticket) {
    admitted +=
        gate.Acquire(ticket, Lane::kForward, At(60'000), permit) == Admission::kAdmitted ? 1 : 0;
  }
  CHECK(admitted == 3);
}

TEST_CASE("failures in a row open the breaker and an answer between them does not count along") {
  ParticipantGate gate(WithBreaker(3));
  Permit permit;
  Fail(gate, At(0));
  Fail(gate, At(1));
  REQUIRE(gate.Acquire(7, Lane::kForward, At(2), permit) == Admission::kAdmitted);
  gate.OnFinished(permit, Ended(Ending::kAnswered), At(2));
  Fail(gate, At(3));
  Fail(gate, At(4));
  CHECK(gate.stats().breaker == BreakerState::kClosed);
  Fail(gate, At(5));
  CHECK(gate.stats().breaker == BreakerState::kOpen);
  CHECK(gate.stats().open_until == At(105));
  CHECK(gate.blocked_by(At(6)) == BlockedBy::kBreaker);
}

TEST_CASE("after the cool-down one probe goes and its answer closes the breaker") {
  ParticipantGate gate(WithBreaker(1));
  Permit permit;
  Fail(gate, At(0));
  for (const uint64_t ticket : {1, 2, 3}) {
    REQUIRE(gate.Acquire(ticket, Lane::kForward, At(10), permit) == Admission::kParked);
  }
  REQUIRE(gate.NextWakeup() == At(100));
  CHECK(Released(gate, At(99)).empty());
  const auto probe = Released(gate, At(100));
  REQUIRE(Tickets(probe) == std::vector<uint64_t>{1});
  CHECK(gate.stats().breaker == BreakerState::kHalfOpen);
  CHECK(gate.NextWakeup() == std::nullopt);
  CHECK(Released(gate, At(5000)).empty());
  gate.OnFinished(probe[0], Ended(Ending::kAnswered), At(5001));
  CHECK(gate.stats().breaker == BreakerState::kClosed);
  CHECK(Tickets(Released(gate, At(5001))) == std::vector<uint64_t>{2, 3});
}

TEST_CASE("a failed probe opens the breaker for longer, up to the most allowed") {
  ParticipantGate gate(WithBreaker(1));
  Fail(gate, At(0));
  Permit permit;
  const auto probe_at = [&](int64_t milliseconds) {
    REQUIRE(gate.Acquire(1, Lane::kForward, At(milliseconds), permit) == Admission::kAdmitted);
    gate.OnFinished(permit, Ended(Ending::kTransportFailure), At(milliseconds));
    return *gate.stats().open_until;
  };
  CHECK(probe_at(100) == At(100 + 200));
  CHECK(probe_at(300) == At(300 + 300));
  CHECK(probe_at(600) == At(600 + 300));
  // Once closed, the first cool-down counts again.
  REQUIRE(gate.Acquire(1, Lane::kForward, At(900), permit) == Admission::kAdmitted);
  gate.OnFinished(permit, Ended(Ending::kAnswered), At(900));
  Fail(gate, At(901));
  CHECK(gate.stats().open_until == At(1001));
}

TEST_CASE("results of calls from before the breaker opened do not move it") {
  ParticipantGate gate(WithBreaker(1));
  Permit early_answer;
  Permit early_failure;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), early_answer) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, Lane::kForward, At(0), early_failure) == Admission::kAdmitted);
  Fail(gate, At(1));
  const auto until = gate.stats().open_until;
  gate.OnFinished(early_answer, Ended(Ending::kAnswered), At(50));
  CHECK(gate.stats().breaker == BreakerState::kOpen);
  Permit probe;
  REQUIRE(gate.Acquire(3, Lane::kForward, At(101), probe) == Admission::kAdmitted);
  gate.OnFinished(early_failure, Ended(Ending::kTransportFailure), At(102));
  CHECK(gate.stats().breaker == BreakerState::kHalfOpen);
  CHECK(until == At(101));
  gate.OnFinished(probe, Ended(Ending::kAnswered), At(103));
  CHECK(gate.stats().breaker == BreakerState::kClosed);
}

TEST_CASE("only the probe's own answer closes the breaker") {
  const Ending earlier = GENERATE(Ending::kAnswered, Ending::kNotMade);
  ParticipantGate gate(WithBreaker(1));
  Permit early;
  Permit probe;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), early) == Admission::kAdmitted);
  Fail(gate, At(1));
  REQUIRE(gate.Acquire(2, Lane::kForward, At(101), probe) == Admission::kAdmitted);
  gate.OnFinished(early, Ended(earlier), At(102));
  CHECK(gate.stats().breaker == BreakerState::kHalfOpen);
  CHECK(gate.stats().in_flight == 1);
  gate.OnFinished(probe, Ended(Ending::kAnswered), At(103));
  CHECK(gate.stats().breaker == BreakerState::kClosed);
}

TEST_CASE("a probe that could not be made leaves the breaker open, and the next call probes") {
  ParticipantGate gate(WithBreaker(1));
  Fail(gate, At(0));
  Permit permit;
  const auto end_probe = [&](int64_t milliseconds, Ending result) {
    REQUIRE(gate.Acquire(1, Lane::kForward, At(milliseconds), permit) == Admission::kAdmitted);
    gate.OnFinished(permit, Ended(result), At(milliseconds));
  };
  end_probe(100, Ending::kNotMade);
  CHECK(gate.stats().breaker == BreakerState::kOpen);
  CHECK(gate.stats().in_flight == 0);
  CHECK(gate.stats().finished == 1);
  CHECK(gate.stats().error_rate == 1);
  end_probe(101, Ending::kTransportFailure);
  CHECK(gate.stats().open_until == At(101 + 200));  // The second cool-down, as if there was none.
  end_probe(301, Ending::kNotMade);
  end_probe(301, Ending::kAnswered);
  CHECK(gate.stats().breaker == BreakerState::kClosed);
}

TEST_CASE("calls that could not be made neither count as failures in a row nor end the row") {
  ParticipantGate gate(WithBreaker(2));
  Permit permit;
  Fail(gate, At(0));
  for (int i = 0; i < 3; ++i) {
    REQUIRE(gate.Acquire(1, Lane::kForward, At(1), permit) == Admission::kAdmitted);
    gate.OnFinished(permit, Ended(Ending::kNotMade), At(1));
  }
  CHECK(gate.stats().breaker == BreakerState::kClosed);
  CHECK(gate.stats().consecutive_failures == 1);
  CHECK(gate.stats().finished == 1);
  Fail(gate, At(2));
  CHECK(gate.stats().breaker == BreakerState::kOpen);
}

TEST_CASE("a clock that steps back frees nothing and breaks nothing") {
  GateOptions options = WithBreaker(1);
  options.rate_per_second = 10;
  ParticipantGate gate(options);
  Fail(gate, At(1000));
  Permit permit;
  CHECK(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kParked);
  CHECK(Released(gate, At(10)).empty());
  CHECK(Tickets(Released(gate, At(1100))) == std::vector<uint64_t>{1});
}

TEST_CASE("averages begin with the first outcome") {
  ParticipantGate gate(WithBreaker(1));
  Fail(gate, At(0));
  CHECK(gate.stats().error_rate == 1);
  Permit probe;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(100), probe) == Admission::kAdmitted);
  CHECK(BreakerStateName(gate.stats().breaker) == "half-open");
  gate.OnFinished(probe, Ended(Ending::kAnswered), At(110));
  CHECK(gate.stats().error_rate < 1);
}

TEST_CASE("statistics follow errors and latencies") {
  ParticipantGate gate(Open());
  Permit permit;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  gate.OnFinished(permit, Ended(Ending::kAnswered), At(40));
  CHECK(gate.stats().latency == std::chrono::milliseconds(40));
  CHECK(gate.stats().error_rate == 0);
  for (int i = 0; i < 100; ++i) {
    Fail(gate, At(50));
  }
  CHECK(gate.stats().error_rate > 0.99);
  CHECK(gate.stats().latency == std::chrono::milliseconds(40));
  CHECK(gate.stats().finished == 101);
  CHECK(gate.stats().breaker == BreakerState::kClosed);
}

// Sends as many calls as the gate lets go at `now`, each answered at once.
size_t AnswerAll(ParticipantGate& gate, Instant now) {
  size_t answered = 0;
  for (auto permits = Released(gate, now); !permits.empty(); permits = Released(gate, now)) {
    for (const Permit& permit : permits) {
      gate.OnFinished(permit, Ended(Ending::kAnswered), now);
      ++answered;
    }
  }
  return answered;
}

void Park(ParticipantGate& gate, uint64_t first, size_t count, Lane lane, Instant now) {
  Permit permit;
  for (uint64_t ticket = first; ticket < first + count; ++ticket) {
    REQUIRE(gate.Acquire(ticket, lane, now, permit) == Admission::kParked);
  }
}

TEST_CASE("a caller's short time-outs say nothing about the participant") {
  // Whatever is shorter than the least telling time-out, however often.
  for (const Duration allowed :
       {Duration(1), Duration(std::chrono::milliseconds(1)),
        Duration(std::chrono::milliseconds(100)), limits::kLeastTellingTimeout - Duration(1)}) {
    CAPTURE(allowed.count());
    GateOptions options;
    ParticipantGate gate(options);
    Permit permit;
    for (int i = 0; i < 100; ++i) {
      REQUIRE(gate.Acquire(1, Lane::kForward, At(i), permit) == Admission::kAdmitted);
      gate.OnFinished(permit, TimedOut(allowed), At(i));
    }
    CHECK(gate.stats().breaker == BreakerState::kClosed);
    CHECK(gate.stats().error_rate == 0);
    CHECK(gate.blocked_by(At(200)) == BlockedBy::kNothing);
  }
}

TEST_CASE(
    "time-outs that allowed what the participant needs open the breaker, shorter ones do not") {
  const auto opens = [](int64_t usual_millis, int64_t allowed_millis) {
    ParticipantGate gate{GateOptions()};
    Permit permit;
    int64_t now = 0;
    for (int i = 0; i < 5 && usual_millis > 0; ++i) {
      REQUIRE(gate.Acquire(1, Lane::kForward, At(now), permit) == Admission::kAdmitted);
      now += usual_millis;
      gate.OnFinished(permit, Ended(Ending::kAnswered), At(now));
    }
    for (int i = 0; i < 5; ++i) {
      REQUIRE(gate.Acquire(1, Lane::kForward, At(now), permit) == Admission::kAdmitted);
      gate.OnFinished(permit, TimedOut(std::chrono::milliseconds(allowed_millis)), At(++now));
    }
    return gate.stats().breaker != BreakerState::kClosed;
  };
  CHECK(opens(0, 1'000));
  CHECK(opens(10, 1'000));
  CHECK_FALSE(opens(10, 999));
  CHECK_FALSE(opens(3'000, 1'500));  // It always needs three seconds.
  CHECK_FALSE(opens(3'000, 5'900));
  CHECK(opens(3'000, 6'000));
}

TEST_CASE("impatient calls neither end nor prolong an outage, and probe once in a cool-down") {
  ParticipantGate gate(WithBreaker(1));
  Fail(gate, At(0));
  Permit permit;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(100), permit) == Admission::kAdmitted);
  gate.OnFinished(permit, TimedOut(std::chrono::milliseconds(1)), At(101));
  CHECK(gate.stats().open_until == At(201));
  REQUIRE(gate.Acquire(2, Lane::kForward, At(102), permit) == Admission::kParked);
  CHECK(gate.NextWakeup() == At(201));
}

TEST_CASE("one answered probe does not release all that has gathered") {
  GateOptions options;
  ParticipantGate gate(options);
  for (int i = 0; i < 5; ++i) {
    Fail(gate, At(0));
  }
  Park(gate, 1, 10'000, Lane::kForward, At(1));
  size_t gone = AnswerAll(gate, At(500));
  CHECK(gone <= 1 + options.ramp_first);
  size_t before = gone;
  for (int64_t now = 501; now <= 1'500; ++now) {
    gone += AnswerAll(gate, At(now));
  }
  CHECK(gone <= 200);  // In the first second.
  CHECK(gone > before);
  CHECK(gate.blocked_by(At(1'500)) == BlockedBy::kBackOff);
  // Left to its wake-ups it gets them all through, in a few seconds.
  Instant now = At(1'500);
  while (gone < 10'000) {
    const auto next = gate.NextWakeup();
    REQUIRE(next.has_value());
    REQUIRE(*next > now);
    now = *next;
    gone += AnswerAll(gate, now);
  }
  CHECK(now < At(10'000));
  CHECK(gate.NextWakeup() == std::nullopt);
}

TEST_CASE("a portion that hangs is not followed by another") {
  GateOptions options;
  options.ramp_first = 3;
  ParticipantGate gate(options);
  for (int i = 0; i < 5; ++i) {
    Fail(gate, At(0));
  }
  Park(gate, 1, 100, Lane::kForward, At(1));
  const auto probe = Released(gate, At(500));
  REQUIRE(probe.size() == 1);
  gate.OnFinished(probe[0], Ended(Ending::kAnswered), At(501));
  const auto portion = Released(gate, At(501));
  CHECK(portion.size() == 3);
  CHECK(gate.NextWakeup() == std::nullopt);  // Only the end of one can help.
  CHECK(Released(gate, At(5'000)).empty());
  gate.OnFinished(portion[0], Ended(Ending::kTransportFailure), At(5'001));
  CHECK(Released(gate, At(5'001)).size() == 1);  // Half as many, after a failure.
}

TEST_CASE("busy answers in a row, or one with a Retry-After, hold back all who wait") {
  ParticipantGate gate{GateOptions()};
  Permit permit;
  for (int i = 0; i < 4; ++i) {
    REQUIRE(gate.Acquire(1, Lane::kForward, At(i), permit) == Admission::kAdmitted);
    gate.OnFinished(permit, Ended(Ending::kBusy), At(i));
    CHECK(gate.blocked_by(At(i)) == BlockedBy::kNothing);
  }
  REQUIRE(gate.Acquire(1, Lane::kForward, At(4), permit) == Admission::kAdmitted);
  gate.OnFinished(permit, Ended(Ending::kBusy), At(4));
  CHECK(gate.blocked_by(At(5)) == BlockedBy::kBackOff);
  CHECK(gate.stats().breaker == BreakerState::kClosed);  // It answers.
  Park(gate, 10, 3, Lane::kForward, At(5));
  REQUIRE(gate.NextWakeup() == At(504));
  // Asked once in each cool-down, which grows up to the most for who is there.
  int64_t now = 504;
  for (const int64_t pause : {1'000, 2'000, 4'000, 5'000, 5'000}) {
    const auto probe = Released(gate, At(now));
    REQUIRE(probe.size() == 1);
    gate.OnFinished(probe[0], Ended(Ending::kBusy), At(now));
    Park(gate, 1'000 + static_cast<uint64_t>(now), 1, Lane::kForward, At(now));
    REQUIRE(gate.NextWakeup() == At(now + pause));
    now += pause;
  }
  // What it asks for itself counts, up to a bound.
  auto probe = Released(gate, At(now));
  gate.OnFinished(probe[0], Ended(Ending::kBusy, std::chrono::seconds(7)), At(now));
  CHECK(gate.NextWakeup() == At(now + 7'000));
  probe = Released(gate, At(now + 7'000));
  gate.OnFinished(probe[0], Ended(Ending::kBusy, std::chrono::hours(1)), At(now + 7'000));
  CHECK(gate.NextWakeup() == At(now + 7'000 + 30'000));
  probe = Released(gate, At(now + 37'000));
  gate.OnFinished(probe[0], Ended(Ending::kAnswered), At(now + 37'000));
  CHECK(Released(gate, At(now + 37'000)).size() == gate.stats().in_flight);
  CHECK(gate.stats().queued == 0);

  ParticipantGate other{GateOptions()};
  REQUIRE(other.Acquire(1, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  other.OnFinished(permit, Ended(Ending::kBusy, std::chrono::seconds(2)), At(0));
  CHECK(other.blocked_by(At(1'999)) == BlockedBy::kBackOff);
  CHECK(other.blocked_by(At(2'000)) == BlockedBy::kNothing);
}

TEST_CASE("a participant that times out and is busy by turns is given a pause too") {
  ParticipantGate gate{GateOptions()};
  Permit permit;
  int admitted = 0;
  while (gate.Acquire(1, Lane::kForward, At(admitted), permit) == Admission::kAdmitted) {
    const bool busy = admitted % 2 == 0;
    gate.OnFinished(permit, Ended(busy ? Ending::kBusy : Ending::kTransportFailure), At(admitted));
    REQUIRE(++admitted < 100);
  }
  CHECK(admitted == 9);
}

TEST_CASE("calls that settle go through an open breaker now and then, and an answer ends it") {
  ParticipantGate gate(WithBreaker(1));  // Cools down for 100 ms.
  Fail(gate, At(0));
  Park(gate, 1, 2, Lane::kForward, At(1));
  Park(gate, 11, 3, Lane::kSettle, At(1));
  REQUIRE(gate.NextWakeup() == At(25));
  CHECK(Tickets(Released(gate, At(25))) == std::vector<uint64_t>{11});
  CHECK(Released(gate, At(49)).empty());
  auto second = Released(gate, At(50));
  CHECK(Tickets(second) == std::vector<uint64_t>{12});
  gate.OnFinished(second[0], Ended(Ending::kTransportFailure), At(60));
  CHECK(gate.stats().open_until == At(100));  // No longer for that.
  auto third = Released(gate, At(75));
  REQUIRE(Tickets(third) == std::vector<uint64_t>{13});
  gate.OnFinished(third[0], Ended(Ending::kAnswered), At(80));
  CHECK(gate.stats().breaker == BreakerState::kClosed);
  CHECK(Tickets(Released(gate, At(80))) == std::vector<uint64_t>{1, 2});
}

TEST_CASE("a forward probe that hangs does not keep out the call that would free it") {
  ParticipantGate gate(WithBreaker(1));
  Fail(gate, At(0));
  Permit probe;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(100), probe) == Admission::kAdmitted);
  Permit settle;
  REQUIRE(gate.Acquire(2, Lane::kSettle, At(101), settle) == Admission::kAdmitted);
  gate.OnFinished(settle, Ended(Ending::kAnswered), At(105));
  CHECK(gate.stats().breaker == BreakerState::kClosed);
  gate.OnFinished(probe, Ended(Ending::kTransportFailure), At(110));  // Of the past.
  CHECK(gate.stats().breaker == BreakerState::kClosed);
}

TEST_CASE("calls that settle come first, and places are kept for them") {
  GateOptions options = Open();
  options.max_concurrent = 16;
  ParticipantGate gate(options);
  Permit permit;
  for (uint64_t ticket = 1; ticket <= 14; ++ticket) {
    REQUIRE(gate.Acquire(ticket, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  }
  Park(gate, 20, 2, Lane::kForward, At(0));
  CHECK(gate.blocked_by(At(0)) == BlockedBy::kConcurrency);
  Permit settle;
  REQUIRE(gate.Acquire(30, Lane::kSettle, At(1), settle) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(31, Lane::kSettle, At(1), settle) == Admission::kAdmitted);
  Park(gate, 32, 1, Lane::kSettle, At(1));  // The limit is the limit.
  gate.OnFinished(permit, Ended(Ending::kAnswered), At(2));
  CHECK(Tickets(Released(gate, At(2))) == std::vector<uint64_t>{32});
  gate.OnFinished(settle, Ended(Ending::kAnswered), At(3));
  CHECK(Tickets(Released(gate, At(3))) == std::vector<uint64_t>{20});
}

TEST_CASE("a token goes to who settles, and no newcomer takes it") {
  GateOptions options = Open();
  options.rate_per_second = 10;
  ParticipantGate gate(options);
  Permit permit;
  REQUIRE(gate.Acquire(1, Lane::kForward, At(0), permit) == Admission::kAdmitted);
  Park(gate, 2, 1, Lane::kForward, At(1));
  Park(gate, 3, 1, Lane::kSettle, At(2));
  Park(gate, 4, 1, Lane::kForward, At(100));
  CHECK(Tickets(Released(gate, At(100))) == std::vector<uint64_t>{3});
  CHECK(Tickets(Released(gate, At(200))) == std::vector<uint64_t>{2});
}

TEST_CASE("what this machine lacks holds up the gate for a moment and is no failure") {
  ParticipantGate gate{GateOptions()};
  Permit permit;
  for (int i = 0; i < 20; ++i) {
    REQUIRE(gate.Acquire(1, Lane::kForward, At(i * 100), permit) == Admission::kAdmitted);
    gate.OnFinished(permit, Ended(Ending::kExhausted), At(i * 100));
  }
  CHECK(gate.stats().breaker == BreakerState::kClosed);
  CHECK(gate.stats().finished == 0);
  CHECK(gate.blocked_by(At(1'999)) == BlockedBy::kBackOff);
  Park(gate, 2, 1, Lane::kForward, At(1'950));
  REQUIRE(gate.NextWakeup() == At(2'000));
  CHECK(Tickets(Released(gate, At(2'000))) == std::vector<uint64_t>{2});
}

}  // namespace entente::participants::gating
