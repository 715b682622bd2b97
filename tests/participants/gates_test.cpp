#include "coordinator/participants/gates.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace entente::participants {
namespace {

using Admission = participants::ParticipantGate::Admission;
using Ending = participants::CallEnd::Result;
using participants::Lane;

Instant At(int64_t milliseconds) {
  return InstantFromMicros(1'000'000) + std::chrono::milliseconds(milliseconds);
}

participants::CallEnd Ended(Ending result) {
  return {result, std::chrono::seconds(10), std::nullopt};
}

dsl::Participant Named(const std::string& host) {
  dsl::Participant participant;
  participant.name = host;
  participant.address = dsl::HttpAddress{"http://" + host, {}};
  return participant;
}

// Runs what is let go at once, and counts it.
ParkedCall Counting(int& went, SharedGate::Permit& permit) {
  return {Gid("g"), [](const std::function<void()>& task) { task(); },
          [&went, &permit](SharedGate::Permit given) {
            ++went;
            permit = given;
          }};
}

SharedGate::Entry Enter(SharedGate& gate, Instant now) {
  const auto entry = gate.Acquire(Lane::kForward, now, [] { return ParkedCall{Gid("g"), {}, {}}; });
  REQUIRE(entry);
  return *entry;
}

}  // namespace

TEST_CASE("a call's end says when the next waiting call may have its token") {
  dsl::Participant slow = Named("slow");
  slow.max_concurrent_calls = 1;
  slow.max_calls_per_second = 5;
  Gates gates;
  const auto gate = gates.Find(slow, "d", At(0));
  const SharedGate::Entry first = Enter(*gate, At(0));
  REQUIRE(first.admission == Admission::kAdmitted);
  int went = 0;
  SharedGate::Permit permit;
  const auto second = gate->Acquire(Lane::kForward, At(1), [&] { return Counting(went, permit); });
  REQUIRE(second);
  CHECK(second->admission == Admission::kParked);
  CHECK(gate->Release(At(1)) == std::nullopt);  // Only the first call's end can help.
  CHECK(gate->Finish(first.permit, Ended(Ending::kAnswered), At(10)) == At(200));
  CHECK(went == 0);
  CHECK(gate->Release(At(200)) == std::nullopt);
  CHECK(went == 1);
  CHECK(gate->Finish(permit, Ended(Ending::kAnswered), At(210)) == std::nullopt);
}

TEST_CASE("a call is counted when it goes, not when it begins to wait") {
  dsl::Participant narrow = Named("narrow");
  narrow.max_concurrent_calls = 1;
  Gates gates;
  const auto gate = gates.Find(narrow, "d", At(0));
  const SharedGate::Entry first = Enter(*gate, At(0));
  int went = 0;
  SharedGate::Permit permit;
  const auto withdrawn =
      gate->Acquire(Lane::kForward, At(0), [&] { return Counting(went, permit); });
  REQUIRE(withdrawn);
  CHECK(gate->Withdraw(withdrawn->ticket));
  REQUIRE(gate->Acquire(Lane::kForward, At(0), [&] { return Counting(went, permit); }));
  CHECK(gate->Stats(At(0)).calls == 1);
  CHECK(gate->Stats(At(0)).queued == 1);
  gate->Finish(first.permit, Ended(Ending::kAnswered), At(1));
  CHECK(went == 1);
  CHECK(gate->Stats(At(1)).calls == 2);
}

TEST_CASE("a participant keeps its gate, and other limits make another one") {
  Gates gates;
  dsl::Participant one = Named("one");
  const auto gate = gates.Find(one, "d", At(0));
  CHECK(gates.Find(one, "other", At(1)) == gate);
  one.max_concurrent_calls = 7;
  CHECK(gates.Find(one, "d", At(2)) != gate);
}

TEST_CASE("gates of addresses without end are forgotten, but none that is in use") {
  GatesOptions few;
  few.many = 10;
  Gates gates(few);
  const auto busy = gates.Find(Named("busy"), "d", At(0));
  const SharedGate::Entry call = Enter(*busy, At(0));
  const auto broken = gates.Find(Named("broken"), "d", At(0));
  for (int i = 0; i < 5; ++i) {
    broken->Finish(Enter(*broken, At(0)).permit, Ended(Ending::kTransportFailure), At(0));
  }
  const auto idle = gates.Find(Named("idle"), "d", At(0));
  for (int i = 0; i < 550; ++i) {
    const auto gate = gates.Find(Named("h" + std::to_string(i)), "inline", At(1 + i % 100));
    gate->Finish(Enter(*gate, At(1 + i % 100)).permit, Ended(Ending::kAnswered), At(1 + i % 100));
  }
  CHECK(gates.Stats(At(100)).size() <= 10);
  CHECK(gates.Find(Named("busy"), "d", At(100)) == busy);
  CHECK(gates.Find(Named("broken"), "d", At(100)) == broken);
  CHECK(busy->Stats(At(100)).in_flight == 1);

  // Who still holds a forgotten one is told, and finds another.
  CHECK_FALSE(idle->Acquire(Lane::kForward, At(100), [] { return ParkedCall{Gid("g"), {}, {}}; }));
  const auto again = gates.Find(Named("idle"), "d", At(100));
  CHECK(again != idle);
  CHECK(Enter(*again, At(100)).admission == Admission::kAdmitted);
  busy->Finish(call.permit, Ended(Ending::kAnswered), At(101));
}

