#include "coordinator/transport/participant_gate.h"

#include <catch2/catch.hpp>

namespace entente::transport {
namespace {

using Admission = ParticipantGate::Admission;
using CallResult = ParticipantGate::CallResult;
using Permit = ParticipantGate::Permit;

constexpr Instant kStart = InstantFromMicros(1'000'000);

Instant At(int64_t milliseconds) {
  return kStart + std::chrono::milliseconds(milliseconds);
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
  REQUIRE(gate.Acquire(1000, now, permit) == Admission::kAdmitted);
  gate.OnFinished(permit, CallResult::kTransportFailure, now);
}

}  // namespace

TEST_CASE("calls past the concurrency limit wait and go in the order they came") {
  GateOptions options = Open();
  options.max_concurrent = 2;
  ParticipantGate gate(options);
  Permit first;
  Permit second;
  Permit parked;
  REQUIRE(gate.Acquire(1, At(0), first) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, At(0), second) == Admission::kAdmitted);
  for (const uint64_t ticket : {3, 4, 5}) {
    REQUIRE(gate.Acquire(ticket, At(0), parked) == Admission::kParked);
  }
  CHECK(gate.blocked_by(At(0)) == BlockedBy::kConcurrency);
  CHECK(gate.NextWakeup() == std::nullopt);
  CHECK(Released(gate, At(1)).empty());
  gate.OnFinished(second, CallResult::kAnswered, At(1));
  CHECK(Tickets(Released(gate, At(1))) == std::vector<uint64_t>{3});
  gate.OnFinished(first, CallResult::kAnswered, At(2));
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
  REQUIRE(gate.Acquire(1, At(0), running) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, At(0), permit) == Admission::kParked);
  gate.OnFinished(running, CallResult::kAnswered, At(1));
  CHECK(gate.Acquire(3, At(1), permit) == Admission::kParked);
  CHECK(Tickets(Released(gate, At(1))) == std::vector<uint64_t>{2});
}

TEST_CASE("a full queue refuses and does not park") {
  GateOptions options = Open();
  options.max_concurrent = 1;
  options.max_queued = 1;
  ParticipantGate gate(options);
  Permit permit;
  REQUIRE(gate.Acquire(1, At(0), permit) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, At(0), permit) == Admission::kParked);
  CHECK(gate.Acquire(3, At(0), permit) == Admission::kRefused);
  CHECK_FALSE(gate.Withdraw(3));
}

TEST_CASE("a withdrawn call never goes") {
  GateOptions options = Open();
  options.max_concurrent = 1;
  ParticipantGate gate(options);
  Permit running;
  Permit permit;
  REQUIRE(gate.Acquire(1, At(0), running) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, At(0), permit) == Admission::kParked);
  REQUIRE(gate.Acquire(3, At(0), permit) == Admission::kParked);
  CHECK(gate.Withdraw(2));
  CHECK_FALSE(gate.Withdraw(2));
  CHECK_FALSE(gate.Withdraw(1));
  gate.OnFinished(running, CallResult::kAnswered, At(1));
  CHECK(Tickets(Released(gate, At(1))) == std::vector<uint64_t>{3});
}

