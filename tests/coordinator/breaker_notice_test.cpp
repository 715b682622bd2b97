#include "coordinator/participants/gates.h"

#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace entente::participants {
namespace {

using CallResult = SharedGate::CallResult;

dsl::Participant Flights() {
  return {"flights", dsl::HttpAddress{"http://flights:1", {}}, {}, {}, {}};
}

// One call that goes, and ends so.
void Call(SharedGate& gate, CallResult result, Instant now) {
  const std::optional<SharedGate::Entry> entry = gate.Acquire(now, [] { return ParkedCall(); });
  REQUIRE(entry);
  REQUIRE(entry->admission == transport::ParticipantGate::Admission::kAdmitted);
  static_cast<void>(gate.Finish(entry->permit, result, now));
}

TEST_CASE("a breaker that opens and closes is told once each, whatever its probes do") {
  std::vector<std::string> told;
  Gates gates([&told](const std::string& participant, const std::string& address, bool open) {
    told.push_back(participant + " at " + address + (open ? " opened" : " closed"));
  });
  Instant now = InstantFromMicros(1'000'000);
  const std::shared_ptr<SharedGate> found = gates.Find(Flights(), "trip", now);
  SharedGate& gate = *found;
  for (int i = 0; i < 5; ++i) {
    CHECK(told.empty());
    Call(gate, CallResult::kTransportFailure, now);
  }
  CHECK(told == std::vector<std::string>{"flights at http://flights:1 opened"});
  now += std::chrono::minutes(1);
  Call(gate, CallResult::kTransportFailure, now);  // A probe that fails.
  CHECK(told.size() == 1);
  now += std::chrono::minutes(1);
  Call(gate, CallResult::kAnswered, now);
  Call(gate, CallResult::kAnswered, now);
  CHECK(told.size() == 2);
  CHECK(told.back() == "flights at http://flights:1 closed");
}

}  // namespace
}  // namespace entente::participants
