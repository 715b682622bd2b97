#include "coordinator/participants/gates.h"

#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace entente::participants {
namespace {

using Ending = participants::CallEnd::Result;

dsl::Participant Flights() {
  return {"flights", dsl::HttpAddress{"http://flights:1", {}}, {}, {}, {}};
}

// One call that goes, and ends so.
void Call(SharedGate& gate, Ending result, Instant now) {
  const std::optional<SharedGate::Entry> entry =
      gate.Acquire(participants::Lane::kForward, now, [] { return ParkedCall(); });
  REQUIRE(entry);
  REQUIRE(entry->admission == participants::ParticipantGate::Admission::kAdmitted);
  static_cast<void>(gate.Finish(entry->permit, {result, std::chrono::seconds(10), {}}, now));
}

TEST_CASE("a breaker that opens and closes is told once each, whatever its probes do") {
  std::vector<std::string> told;
  GatesOptions options;
  options.on_breaker = [&told](const std::string& participant, const std::string& address,
                               bool open) {
    told.push_back(participant + " at " + address + (open ? " opened" : " closed"));
  };
  Gates gates(std::move(options));
  Instant now = InstantFromMicros(1'000'000);
  const std::shared_ptr<SharedGate> found = gates.Find(Flights(), "trip", now);
  SharedGate& gate = *found;
  for (int i = 0; i < 5; ++i) {
    CHECK(told.empty());
    Call(gate, Ending::kTransportFailure, now);
  }
  CHECK(told == std::vector<std::string>{"flights at http://flights:1 opened"});
  now += std::chrono::minutes(1);
  Call(gate, Ending::kTransportFailure, now);  // A probe that fails.
  CHECK(told.size() == 1);
  now += std::chrono::minutes(1);
  Call(gate, Ending::kAnswered, now);
  Call(gate, Ending::kAnswered, now);
  CHECK(told.size() == 2);
  CHECK(told.back() == "flights at http://flights:1 closed");
}

}  // namespace
}  // namespace entente::participants
