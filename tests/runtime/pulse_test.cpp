#include <chrono>

#include <catch2/catch.hpp>

#include "runtime/node/pulse.h"

namespace entente::runtime {
namespace {

Instant At(Duration since_start) {
  return InstantFromMicros(1'000'000'000) + since_start;
}

TEST_CASE("what is late while the process runs is late") {
  Pulse pulse(At(std::chrono::seconds(0)));
  for (int i = 1; i <= 40; ++i) {
    pulse.Beat(At(std::chrono::milliseconds(250 * i)));
  }
  CHECK(pulse.RunningSince(At(std::chrono::milliseconds(10'100))) == At(std::chrono::seconds(0)));
  // A beat that waits for a processor is no break.
  pulse.Beat(At(std::chrono::milliseconds(10'900)));
  CHECK(pulse.RunningSince(At(std::chrono::milliseconds(11'000))) == At(std::chrono::seconds(0)));
}

TEST_CASE("nothing is late at the moment at which a stopped process goes on") {
  Pulse pulse(At(std::chrono::seconds(0)));
  pulse.Beat(At(std::chrono::milliseconds(250)));
  // Before and after the first beat that follows.
  CHECK(pulse.RunningSince(At(std::chrono::seconds(60))) == At(std::chrono::seconds(60)));
  pulse.Beat(At(std::chrono::milliseconds(60'050)));
  CHECK(pulse.RunningSince(At(std::chrono::milliseconds(60'100))) ==
        At(std::chrono::milliseconds(60'050)));
  pulse.Beat(At(std::chrono::milliseconds(60'300)));
  CHECK(pulse.RunningSince(At(std::chrono::milliseconds(60'301))) ==
        At(std::chrono::milliseconds(60'050)));
}

TEST_CASE("a clock that is set back or forward makes nothing late either") {
  Pulse pulse(At(std::chrono::seconds(100)));
  pulse.Beat(At(std::chrono::seconds(40)));
  CHECK(pulse.RunningSince(At(std::chrono::seconds(41))) == At(std::chrono::seconds(40)));
  pulse.Beat(At(std::chrono::seconds(3'600)));
  CHECK(pulse.RunningSince(At(std::chrono::seconds(3'600))) == At(std::chrono::seconds(3'600)));
}

}  // namespace
}  // namespace entente::runtime