TEST_CASE("a probe that could not be made is no failure and lets the next call try") {
  Gates gates;
  const auto gate = gates.Find(Named("away"), "d", At(0));
  for (int i = 0; i < 5; ++i) {
    gate->Finish(Enter(*gate, At(0)).permit, Ended(Ending::kTransportFailure), At(0));
  }
  const SharedGate::Entry probe = Enter(*gate, At(500));
  REQUIRE(probe.admission == Admission::kAdmitted);
  int went = 0;
  SharedGate::Permit permit;
  REQUIRE(gate->Acquire(Lane::kForward, At(501), [&] { return Counting(went, permit); }));
  REQUIRE(gate->Acquire(Lane::kForward, At(502), [&] { return Counting(went, permit); }));
  gate->Finish(probe.permit, Ended(Ending::kNotMade), At(503));
  CHECK(went == 1);  // Not both: it is the probe.
  CHECK(gate->Stats(At(503)).breaker == "half-open");
  CHECK(gate->Stats(At(503)).failures == 5);
  gate->Finish(permit, Ended(Ending::kAnswered), At(504));
  CHECK(went == 2);
  CHECK(gate->Stats(At(504)).breaker == "closed");
}

TEST_CASE("a gate says who waits there, until when, and what its limits are") {
  dsl::Participant narrow = Named("narrow");
  narrow.max_concurrent_calls = 1;
  narrow.max_calls_per_second = 2.5;
  Gates gates;
  const auto gate = gates.Find(narrow, "d", At(0));
  CHECK(gate->Stats(At(0)).max_in_flight == 1);
  CHECK(gate->Stats(At(0)).calls_per_second == 2.5);
  REQUIRE(Enter(*gate, At(0)).admission == Admission::kAdmitted);
  const auto wait = [&](const char* gid, Lane lane) {
    const auto entry = gate->Acquire(lane, At(1), [&] { return ParkedCall{Gid(gid), {}, {}}; });
    REQUIRE(entry);
    return entry->ticket;
  };
  wait("b", Lane::kForward);
  wait("a", Lane::kForward);
  wait("b", Lane::kForward);
  const SharedGate::Ticket settles = wait("c", Lane::kSettle);
  CHECK(gate->Stats(At(1)).waiting == std::vector<Gid>{Gid("c"), Gid("b"), Gid("a")});
  REQUIRE(gate->Withdraw(settles));
  CHECK(gate->Stats(At(1)).waiting == std::vector<Gid>{Gid("b"), Gid("a")});
  CHECK(gate->Stats(At(1)).blocked_by == "concurrency");
  CHECK_FALSE(gate->Stats(At(1)).blocked_until);  // A call's end is waited for.
  for (int i = 0; i < 20; ++i) {
    wait(("more-" + std::to_string(i)).c_str(), Lane::kForward);
  }
  CHECK(gate->Stats(At(1)).waiting.size() == runtime::ParticipantStats::kMaxWaitingShown);
}

TEST_CASE("a gate says when it lets the next call go: after a cool-down, and for want of a token") {
  Gates gates;
  const auto away = gates.Find(Named("away"), "d", At(0));
  for (int i = 0; i < 5; ++i) {
    away->Finish(Enter(*away, At(0)).permit, Ended(Ending::kTransportFailure), At(0));
  }
  CHECK(away->Stats(At(100)).blocked_by == "breaker");
  CHECK(away->Stats(At(100)).blocked_until == At(500));
  CHECK_FALSE(away->Stats(At(500)).blocked_until);  // The probe may go.
  dsl::Participant slow = Named("slow");
  slow.max_calls_per_second = 5;
  const auto limited = gates.Find(slow, "d", At(0));
  limited->Finish(Enter(*limited, At(0)).permit, Ended(Ending::kAnswered), At(1));
  CHECK(limited->Stats(At(50)).blocked_by == "rate");
  CHECK(limited->Stats(At(50)).blocked_until == At(200));
}

TEST_CASE("where every gate is in use none is forgotten") {
  GatesOptions few;
  few.many = 4;
  Gates gates(few);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(Enter(*gates.Find(Named("h" + std::to_string(i)), "d", At(0)), At(0)).admission ==
            Admission::kAdmitted);
  }
  CHECK(gates.Stats(At(1)).size() == 50);
}

TEST_CASE("no gate lets more go than the process has connections for") {
  GatesOptions options;
  options.max_connections = 3;
  Gates gates(options);
  dsl::Participant wide = Named("wide");
  wide.max_concurrent_calls = 100;
  const auto gate = gates.Find(wide, "d", At(0));
  CHECK(gate->connections()->limit() == 3);
  for (int i = 0; i < 3; ++i) {
    CHECK(Enter(*gate, At(0)).admission == Admission::kAdmitted);
  }
  CHECK(Enter(*gate, At(0)).admission == Admission::kParked);
}

TEST_CASE("what this machine lacks is counted and told") {
  std::vector<std::string> told;
  GatesOptions options;
  options.on_exhausted = [&told](const std::string& message) { told.push_back(message); };
  Gates gates(std::move(options));
  CHECK(gates.local_exhaustion().times == 0);
  CHECK_FALSE(gates.local_exhaustion().last);
  gates.OnLocalExhaustion("no descriptors", At(5));
  gates.OnLocalExhaustion("no ports", At(4));
  CHECK(gates.local_exhaustion().times == 2);
  CHECK(gates.local_exhaustion().last == At(5));
  CHECK(gates.local_exhaustion().what == "no ports");
  CHECK(told == std::vector<std::string>{"no descriptors", "no ports"});
}

}  // namespace entente::participants