TEST_CASE("parking and withdrawing over and over keeps the queue bounded") {
  GateOptions options = Open();
  options.max_concurrent = 1;
  options.max_queued = 2;
  ParticipantGate gate(options);
  Permit permit;
  REQUIRE(gate.Acquire(0, At(0), permit) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(1, At(0), permit) == Admission::kParked);
  for (uint64_t ticket = 2; ticket < 10'000; ++ticket) {
    REQUIRE(gate.Acquire(ticket, At(0), permit) == Admission::kParked);
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
  CHECK(gate.Acquire(1, At(0), permit) == Admission::kAdmitted);
  CHECK(gate.Acquire(2, At(0), permit) == Admission::kAdmitted);
  CHECK(gate.Acquire(3, At(0), permit) == Admission::kParked);
  CHECK(gate.Acquire(4, At(0), permit) == Admission::kParked);
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
    REQUIRE(gate.Acquire(1, At(0), permit) == Admission::kAdmitted);
    for (uint64_t ticket = 2; ticket < 50; ++ticket) {
      REQUIRE(gate.Acquire(ticket, gate.stats().finished == 0 ? At(0) : At(0), permit) ==
              Admission::kParked);
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
  REQUIRE(gate.Acquire(1, At(0), permit) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, At(1), parked) == Admission::kParked);
  CHECK(gate.NextWakeup() == std::nullopt);
  gate.OnFinished(permit, CallResult::kAnswered, At(10));
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
  REQUIRE(gate.Acquire(1, At(0), permit) == Admission::kAdmitted);
  CHECK_FALSE(gate.IdleAt(At(500)));
  REQUIRE(gate.Acquire(2, At(500), parked) == Admission::kParked);
  gate.OnFinished(permit, CallResult::kAnswered, At(510));
  CHECK_FALSE(gate.IdleAt(At(510)));
  const auto released = Released(gate, At(510));
  REQUIRE(released.size() == 1);
  gate.OnFinished(released.front(), CallResult::kTransportFailure, At(520));
  CHECK_FALSE(gate.IdleAt(At(619)));  // Cooling down until 620...
  CHECK(gate.IdleAt(At(620)));        // ... when the token of 510 is back too.
}

TEST_CASE("idle time saves no more than the burst") {
  GateOptions options = Open();
  options.rate_per_second = 1000;
  options.burst = 3;
  ParticipantGate gate(options);
  Permit permit;
  REQUIRE(gate.Acquire(1, At(0), permit) == Admission::kAdmitted);
  int admitted = 0;
  for (uint64_t ticket = 2; ticket < 12; ++ticket) {
    admitted += gate.Acquire(ticket, At(60'000), permit) == Admission::kAdmitted ? 1 : 0;
  }
  CHECK(admitted == 3);
}

TEST_CASE("failures in a row open the breaker and an answer between them does not count along") {
  ParticipantGate gate(WithBreaker(3));
  Permit permit;
  Fail(gate, At(0));
  Fail(gate, At(1));
  REQUIRE(gate.Acquire(7, At(2), permit) == Admission::kAdmitted);
  gate.OnFinished(permit, CallResult::kAnswered, At(2));
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
    REQUIRE(gate.Acquire(ticket, At(10), permit) == Admission::kParked);
  }
  REQUIRE(gate.NextWakeup() == At(100));
  CHECK(Released(gate, At(99)).empty());
  const auto probe = Released(gate, At(100));
  REQUIRE(Tickets(probe) == std::vector<uint64_t>{1});
  CHECK(gate.stats().breaker == BreakerState::kHalfOpen);
  CHECK(gate.NextWakeup() == std::nullopt);
  CHECK(Released(gate, At(5000)).empty());
  gate.OnFinished(probe[0], CallResult::kAnswered, At(5001));
  CHECK(gate.stats().breaker == BreakerState::kClosed);
  CHECK(Tickets(Released(gate, At(5001))) == std::vector<uint64_t>{2, 3});
}

TEST_CASE("a failed probe opens the breaker for longer, up to the most allowed") {
  ParticipantGate gate(WithBreaker(1));
  Fail(gate, At(0));
  Permit permit;
  const auto probe_at = [&](int64_t milliseconds) {
    REQUIRE(gate.Acquire(1, At(milliseconds), permit) == Admission::kAdmitted);
    gate.OnFinished(permit, CallResult::kTransportFailure, At(milliseconds));
    return *gate.stats().open_until;
  };
  CHECK(probe_at(100) == At(100 + 200));
  CHECK(probe_at(300) == At(300 + 300));
  CHECK(probe_at(600) == At(600 + 300));
  // Once closed, the first cool-down counts again.
  REQUIRE(gate.Acquire(1, At(900), permit) == Admission::kAdmitted);
  gate.OnFinished(permit, CallResult::kAnswered, At(900));
  Fail(gate, At(901));
  CHECK(gate.stats().open_until == At(1001));
}

TEST_CASE("results of calls from before the breaker opened do not move it") {
  ParticipantGate gate(WithBreaker(1));
  Permit early_answer;
  Permit early_failure;
  REQUIRE(gate.Acquire(1, At(0), early_answer) == Admission::kAdmitted);
  REQUIRE(gate.Acquire(2, At(0), early_failure) == Admission::kAdmitted);
  Fail(gate, At(1));
  const auto until = gate.stats().open_until;
  gate.OnFinished(early_answer, CallResult::kAnswered, At(50));
  CHECK(gate.stats().breaker == BreakerState::kOpen);
  Permit probe;
  REQUIRE(gate.Acquire(3, At(101), probe) == Admission::kAdmitted);
  gate.OnFinished(early_failure, CallResult::kTransportFailure, At(102));
  CHECK(gate.stats().breaker == BreakerState::kHalfOpen);
  CHECK(until == At(101));
  gate.OnFinished(probe, CallResult::kAnswered, At(103));
  CHECK(gate.stats().breaker == BreakerState::kClosed);
}

TEST_CASE("only the probe's own answer closes the breaker") {
  const CallResult earlier = GENERATE(CallResult::kAnswered, CallResult::kNotMade);
  ParticipantGate gate(WithBreaker(1));
  Permit early;
  Permit probe;
  REQUIRE(gate.Acquire(1, At(0), early) == Admission::kAdmitted);
  Fail(gate, At(1));
  REQUIRE(gate.Acquire(2, At(101), probe) == Admission::kAdmitted);
  gate.OnFinished(early, earlier, At(102));
  CHECK(gate.stats().breaker == BreakerState::kHalfOpen);
  CHECK(gate.stats().in_flight == 1);
  gate.OnFinished(probe, CallResult::kAnswered, At(103));
  CHECK(gate.stats().breaker == BreakerState::kClosed);
}

TEST_CASE("a probe that could not be made leaves the breaker open, and the next call probes") {
  ParticipantGate gate(WithBreaker(1));
  Fail(gate, At(0));
  Permit permit;
  const auto end_probe = [&](int64_t milliseconds, CallResult result) {
    REQUIRE(gate.Acquire(1, At(milliseconds), permit) == Admission::kAdmitted);
    gate.OnFinished(permit, result, At(milliseconds));
  };
  end_probe(100, CallResult::kNotMade);
  CHECK(gate.stats().breaker == BreakerState::kOpen);
  CHECK(gate.stats().in_flight == 0);
  CHECK(gate.stats().finished == 1);
  CHECK(gate.stats().error_rate == 1);
  end_probe(101, CallResult::kTransportFailure);
  CHECK(gate.stats().open_until == At(101 + 200));  // The second cool-down, as if there was none.
  end_probe(301, CallResult::kNotMade);
  end_probe(301, CallResult::kAnswered);
  CHECK(gate.stats().breaker == BreakerState::kClosed);
}

TEST_CASE("calls that could not be made neither count as failures in a row nor end the row") {
  ParticipantGate gate(WithBreaker(2));
  Permit permit;
  Fail(gate, At(0));
  for (int i = 0; i < 3; ++i) {
    REQUIRE(gate.Acquire(1, At(1), permit) == Admission::kAdmitted);
    gate.OnFinished(permit, CallResult::kNotMade, At(1));
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
  CHECK(gate.Acquire(1, At(0), permit) == Admission::kParked);
  CHECK(Released(gate, At(10)).empty());
  CHECK(Tickets(Released(gate, At(1100))) == std::vector<uint64_t>{1});
}

TEST_CASE("averages begin with the first outcome") {
  ParticipantGate gate(WithBreaker(1));
  Fail(gate, At(0));
  CHECK(gate.stats().error_rate == 1);
  Permit probe;
  REQUIRE(gate.Acquire(1, At(100), probe) == Admission::kAdmitted);
  CHECK(BreakerStateName(gate.stats().breaker) == "half-open");
  gate.OnFinished(probe, CallResult::kAnswered, At(110));
  CHECK(gate.stats().error_rate < 1);
}

TEST_CASE("statistics follow errors and latencies") {
  ParticipantGate gate(Open());
  Permit permit;
  REQUIRE(gate.Acquire(1, At(0), permit) == Admission::kAdmitted);
  gate.OnFinished(permit, CallResult::kAnswered, At(40));
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

}  // namespace entente::transport
